//! How a pump looks after a source that gives nothing: one that opens, one that stalls, one that is away.

use std::time::Instant;

use super::Pump;
use crate::{
    Error,
    stream::{ConnectionState, GapCause, outage::Outage},
};

impl Pump {
    /// The source was replaced behind its own door (another page took over, or the same one came back).
    pub(super) fn await_first_sound(&mut self, now: Instant) {
        self.last_delivery = now;
        let was_there = matches!(self.connection.state(), ConnectionState::Connected | ConnectionState::Stalled);
        if was_there {
            self.outage = self.last_captured.map(|since| Outage::new(since, GapCause::Lost));
        }
        if was_there || std::mem::take(&mut self.is_awaited) {
            self.enter(ConnectionState::Opening, None, now);
        }
    }

    /// The source is away and kept.
    pub(super) fn await_return(&mut self, error: &Error, now: Instant) {
        (self.last_delivery, self.is_awaited) = (now, true);
        if self.connection.state() != ConnectionState::Lost {
            let begun = self.outage.filter(|outage| outage.filled_samples() > 0);
            self.outage = begun.or(self.last_captured.map(|since| Outage::new(since, GapCause::Lost)));
            self.enter(ConnectionState::Lost, Some(&error.message), now);
        }
    }

    pub(super) fn watch_for_stall(&mut self, now: Instant) {
        let Some(source) = &self.source else { return };
        let silence = now.saturating_duration_since(self.last_delivery);
        if source.reopened_after().is_some_and(|limit| silence >= limit) {
            self.lose(&Error::unavailable("the source delivers no sound; opening it anew"), now);
        } else if silence >= source.stalled_after() && self.connection.state() == ConnectionState::Connected {
            self.outage = self.last_captured.map(|since| Outage::new(since, GapCause::Stall));
            self.enter(ConnectionState::Stalled, Some("the source delivers no sound"), now);
        }
    }
}
