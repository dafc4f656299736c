//! Signal processing without Bevy: every algorithm is independent of how the sound was cut into blocks.

pub mod level;
pub mod mel;
pub mod resample;
pub mod stft;

/// The largest magnitude that counts as sound: 80 dB above full scale.
///
/// With it no sum over a window can leave the range of f32, nor a spectrum's magnitude that of f16.
pub const LARGEST_SAMPLE: f32 = 1e4;

/// The sample itself, or 0.0 where it is NaN, infinite or beyond [`LARGEST_SAMPLE`].
///
/// What looks back over past samples (a filter, a window) takes its input through this, so that one bad sample
/// is a zero in its place instead of a stream of NaN.
#[inline]
pub fn usable_sample(sample: f32) -> f32 {
    if sample.abs() <= LARGEST_SAMPLE { sample } else { 0.0 }
}
