//! Sounds that a network is tried on between and after its steps: validation clips and what is made of them.

use burn::tensor::Device;

use super::augment::noise::Noise;
use super::augment::scene::active_power;
use super::batch::Batch;
use super::dataset::Dataset;
use super::rng::Rng;
use crate::Result;
use crate::dsp::mel::FeatureConfig;
use crate::recognise::model::Network;

/// Silence before and after each sound.
const LEAD_SECS: f32 = 0.2;
const TAIL_SECS: f32 = 0.5;

/// How far the noise of a noisy probe lies below its word.
const NOISE_DB: f32 = -10.0;

/// A sound to try a network on; clips and sounds by their index in the dataset.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Probe {
    /// A clip as it is.
    Clean(usize),
    /// A clip in noise.
    Noisy(usize),
    /// A clip from its end to its start: a voice without a word.
    Backwards(usize),
    /// A stretch of held background.
    Background {
        /// The sound.
        sound: usize,
        /// Its first sample.
        from: usize,
        /// Samples, at most.
        stretch: usize,
    },
}

impl Probe {
    /// The samples that it is made of.
    pub fn samples<'a>(&self, dataset: &'a Dataset) -> &'a [i16] {
        match *self {
            Self::Clean(clip) | Self::Noisy(clip) | Self::Backwards(clip) => &dataset.clips[clip].samples,
            Self::Background { sound, from, stretch } => {
                let samples = &dataset.held_background[sound];
                &samples[from..(from + stretch).min(samples.len())]
            }
        }
    }

    /// The classes said in it.
    fn transcript(&self, dataset: &Dataset) -> Vec<usize> {
        match *self {
            Self::Clean(clip) | Self::Noisy(clip) => dataset.classes(dataset.clips[clip].label),
            Self::Backwards(_) | Self::Background { .. } => Vec::new(),
        }
    }

    /// The sound with silence around it, `len` samples between the two silences. The same at each call.
    fn sound(&self, dataset: &Dataset, len: usize) -> Vec<f32> {
        let rate = dataset.sample_rate_hz as f32;
        let lead = (LEAD_SECS * rate) as usize;
        let mut sound = vec![0.0; lead + len + (TAIL_SECS * rate) as usize];
        let samples = self.samples(dataset);
        let float = |&sample: &i16| f32::from(sample) / 32_768.0;
        let slots = sound[lead..].iter_mut();
        match self {
            Self::Backwards(_) => slots.zip(samples.iter().rev()).for_each(|(slot, sample)| *slot = float(sample)),
            _ => slots.zip(samples).for_each(|(slot, sample)| *slot = float(sample)),
        }
        if let Self::Noisy(clip) = *self {
            let mut rng = Rng::at(0, 0, clip as u64);
            let kind = [Noise::White, Noise::Pink, Noise::Brown][clip % 3];
            let gain = active_power(&sound).sqrt() * 10f32.powf(NOISE_DB / 20.0);
            let noise = kind.samples(sound.len(), rate, &mut rng);
            sound.iter_mut().zip(&noise).for_each(|(slot, noise)| *slot += gain * noise);
        }
        sound
    }
}

/// What a network made of a probe.
pub struct Reading {
    /// The classes said in it.
    pub transcript: Vec<usize>,
    /// `[frames, classes]` in rows.
    pub logits: Vec<f32>,
}

impl Reading {
    /// Whether a word is said.
    pub fn has_word(&self) -> bool {
        !self.transcript.is_empty()
    }
}

/// What `network` (without autodiff) makes of probes. Computes on the rayon pool that it is called in.
pub fn read(network: &Network, features: &FeatureConfig, probes: &[Probe], dataset: &Dataset) -> Result<Vec<Reading>> {
    let longest = probes.iter().map(|probe| probe.samples(dataset).len()).max().unwrap_or(0);
    let sounds = probes.iter().map(|probe| probe.sound(dataset, longest)).collect();
    let transcripts = probes.iter().map(|probe| probe.transcript(dataset)).collect();
    let batch = Batch::new(features, sounds, transcripts)?;
    let logits = network.forward(batch.tensor(&Device::flex())); // [items, frames / stride, classes]
    let [_, frames, classes] = logits.dims();
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let rows = logits.chunks_exact((frames * classes).max(1));
    let reading = |(rows, transcript): (&[f32], _)| Reading { transcript, logits: rows.to_vec() };
    Ok(rows.zip(batch.transcripts).map(reading).collect())
}
