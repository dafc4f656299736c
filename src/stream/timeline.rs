//! A stream's clock is its sample index. Missing sound is a gap with a place and a length; pairs of sample and wall time
//! (anchors) show drift, suspend and clock jumps.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why sound is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapCause {
    /// The ring between the device and the pump was full.
    Overrun,
    /// The source was silent for too long without saying why.
    Stall,
    /// The source was gone: unplugged, its server dead, its page closed.
    Lost,
    /// The stream was switched to another source.
    Switch,
    /// The lane was muted: sound arrived, and nobody got it.
    Muted,
    /// Packets were lost on the way, more of them than can be concealed.
    Network,
}

/// A stretch of the stream for which no sound arrived. The clock runs on through it and its samples are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gap {
    /// First missing sample, on the stream's clock.
    pub at_sample: u64,
    /// Length in samples of the stream's rate.
    pub len_samples: u64,
    /// Why.
    pub cause: GapCause,
}

/// How many gaps the ledger keeps; the totals count all of them.
const LEDGER_LEN: usize = 256;

/// The gaps of a stream, in order, the oldest forgotten first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GapLedger {
    gaps: Vec<Gap>,
    lost_samples: u64,
}

impl GapLedger {
    /// Adds `len_samples` missing from `at_sample` on; a gap that continues the last one with the same cause extends it.
    pub fn add(&mut self, at_sample: u64, len_samples: u64, cause: GapCause) {
        if len_samples == 0 {
            return;
        }
        self.lost_samples += len_samples;
        if let Some(last) = self.gaps.last_mut()
            && last.cause == cause
            && last.at_sample + last.len_samples == at_sample
        {
            last.len_samples += len_samples;
            return;
        }
        if self.gaps.len() == LEDGER_LEN {
            self.gaps.remove(0);
        }
        self.gaps.push(Gap { at_sample, len_samples, cause });
    }

    /// The newest gaps, in order.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// Samples missing since the stream began.
    pub fn lost_samples(&self) -> u64 {
        self.lost_samples
    }
}

/// Which sample was captured when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// Position on the stream's clock: the sample after the last one captured at `at`.
    pub sample: u64,
    /// Capture time of the sample before it.
    pub at: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjoining_gaps_of_one_cause_are_one_gap() {
        let mut ledger = GapLedger::default();
        ledger.add(100, 10, GapCause::Lost);
        ledger.add(110, 5, GapCause::Lost);
        ledger.add(115, 5, GapCause::Overrun);
        ledger.add(200, 0, GapCause::Lost);
        let lens: Vec<_> = ledger.gaps().iter().map(|gap| (gap.at_sample, gap.len_samples)).collect();
        assert_eq!(lens, [(100, 15), (115, 5)]);
        assert_eq!(ledger.lost_samples(), 20);
    }

    #[test]
    fn the_ledger_is_bounded_and_still_counts_everything() {
        let mut ledger = GapLedger::default();
        for i in 0..1000 {
            ledger.add(i * 10, 1, GapCause::Stall);
        }
        assert_eq!(ledger.gaps().len(), LEDGER_LEN);
        assert_eq!(ledger.lost_samples(), 1000);
    }
}
