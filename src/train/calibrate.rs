//! What a trained model's scores are worth: the temperature that makes them posteriors, and for each word the score below
//! which it is no word.
//!
//! Both are fitted on what was not learnt from: the validation clips as they are, in noise, and in pairs, the same clips
//! backwards, background sound that was held back, and noise, clicks and tones. A network names a word from what distinguishes it from the other words; that
//! a sound is none of them shows only in how sure it is.

use std::sync::Arc;

use super::dataset::{Dataset, Split};
use super::hard_negatives::Stretch;
use super::loss::item_loss;
use super::probe::{Probe, Reading, read};
use super::validate::validation_clips;
use crate::Result;
use crate::recognise::card::Model;
use crate::recognise::decoder::{Decoder, EncoderFrame};
use crate::recognise::decoding::Decoding;

/// Sounds read at once.
const AT_ONCE: usize = 16;

/// At most so many clips, and so many stretches of background.
const MOST: usize = 480;

/// Stretches of sounds that were never recorded: noise, clicks, tones.
const MADE: u64 = 160;

/// Seconds of background in a probe.
const STRETCH_SECS: f32 = 5.0;

/// A threshold may cost so many of the clips that would be read without it: where there are many, some are badly cut or hardly audible,
/// and would else let in whatever is as likely as they are.
const MAY_COST: f64 = 0.01;

/// No threshold is lower than this. A word that scores a third is still likelier than every other one; below it, clicks are heard as words.
const LOWEST: f32 = 0.35;

/// How a threshold is chosen.
#[derive(Clone, Copy)]
struct Care {
    /// Of the alarms that could be kept out so many are taken for chance.
    by_chance: usize,
    /// How far it lies from the next alarm to the words, by odds: nearer to the alarms, of which minutes were heard, than to the words.
    from_alarms: f32,
    /// So far below the lowest score of a word that counts, in the logarithm of the odds, it lies at least, since what was heard is a
    /// small part of what a word must not be read in.
    below_hits: f32,
    /// Scores above this count as this: how sure a network is beyond it says little, and the less the fewer clips it learnt from.
    surest: f32,
}

/// Of a word whose clips were held out. Most of an hour is heard, on purpose of what is hardest to tell from words: some alarms in it are
/// seldom, and words in a stream score lower than alone.
const HELD_OUT: Care = Care { by_chance: 5, from_alarms: 0.1, below_hits: 3.0, surest: 0.999_999 };
/// Of a word whose clips were learnt from, as those of a taught word are: they score better than later ones, and what is learnt from few
/// clips is heard in more than it should be.
const LEARNT: Care = Care { by_chance: 0, from_alarms: 0.25, below_hits: 5.2, surest: 0.999 };

/// A calibration under way.
pub struct Calibration {
    model: Arc<Model>,
    dataset: Arc<Dataset>,
    probes: Vec<Probe>,
    done: usize,
    readings: Vec<Reading>,
}

impl Calibration {
    /// A calibration of `model` on what `dataset` does not teach.
    pub fn new(model: Arc<Model>, dataset: Arc<Dataset>) -> Self {
        let clips = validation_clips(&dataset);
        let every = clips.len().div_ceil(MOST).max(1);
        let clips: Vec<usize> = clips.into_iter().step_by(every).collect();
        let stretch = (STRETCH_SECS * dataset.sample_rate_hz as f32) as usize;
        let lens = dataset.held_background.iter().map(|samples| samples.len());
        let stretches = |(sound, len): (usize, usize)| {
            (0..len.div_ceil(stretch)).map(move |at| Probe::Held { sound, from: at * stretch, stretch })
        };
        let background: Vec<Probe> = lens.enumerate().flat_map(stretches).collect();
        let every = background.len().div_ceil(MOST).max(1);
        let kinds = [Probe::Clean as fn(usize) -> Probe, Probe::Noisy, Probe::Backwards];
        let mut probes: Vec<Probe> = kinds.iter().flat_map(|kind| clips.iter().map(|&clip| kind(clip))).collect();
        // Each clip before another one, a third of the row away: of another word, mostly.
        let pair = |(at, &clip): (usize, &usize)| Probe::Pair(clip, clips[(at + clips.len() / 3) % clips.len()]);
        probes.extend(clips.iter().enumerate().map(pair));
        probes.extend(background.into_iter().step_by(every));
        if !dataset.new_labels.is_empty() {
            // Of a taught word nothing is held out to tell how sure it must be, but most of what it may be taken for was heard.
            let known = Stretch::all(&dataset).into_iter();
            probes.extend(known.map(|stretch| Probe::Background { stretch, is_varied: true }));
        }
        if !clips.is_empty() {
            probes.extend((0..MADE).map(|number| Probe::Made { number, len: stretch }));
        }
        probes.sort_by_key(|probe| probe.len(&dataset));
        Self { model, dataset, probes, done: 0, readings: Vec::new() }
    }

