//! The level meter: RMS, peak and held peak in dBFS, and how long the sound has been exactly zero.

use std::collections::VecDeque;

/// What silence reads, in dBFS: below the 16-bit grid, and a number that every format can carry.
pub const SILENCE_DBFS: f32 = -120.0;

/// The meter moves on in steps of 10 ms.
const STEPS_PER_SEC: u32 = 100;
/// RMS and peak look back over 100 ms.
const WINDOW_STEPS: usize = 10;
/// A peak is held for one second ...
const HOLD_STEPS: u32 = STEPS_PER_SEC;
/// ... and falls by 20 dB a second after that.
const FALL_DB_PER_STEP: f32 = 20.0 / STEPS_PER_SEC as f32;

/// What the meter shows, in dBFS: 0.0 is the largest sample there is, [`SILENCE_DBFS`] the least.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Root mean square over the last 100 ms; a full-scale sine reads -3.01.
    pub rms_dbfs: f32,
    /// The largest magnitude of the last 100 ms.
    pub peak_dbfs: f32,
    /// The largest magnitude, held for a second, then falling by 20 dB a second.
    pub held_peak_dbfs: f32,
}

/// Measures 16-bit sound. Its only clock is the number of samples, and any cutting into blocks gives the same levels.
#[derive(Clone, Debug)]
pub struct LevelMeter {
    step_samples: u32,
    step: Step,
    /// The last whole steps, oldest first, at most [`WINDOW_STEPS`].
    window: VecDeque<Step>,
    held_peak_dbfs: f32,
    held_steps: u32,
    zeros_samples: u64,
}

/// What 10 ms of sound amount to, in whole numbers, so that sums do not depend on their order.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    samples: u32,
    sum_of_squares: u64,
    peak: u16,
}

impl LevelMeter {
    /// A meter for sound of `rate_hz`, reading silence.
    pub fn new(rate_hz: u32) -> Self {
        Self {
            step_samples: (rate_hz / STEPS_PER_SEC).max(1),
            step: Step::default(),
            window: VecDeque::with_capacity(WINDOW_STEPS),
            held_peak_dbfs: SILENCE_DBFS,
            held_steps: 0,
            zeros_samples: 0,
        }
    }

    /// Takes `samples`. Allocates nothing.
    pub fn push(&mut self, mut samples: &[i16]) {
        match samples.iter().rposition(|&sample| sample != 0) {
            None => self.zeros_samples += samples.len() as u64,
            Some(last) => self.zeros_samples = (samples.len() - 1 - last) as u64,
        }
        while !samples.is_empty() {
            let room = (self.step_samples - self.step.samples) as usize;
            let (now, later) = samples.split_at(room.min(samples.len()));
            self.step.add(now);
            samples = later;
            if self.step.samples == self.step_samples {
                self.end_step();
            }
        }
    }

    /// The levels after the last whole 10 ms.
    pub fn level(&self) -> Level {
        let samples: u32 = self.window.iter().map(|step| step.samples).sum();
        let sum_of_squares: u64 = self.window.iter().map(|step| step.sum_of_squares).sum();
        let mean = sum_of_squares as f64 / f64::from(samples.max(1)) / (32768.0 * 32768.0);
        Level {
            rms_dbfs: ((10.0 * mean.log10()) as f32).max(SILENCE_DBFS),
            peak_dbfs: dbfs(self.window.iter().map(|step| step.peak).max().unwrap_or(0)),
            held_peak_dbfs: self.held_peak_dbfs,
        }
    }

    /// How many samples in a row, up to now, were exactly zero. A real microphone is never exactly silent: some
    /// seconds of this mean that something mutes it.
    pub fn zeros_samples(&self) -> u64 {
        self.zeros_samples
    }

    fn end_step(&mut self) {
        let step = std::mem::take(&mut self.step);
        if self.window.len() == WINDOW_STEPS {
            self.window.pop_front();
        }
        self.window.push_back(step);
        let peak_dbfs = dbfs(step.peak);
        self.held_steps += 1;
        if peak_dbfs >= self.held_peak_dbfs {
            (self.held_peak_dbfs, self.held_steps) = (peak_dbfs, 0);
        } else if self.held_steps > HOLD_STEPS {
            self.held_steps = HOLD_STEPS;
            self.held_peak_dbfs = (self.held_peak_dbfs - FALL_DB_PER_STEP).max(peak_dbfs);
        }
    }
}

