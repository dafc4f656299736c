//! Values on the command line that need a check of their own.

use std::time::Duration;

use crate::session::replay::SPEEDS;

/// A time in seconds, such as `10` or `0.5`.
pub(super) fn secs(text: &str) -> Result<Duration, String> {
    /// A year: longer than anyone runs the program for, and small enough to be added to any clock.
    const MOST: f64 = 365.0 * 86_400.0;
    match text.parse::<f64>() {
        Ok(secs) if (0.0..=MOST).contains(&secs) => Ok(Duration::from_secs_f64(secs)),
        _ => Err("allowed is a number of seconds from 0 to a year, such as 10 or 0.5".to_owned()),
    }
}

/// How fast a session is replayed, such as `2` or `0.5`.
pub(super) fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if SPEEDS.contains(&speed) => Ok(speed),
        _ => Err(format!("allowed is {} to {}, such as 2 or 0.5", SPEEDS.start(), SPEEDS.end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_those_that_there_are() {
        assert_eq!((speed("0.25"), speed("16")), (Ok(0.25), Ok(16.0)));
        for bad in ["", "0", "-1", "16.1", "1e9", "nan", "fast"] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_seconds_that_a_clock_can_hold() {
        assert_eq!(secs("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(secs("0"), Ok(Duration::ZERO));
        for bad in ["", "-1", "nan", "inf", "1e300", "ten", "5s"] {
            assert!(secs(bad).is_err(), "{bad}");
        }
    }
}
