//! Values on the command line that need a check of their own.

use std::time::Duration;

/// A time in seconds, such as `10` or `0.5`.
pub(super) fn secs(text: &str) -> Result<Duration, String> {
    /// A year: longer than anyone runs the program for, and small enough to be added to any clock.
    const MOST: f64 = 365.0 * 86_400.0;
    match text.parse::<f64>() {
        Ok(secs) if (0.0..=MOST).contains(&secs) => Ok(Duration::from_secs_f64(secs)),
        _ => Err("allowed is a number of seconds from 0 to a year, such as 10 or 0.5".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_that_a_clock_can_hold() {
        assert_eq!(secs("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(secs("0"), Ok(Duration::ZERO));
        for bad in ["", "-1", "nan", "inf", "1e300", "ten", "5s"] {
            assert!(secs(bad).is_err(), "{bad}");
        }
    }
}
