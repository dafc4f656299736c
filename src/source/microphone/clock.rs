//! The clock of a capture stream: when each frame was captured, and how many frames never arrived.
//!
//! A device hands over its frames at a steady rate, but each block comes late by some jitter. The least late blocks draw
//! the line `time = base + frame / rate`; what lies above it is jitter. When even the least late block of a whole window
//! is later than any jitter, frames are missing: sound servers drop recorded sound without a word when a client's buffer
//! is full. A device's own clock is off by some parts in a million, so the line may rise a little with each window.

use std::time::{Duration, Instant};

use crate::source::file::duration_of;

/// How long blocks are watched before they are judged.
const WINDOW: Duration = Duration::from_secs(1);
/// A window with fewer blocks says nothing.
const BLOCKS_IN_WINDOW: u32 = 5;
/// What a device's clock may be slow: 1 ms a second, ten times what bad crystals do.
const DRIFT_PER_WINDOW: Duration = Duration::from_millis(1);
/// The least late block of a window is never this late by jitter alone.
const MISSING: Duration = Duration::from_millis(30);

/// Follows one capture stream.
#[derive(Clone, Debug)]
pub struct CaptureClock {
    rate_hz: u32,
    /// Frames since `base`, those counted as missing included.
    frames: u64,
    /// When frame 0 would have been handed over, had it come as little late as the least late.
    base: Option<Instant>,
    window: Option<Window>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    start: Instant,
    blocks: u32,
    least_late: Duration,
}

impl CaptureClock {
    /// A clock that waits for its first block.
    pub fn new(rate_hz: u32) -> Self {
        Self { rate_hz: rate_hz.max(1), frames: 0, base: None, window: None }
    }

    /// A block of `frames` was handed over at `at`. Returns how many frames are missing before it, as is known now.
    pub fn add_block(&mut self, frames: u64, at: Instant) -> u64 {
        self.frames += frames;
        let late = self.lateness(at);
        let window = self.window.get_or_insert(Window { start: at, blocks: 0, least_late: late });
        window.blocks += 1;
        window.least_late = window.least_late.min(late);
        let window = *window;
        if at.saturating_duration_since(window.start) < WINDOW || window.blocks < BLOCKS_IN_WINDOW {
            return 0;
        }
        self.window = None;
        self.judge(window.least_late)
    }

    /// Frames that are known to be missing before the next block.
    pub fn add_missing(&mut self, frames: u64) {
        self.frames += frames;
    }

    /// Judges blocks that were held back after a pause, which then all came: their `(frames, at)` in order. Returns how many
    /// frames are missing before the first of them. Follow it with [`CaptureClock::add_block`] for each.
    pub fn missing_before(&self, held: impl Iterator<Item = (u64, Instant)>) -> u64 {
        let mut ahead = self.clone();
        let least_late = held.map(|(frames, at)| {
            ahead.frames += frames;
            ahead.lateness(at)
        });
        match least_late.min() {
            Some(late) if late >= MISSING && self.base.is_some() => self.frames_in(late),
            _ => 0,
        }
    }

    /// When the last frame was captured, as far as this machine can tell: the device's own latency comes on top.
    pub fn captured(&self, now: Instant) -> Instant {
        self.base.map_or(now, |base| base + duration_of(self.frames, self.rate_hz)).min(now)
    }

    /// How late the last frame was at `at`; a block that is less late than any other moves the line.
    fn lateness(&mut self, at: Instant) -> Duration {
        let length = duration_of(self.frames, self.rate_hz);
        let start = at.checked_sub(length).unwrap_or(at);
        let base = *self.base.get_or_insert(start);
        if start < base {
            self.base = Some(start);
        }
        start.saturating_duration_since(base)
    }

    fn judge(&mut self, least_late: Duration) -> u64 {
        if least_late >= MISSING {
            let missing = self.frames_in(least_late);
            self.frames += missing;
            return missing;
        }
        if let Some(base) = &mut self.base {
            *base += least_late.min(DRIFT_PER_WINDOW);
        }
        0
    }

