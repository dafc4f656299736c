//! Noise of the kinds that rooms and lines have, each of unit power.

use super::effects::Biquad;
use crate::train::rng::Rng;
use std::f32::consts::PI;

/// A kind of noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noise {
    /// Equal power at each frequency: hiss.
    White,
    /// Falling by 3 dB an octave: rain, fans.
    Pink,
    /// Falling by 6 dB an octave: wind, traffic.
    Brown,
    /// 50 or 60 Hz with overtones: mains.
    Hum,
}

impl Noise {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::White, Self::Pink, Self::Brown, Self::Hum];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::White => "white",
            Self::Pink => "pink",
            Self::Brown => "brown",
            Self::Hum => "hum",
        }
    }

    /// `len` samples with a mean square of one.
    pub fn samples(self, len: usize, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
        let mut out: Vec<f32> = match self {
            Self::White => (0..len).map(|_| rng.normal()).collect(),
            Self::Pink => pink(len, rng),
            Self::Brown => brown(len, rng),
            Self::Hum => hum(len, sample_rate_hz, rng),
        };
        to_unit_power(&mut out);
        out
    }
}

/// Scales `samples` to a mean square of one; silence stays silence.
pub fn to_unit_power(samples: &mut [f32]) {
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    if power > 1e-12 {
        let scale = power.sqrt().recip();
        samples.iter_mut().for_each(|sample| *sample *= scale);
    }
}

/// White noise through three leaky integrators whose sum falls by 3 dB an octave (Kellet's economy filter).
fn pink(len: usize, rng: &mut Rng) -> Vec<f32> {
    let [mut a, mut b, mut c] = [0.0f32; 3];
    (0..len)
        .map(|_| {
            let white = rng.normal();
            a = 0.997_65 * a + 0.099_046 * white;
            b = 0.963 * b + 0.296_516_4 * white;
            c = 0.57 * c + 1.052_691_3 * white;
            a + b + c + 0.1848 * white
        })
        .collect()
}

fn brown(len: usize, rng: &mut Rng) -> Vec<f32> {
    let mut level = 0.0;
    (0..len)
        .map(|_| {
            level = 0.995 * level + rng.normal();
            level
        })
        .collect()
}

fn hum(len: usize, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let base = if rng.chance(0.5) { 50.0 } else { 60.0 };
    let overtones: Vec<(f32, f32, f32)> = (1..=rng.below(12) + 3)
        .map(|number| {
            let level = rng.between(0.1, 1.0) / number as f32;
            (2.0 * PI * base * number as f32 / sample_rate_hz, level, rng.between(0.0, 2.0 * PI))
        })
        .filter(|(step, ..)| *step < PI)
        .collect();
    let mut out = vec![0.0; len];
    for (step, level, start) in overtones {
        // A rotating pointer: one complex product a sample instead of a sine.
        let (turn_im, turn_re) = step.sin_cos();
        let (mut im, mut re) = start.sin_cos();
        for slot in &mut out {
            *slot += level * im;
            (re, im) = (re * turn_re - im * turn_im, re * turn_im + im * turn_re);
        }
    }
    out
}

/// A sound that is no word, with a peak of about one: a beep, tone or sweep, a knock, a bell, a bird,
/// a splash of water, clicks.
pub fn event(sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    match rng.below(7) {
        0 => sweep(rng.between(0.03, 0.6), sample_rate_hz, rng),
        // As even as a test tone; those as short as a vowel most often, since they are taken for words.
        1 => tone(90.0 * 42f32.powf(rng.unit()), 0.08 * 38f32.powf(rng.unit()), sample_rate_hz),
        2 => knock(rng.between(0.03, 0.3), sample_rate_hz, rng),
        3 => bell(rng.between(0.3, 2.0), sample_rate_hz, rng),
        4 => bird(sample_rate_hz, rng),
        // As short as a plug, a scratch or a lost packet make them: what is never heard in training may be heard as a word.
        5 => clicks((rng.between(0.5, 3.0) * sample_rate_hz) as usize, sample_rate_hz, rng),
        _ => splash(rng.between(0.1, 0.8), sample_rate_hz, rng),
    }
}

/// `len` samples of silence with clicks in it, 0.1 to 1 s apart: single samples, and bursts that decay within 20 ms.
pub fn clicks(len: usize, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let mut out = vec![0.0; len];
    let mut place = 0;
    loop {
        place += (rng.between(0.1, 1.0) * sample_rate_hz) as usize + 1;
        if place >= len {
            return out;
        }
        let gain = 10f32.powf(rng.between(-30.0, -3.0) / 20.0);
        let click = if rng.chance(0.5) { vec![1.0] } else { knock(rng.between(0.002, 0.02), sample_rate_hz, rng) };
        out[place..].iter_mut().zip(&click).for_each(|(slot, sample)| *slot += gain * sample);
    }
}

