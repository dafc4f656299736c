//! The recogniser as a job: one for all lanes, fed by the pumps through one link, in order.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bevy::{
    ecs::message::Message,
    tasks::{AsyncComputeTaskPool, Task, TaskPool},
};

use super::{
    lanes::{LaneMessage, LaneMessageKind, LaneOutput, Lanes},
    pool::ComputePool,
    transcript::{Hypothesis, Transcript},
};
use crate::{
    Error, Result, Text,
    config::Config,
    event::{Event, EventHub},
    link::{Kind, Latest, LinkReceiver, LinkRegistry, LinkSender},
    models::ModelStore,
    session::records::{ModelRecord, RecognitionChange, RecognitionRecord},
    stream::{MAX_STREAMS, StreamKey},
    task::{Job, Next, Pool, TaskRegistry},
};

/// How often the recogniser looks for sound.
const TICK: Duration = Duration::from_millis(5);
/// A turn takes at most this long before commands and lanes are looked at again.
const TURN: Duration = Duration::from_millis(20);
/// Ten seconds of every lane, in blocks of 20 ms.
const SOUND_CAPACITY: usize = MAX_STREAMS * 500;

/// Something asked about models, from inside the ECS.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub enum ModelIntent {
    /// Recognise every lane with this model from now on.
    Use(Text),
    /// Look again at what models there are.
    Refresh,
}

/// How the recognition of one lane stands. Kind of its link: newest wins.
#[derive(Clone, Debug, Default)]
pub struct LaneReport {
    /// Whether the lane is being recognised.
    pub is_running: bool,
    /// The model's name.
    pub model: Option<Text>,
    /// What was heard.
    pub transcript: Arc<Transcript>,
}

/// The models there are. Kind of its link: newest wins.
#[derive(Clone, Debug, Default)]
pub struct ModelOffer {
    /// The names of all models.
    pub names: Vec<Text>,
    /// The model in use.
    pub in_use: Option<Text>,
    /// A better one that the trainer saved and nobody has taken yet.
    pub better: Option<Text>,
}

type Reports = Arc<Mutex<BTreeMap<StreamKey, Latest<LaneReport>>>>;

/// What the recogniser is steered and seen through.
#[derive(Clone)]
pub struct RecogniserHandle {
    sound: LinkSender<LaneMessage>,
    reports: Reports,
    offer: Latest<ModelOffer>,
    models: ModelStore,
    model: Arc<Mutex<Option<Arc<super::card::Model>>>>,
    events: EventHub,
    sample_rate_hz: u32,
    swaps_by_itself: bool,
}

impl RecogniserHandle {
    /// Where pumps send sound. Kind: all.
    pub fn sound(&self) -> LinkSender<LaneMessage> {
        self.sound.clone()
    }

    /// The models there are.
    pub fn offer(&self) -> &Latest<ModelOffer> {
        &self.offer
    }

