//! What a pump does when it is asked to.

use std::time::Instant;

use super::{BACKOFF, Pump};
use crate::{
    event::{Event, LaneChange},
    recognise::lanes::LaneMessageKind,
    stream::{ConnectionState, GapCause, StreamCommand, outage::Outage},
};

impl Pump {
    pub(super) fn obey(&mut self, command: StreamCommand, now: Instant) {
        match command {
            StreamCommand::Open => self.want(now),
            StreamCommand::Close => {
                self.drop_source();
                (self.wants_source, self.outage, self.last_captured) = (false, None, None);
                if self.connection.state() != ConnectionState::Idle {
                    self.enter(ConnectionState::Closed, Some("closed by hand"), now);
                }
            }
            StreamCommand::SetSource(source) => {
                self.drop_source();
                self.settings.source = source;
                self.outage = self.last_captured.map(|since| Outage::new(since, GapCause::Switch));
                self.wants_source = false;
                self.want(now);
            }
            StreamCommand::SetGainDb(gain_db) => {
                self.settings.gain_db = gain_db;
                if let Some(converter) = &mut self.converter {
                    converter.set_gain_db(gain_db);
                }
            }
            StreamCommand::StartRecognition => {
                self.tell_recogniser(LaneMessageKind::Start { at_sample: self.analysis.samples() });
            }
            StreamCommand::StopRecognition => self.tell_recogniser(LaneMessageKind::Stop),
            StreamCommand::SetMuted(is_muted) => self.set_muted(is_muted),
            StreamCommand::SetName(name) => {
                self.settings.name = name.clone();
                self.tell_change(LaneChange::Named(name));
            }
            StreamCommand::Remove => self.is_removed = true,
            // The engine's: it knows the other lanes.
            StreamCommand::MoveTo(_) => {}
        }
    }

    fn set_muted(&mut self, is_muted: bool) {
        if is_muted == self.is_muted {
            return;
        }
        // What the converter holds was heard under the old rule.
        if let Some(mut converter) = self.converter.take() {
            converter.finish(&mut self.fresh);
            self.take_fresh(None);
            self.converter = Some(converter);
        }
        self.is_muted = is_muted;
        if !is_muted {
            let len = std::mem::take(&mut self.muted_samples);
            self.announce_gap(len, GapCause::Muted);
        }
        self.tell_change(LaneChange::Muted(is_muted));
    }

    fn tell_change(&self, change: LaneChange) {
        self.out.events.publish(Event::Lane { stream: self.settings.key.clone(), change });
    }

    fn want(&mut self, now: Instant) {
        if !self.wants_source {
            (self.wants_source, self.retry_at, self.backoff) = (true, now, BACKOFF[0]);
            self.enter(ConnectionState::Opening, None, now);
        }
    }
}
