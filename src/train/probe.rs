//! Sounds that a network is tried on between and after its steps: validation clips and what is made of them.

use burn::tensor::Device;

use super::augment::effects::played_faster;
use super::augment::noise::{Noise, clicks, event, tones};
use super::augment::scene::active_power;
use super::batch::Batch;
use super::dataset::Dataset;
use super::hard_negatives::Stretch;
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
    /// A clip and shortly after it another one: between two words there is none.
    Pair(usize, usize),
    /// Some seconds of noise, clicks, tones or other sounds that were never recorded, one of many.
    Made {
        /// Which one.
        number: u64,
        /// Its samples.
        len: usize,
    },
    /// A stretch of the background that is learnt from.
    Background {
        /// Which one.
        stretch: Stretch,
        /// Whether it is played at another speed, so that it is not quite what was learnt from.
        is_varied: bool,
    },
    /// A stretch of held background.
    Held {
        /// The sound.
        sound: usize,
        /// Its first sample.
        from: usize,
        /// Samples, at most.
        stretch: usize,
    },
}

impl Probe {
    /// Its length in samples, without the silence around it.
    pub fn len(&self, dataset: &Dataset) -> usize {
        match *self {
            Self::Made { len, .. } => len,
            Self::Background { stretch, is_varied: true } => (stretch.len as f32 / speed(&stretch)) as usize,
            Self::Pair(first, second) => {
                let clip = |index: usize| dataset.clips[index].samples.len();
                clip(first) + gap(first, second, dataset.sample_rate_hz) + clip(second)
            }
            _ => self.recorded(dataset).len(),
        }
    }

    /// The samples that it begins with, if it was recorded.
    fn recorded<'a>(&self, dataset: &'a Dataset) -> &'a [i16] {
        match *self {
            Self::Clean(clip) | Self::Noisy(clip) | Self::Backwards(clip) | Self::Pair(clip, _) => {
                &dataset.clips[clip].samples
            }
            Self::Made { .. } => &[],
            Self::Background { stretch, .. } => stretch.samples(dataset).unwrap_or_default(),
            Self::Held { sound, from, stretch } => {
                let samples = &dataset.held_background[sound];
                &samples[from..(from + stretch).min(samples.len())]
            }
        }
    }

    /// The classes said in it.
    fn transcript(&self, dataset: &Dataset) -> Vec<usize> {
        match *self {
            Self::Clean(clip) | Self::Noisy(clip) => dataset.classes(dataset.clips[clip].label),
            Self::Pair(first, second) => {
                let classes = |clip: usize| dataset.classes(dataset.clips[clip].label);
                classes(first).into_iter().chain(dataset.between()).chain(classes(second)).collect()
            }
            Self::Backwards(_) | Self::Made { .. } | Self::Background { .. } | Self::Held { .. } => Vec::new(),
        }
    }

    /// The sound with silence around it, `len` samples between the two silences. The same at each call.
    fn sound(&self, dataset: &Dataset, len: usize) -> Vec<f32> {
        let rate = dataset.sample_rate_hz as f32;
        let lead = (LEAD_SECS * rate) as usize;
        let mut sound = vec![0.0; lead + len + (TAIL_SECS * rate) as usize];
        let samples = self.recorded(dataset);
        let float = |&sample: &i16| f32::from(sample) / 32_768.0;
        let slots = sound[lead..].iter_mut();
        match *self {
            Self::Made { number, len } => {
                slots.zip(made(number, len, rate)).for_each(|(slot, sample)| *slot = sample);
            }
            Self::Background { stretch, is_varied: true } => {
                let played = played_faster(&samples.iter().map(float).collect::<Vec<_>>(), speed(&stretch));
                slots.zip(played).for_each(|(slot, sample)| *slot = sample);
            }
            Self::Backwards(_) => slots.zip(samples.iter().rev()).for_each(|(slot, sample)| *slot = float(sample)),
            _ => slots.zip(samples).for_each(|(slot, sample)| *slot = float(sample)),
        }
        if let Self::Pair(first, second) = *self {
            let place = lead + samples.len() + gap(first, second, dataset.sample_rate_hz);
            sound[place..]
                .iter_mut()
                .zip(&dataset.clips[second].samples)
                .for_each(|(slot, sample)| *slot = float(sample));
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

/// How much faster a varied stretch is played: as by a speaker up to an eighth smaller or larger, and faster or slower with it.
fn speed(stretch: &Stretch) -> f32 {
    let number = (stretch.set << 32) + stretch.sound;
    Rng::at(0, number as u64, stretch.from as u64).between(-0.12, 0.12).exp()
}

/// Samples between the two clips of a pair: 0.05 to 0.4 s.
fn gap(first: usize, second: usize, sample_rate_hz: u32) -> usize {
    (Rng::at(0, first as u64, second as u64).between(0.05, 0.4) * sample_rate_hz as f32) as usize
}

/// Sound number `number` of those in which nobody speaks, `len` samples.
fn made(number: u64, len: usize, sample_rate_hz: f32) -> Vec<f32> {
    let mut rng = Rng::at(0, 1, number);
    let mut sound = match number % 8 {
        kind @ 0..4 => Noise::ALL[kind as usize].samples(len, sample_rate_hz, &mut rng),
        4 => clicks(len, sample_rate_hz, &mut rng),
        5 | 6 => tones(len, sample_rate_hz, &mut rng),
        _ => {
            let mut events = Vec::new();
            while events.len() < len {
                events.extend(event(sample_rate_hz, &mut rng));
                events.resize(events.len() + (rng.between(0.1, 0.6) * sample_rate_hz) as usize, 0.0);
            }
            events.truncate(len);
            events
        }
    };
    let gain = 10f32.powf(rng.between(-40.0, -14.0) / 20.0) / active_power(&sound).sqrt().max(1e-6);
    sound.iter_mut().for_each(|sample| *sample = (*sample * gain).clamp(-1.0, 1.0));
    sound
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
    let longest = probes.iter().map(|probe| probe.len(dataset)).max().unwrap_or(0);
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
