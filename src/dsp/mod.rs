//! Signal processing without Bevy: every algorithm is independent of how the sound was cut into blocks.

pub mod dither;
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

/// The sum of products of two slices of one length, in eight sums at once: in order it would wait for each addition.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    let (chunks, others) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = chunks.remainder().iter().zip(others.remainder()).map(|(a, b)| a * b).sum();
    for (chunk, other) in chunks.zip(others) {
        for ((sum, a), b) in sums.iter_mut().zip(chunk).zip(other) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}
