//! The sound and the feature frames that a lane keeps, on a grid that is anchored at the stream's sample 0.

use std::collections::VecDeque;

use crate::Result;
use crate::dsp::mel::{FeatureConfig, LogMel};
use crate::dsp::resample::Resampler;

/// The newest samples of a stream.
#[derive(Debug)]
pub struct KeptSound {
    samples: VecDeque<i16>,
    /// Index of the sample after the newest.
    end: u64,
    most: usize,
}

impl KeptSound {
    /// An empty store for the newest `most` samples.
    pub fn new(most: usize) -> Self {
        Self { samples: VecDeque::with_capacity(most), end: 0, most }
    }

    /// Forgets everything; the next sample is number `at_sample` of the stream.
    pub fn restart(&mut self, at_sample: u64) {
        self.samples.clear();
        self.end = at_sample;
    }

    /// Adds the next samples.
    pub fn push(&mut self, samples: &[i16]) {
        self.end += samples.len() as u64;
        let newest = &samples[samples.len().saturating_sub(self.most)..];
        let room = self.most - newest.len();
        self.samples.drain(..self.samples.len().saturating_sub(room));
        self.samples.extend(newest);
    }

    /// Index of the sample after the newest.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Index of the oldest kept sample.
    pub fn start(&self) -> u64 {
        self.end - self.samples.len() as u64
    }

    /// Whether nothing was heard since the start or restart.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// Turns a stream's samples into feature frames and keeps the newest of them.
///
/// Frame `f` is the same whether the stream was heard from its sample 0 or from later on (to the bit where the rates are
/// equal; else the resampler's blocks may lie differently, which shifts rounding errors).
pub struct FeatureLine {
    config: FeatureConfig,
    stream_rate_hz: u32,
    resampler: Resampler,
    log_mel: LogMel,
    /// Stream samples still to be passed over up to the grid.
    skip: u64,
    /// Frames `[frames, bands]` from `first` on.
    frames: Vec<f32>,
    first: u64,
    sound: Vec<f32>,
    resampled: Vec<f32>,
}

impl FeatureLine {
    /// A line that begins with sample `at_sample` of the stream. Its first frame is the first on the grid that begins
    /// at that sample or later.
    pub fn new(config: &FeatureConfig, stream_rate_hz: u32, at_sample: u64) -> Result<Self> {
        let resampler = Resampler::new(stream_rate_hz, config.sample_rate_hz)?;
        let unit = grid_unit(config, stream_rate_hz);
        let begin = at_sample.div_ceil(unit) * unit;
        let first = scaled(begin, config.sample_rate_hz, stream_rate_hz) / config.hop_samples as u64;
        Ok(Self {
            config: config.clone(),
            stream_rate_hz,
            resampler,
            log_mel: LogMel::new(config)?.from_frame(first),
            skip: begin - at_sample,
            frames: Vec::new(),
            first,
            sound: Vec::new(),
            resampled: Vec::new(),
        })
    }

    /// A line that has heard all the kept sound.
    pub fn replay(config: &FeatureConfig, stream_rate_hz: u32, sound: &KeptSound) -> Result<Self> {
        let mut line = Self::new(config, stream_rate_hz, sound.start())?;
        let (older, newer) = sound.samples.as_slices();
        line.push(older);
        line.push(newer);
        Ok(line)
    }

    /// The values this was made with.
    pub fn config(&self) -> &FeatureConfig {
        &self.config
    }

    /// Hears the next samples.
    pub fn push(&mut self, samples: &[i16]) {
        let skip = self.skip.min(samples.len() as u64);
        self.skip -= skip;
        self.sound.clear();
        self.sound.extend(samples[skip as usize..].iter().map(|&sample| f32::from(sample) / 32_768.0));
        self.resampled.clear();
        self.resampler.process(&self.sound, &mut self.resampled);
        self.log_mel.push(&self.resampled, &mut self.frames);
    }

