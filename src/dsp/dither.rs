//! Dither: a little white noise that hides what lies far below a voice.

/// Adds white noise of `root_mean_square` to samples of which the first one is at `place`. What is added to a sample depends on its
/// place alone and comes again after 2³² samples.
pub fn add_dither(samples: &mut [f32], root_mean_square: f32, place: u32) {
    if root_mean_square > 0.0 {
        let highest = 3f32.sqrt() * root_mean_square;
        (0u32..).zip(samples).for_each(|(at, sample)| *sample += highest * evenly(place.wrapping_add(at)));
    }
}

/// A number from -1 to 1 that looks random, of each place another one: MurmurHash3's finaliser (Appleby 2011).
fn evenly(place: u32) -> f32 {
    let mut bits = place;
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    (bits ^ (bits >> 16)) as i32 as f32 / 2_147_483_648.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_white_and_has_its_power() {
        let mut noise = vec![0.0; 100_000];
        add_dither(&mut noise, 0.01, u32::MAX - 50_000);
        let mean = |of: &dyn Fn(usize) -> f32| (0..90_000).map(of).sum::<f32>() / 90_000.0;
        assert!(mean(&|at| noise[at]).abs() < 2e-4);
        for lag in [0, 1, 2, 3, 80, 4_096] {
            let correlation = mean(&|at| noise[at] * noise[at + lag]) / 1e-4;
            let expected = f32::from(u8::from(lag == 0));
            assert!((correlation - expected).abs() < 0.02, "{lag}: {correlation}");
        }
        let mut part = vec![0.5; 10];
        add_dither(&mut part, 0.01, 70_000u32.wrapping_sub(50_001));
        assert!(part.iter().zip(&noise[70_000..]).all(|(a, b)| (a - 0.5 - b).abs() < 1e-6));
        add_dither(&mut part, 0.0, 5);
        assert!((part[0] - 0.5 - noise[70_000]).abs() < 1e-6, "none is none");
    }
}
