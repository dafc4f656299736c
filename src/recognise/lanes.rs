//! The recogniser of all lanes, as plain logic: messages in, hypotheses out. Its task only moves them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::card::Model;
use super::online::{Online, OnlineEvent};
use super::transcript::{Hypothesis, Segment, Transcript};
use crate::stream::StreamKey;
use crate::{Error, Result};

/// Something that happened to a lane. The messages of a lane must come in the order in which it happened.
#[derive(Clone, Debug)]
pub struct LaneMessage {
    /// Which lane.
    pub lane: StreamKey,
    /// What happened.
    pub kind: LaneMessageKind,
}

/// What happened to a lane.
#[derive(Clone, Debug)]
pub enum LaneMessageKind {
    /// It is new, or its clock has begun again: stopped, nothing heard, with the default model.
    Opened {
        /// Its rate.
        sample_rate_hz: u32,
    },
    /// It was heard.
    Sound {
        /// The index of the first sample on the stream's clock.
        first_sample: u64,
        /// The samples.
        samples: Arc<[i16]>,
    },
    /// Recognition begins.
    Start {
        /// With this sample: one just heard, the next, or a later one.
        at_sample: u64,
    },
    /// Recognition ends.
    Stop,
    /// Its sound is over for now: what was spoken becomes final, and recognition stays on.
    Flush,
    /// It is recognised with another model from here on.
    Swap(Arc<Model>),
    /// It is gone, and its transcript with it.
    Closed,
}

/// What a lane has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum LaneOutput {
    /// What is being said has changed.
    Partial {
        /// Which lane.
        lane: StreamKey,
        /// The tokens since its last endpoint.
        hypothesis: Hypothesis,
    },
    /// A segment is final.
    Final {
        /// Which lane.
        lane: StreamKey,
        /// The segment.
        segment: Segment,
    },
}

impl LaneOutput {
    fn new(lane: StreamKey, event: OnlineEvent) -> Self {
        match event {
            OnlineEvent::Partial(hypothesis) => Self::Partial { lane, hypothesis },
            OnlineEvent::Final(segment) => Self::Final { lane, segment },
        }
    }
}

/// The recognisers of all lanes.
#[derive(Default)]
pub struct Lanes {
    model: Option<Arc<Model>>,
    lanes: BTreeMap<StreamKey, Online>,
}

impl Lanes {
    /// No lanes yet; those to come begin with `model`. Without one they are only kept ready for a swap.
    pub fn new(model: Option<Arc<Model>>) -> Self {
        Self { model, lanes: BTreeMap::new() }
    }

    /// The model with which lanes begin.
    pub fn default_model(&self) -> Option<&Arc<Model>> {
        self.model.as_ref()
    }

    /// Lets lanes to come begin with `model`.
    pub fn set_default_model(&mut self, model: Arc<Model>) {
        self.model = Some(model);
    }

    /// Takes a message and appends what the lane says to it to `out`.
    ///
    /// On an error (a lane that was not opened, a model whose features cannot be made) what was recognised before is
    /// appended all the same, and the other lanes are as they were.
    pub fn accept(&mut self, message: LaneMessage, out: &mut Vec<LaneOutput>) -> Result<()> {
        let LaneMessage { lane, kind } = message;
        let mut events = Vec::new();
        let done = self.handle(&lane, kind, &mut events);
        out.extend(events.into_iter().map(|event| LaneOutput::new(lane.clone(), event)));
        done.map_err(|e| Error::new(e.kind, format!("lane {lane}: {}", e.message)))
    }

    fn handle(&mut self, lane: &StreamKey, kind: LaneMessageKind, events: &mut Vec<OnlineEvent>) -> Result<()> {
        match kind {
            LaneMessageKind::Opened { sample_rate_hz } => {
                let mut online = Online::new(sample_rate_hz)?;
                let done = self.model.clone().map_or(Ok(()), |model| online.swap(model, events));
                self.lanes.insert(lane.clone(), online);
                done
            }
            LaneMessageKind::Sound { first_sample, samples } => self.lane(lane)?.accept(first_sample, &samples, events),
            LaneMessageKind::Start { at_sample } => self.lane(lane)?.start(at_sample, events),
            LaneMessageKind::Stop => self.lane(lane)?.stop(events),
            LaneMessageKind::Flush => self.lane(lane)?.flush(events),
            LaneMessageKind::Swap(model) => self.lane(lane)?.swap(model, events),
            LaneMessageKind::Closed => {
                let done = self.lane(lane)?.stop(events);
                self.lanes.remove(lane);
                done
            }
        }
    }