    fn frames_in(&self, time: Duration) -> u64 {
        (time.as_nanos() * u128::from(self.rate_hz) / 1_000_000_000) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE_HZ: u32 = 48_000;

    /// Jitter of 0 to 9 ms that looks random and is not.
    fn jitter(n: u64) -> Duration {
        Duration::from_micros(n.wrapping_mul(2_654_435_761) % 9000)
    }

    fn at(start: Instant, frames: u64) -> Instant {
        start + duration_of(frames, RATE_HZ)
    }

    #[test]
    fn jitter_and_drift_lose_nothing_and_capture_times_are_smooth() {
        for drift_ppm in [-200.0, 0.0, 200.0] {
            let (start, mut clock) = (Instant::now(), CaptureClock::new(RATE_HZ));
            let mut last = None;
            for n in 1..=60_000_u64 {
                let handed_over = start + duration_of(n * 480, RATE_HZ).mul_f64(1.0 + drift_ppm * 1e-6) + jitter(n);
                assert_eq!(clock.add_block(480, handed_over), 0, "block {n} at {drift_ppm} ppm");
                let captured = clock.captured(handed_over);
                if let Some(last) = last.replace(captured)
                    && n > 500
                {
                    let step = captured.saturating_duration_since(last).as_secs_f64();
                    assert!((step - 0.01).abs() < 0.0012, "block {n} at {drift_ppm} ppm: {step}");
                }
                if n > 500 {
                    assert!(handed_over.saturating_duration_since(captured) < Duration::from_millis(11));
                }
            }
        }
    }

    #[test]
    fn frames_that_vanish_are_counted_within_two_seconds() {
        let (start, mut clock) = (Instant::now(), CaptureClock::new(RATE_HZ));
        let (mut missing, mut found_after) = (0, 0);
        for n in 1..=1000_u64 {
            // After block 300 a tenth of a second never comes.
            let lost = if n > 300 { 4800 } else { 0 };
            let found = clock.add_block(480, at(start, n * 480 + lost) + jitter(n));
            if found > 0 {
                (missing, found_after) = (missing + found, n);
            }
        }
        assert!((4300..=5000).contains(&missing), "{missing}");
        assert!(found_after < 500, "found at block {found_after}");
    }

    #[test]
    fn a_slow_leak_adds_up() {
        // One block in fifty is dropped: 2 %.
        let (start, mut clock) = (Instant::now(), CaptureClock::new(RATE_HZ));
        let (mut missing, mut dropped) = (0, 0);
        for n in 1..=6000_u64 {
            if n % 50 == 0 {
                dropped += 480;
                continue;
            }
            missing += clock.add_block(480, at(start, n * 480) + jitter(n));
        }
        assert!(missing > dropped * 8 / 10 && missing <= dropped, "{missing} of {dropped}");
    }

    #[test]
    fn a_pause_that_is_made_up_for_is_no_gap_and_one_that_is_not_is() {
        for (lost_frames, expected) in [(0_u64, 0..=0_u64), (96_000, 95_500..=96_500)] {
            let (start, mut clock) = (Instant::now(), CaptureClock::new(RATE_HZ));
            for n in 1..=300_u64 {
                assert_eq!(clock.add_block(480, at(start, n * 480) + jitter(n)), 0);
            }
            // Three seconds of nothing. Then what was kept comes at once, or only what is captured from now on.
            let resumed = at(start, 300 * 480) + Duration::from_secs(3);
            let held: Vec<_> = (1..=(144_000 - lost_frames) / 480).map(|n| (480, resumed + jitter(n))).collect();
            let missing = clock.missing_before(held.iter().copied());
            assert!(expected.contains(&missing), "{missing}");
            clock.add_missing(missing);
            for (frames, at) in held {
                assert_eq!(clock.add_block(frames, at), 0);
            }
            let behind = resumed.saturating_duration_since(clock.captured(resumed));
            assert!(behind < Duration::from_millis(12), "{behind:?}");
        }
    }

    #[test]
    fn a_first_lump_sets_the_line_by_its_end() {
        // Two seconds that waited in the server come at once, then blocks of 10 ms.
        let (start, mut clock) = (Instant::now(), CaptureClock::new(RATE_HZ));
        for n in 1..=400_u64 {
            assert_eq!(clock.add_block(480, at(start, (n * 480).max(96_000))), 0);
        }
        assert_eq!(clock.captured(at(start, 400 * 480)), at(start, 400 * 480));
    }
}
