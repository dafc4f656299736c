//! Another pitch with the vocal tract kept: what tells a child or a woman from a man who say the same word, more than size.
//!
//! Linear prediction (Atal and Hanauer, 1971) parts a voice into a filter, the vocal tract, and its residual, the vocal cords;
//! the residual is played faster or slower and filtered anew.

use super::effects::played_faster;
use crate::dsp::dot;

/// Samples of the window, and from one filter to the next, in seconds.
const WINDOW_SECS: f32 = 0.025;
const HOP_SECS: f32 = 0.01;

/// `samples` with their pitch multiplied by `factor`. Resonances stay where they are; the length is divided by `factor`.
pub fn with_pitch(samples: &[f32], factor: f32, sample_rate_hz: u32) -> Vec<f32> {
    let rate = sample_rate_hz as f32;
    let (window, hop) = ((WINDOW_SECS * rate) as usize, (HOP_SECS * rate) as usize);
    if hop == 0 || samples.len() < window {
        return samples.to_vec();
    }
    // A resonance needs two coefficients, and voices have about one in a kilohertz.
    let order = (sample_rate_hz / 1_000 + 2).min(18) as usize;
    let turn = std::f32::consts::PI / window as f32;
    let hann: Vec<f32> = (0..window).map(|at| (turn * (at as f32 + 0.5)).sin().powi(2)).collect();
    let filters: Vec<Vec<f32>> = (0..samples.len().div_ceil(hop))
        .map(|frame| {
            let start = (frame * hop).min(samples.len() - window);
            predictor(&samples[start..start + window], &hann, order)
        })
        .collect();
    // Both begin after a filter's length of silence.
    let silence = vec![0.0; order];
    let voice = [&silence, samples].concat();
    let cords: Vec<f32> = samples
        .iter()
        .enumerate()
        .map(|(at, sample)| sample - dot(&filters[at / hop], &voice[at..at + order]))
        .collect();
    let mut moved = silence;
    for (at, cord) in played_faster(&cords, factor).iter().enumerate() {
        let frame = ((at as f32 * factor) as usize / hop).min(filters.len() - 1);
        moved.push(cord + dot(&filters[frame], &moved[at..at + order]));
    }
    moved.split_off(order)
}

/// The weights of the last `order` samples, the oldest first, that predict the next one best within `samples` under
/// `window`; by Levinson's and Durbin's recursion, whose filters are stable.
fn predictor(samples: &[f32], window: &[f32], order: usize) -> Vec<f32> {
    let windowed: Vec<f32> = samples.iter().zip(window).map(|(sample, share)| sample * share).collect();
    let likeness = |lag: usize| dot(&windowed[..windowed.len() - lag], &windowed[lag..]);
    let likenesses: Vec<f32> = (0..=order).map(likeness).collect();
    // A thousandth of white noise keeps the recursion well-behaved.
    let mut error = likenesses[0] * 1.001 + 1e-9;
    let mut weights: Vec<f32> = Vec::with_capacity(order);
    for lag in 1..=order {
        let explained: f32 = weights.iter().zip(likenesses[..lag].iter().rev()).map(|(w, l)| w * l).sum();
        let reflection = (likenesses[lag] - explained) / error;
        let mirrored: Vec<f32> = weights.iter().rev().copied().collect();
        weights.iter_mut().zip(mirrored).for_each(|(weight, mirror)| *weight -= reflection * mirror);
        weights.push(reflection);
        error *= 1.0 - reflection * reflection;
    }
    weights.reverse();
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buzz of `hz` through one resonance at 1 kHz.
    fn vowel(hz: f32) -> Vec<f32> {
        let period = (8_000.0 / hz) as usize;
        let (radius, turn) = (0.97f32, 2.0 * std::f32::consts::PI * 1_000.0 / 8_000.0);
        let (mut last, mut before) = (0.0, 0.0);
        (0..8_000)
            .map(|at| {
                let pulse = if at % period == 0 { 1.0 } else { 0.0 };
                let now = pulse + 2.0 * radius * turn.cos() * last - radius * radius * before;
                (before, last) = (last, now);
                now
            })
            .collect()
    }

    /// The lag, from 2 ms on, at which the signal is most like itself: its period in samples.
    fn period(samples: &[f32]) -> usize {
        let part = &samples[1_000..3_000];
        let likeness = |lag: usize| -> f32 { part.iter().zip(&samples[1_000 + lag..]).map(|(a, b)| a * b).sum() };
        (16..110).max_by(|&a, &b| likeness(a).total_cmp(&likeness(b))).unwrap()
    }

    /// Power at one frequency.
    fn power_at(samples: &[f32], hz: f32) -> f32 {
        let turn = 2.0 * std::f32::consts::PI * hz / 8_000.0;
        let sum = |part: fn(f32) -> f32| -> f32 {
            samples.iter().enumerate().map(|(at, sample)| sample * part(turn * at as f32)).sum()
        };
        sum(f32::sin).powi(2) + sum(f32::cos).powi(2)
    }

    #[test]
    fn pitch_moves_and_the_resonance_stays() {
        let voice = vowel(100.0);
        assert_eq!(period(&voice), 80);
        for factor in [0.8f32, 1.25, 1.6] {
            let moved = with_pitch(&voice, factor, 8_000);
            assert!((moved.len() as f32 * factor - 8_000.0).abs() < 4.0);
            assert!((period(&moved) as f32 - 80.0 / factor).abs() <= 1.5, "{factor}: {}", period(&moved));
            // The strongest of the overtones is the one at the resonance.
            let overtone = |number: usize| number as f32 * 100.0 * factor;
            let loudest = (1..20).map(overtone).max_by(|a, b| power_at(&moved, *a).total_cmp(&power_at(&moved, *b)));
            assert!((loudest.unwrap() - 1_000.0).abs() <= 90.0 * factor, "{factor}: {loudest:?}");
        }
    }

    #[test]
    fn a_factor_of_one_changes_nothing_and_any_sound_stays_finite() {
        let voice = vowel(130.0);
        let same = with_pitch(&voice, 1.0, 8_000);
        let worst = voice.iter().zip(&same).fold(0f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 1e-3, "{worst}");
        let mut rng = crate::train::rng::Rng::new(4);
        let noise: Vec<f32> = (0..8_000).map(|_| rng.normal()).collect();
        for samples in [vec![0.0; 4_000], noise, vec![1.0; 4_000], vec![0.3; 20]] {
            let moved = with_pitch(&samples, 1.5, 8_000);
            assert!(moved.iter().all(|sample| sample.is_finite() && sample.abs() < 100.0));
        }
    }
}
