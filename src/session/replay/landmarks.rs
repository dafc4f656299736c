//! What one can jump to: tokens, labels and gaps.

use super::JumpTo;
use crate::{
    Result,
    session::{LaneInfo, SessionFile, annotate::Label},
    stream::Gap,
};

/// Tokens are looked for in steps of so many seconds, so that a far one costs no memory.
const STEP_SECS: f64 = 600.0;
/// Nearer than this to the place one is at, one is at it.
const HERE_SECS: f64 = 0.02;

/// Where to look.
pub struct Landmarks<'a> {
    /// The file.
    pub file: &'a SessionFile,
    /// Its labels.
    pub labels: &'a [Label],
    /// The gaps of each lane, on its own clock.
    pub gaps: &'a [std::sync::Arc<[Gap]>],
    /// What each lane's clock shows at 0 of the session.
    pub offsets_secs: &'a [f64],
    /// The length of the session.
    pub len_secs: f64,
}

impl Landmarks<'_> {
    /// The nearest one behind (or before) a place of the session.
    ///
    /// # Errors
    /// Those of the file.
    pub fn next(&self, secs: f64, is_forward: bool, to: JumpTo) -> Result<Option<f64>> {
        let mut nearest: Option<f64> = None;
        let mut take = |place: f64| {
            let is_there = if is_forward { place > secs + HERE_SECS } else { place < secs - HERE_SECS };
            let is_nearer = nearest.is_none_or(|nearest| if is_forward { place < nearest } else { place > nearest });
            if is_there && is_nearer && place >= 0.0 {
                nearest = Some(place);
            }
        };
        if matches!(to, JumpTo::Anything | JumpTo::Label) {
            self.labels.iter().for_each(|label| take(label.start_secs));
        }
        for (index, lane) in self.file.lanes().iter().enumerate() {
            let (rate, offset) = (f64::from(lane.record.sample_rate_hz), self.offsets_secs[index]);
            if matches!(to, JumpTo::Anything | JumpTo::Gap) {
                self.gaps[index].iter().for_each(|gap| take(gap.at_sample as f64 / rate - offset));
            }
            if matches!(to, JumpTo::Anything | JumpTo::Token) {
                self.tokens(index, lane, offset, secs, is_forward, &mut take)?;
            }
        }
        Ok(nearest)
    }

    /// The tokens of the nearest stretch that has any.
    fn tokens(
        &self,
        index: usize,
        lane: &LaneInfo,
        offset: f64,
        secs: f64,
        is_forward: bool,
        take: &mut impl FnMut(f64),
    ) -> Result<()> {
        let rate = f64::from(lane.record.sample_rate_hz);
        let sample = |secs: f64| ((secs + offset) * rate).max(0.0) as u64;
        let mut from = secs;
        while (0.0..=self.len_secs).contains(&from) {
            let to = if is_forward { from + STEP_SECS } else { from - STEP_SECS };
            // A segment stands where it became final: a little behind its words.
            let range = if is_forward { sample(from)..sample(to + 30.0) } else { sample(to)..sample(from + 30.0) };
            let mut is_found = false;
            for segment in self.file.segments(index, range)? {
                for token in &segment.tokens {
                    let place = token.start_secs - offset;
                    is_found |= if is_forward { place > secs + HERE_SECS } else { place < secs - HERE_SECS };
                    take(place);
                }
            }
            if is_found {
                break;
            }
            from = to;
        }
        Ok(())
    }
}
