//! The grids that samples lie on: 16 bits, which everybody hears, and the 8 below them that a stream of 24 bits keeps as well.

/// Takes the samples that a converter makes, full scale being ±1.
pub trait Grid {
    /// Puts samples behind those that are there.
    fn put(&mut self, samples: &[f32]);
}

impl Grid for Vec<i16> {
    fn put(&mut self, samples: &[f32]) {
        self.extend(samples.iter().map(|&sample| to_grid(sample)));
    }
}

/// Samples as everybody hears them, and in a stream of 24 bits what lies below their 16: `upper * 256 + lower` is the sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples {
    /// The upper 16 bits.
    pub upper: Vec<i16>,
    /// The lower 8, one for each of the others; none in a stream of 16 bits.
    pub lower: Option<Vec<u8>>,
}

impl Samples {
    /// No samples of so many bits: 16, or more for 24.
    pub fn of_depth(bits: u16) -> Self {
        Self { upper: Vec::new(), lower: (bits > 16).then(Vec::new) }
    }

    /// Forgets them, and keeps the room.
    pub fn clear(&mut self) {
        self.upper.clear();
        self.lower.iter_mut().for_each(Vec::clear);
    }
}

impl Grid for Samples {
    fn put(&mut self, samples: &[f32]) {
        let Some(lower) = &mut self.lower else { return self.upper.put(samples) };
        for &sample in samples {
            let sample = to_fine_grid(sample);
            self.upper.push((sample >> 8) as i16);
            lower.push(sample as u8);
        }
    }
}

/// The nearest step of the 16-bit grid; what is too loud is clipped, what is no number is silence.
fn to_grid(sample: f32) -> i16 {
    // From here on an f32 has no bits for a fraction, so adding it rounds to the nearest number, ties to even, and leaves that
    // number in the lowest bits. Processors without an instruction for rounding would call a function for each sample.
    const WHOLE: f32 = 12_582_912.0; // 1.5 * 2^23
    let sample = if sample.is_nan() { 0.0 } else { sample };
    let steps = (sample * 32768.0).clamp(-32768.0, 32767.0);
    (steps + WHOLE).to_bits() as i16
}

/// The nearest step of the 24-bit grid, likewise.
fn to_fine_grid(sample: f32) -> i32 {
    // A cast turns what is no number into 0.
    (sample * 8_388_608.0).round_ties_even().clamp(-8_388_608.0, 8_388_607.0) as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_is_the_nearest_one_and_takes_anything() {
        for eighths in -8 * 33_000..8 * 33_000 {
            let sample = eighths as f32 / (8.0 * 32768.0);
            assert_eq!(to_grid(sample), (sample * 32768.0).round_ties_even() as i16, "{sample}");
        }
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 1e-40, -1e-40];
        assert_eq!(odd.map(to_grid), [0, i16::MAX, i16::MIN, i16::MAX, 0, 0]);
        assert_eq!(odd.map(to_fine_grid), [0, 8_388_607, -8_388_608, 8_388_607, 0, 0]);
    }

    #[test]
    fn every_24_bit_sample_comes_through_and_16_bit_ones_are_the_same_in_both() {
        for sample in (-8_388_608..8_388_608).step_by(97).chain([8_388_607, -1, 0, 255, 256]) {
            let mut fine = Samples::of_depth(24);
            fine.put(&[sample as f32 / 8_388_608.0]);
            let lower = fine.lower.as_ref().unwrap();
            assert_eq!(i32::from(fine.upper[0]) * 256 + i32::from(lower[0]), sample);
        }
        let coarse: Vec<f32> = (-32_768..32_768).map(|sample| sample as f32 / 32_768.0).collect();
        let (mut plain, mut fine) = (Samples::of_depth(16), Samples::of_depth(24));
        plain.put(&coarse);
        fine.put(&coarse);
        assert_eq!((plain.upper, plain.lower), (fine.upper, None));
        assert!(fine.lower.unwrap().iter().all(|&lower| lower == 0));
    }
}