    /// Index of the first kept frame.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// Index of the frame after the newest.
    pub fn end(&self) -> u64 {
        self.first + (self.frames.len() / self.config.bands) as u64
    }

    /// Frames `from..to`, which must be kept, `[frames, bands]`.
    pub fn frames(&self, from: u64, to: u64) -> &[f32] {
        let at = |frame: u64| (frame - self.first) as usize * self.config.bands;
        &self.frames[at(from)..at(to)]
    }

    /// The next `frames` frames, `[frames, bands]`, if silence followed now.
    pub fn with_silence(&self, frames: usize) -> Vec<f32> {
        let mut out = Vec::new();
        let silence = vec![0.0; frames * self.config.hop_samples + self.config.window_samples];
        self.log_mel.clone().push(&silence, &mut out);
        out.truncate(frames * self.config.bands);
        out
    }

    /// Forgets the frames before `frame`.
    pub fn forget_before(&mut self, frame: u64) {
        let forgotten = frame.clamp(self.first, self.end()) - self.first;
        self.frames.drain(..forgotten as usize * self.config.bands);
        self.first += forgotten;
    }

    /// The frame in which sample `at_sample` of the stream falls.
    pub fn frame_of(&self, at_sample: u64) -> u64 {
        scaled(at_sample, self.config.sample_rate_hz, self.stream_rate_hz) / self.config.hop_samples as u64
    }
}

/// Every so many stream samples, a feature frame begins exactly on a stream sample.
fn grid_unit(config: &FeatureConfig, stream_rate_hz: u32) -> u64 {
    let (rate, hop) = (u64::from(config.sample_rate_hz), config.hop_samples as u64);
    let divisor = greatest_common_divisor(u64::from(stream_rate_hz), rate);
    hop / greatest_common_divisor(hop, rate / divisor) * (u64::from(stream_rate_hz) / divisor)
}

fn scaled(samples: u64, to_hz: u32, from_hz: u32) -> u64 {
    (u128::from(samples) * u128::from(to_hz) / u128::from(from_hz)) as u64
}

fn greatest_common_divisor(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<i16> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8_192
        };
        (0..len).map(|_| next()).collect()
    }

    #[test]
    fn the_kept_sound_is_the_newest() {
        let mut sound = KeptSound::new(5);
        assert!(sound.is_empty());
        sound.restart(100);
        for block in [&[1, 2, 3][..], &[], &[4, 5, 6, 7], &[8, 9, 10, 11, 12, 13, 14]] {
            sound.push(block);
        }
        assert_eq!((sound.start(), sound.end()), (109, 114));
        assert_eq!(sound.samples, [10, 11, 12, 13, 14]);
    }

    #[test]
    fn a_line_that_begins_later_has_the_same_frames() {
        for (stream_rate_hz, rate) in [(8_000, 8_000), (48_000, 8_000), (44_100, 16_000), (22_050, 8_000)] {
            let config = FeatureConfig::speech(rate);
            let samples = noise(stream_rate_hz as usize);
            let mut whole = FeatureLine::new(&config, stream_rate_hz, 0).unwrap();
            whole.push(&samples);
            let at = stream_rate_hz as usize / 3 + 17;
            let mut later = FeatureLine::new(&config, stream_rate_hz, at as u64).unwrap();
            later.push(&samples[at..]);
            assert!(later.first() >= whole.frame_of(at as u64) && later.first() < whole.frame_of(at as u64) + 20);
            // The first frames still hear the silence that the resampler takes to have been before.
            let settled = later.first() + 4;
            let end = whole.end().min(later.end());
            assert!(end > settled + 30, "{stream_rate_hz} to {rate}");
            for (a, b) in whole.frames(settled, end).iter().zip(later.frames(settled, end)) {
                assert!((a - b).abs() < 0.02, "{stream_rate_hz} to {rate} Hz: {a} and {b}");
            }
        }
    }
}