    /// A new lane, with the model in use. Its report is published from now on.
    pub fn add_lane(&self, key: &StreamKey) -> Latest<LaneReport> {
        let report = Latest::new(LaneReport::default());
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone(), report.clone());
        let sample_rate_hz = self.sample_rate_hz;
        self.tell(key.clone(), LaneMessageKind::Opened { sample_rate_hz });
        if let Some(model) = self.model.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            self.tell(key.clone(), LaneMessageKind::Swap(model));
        }
        report
    }

    /// A lane is over: it has no report any more. Its pump tells the recogniser itself, after the last of its sound.
    pub fn remove_lane(&self, key: &StreamKey) {
        self.reports.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Does what is asked about models. Loading happens elsewhere; it is told by events.
    pub fn command(&self, intent: ModelIntent) -> Result<()> {
        match intent {
            ModelIntent::Refresh => self.refresh(|_| ()),
            ModelIntent::Use(name) => {
                self.check_known(&name)?;
                let this = self.clone();
                compute_pool()
                    .spawn(async move {
                        if let Err(error) = this.use_now(&name) {
                            this.events.publish(Event::Failure { owner: "models".into(), message: error.message });
                        }
                    })
                    .detach();
                Ok(())
            }
        }
    }

    /// Loads a model and swaps it in on every lane, here and now.
    pub fn use_now(&self, name: &str) -> Result<()> {
        let model = self.models.load(name)?;
        // Held while the lanes are told, so that a lane that joins meanwhile gets this model or is among those told.
        let mut current = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        *current = Some(model.clone());
        let lanes: Vec<_> = self.reports.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect();
        for lane in lanes {
            self.tell(lane, LaneMessageKind::Swap(model.clone()));
        }
        drop(current);
        self.refresh(|offer| {
            offer.in_use = Some(name.into());
            offer.better = offer.better.take().filter(|better| **better != *name);
        })
    }

    /// Loads a model and swaps it in on one lane, elsewhere; what fails is told by an event.
    ///
    /// # Errors
    /// When there is no model of that name; the message names those there are.
    pub fn use_on(&self, lane: &StreamKey, name: &str) -> Result<()> {
        self.check_known(name)?;
        let (this, lane, name) = (self.clone(), lane.clone(), name.to_owned());
        compute_pool()
            .spawn(async move {
                match this.models.load(&name) {
                    Ok(model) => this.tell(lane, LaneMessageKind::Swap(model)),
                    Err(error) => {
                        this.events.publish(Event::Failure { owner: "models".into(), message: error.message });
                    }
                }
            })
            .detach();
        Ok(())
    }

    /// Refuses a name that no model has, naming those there are.
    pub fn check_known(&self, name: &str) -> Result<()> {
        let names: Vec<_> = self.models.list().into_iter().map(|info| info.name).collect();
        if names.iter().any(|known| known == name) {
            return Ok(());
        }
        Err(Error::not_found(format!("there is no model \"{name}\"; there are: {}", names.join(", "))))
    }

    /// The trainer saved a model: it is offered, or taken at once if so configured or ordered.
    pub fn offer_better(&self, name: &str, takes_over: bool) {
        let done = match takes_over || self.swaps_by_itself {
            true => self.use_now(name),
            false => self.refresh(|offer| offer.better = Some(name.into())),
        };
        if let Err(error) = done {
            self.events.publish(Event::Failure { owner: "models".into(), message: error.message });
        }
    }

    fn refresh(&self, change: impl FnOnce(&mut ModelOffer)) -> Result<()> {
        let mut offer = (*self.offer.load()).clone();
        change(&mut offer);
        offer.names = self.models.list().into_iter().map(|info| info.name.into()).collect();
        self.offer.publish(offer);
        Ok(())
    }

    fn tell(&self, lane: StreamKey, kind: LaneMessageKind) {
        if self.sound.send(LaneMessage { lane, kind }).is_err() {
            let message = "the recogniser is too far behind to be told; try again".to_owned();
            self.events.publish(Event::Failure { owner: "recognise".into(), message });
        }
    }
}

/// Bevy's pool for short jobs, also where no app runs.
fn compute_pool() -> &'static AsyncComputeTaskPool {
    AsyncComputeTaskPool::get_or_init(TaskPool::default)
}

/// Starts the recogniser with the model that `config` names. Without that model the program runs, says so, and recognises
/// nothing until another is chosen.
pub fn spawn(
    config: &Config,
    models: ModelStore,
    events: EventHub,
    links: &LinkRegistry,
    tasks: &TaskRegistry,
) -> Result<(RecogniserHandle, Task<()>)> {
    let (sound, incoming) = links.bounded("sound to the recogniser", Kind::All, SOUND_CAPACITY);
    let handle = RecogniserHandle {
        sound,
        reports: Reports::default(),
        offer: Latest::new(ModelOffer::default()),
        models,
        model: Arc::default(),
        events: events.clone(),
        sample_rate_hz: config.stream.sample_rate_hz,
        swaps_by_itself: config.recognise.swaps_by_itself,
    };
    if let Err(error) = handle.use_now(&config.recognise.model) {
        events.publish(Event::Failure { owner: "models".into(), message: error.message });
        handle.refresh(|_| ())?;
    }
    let seen_event = events.last_id();
    let pool = ComputePool::new("recognise", 1)?;
    let service = Service { incoming, lanes: Lanes::default(), pool, handle: handle.clone(), seen_event };
    let task = tasks.spawn(Pool::Recognise, "recogniser", service);
    Ok((handle, task))
}

