//! What happens, for those who listen: one enum inside, a versioned record on the wire.
//!
//! The hub is a bounded ring with cursors: a publisher never waits, a listener that falls behind the ring is told so, and the
//! number of listeners costs nothing.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;
use tokio::sync::watch;

use crate::{
    Text,
    recognise::transcript::{Segment, Token},
    session::records::RecognitionRecord,
    stream::{ConnectionState, Gap, StreamKey},
    train::progress::Progress,
};

/// The version of the records on the wire.
pub const WIRE_VERSION: u32 = 1;

/// What happened.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
pub enum Event {
    /// A stream's connection changed.
    Connection {
        /// Which stream.
        stream: StreamKey,
        /// The state that began.
        state: ConnectionState,
        /// When, in seconds since the program started.
        at_secs: f64,
        /// Why, where there is something to say.
        reason: Option<Text>,
    },
    /// A lane came, went or looks different.
    Lane {
        /// Which stream.
        stream: StreamKey,
        /// What changed.
        change: LaneChange,
    },
    /// Sound is missing.
    Gap {
        /// Which stream.
        stream: StreamKey,
        /// Where and how much.
        gap: Gap,
    },
    /// Recognition of a stream began or ended.
    Recognition {
        /// Which stream.
        stream: StreamKey,
        /// Whether it is being recognised now.
        is_running: bool,
        /// The model's name.
        model: Option<Text>,
        /// What was done, and at which sample; for recordings, not on the wire.
        #[serde(skip)]
        heard: RecognitionRecord,
    },
    /// Words being heard; may still change.
    Partial {
        /// Which stream.
        stream: StreamKey,
        /// The words.
        text: String,
        /// The words with times and scores; for recordings, not on the wire.
        #[serde(skip)]
        tokens: Vec<Token>,
        /// Behind the sound that the recogniser had heard; for recordings, not on the wire.
        #[serde(skip)]
        heard_samples: u64,
    },
    /// Words heard; will not change.
    Final {
        /// Which stream.
        stream: StreamKey,
        /// The words with times and scores.
        segment: Segment,
        /// Behind the sound that the recogniser had heard; for recordings, not on the wire.
        #[serde(skip)]
        heard_samples: u64,
    },
    /// The training moved.
    Progress(Progress),
    /// A model was saved.
    ModelSaved {
        /// Its name.
        model: Text,
    },
    /// Something failed that its owner could not mend alone.
    Failure {
        /// Whose failure: a stream's key, `recognise`, `train`, `models`.
        owner: Text,
        /// What was wrong, where, and what to do.
        message: String,
    },
}

/// What changed about a lane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LaneChange {
    /// It is new.
    Added,
    /// It is gone, with its history and its transcript.
    Removed,
    /// It is shown at this place from the top, counted from 0.
    Moved(usize),
    /// It is called this.
    Named(Text),
    /// Whether what arrives is kept from everybody.
    Muted(bool),
}

impl Event {
    /// The stream that it is about, if any.
    pub fn stream(&self) -> Option<&StreamKey> {
        match self {
            Self::Connection { stream, .. }
            | Self::Gap { stream, .. }
            | Self::Lane { stream, .. }
            | Self::Recognition { stream, .. }
            | Self::Partial { stream, .. }
            | Self::Final { stream, .. } => Some(stream),
            Self::Progress(_) | Self::ModelSaved { .. } | Self::Failure { .. } => None,
        }
    }
}

/// An event with its place in the order of all events.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// Version of this record's form.
    pub v: u32,
    /// Counts up from 1 without a hole.
    pub id: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Where events are published and read. Kind: *recent*, the newest [`EventHub::CAPACITY`].
#[derive(Clone, Debug)]
pub struct EventHub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    ring: Mutex<VecDeque<Arc<Record>>>,
    last_id: watch::Sender<u64>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self {
            shared: Arc::new(Shared {
                ring: Mutex::new(VecDeque::with_capacity(Self::CAPACITY)),
                last_id: watch::Sender::new(0),
            }),
        }
    }
}

impl EventHub {
    /// How many events are kept for those who come back.
    pub const CAPACITY: usize = 4096;

    /// Tells everyone.
    pub fn publish(&self, event: Event) {
        let mut ring = self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ring.back().map_or(0, |last| last.id) + 1;
        if ring.len() == Self::CAPACITY {
            ring.pop_front();
        }
        ring.push_back(Arc::new(Record { v: WIRE_VERSION, id, event }));
        self.shared.last_id.send_replace(id);
    }

    /// The id of the newest event, 0 before the first.
    pub fn last_id(&self) -> u64 {
        *self.shared.last_id.borrow()
    }

    /// Resolves whenever the newest id has changed.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.shared.last_id.subscribe()
    }

    /// At most `limit` events after the one with the id `after`, and how many were already forgotten in between.
    pub fn read_after(&self, after: u64, limit: usize) -> (Vec<Arc<Record>>, u64) {
        let ring = self.shared.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = ring.front().map(|record| record.id) else { return (Vec::new(), 0) };
        let missed = first.saturating_sub(after + 1);
        let skip = (after + 1).saturating_sub(first) as usize;
        (ring.iter().skip(skip).take(limit).cloned().collect(), missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(i: usize) -> Event {
        Event::Failure { owner: "test".into(), message: i.to_string() }
    }

    #[test]
    fn a_reader_sees_every_event_once_or_is_told_how_many_it_missed() {
        let hub = EventHub::default();
        assert!(hub.read_after(0, 10).0.is_empty());
        (0..EventHub::CAPACITY + 10).for_each(|i| hub.publish(failure(i)));
        let (records, missed) = hub.read_after(0, 5);
        assert_eq!((records.len(), records[0].id, missed), (5, 11, 10));
        let (records, missed) = hub.read_after(records[4].id, usize::MAX);
        assert_eq!((records.len(), records[0].id, missed), (EventHub::CAPACITY - 5, 16, 0));
        assert!(hub.read_after(hub.last_id(), 10).0.is_empty());
    }

    #[test]
    fn a_record_names_its_version_id_type_and_payload() {
        let hub = EventHub::default();
        hub.publish(failure(7));
        let json = serde_json::to_value(&*hub.read_after(0, 1).0[0]).unwrap();
        let expected =
            serde_json::json!({"v": 1, "id": 1, "type": "failure", "payload": {"owner": "test", "message": "7"}});
        assert_eq!(json, expected);
    }
}
