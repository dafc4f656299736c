//! Everything that works while no frame is drawn: the streams, the recogniser, the trainer, the models, the events. The ECS mirrors
//! it, HTTP steers it; both go through the same commands.

use std::{
    sync::{
        Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use bevy::{ecs::resource::Resource, tasks::Task};

use crate::{
    Error, Result,
    config::Config,
    event::{Event, EventHub, LaneChange},
    link::{Kind, Latest, LinkReceiver, LinkRegistry, LinkSender},
    models::ModelStore,
    monitor::{Monitor, MonitorSlot},
    recognise::service::{self, LaneReport, ModelIntent, RecogniserHandle},
    session::{
        RecorderHandle, SessionIntent,
        replay::{self, ReplayHandle},
    },
    source::{SourceSpec, whip::Whip},
    status::{FrameStatus, Status, StreamStatus, TrainingStatus},
    stream::{
        Listeners, MAX_STREAMS, PumpReport, StreamBatch, StreamCommand, StreamKey, StreamSettings, checked_name,
        pump_name, spawn_pump,
    },
    task::TaskRegistry,
    train::{
        teach::handle::Teacher,
        trainer::{self, TrainerHandle},
    },
};

mod learning;

/// How many commands a stream's owner may have waiting.
const COMMANDS: usize = 64;
/// How many new streams may wait for the ECS: while the window is blocked, lanes may come and go.
const ARRIVALS: usize = 4 * MAX_STREAMS;

/// A new stream, on its way to becoming an entity.
#[derive(Debug)]
pub struct Arrival {
    /// Its name.
    pub key: StreamKey,
    /// The pump. Dropping it ends the stream.
    pub task: Task<()>,
    /// Its place among the lanes. Dropping it gives the place up.
    pub place: LanePlace,
    /// Columns and sound for the screen.
    pub batches: LinkReceiver<StreamBatch>,
    /// How the pump stands.
    pub pump: Latest<PumpReport>,
    /// How its recognition stands.
    pub lane: Latest<LaneReport>,
}

/// What a stream is steered and seen through from outside the ECS.
#[derive(Clone, Debug)]
struct Lane {
    id: u64,
    key: StreamKey,
    commands: LinkSender<StreamCommand>,
    pump: Latest<PumpReport>,
    lane: Latest<LaneReport>,
}

/// A stream's place among the lanes, held by whoever holds its pump. Dropping it gives the place up.
#[derive(Debug)]
pub struct LanePlace {
    id: u64,
    shared: Weak<Shared>,
}

impl LanePlace {
    /// Its place from the top, counted from 0; none once the stream was removed.
    pub fn order(&self) -> Option<usize> {
        let shared = self.shared.upgrade()?;
        let lanes = shared.lanes.read().unwrap_or_else(PoisonError::into_inner);
        lanes.iter().position(|lane| lane.id == self.id)
    }
}

impl Drop for LanePlace {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            let mut lanes = shared.lanes.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = lanes.iter().position(|lane| lane.id == self.id) {
                let key = lanes.remove(at).key;
                shared.recogniser.remove_lane(&key);
                shared.recorder.remove_lane(key);
            }
        }
    }
}

/// Everything that works while no frame is drawn. Cheap to clone.
#[derive(Resource, Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    started: Instant,
    config: Config,
    events: EventHub,
    links: LinkRegistry,
    tasks: TaskRegistry,
    models: ModelStore,
    recogniser: RecogniserHandle,
    trainer: TrainerHandle,
    teacher: Teacher,
    replay: ReplayHandle,
    recorder: RecorderHandle,
    /// In their order on the screen.
    lanes: RwLock<Vec<Lane>>,
    next_lane: AtomicU64,
    arrivals: LinkSender<Arrival>,
    frames: Latest<FrameStatus>,
    whip: Whip,
    /// The loudspeaker's link, for one stream at a time.
    monitor: MonitorSlot,
}

