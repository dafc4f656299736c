//! A segment heard again: once it is over, the beam search may find a likelier text than the greedy one.

use std::collections::VecDeque;
use std::sync::Arc;

use super::beam::{BeamSearch, align};
use super::decoder::EncoderFrame;
use super::transcript::Token;
use crate::Text;

/// Kept from before the first token, since a word's answer may have begun there.
const BEFORE_SECS: f64 = 0.5;

/// The outputs since the last endpoint.
#[derive(Clone, Debug)]
pub struct SegmentSearch {
    search: Arc<BeamSearch>,
    frames: VecDeque<Heard>,
}

#[derive(Clone, Debug)]
struct Heard {
    start_secs: f64,
    end_secs: f64,
    logits: Box<[f32]>,
}

impl SegmentSearch {
    /// Nothing was heard yet.
    pub fn new(search: Arc<BeamSearch>) -> Self {
        Self { search, frames: VecDeque::new() }
    }

    /// Hears a frame, whose outputs are divided by `temperature`. While no segment `is_open`, only the newest are kept; an open one is bounded by its tokens.
    pub fn hear(&mut self, frame: &EncoderFrame<'_>, temperature: f32, is_open: bool) {
        let EncoderFrame { start_secs, end_secs, logits, .. } = *frame;
        self.frames.push_back(Heard {
            start_secs,
            end_secs,
            logits: logits.iter().map(|logit| logit / temperature).collect(),
        });
        while !is_open && self.frames.front().is_some_and(|first| first.start_secs < end_secs - BEFORE_SECS) {
            self.frames.pop_front();
        }
    }

    /// What the segment is after all: `greedy` where the search agrees, else what it found, with times and scores of its likeliest
    /// alignment. Fillers and tokens below their threshold are left out, as they are by greedy decoding.
    pub fn decide(&mut self, greedy: Vec<Token>, names: &[Text], thresholds: &[f32]) -> Vec<Token> {
        let frames = std::mem::take(&mut self.frames);
        let classes = frames.front().map_or(0, |frame| frame.logits.len());
        let logits: Vec<f32> = frames.iter().flat_map(|frame| &frame.logits).copied().collect();
        let Some(best) = self.search.best(&logits, classes).into_iter().next() else { return Vec::new() };
        let places = align(&logits, classes, &best.classes);
        let token = |(&class, &(first, last)): (&usize, &(usize, usize))| {
            let score = (first..=last).map(|at| posterior(&frames[at].logits, class)).fold(0.0, f32::max);
            let is_sure = score >= thresholds.get(class - 1).copied().unwrap_or(1.0);
            let name = names.get(class - 1).filter(|_| is_sure)?;
            let (start_secs, end_secs) = (frames[first].start_secs, frames[last].end_secs);
            Some(Token { token: name.clone(), start_secs, end_secs, score })
        };
        let found: Vec<Token> = best.classes.iter().zip(&places).filter_map(token).collect();
        let is_same = found.iter().map(|token| &token.token).eq(greedy.iter().map(|token| &token.token));
        if is_same { greedy } else { found }
    }
}

fn posterior(logits: &[f32], class: usize) -> f32 {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f32 = logits.iter().map(|logit| (logit - highest).exp()).sum();
    logits.get(class).map_or(0.0, |logit| (logit - highest).exp() / sum)
}

#[cfg(test)]
mod tests {
    use super::super::card::Card;
    use super::super::decoder::Decoder;
    use super::super::decoding::{Decoding, Unit};
    use super::super::lexicon::tests::card;
    use super::*;

    /// Hears frames of (class, probability of it; the rest is shared by the others), a tenth of a second each.
    fn hear(decoder: &mut Decoder, frames: &[(usize, f32)]) -> Vec<String> {
        let mut texts = Vec::new();
        for (at, &(class, p)) in frames.iter().enumerate() {
            let logits: Vec<f32> = (0..4).map(|c| if c == class { p.ln() } else { ((1.0 - p) / 3.0).ln() }).collect();
            let start_secs = at as f64 * 0.1;
            let frame = EncoderFrame { start_secs, end_secs: start_secs + 0.1, loudness: 0.0, logits: &logits };
            texts.extend(decoder.accept(frame).map(|segment| segment.text));
        }
        texts
    }

    #[test]
    fn fillers_are_told_apart_and_never_shown() {
        let own = card(&["a", "b"], Unit::Words);
        let with_filler = Card { fillers: vec!["c".into()], ..own };
        let silence = [(0, 0.98); 15];
        let frames = [&silence[..3], &[(1, 0.9), (0, 0.9), (3, 0.9), (0, 0.9), (2, 0.9)][..], &silence[..]].concat();
        for search in [None, Some(Arc::new(BeamSearch::new(8, None, &with_filler).unwrap()))] {
            assert_eq!(hear(&mut Decoder::new(&with_filler).with_search(search), &frames), ["a b"]);
        }
    }

    #[test]
    fn a_lexicon_mends_what_greedy_decoding_spells_wrong() {
        let card = Card { decoding: Decoding::characters(3), ..card(&["a", "b", "c"], Unit::Characters) };
        let silence = [(0, 0.98); 15];
        // Greedy reads "ac", of which the c is a guess.
        let frames = [&silence[..3], &[(1, 0.9), (3, 0.5)][..], &silence[..]].concat();
        let greedy = hear(&mut Decoder::new(&card), &frames);
        assert_eq!(greedy, ["ac"]);
        let search = |lexicon| Some(Arc::new(BeamSearch::new(8, lexicon, &card).unwrap()));
        assert_eq!(hear(&mut Decoder::new(&card).with_search(search(None)), &frames), ["ac"]);
        assert_eq!(hear(&mut Decoder::new(&card).with_search(search(Some("ab\nbc"))), &frames), ["ab"]);
        let twice = [&frames[..], &frames[..]].concat();
        assert_eq!(hear(&mut Decoder::new(&card).with_search(search(Some("ab"))), &twice), ["ab", "ab"]);
    }
}
