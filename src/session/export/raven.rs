//! Raven's selection table: tab-separated, with a header, a row a selection.

use super::{Mark, MarkKind};
use crate::{Error, Result};

const COLUMNS: [&str; 10] = [
    "Selection",
    "View",
    "Channel",
    "Begin Time (s)",
    "End Time (s)",
    "Low Freq (Hz)",
    "High Freq (Hz)",
    "Annotation",
    "Kind",
    "Score",
];

/// The marks as a selection table. One without a band spans all frequencies up to `top_hz`.
pub fn to_raven(marks: &[Mark], top_hz: f64) -> String {
    let mut text = COLUMNS.join("\t") + "\n";
    for (i, mark) in marks.iter().enumerate() {
        let [low, high] = mark.band_hz.unwrap_or([0.0, top_hz]);
        let kind = if mark.kind == MarkKind::Token { "token" } else { "label" };
        let score = mark.score.map(|score| score.to_string()).unwrap_or_default();
        text += &format!(
            "{}\tSpectrogram 1\t1\t{:.6}\t{:.6}\t{low:.6}\t{high:.6}\t{}\t{kind}\t{score}\n",
            i + 1,
            mark.start_secs,
            mark.end_secs,
            mark.line(),
        );
    }
    text
}

/// Reads a selection table by the names of its columns; `name` is what errors call it. A selection that stands in two views
/// is taken once. `Begin Time (s)` and `End Time (s)` must be there; the text is that of `Annotation`, `Species` or `Label`.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid), naming the line or the column that is missing.
pub fn from_raven(name: &str, text: &str) -> Result<Vec<Mark>> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let (_, header) = lines.next().ok_or_else(|| Error::invalid(format!("{name} is empty, so no selection table")))?;
    let names: Vec<&str> = header.split('\t').map(str::trim).collect();
    let column = |wanted: &str| names.iter().position(|name| name.eq_ignore_ascii_case(wanted));
    let needed = |wanted: &str| {
        column(wanted)
            .ok_or_else(|| Error::invalid(format!("{name} has no column \"{wanted}\": is it a selection table?")))
    };
    let (begin, end) = (needed("Begin Time (s)")?, needed("End Time (s)")?);
    let (low, high) = (column("Low Freq (Hz)"), column("High Freq (Hz)"));
    let said = ["Annotation", "Species", "Label"].into_iter().find_map(column);
    let selection = column("Selection");
    let (mut marks, mut taken) = (Vec::new(), Vec::new());
    for (at, line) in lines {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        let cell = |column: usize| cells.get(column).copied().unwrap_or_default();
        let number = |column: usize| cell(column).parse::<f64>().ok().filter(|number| number.is_finite());
        if let Some(id) = selection.map(cell).filter(|id| !id.is_empty()) {
            if taken.contains(&id) {
                continue;
            }
            taken.push(id);
        }
        let (Some(start_secs), Some(end_secs)) = (number(begin), number(end)) else {
            return Err(Error::invalid(format!("{name}, line {}: begin or end time is no number", at + 1)));
        };
        if start_secs < 0.0 || end_secs < start_secs {
            return Err(Error::invalid(format!("{name}, line {}: the selection ends before it begins", at + 1)));
        }
        let band_hz = low.and_then(number).zip(high.and_then(number)).map(|(low, high)| [low, high]);
        let text = said.map(cell).unwrap_or_default().into();
        marks.push(Mark { kind: MarkKind::Label, start_secs, end_secs, text, score: None, band_hz });
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::{super::marks::tests::examples, *};

    #[test]
    fn a_selection_table_comes_back_as_it_was() {
        let text = to_raven(&examples(), 24_000.0);
        let back = from_raven("a.txt", &text).unwrap();
        assert_eq!(back.len(), 4);
        for (back, mark) in back.iter().zip(examples()) {
            assert_eq!((back.start_secs, back.end_secs, &back.text), (mark.start_secs, mark.end_secs, &mark.text));
            assert_eq!(back.band_hz, Some(mark.band_hz.unwrap_or([0.0, 24_000.0])));
        }
    }

    #[test]
    fn a_table_of_ravens_own_is_read_once_for_its_two_views() {
        let table = "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tSpecies\r\n\
                     1\tWaveform 1\t1\t2.5\t3.25\t0.0\t12000.0\twren\r\n\
                     1\tSpectrogram 1\t1\t2.5\t3.25\t1000.0\t4000.0\twren\r\n2\tSpectrogram 1\t1\t4\t5\t1\t2\t\r\n";
        let marks = from_raven("wren.txt", table).unwrap();
        assert_eq!(marks.len(), 2);
        assert_eq!((&*marks[0].text, marks[0].start_secs, &*marks[1].text), ("wren", 2.5, ""));
    }

    #[test]
    fn what_is_no_selection_table_is_refused() {
        for bad in
            ["", "hello\tworld\n1\t2", "Begin Time (s)\tEnd Time (s)\nx\t2", "Begin Time (s)\tEnd Time (s)\n3\t2"]
        {
            assert!(from_raven("b.txt", bad).unwrap_err().message.starts_with("b.txt"), "{bad:?}");
        }
    }
}
