//! The short-time Fourier transform: sound in any blocks in, columns of linear magnitudes out.

use std::f64::consts::TAU;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use realfft::num_complex::Complex;
use realfft::{RealFftPlanner, RealToComplex};
use serde::{Deserialize, Serialize};

use super::usable_sample;
use crate::{Error, Result};

/// Window functions, all periodic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Window {
    /// Narrow main lobe, side lobes falling fast: the usual choice.
    #[default]
    Hann,
    /// The nearest side lobes lower than Hann's, the far ones higher.
    Hamming,
    /// Side lobes below -92 dB, main lobe twice as wide as Hann's.
    BlackmanHarris,
}

/// The measures of a short-time Fourier transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StftConfig {
    /// FFT size and window length, in samples: a power of two from 64 to 32768.
    pub fft_size: usize,
    /// From one column's start to the next one's, in samples: 1 to `fft_size`.
    pub hop: usize,
    /// The window function.
    pub window: Window,
}

/// Turns sound into columns of linear magnitudes, with the same result for any blocks.
///
/// Column c covers samples `[c * hop, c * hop + fft_size)`. A full-scale sine at a bin's centre has magnitude 1.0
/// there, and so has a constant 1.0 in bin 0. Samples that are not sound (NaN, infinite, above
/// [`LARGEST_SAMPLE`](super::LARGEST_SAMPLE)) count as 0.0, so magnitudes are always finite, and finite as f16.
pub struct Stft {
    config: StftConfig,
    fft: Arc<dyn RealToComplex<f32>>,
    /// The window, scaled so that magnitudes need no scaling.
    window: Box<[f32]>,
    /// Samples of the columns to come: `buffer[start..filled]`.
    buffer: Box<[f32]>,
    start: usize,
    filled: usize,
    windowed: Box<[f32]>,
    spectrum: Box<[Complex<f32>]>,
    scratch: Box<[Complex<f32>]>,
    magnitudes: Box<[f32]>,
    columns: u64,
}

impl Default for StftConfig {
    /// 2048 samples, 75 % overlap, Hann.
    fn default() -> Self {
        Self { fft_size: 2048, hop: 512, window: Window::Hann }
    }
}

impl StftConfig {
    /// Number of bins (magnitudes) in a column: `fft_size / 2 + 1`.
    pub fn bins(&self) -> usize {
        self.fft_size / 2 + 1
    }

    /// Number of columns that the first `samples` samples of a stream complete.
    pub fn columns_in(&self, samples: u64) -> u64 {
        match samples.checked_sub(self.fft_size as u64) {
            None => 0,
            Some(beyond_first) => beyond_first / self.hop as u64 + 1,
        }
    }

    /// Whether all values are in range.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), naming the value and what is allowed.
    pub fn validate(&self) -> Result<()> {
        if !self.fft_size.is_power_of_two() || !(64..=32_768).contains(&self.fft_size) {
            let size = self.fft_size;
            return Err(Error::invalid(format!("fft_size {size}: it must be a power of two from 64 to 32768")));
        }
        if !(1..=self.fft_size).contains(&self.hop) {
            let (hop, size) = (self.hop, self.fft_size);
            return Err(Error::invalid(format!("hop {hop}: it must be from 1 to the fft_size, {size}")));
        }
        Ok(())
    }
}

impl Window {
    /// The window's value at `phase`, 0.0 to 1.0 over its length: a sum of cosines.
    fn at(self, phase: f64) -> f64 {
        let terms: &[f64] = match self {
            Self::Hann => &[0.5, -0.5],
            Self::Hamming => &[0.54, -0.46],
            Self::BlackmanHarris => &[0.35875, -0.48829, 0.14128, -0.01168],
        };
        terms.iter().enumerate().map(|(n, term)| term * (TAU * n as f64 * phase).cos()).sum()
    }

    /// Its `size` values.
    pub fn values(self, size: usize) -> Vec<f64> {
        (0..size).map(|n| self.at(n as f64 / size as f64)).collect()
    }
}