    /// Reads the next sounds; false when there was none left.
    pub fn advance(&mut self) -> Result<bool> {
        let end = (self.done + AT_ONCE).min(self.probes.len());
        let probes = &self.probes[self.done..end];
        if probes.is_empty() {
            return Ok(false);
        }
        let card = self.model.card();
        self.readings.extend(read(self.model.network(), &card.features, probes, &self.dataset)?);
        self.done = end;
        Ok(true)
    }

    /// The model with its outputs read in the way found best.
    pub fn calibrated(&self) -> Result<Model> {
        self.model.with_decoding(self.decoding())
    }

    /// How the model's outputs are best read; as before where there were no validation clips.
    fn decoding(&self) -> Decoding {
        let card = self.model.card();
        let mut decoding = card.decoding.clone();
        if !self.readings.iter().any(Reading::has_word) {
            return decoding;
        }
        let classes = card.model.classes();
        decoding.temperature = temperature(&self.readings, classes);
        if self.dataset.spelling.is_some() {
            // A letter that is not sure may still be right: the others tell.
            return decoding;
        }
        decoding.thresholds.fill(0.0);
        let mut open = card.clone();
        open.decoding = decoding.clone();
        let heard: Vec<Vec<(usize, f32)>> = self
            .readings
            .iter()
            .map(|reading| {
                let mut decoder = Decoder::new(&open);
                let frame_secs = card.features.hop_secs() * card.model.stride as f64;
                let mut segments = Vec::new();
                for (at, logits) in reading.logits.chunks_exact(classes).enumerate() {
                    let start_secs = at as f64 * frame_secs;
                    let frame = EncoderFrame { start_secs, end_secs: start_secs + frame_secs, loudness: 0.0, logits };
                    segments.extend(decoder.accept(frame));
                }
                segments.extend(decoder.finish());
                let tokens = segments.into_iter().flat_map(|segment| segment.tokens);
                let class = |name: &str| card.tokens.iter().position(|token| token == name).map(|index| index + 1);
                tokens.filter_map(|token| Some((class(&token.token)?, token.score))).collect()
            })
            .collect();
        for (index, threshold) in decoding.thresholds.iter_mut().enumerate() {
            let (mut hits, mut alarms) = (Vec::new(), Vec::new());
            for (reading, heard) in self.readings.iter().zip(&heard) {
                let scores = heard.iter().filter(|(class, _)| *class == index + 1).map(|(_, score)| *score);
                let mut scores: Vec<f32> = scores.collect();
                scores.sort_unstable_by(|a, b| b.total_cmp(a));
                // The best are what was said, as often as it was.
                let said = reading.transcript.iter().filter(|class| **class == index + 1).count();
                let others = scores.split_off(said.min(scores.len()));
                // A word taken for another one is wrong whether it is read or not.
                if heard.len() > reading.transcript.len() {
                    alarms.extend(others);
                }
                hits.extend(scores);
            }
            let is_held_out = self.dataset.split(Split::Validation).any(|clip| clip.label == index);
            *threshold = best_threshold(hits, alarms, if is_held_out { HELD_OUT } else { LEARNT });
        }
        decoding
    }
}

/// The temperature at which what is said, and nothing where nothing is said, is likeliest: by golden sections, since the
/// likelihood has one peak.
fn temperature(readings: &[Reading], classes: usize) -> f32 {
    let loss = |temperature: f32| -> f64 {
        let of_one = |reading: &Reading| {
            let scaled: Vec<f32> = reading.logits.iter().map(|logit| logit / temperature).collect();
            item_loss(&scaled, classes, &reading.transcript, &mut vec![0.0; scaled.len()]).map_or(0.0, f64::from)
        };
        readings.iter().map(of_one).sum()
    };
    let ratio = (5f32.sqrt() - 1.0) / 2.0;
    // In the logarithm, from a quarter to eight.
    let (mut low, mut high) = (0.25f32.ln(), 8f32.ln());
    let at = |log: f32| loss(log.exp());
    let (mut a, mut b) = (high - ratio * (high - low), low + ratio * (high - low));
    let (mut at_a, mut at_b) = (at(a), at(b));
    for _ in 0..12 {
        if at_a < at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - ratio * (high - low);
            at_a = at(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + ratio * (high - low);
            at_b = at(b);
        }
    }
    ((low + high) / 2.0).exp()
}

