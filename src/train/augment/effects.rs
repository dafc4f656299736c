//! What happens to a voice between a mouth and a network: another vocal tract, another tempo, a room, a poor microphone.

use crate::dsp::dot;
use crate::train::rng::Rng;
use std::f32::consts::PI;

/// Of all microphones and lines so many are brighter or duller than others, by up to so much: recordings of one word set
/// differ by 15 dB in what they have above 2 kHz.
const TILTED: f32 = 0.2;
const TILT_DB: f32 = 10.0;

/// `samples` played `factor` times as fast: pitch and formants rise with it, as in a shorter vocal tract.
///
/// Catmull-Rom interpolation between four samples; its aliasing lies far below what augmentation adds on purpose.
pub fn played_faster(samples: &[f32], factor: f32) -> Vec<f32> {
    let len = (samples.len() as f32 / factor) as usize;
    // Silence around it, for the neighbours of its ends.
    let padded = [&[0.0], samples, &[0.0; 3]].concat();
    (0..len)
        .map(|index| {
            let place = f64::from(factor) * index as f64;
            let base = (place as usize).min(samples.len());
            let t = (place - base as f64) as f32;
            let [a, b, c, d] = [padded[base], padded[base + 1], padded[base + 2], padded[base + 3]];
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
        })
        .collect()
}

/// `samples` at `tempo` times the speed with the pitch kept.
///
/// Waveform-similarity overlap-add (Verhelst and Roelands, 1993): windows of 30 ms are laid half over each other, each
/// moved by up to 6 ms to where it fits best to the one before.
pub fn with_tempo(samples: &[f32], tempo: f32, sample_rate_hz: u32) -> Vec<f32> {
    let half = (0.015 * sample_rate_hz as f32) as usize;
    let reach = (0.006 * sample_rate_hz as f32) as usize;
    if half == 0 || samples.len() < 4 * half + 2 * reach {
        return samples.to_vec();
    }
    let len = (samples.len() as f32 / tempo) as usize;
    let mut out = samples[..half].to_vec();
    // Where in the input the second half of the last window begins: what would follow naturally.
    let mut natural = half;
    while out.len() < len && natural + half <= samples.len() {
        let wanted = (out.len() as f32 * tempo) as usize;
        let from = wanted.saturating_sub(reach);
        let to = (wanted + reach).min(samples.len().saturating_sub(2 * half));
        let target = &samples[natural..natural + half];
        let likeness = |start: usize| (dot(target, &samples[start..start + half]), start);
        let best = (from..=to).step_by(2).map(likeness).max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((_, start)) = best else { break };
        for index in 0..half {
            let fade = (index as f32 + 0.5) / half as f32;
            out.push(target[index] * (1.0 - fade) + samples[start + index] * fade);
        }
        natural = start + half;
    }
    // The rest, so that the end of a word is never cut.
    out.extend_from_slice(samples.get(natural..(natural + half).min(samples.len())).unwrap_or_default());
    out
}

/// Appends `more` to `samples`, the two faded into each other over `overlap` samples.
pub fn crossfade(samples: &mut Vec<f32>, more: &[f32], overlap: usize) {
    let overlap = overlap.min(samples.len()).min(more.len());
    let join = samples.len() - overlap;
    for (at, (slot, sample)) in samples[join..].iter_mut().zip(more).enumerate() {
        let share = (at as f32 + 0.5) / overlap as f32;
        *slot = *slot * (1.0 - share) + sample * share;
    }
    samples.extend(&more[overlap..]);
}

/// A second-order filter section (Bristow-Johnson's cookbook forms).
#[derive(Clone, Copy, Debug)]
pub struct Biquad {
    b: [f32; 3],
    a: [f32; 2],
}

impl Biquad {
    fn normalised(b: [f32; 3], a: [f32; 3]) -> Self {
        Self { b: b.map(|value| value / a[0]), a: [a[1] / a[0], a[2] / a[0]] }
    }

