//! What the pump computes of a stream's samples: columns and level, kept until the screen takes them.

use std::{mem, time::Instant};

use half::f16;

use crate::{
    Result,
    dsp::{
        level::{Level, LevelMeter},
        stft::{Stft, StftConfig, append_f16},
    },
};

/// Columns and samples for the screen, in order and without holes.
#[derive(Clone, Debug, Default)]
pub struct StreamBatch {
    /// The number of the first column.
    pub first_column: u64,
    /// Linear magnitudes, `[columns, bins]`, a full-scale sine being 1.0.
    pub columns: Vec<f16>,
    /// The place of the first sample on the stream's clock.
    pub first_sample: u64,
    /// Samples.
    pub samples: Vec<i16>,
    /// When the newest sample was captured, if it was.
    pub captured: Option<Instant>,
}

/// Computes columns and level; any cutting into blocks gives the same.
pub struct Analysis {
    stft: Stft,
    meter: LevelMeter,
    float: Vec<f32>,
    pending: StreamBatch,
    samples: u64,
}

impl Analysis {
    /// An analysis of sound of `sample_rate_hz`.
    pub fn new(stft: &StftConfig, sample_rate_hz: u32) -> Result<Self> {
        Ok(Self {
            stft: Stft::new(stft)?,
            meter: LevelMeter::new(sample_rate_hz),
            float: Vec::new(),
            pending: StreamBatch::default(),
            samples: 0,
        })
    }

    /// Takes the next samples.
    pub fn push(&mut self, samples: &[i16], captured: Option<Instant>) {
        self.meter.push(samples);
        self.float.clear();
        self.float.extend(samples.iter().map(|&sample| f32::from(sample) / 32768.0));
        let columns = &mut self.pending.columns;
        self.stft.push(&self.float, |magnitudes| append_f16(magnitudes, columns));
        self.pending.samples.extend_from_slice(samples);
        self.pending.captured = captured.or(self.pending.captured);
        self.samples += samples.len() as u64;
    }

    /// The next sample's place on the stream's clock.
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Columns made so far.
    pub fn columns(&self) -> u64 {
        self.stft.columns()
    }

    /// The level now.
    pub fn level(&self) -> Level {
        self.meter.level()
    }

    /// Samples in a row, up to now, that were exactly zero.
    pub fn zeros_samples(&self) -> u64 {
        self.meter.zeros_samples()
    }

    /// Columns that wait to be taken.
    pub fn pending_columns(&self) -> usize {
        self.pending.columns.len() / self.stft.bins()
    }

    /// What has come together since the last taking, if anything has. The last samples of a sound fill no column and are taken too.
    pub fn take(&mut self) -> Option<StreamBatch> {
        if self.pending.samples.is_empty() {
            return None;
        }
        let next = StreamBatch { first_column: self.columns(), first_sample: self.samples, ..StreamBatch::default() };
        Some(mem::replace(&mut self.pending, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batches(cuts: &[usize], sound: &[i16]) -> (Vec<f16>, Vec<i16>, Level) {
        let mut analysis = Analysis::new(&StftConfig::default(), 48_000).unwrap();
        let (mut columns, mut samples) = (Vec::new(), Vec::new());
        let mut rest = sound;
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (block, later) = rest.split_at(cut.min(rest.len()));
            rest = later;
            analysis.push(block, None);
            while let Some(batch) = analysis.take() {
                assert_eq!(batch.first_sample, samples.len() as u64);
                assert_eq!(batch.first_column, (columns.len() / 1025) as u64);
                columns.extend(batch.columns);
                samples.extend(batch.samples);
            }
        }
        (columns, samples, analysis.level())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_cutting_gives_the_same_columns_samples_and_level(cuts in prop::collection::vec(0usize..3000, 0..20), seed in 0u32..1000) {
            let sound: Vec<i16> = (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761).wrapping_add(seed * 97) >> 17) as i16).collect();
            prop_assert_eq!(batches(&cuts, &sound), batches(&[], &sound));
        }
    }
}