/// The threshold for a word that was read with the scores `hits` where it was said and with `alarms` where it was not.
///
/// It lies between the highest score that costs hardly a clip and the highest alarm below that, but for some: sounds of tomorrow score
/// a little higher than today's, and words a little lower.
fn best_threshold(mut hits: Vec<f32>, mut alarms: Vec<f32>, care: Care) -> f32 {
    hits.retain(|&score| score >= LOWEST);
    hits.sort_unstable_by(f32::total_cmp);
    let dear = (hits.len() as f64 * MAY_COST) as usize;
    let Some(&limit) = hits.get(dear) else { return LOWEST };
    let log_odds = |score: f32| {
        let score = score.clamp(LOWEST, care.surest);
        (score / (1.0 - score)).ln()
    };
    let score = |log_odds: f32| (1.0 / (1.0 + (-log_odds).exp())).max(LOWEST);
    let between = |low: f32, high: f32| score(log_odds(low) + care.from_alarms * (log_odds(high) - log_odds(low)));
    let careful = score(log_odds(limit) - care.below_hits);
    alarms.retain(|score| (LOWEST..limit).contains(score));
    alarms.sort_unstable_by(|a, b| b.total_cmp(a));
    alarms.get(care.by_chance).map_or(careful, |&alarm| between(alarm, limit).max(careful))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::card::tests::random_model;
    use crate::train::dataset::Clip;
    use crate::train::rng::Rng;

    #[test]
    fn a_threshold_lies_between_alarms_and_hits() {
        let hits = vec![0.999; 50];
        let best = |hits: &[f32], alarms: &[f32]| best_threshold(hits.to_vec(), alarms.to_vec(), HELD_OUT);
        assert_eq!(best(&[], &[0.9; 6]), LOWEST);
        let usual = best(&hits, &[]);
        assert!(usual > 0.97 && usual < 0.99, "below the hits: {usual}");
        assert!(best(&[1.0; 50], &[]) > usual, "of a surer network");
        assert_eq!(best(&[0.5; 50], &[]), LOWEST);
        assert_eq!(best(&hits, &[0.1; 3]), usual, "alarms that the lowest threshold keeps out");
        assert_eq!(best(&hits, &[0.99; 5]), usual, "five are chance");
        let noisy = best(&hits, &[0.995, 0.3, 0.985, 0.995, 0.995, 0.995, 0.995]);
        assert!(noisy > 0.985 && noisy < 0.995, "{noisy}");
        assert_eq!(best(&hits, &[1.0; 8]), usual, "alarms that nothing helps against");
        let weak = best(&[vec![0.6], vec![0.99; 260]].concat(), &[0.7; 6]);
        assert!(weak > 0.8, "one of 261 clips is what it may cost: {weak}");
        let dear = best(&[vec![0.6], vec![0.99; 60]].concat(), &[0.7; 6]);
        assert!(dear < 0.6, "one of 61 clips is more: {dear}");
        assert_eq!(best(&hits, &[0.3; 6]), usual, "an alarm never lowers it");
        let learnt = best_threshold(vec![0.999; 5], Vec::new(), LEARNT);
        assert!(learnt > 0.82 && learnt < 0.87, "further below: {learnt}");
        let heard_once = best_threshold(vec![0.999; 5], vec![0.9], LEARNT);
        assert!(heard_once > 0.95 && heard_once < 0.98, "{heard_once}");
    }

    #[test]
    fn the_temperature_of_true_posteriors_is_one_and_of_doubled_ones_two() {
        let mut rng = Rng::new(4);
        let mut reading = |factor: f32| {
            let evidence = 2.0 * rng.normal();
            let said = 1 + usize::from(rng.unit() < 1.0 / (1.0 + evidence.exp()));
            // One frame that cannot be blank.
            Reading { transcript: vec![said], logits: vec![-60.0, factor * evidence, 0.0] }
        };
        for factor in [1.0, 2.0, 0.5] {
            let readings: Vec<Reading> = (0..4_000).map(|_| reading(factor)).collect();
            let found = temperature(&readings, 3);
            assert!((found / factor - 1.0).abs() < 0.12, "{factor}: {found}");
        }
    }

    #[test]
    fn every_kind_of_sound_is_read_once() {
        let clip = |split| Clip { path: "x.wav".into(), label: 0, set: 0, split, samples: vec![500; 4_000].into() };
        let dataset = Dataset {
            labels: ["a", "b", "c"].map(String::from).to_vec(),
            sample_rate_hz: 8_000,
            clips: vec![clip(Split::Validation), clip(Split::Train), clip(Split::Validation), clip(Split::Test)],
            held_background: vec![vec![100; 90_000].into()],
            ..Dataset::default()
        };
        let mut calibration = Calibration::new(Arc::new(random_model(2)), Arc::new(dataset));
        while calibration.advance().unwrap() {}
        let said = calibration.readings.iter().filter(|reading| reading.has_word()).count();
        assert_eq!((calibration.readings.len(), said), (4 * 2 + 3 + MADE as usize, 6));
        let decoding = calibration.decoding();
        assert!(decoding.thresholds.iter().all(|threshold| (LOWEST..1.0).contains(threshold)), "{decoding:?}");
        assert!((0.2..=8.0).contains(&decoding.temperature));

        let nothing = Dataset { labels: vec!["a".into()], sample_rate_hz: 8_000, ..Dataset::default() };
        let mut calibration = Calibration::new(Arc::new(random_model(2)), Arc::new(nothing));
        assert!(!calibration.advance().unwrap());
        assert_eq!(calibration.decoding(), random_model(2).card().decoding);
    }
}
