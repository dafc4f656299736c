//! What a pump hands on: sound to the recogniser and the recorder, columns to the screen.

use std::{mem, sync::Arc};

use super::Pump;
use crate::{
    event::Event,
    recognise::lanes::{LaneMessage, LaneMessageKind},
    session::RecorderMessage,
};

/// Sound goes to the recogniser in blocks of at least this length, so that sixteen lanes do not send a message each 5 ms.
const BLOCK_SECS: f64 = 0.02;
/// Sound that the recogniser does not take waits this long; what is older then is lost to it, and its lane hears silence there.
const UNSENT_SECS: usize = 60;
/// With this many batches waiting the screen is not looking, and batches grow up to `BATCH_COLUMNS` instead.
const WAITING_BATCHES: usize = 16;
const BATCH_COLUMNS: usize = 64;

impl Pump {
    /// Tells the recogniser, after all the sound up to here.
    pub(super) fn tell_recogniser(&mut self, kind: LaneMessageKind) {
        self.send_sound(true);
        let message = LaneMessage { lane: self.settings.key.clone(), kind };
        if self.out.sound.send(message).is_err() {
            let owner = self.settings.key.as_str().into();
            let message = "the recogniser is too far behind to be told; try again".to_owned();
            self.out.events.publish(Event::Failure { owner, message });
        }
    }

    pub(super) fn send_sound(&mut self, is_last: bool) {
        let enough = (f64::from(self.settings.sample_rate_hz) * BLOCK_SECS) as usize;
        if self.unsent.is_empty() || (self.unsent.len() < enough && !is_last) {
            return;
        }
        let first_sample = self.analysis.samples() - self.unsent.len() as u64;
        let samples: Arc<[i16]> = self.unsent.as_slice().into();
        self.send_to_recorder(&samples);
        let kind = LaneMessageKind::Sound { first_sample, samples };
        // What a full link refuses stays here and goes out later, in order; the link counts the refusals.
        if self.out.sound.send(LaneMessage { lane: self.settings.key.clone(), kind }).is_ok() {
            self.unsent.clear();
            return;
        }
        let most = UNSENT_SECS * self.settings.sample_rate_hz as usize;
        if self.unsent.len() > most {
            // In one go, so that the complaint comes once in a while and not with each block.
            self.unsent.drain(..most / 2);
            let owner = self.settings.key.as_str().into();
            let message = "the recogniser is a minute behind; half of that is not recognised".to_owned();
            self.out.events.publish(Event::Failure { owner, message });
        }
    }

    pub(super) fn take_packets(&mut self) {
        let (Some(source), Some(recorder)) = (&mut self.source, &self.out.recorder) else { return };
        let mut packets = Vec::new();
        source.take_packets(&mut packets);
        for data in packets {
            // What a full link refuses is missing from the recorded packets; the sound says so with a gap.
            let _ = recorder.send(RecorderMessage::Packet { lane: self.settings.key.clone(), data });
        }
    }

    /// Hands the recorder what it has not been told yet: as a rule the very block that the recogniser gets.
    fn send_to_recorder(&mut self, unsent: &Arc<[i16]>) {
        let len = mem::take(&mut self.unrecorded).min(unsent.len());
        let lower = self.unrecorded_lower.as_mut().map(mem::take);
        let Some(recorder) = self.out.recorder.as_ref().filter(|_| len > 0) else { return };
        let samples = if len == unsent.len() { unsent.clone() } else { unsent[unsent.len() - len..].into() };
        let lower = lower.map(|lower| lower[lower.len().saturating_sub(len)..].into());
        let first_sample = self.analysis.samples() - len as u64;
        let (lane, captured) = (self.settings.key.clone(), self.newest_captured);
        // A full link refuses: the recorder finds the hole, writes it down as a gap and says so.
        let _ = recorder.send(RecorderMessage::Sound { lane, first_sample, samples, lower, captured });
    }

    pub(super) fn show(&mut self) {
        let is_watched = self.out.batches.len() < WAITING_BATCHES;
        if (is_watched || self.analysis.pending_columns() >= BATCH_COLUMNS)
            && let Some(batch) = self.analysis.take()
        {
            // A link of the recent kind refuses only when nobody is left to look.
            let _ = self.out.batches.send(batch);
        }
    }
}
