//! Audacity's label track: a line a label, and a second line that begins with a backslash for its frequencies.

use super::{Mark, MarkKind};
use crate::{Error, Result};

/// The marks as a label track.
pub fn to_audacity(marks: &[Mark]) -> String {
    let mut text = String::new();
    for mark in marks {
        text += &format!("{:.6}\t{:.6}\t{}\n", mark.start_secs, mark.end_secs, mark.line());
        if let Some([low, high]) = mark.band_hz {
            text += &format!("\\\t{low:.6}\t{high:.6}\n");
        }
    }
    text
}

/// Reads a label track; `name` is what errors call it. Every label is a [`MarkKind::Label`].
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid), naming the line, for what is no label track.
pub fn from_audacity(name: &str, text: &str) -> Result<Vec<Mark>> {
    let mut marks: Vec<Mark> = Vec::new();
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let fail = |what: &str| {
            Error::invalid(format!("{name}, line {}: {what}; a label is START, tab, END, tab, TEXT in seconds", at + 1))
        };
        let mut cells = line.splitn(3, '\t');
        let mut cell = || cells.next().unwrap_or_default().trim();
        let (first, second, third) = (cell(), cell(), cell());
        let number = |cell: &str| cell.replace(',', ".").parse::<f64>().ok().filter(|number| number.is_finite());
        if first == "\\" {
            let (Some(low), Some(high)) = (number(second), number(third)) else {
                return Err(fail("two frequencies are missing behind the backslash"));
            };
            let last = marks.last_mut().ok_or_else(|| fail("frequencies stand before the first label"))?;
            // Audacity writes -1 for an edge that is not set.
            last.band_hz = (low >= 0.0 && high >= low).then_some([low, high]);
            continue;
        }
        let (Some(start_secs), Some(end_secs)) = (number(first), number(second)) else {
            return Err(fail("its times are no numbers"));
        };
        if start_secs < 0.0 || end_secs < start_secs {
            return Err(fail("it ends before it starts, or starts before the sound"));
        }
        let text = third.into();
        marks.push(Mark { kind: MarkKind::Label, start_secs, end_secs, text, score: None, band_hz: None });
    }
    Ok(marks)
}

#[cfg(test)]
mod tests {
    use super::{super::marks::tests::examples, *};

    #[test]
    fn a_label_track_comes_back_as_it_was() {
        let text = to_audacity(&examples());
        assert!(text.contains("1.000000\t1.500000\tbird\n\\\t500.000000\t2500.500000\n"), "{text}");
        let back = from_audacity("labels.txt", &text).unwrap();
        let expected: Vec<_> =
            examples().into_iter().map(|mark| Mark { kind: MarkKind::Label, score: None, ..mark }).collect();
        assert_eq!(back, expected);
        assert_eq!(from_audacity("x", "").unwrap(), []);
        assert_eq!(from_audacity("x", "\u{feff}0,5\t1,5\t\r\n").unwrap()[0].start_secs, 0.5, "a comma for the point");
    }

    #[test]
    fn what_is_no_label_track_is_refused_with_its_line() {
        for bad in ["hello", "0.0\t1.0\ta\n2.0\t1.0\tb", "\\\t1\t2", "0\t1\ta\n\\\tx\ty", "-1\t2\ta", "nan\tnan\tx"] {
            let error = from_audacity("my.txt", bad).unwrap_err();
            assert!(error.message.starts_with("my.txt, line "), "{bad:?}: {error}");
        }
    }
}
