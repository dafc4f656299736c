//! Batches of scenes as feature frames. They are composed on the trainer's own threads, between its steps: a thread that
//! composed ahead would be a second one that the streams have to share the machine with.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::augment::{Composer, mask::mask, warp::warp};
use super::dataset::Dataset;
use super::hard_negatives::Stretch;
use super::loss::Window;
use super::rng::Rng;
use crate::dsp::mel::{FeatureConfig, LogMel};
use crate::task::nice_this_thread;
use crate::{Error, Result};

/// Length of a training scene; at least, where the longest transcript's recording needs more.
const SCENE_SECS: f32 = 6.0;
/// What augmentation and silence may add to the longest recording.
const ROOM: f32 = 1.25;

/// Feature frames of several sounds of one length, and what is said in each.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// `[items, frames, bands]` in rows.
    pub features: Vec<f32>,
    /// The shape of `features`.
    pub shape: [usize; 3],
    /// The classes said in each item, in order.
    pub transcripts: Vec<Vec<usize>>,
    /// From which feature frame to which one each of them may be named; none for items that may name them at any time.
    pub windows: Vec<Vec<Window>>,
}

impl Batch {
    /// The batch of `sounds`, which have one length.
    pub fn new(config: &FeatureConfig, sounds: Vec<Vec<f32>>, transcripts: Vec<Vec<usize>>) -> Result<Self> {
        let items = sounds.len();
        let rows: Vec<Vec<f32>> =
            sounds.par_iter().map(|samples| LogMel::whole(config, samples)).collect::<Result<_>>()?;
        let features = rows.concat();
        let frames = features.len() / items.max(1) / config.bands;
        Ok(Self { features, shape: [items, frames, config.bands], transcripts, windows: Vec::new() })
    }

    /// The features as a tensor on `device`.
    pub fn tensor(&self, device: &Device) -> Tensor<3> {
        Tensor::from_data(TensorData::new(self.features.clone(), self.shape), device)
    }
}

/// Composes the batch of any step.
pub struct Batcher {
    composer: Composer,
    features: FeatureConfig,
    batch_size: usize,
    seed: u64,
}

impl Batcher {
    /// Batches of `batch_size` scenes from the train clips of `dataset`.
    pub fn new(dataset: Arc<Dataset>, features: FeatureConfig, batch_size: usize, seed: u64) -> Self {
        let scene_secs = scene_secs(&dataset);
        // A scene brings noise of its own or none: a network is steadier where there is some, and dither later on sees to that.
        let features = FeatureConfig { dither: 0.0, ..features };
        Self { composer: Composer::new(dataset, scene_secs), features, batch_size, seed }
    }

    /// From now on scenes have more of these stretches of the background than of the rest.
    pub fn hear_more_of(&mut self, hard: Vec<Stretch>) {
        self.composer.hear_more_of(hard);
    }

    /// The batch of `step`: always the same for one dataset, seed, step and hard stretches.
    pub fn batch(&self, step: u64) -> Result<Batch> {
        let items: Vec<_> = (0..self.batch_size as u64)
            .into_par_iter()
            .map(|item| {
                let mut rng = Rng::at(self.seed, step, item);
                (self.composer.compose(&mut rng), rng)
            })
            .collect();
        let mut sounds = Vec::with_capacity(items.len());
        let (mut transcripts, mut windows, mut rngs) = (Vec::new(), Vec::new(), Vec::new());
        for (scene, rng) in items {
            sounds.push(scene.samples);
            transcripts.push(scene.transcript);
            windows.push(scene.spans.iter().map(|span| self.window(span)).collect());
            rngs.push(rng);
        }
        let mut batch = Batch { windows, ..Batch::new(&self.features, sounds, transcripts)? };
        let [_, frames, bands] = batch.shape;
        for (rows, rng) in batch.features.chunks_exact_mut((frames * bands).max(1)).zip(&mut rngs) {
            warp(rows, bands, rng);
            mask(rows, bands, rng);
        }
        Ok(batch)
    }

    /// The feature frames that hear the sample at which the span begins, up to the one that hears its end.
    fn window(&self, span: &Range<usize>) -> Window {
        let frame = |sample: usize| sample.saturating_sub(self.features.window_samples) / self.features.hop_samples;
        Window { first: frame(span.start), last: frame(span.end) }
    }
}

/// Six seconds hold some words; of texts, the longest one fits.
fn scene_secs(dataset: &Dataset) -> f32 {
    let longest = dataset.clips.iter().filter(|_| dataset.spelling.is_some()).map(|clip| clip.samples.len()).max();
    let longest_secs = longest.unwrap_or(0) as f32 / dataset.sample_rate_hz.max(1) as f32;
    SCENE_SECS.max(longest_secs * ROOM + 0.5)
}

/// A rayon pool whose threads give way to everything else; a panic in a spawned job ends that job only.
pub fn low_priority_pool(name: &'static str, threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.max(1))
        .thread_name(move |index| format!("{name}-{index}"))
        .start_handler(|_| nice_this_thread())
        .panic_handler(|_| {})
        .build()
        .map_err(|error| Error::internal(format!("cannot start the threads {name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::dataset::{Clip, Split};

    fn batcher(seed: u64) -> Batcher {
        let samples: Box<[i16]> = (0..3_000).map(|at| (9_000.0 * (at as f32 * 0.3).sin()) as i16).collect();
        let clip = |label| Clip { path: "x.wav".into(), label, set: 0, split: Split::Train, samples: samples.clone() };
        let labels = vec!["a".into(), "b".into()];
        let dataset = Dataset { labels, sample_rate_hz: 8_000, clips: vec![clip(0), clip(1)], ..Dataset::default() };
        Batcher::new(Arc::new(dataset), FeatureConfig::speech(8_000), 3, seed)
    }

    #[test]
    fn batches_depend_on_seed_and_step_alone() {
        let batch = batcher(1).batch(7).unwrap();
        assert_eq!(batch.shape, [3, 598, 40]);
        assert_eq!(batch.features.len(), 3 * 598 * 40);
        let told = batch.windows.iter().zip(&batch.transcripts);
        assert!(told.clone().all(|(windows, said)| windows.len() == said.len()));
        assert!(batch.windows.iter().flatten().all(|window| window.first < window.last && window.last < 598));
        assert_eq!(batch, batcher(1).batch(7).unwrap());
        assert_ne!(batch, batcher(1).batch(8).unwrap());
        assert_ne!(batch, batcher(2).batch(7).unwrap());
    }
}
