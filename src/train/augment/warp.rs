//! Another vocal tract in the features: the bands of a whole scene are stretched or squeezed (Jaitly and Hinton, 2013).
//!
//! Unlike a faster playing this leaves pitch and time as they are, so that the two together make speakers that neither
//! makes alone.

use crate::train::rng::Rng;

/// Longest and shortest tract to that of the speaker, as a logarithm.
const STRONGEST: f32 = 0.13;

/// Stretches the bands of `features` (`[frames, bands]` in rows) by a random factor in half of all scenes.
pub fn warp(features: &mut [f32], bands: usize, rng: &mut Rng) {
    if bands >= 2 && rng.chance(0.5) {
        by_factor(features, bands, rng.between(-STRONGEST, STRONGEST).exp());
    }
}

/// Band `b` takes the value of band `b · factor`, between two bands the straight line; above the last band, the last.
fn by_factor(features: &mut [f32], bands: usize, factor: f32) {
    let places: Vec<(usize, f32)> = (0..bands)
        .map(|band| {
            let place = (band as f32 * factor).min((bands - 1) as f32);
            let below = (place as usize).min(bands - 2);
            (below, place - below as f32)
        })
        .collect();
    let mut before = vec![0.0; bands];
    for row in features.chunks_exact_mut(bands) {
        before.copy_from_slice(row);
        for (slot, &(below, share)) in row.iter_mut().zip(&places) {
            *slot = before[below] + share * (before[below + 1] - before[below]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_moves_and_a_factor_of_one_changes_nothing() {
        let row: Vec<f32> = (0..40).map(|band| -(band as f32 - 20.0).abs()).collect();
        let peak = |factor: f32| {
            let mut warped = row.repeat(2);
            by_factor(&mut warped, 40, factor);
            assert_eq!(warped[..40], warped[40..]);
            (0..40).max_by(|&a, &b| warped[a].total_cmp(&warped[b])).unwrap()
        };
        assert_eq!((peak(1.0), peak(0.8), peak(1.25)), (20, 25, 16));
        let mut same = row.clone();
        by_factor(&mut same, 40, 1.0);
        assert_eq!(same, row);
    }

    #[test]
    fn half_of_the_scenes_are_left_alone_and_small_ones_survive() {
        let row: Vec<f32> = (0..80).map(|at| (at as f32).sin()).collect();
        let left = (0..200).filter(|&seed| {
            let mut features = row.clone();
            warp(&mut features, 40, &mut Rng::new(seed));
            features == row
        });
        assert!((70..130).contains(&left.count()));
        warp(&mut [1.0], 1, &mut Rng::new(1));
        warp(&mut [], 40, &mut Rng::new(2));
    }
}