impl Stft {
    /// A transform at the start of a stream.
    ///
    /// # Errors
    /// Those of [`StftConfig::validate`].
    pub fn new(config: &StftConfig) -> Result<Self> {
        config.validate()?;
        let values = config.window.values(config.fft_size);
        let scale = 2.0 / values.iter().sum::<f64>();
        let fft = RealFftPlanner::new().plan_fft_forward(config.fft_size);
        Ok(Self {
            config: *config,
            window: values.iter().map(|value| (value * scale) as f32).collect(),
            // Room for some hops beyond one window, so that the rest is moved to the front once in many columns.
            buffer: vec![0.0; 4 * config.fft_size].into(),
            start: 0,
            filled: 0,
            windowed: fft.make_input_vec().into(),
            spectrum: fft.make_output_vec().into(),
            scratch: fft.make_scratch_vec().into(),
            magnitudes: vec![0.0; config.bins()].into(),
            columns: 0,
            fft,
        })
    }

    /// Takes `samples` and calls `on_column` with the magnitudes of each column that they complete, in order.
    ///
    /// Allocates nothing.
    pub fn push(&mut self, mut samples: &[f32], mut on_column: impl FnMut(&[f32])) {
        while !samples.is_empty() {
            if self.filled == self.buffer.len() {
                self.buffer.copy_within(self.start.., 0);
                self.filled -= self.start;
                self.start = 0;
            }
            let room = &mut self.buffer[self.filled..];
            let (now, later) = samples.split_at(room.len().min(samples.len()));
            for (place, &sample) in room.iter_mut().zip(now) {
                *place = usable_sample(sample);
            }
            self.filled += now.len();
            samples = later;
            while self.filled - self.start >= self.config.fft_size {
                self.transform();
                self.start += self.config.hop;
                self.columns += 1;
                on_column(&self.magnitudes);
            }
        }
    }

    /// Number of columns so far, which is the index of the next one.
    pub fn columns(&self) -> u64 {
        self.columns
    }

    /// Number of bins (magnitudes) in a column.
    pub fn bins(&self) -> usize {
        self.magnitudes.len()
    }

    /// Forgets all past sound; the next sample is sample 0 again.
    pub fn reset(&mut self) {
        (self.start, self.filled, self.columns) = (0, 0, 0);
    }

    /// Puts the magnitudes of the samples at `start` into `magnitudes`.
    fn transform(&mut self) {
        let samples = &self.buffer[self.start..self.start + self.config.fft_size];
        for ((windowed, sample), window) in self.windowed.iter_mut().zip(samples).zip(&self.window) {
            *windowed = sample * window;
        }
        self.fft
            .process_with_scratch(&mut self.windowed, &mut self.spectrum, &mut self.scratch)
            .expect("the buffers were made by this plan");
        for (magnitude, bin) in self.magnitudes.iter_mut().zip(&self.spectrum) {
            *magnitude = (bin.re * bin.re + bin.im * bin.im).sqrt();
        }
        // The window's scale doubles, since a real sine is half at the negative frequency; these two bins are whole.
        self.magnitudes[0] *= 0.5;
        self.magnitudes[self.config.fft_size / 2] *= 0.5;
    }
}