struct Service {
    incoming: LinkReceiver<LaneMessage>,
    lanes: Lanes,
    pool: ComputePool,
    handle: RecogniserHandle,
    seen_event: u64,
}

impl Service {
    /// Offers what the trainer saved. Loading is not done here, where lanes wait for their words.
    fn look_for_saved_models(&mut self) {
        if self.handle.events.last_id() == self.seen_event {
            return;
        }
        let (records, _missed) = self.handle.events.read_after(self.seen_event, usize::MAX);
        for record in records {
            self.seen_event = record.id;
            if let Event::ModelSaved { model, takes_over } = &record.event {
                let (handle, model, takes_over) = (self.handle.clone(), model.clone(), *takes_over);
                compute_pool().spawn(async move { handle.offer_better(&model, takes_over) }).detach();
            }
        }
    }

    fn accept(&mut self, message: LaneMessage) {
        let lane = message.lane.clone();
        let change = change_of(&message.kind);
        let is_switch = change.is_some();
        let mut said = Vec::new();
        let result = self.pool.install(|| self.lanes.accept(message, &mut said));
        if let Err(error) = result {
            let owner = lane.as_str().into();
            self.handle.events.publish(Event::Failure { owner, message: error.message });
        }
        let (is_running, model) = self.stand(&lane);
        let heard_samples = self.lanes.heard_samples(&lane);
        if let Some(change) = change {
            let weights = self.lanes.model(&lane).map(|model| ModelRecord {
                name: model.card().name.as_str().into(),
                weights_blake3: model.card().weights_blake3.as_str().into(),
            });
            let heard = RecognitionRecord { heard_samples, change, is_running, model: weights };
            let (stream, model) = (lane.clone(), model.clone());
            self.handle.events.publish(Event::Recognition { stream, is_running, model, heard });
        }
        if !is_switch && said.is_empty() {
            return;
        }
        let transcript = Arc::new(self.lanes.transcript(&lane).cloned().unwrap_or_default());
        if let Some(report) = self.handle.reports.lock().unwrap_or_else(PoisonError::into_inner).get(&lane) {
            report.publish(LaneReport { is_running, model, transcript });
        }
        for output in said {
            self.handle.events.publish(match output {
                LaneOutput::Partial { lane, hypothesis: Hypothesis { text, tokens } } => {
                    Event::Partial { stream: lane, text, tokens, heard_samples }
                }
                LaneOutput::Final { lane, segment } => Event::Final { stream: lane, segment, heard_samples },
            });
        }
    }

    fn stand(&self, lane: &StreamKey) -> (bool, Option<Text>) {
        let model = self.lanes.model(lane).map(|model| Text::from(model.card().name.as_str()));
        (self.lanes.is_running(lane), model)
    }
}

/// What a message does to recognition, other than to be heard.
fn change_of(kind: &LaneMessageKind) -> Option<RecognitionChange> {
    Some(match kind {
        LaneMessageKind::Sound { .. } => return None,
        LaneMessageKind::Opened { .. } | LaneMessageKind::Closed => RecognitionChange::Reset,
        LaneMessageKind::Start { at_sample } => RecognitionChange::Started { at_sample: *at_sample },
        LaneMessageKind::Stop => RecognitionChange::Stopped,
        LaneMessageKind::Flush => RecognitionChange::Flushed,
        LaneMessageKind::Swap(_) => RecognitionChange::Swapped,
    })
}

impl Job for Service {
    fn tick(&mut self, now: Instant) -> Next {
        self.look_for_saved_models();
        while let Some(message) = self.incoming.try_recv() {
            self.accept(message);
            if now.elapsed() > TURN {
                return Next::Now;
            }
        }
        Next::Sleep(TICK)
    }

    fn recover(&mut self, _now: Instant, failure: Error) {
        // The message at fault is gone; the lanes go on with the next one.
        self.handle.events.publish(Event::Failure { owner: "recognise".into(), message: failure.message });
    }
}