impl Engine {
    /// Starts the recogniser and the trainer; their tasks and the streams to come are handed to the ECS through what comes
    /// back. Lanes are opened with [`Engine::add_stream`].
    pub fn start(config: Config, models: ModelStore, now: Instant) -> Result<(Self, EngineTasks)> {
        let (events, links, tasks) = (EventHub::default(), LinkRegistry::default(), TaskRegistry::default());
        let (recogniser, recognise_task) = service::spawn(&config, models.clone(), events.clone(), &links, &tasks)?;
        let (trainer, train_task) = trainer::spawn(&config, models.clone(), events.clone(), &links, &tasks)?;
        let (replay, replay_task) = replay::start(&config, events.clone(), &links, &tasks)?;
        let recorder = crate::session::spawn(&config, events.clone(), &links, &tasks)?;
        let (arrivals, arrived) = links.bounded("new streams", Kind::All, ARRIVALS);
        let (monitor, monitor_input) = Monitor::open(config.stream.sample_rate_hz, config.monitor.volume_db)?;
        let shared = Shared {
            whip: Whip::new(links.clone()),
            monitor: MonitorSlot::new(monitor_input),
            started: now,
            config,
            events,
            links,
            tasks,
            models,
            recogniser,
            trainer,
            teacher: Teacher::default(),
            replay,
            recorder,
            lanes: RwLock::default(),
            next_lane: AtomicU64::new(1),
            arrivals,
            frames: Latest::new(FrameStatus::default()),
        };
        Ok((
            Self { shared: Arc::new(shared) },
            EngineTasks { arrived, recognise_task, train_task, replay_task, monitor },
        ))
    }

    /// The settings the program started with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// When the program started.
    pub fn started(&self) -> Instant {
        self.shared.started
    }

    /// What happens.
    pub fn events(&self) -> &EventHub {
        &self.shared.events
    }

    /// The models there are.
    pub fn models(&self) -> &ModelStore {
        &self.shared.models
    }

    /// The jobs there are.
    pub fn tasks(&self) -> &TaskRegistry {
        &self.shared.tasks
    }

    /// The links there are.
    pub fn links(&self) -> &LinkRegistry {
        &self.shared.links
    }

    /// The recogniser.
    pub fn recogniser(&self) -> &RecogniserHandle {
        &self.shared.recogniser
    }

    /// The replay of recorded sessions.
    pub fn replay(&self) -> &ReplayHandle {
        &self.shared.replay
    }

    /// The recorder.
    pub fn recorder(&self) -> &RecorderHandle {
        &self.shared.recorder
    }

    /// Asks something of the recorder.
    pub fn command_session(&self, intent: SessionIntent) -> Result<()> {
        if let SessionIntent::Start { lanes } = &intent {
            lanes.iter().try_for_each(|key| position(&self.lanes(), key).map(drop))?;
        }
        self.shared.recorder.command(intent)
    }

    /// The pages that publish sound.
    pub fn whip(&self) -> &Whip {
        &self.shared.whip
    }

    /// What fills a stream, if there is one of that key.
    pub fn source_of(&self, key: &StreamKey) -> Option<SourceSpec> {
        self.lanes().iter().find(|lane| lane.key == *key).map(|lane| lane.pump.load().source.clone())
    }

    /// Where the drawing publishes its figures.
    pub fn frames(&self) -> &Latest<FrameStatus> {
        &self.shared.frames
    }

    /// Adds a stream at the end of the lanes, closed and unrecognised. It becomes an entity when the ECS next looks; it works
    /// before that.
    ///
    /// # Errors
    /// Busy when there is one of that key, when one of that key is just ending, or when there are [`MAX_STREAMS`].
    pub fn add_stream(&self, key: StreamKey, source: SourceSpec, gain_db: f32) -> Result<()> {
        let shared = &self.shared;
        let mut lanes = self.lanes_mut();
        if lanes.iter().any(|lane| lane.key == key) {
            return Err(Error::busy(format!("there is a stream \"{key}\" already")));
        }
        if lanes.len() == MAX_STREAMS {
            return Err(Error::busy(format!("there are {MAX_STREAMS} streams, which is all there can be: remove one")));
        }
        if shared.tasks.find(&pump_name(&key)).is_some() {
            return Err(Error::busy(format!("the stream \"{key}\" is just being removed: try again in a moment")));
        }
        let (commands, orders) = shared.links.bounded(format!("{key}: commands"), Kind::All, COMMANDS);
        let lane = shared.recogniser.add_lane(&key);
        let settings = StreamSettings::new(&shared.config, key.clone(), source, gain_db, shared.started);
        let (task, batches, pump) = spawn_pump(
            settings,
            orders,
            Listeners {
                recogniser: shared.recogniser.sound(),
                recorder: &shared.recorder,
                monitor: shared.monitor.take(),
            },
            shared.events.clone(),
            &shared.links,
            &shared.tasks,
            shared.whip.clone(),
        )?;
        let id = shared.next_lane.fetch_add(1, Relaxed);
        let place = LanePlace { id, shared: Arc::downgrade(shared) };
        let arrival = Arrival { key: key.clone(), task, place, batches, pump: pump.clone(), lane: lane.clone() };
        lanes.push(Lane { id, key: key.clone(), commands, pump, lane });
        drop(lanes);
        shared.arrivals.send(arrival).map_err(|arrival| {
            let key = arrival.key;
            Error::busy(format!("the stream \"{key}\" cannot be shown: too many new streams at once"))
        })?;
        shared.events.publish(Event::Lane { stream: key, change: LaneChange::Added });
        Ok(())
    }

