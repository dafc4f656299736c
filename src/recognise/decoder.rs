//! Greedy decoding of connectionist temporal classification, as a stream.
//!
//! Best-path decoding (Graves et al. 2006): the best class of each encoder frame, runs merged, blanks dropped. A run is
//! a token when its score reaches the token's threshold. The network answers in a short spike near the end
//! of a word, so the word's start and end are looked for in the loudness around it.
//!
//! Of characters, the score is the highest posterior of the run. Words are far apart, and a network that is not sure when to
//! name one (a voice that it never heard) spreads it over some frames, in none of which it beats the blank: a run of a word
//! goes on while the word has a tenth, and its score is how likely it is named in any of four frames in a row.

use std::collections::VecDeque;
use std::sync::Arc;

use super::beam::BeamSearch;
use super::card::Card;
use super::decoding::{Decoding, Unit};
use super::likeliest::{RecentFrames, best_class, likeliest_word};
use super::model::BLANK;
use super::segment_search::SegmentSearch;
use super::transcript::{Hypothesis, Segment, Token};
use crate::Text;

/// No word is taken to be longer than this.
const LONGEST_WORD_SECS: f64 = 1.0;
/// A dip in loudness up to this long is part of the word: the closure of a plosive.
const DIP_SECS: f64 = 0.12;
/// The answer may come this long after the word fell silent.
const LATE_SECS: f64 = 0.2;
/// The answer may come this long before the word falls silent.
const EARLY_SECS: f64 = 0.4;
/// Above this share of the way from the quietest to the loudest frame, a frame counts as loud.
const LOUD_SHARE: f32 = 0.35;
/// A segment is closed at the latest with so many tokens, so that endless speech stays bounded.
const MAX_SEGMENT_TOKENS: usize = 64;

/// One encoder frame.
#[derive(Clone, Copy, Debug)]
pub struct EncoderFrame<'a> {
    /// Where the sound that it added begins, seconds of the stream.
    pub start_secs: f64,
    /// Where that sound ends.
    pub end_secs: f64,
    /// Mean log-mel of that sound, in any unit that rises with loudness.
    pub loudness: f32,
    /// One score a class, before the softmax.
    pub logits: &'a [f32],
}

/// Turns encoder frames into tokens and segments.
#[derive(Clone, Debug)]
pub struct Decoder {
    names: Vec<Text>,
    unit: Unit,
    decoding: Decoding,
    /// The run of one token that is going on.
    run: Option<Run>,
    /// The tokens since the last endpoint.
    tokens: Vec<Placed>,
    /// The last token of the last segment: a run that still answers for it is no new token.
    last_final: Option<Placed>,
    /// Start and loudness of the last second's encoder frames.
    loudness: VecDeque<(f64, f32)>,
    /// Hears each segment again once it is over.
    second: Option<SegmentSearch>,
}

/// A run of encoder frames in which the same token is best.
#[derive(Clone, Debug)]
struct Run {
    class: usize,
    /// Where the word began.
    start_secs: f64,
    /// Where the answer began.
    answer_secs: f64,
    /// Where the answer ended, as far as it is known.
    end_secs: f64,
    score: f32,
    recent: RecentFrames,
    /// Loudness from which on a frame can be part of the word.
    loud: f32,
}

/// A token with what made it.
#[derive(Clone, Debug)]
struct Placed {
    class: usize,
    token: Token,
    /// Where the answer ended; the token's end may be later.
    answer_end_secs: f64,
    loud: f32,
}

impl Decoder {
    /// A decoder for a model with this card.
    pub fn new(card: &Card) -> Self {
        Self {
            names: card.tokens.iter().map(|token| token.as_str().into()).collect(),
            unit: card.unit,
            decoding: card.decoding.clone(),
            run: None,
            tokens: Vec::new(),
            last_final: None,
            loudness: VecDeque::new(),
            second: None,
        }
    }

    /// The same decoder, whose segments are searched once they are over; their texts may then differ from what was shown of
    /// them before.
    pub fn with_search(mut self, search: Option<Arc<BeamSearch>>) -> Self {
        self.second = search.map(SegmentSearch::new);
        self
    }

