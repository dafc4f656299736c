//! Hard negatives: stretches of the background in which a network hears a word that is new to it.
//!
//! A lesson is short, and of an hour of other speech the few seconds that sound like the new word are seldom among what it hears. So it
//! looks for them now and then, and hears them more often from then on ("bootstrapping": Sung and Poggio, "Example-based learning for
//! view-based human face detection", 1998).

use serde::{Deserialize, Serialize};

use super::dataset::Dataset;
use super::probe::{Probe, read};
use crate::Result;
use crate::dsp::mel::FeatureConfig;
use crate::recognise::model::Network;

/// Epochs from one search to the next.
pub const EPOCHS_BETWEEN: u64 = 5;

/// A new word that is at least so likely in any frame of a stretch is heard in it.
const HEARD: f32 = 0.1;

/// The length of a stretch, and how far the next one of the same recording begins after it: a word is whole in one of them.
const STRETCH_SECS: f32 = 2.0;
const STEP_SECS: f32 = 1.5;

/// At most so many stretches, two hours, are looked at; of more an even choice.
const MOST: usize = 4_800;

/// Stretches read at once.
const AT_ONCE: usize = 16;

/// Where in a dataset's background a stretch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretch {
    /// The set.
    pub set: usize,
    /// The recording in it.
    pub sound: usize,
    /// Its first sample.
    pub from: usize,
    /// Its length in samples.
    pub len: usize,
}

impl Stretch {
    /// Stretches that cover the background of `dataset`, the shortest first.
    pub fn all(dataset: &Dataset) -> Vec<Self> {
        let samples = |secs: f32| ((secs * dataset.sample_rate_hz as f32) as usize).max(1);
        let (longest, step) = (samples(STRETCH_SECS), samples(STEP_SECS));
        let mut all = Vec::new();
        for (set, sounds) in dataset.background.iter().enumerate() {
            for (sound, whole) in sounds.iter().enumerate() {
                // The last one begins where the one before does not reach the end.
                let steps = whole.len().saturating_sub(longest).div_ceil(step);
                let starts = (0..=steps).map(|at| at * step);
                all.extend(starts.map(|from| Self { set, sound, from, len: longest.min(whole.len() - from) }));
            }
        }
        let every = all.len().div_ceil(MOST).max(1);
        let mut all: Vec<Self> = all.into_iter().step_by(every).collect();
        all.sort_by_key(|stretch| stretch.len);
        all
    }

    /// Its samples; `None` where the dataset is another one than it was found in.
    pub fn samples<'a>(&self, dataset: &'a Dataset) -> Option<&'a [i16]> {
        dataset.background.get(self.set)?.get(self.sound)?.get(self.from..self.from + self.len)
    }
}

/// A search under way.
pub struct Search {
    network: Network,
    features: FeatureConfig,
    stretches: Vec<Stretch>,
    done: usize,
    found: Vec<Stretch>,
}

impl Search {
    /// A search with `network` (without autodiff) in the background of a dataset.
    pub fn new(network: Network, features: FeatureConfig, dataset: &Dataset) -> Self {
        Self { network, features, stretches: Stretch::all(dataset), done: 0, found: Vec::new() }
    }

    /// Looks at the next stretches; false when there was none left.
    pub fn advance(&mut self, dataset: &Dataset) -> Result<bool> {
        let end = (self.done + AT_ONCE).min(self.stretches.len());
        let stretches = &self.stretches[self.done..end];
        if stretches.is_empty() {
            return Ok(false);
        }
        let probes: Vec<Probe> =
            stretches.iter().map(|&stretch| Probe::Background { stretch, is_varied: false }).collect();
        let readings = read(&self.network, &self.features, &probes, dataset)?;
        let classes = dataset.class_count();
        let is_heard = |row: &[f32]| {
            let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let sum: f32 = row.iter().map(|logit| (logit - most).exp()).sum();
            dataset.new_labels.iter().any(|label| (row[label + 1] - most).exp() >= HEARD * sum)
        };
        let hard = readings.iter().zip(stretches).filter(|(read, _)| read.logits.chunks_exact(classes).any(is_heard));
        self.found.extend(hard.map(|(_, stretch)| *stretch));
        self.done = end;
        Ok(true)
    }

    /// The stretches in which a new word was heard.
    pub fn found(self) -> Vec<Stretch> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::card::tests::random_model;

    fn dataset() -> Dataset {
        let sounds = |lens: &[usize]| lens.iter().map(|&len| vec![900; len].into()).collect();
        Dataset {
            labels: ["a", "b", "c"].map(String::from).to_vec(),
            sample_rate_hz: 8_000,
            background: vec![sounds(&[40_000, 5_000]), sounds(&[16_001])],
            new_labels: vec![1],
            ..Dataset::default()
        }
    }

    #[test]
    fn stretches_cover_everything_and_overlap() {
        let dataset = dataset();
        let all = Stretch::all(&dataset);
        let of = |set, sound| {
            let mut of: Vec<_> =
                all.iter().filter(|s| (s.set, s.sound) == (set, sound)).map(|s| (s.from, s.len)).collect();
            of.sort_unstable();
            of
        };
        assert_eq!(of(0, 0), [(0, 16_000), (12_000, 16_000), (24_000, 16_000)]);
        assert_eq!(of(0, 1), [(0, 5_000)]);
        assert_eq!(of(1, 0), [(0, 16_000), (12_000, 4_001)]);
        assert!(all.is_sorted_by_key(|stretch| stretch.len));
        assert_eq!(all[0].samples(&dataset).map(<[i16]>::len), Some(4_001));
        assert_eq!(Stretch { sound: 7, ..all[0] }.samples(&dataset), None);
        assert_eq!(Stretch { len: 90_000, ..all[0] }.samples(&dataset), None);
    }

    #[test]
    fn what_a_new_word_is_heard_in_is_found() {
        let (model, mut dataset) = (random_model(1), dataset());
        let mut found = |new_labels: Vec<usize>| {
            dataset.new_labels = new_labels;
            let mut search = Search::new(model.network().clone(), model.card().features.clone(), &dataset);
            while search.advance(&dataset).unwrap() {}
            search.found().len()
        };
        // An untrained network takes everything for anything.
        assert_eq!(found(vec![0, 1, 2]), 6);
        assert_eq!(found(Vec::new()), 0, "nothing is new");
    }
}
