//! What was heard: tokens, segments, hypotheses and the bounded transcript of a lane.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Text;

/// One recognised word. Times are on the stream's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    /// The word.
    pub token: Text,
    /// Where its sound began, as far as loudness tells.
    pub start_secs: f64,
    /// Where its sound ended, as far as loudness and the network's last answer for it tell.
    pub end_secs: f64,
    /// The highest posterior that the network gave it, 0 to 1.
    pub score: f32,
}

/// Tokens between two endpoints; final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Segment {
    /// The words, separated by blanks.
    pub text: String,
    /// Start of the first token.
    pub start_secs: f64,
    /// End of the last token.
    pub end_secs: f64,
    /// At least one.
    pub tokens: Vec<Token>,
}

impl Segment {
    /// A segment of `tokens`, which are words; `None` when there are none.
    pub fn new(tokens: Vec<Token>) -> Option<Self> {
        Self::joined(tokens, " ")
    }

    /// A segment of `tokens` with `separator` between them in the text; `None` when there are none.
    pub fn joined(tokens: Vec<Token>, separator: &str) -> Option<Self> {
        let (start_secs, end_secs) = (tokens.first()?.start_secs, tokens.last()?.end_secs);
        Some(Self { text: text_of(&tokens, separator), start_secs, end_secs, tokens })
    }
}

/// The tokens since the last endpoint. More may follow, and the end and the score of the last may still change; none
/// is taken back.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Hypothesis {
    /// The words, separated by blanks; empty when nothing is being said.
    pub text: String,
    /// The tokens so far.
    pub tokens: Vec<Token>,
}

impl Hypothesis {
    /// A hypothesis of `tokens`, which are words.
    pub fn new(tokens: Vec<Token>) -> Self {
        Self::joined(tokens, " ")
    }

    /// A hypothesis of `tokens` with `separator` between them in the text.
    pub fn joined(tokens: Vec<Token>, separator: &str) -> Self {
        Self { text: text_of(&tokens, separator), tokens }
    }
}

/// What a lane has heard: final segments, the newest [`Transcript::MAX_TOKENS`] tokens of them, and what is being said.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Transcript {
    segments: VecDeque<Segment>,
    partial: Hypothesis,
    kept_tokens: usize,
    forgotten_tokens: u64,
}

impl Transcript {
    /// Tokens of final segments that are kept; the oldest segments go first.
    pub const MAX_TOKENS: usize = 1_000;

    /// Adds a final segment.
    pub fn push(&mut self, segment: Segment) {
        self.kept_tokens += segment.tokens.len();
        self.segments.push_back(segment);
        while self.kept_tokens > Self::MAX_TOKENS && self.segments.len() > 1 {
            let forgotten = self.segments.pop_front().map_or(0, |segment| segment.tokens.len());
            self.kept_tokens -= forgotten;
            self.forgotten_tokens += forgotten as u64;
        }
    }

    /// Replaces what is being said.
    pub fn set_partial(&mut self, partial: Hypothesis) {
        self.partial = partial;
    }

    /// Final segments, the oldest first.
    pub fn segments(&self) -> impl ExactSizeIterator<Item = &Segment> + DoubleEndedIterator {
        self.segments.iter()
    }

    /// What is being said.
    pub fn partial(&self) -> &Hypothesis {
        &self.partial
    }

    /// The words being said, separated by blanks.
    pub fn partial_text(&self) -> String {
        self.partial.text.clone()
    }

    /// The tokens of the final segments, the oldest first.
    pub fn tokens(&self) -> Vec<Token> {
        self.segments.iter().flat_map(|segment| &segment.tokens).cloned().collect()
    }

    /// The words of the final segments, separated by blanks.
    pub fn text(&self) -> String {
        self.segments.iter().map(|segment| segment.text.as_str()).collect::<Vec<_>>().join(" ")
    }

    /// Final tokens that are no longer kept.
    pub fn forgotten_tokens(&self) -> u64 {
        self.forgotten_tokens
    }
}

/// Without the blanks at its ends, which characters may be.
fn text_of(tokens: &[Token], separator: &str) -> String {
    tokens.iter().map(|token| &*token.token).collect::<Vec<_>>().join(separator).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(from: usize, len: usize) -> Segment {
        let token = |i: usize| Token {
            token: format!("w{i}").into(),
            start_secs: i as f64,
            end_secs: i as f64 + 0.5,
            score: 0.9,
        };
        Segment::new((from..from + len).map(token).collect()).unwrap()
    }

    #[test]
    fn a_transcript_forgets_whole_segments_and_counts_them() {
        let mut transcript = Transcript::default();
        (0..60).for_each(|i| transcript.push(segment(i * 20, 20)));
        assert_eq!((transcript.tokens().len(), transcript.forgotten_tokens()), (1_000, 200));
        assert_eq!(transcript.segments().next().unwrap().tokens[0].token, "w200".into());
        assert_eq!(transcript.segments().next_back().unwrap().end_secs, 1_199.5);
    }

    #[test]
    fn a_segment_is_written_in_the_contract_form() {
        let json = serde_json::to_value(segment(3, 2)).unwrap();
        let expected = serde_json::json!({"text": "w3 w4", "start_secs": 3.0, "end_secs": 4.5, "tokens": [
            {"token": "w3", "start_secs": 3.0, "end_secs": 3.5, "score": 0.9f32},
            {"token": "w4", "start_secs": 4.0, "end_secs": 4.5, "score": 0.9f32},
        ]});
        assert_eq!(json, expected);
        assert!(Segment::new(Vec::new()).is_none());
    }
}
