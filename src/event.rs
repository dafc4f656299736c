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
        /// Whether every lane takes it at once, because whoever ordered it wants so.
        takes_over: bool,
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

    /// Whether it counts for itself; another will replace what does not.
    fn is_lasting(&self) -> bool {
        !matches!(self, Self::Partial { .. } | Self::Progress(_))
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

/// Where events are published and read. Kind: *recent*, the newest [`EventHub::CAPACITY`], and behind those as many of the newest
/// that count for themselves: no crowd of partials and progress pushes a final out.
#[derive(Clone, Debug)]
pub struct EventHub {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    rings: Mutex<Rings>,
    last_id: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Rings {
    all: VecDeque<Arc<Record>>,
    lasting: VecDeque<Arc<Record>>,
}

impl Default for EventHub {
    fn default() -> Self {
        Self { shared: Arc::new(Shared { rings: Mutex::default(), last_id: watch::Sender::new(0) }) }
    }
}

impl EventHub {
    /// How many events are kept for those who come back.
    pub const CAPACITY: usize = 4096;

    /// Tells everyone.
    pub fn publish(&self, event: Event) {
        let mut rings = self.shared.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let id = rings.all.back().map_or(0, |last| last.id) + 1;
        let record = Arc::new(Record { v: WIRE_VERSION, id, event });
        let Rings { all, lasting } = &mut *rings;
        for ring in [Some(all), record.event.is_lasting().then_some(lasting)].into_iter().flatten() {
            if ring.len() == Self::CAPACITY {
                ring.pop_front();
            }
            ring.push_back(record.clone());
        }
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

    /// At most `limit` events after the one with the id `after`, and how many among them were already forgotten.
    pub fn read_after(&self, after: u64, limit: usize) -> (Vec<Arc<Record>>, u64) {
        let rings = self.shared.rings.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(first) = rings.all.front().map(|record| record.id) else { return (Vec::new(), 0) };
        let known = rings.lasting.partition_point(|record| record.id <= after);
        let older = rings.lasting.iter().skip(known).take_while(|record| record.id < first);
        let skip = (after + 1).saturating_sub(first) as usize;
        let records: Vec<_> = older.chain(rings.all.iter().skip(skip)).take(limit).cloned().collect();
        // Ids have no holes, so that what lies between and is not here was forgotten.
        let span = records.last().map_or(0, |last| last.id.saturating_sub(after));
        let missed = span - records.len() as u64;
        (records, missed)
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
    fn no_crowd_of_partials_pushes_a_final_out() {
        let hub = EventHub::default();
        let partial = || Event::Partial {
            stream: "main".parse().unwrap(),
            text: "a".into(),
            tokens: Vec::new(),
            heard_samples: 0,
        };
        hub.publish(failure(1));
        (0..EventHub::CAPACITY).for_each(|_| hub.publish(partial()));
        hub.publish(failure(2));
        (0..EventHub::CAPACITY - 1).for_each(|_| hub.publish(partial()));
        let (mut after, mut all_missed, mut failures) = (0, 0, Vec::new());
        while after < hub.last_id() {
            let (records, missed) = hub.read_after(after, 3);
            assert!(records.windows(2).all(|pair| pair[0].id < pair[1].id));
            after = records.last().unwrap().id;
            all_missed += missed;
            failures.extend(records.iter().filter(|record| record.event.is_lasting()).map(|record| record.id));
        }
        let second = EventHub::CAPACITY as u64 + 2;
        assert_eq!((failures, all_missed), (vec![1, second], EventHub::CAPACITY as u64));
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
