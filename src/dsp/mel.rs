//! Streaming log-mel feature frames.
//!
//! The mel scale is HTK's, `2595 · log10(1 + f / 700)`; the bands are triangles of height 1 whose corners lie evenly
//! spaced on that scale (Davis and Mermelstein 1980). A band's value is the mean square of the sound in it, so that
//! the bands of a sound sum to about its mean square whatever the window and the FFT size are.

use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::dither::add_dither;
use super::dot;
use crate::{Error, Result};

/// Mean squares below this (-90 dBFS) count as silence: what lies under it is the noise of 16-bit rounding.
const FLOOR: f32 = 1e-9;
/// Frames of a whole sound that one thread makes at a time.
const BLOCK_FRAMES: usize = 512;

/// How sound becomes feature frames. It is part of a model's card: a model hears only what it was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureConfig {
    /// Rate that the sound is brought to first.
    pub sample_rate_hz: u32,
    /// Mel bands, which is the length of a feature frame.
    pub bands: usize,
    /// Samples under the Hann window of one feature frame.
    pub window_samples: usize,
    /// Samples from one feature frame to the next.
    pub hop_samples: usize,
    /// FFT size; the window is padded with zeros up to it.
    pub fft_size: usize,
    /// Lower corner of the lowest band.
    pub low_hz: f32,
    /// Upper corner of the highest band.
    pub high_hz: f32,
    /// Subtracted from the natural logarithm of a band's mean square. A constant, never a running mean, so that
    /// streamed features are those of the whole file.
    pub log_mean: f32,
    /// What the difference is divided by.
    pub log_deviation: f32,
    /// Root mean square of the white noise that is added to the sound first, which hides what a recording has far below its voice.
    #[serde(default)]
    pub dither: f32,
}

impl FeatureConfig {
    /// The usual features for speech at `sample_rate_hz`: 40 bands, window 25 ms, hop 10 ms, from 60 Hz to 95 % of
    /// half the rate.
    pub fn speech(sample_rate_hz: u32) -> Self {
        let window_samples = (sample_rate_hz as usize / 40).max(2);
        Self {
            sample_rate_hz,
            bands: 40,
            window_samples,
            hop_samples: (sample_rate_hz as usize / 100).max(1),
            // Bins of at most 16 Hz, so that the lowest bands have more than one bin each.
            fft_size: (sample_rate_hz as usize / 16).next_power_of_two().max(window_samples.next_power_of_two()),
            low_hz: 60.0,
            high_hz: sample_rate_hz as f32 * 0.475,
            // About the mean and the deviation over the training clips of the spoken digits (-14.3 and 3.8).
            log_mean: -14.0,
            log_deviation: 4.0,
            dither: 1e-3, // -60 dBFS.
        }
    }

    /// Says what is wrong with the values, if anything is.
    pub fn validate(&self) -> Result<()> {
        let fail = |what: String| Err(Error::invalid(format!("features: {what}")));
        if !(1_000..=384_000).contains(&self.sample_rate_hz) {
            return fail(format!("sample_rate_hz is {}, allowed are 1000 to 384000", self.sample_rate_hz));
        }
        if !(1..=256).contains(&self.bands) {
            return fail(format!("bands is {}, allowed are 1 to 256", self.bands));
        }
        if !(2..=65_536).contains(&self.fft_size) || !self.fft_size.is_multiple_of(2) {
            return fail(format!("fft_size is {}, allowed are even numbers from 2 to 65536", self.fft_size));
        }
        if !(2..=self.fft_size).contains(&self.window_samples) {
            return fail(format!("window_samples is {}, allowed are 2 to fft_size", self.window_samples));
        }
        if !(1..=self.window_samples).contains(&self.hop_samples) {
            return fail(format!("hop_samples is {}, allowed are 1 to window_samples", self.hop_samples));
        }
        let half_rate = self.sample_rate_hz as f32 / 2.0;
        if !(self.low_hz >= 0.0 && self.low_hz < self.high_hz && self.high_hz <= half_rate) {
            let (low, high) = (self.low_hz, self.high_hz);
            return fail(format!("low_hz {low} and high_hz {high} must rise and lie between 0 and {half_rate}"));
        }
        if !(self.log_mean.is_finite() && self.log_deviation.is_finite() && self.log_deviation > 0.0) {
            return fail("log_mean must be finite and log_deviation above 0".into());
        }
        if !(0.0..1.0).contains(&self.dither) {
            return fail(format!("dither is {}, allowed are 0 to 1", self.dither));
        }
        Ok(())
    }

