//! The clock of a session: seconds since its first sample, for all lanes, whichever began first.

use std::ops::Range;

use super::{LaneInfo, SessionFile};

/// Where the lanes of a session lie on its clock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionClock {
    /// Wall-clock time of its 0, nanoseconds since 1970 (UTC).
    pub start_unix_nanos: u64,
    /// Its length, seconds.
    pub len_secs: f64,
}

impl SessionClock {
    /// The clock of a file: from the first sample of any lane to behind the last of any.
    pub fn of(file: &SessionFile) -> Self {
        let lanes = file.lanes();
        let start_unix_nanos = lanes.iter().map(LaneInfo::start_unix_nanos).min().unwrap_or(0);
        let clock = Self { start_unix_nanos, len_secs: 0.0 };
        let end = |lane: &LaneInfo| {
            lane.range().end as f64 / f64::from(lane.record.sample_rate_hz.max(1)) - clock.offset_secs(lane)
        };
        let len_secs = lanes.iter().map(end).fold(0.0, f64::max);
        Self { len_secs, ..clock }
    }

    /// What the lane's own clock shows at 0 of the session, seconds.
    pub fn offset_secs(&self, lane: &LaneInfo) -> f64 {
        (self.start_unix_nanos as i128 - i128::from(lane.record.zero_unix_nanos)) as f64 / 1e9
    }

    /// The samples of a lane within `secs` of the session.
    pub fn samples(&self, lane: &LaneInfo, secs: &Range<f64>) -> Range<u64> {
        let rate = f64::from(lane.record.sample_rate_hz);
        let sample = |secs: f64| ((secs + self.offset_secs(lane)) * rate).round().max(0.0) as u64;
        let start = sample(secs.start);
        start..sample(secs.end).max(start)
    }
}