impl Step {
    fn add(&mut self, samples: &[i16]) {
        self.samples += samples.len() as u32;
        self.sum_of_squares += samples.iter().map(|&s| u64::from((i32::from(s) * i32::from(s)) as u32)).sum::<u64>();
        let (least, most) = samples.iter().fold((0, 0), |(least, most), &s| (s.min(least), s.max(most)));
        self.peak = self.peak.max(least.unsigned_abs()).max(most.unsigned_abs());
    }
}

fn dbfs(magnitude: u16) -> f32 {
    (20.0 * (f32::from(magnitude) / 32768.0).log10()).max(SILENCE_DBFS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE_HZ: u32 = 48_000;

    fn sine(amplitude: f64, samples: usize) -> Vec<i16> {
        let step = std::f64::consts::TAU * 1000.0 / f64::from(RATE_HZ);
        (0..samples).map(|n| (amplitude * 32767.0 * (step * n as f64).sin()).round() as i16).collect()
    }

    fn after(samples: &[i16]) -> Level {
        let mut meter = LevelMeter::new(RATE_HZ);
        meter.push(samples);
        meter.level()
    }

    #[test]
    fn a_full_scale_sine_reads_zero_peak_and_three_below_rms() {
        let level = after(&sine(1.0, 9600));
        assert!((level.rms_dbfs + 3.0103).abs() < 0.001, "{level:?}");
        assert!(level.peak_dbfs.abs() < 0.001 && level.held_peak_dbfs == level.peak_dbfs, "{level:?}");
        let level = after(&sine(0.1, 9600));
        assert!((level.rms_dbfs + 23.01).abs() < 0.01 && (level.peak_dbfs + 20.0).abs() < 0.01, "{level:?}");
        assert_eq!(after(&[i16::MIN; 480]).peak_dbfs, 0.0);
    }

    #[test]
    fn silence_and_nothing_read_the_floor() {
        let floor = Level { rms_dbfs: SILENCE_DBFS, peak_dbfs: SILENCE_DBFS, held_peak_dbfs: SILENCE_DBFS };
        assert_eq!(after(&[]), floor);
        assert_eq!(after(&[0; 48_000]), floor);
    }

    #[test]
    fn the_peak_leaves_after_its_window_and_is_held_a_second_then_falls() {
        let mut meter = LevelMeter::new(RATE_HZ);
        meter.push(&sine(1.0, 480));
        let top = meter.level().held_peak_dbfs;
        meter.push(&[0; 4320]); // at 100 ms: still in the window
        assert_eq!(meter.level().peak_dbfs, top);
        meter.push(&[0; 480]);
        assert_eq!((meter.level().peak_dbfs, meter.level().held_peak_dbfs), (SILENCE_DBFS, top));
        meter.push(&[0; 43_200]); // one second after the tone
        assert_eq!(meter.level().held_peak_dbfs, top);
        meter.push(&[0; 24_000]);
        assert!((meter.level().held_peak_dbfs - (top - 10.0)).abs() < 0.01, "{:?}", meter.level());
        meter.push(&sine(0.5, 480));
        assert!((meter.level().held_peak_dbfs + 6.02).abs() < 0.01, "{:?}", meter.level());
        meter.push(&[0; 480_000]);
        assert_eq!(meter.level().held_peak_dbfs, SILENCE_DBFS);
    }

    #[test]
    fn exact_zeros_are_counted_up_to_now() {
        let mut meter = LevelMeter::new(RATE_HZ);
        meter.push(&[0; 100]);
        assert_eq!(meter.zeros_samples(), 100);
        meter.push(&[5, 0, 0]);
        assert_eq!(meter.zeros_samples(), 2);
        meter.push(&[0; 10]);
        assert_eq!(meter.zeros_samples(), 12);
        meter.push(&[0, -1]);
        assert_eq!(meter.zeros_samples(), 0);
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_levels(
            samples in proptest::collection::vec(prop_oneof![Just(0i16), any::<i16>()], 0..5000),
            cuts in proptest::collection::vec(0usize..600, 0..20),
        ) {
            let mut meter = LevelMeter::new(8_000);
            let mut rest = &samples[..];
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                meter.push(now);
                rest = later;
            }
            meter.push(rest);
            let mut whole = LevelMeter::new(8_000);
            whole.push(&samples);
            prop_assert_eq!(meter.level(), whole.level());
            let zeros = samples.iter().rev().take_while(|&&s| s == 0).count() as u64;
            prop_assert_eq!((meter.zeros_samples(), whole.zeros_samples()), (zeros, zeros));
        }
    }
}