/// `len` samples of pure tones, each of one frequency and 0.1 to 3 s long, with pauses between them.
pub fn tones(len: usize, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let mut out = Vec::with_capacity(len + 4 * sample_rate_hz as usize);
    while out.len() < len {
        out.resize(out.len() + (rng.between(0.1, 1.0) * sample_rate_hz) as usize + 1, 0.0);
        let gain = 10f32.powf(rng.between(-40.0, -6.0) / 20.0);
        let hz = 100.0 * 38f32.powf(rng.unit());
        out.extend(tone(hz, rng.between(0.1, 3.0), sample_rate_hz).iter().map(|sample| gain * sample));
    }
    out.truncate(len);
    out
}

/// A sine with flanks of 10 ms.
fn tone(hz: f32, secs: f32, sample_rate_hz: f32) -> Vec<f32> {
    let len = (secs * sample_rate_hz) as usize;
    let flank = 0.01 * sample_rate_hz;
    (0..len)
        .map(|at| {
            let edge = (at.min(len - at) as f32 / flank).min(1.0);
            edge * (2.0 * PI * (f64::from(hz) * at as f64 / f64::from(sample_rate_hz)).fract() as f32).sin()
        })
        .collect()
}

fn sweep(secs: f32, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let len = (secs * sample_rate_hz) as usize;
    let highest = 0.45 * sample_rate_hz;
    let from = rng.between(100.0, highest);
    let to = if rng.chance(0.4) { from } else { rng.between(100.0, highest) };
    let mut phase = 0.0;
    (0..len)
        .map(|at| {
            let along = at as f32 / len as f32;
            phase += 2.0 * PI * (from + (to - from) * along) / sample_rate_hz;
            phase.sin() * (PI * along).sin().sqrt()
        })
        .collect()
}

fn knock(secs: f32, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let len = (secs * sample_rate_hz) as usize;
    (0..len).map(|at| rng.normal() * 0.5 * (-8.0 * at as f32 / len as f32).exp()).collect()
}

/// Partials at odd ratios, the higher the sooner gone.
fn bell(secs: f32, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let len = (secs * sample_rate_hz) as usize;
    let base = rng.between(120.0, 1_200.0);
    let partials: Vec<(f32, f32)> = (0..4)
        .map(|number| (base * (1.0 + number as f32 * rng.between(0.5, 1.4)), 1.5 + 1.5 * number as f32))
        .collect();
    (0..len)
        .map(|at| {
            let (secs, along) = (at as f32 / sample_rate_hz, at as f32 / len as f32);
            let audible = partials.iter().filter(|(hz, _)| *hz < 0.48 * sample_rate_hz);
            audible.map(|(hz, decay)| 0.4 * (2.0 * PI * hz * secs).sin() * (-decay * 2.0 * along).exp()).sum()
        })
        .collect()
}

/// A few short sweeps in a row.
fn bird(sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let mut song = Vec::new();
    for _ in 0..rng.below(4) + 1 {
        song.extend(sweep(rng.between(0.04, 0.3), sample_rate_hz, rng));
        song.resize(song.len() + (rng.between(0.02, 0.12) * sample_rate_hz) as usize, 0.0);
    }
    song
}

/// Noise in one band that swells and fades a few times.
fn splash(secs: f32, sample_rate_hz: f32, rng: &mut Rng) -> Vec<f32> {
    let len = (secs * sample_rate_hz) as usize;
    let (corner, turns) = (rng.between(0.03, 0.3) * sample_rate_hz, rng.between(1.0, 6.0));
    let mut samples: Vec<f32> =
        (0..len).map(|at| 0.7 * rng.normal() * (PI * turns * at as f32 / len as f32).sin().abs()).collect();
    Biquad::high_pass(corner, sample_rate_hz).apply(&mut samples);
    Biquad::low_pass((2.0 * corner).min(0.45 * sample_rate_hz), sample_rate_hz).apply(&mut samples);
    samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_unit_power_and_its_own_slope() {
        let low_share = |noise: Noise| {
            let mut samples = noise.samples(80_000, 8_000.0, &mut Rng::new(3));
            let power = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>() / 80_000.0;
            assert!((power(&samples) - 1.0).abs() < 1e-3, "{noise:?}");
            Biquad::low_pass(500.0, 8_000.0).apply(&mut samples);
            power(&samples)
        };
        let shares = Noise::ALL.map(low_share);
        assert!((shares[0] - 0.13).abs() < 0.03, "white {}", shares[0]);
        assert!(shares[0] < shares[1] && shares[1] < shares[2], "{shares:?}");
        assert!(shares[3] > 0.5, "hum {}", shares[3]);
    }

    #[test]
    fn silence_stays_silence() {
        let mut samples = [0.0; 10];
        to_unit_power(&mut samples);
        assert_eq!(samples, [0.0; 10]);
    }

    #[test]
    fn events_are_short_and_finite() {
        let mut rng = Rng::new(4);
        for _ in 0..100 {
            let event = event(8_000.0, &mut rng);
            assert!((200..=25_000).contains(&event.len()));
            assert!(event.iter().all(|sample| sample.is_finite() && sample.abs() < 4.0));
        }
    }
}