    /// Goes on with a model of the same tokens, whose thresholds may differ. Returns false, and changes nothing, when
    /// the tokens differ.
    pub fn adopt(&mut self, card: &Card) -> bool {
        let are_equal = self.names.iter().map(|name| &**name).eq(card.tokens.iter().map(String::as_str));
        if are_equal {
            (self.unit, self.decoding) = (card.unit, card.decoding.clone());
        }
        are_equal
    }

    /// Where the last answer ended, 0 before the first: what was said up to there has been heard.
    pub fn answered_secs(&self) -> f64 {
        let placed = self.tokens.last().or(self.last_final.as_ref()).map_or(0.0, |last| last.answer_end_secs);
        self.run.as_ref().map_or(placed, |run| run.end_secs.max(placed))
    }

    /// Hears the next encoder frame; returns the segment that it ends, if it ends one.
    pub fn accept(&mut self, frame: EncoderFrame<'_>) -> Option<Segment> {
        let temperature = self.decoding.temperature;
        let (class, posterior) = match self.unit {
            Unit::Words => likeliest_word(frame.logits, temperature),
            Unit::Characters => best_class(frame.logits, temperature),
        };
        if let Some(second) = &mut self.second {
            second.hear(&frame, temperature, self.run.is_some() || !self.tokens.is_empty());
        }
        self.loudness.push_back((frame.start_secs, frame.loudness));
        while self.loudness.front().is_some_and(|&(start, _)| start < frame.end_secs - LONGEST_WORD_SECS) {
            self.loudness.pop_front();
        }
        if let Some(run) = self.run.as_mut().filter(|run| run.class == class) {
            run.end_secs = frame.end_secs;
            let recent = run.recent.named(posterior);
            run.score = run.score.max(if self.unit == Unit::Words { recent } else { posterior });
            return None;
        }
        self.close_run();
        if class != BLANK && class <= self.names.len() {
            let (start_secs, loud) = self.onset(frame);
            if let Some(last) = self.tokens.last_mut() {
                // Of what lies between the two answers, loud all through, nobody knows where the word ended.
                last.token.end_secs = last.token.end_secs.min(start_secs.max(last.answer_end_secs));
            }
            let (answer_secs, end_secs) = (frame.start_secs, frame.end_secs);
            let mut recent = RecentFrames::default();
            recent.named(posterior);
            self.run = Some(Run { class, start_secs, answer_secs, end_secs, score: posterior, recent, loud });
        } else {
            self.reach_out(frame);
        }
        let last_end = self.tokens.last()?.answer_end_secs;
        let is_endpoint = self.run.is_none() && frame.end_secs - last_end >= self.decoding.endpoint_secs;
        if is_endpoint || self.tokens.len() >= MAX_SEGMENT_TOKENS { self.close_segment() } else { None }
    }

    /// The tokens since the last endpoint, with the one being heard once it has reached its threshold.
    pub fn partial(&self) -> Hypothesis {
        let mut placed = self.tokens.clone();
        if let Some(run) = &self.run {
            self.place(run, &mut placed);
        }
        Hypothesis::joined(placed.into_iter().map(|placed| placed.token).collect(), self.unit.separator())
    }

    /// Ends the segment here, as at a stop of recognition.
    pub fn finish(&mut self) -> Option<Segment> {
        self.close_run();
        self.loudness.clear();
        self.close_segment()
    }

    fn close_run(&mut self) {
        if let Some(run) = self.run.take() {
            let mut tokens = std::mem::take(&mut self.tokens);
            self.place(&run, &mut tokens);
            self.tokens = tokens;
        }
    }

    /// Adds the run to the tokens if it is good enough: to the last one if it is the same word still, else as a new one.
    fn place(&self, run: &Run, tokens: &mut Vec<Placed>) {
        // Classes beyond the names, those of fillers, are never made a run.
        let Some(name) = self.names.get(run.class - 1) else { return };
        if run.score < self.decoding.thresholds.get(run.class - 1).copied().unwrap_or(1.0) {
            return;
        }
        let is_same = |last: &Placed| {
            last.class == run.class && run.answer_secs - last.answer_end_secs <= self.decoding.repeat_secs
        };
        match tokens.last_mut() {
            Some(last) if is_same(last) => {
                last.answer_end_secs = last.answer_end_secs.max(run.end_secs);
                last.token.end_secs = last.token.end_secs.max(run.end_secs);
                last.token.score = last.token.score.max(run.score);
                return;
            }
            None if self.last_final.as_ref().is_some_and(is_same) => return,
            _ => {}
        }
        let token = Token { token: name.clone(), start_secs: run.start_secs, end_secs: run.end_secs, score: run.score };
        tokens.push(Placed { class: run.class, token, answer_end_secs: run.end_secs, loud: run.loud });
    }

