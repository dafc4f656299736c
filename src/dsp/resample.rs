//! Streaming conversion of one channel from one sample rate to another.

use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{Fft, FixedSync, Resampler as _, WindowFunction};

use super::usable_sample;
use crate::{Error, Result};

/// The lowest and highest sample rate, in Hz, that a [`Resampler`] takes.
pub const RATES_HZ: std::ops::RangeInclusive<u32> = 1_000..=768_000;

/// A filter as long as this at the lower of the two rates is steep enough: flat up to 0.94 of its Nyquist frequency.
const ENOUGH_SAMPLES: u32 = 240;

/// Converts mono sound from `from_hz` to `to_hz`, block by block, with the same result for any blocks.
///
/// Output sample k is the input at the time k / `to_hz`: the filter's delay is taken off at the start and made up for
/// by [`finish`](Self::finish), and n samples in give exactly round(n × to / from) samples out. Before the first and
/// after the last sample the sound is taken to be silent.
///
/// The work is done by rubato's FFT resampler with a fixed internal block: the shortest that holds
/// 240 samples at the lower rate, but no more than 10 ms, and at least two periods of the ratio (44.1 to
/// 48 kHz: 294 in, 320 out, 6.7 ms; 48 to 16 kHz: 480 in, 160 out, 10 ms). Ill-matched rates make long blocks: 11 025 to
/// 16 000 Hz needs 80 ms, and two rates without a common divisor 2 s. What that means for the latency says
/// [`latency_samples`](Self::latency_samples). The longer the block the steeper the filter: within 0.1 dB up to 0.94
/// of the lower Nyquist frequency between 44.1 and 48 kHz, 0.9 from or to 16 kHz, 0.8 from or to 8 kHz; above that
/// Nyquist frequency less than -80 dB remain.
///
/// Equal rates pass the samples through untouched and at once. Samples that are not sound (NaN, infinite, above
/// [`LARGEST_SAMPLE`](super::LARGEST_SAMPLE)) count as 0.0 at any rate.
pub struct Resampler {
    from_hz: u32,
    to_hz: u32,
    samples_in: u64,
    samples_out: u64,
    converter: Option<Converter>,
}

/// rubato's resampler with the one block that is being filled and the one that comes out.
struct Converter {
    fft: Fft<f32>,
    block_in: Box<[f32]>,
    filled: usize,
    block_out: Box<[f32]>,
    /// How many samples from the filter's run-up are still to be dropped.
    run_up: usize,
}

impl Resampler {
    /// A converter from `from_hz` to `to_hz`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if a rate is outside of [`RATES_HZ`].
    pub fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        for rate in [from_hz, to_hz] {
            if !RATES_HZ.contains(&rate) {
                return Err(Error::invalid(format!(
                    "cannot convert {from_hz} Hz to {to_hz} Hz: a sample rate must be from {} to {} Hz",
                    RATES_HZ.start(),
                    RATES_HZ.end(),
                )));
            }
        }
        let converter = if from_hz == to_hz { None } else { Some(Converter::new(from_hz, to_hz)?) };
        Ok(Self { from_hz, to_hz, samples_in: 0, samples_out: 0, converter })
    }

    /// Takes `input` and appends to `out` what is ready.
    pub fn process(&mut self, input: &[f32], out: &mut Vec<f32>) {
        self.samples_in += input.len() as u64;
        let before = out.len();
        match &mut self.converter {
            None => out.extend(input.iter().map(|&sample| usable_sample(sample))),
            Some(converter) => converter.process(input, out),
        }
        self.samples_out += (out.len() - before) as u64;
    }

    /// Ends the sound: appends to `out` what is still missing, then stands as new.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let total = self.samples_after(self.samples_in);
        if let Some(converter) = &mut self.converter {
            let mut missing = (total - self.samples_out) as usize;
            let silence = vec![0.0; converter.block_in.len()];
            while missing > 0 {
                let before = out.len();
                converter.process(&silence[converter.filled..], out);
                out.truncate(before + missing);
                missing -= out.len() - before;
            }
        }
        self.reset();
    }

    /// Forgets all past sound; the next sample is sample 0 again.
    pub fn reset(&mut self) {
        (self.samples_in, self.samples_out) = (0, 0);
        if let Some(converter) = &mut self.converter {
            converter.reset();
        }
    }

    /// How many samples come out for `samples_in` samples in: round(`samples_in` × to / from), halves upwards.
    pub fn samples_after(&self, samples_in: u64) -> u64 {
        let (from, to) = (u128::from(self.from_hz), u128::from(self.to_hz));
        ((2 * u128::from(samples_in) * to + from) / (2 * from)) as u64
    }

    /// How many samples of the output are still inside: what has gone in lasts this much longer than what has come out.
    pub fn held_samples(&self) -> u64 {
        self.samples_after(self.samples_in).saturating_sub(self.samples_out)
    }

    /// The latency at worst, in samples of the input: what sounds at input sample t is out once sample
    /// t + `latency_samples()` is in. One and a half internal blocks (44.1 to 48 kHz: 441, 10 ms); 0 for equal rates.
    pub fn latency_samples(&self) -> usize {
        self.converter.as_ref().map_or(0, |converter| converter.block_in.len() / 2 * 3)
    }
}

