//! How much sound is missing while a source is away, and after it came back. The stream's clock goes on all the while.

use std::time::{Duration, Instant};

use super::GapCause;

/// The clock lags this far behind the wall while the source is away, so that sound that arrives late still finds its place.
const LAG: Duration = Duration::from_millis(250);

/// A source is away since the sample captured at `since`.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    since: Instant,
    cause: GapCause,
    filled_samples: u64,
}

impl Outage {
    /// Nothing was captured after `since`.
    pub fn new(since: Instant, cause: GapCause) -> Self {
        Self { since, cause, filled_samples: 0 }
    }

    /// Why.
    pub fn cause(&self) -> GapCause {
        self.cause
    }

    /// How many samples were filled in so far.
    pub fn filled_samples(&self) -> u64 {
        self.filled_samples
    }

    /// How many samples are due at `now` to let the clock go on, at most `limit`; they count as filled.
    pub fn due(&mut self, now: Instant, rate_hz: u32, limit: u64) -> u64 {
        let end = now.checked_sub(LAG).unwrap_or(self.since);
        self.fill_to(end, rate_hz, limit)
    }

    /// How many samples are still missing before sound that was captured from `start` on.
    pub fn missing_before(mut self, start: Instant, rate_hz: u32) -> u64 {
        self.fill_to(start, rate_hz, u64::MAX)
    }

    fn fill_to(&mut self, end: Instant, rate_hz: u32, limit: u64) -> u64 {
        let missing = end.saturating_duration_since(self.since).as_nanos() * u128::from(rate_hz) / 1_000_000_000;
        let due = (missing as u64).saturating_sub(self.filled_samples).min(limit);
        self.filled_samples += due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filled_and_the_missing_add_up_to_the_time_away() {
        let since = Instant::now();
        let mut outage = Outage::new(since, GapCause::Lost);
        assert_eq!(outage.due(since + Duration::from_millis(200), 1000, 5000), 0);
        assert_eq!(outage.due(since + Duration::from_millis(1250), 1000, 400), 400);
        assert_eq!(outage.due(since + Duration::from_millis(1250), 1000, 4000), 600);
        assert_eq!(outage.missing_before(since + Duration::from_millis(1700), 1000), 700);
        assert_eq!(outage.missing_before(since + Duration::from_millis(900), 1000), 0);
    }
}
