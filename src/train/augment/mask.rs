//! SpecAugment (Park et al., 2019): stretches of time and bands of frequency are hidden from the network.

use crate::train::rng::Rng;

/// Longest hidden stretch, in feature frames.
const LONGEST_TIME: usize = 6;

/// Hides up to three short stretches and up to two groups of bands in `features` (`[frames, bands]` in rows), which are
/// set to the mean of all values.
pub fn mask(features: &mut [f32], bands: usize, rng: &mut Rng) {
    if bands == 0 || features.len() < bands {
        return;
    }
    let frames = features.len() / bands;
    let mean = features.iter().sum::<f32>() / features.len() as f32;
    for _ in 0..rng.below(4) {
        let len = rng.below(LONGEST_TIME.min(frames) + 1);
        let start = rng.below(frames - len + 1);
        features[start * bands..(start + len) * bands].fill(mean);
    }
    for _ in 0..rng.below(3) {
        let len = rng.below(bands / 7 + 1);
        let start = rng.below(bands - len + 1);
        for row in features.chunks_exact_mut(bands) {
            row[start..start + len].fill(mean);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hides_a_small_part_and_leaves_the_rest() {
        let mut hidden = 0;
        for seed in 0..200 {
            let original: Vec<f32> = (0..600 * 40).map(|at| at as f32).collect();
            let mut features = original.clone();
            mask(&mut features, 40, &mut Rng::new(seed));
            let changed = features.iter().zip(&original).filter(|(now, before)| now != before).count();
            assert!(changed <= (3 * LONGEST_TIME * 40) + 2 * 5 * 600, "{changed}");
            hidden += changed;
        }
        assert!(hidden > 0);
        mask(&mut [], 40, &mut Rng::new(1));
        mask(&mut [1.0; 40], 40, &mut Rng::new(1));
    }
}