    fn lane(&mut self, lane: &StreamKey) -> Result<&mut Online> {
        self.lanes.get_mut(lane).ok_or_else(|| Error::not_found("it was not opened"))
    }

    /// What a lane has heard.
    pub fn transcript(&self, lane: &StreamKey) -> Option<&Transcript> {
        self.lanes.get(lane).map(Online::transcript)
    }

    /// Behind the newest sample that a lane has heard; 0 for one that is not open.
    pub fn heard_samples(&self, lane: &StreamKey) -> u64 {
        self.lanes.get(lane).map_or(0, Online::heard_samples)
    }

    /// Whether a lane is being recognised; false for one that is not open.
    pub fn is_running(&self, lane: &StreamKey) -> bool {
        self.lanes.get(lane).is_some_and(Online::is_running)
    }

    /// The model of a lane.
    pub fn model(&self, lane: &StreamKey) -> Option<&Arc<Model>> {
        self.lanes.get(lane)?.model()
    }
}

#[cfg(test)]
mod tests {
    use super::super::online::tests::{lively_model, sound};
    use super::*;

    fn key(name: &str) -> StreamKey {
        name.parse().unwrap()
    }

    #[test]
    fn lanes_do_not_hear_each_other() {
        let model = Arc::new(lively_model());
        let mut lanes = Lanes::new(Some(model.clone()));
        let mut out = Vec::new();
        let mut send = |lanes: &mut Lanes, lane: &str, kind| {
            lanes.accept(LaneMessage { lane: key(lane), kind }, &mut out).unwrap();
        };
        let sound: Arc<[i16]> = sound(8.0).into();
        for lane in ["a", "b", "c"] {
            send(&mut lanes, lane, LaneMessageKind::Opened { sample_rate_hz: 8_000 });
        }
        send(&mut lanes, "a", LaneMessageKind::Start { at_sample: 0 });
        send(&mut lanes, "b", LaneMessageKind::Start { at_sample: 0 });
        for (i, block) in sound.chunks(800).enumerate() {
            for lane in ["a", "b", "c"] {
                let samples = if lane == "b" { vec![0; block.len()].into() } else { block.into() };
                send(&mut lanes, lane, LaneMessageKind::Sound { first_sample: i as u64 * 800, samples });
            }
        }
        for lane in ["a", "b"] {
            send(&mut lanes, lane, LaneMessageKind::Stop);
        }
        let finals = |name: &str| {
            let of_lane = |o: &&LaneOutput| matches!(o, LaneOutput::Final { lane, .. } if *lane == key(name));
            out.iter().filter(of_lane).count()
        };
        assert!(finals("a") > 0);
        assert_eq!(finals("c"), 0, "it was not started");
        assert_ne!(lanes.transcript(&key("a")), lanes.transcript(&key("b")));
        assert_eq!(finals("a"), lanes.transcript(&key("a")).unwrap().segments().len());
    }

    #[test]
    fn messages_to_a_lane_that_is_not_open_are_refused() {
        let mut lanes = Lanes::default();
        let message = LaneMessage { lane: key("left"), kind: LaneMessageKind::Stop };
        let error = lanes.accept(message, &mut Vec::new()).unwrap_err();
        assert_eq!(error.message, "lane left: it was not opened");
        let kind = LaneMessageKind::Opened { sample_rate_hz: 0 };
        let error = lanes.accept(LaneMessage { lane: key("left"), kind }, &mut Vec::new()).unwrap_err();
        assert!(error.message.contains("a stream of 0 Hz"), "{error}");
    }
}