    /// Ends a stream: its lane, its history and its transcript go. The key is free again a moment later.
    pub fn remove_stream(&self, key: &StreamKey) -> Result<()> {
        let mut lanes = self.lanes_mut();
        let at = position(&lanes, key)?;
        let lane = lanes.remove(at);
        self.shared.recogniser.remove_lane(key);
        self.shared.recorder.remove_lane(key.clone());
        drop(lanes);
        self.shared.whip.forget(key);
        // A pump that has too much to do to be told ends with its entity.
        let _ = lane.commands.send(StreamCommand::Remove);
        self.shared.events.publish(Event::Lane { stream: key.clone(), change: LaneChange::Removed });
        Ok(())
    }

    /// Shows a lane at place `to` from the top, counted from 0; the last one if there are fewer.
    pub fn move_stream(&self, key: &StreamKey, to: usize) -> Result<()> {
        let mut lanes = self.lanes_mut();
        let at = position(&lanes, key)?;
        let to = to.min(lanes.len() - 1);
        let lane = lanes.remove(at);
        lanes.insert(to, lane);
        drop(lanes);
        self.shared.events.publish(Event::Lane { stream: key.clone(), change: LaneChange::Moved(to) });
        Ok(())
    }

    /// Whether there is a stream of that key.
    pub fn has_stream(&self, key: &StreamKey) -> bool {
        position(&self.lanes(), key).is_ok()
    }

    /// Asks something of a stream.
    pub fn command_stream(&self, key: &StreamKey, command: StreamCommand) -> Result<()> {
        let command = match command {
            StreamCommand::Remove => return self.remove_stream(key),
            StreamCommand::MoveTo(to) => return self.move_stream(key, to),
            StreamCommand::SetName(name) => {
                StreamCommand::SetName(checked_name(&name)?.unwrap_or_else(|| key.as_str().into()))
            }
            command => command,
        };
        let lanes = self.lanes();
        let lane = &lanes[position(&lanes, key)?];
        lane.commands
            .send(command)
            .map_err(|_| Error::busy(format!("the stream \"{key}\" has too many commands waiting")))
    }

    fn lanes(&self) -> RwLockReadGuard<'_, Vec<Lane>> {
        self.shared.lanes.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn lanes_mut(&self) -> RwLockWriteGuard<'_, Vec<Lane>> {
        self.shared.lanes.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks something about models.
    pub fn command_models(&self, intent: ModelIntent) -> Result<()> {
        self.shared.recogniser.command(intent)
    }

    /// How everything stands.
    pub fn status(&self, now: Instant) -> Status {
        let shared = &self.shared;
        let uptime_secs = now.saturating_duration_since(shared.started).as_secs_f64();
        let of = |(i, lane): (usize, &Lane)| {
            StreamStatus::of(&lane.key, &lane.pump.load(), &lane.lane.load(), i, uptime_secs)
        };
        let streams: Vec<_> = self.lanes().iter().enumerate().map(of).collect();
        let progress = shared.trainer.progress();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_secs,
            is_training: progress.phase.is_active(),
            realtime_running: streams.iter().any(StreamStatus::is_running),
            streams,
            training: TrainingStatus::of(&progress),
            recording: shared.recorder.report().load().at(now),
            frames: *shared.frames.load(),
            tasks: shared.tasks.status(),
            links: shared.links.status(),
        }
    }
}

/// What the ECS holds for the engine: dropping a task cancels it.
pub struct EngineTasks {
    /// Streams that are to become entities.
    pub arrived: LinkReceiver<Arrival>,
    /// The recogniser.
    pub recognise_task: Task<()>,
    /// The trainer.
    pub train_task: Task<()>,
    /// The replay.
    pub replay_task: Task<()>,
    /// What hears the first stream.
    pub monitor: Monitor,
}

fn position(lanes: &[Lane], key: &StreamKey) -> Result<usize> {
    lanes.iter().position(|lane| lane.key == *key).ok_or_else(|| {
        let known: Vec<_> = lanes.iter().map(|lane| lane.key.as_str()).collect();
        Error::not_found(format!("there is no stream \"{key}\"; there are: {}", known.join(", ")))
    })
}
