//! How much of the machine a training may take, and when it rests so as to take no more.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Result};

/// The share of its time below which a trainer never falls: it moves on, however slowly.
pub const LEAST_DUTY: f32 = 0.05;

/// The longest rest between two pieces of work, so that one long piece does not hold up all that follow.
const LONGEST_REST: Duration = Duration::from_secs(2);

/// More threads than this were never tried.
const MOST_THREADS: usize = 64;

/// What the trainer may take. It may change at any time, between two steps, and changes no bit of what is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Throttle {
    /// Threads to compute on, 1 to 64.
    #[schema(minimum = 1, maximum = 64)]
    pub threads: usize,
    /// The share of its time that it works, 0 to 1; what is below [`LEAST_DUTY`] is taken as that.
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub duty: f32,
}

impl Throttle {
    /// All the time of `threads` threads.
    pub fn full(threads: usize) -> Self {
        Self { threads: threads.clamp(1, MOST_THREADS), duty: 1.0 }
    }

    /// This, raised to the floor; refuses what cannot be meant.
    pub fn checked(self) -> Result<Self> {
        if !(1..=MOST_THREADS).contains(&self.threads) {
            return Err(Error::invalid(format!("threads is {}; allowed are 1 to {MOST_THREADS}", self.threads)));
        }
        if !(0.0..=1.0).contains(&self.duty) {
            return Err(Error::invalid(format!("duty is {}; allowed is 0 to 1", self.duty)));
        }
        Ok(Self { duty: self.duty.max(LEAST_DUTY), ..self })
    }
}

/// Spaces out pieces of work by the times at which they begin and end.
#[derive(Clone, Debug, Default)]
pub struct Pacer {
    working_since: Option<Instant>,
    resting_until: Option<Instant>,
}

impl Pacer {
    /// A piece of work begins at `now`.
    pub fn work(&mut self, now: Instant) {
        self.working_since = Some(now);
    }

    /// How long to rest from `now` on, before the next piece: after work of a second at a duty of a quarter, three.
    pub fn rest(&mut self, now: Instant, duty: f32) -> Option<Duration> {
        if let Some(since) = self.working_since.take() {
            let worked = now.saturating_duration_since(since);
            let rest = worked.mul_f32((1.0 / duty.clamp(LEAST_DUTY, 1.0) - 1.0).max(0.0));
            self.resting_until = Some(now + rest.min(LONGEST_REST));
        }
        let left = self.resting_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_and_rest_have_the_share_that_was_asked_for() {
        let start = Instant::now();
        for (duty, share) in [(1.0, 1.0), (0.5, 0.5), (0.25, 0.25), (0.0, LEAST_DUTY)] {
            let (mut pacer, mut now, mut worked) = (Pacer::default(), start, Duration::ZERO);
            while now < start + Duration::from_secs(100) {
                match pacer.rest(now, duty) {
                    // Whoever rests looks for orders in between.
                    Some(rest) => now += rest.min(Duration::from_millis(20)),
                    None => {
                        pacer.work(now);
                        now += Duration::from_millis(60);
                        worked += Duration::from_millis(60);
                    }
                }
            }
            let found = worked.as_secs_f32() / (now - start).as_secs_f32();
            assert!((found - share).abs() < 0.02 * share, "{duty}: {found}");
        }
    }

    #[test]
    fn a_long_piece_does_not_hold_up_what_follows() {
        let (mut pacer, start) = (Pacer::default(), Instant::now());
        pacer.work(start);
        assert_eq!(pacer.rest(start + Duration::from_secs(60), 0.05), Some(LONGEST_REST));
        assert_eq!(pacer.rest(start + Duration::from_secs(62), 0.05), None);
    }

    #[test]
    fn what_is_below_the_floor_is_raised_and_nonsense_refused() {
        assert_eq!(Throttle { threads: 2, duty: 0.0 }.checked().unwrap().duty, LEAST_DUTY);
        for (threads, duty) in [(0, 1.0), (65, 1.0), (1, f32::NAN), (1, -0.1), (1, 1.1)] {
            assert!(Throttle { threads, duty }.checked().unwrap_err().message.contains("allowed"), "{threads} {duty}");
        }
    }
}
