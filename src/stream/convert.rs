//! From whatever a source delivers to the stream's own samples, once for everybody: channel choice, gain, rate, grid.

use std::time::Duration;

use super::grid::Grid;
use crate::{Result, dsp::resample::Resampler, source::ChannelChoice};

/// Turns interleaved frames of a source into the stream's mono samples on a grid: 16 bits, or 24 where the stream keeps so many.
pub struct Converter {
    stream_hz: u32,
    source_hz: u32,
    channels: usize,
    choice: ChannelChoice,
    gain: f32,
    resampler: Resampler,
    mono: Vec<f32>,
    resampled: Vec<f32>,
}

impl Converter {
    /// A converter to `stream_hz` for a source of `source_hz` with `channels` interleaved channels.
    pub fn new(stream_hz: u32, source_hz: u32, channels: u16, choice: ChannelChoice, gain_db: f32) -> Result<Self> {
        Ok(Self {
            stream_hz,
            source_hz,
            channels: usize::from(channels.max(1)),
            choice,
            gain: amplitude(gain_db),
            resampler: Resampler::new(source_hz, stream_hz)?,
            mono: Vec::new(),
            resampled: Vec::new(),
        })
    }

    /// Whether it fits a source of this form.
    pub fn fits(&self, source_hz: u32, channels: u16) -> bool {
        self.source_hz == source_hz && self.channels == usize::from(channels.max(1))
    }

    /// The same conversion with another gain, from the next sample on.
    pub fn set_gain_db(&mut self, gain_db: f32) {
        self.gain = amplitude(gain_db);
    }

    /// The length of `frames` of the source on the stream's clock, samples.
    pub fn samples_for(&self, frames: u64) -> u64 {
        let (from, to) = (u64::from(self.source_hz), u64::from(self.stream_hz));
        (frames * to + from / 2) / from
    }

    /// How much sound that has gone in has not come out yet.
    pub fn held(&self) -> Duration {
        Duration::from_secs_f64(self.resampler.held_samples() as f64 / f64::from(self.stream_hz.max(1)))
    }

    /// Converts whole interleaved frames and appends what is ready to `out`.
    pub fn convert(&mut self, interleaved: &[f32], out: &mut impl Grid) {
        self.mono.clear();
        let frames = interleaved.chunks_exact(self.channels);
        match self.choice {
            ChannelChoice::One(channel) => {
                // A device may come back with fewer channels than it had; its last one then stands in.
                let channel = usize::from(channel).min(self.channels - 1);
                self.mono.extend(frames.map(|frame| frame[channel] * self.gain));
            }
            ChannelChoice::Mix if self.channels == 1 => self.mono.extend(interleaved.iter().map(|s| s * self.gain)),
            ChannelChoice::Mix => {
                let scale = self.gain / self.channels as f32;
                self.mono.extend(frames.map(|frame| frame.iter().sum::<f32>() * scale));
            }
        }
        self.resampled.clear();
        self.resampler.process(&self.mono, &mut self.resampled);
        out.put(&self.resampled);
    }

    /// Appends the sound that is still inside, and starts anew.
    pub fn finish(&mut self, out: &mut impl Grid) {
        self.resampled.clear();
        self.resampler.finish(&mut self.resampled);
        out.put(&self.resampled);
        self.resampler.reset();
    }
}

fn amplitude(gain_db: f32) -> f32 {
    10f32.powf(gain_db / 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bit_sound_at_the_streams_rate_passes_bit_for_bit() {
        let mut converter = Converter::new(48_000, 48_000, 1, ChannelChoice::Mix, 0.0).unwrap();
        let sound: Vec<i16> = (i16::MIN..=i16::MAX).collect();
        let float: Vec<f32> = sound.iter().map(|&s| f32::from(s) / 32768.0).collect();
        let mut out = Vec::new();
        converter.convert(&float, &mut out);
        converter.finish(&mut out);
        assert_eq!(out, sound);
    }

    #[test]
    fn channels_are_mixed_or_chosen_and_gain_clips() {
        let convert = |choice, gain_db| {
            let mut out = Vec::new();
            Converter::new(48_000, 48_000, 2, choice, gain_db).unwrap().convert(&[0.5, 0.25, f32::NAN, 0.5], &mut out);
            out
        };
        assert_eq!(convert(ChannelChoice::Mix, 0.0), [12288, 0]);
        assert_eq!(convert(ChannelChoice::One(1), 0.0), [8192, 16384]);
        assert_eq!(convert(ChannelChoice::One(7), 20.0), [i16::MAX, i16::MAX]);
    }
}
