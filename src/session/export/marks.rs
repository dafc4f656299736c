//! What stands in the sound: recognised tokens and labels set by people, in one form for all text formats.

use serde::Serialize;

use crate::Text;

/// Where a mark comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// Recognised.
    Token,
    /// Set by a person.
    Label,
}

/// A stretch of time, and of frequency where it has one, with a text. Times are on the clock of what is exported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Mark {
    /// Where it comes from.
    pub kind: MarkKind,
    /// Its start.
    pub start_secs: f64,
    /// Its end, not before its start.
    pub end_secs: f64,
    /// What it says.
    pub text: Text,
    /// How sure the recogniser was, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f32>,
    /// The lowest and the highest frequency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band_hz: Option<[f64; 2]>,
}

impl Mark {
    /// The mark as seen from `from_secs` on; `None` if it lies outside of the `len_secs` from there.
    pub fn shifted(&self, from_secs: f64, len_secs: f64) -> Option<Self> {
        let start_secs = (self.start_secs - from_secs).max(0.0);
        let end_secs = (self.end_secs - from_secs).min(len_secs);
        (start_secs <= end_secs && start_secs < len_secs).then(|| Self { start_secs, end_secs, ..self.clone() })
    }

    /// Its text on one line: what would end a line or a cell is a blank.
    pub(super) fn line(&self) -> String {
        self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
    }
}

/// Sorts marks by their start, shorter ones first.
pub fn sort(marks: &mut [Mark]) {
    let key = |mark: &Mark| (mark.start_secs, mark.end_secs);
    marks.sort_by(|a, b| key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal));
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Tokens, overlapping labels, one with a band, and what is hard to write.
    pub fn examples() -> Vec<Mark> {
        let mark = |kind, start_secs, end_secs, text: &str| Mark {
            kind,
            start_secs,
            end_secs,
            text: text.into(),
            score: None,
            band_hz: None,
        };
        let mut marks = vec![
            Mark { score: Some(0.875), ..mark(MarkKind::Token, 0.5, 0.75, "seven") },
            Mark { score: Some(0.5), ..mark(MarkKind::Token, 1.0, 1.25, "three") },
            mark(MarkKind::Label, 0.25, 1.125, "川の音 \"brook\", <deep> & wide"),
            Mark { band_hz: Some([500.0, 2500.5]), ..mark(MarkKind::Label, 1.0, 1.5, "bird") },
        ];
        sort(&mut marks);
        marks
    }

    #[test]
    fn a_mark_is_cut_to_what_is_exported() {
        let bird = &examples()[3];
        let shifted = bird.shifted(1.125, 0.25).unwrap();
        assert_eq!((shifted.start_secs, shifted.end_secs), (0.0, 0.25));
        assert!(bird.shifted(2.0, 1.0).is_none() && bird.shifted(0.0, 0.5).is_none());
    }
}
