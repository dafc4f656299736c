//! Sound in which no word is said, of the kinds that make a recogniser see words: noise, clicks, tones, speech backwards.

use serde::Serialize;

use super::hear::Heard;
use crate::train::augment::noise::{Noise, clicks, tones};
use crate::train::augment::scene::to_16_bit_grid;
use crate::train::rng::Rng;

/// How often a word was read in one kind of sound.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AlarmRate {
    /// The kind: `silence`, `white`, `pink`, `brown`, `hum`, `clicks`, `tones`, `reversed speech`.
    pub sound: &'static str,
    /// Seconds of it.
    pub secs: f64,
    /// Words read in it.
    pub alarms: usize,
    /// The same an hour.
    pub per_hour: f64,
}

/// A sound without words and its kind.
pub(super) struct Wordless {
    pub sound: &'static str,
    pub samples: Vec<f32>,
    /// Whether it counts to the rate on silence and noise.
    pub is_noise: bool,
}

/// `secs` each of silence and of noises at 20 dB below full scale, of clicks and of tones.
pub(super) fn kinds(secs: f64, sample_rate_hz: u32, seed: u64) -> Vec<Wordless> {
    let len = (secs * f64::from(sample_rate_hz)) as usize;
    let rate = sample_rate_hz as f32;
    let mut rng = Rng::at(seed, 2, 0);
    let mut sounds = vec![Wordless { sound: "silence", samples: vec![0.0; len], is_noise: true }];
    for kind in Noise::ALL {
        let mut samples = kind.samples(len, rate, &mut rng);
        samples.iter_mut().for_each(|sample| *sample *= 0.1);
        sounds.push(Wordless { sound: kind.name(), samples, is_noise: true });
    }
    sounds.push(Wordless { sound: "clicks", samples: clicks(len, rate, &mut rng), is_noise: true });
    sounds.push(Wordless { sound: "tones", samples: tones(len, rate, &mut rng), is_noise: false });
    sounds.iter_mut().for_each(|sound| to_16_bit_grid(&mut sound.samples));
    sounds
}

/// The rates by kind, in the order of the kinds' first sounds.
pub(super) fn rates(sounds: &[Wordless], heard: &[Heard]) -> Vec<AlarmRate> {
    let mut rates: Vec<AlarmRate> = Vec::new();
    for (Wordless { sound, .. }, heard) in sounds.iter().zip(heard) {
        let known = rates.iter().position(|rate| rate.sound == *sound);
        let index = known.unwrap_or_else(|| {
            rates.push(AlarmRate { sound, secs: 0.0, alarms: 0, per_hour: 0.0 });
            rates.len() - 1
        });
        let rate = &mut rates[index];
        rate.secs += heard.secs;
        rate.alarms += heard.words.len();
        rate.per_hour = rate.alarms as f64 * 3_600.0 / rate.secs.max(1.0);
    }
    rates
}