impl Converter {
    fn new(from_hz: u32, to_hz: u32) -> Result<Self> {
        let divisor = greatest_common_divisor(from_hz, to_hz);
        // A block is a number of periods of the ratio, so it lasts periods/divisor seconds. An odd block would be
        // delayed by a half sample, so the number is even (of the two sides of a reduced ratio at least one is odd).
        let wanted = (ENOUGH_SAMPLES / (from_hz.min(to_hz) / divisor)).min(divisor / 100);
        let periods = (wanted / 2 * 2).max(2);
        let block_in = (periods * (from_hz / divisor)) as usize;
        let fft = Fft::new_custom(
            from_hz as usize,
            to_hz as usize,
            block_in,
            1,
            1,
            // Its side lobes (-92 dB) are below the 16-bit grid, and it is half as wide as rubato's default.
            WindowFunction::BlackmanHarris,
            FixedSync::Both,
        )
        .map_err(|error| Error::internal(format!("cannot convert {from_hz} Hz to {to_hz} Hz: {error}")))?;
        debug_assert_eq!(fft.fft_size_in(), block_in, "rubato took the block as it was given");
        let block_out = fft.fft_size_out();
        Ok(Self {
            block_in: vec![0.0; block_in].into(),
            filled: 0,
            block_out: vec![0.0; block_out].into(),
            run_up: fft.output_delay(),
            fft,
        })
    }

    fn process(&mut self, mut input: &[f32], out: &mut Vec<f32>) {
        while !input.is_empty() {
            let room = &mut self.block_in[self.filled..];
            let (now, later) = input.split_at(room.len().min(input.len()));
            for (place, &sample) in room.iter_mut().zip(now) {
                *place = usable_sample(sample);
            }
            self.filled += now.len();
            input = later;
            if self.filled == self.block_in.len() {
                self.convert_block();
                self.filled = 0;
                let dropped = self.run_up.min(self.block_out.len());
                self.run_up -= dropped;
                out.extend_from_slice(&self.block_out[dropped..]);
            }
        }
    }

    fn convert_block(&mut self) {
        let (len_in, len_out) = (self.block_in.len(), self.block_out.len());
        let wrapped = SequentialSlice::new(&self.block_in[..], 1, len_in)
            .and_then(|input| Ok((input, SequentialSlice::new_mut(&mut self.block_out[..], 1, len_out)?)));
        let (input, mut output) = wrapped.expect("one channel of its own length always fits");
        self.fft
            .process_into_buffer(&input, &mut output, None)
            .expect("both blocks were made as long as this resampler's fixed sizes");
    }

