//! Marks as WebVTT, CSV and JSON Lines.

use super::Mark;
use crate::{Error, Result};

/// The marks as captions: a cue a mark.
pub fn to_vtt(marks: &[Mark]) -> String {
    let mut text = String::from("WEBVTT\n");
    for (i, mark) in marks.iter().enumerate() {
        let said = mark.line().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        // A cue has a length, and an empty line would end it.
        let end = mark.end_secs.max(mark.start_secs + 0.001);
        let said = if said.trim().is_empty() { "–" } else { said.trim() };
        text += &format!("\n{}\n{} --> {}\n{said}\n", i + 1, vtt_time(mark.start_secs), vtt_time(end));
    }
    text
}

fn vtt_time(secs: f64) -> String {
    let millis = (secs.max(0.0) * 1000.0).round() as u64;
    let (hours, minutes, secs) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{secs:02}.{:03}", millis % 1000)
}

/// The marks as a table with a header.
///
/// # Errors
/// A defect of this program: memory takes everything.
pub fn to_csv(marks: &[Mark]) -> Result<String> {
    let fail = |error: &dyn std::fmt::Display| Error::internal(format!("marks cannot be written as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["kind", "start_secs", "end_secs", "text", "score", "low_hz", "high_hz"])
        .map_err(|error| fail(&error))?;
    for mark in marks {
        let [low, high] = mark.band_hz.map_or([None, None], |band| band.map(Some));
        let row = (mark.kind, mark.start_secs, mark.end_secs, &*mark.text, mark.score, low, high);
        writer.serialize(row).map_err(|error| fail(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| fail(&error))?;
    String::from_utf8(bytes).map_err(|error| fail(&error))
}

/// The marks as JSON, one a line.
///
/// # Errors
/// A defect of this program: a mark can always be written.
pub fn to_json_lines(marks: &[Mark]) -> Result<String> {
    let line = |mark: &Mark| {
        serde_json::to_string(mark)
            .map(|line| line + "\n")
            .map_err(|error| Error::internal(format!("a mark cannot be written as JSON: {error}")))
    };
    marks.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::marks::tests::examples, *};

    #[test]
    fn captions_have_times_and_escaped_text() {
        let text = to_vtt(&examples());
        assert!(text.starts_with("WEBVTT\n\n1\n00:00:00.250 --> 00:00:01.125\n"), "{text}");
        assert!(text.contains("川の音 \"brook\", &lt;deep&gt; &amp; wide\n"));
        assert_eq!(vtt_time(36_061.051), "10:01:01.051");
    }

    #[test]
    fn a_table_comes_back_through_a_reader() {
        let text = to_csv(&examples()).unwrap();
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(&rows[0][3], "川の音 \"brook\", <deep> & wide");
        assert_eq!(rows[3].iter().collect::<Vec<_>>(), ["label", "1.0", "1.5", "bird", "", "500.0", "2500.5"]);
    }

    #[test]
    fn each_line_is_one_json_object() {
        let text = to_json_lines(&examples()).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines[1],
            serde_json::json!({"kind": "token", "start_secs": 0.5, "end_secs": 0.75, "text": "seven", "score": 0.875})
        );
        assert_eq!(lines[3]["band_hz"], serde_json::json!([500.0, 2500.5]));
    }
}
