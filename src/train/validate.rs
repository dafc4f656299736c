//! How well a network reads the validation clips, one batch at a time so that nobody waits.

use std::collections::BTreeSet;

use super::checkpoint::Score;
use super::dataset::{Dataset, Split};
use super::loss::item_loss;
use super::probe::{Probe, Reading, read};
use crate::Result;
use crate::dsp::mel::FeatureConfig;
use crate::recognise::model::{BLANK, Network};

/// Clips read at once.
const AT_ONCE: usize = 16;

/// More clips than this would make the pause between two epochs long; they are thinned out evenly.
const MOST_CLIPS: usize = 240;

/// A validation under way.
pub struct Validation {
    network: Network,
    features: FeatureConfig,
    /// Each clip as it is and in noise, shortest first, so that those of one batch need little padding.
    probes: Vec<Probe>,
    done: usize,
    /// Clips without noise that were read right, and all of those.
    right: usize,
    clean: usize,
    loss_sum: f64,
}

impl Validation {
    /// A validation of `network` (without autodiff) on the validation split of `dataset`.
    pub fn new(network: Network, features: FeatureConfig, dataset: &Dataset) -> Self {
        let all = validation_clips(dataset);
        let every = all.len().div_ceil(MOST_CLIPS).max(1);
        let mut clips: Vec<usize> = all.into_iter().step_by(every).collect();
        clips.sort_by_key(|&index| dataset.clips[index].samples.len());
        let probes = clips.into_iter().flat_map(|clip| [Probe::Clean(clip), Probe::Noisy(clip)]).collect();
        Self { network, features, probes, done: 0, right: 0, clean: 0, loss_sum: 0.0 }
    }

    /// Sounds read so far, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.done, self.probes.len())
    }

    /// Reads the next batch of sounds; false when there was none left.
    pub fn advance(&mut self, dataset: &Dataset) -> Result<bool> {
        let end = (self.done + AT_ONCE).min(self.probes.len());
        let probes = &self.probes[self.done..end];
        if probes.is_empty() {
            return Ok(false);
        }
        let readings = read(&self.network, &self.features, probes, dataset)?;
        let classes = dataset.class_count();
        for (Reading { transcript, logits }, probe) in readings.iter().zip(probes) {
            let loss = item_loss(logits, classes, transcript, &mut vec![0.0; logits.len()]);
            // A text too long for its sound has no loss, and is not read right either.
            self.loss_sum += f64::from(loss.unwrap_or(0.0));
            if matches!(probe, Probe::Clean(_)) {
                self.clean += 1;
                self.right += usize::from(&best_path(logits, classes) == transcript);
            }
        }
        self.done = end;
        Ok(true)
    }

    /// The result; `None` when there are no validation clips.
    pub fn score(&self) -> Option<Score> {
        let loss = (self.loss_sum / self.done.max(1) as f64) as f32;
        (self.clean > 0).then(|| Score { accuracy: self.right as f64 / self.clean as f64, loss })
    }
}

/// The indices of the validation clips. Words that have none there, as those that were just taught from a few clips, lend
/// the clips that are learnt from: to read these is little, but not to read them tells that the word is not learnt yet.
/// Texts differ from each other anyway, and lend none; nor does a set without any validation clip.
pub fn validation_clips(dataset: &Dataset) -> Vec<usize> {
    let of = |split| (0..dataset.clips.len()).filter(move |&index| dataset.clips[index].split == split);
    let mut all: Vec<usize> = of(Split::Validation).collect();
    if all.is_empty() || dataset.spelling.is_some() {
        return all;
    }
    let covered: BTreeSet<usize> = all.iter().map(|&index| dataset.clips[index].label).collect();
    all.extend(of(Split::Train).filter(|&index| !covered.contains(&dataset.clips[index].label)));
    all
}

/// The tokens of the likeliest class at each frame, repetitions and blanks removed; `logits` is `[frames, classes]`.
pub fn best_path(logits: &[f32], classes: usize) -> Vec<usize> {
    let mut tokens = Vec::new();
    let mut before = BLANK;
    for row in logits.chunks_exact(classes.max(1)) {
        let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).map_or(BLANK, |(class, _)| class);
        if best != BLANK && best != before {
            tokens.push(best);
        }
        before = best;
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::model::ModelConfig;
    use crate::train::dataset::Clip;
    use burn::tensor::Device;

    #[test]
    fn best_path_removes_repeats_and_blanks() {
        let logits: Vec<f32> = [0, 1, 1, 0, 1, 2, 2, 0]
            .iter()
            .flat_map(|&class| (0..3).map(move |at| if at == class { 1.0 } else { 0.0 }))
            .collect();
        assert_eq!(best_path(&logits, 3), [1, 1, 2]);
        assert_eq!(best_path(&[], 3), [0usize; 0]);
    }

    #[test]
    fn only_validation_clips_are_read_and_each_once() {
        let features = FeatureConfig::speech(8_000);
        let config = ModelConfig { channels: 8, ..ModelConfig::words(&features, 2) };
        let network = config.init(&Device::flex()).unwrap();
        let clip = |split, len| Clip { path: "x.wav".into(), label: 0, set: 0, split, samples: vec![500; len].into() };
        let mut clips: Vec<Clip> = (0..40).map(|at| clip(Split::Validation, 800 + 100 * at)).collect();
        clips.extend((0..9).map(|_| clip(Split::Test, 1_000)));
        let labels = vec!["a".into(), "b".into()];
        let dataset = Dataset { labels, sample_rate_hz: 8_000, clips, ..Dataset::default() };
        let mut validation = Validation::new(network.clone(), features.clone(), &dataset);
        let mut batches = 0;
        while validation.advance(&dataset).unwrap() {
            batches += 1;
        }
        assert_eq!((batches, validation.progress()), (5, (80, 80)));
        let score = validation.score().unwrap();
        assert!((0.0..=1.0).contains(&score.accuracy) && score.loss > 0.0);
        let mut with_new = dataset.clone();
        with_new.labels.push("c".into());
        with_new.clips.extend((0..5).map(|_| Clip { label: 2, ..clip(Split::Train, 900) }));
        assert_eq!(validation_clips(&with_new).len(), 45, "a word without validation clips lends what it has");
        let none = Dataset { clips: Vec::new(), ..dataset };
        assert_eq!(Validation::new(network, features, &none).score(), None);
    }
}