    fn reset(&mut self) {
        self.fft.reset();
        self.filled = 0;
        self.run_up = self.fft.output_delay();
    }
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// A whole sound at another rate; fails on rates that [`Resampler::new`] refuses.
pub fn resampled(samples: Vec<f32>, from_hz: u32, to_hz: u32) -> Result<Vec<f32>> {
    if from_hz == to_hz {
        return Ok(samples);
    }
    let mut resampler = Resampler::new(from_hz, to_hz)?;
    let mut out = Vec::with_capacity((samples.len() as u64 * u64::from(to_hz) / u64::from(from_hz)) as usize + 64);
    resampler.process(&samples, &mut out);
    resampler.finish(&mut out);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    const COMMON_RATES_HZ: [u32; 8] = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000];

    fn sine(frequency_hz: f64, rate_hz: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (TAU * frequency_hz * n as f64 / f64::from(rate_hz)).sin() as f32).collect()
    }

    fn convert(from_hz: u32, to_hz: u32, input: &[f32], cuts: &[usize]) -> Vec<f32> {
        let mut resampler = Resampler::new(from_hz, to_hz).unwrap();
        let mut out = Vec::new();
        let mut rest = input;
        for &cut in cuts {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            resampler.process(now, &mut out);
            rest = later;
        }
        resampler.process(rest, &mut out);
        resampler.finish(&mut out);
        out
    }

    fn pairs() -> impl Iterator<Item = (u32, u32)> {
        COMMON_RATES_HZ.iter().flat_map(|&from| COMMON_RATES_HZ.map(|to| (from, to)))
    }

    #[test]
    fn a_tone_keeps_its_level_and_its_time_at_all_rates() {
        for (from, to) in pairs() {
            let out = convert(from, to, &sine(1000.0, from, from as usize / 2), &[]);
            let expected = sine(1000.0, to, out.len());
            // Away from the ends, where the tone starts and stops at once and the filter rings.
            let inner = out.len() / 4..out.len() * 3 / 4;
            let worst = inner.map(|k| (out[k] - expected[k]).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-3, "{from} to {to} Hz is off by {worst}"); // 0.1 dB would be 1.1e-2
        }
    }

    #[test]
    fn high_tones_pass_as_far_up_as_stated() {
        for (low, high, part) in [(44_100, 48_000, 0.94), (16_000, 48_000, 0.9), (8_000, 48_000, 0.8)] {
            for (from, to) in [(low, high), (high, low)] {
                let frequency_hz = part * f64::from(low) / 2.0;
                let out = convert(from, to, &sine(frequency_hz, from, from as usize / 2), &[]);
                let expected = sine(frequency_hz, to, out.len());
                let inner = out.len() / 4..out.len() * 3 / 4;
                // Also: nothing is added, such as an image of the tone above the old Nyquist frequency.
                let worst = inner.map(|k| (out[k] - expected[k]).abs()).fold(0.0, f32::max);
                assert!(worst < 1.1e-2, "{frequency_hz} Hz from {from} to {to} Hz is off by {worst}"); // 0.1 dB
            }
        }
    }

    #[test]
    fn a_tone_above_the_new_nyquist_frequency_is_silenced() {
        for (from, to) in pairs().filter(|(from, to)| from > to) {
            let nyquist_hz = f64::from(to) / 2.0;
            let highest_hz = f64::from(from) / 2.0;
            for part in [0.1, 0.3, 0.6, 0.95] {
                let frequency_hz = nyquist_hz + part * (highest_hz - nyquist_hz);
                let out = convert(from, to, &sine(frequency_hz, from, from as usize / 2), &[]);
                let inner = &out[out.len() / 4..out.len() * 3 / 4];
                let worst = inner.iter().fold(0.0f32, |worst, s| worst.max(s.abs()));
                assert!(worst < 1e-4, "{frequency_hz} Hz from {from} to {to} Hz leaves {worst}"); // -80 dB
            }
        }
    }

    #[test]
    fn equal_rates_pass_every_bit_at_once() {
        let input = [0.1, -0.0, 1.0, -1.5, f32::MIN_POSITIVE / 2.0, 3e-8];
        let mut resampler = Resampler::new(48_000, 48_000).unwrap();
        let mut out = Vec::new();
        resampler.process(&input, &mut out);
        assert_eq!(out.iter().map(|s| s.to_bits()).collect::<Vec<_>>(), input.map(f32::to_bits));
        assert_eq!(resampler.latency_samples(), 0);
    }

    #[test]
    fn what_sounded_is_out_after_the_stated_latency() {
        for (from, to) in pairs() {
            let mut resampler = Resampler::new(from, to).unwrap();
            let mut out = Vec::new();
            let latency = resampler.latency_samples() as u64;
            for n in 0..u64::from(from) / 4 {
                resampler.process(&[0.0], &mut out);
                let sounded = (n + 1).saturating_sub(latency); // samples 0..sounded must be out
                assert!(out.len() as u64 >= sounded * u64::from(to) / u64::from(from), "{from} to {to} Hz at {n}");
            }
        }
        assert_eq!(Resampler::new(44_100, 48_000).unwrap().latency_samples(), 441);
        assert_eq!(Resampler::new(48_000, 16_000).unwrap().latency_samples(), 720);
    }

    #[test]
    fn bad_samples_count_as_zero() {
        for (from, to) in [(48_000, 48_000), (44_100, 48_000)] {
            let mut clean = sine(440.0, from, 4000);
            let mut bad = clean.clone();
            let values = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -1.1e4];
            for (n, value) in values.into_iter().enumerate() {
                clean[700 * n] = 0.0;
                bad[700 * n] = value;
            }
            let out = convert(from, to, &bad, &[]);
            assert_eq!(out, convert(from, to, &clean, &[]));
            assert!(out.iter().all(|s| s.is_finite()));
        }
    }

    #[test]
    fn finish_and_reset_leave_it_as_new() {
        let input = sine(300.0, 44_100, 2000);
        let mut resampler = Resampler::new(44_100, 16_000).unwrap();
        let (mut first, mut second, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
        resampler.process(&input, &mut first);
        resampler.finish(&mut first);
        resampler.process(&input[..1234], &mut dropped);
        resampler.reset();
        resampler.process(&input, &mut second);
        resampler.finish(&mut second);
        assert_eq!(first, second);
    }

    #[test]
    fn rates_out_of_range_are_refused() {
        for (from, to) in [(0, 48_000), (48_000, 0), (48_000, 999), (768_001, 48_000)] {
            let error = Resampler::new(from, to).err().unwrap();
            assert_eq!(error.kind, crate::ErrorKind::Invalid);
            assert!(error.message.contains("1000 to 768000 Hz"), "{error}");
        }
    }

    fn any_rate() -> impl Strategy<Value = u32> {
        prop_oneof![4 => proptest::sample::select(&COMMON_RATES_HZ[..]), 1 => 1_000u32..8_000]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn the_length_is_exact(from in any_rate(), to in any_rate(), len in 0usize..6000) {
            let out = convert(from, to, &vec![0.25; len], &[]);
            prop_assert_eq!(out.len() as f64, (len as f64 * f64::from(to) / f64::from(from)).round());
        }

        #[test]
        fn any_cutting_gives_the_same_bits(
            from in any_rate(),
            to in any_rate(),
            input in proptest::collection::vec(-1.0f32..1.0, 0..4000),
            cuts in proptest::collection::vec(0usize..700, 0..20),
        ) {
            let bits = |out: Vec<f32>| out.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            prop_assert_eq!(bits(convert(from, to, &input, &cuts)), bits(convert(from, to, &input, &[])));
        }
    }
}