    /// Passes what is below `corner_hz`.
    pub fn low_pass(corner_hz: f32, sample_rate_hz: f32) -> Self {
        let (sin, cos) = (2.0 * PI * corner_hz / sample_rate_hz).sin_cos();
        let alpha = sin * std::f32::consts::FRAC_1_SQRT_2;
        let side = (1.0 - cos) / 2.0;
        Self::normalised([side, 1.0 - cos, side], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Passes what is above `corner_hz`.
    pub fn high_pass(corner_hz: f32, sample_rate_hz: f32) -> Self {
        let (sin, cos) = (2.0 * PI * corner_hz / sample_rate_hz).sin_cos();
        let alpha = sin * std::f32::consts::FRAC_1_SQRT_2;
        let side = (1.0 + cos) / 2.0;
        Self::normalised([side, -1.0 - cos, side], [1.0 + alpha, -2.0 * cos, 1.0 - alpha])
    }

    /// Raises (or lowers) the octave around `centre_hz` by `gain_db`.
    pub fn peak(centre_hz: f32, gain_db: f32, sample_rate_hz: f32) -> Self {
        let (sin, cos) = (2.0 * PI * centre_hz / sample_rate_hz).sin_cos();
        let alpha = sin * std::f32::consts::FRAC_1_SQRT_2;
        let gain = 10f32.powf(gain_db / 40.0);
        Self::normalised(
            [1.0 + alpha * gain, -2.0 * cos, 1.0 - alpha * gain],
            [1.0 + alpha / gain, -2.0 * cos, 1.0 - alpha / gain],
        )
    }

    /// Raises (or lowers) what is above `corner_hz`.
    pub fn high_shelf(corner_hz: f32, gain_db: f32, sample_rate_hz: f32) -> Self {
        let (sin, cos) = (2.0 * PI * corner_hz / sample_rate_hz).sin_cos();
        // A slope of one.
        let alpha = sin * std::f32::consts::FRAC_1_SQRT_2;
        let gain = 10f32.powf(gain_db / 40.0);
        let (more, less, edge) = (gain + 1.0, gain - 1.0, 2.0 * gain.sqrt() * alpha);
        Self::normalised(
            [gain * (more + less * cos + edge), -2.0 * gain * (less + more * cos), gain * (more + less * cos - edge)],
            [more - less * cos + edge, 2.0 * (less - more * cos), more - less * cos - edge],
        )
    }

    /// Filters `samples` in place, from rest.
    ///
    /// In silence what the filter remembers is forgotten once it is below -300 dB: as denormal numbers it would cost ten times as
    /// long.
    pub fn apply(&self, samples: &mut [f32]) {
        let (mut first, mut second) = (0f32, 0f32);
        for part in samples.chunks_mut(16) {
            for sample in part {
                let input = *sample;
                let output = self.b[0] * input + first;
                first = self.b[1] * input - self.a[0] * output + second;
                second = self.b[2] * input - self.a[1] * output;
                *sample = output;
            }
            if first.abs().max(second.abs()) < 1e-15 {
                (first, second) = (0.0, 0.0);
            }
        }
    }
}

/// A random microphone and line: bright or dull, some lows or highs missing, one region raised or lowered.
pub fn colour(samples: &mut [f32], sample_rate_hz: f32, rng: &mut Rng) {
    if rng.chance(TILTED) {
        let corner = rng.between(0.05, 0.3) * sample_rate_hz;
        Biquad::high_shelf(corner, rng.between(-TILT_DB, TILT_DB), sample_rate_hz).apply(samples);
    }
    if rng.chance(0.4) {
        Biquad::high_pass(rng.between(60.0, 400.0), sample_rate_hz).apply(samples);
    }
    if rng.chance(0.4) {
        Biquad::low_pass(rng.between(0.3, 0.48) * sample_rate_hz, sample_rate_hz).apply(samples);
    }
    if rng.chance(0.6) {
        let centre = rng.between(0.02, 0.42) * sample_rate_hz;
        Biquad::peak(centre, rng.between(-9.0, 9.0), sample_rate_hz).apply(samples);
    }
}

/// A telephone: 300 to 3400 Hz and the eight bits of the mu-law of ITU-T G.711.
pub fn telephone(samples: &mut [f32], sample_rate_hz: f32) {
    const MU: f32 = 255.0;
    Biquad::high_pass(300.0, sample_rate_hz).apply(samples);
    Biquad::low_pass(3_400f32.min(0.48 * sample_rate_hz), sample_rate_hz).apply(samples);
    let peak = samples.iter().fold(1e-6f32, |peak, sample| peak.max(sample.abs()));
    let levels: [f32; 128] = std::array::from_fn(|step| peak / MU * ((1.0 + MU).powf(step as f32 / 127.0) - 1.0));
    let steps = 127.0 / (1.0 + MU).ln();
    for sample in samples {
        let step = (1.0 + MU / peak * sample.abs()).ln() * steps + 0.5;
        *sample = levels[(step as usize).min(127)].copysign(*sample);
    }
}

/// A random room: some thirty echoes in the first 0.1 to 0.4 s, decaying by 60 dB over that time.
pub fn room(samples: &[f32], sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let decay_secs = rng.between(0.1, 0.4);
    let strength = rng.between(0.1, 0.35);
    let mut out = samples.to_vec();
    for _ in 0..30 {
        let delay_secs = 0.002 + (decay_secs - 0.002) * rng.unit() * rng.unit();
        let gain = strength * 10f32.powf(-3.0 * delay_secs / decay_secs) * rng.between(-1.0, 1.0);
        let delay = (delay_secs * sample_rate_hz) as usize;
        for (slot, sample) in out.iter_mut().skip(delay).zip(samples) {
            *slot += gain * sample;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f32, secs: f32) -> Vec<f32> {
        (0..(8_000.0 * secs) as usize).map(|at| (2.0 * PI * hz * at as f32 / 8_000.0).sin()).collect()
    }

    /// Frequency by counting upward crossings of zero.
    fn frequency(samples: &[f32]) -> f32 {
        let crossings = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
        crossings as f32 * 8_000.0 / samples.len() as f32
    }

    fn power(samples: &[f32]) -> f32 {
        samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32
    }

    #[test]
    fn playing_faster_shortens_and_raises() {
        let faster = played_faster(&tone(400.0, 1.0), 1.25);
        assert_eq!(faster.len(), 6_400);
        assert!((frequency(&faster) - 500.0).abs() < 3.0);
        assert!((power(&faster) - 0.5).abs() < 0.02);
    }

    #[test]
    fn tempo_changes_the_length_and_keeps_the_pitch() {
        for tempo in [0.8, 1.0, 1.25] {
            let out = with_tempo(&tone(310.0, 1.0), tempo, 8_000);
            let expected = 8_000.0 / tempo;
            assert!((out.len() as f32 - expected).abs() < 0.04 * expected, "{tempo}: {}", out.len());
            assert!((frequency(&out) - 310.0).abs() < 12.0, "{tempo}: {}", frequency(&out));
            assert!((power(&out) - 0.5).abs() < 0.1, "{tempo}: {}", power(&out));
        }
        assert_eq!(with_tempo(&[0.5; 100], 1.2, 8_000), [0.5; 100]);
    }

    #[test]
    fn filters_pass_and_stop_what_they_should() {
        let through = |filter: Biquad, hz: f32| {
            let mut samples = tone(hz, 1.0);
            filter.apply(&mut samples);
            10.0 * (power(&samples[4_000..]) / 0.5).log10()
        };
        assert!(through(Biquad::low_pass(1_000.0, 8_000.0), 100.0).abs() < 0.1);
        assert!(through(Biquad::low_pass(1_000.0, 8_000.0), 3_000.0) < -20.0);
        assert!(through(Biquad::high_pass(500.0, 8_000.0), 50.0) < -35.0);
        assert!((through(Biquad::high_shelf(1_000.0, 9.0, 8_000.0), 3_500.0) - 9.0).abs() < 0.2);
        assert!((through(Biquad::high_shelf(1_000.0, -9.0, 8_000.0), 1_000.0) + 4.5).abs() < 0.1);
        assert!(through(Biquad::high_shelf(1_000.0, 9.0, 8_000.0), 60.0).abs() < 0.1);
        assert!((through(Biquad::peak(1_000.0, 6.0, 8_000.0), 1_000.0) - 6.0).abs() < 0.1);
    }

    #[test]
    fn a_filter_falls_silent_after_a_sound() {
        for filter in
            [Biquad::high_pass(60.0, 8_000.0), Biquad::low_pass(3_800.0, 8_000.0), Biquad::peak(400.0, 9.0, 8_000.0)]
        {
            let mut samples = vec![0.0; 40_000];
            samples[..100].fill(0.5);
            filter.apply(&mut samples);
            assert!(samples.iter().all(|sample| *sample == 0.0 || sample.is_normal()), "denormal numbers");
            assert_eq!(samples[39_999], 0.0);
        }
    }

    #[test]
    fn a_telephone_keeps_its_band_and_adds_a_little_noise() {
        let mut speech = tone(1_000.0, 0.5);
        let before = speech.clone();
        telephone(&mut speech, 8_000.0);
        assert!((power(&speech) / power(&before) - 1.0).abs() < 0.1);
        let levels: std::collections::BTreeSet<u32> = speech.iter().map(|sample| sample.abs().to_bits()).collect();
        assert!(levels.len() <= 128, "{} levels", levels.len());
        let mut hum = tone(50.0, 0.5);
        telephone(&mut hum, 8_000.0);
        assert!(power(&hum[2_000..]) < 0.01);
        telephone(&mut [0.0; 3], 8_000.0);
    }

    #[test]
    fn a_room_keeps_the_direct_sound_and_adds_a_tail() {
        let mut samples = vec![0.0; 8_000];
        samples[0] = 1.0;
        let out = room(&samples, 8_000.0, &mut Rng::new(2));
        assert_eq!(out[0], 1.0);
        let tail = power(&out[1..]);
        assert!(tail > 0.0 && out[4_000..].iter().all(|&sample| sample == 0.0));
    }
}