    /// Seconds from one feature frame to the next.
    pub fn hop_secs(&self) -> f64 {
        self.hop_samples as f64 / f64::from(self.sample_rate_hz)
    }

    /// Seconds that one feature frame covers.
    pub fn window_secs(&self) -> f64 {
        self.window_samples as f64 / f64::from(self.sample_rate_hz)
    }
}

/// One triangle: the weights of the bins from `first_bin` on.
#[derive(Clone)]
struct Band {
    first_bin: usize,
    weights: Vec<f32>,
}

/// Turns sound into normalised log-mel feature frames.
///
/// Frame `f` covers samples `[f · hop, f · hop + window)` of what was pushed since the start, and is made as soon as
/// its last sample is there: causal, and the same to the bit however the sound was cut into blocks. The dither of a sample depends
/// on its place alone.
#[derive(Clone)]
pub struct LogMel {
    config: FeatureConfig,
    fft: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    bands: Vec<Band>,
    /// Samples from the start of the next frame on.
    pending: Vec<f32>,
    /// The place of the first of them.
    place: u32,
    input: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    power: Vec<f32>,
}

impl LogMel {
    /// Prepares windows, bands and FFT. Fails on values that [`FeatureConfig::validate`] refuses and on a band that is
    /// too narrow to hold a bin.
    pub fn new(config: &FeatureConfig) -> Result<Self> {
        config.validate()?;
        let window = hann(config.window_samples);
        let energy: f32 = window.iter().map(|w| w * w).sum();
        // Parseval: twice the sum of the bins' powers over (FFT size × window energy) is the mean square.
        let bands = mel_bands(config, 2.0 / (config.fft_size as f32 * energy))?;
        let fft = RealFftPlanner::<f32>::new().plan_fft_forward(config.fft_size);
        let (input, spectrum, scratch) = (fft.make_input_vec(), fft.make_output_vec(), fft.make_scratch_vec());
        let power = vec![0.0; spectrum.len()];
        Ok(Self {
            config: config.clone(),
            fft,
            window,
            bands,
            pending: Vec::new(),
            place: 0,
            input,
            spectrum,
            scratch,
            power,
        })
    }

    /// The same for sound whose first frame is number `frame` of a longer one.
    pub fn from_frame(mut self, frame: u64) -> Self {
        self.place = self.place_of(frame);
        self
    }

    /// The place of the first sample of a frame, which begins anew every 2³² samples.
    fn place_of(&self, frame: u64) -> u32 {
        frame.wrapping_mul(self.config.hop_samples as u64) as u32
    }

    /// The values this was made with.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Hears a block of samples and appends the frames that it completes to `out`, each of `bands` values.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(samples);
        let (window, hop, bands) = (self.config.window_samples, self.config.hop_samples, self.bands.len());
        let mut start = 0;
        while start + window <= pending.len() {
            let first = out.len();
            out.resize(first + bands, 0.0);
            let place = self.place.wrapping_add(start as u32);
            self.frame(place, &pending[start..start + window], &mut out[first..]);
            start += hop;
        }
        pending.drain(..start);
        self.place = self.place.wrapping_add(start as u32);
        self.pending = pending;
    }

    /// The values of the frame that covers `sound`, which begins at `place`.
    fn frame(&mut self, place: u32, sound: &[f32], values: &mut [f32]) {
        let (head, tail) = self.input.split_at_mut(self.window.len());
        head.copy_from_slice(sound);
        add_dither(head, self.config.dither, place);
        head.iter_mut().zip(&self.window).for_each(|(x, weight)| *x *= weight);
        tail.fill(0.0); // The FFT uses its input as scratch.
        self.fft
            .process_with_scratch(&mut self.input, &mut self.spectrum, &mut self.scratch)
            .expect("the three lengths are the plan's own");
        for (power, bin) in self.power.iter_mut().zip(&self.spectrum) {
            *power = bin.norm_sqr();
        }
        for (value, band) in values.iter_mut().zip(&self.bands) {
            let bins = &self.power[band.first_bin..band.first_bin + band.weights.len()];
            let mean_square = dot(bins, &band.weights);
            *value = ((mean_square + FLOOR).ln() - self.config.log_mean) / self.config.log_deviation;
        }
    }

    /// The feature frames of a whole sound, `[frames, bands]`; a long one is shared among the threads of rayon's pool.
    pub fn whole(config: &FeatureConfig, samples: &[f32]) -> Result<Vec<f32>> {
        let log_mel = Self::new(config)?;
        let (window, hop, bands) = (config.window_samples, config.hop_samples, config.bands);
        let frames = samples.len().checked_sub(window).map_or(0, |more| more / hop + 1);
        let mut values = vec![0.0; frames * bands];
        values.par_chunks_mut(BLOCK_FRAMES * bands).enumerate().for_each_init(
            || log_mel.clone(),
            |log_mel, (block, values)| {
                for (at, values) in values.chunks_exact_mut(bands).enumerate() {
                    let frame = block * BLOCK_FRAMES + at;
                    let (place, start) = (log_mel.place_of(frame as u64), frame * hop);
                    log_mel.frame(place, &samples[start..start + window], values);
                }
            },
        );
        Ok(values)
    }
}

