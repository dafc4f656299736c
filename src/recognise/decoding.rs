//! How a network's outputs become words: the part of a card that calibration finds.

use serde::{Deserialize, Serialize};

/// What the tokens of a model are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unit {
    /// Words, separated by blanks.
    #[default]
    Words,
    /// Characters of a text; the blank between words is one of them.
    Characters,
}

impl Unit {
    /// Whether it is words.
    pub fn is_words(&self) -> bool {
        *self == Self::Words
    }

    /// What stands between two tokens in a text.
    pub fn separator(self) -> &'static str {
        match self {
            Self::Words => " ",
            Self::Characters => "",
        }
    }
}

/// How the network's outputs become words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decoding {
    /// For each token the score that it must reach, 0 to 1: what is below is taken for a sound that is no word.
    pub thresholds: Vec<f32>,
    /// The outputs are divided by this before they become posteriors, so that a score of 0.9 is right in nine of ten
    /// cases; fitted on clips that were not learnt from. 1 on cards of version 1, which do not have it.
    #[serde(default = "no_temperature")]
    pub temperature: f32,
    /// So long without a token ends a segment.
    pub endpoint_secs: f64,
    /// The same token again within this time after its end is still the same word.
    pub repeat_secs: f64,
}

impl Decoding {
    /// The usual values for `tokens` words.
    pub fn words(tokens: usize) -> Self {
        Self { thresholds: vec![0.5; tokens], temperature: no_temperature(), endpoint_secs: 0.6, repeat_secs: 0.12 }
    }

    /// The usual values for `tokens` characters: none is kept out, and a letter may come twice in a row.
    pub fn characters(tokens: usize) -> Self {
        Self { thresholds: vec![0.0; tokens], endpoint_secs: 0.8, repeat_secs: 0.0, ..Self::words(0) }
    }
}

/// Outputs as the network gives them.
fn no_temperature() -> f32 {
    1.0
}
