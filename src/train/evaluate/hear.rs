//! Hearing a sound as a live stream brings it, and when each word appeared.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Result;
use crate::recognise::card::Model;
use crate::recognise::decoding::Unit;
use crate::recognise::online::{Online, OnlineEvent};

/// Sound at a time, in seconds: what a microphone hands over, and no more than the accuracy of an emission's time.
const BLOCK_SECS: f64 = 0.02;

/// Silence heard after the sound, so that the last segment ends.
const TAIL_SECS: f64 = 1.0;

/// A word that was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct HeardWord {
    /// The word.
    pub word: String,
    /// Its posterior, 0 to 1.
    pub score: f32,
    /// Length of the sound after which it was first shown.
    pub emitted_secs: f64,
}

/// What a model made of a sound.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The words, in their order.
    pub words: Vec<HeardWord>,
    /// Length of the sound.
    pub secs: f64,
    /// How long recognising it took.
    pub processing: Duration,
}

impl Heard {
    /// The words alone.
    pub fn names(&self) -> Vec<&str> {
        self.words.iter().map(|word| word.word.as_str()).collect()
    }

    /// The word with the highest score.
    pub fn surest(&self) -> Option<&HeardWord> {
        self.words.iter().max_by(|a, b| a.score.total_cmp(&b.score))
    }
}

/// Recognises `samples`, which are rounded to the 16-bit grid first, as those of a stream are.
pub fn hear(model: &Arc<Model>, samples: &[f32], sample_rate_hz: u32) -> Result<Heard> {
    let begun = Instant::now();
    let rate = f64::from(sample_rate_hz);
    let mut lane = Lane::new(model, sample_rate_hz)?;
    let grid: Vec<i16> = samples.iter().map(|&sample| (sample * 32_768.0).round() as i16).collect();
    for block in grid.chunks(((BLOCK_SECS * rate) as usize).max(1)) {
        lane.accept(block)?;
    }
    lane.accept(&vec![0; (TAIL_SECS * rate) as usize])?;
    lane.online.stop(&mut lane.events)?;
    lane.follow();
    Ok(Heard { words: lane.words, secs: samples.len() as f64 / rate, processing: begun.elapsed() })
}

/// A lane whose words are followed from their first showing to their final form.
struct Lane {
    online: Online,
    events: Vec<OnlineEvent>,
    unit: Unit,
    at: u64,
    rate: f64,
    /// Final words.
    words: Vec<HeardWord>,
    /// The tokens being said.
    shown: Vec<HeardWord>,
}

impl Lane {
    fn new(model: &Arc<Model>, sample_rate_hz: u32) -> Result<Self> {
        let (mut online, mut events) = (Online::new(sample_rate_hz)?, Vec::new());
        online.swap(model.clone(), &mut events)?;
        online.start(0, &mut events)?;
        let (unit, rate) = (model.card().unit, f64::from(sample_rate_hz));
        Ok(Self { online, events, unit, at: 0, rate, words: Vec::new(), shown: Vec::new() })
    }

    fn accept(&mut self, block: &[i16]) -> Result<()> {
        self.online.accept(self.at, block, &mut self.events)?;
        self.at += block.len() as u64;
        self.follow();
        Ok(())
    }

    /// Takes over what the events say. A token that was shown before keeps the time of its first showing.
    fn follow(&mut self) {
        let emitted_secs = self.at as f64 / self.rate;
        for event in std::mem::take(&mut self.events) {
            let (tokens, is_final) = match event {
                OnlineEvent::Partial(hypothesis) => (hypothesis.tokens, false),
                OnlineEvent::Final(segment) => (segment.tokens, true),
            };
            let before = std::mem::take(&mut self.shown);
            for (number, token) in tokens.iter().enumerate() {
                let before = before.get(number).filter(|before| *before.word == *token.token);
                let emitted_secs = before.map_or(emitted_secs, |before| before.emitted_secs);
                self.shown.push(HeardWord { word: token.token.to_string(), score: token.score, emitted_secs });
            }
            if is_final {
                let shown = std::mem::take(&mut self.shown);
                self.words.extend(if self.unit == Unit::Words { shown } else { joined(&shown) });
            }
        }
    }
}

/// The words that characters make: as sure as their least sure character, and there with their last one.
fn joined(characters: &[HeardWord]) -> Vec<HeardWord> {
    let parts = characters.split(|character| character.word.trim().is_empty());
    let word = |part: &[HeardWord]| {
        Some(HeardWord {
            word: part.iter().map(|character| character.word.as_str()).collect(),
            score: part.iter().map(|character| character.score).fold(1.0, f32::min),
            emitted_secs: part.last()?.emitted_secs,
        })
    };
    parts.filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_make_words_at_their_blanks() {
        let character = |(at, c): (usize, char)| HeardWord {
            word: c.to_string(),
            score: 1.0 - at as f32 / 10.0,
            emitted_secs: at as f64,
        };
        let characters: Vec<HeardWord> = "on  it".chars().enumerate().map(character).collect();
        let words = joined(&characters);
        assert_eq!(words.iter().map(|word| word.word.as_str()).collect::<Vec<_>>(), ["on", "it"]);
        assert_eq!((words[0].emitted_secs, words[1].emitted_secs, words[1].score), (1.0, 5.0, 0.5));
    }
}