fn hann(len: usize) -> Vec<f32> {
    let phase = |i: usize| std::f64::consts::TAU * i as f64 / len as f64;
    (0..len).map(|i| (0.5 - 0.5 * phase(i).cos()) as f32).collect()
}

fn mel_bands(config: &FeatureConfig, scale: f32) -> Result<Vec<Band>> {
    let mel = |hz: f64| 2595.0 * (1.0 + hz / 700.0).log10();
    let hz = |mel: f64| 700.0 * (10f64.powf(mel / 2595.0) - 1.0);
    let (low, high) = (mel(f64::from(config.low_hz)), mel(f64::from(config.high_hz)));
    let corner = |i: usize| hz(low + (high - low) * i as f64 / (config.bands + 1) as f64);
    let bin_hz = f64::from(config.sample_rate_hz) / config.fft_size as f64;
    let bands = (0..config.bands).map(|band| {
        let (left, centre, right) = (corner(band), corner(band + 1), corner(band + 2));
        let weight = |bin: usize| {
            let f = bin as f64 * bin_hz;
            ((f - left) / (centre - left)).min((right - f) / (right - centre)).max(0.0) as f32
        };
        let first_bin = (left / bin_hz).ceil() as usize;
        let last_bin = ((right / bin_hz).floor() as usize).min(config.fft_size / 2);
        let weights: Vec<f32> = (first_bin..=last_bin).map(|bin| scale * weight(bin)).collect();
        if weights.iter().all(|&w| w == 0.0) {
            return Err(Error::invalid(format!(
                "features: band {band} ({left:.0} to {right:.0} Hz) lies between two bins; use fewer bands or a larger fft_size"
            )));
        }
        Ok(Band { first_bin, weights })
    });
    bands.collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sine(hz: f32, rate: u32, len: usize, amplitude: f32) -> Vec<f32> {
        (0..len).map(|i| amplitude * (std::f32::consts::TAU * hz * i as f32 / rate as f32).sin()).collect()
    }

    /// Real speech at 8 kHz: spoken digits, one after another. Without `SESERAGI_DATA`, noise that swells like speech.
    pub(crate) fn speech() -> Vec<f32> {
        let folder = std::path::Path::new(&std::env::var("SESERAGI_DATA").unwrap_or_default()).join("spoken-digits");
        let words = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut clips: Vec<_> = words
            .flat_map(|word| std::fs::read_dir(word.path()).into_iter().flatten().flatten())
            .map(|f| f.path())
            .collect();
        clips.sort();
        if clips.is_empty() {
            println!("no {} (set SESERAGI_DATA): made-up sound is used", folder.display());
            let mut state = 1u32;
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 16) as f32 / 65_536.0 - 0.5
            };
            return (0..80_000).map(|i| 0.3 * next() * (i as f32 / 1_500.0).sin().powi(2)).collect();
        }
        let samples = |clip| hound::WavReader::open(clip).unwrap().into_samples::<i16>();
        clips.iter().step_by(37).flat_map(samples).map(|s| f32::from(s.unwrap()) / 32_768.0).collect()
    }

    #[test]
    fn the_constants_bring_speech_to_about_zero_and_one() {
        let values = LogMel::whole(&FeatureConfig::speech(8_000), &speech()).unwrap();
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt();
        println!("mean {mean}, deviation {deviation}");
        assert!(mean.abs() < 0.25 && (0.75..1.25).contains(&deviation), "{mean} and {deviation}");
    }

    /// Undoes the normalisation: mean squares.
    fn linear(config: &FeatureConfig, frame: &[f32]) -> Vec<f32> {
        frame.iter().map(|v| (v * config.log_deviation + config.log_mean).exp()).collect()
    }

    #[test]
    fn a_sine_lands_in_its_band_with_its_mean_square() {
        for rate in [8_000, 16_000] {
            let config = FeatureConfig::speech(rate);
            let frames = LogMel::whole(&config, &sine(1_000.0, rate, rate as usize, 0.5)).unwrap();
            let frame = linear(&config, &frames[10 * config.bands..11 * config.bands]);
            let total: f32 = frame.iter().sum();
            assert!((total - 0.125).abs() < 0.01, "0.5² / 2 = 0.125, not {total}");
            let loudest = (0..config.bands).max_by(|&a, &b| frame[a].total_cmp(&frame[b])).unwrap();
            let mel = |hz: f32| 2595.0 * (1.0 + hz / 700.0).log10();
            let spacing = (mel(config.high_hz) - mel(config.low_hz)) / (config.bands + 1) as f32;
            let expected = (mel(1_000.0) - mel(config.low_hz)) / spacing - 1.0;
            assert!((loudest as f32 - expected).abs() <= 0.5, "band {loudest}, expected {expected}");
        }
    }

    #[test]
    fn dither_depends_on_the_place_alone() {
        let config = FeatureConfig { dither: 0.01, ..FeatureConfig::speech(8_000) };
        let frames = LogMel::whole(&config, &[0.0; 80_000]).unwrap();
        let values = linear(&config, &frames);
        let power = values.iter().sum::<f32>() * config.bands as f32 / values.len() as f32;
        assert!(
            (0.85e-4..1e-4).contains(&power),
            "a little less than 0.01², of what lies between the corners: {power}"
        );
        let mut later = Vec::new();
        LogMel::new(&config).unwrap().from_frame(700).push(&[0.0; 8_000], &mut later);
        assert_eq!(later[..], frames[700 * config.bands..][..later.len()]);
    }

    #[test]
    fn frames_cover_what_they_say() {
        let config = FeatureConfig::speech(8_000);
        let (window, hop) = (config.window_samples, config.hop_samples);
        for len in [0, window - 1, window, window + hop - 1, window + hop, window + 10 * hop + 3] {
            let frames = LogMel::whole(&config, &vec![0.1; len]).unwrap();
            let expected = if len < window { 0 } else { (len - window) / hop + 1 };
            assert_eq!(frames.len(), expected * config.bands, "{len} samples");
        }
        // A click under frames 2 to 4 only (their windows hold sample 4 · hop) leaves all others silent.
        let config = FeatureConfig { dither: 0.0, ..config };
        let silence = (FLOOR.ln() - config.log_mean) / config.log_deviation;
        let mut sound = vec![0.0; window + 10 * hop];
        sound[4 * hop + 1] = 1.0;
        let frames = LogMel::whole(&config, &sound).unwrap();
        let silent = |f: usize| frames[f * config.bands..][..config.bands].iter().all(|&v| v == silence);
        let expected: Vec<bool> = (0..11).map(|f| !(f * hop..f * hop + window).contains(&(4 * hop + 1))).collect();
        assert_eq!((0..11).map(silent).collect::<Vec<_>>(), expected);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_frames(cuts in prop::collection::vec(0usize..700, 1..40), seed in 1u32..9999) {
            let config = FeatureConfig::speech(8_000);
            let mut state = seed;
            let sound: Vec<f32> = (0..cuts.iter().sum())
                .map(|_| { state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223); (state >> 16) as f32 / 65_536.0 - 0.5 })
                .collect();
            let whole = LogMel::whole(&config, &sound).unwrap();
            let (mut log_mel, mut cut, mut at) = (LogMel::new(&config).unwrap(), Vec::new(), 0);
            for len in cuts {
                log_mel.push(&sound[at..at + len], &mut cut);
                at += len;
            }
            prop_assert_eq!(whole, cut);
        }
    }

    #[test]
    fn unusable_values_are_refused_with_what_is_allowed() {
        let good = FeatureConfig::speech(16_000);
        good.validate().unwrap();
        let message = |config: FeatureConfig| LogMel::new(&config).err().expect("refused").message;
        assert!(message(FeatureConfig { hop_samples: 0, ..good.clone() }).contains("allowed are 1 to window_samples"));
        assert!(message(FeatureConfig { high_hz: 9_000.0, ..good.clone() }).contains("between 0 and 8000"));
        assert!(message(FeatureConfig { low_hz: f32::NAN, ..good.clone() }).contains("must rise"));
        assert!(message(FeatureConfig { dither: -0.1, ..good.clone() }).contains("dither is -0.1"));
        assert!(message(FeatureConfig { log_deviation: 0.0, ..good.clone() }).contains("above 0"));
        assert!(message(FeatureConfig { fft_size: 512, bands: 256, ..good }).contains("use fewer bands"));
    }
}
