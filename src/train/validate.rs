//! How well a network reads the validation clips, one batch at a time so that nobody waits.

use std::collections::BTreeSet;

use burn::tensor::Device;

use super::batch::Batch;
use super::checkpoint::Score;
use super::dataset::{Clip, Dataset, Split};
use super::loss::item_loss;
use crate::Result;
use crate::dsp::mel::FeatureConfig;
use crate::recognise::model::{BLANK, Network};

/// Clips read at once.
const AT_ONCE: usize = 16;

/// More clips than this would make the pause between two epochs long; they are thinned out evenly.
const MOST_CLIPS: usize = 480;

/// Silence before and after each clip.
const LEAD_SECS: f32 = 0.2;
const TAIL_SECS: f32 = 0.5;

/// A validation under way.
pub struct Validation {
    network: Network,
    features: FeatureConfig,
    /// Indices of the clips, shortest first, so that clips of one batch need little padding.
    clips: Vec<usize>,
    done: usize,
    right: usize,
    loss_sum: f64,
}

impl Validation {
    /// A validation of `network` (without autodiff) on the validation split of `dataset`.
    pub fn new(network: Network, features: FeatureConfig, dataset: &Dataset) -> Self {
        let all = validation_clips(dataset);
        let every = all.len().div_ceil(MOST_CLIPS).max(1);
        let mut clips: Vec<usize> = all.into_iter().step_by(every).collect();
        clips.sort_by_key(|&index| dataset.clips[index].samples.len());
        Self { network, features, clips, done: 0, right: 0, loss_sum: 0.0 }
    }

    /// Clips read so far, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.done, self.clips.len())
    }

    /// Reads the next batch of clips; false when there was none left.
    pub fn advance(&mut self, dataset: &Dataset) -> Result<bool> {
        let end = (self.done + AT_ONCE).min(self.clips.len());
        let clips: Vec<&Clip> = self.clips[self.done..end].iter().map(|&index| &dataset.clips[index]).collect();
        let Some(longest) = clips.iter().map(|clip| clip.samples.len()).max() else { return Ok(false) };
        let rate = self.features.sample_rate_hz as f32;
        let (lead, tail) = ((LEAD_SECS * rate) as usize, (TAIL_SECS * rate) as usize);
        let padded = |clip: &&Clip| {
            let mut samples = vec![0.0; lead + longest + tail];
            for (slot, &sample) in samples[lead..].iter_mut().zip(&clip.samples) {
                *slot = f32::from(sample) / 32_768.0;
            }
            samples
        };
        let transcripts = clips.iter().map(|clip| dataset.classes(clip.label)).collect();
        let batch = Batch::new(&self.features, clips.iter().map(padded).collect(), transcripts)?;
        let logits = self.network.forward(batch.tensor(&Device::flex())); // [items, frames / stride, classes]
        let [_, frames, classes] = logits.dims();
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let mut gradient = vec![0.0; frames * classes];
        for (rows, transcript) in logits.chunks_exact((frames * classes).max(1)).zip(&batch.transcripts) {
            // A text too long for its sound has no loss, and is not read right either.
            self.loss_sum += f64::from(item_loss(rows, classes, transcript, &mut gradient).unwrap_or(0.0));
            self.right += usize::from(&best_path(rows, classes) == transcript);
        }
        self.done = end;
        Ok(true)
    }

    /// The result; `None` when there are no validation clips.
    pub fn score(&self) -> Option<Score> {
        let count = self.done;
        let loss = (self.loss_sum / count.max(1) as f64) as f32;
        (count > 0).then(|| Score { accuracy: self.right as f64 / count as f64, loss })
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
        let clip = |split, len| Clip { path: "x.wav".into(), label: 0, split, samples: vec![500; len].into() };
        let mut clips: Vec<Clip> = (0..40).map(|at| clip(Split::Validation, 800 + 100 * at)).collect();
        clips.extend((0..9).map(|_| clip(Split::Test, 1_000)));
        let labels = vec!["a".into(), "b".into()];
        let dataset = Dataset { labels, sample_rate_hz: 8_000, clips, ..Dataset::default() };
        let mut validation = Validation::new(network.clone(), features.clone(), &dataset);
        let mut batches = 0;
        while validation.advance(&dataset).unwrap() {
            batches += 1;
        }
        assert_eq!((batches, validation.progress()), (3, (40, 40)));
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