    fn close_segment(&mut self) -> Option<Segment> {
        self.last_final = self.tokens.last().cloned().or(self.last_final.take());
        let mut tokens: Vec<Token> = std::mem::take(&mut self.tokens).into_iter().map(|placed| placed.token).collect();
        if let Some(second) = self.second.as_mut().filter(|_| !tokens.is_empty()) {
            tokens = second.decide(tokens, &self.names, &self.decoding.thresholds);
        }
        Segment::joined(tokens, self.unit.separator())
    }

    /// Lets the last token end with `frame` if its sound seems to go on until there.
    fn reach_out(&mut self, frame: EncoderFrame<'_>) {
        let Some(last) = self.tokens.last_mut() else { return };
        let is_near = frame.start_secs - last.token.end_secs <= DIP_SECS;
        if frame.loudness >= last.loud && is_near && frame.end_secs - last.answer_end_secs <= EARLY_SECS {
            last.token.end_secs = frame.end_secs;
        }
    }

    /// Where the word that `frame` answers began: back over the loud frames, across short dips, not into the answer
    /// before; and what loud is.
    fn onset(&self, frame: EncoderFrame<'_>) -> (f64, f32) {
        let levels = || self.loudness.iter().map(|&(_, loudness)| loudness);
        let (low, high) = (levels().fold(f32::INFINITY, f32::min), levels().fold(f32::NEG_INFINITY, f32::max));
        let loud = low + LOUD_SHARE * (high - low);
        let after = self.tokens.last().map_or(f64::NEG_INFINITY, |last| last.answer_end_secs);
        let mut onset = frame.start_secs;
        let mut allowed_dip = LATE_SECS;
        for &(start, loudness) in self.loudness.iter().rev().skip_while(|&&(start, _)| start > frame.start_secs) {
            if start < after {
                break;
            }
            if loudness >= loud {
                (onset, allowed_dip) = (start, DIP_SECS);
            } else if onset - start > allowed_dip {
                break;
            }
        }
        (onset, loud)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::mel::FeatureConfig;

    const STEP_SECS: f64 = 0.04;

    fn card() -> Card {
        Card::words("test", ["a", "b"].map(String::from).to_vec(), FeatureConfig::speech(8_000))
    }

    /// Feeds encoder frames, one a character: `.` blank and quiet, `-` blank and loud, `a` and `b` sure, `A` and
    /// `B` unsure, `q` an `a` that comes late, when it is quiet already.
    fn decode(decoder: &mut Decoder, script: &str) -> Vec<Segment> {
        let mut segments = Vec::new();
        for (i, c) in script.chars().enumerate() {
            let class = match c.to_ascii_lowercase() {
                'a' | 'q' => 1,
                'b' => 2,
                _ => BLANK,
            };
            let mut logits = [0.0; 3];
            logits[class] = if c.is_ascii_uppercase() { 0.2 } else { 4.0 };
            let (start_secs, loudness) = (i as f64 * STEP_SECS, if matches!(c, '.' | 'q') { -1.0 } else { 1.0 });
            let end_secs = start_secs + STEP_SECS;
            segments.extend(decoder.accept(EncoderFrame { start_secs, end_secs, loudness, logits: &logits }));
        }
        segments
    }

    fn frames(secs: f64) -> usize {
        (secs / STEP_SECS).round() as usize
    }

    #[test]
    fn runs_become_tokens_and_silence_ends_the_segment() {
        let mut decoder = Decoder::new(&card());
        let segments = decode(&mut decoder, "...-----aa.....---bb..-----a.................");
        assert_eq!(segments.len(), 1);
        let words: Vec<_> =
            segments[0].tokens.iter().map(|t| (&*t.token, frames(t.start_secs), frames(t.end_secs))).collect();
        assert_eq!(words, [("a", 3, 10), ("b", 15, 22), ("a", 22, 28)]);
        assert_eq!((segments[0].text.as_str(), frames(segments[0].start_secs)), ("a b a", 3));
        assert!(decoder.partial().tokens.is_empty());
        assert!(decoder.finish().is_none());
    }

    #[test]
    fn an_unsure_run_is_no_token_and_every_frame_of_it_counts() {
        let segments = |script| decode(&mut Decoder::new(&card()), script);
        // A posterior of 0.379; the threshold is a half.
        assert!(segments("...--A...................").is_empty());
        let score = |script| segments(script)[0].tokens[0].score;
        let (long, sure) = (score("...--AAA................."), score("...--AaA................."));
        assert!((long - (1.0 - 0.621f32.powi(3))).abs() < 0.001, "{long}");
        assert!((sure - (1.0 - 0.621f32.powi(2) * 0.035)).abs() < 0.001, "{sure}");
    }

    #[test]
    fn a_flicker_is_one_word_and_a_pause_makes_two() {
        for (script, text) in [("---a.a--", "a"), ("---a-Aa--", "a"), ("---a----a--", "a a"), ("---aba--", "a b a")] {
            let mut decoder = Decoder::new(&card());
            decode(&mut decoder, script);
            assert_eq!(decoder.partial().text, text, "{script}");
            assert_eq!(decoder.finish().unwrap().text, text, "{script}");
        }
    }

    #[test]
    fn a_word_that_a_stop_made_final_is_not_heard_again() {
        let mut decoder = Decoder::new(&card());
        decode(&mut decoder, "---aa");
        assert_eq!(decoder.finish().unwrap().text, "a");
        decode(&mut decoder, "---.aa-.........a");
        assert_eq!(decoder.finish().unwrap().text, "a", "the later one only");
    }

    #[test]
    fn a_partial_token_is_never_taken_back() {
        let mut decoder = Decoder::new(&card());
        let mut before = 0;
        for c in "--Aa-A--aaB.b.....a..".chars() {
            decode(&mut decoder, &c.to_string());
            let tokens = decoder.partial().tokens.len();
            assert!(tokens >= before);
            before = tokens;
        }
    }

    #[test]
    fn an_onset_bridges_a_plosive_but_not_a_pause() {
        let start = |script| {
            let mut decoder = Decoder::new(&card());
            decode(&mut decoder, script);
            frames(decoder.finish().unwrap().tokens[0].start_secs)
        };
        assert_eq!(start("....---..--a"), 4, "80 ms of closure");
        assert_eq!(start("....---......--a"), 13, "240 ms of pause");
        assert_eq!(start("....----...q"), 4, "an answer 120 ms late");
    }

    #[test]
    fn an_end_reaches_over_the_sound_after_the_answer_but_not_into_the_next_word() {
        let ends = |script| {
            let mut decoder = Decoder::new(&card());
            decode(&mut decoder, script);
            decoder.finish().unwrap().tokens.iter().map(|token| frames(token.end_secs)).collect::<Vec<_>>()
        };
        assert_eq!(ends("...---a--..--......"), [13], "over a plosive");
        assert_eq!(ends("...---a----......---"), [11], "not over a pause");
        assert_eq!(ends("...---a------------"), [16], "less than 400 ms");
        assert_eq!(ends("...---a--....---b--..."), [9, 19]);
        assert_eq!(ends("...---a-----b--..."), [7, 15], "loud all through: up to the answer");
    }

    #[test]
    fn endless_speech_and_broken_scores_are_survived() {
        let mut decoder = Decoder::new(&card());
        let segments = decode(&mut decoder, &"---a---b".repeat(40));
        assert_eq!(segments[0].tokens.len(), MAX_SEGMENT_TOKENS);
        decoder.finish();
        for _ in 0..3 {
            let logits = [f32::NAN; 3];
            let frame = EncoderFrame { start_secs: 0.0, end_secs: 0.04, loudness: f32::NAN, logits: &logits };
            assert!(decoder.accept(frame).is_none());
        }
        assert!(decoder.finish().is_none());
    }

    #[test]
    fn only_the_same_tokens_are_adopted() {
        let mut decoder = Decoder::new(&card());
        decode(&mut decoder, "---a");
        let mut other = card();
        other.decoding.thresholds[0] = 0.9;
        assert!(decoder.adopt(&other));
        other.tokens.swap(0, 1);
        assert!(!decoder.adopt(&other));
        assert_eq!(decoder.finish().unwrap().text, "a");
    }
}
