//! Random numbers for data: small, seeded and saved as four words.
//!
//! burn's generator is one process-wide lock, shared with whoever else draws from it, so nothing that has to be
//! repeatable may use it. This one is xoshiro256++ (Blackman and Vigna, 2018), filled by splitmix64.

/// A generator of repeatable random numbers: the same seed and place give the same sequence on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

/// One step of splitmix64, the generator that xoshiro's authors recommend for filling its state.
fn splitmix64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The generator of `seed`.
    pub fn new(seed: u64) -> Self {
        let mut filler = seed;
        Self { state: std::array::from_fn(|_| splitmix64(&mut filler)) }
    }

    /// The generator of one place in a run: item `item` of step `step`.
    ///
    /// What a scene holds depends on its place alone, not on which thread composed it or when, so a run is resumed by
    /// its step number.
    pub fn at(seed: u64, step: u64, item: u64) -> Self {
        let mut mixed = seed;
        for part in [step, item] {
            let mut filler = mixed ^ part.wrapping_mul(0xd6e8_feb8_6659_fd93);
            mixed = splitmix64(&mut filler);
        }
        Self::new(mixed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Uniform in `0.0..1.0`.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 * (1.0 / (1u32 << 24) as f32)
    }

    /// Uniform in `from..to`.
    pub fn between(&mut self, from: f32, to: f32) -> f32 {
        from + (to - from) * self.unit()
    }

    /// Uniform in `0..count`; 0 when `count` is 0.
    pub fn below(&mut self, count: usize) -> usize {
        ((u128::from(self.bits()) * count as u128) >> 64) as usize
    }

    /// True with probability `probability`.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Zero mean, unit variance, close to normal: the sum of the four 16-bit parts of one draw.
    ///
    /// Its tails end at 3.5 deviations, which noise for augmentation does not mind, and it is four times as fast as
    /// an exact method.
    pub fn normal(&mut self) -> f32 {
        let bits = self.bits();
        let sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        // A sum of four uniform values in 0..65536 has the mean 2 * 65535 and the variance 4 * 65536^2 / 12.
        (sum as f32 - 131_070.0) * (1.732_050_8 / 65_536.0)
    }

    /// Puts `values` in a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers_match_the_published_algorithm() {
        // Worked out from the authors' C code with the state 1, 2, 3, 4.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let drawn: Vec<u64> = (0..4).map(|_| rng.bits()).collect();
        assert_eq!(drawn, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn same_place_same_numbers_other_place_other_numbers() {
        let draw = |seed, step, item| Rng::at(seed, step, item).bits();
        assert_eq!(draw(7, 3, 2), draw(7, 3, 2));
        let places = [draw(7, 3, 2), draw(8, 3, 2), draw(7, 2, 3), draw(7, 4, 2), draw(7, 3, 1)];
        for (index, place) in places.iter().enumerate() {
            assert!(!places[..index].contains(place));
        }
    }

    #[test]
    fn values_stay_in_range_and_are_spread_evenly() {
        let mut rng = Rng::new(1);
        let mut counts = [0usize; 10];
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..100_000 {
            counts[rng.below(10)] += 1;
            let unit = rng.unit();
            assert!((0.0..1.0).contains(&unit));
            let normal = f64::from(rng.normal());
            sum += normal;
            squares += normal * normal;
        }
        assert!(counts.iter().all(|&count| (9_500..10_500).contains(&count)), "{counts:?}");
        assert!((sum / 1e5).abs() < 0.02 && (squares / 1e5 - 1.0).abs() < 0.02);
        assert_eq!(rng.below(0), 0);
    }

    #[test]
    fn shuffle_keeps_every_value() {
        let mut values: Vec<u32> = (0..100).collect();
        Rng::new(5).shuffle(&mut values);
        assert_ne!(values, (0..100).collect::<Vec<_>>());
        values.sort_unstable();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    }
}