/// Appends a column of magnitudes to `columns` as f16, rounded to the nearest, eight at a time where the processor can.
pub fn append_f16(magnitudes: &[f32], columns: &mut Vec<f16>) {
    let start = columns.len();
    columns.resize(start + magnitudes.len(), f16::ZERO);
    columns[start..].convert_from_f32_slice(magnitudes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: StftConfig = StftConfig { fft_size: 64, hop: 16, window: Window::Hann };

    fn columns_of(config: &StftConfig, samples: &[f32], cuts: &[usize]) -> Vec<Vec<f32>> {
        let mut stft = Stft::new(config).unwrap();
        let mut columns = Vec::new();
        let mut rest = samples;
        for &cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            stft.push(now, |column| columns.push(column.to_vec()));
            rest = later;
        }
        stft.push(rest, |column| columns.push(column.to_vec()));
        assert_eq!(stft.columns(), columns.len() as u64);
        columns
    }

    #[test]
    fn a_full_scale_sine_at_a_bin_has_magnitude_one() {
        for window in [Window::Hann, Window::Hamming, Window::BlackmanHarris] {
            let config = StftConfig { window, ..StftConfig::default() };
            for bin in [8, 100, 1000] {
                let step = TAU * bin as f64 / 2048.0;
                let sine: Vec<f32> = (0..4096).map(|n| (step * n as f64 + 0.7).sin() as f32).collect();
                let columns = columns_of(&config, &sine, &[]);
                assert_eq!((columns.len(), columns[0].len()), (5, 1025));
                for column in columns {
                    assert!((column[bin] - 1.0).abs() < 1e-5, "{window:?} {bin}: {}", column[bin]);
                    let far = column.iter().enumerate().filter(|(n, _)| n.abs_diff(bin) > 4);
                    assert!(far.clone().all(|(_, &m)| m < 1e-5), "{window:?} {bin}");
                }
            }
        }
    }

    #[test]
    fn a_constant_and_the_nyquist_frequency_have_magnitude_one_too() {
        assert!((columns_of(&SMALL, &[1.0; 64], &[])[0][0] - 1.0).abs() < 1e-6);
        let alternating: Vec<f32> = (0..64).map(|n| if n % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert!((columns_of(&SMALL, &alternating, &[])[0][32] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_column_equals_the_plain_sum_over_its_samples() {
        let samples: Vec<f32> = (0..200u32).map(|n| (n * n * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
        let window = Window::Hann.values(64);
        for (c, column) in columns_of(&SMALL, &samples, &[]).iter().enumerate() {
            for (bin, &magnitude) in column.iter().enumerate() {
                let (mut re, mut im) = (0.0, 0.0);
                for n in 0..64 {
                    let value = window[n] * f64::from(samples[c * 16 + n]);
                    let angle = TAU * (bin * n) as f64 / 64.0;
                    (re, im) = (re + value * angle.cos(), im + value * angle.sin());
                }
                let sides = if bin == 0 || bin == 32 { 1.0 } else { 2.0 };
                let expected = sides * re.hypot(im) / window.iter().sum::<f64>();
                assert!((f64::from(magnitude) - expected).abs() < 1e-6, "column {c} bin {bin}");
            }
        }
    }

    #[test]
    fn bad_samples_count_as_zero_and_magnitudes_stay_finite() {
        let mut bad = vec![0.5f32; 4096];
        let mut clean = bad.clone();
        let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1.1e4];
        for (n, value) in values.into_iter().enumerate() {
            bad[600 * n] = value;
            clean[600 * n] = 0.0;
        }
        let config = StftConfig::default();
        assert_eq!(columns_of(&config, &bad, &[]), columns_of(&config, &clean, &[]));
        // The loudest sound there can be, constant and alternating, is finite even as f16.
        for sign in [1.0, -1.0f32] {
            let loudest: Vec<f32> = (0..4096).map(|n| super::super::LARGEST_SAMPLE * sign.powi(n)).collect();
            for column in columns_of(&config, &loudest, &[]) {
                let mut halves = Vec::new();
                append_f16(&column, &mut halves);
                assert!(halves.iter().all(|m| m.is_finite() && m.is_sign_positive()));
                assert!(column.iter().any(|&m| m > 9e3));
            }
        }
    }

    #[test]
    fn f16_columns_are_appended_rounded() {
        let magnitudes: Vec<f32> = (0..1025).map(|n| n as f32 * 1e-4).collect();
        let mut columns = vec![f16::ONE; 3];
        append_f16(&magnitudes, &mut columns);
        let expected = std::iter::repeat_n(f16::ONE, 3).chain(magnitudes.iter().map(|&m| f16::from_f32(m)));
        assert!(columns.iter().copied().eq(expected));
    }

    #[test]
    fn bad_measures_are_refused_and_named() {
        for (fft_size, hop, named) in
            [(0, 1, "fft_size 0"), (1000, 10, "fft_size 1000"), (64, 0, "hop 0"), (64, 65, "hop 65")]
        {
            let error = Stft::new(&StftConfig { fft_size, hop, window: Window::Hann }).err().unwrap();
            assert_eq!(error.kind, crate::ErrorKind::Invalid);
            assert!(error.message.starts_with(named), "{error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_cutting_gives_the_same_bits(
            samples in proptest::collection::vec(-1.0f32..1.0, 0..1500),
            cuts in proptest::collection::vec(0usize..200, 0..30),
            hop in 1usize..=64,
        ) {
            let config = StftConfig { hop, ..SMALL };
            let bits = |columns: Vec<Vec<f32>>| columns.concat().into_iter().map(f32::to_bits).collect::<Vec<_>>();
            let whole = columns_of(&config, &samples, &[]);
            prop_assert_eq!(whole.len() as u64, config.columns_in(samples.len() as u64));
            prop_assert_eq!(bits(columns_of(&config, &samples, &cuts)), bits(whole));
        }
    }
}
