//! Everything that works while no frame is drawn: the streams, the recogniser, the trainer, the models, the events. The ECS mirrors
//! it, HTTP steers it; both go through the same commands.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Instant,
};

use bevy::{ecs::resource::Resource, tasks::Task};

use crate::{
    Error, Result, Text,
    config::Config,
    event::EventHub,
    link::{Kind, Latest, LinkReceiver, LinkRegistry, LinkSender},
    models::ModelStore,
    monitor::{Monitor, MonitorInput},
    recognise::service::{LaneReport, ModelIntent, RecogniserHandle},
    source::SourceSpec,
    status::{FrameStatus, Status, StreamStatus, TrainingStatus},
    stream::{MAX_STREAMS, PumpReport, StreamBatch, StreamCommand, StreamKey, StreamSettings, spawn_pump},
    task::TaskRegistry,
    train::{
        progress::{Phase, Progress},
        trainer::{TrainSpec, TrainerHandle, TrainingIntent},
    },
};

/// How many commands a stream's owner may have waiting.
const COMMANDS: usize = 64;

/// A new stream, on its way to becoming an entity.
#[derive(Debug)]
pub struct Arrival {
    /// Its name.
    pub key: StreamKey,
    /// The pump. Dropping it ends the stream.
    pub task: Task<()>,
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
    commands: LinkSender<StreamCommand>,
    pump: Latest<PumpReport>,
    lane: Latest<LaneReport>,
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
    lanes: RwLock<BTreeMap<StreamKey, Lane>>,
    arrivals: LinkSender<Arrival>,
    frames: Latest<FrameStatus>,
    /// The loudspeaker's link, until the first stream takes it.
    monitor: Mutex<Option<MonitorInput>>,
}

impl Engine {
    /// Starts the recogniser and the trainer; their tasks and the streams to come are handed to the ECS through what comes
    /// back. Lanes are opened with [`Engine::add_stream`].
    pub fn start(config: Config, models: ModelStore, now: Instant) -> Result<(Self, EngineTasks)> {
        let (events, links, tasks) = (EventHub::default(), LinkRegistry::default(), TaskRegistry::default());
        let (recogniser, recognise_task) =
            crate::recognise::service::spawn(&config, models.clone(), events.clone(), &links, &tasks)?;
        let (trainer, train_task) =
            crate::train::trainer::spawn(&config, models.clone(), events.clone(), &links, &tasks)?;
        let (arrivals, arrived) = links.bounded("new streams", Kind::All, MAX_STREAMS);
        let (monitor, monitor_input) = Monitor::open(config.stream.sample_rate_hz, config.monitor.volume_db)?;
        let shared = Shared {
            monitor: Mutex::new(Some(monitor_input)),
            started: now,
            config,
            events,
            links,
            tasks,
            models,
            recogniser,
            trainer,
            lanes: RwLock::default(),
            arrivals,
            frames: Latest::new(FrameStatus::default()),
        };
        Ok((Self { shared: Arc::new(shared) }, EngineTasks { arrived, recognise_task, train_task, monitor }))
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

    /// The trainer.
    pub fn trainer(&self) -> &TrainerHandle {
        &self.shared.trainer
    }

    /// Where the drawing publishes its figures.
    pub fn frames(&self) -> &Latest<FrameStatus> {
        &self.shared.frames
    }

    /// Adds a stream, closed and unrecognised. It becomes an entity when the ECS next looks; it works before that.
    pub fn add_stream(&self, key: StreamKey, source: SourceSpec, gain_db: f32) -> Result<()> {
        let mut lanes = self.shared.lanes.write().unwrap_or_else(PoisonError::into_inner);
        if lanes.contains_key(&key) {
            return Err(Error::busy(format!("there is a stream \"{key}\" already")));
        }
        if lanes.len() == MAX_STREAMS {
            return Err(Error::busy(format!("there are {MAX_STREAMS} streams, which is all there can be: remove one")));
        }
        let shared = &self.shared;
        let (commands, orders) = shared.links.bounded(format!("{key}: commands"), Kind::All, COMMANDS);
        let lane = shared.recogniser.add_lane(&key);
        let settings = StreamSettings::new(&shared.config, key.clone(), source, gain_db, shared.started);
        let (task, batches, pump) = spawn_pump(
            settings,
            orders,
            shared.recogniser.sound(),
            shared.events.clone(),
            shared.monitor.lock().unwrap_or_else(PoisonError::into_inner).take(),
            &shared.links,
            &shared.tasks,
        )?;
        lanes.insert(key.clone(), Lane { commands, pump: pump.clone(), lane: lane.clone() });
        let arrival = Arrival { key, task, batches, pump, lane };
        shared.arrivals.send(arrival).map_err(|arrival| {
            lanes.remove(&arrival.key);
            Error::busy(format!("the stream \"{}\" cannot be shown: too many new streams at once", arrival.key))
        })
    }

    /// Asks something of a stream.
    pub fn command_stream(&self, key: &StreamKey, command: StreamCommand) -> Result<()> {
        let lanes = self.shared.lanes.read().unwrap_or_else(PoisonError::into_inner);
        let Some(lane) = lanes.get(key) else {
            let known: Vec<_> = lanes.keys().map(StreamKey::as_str).collect();
            return Err(Error::not_found(format!("there is no stream \"{key}\"; there are: {}", known.join(", "))));
        };
        lane.commands
            .send(command)
            .map_err(|_| Error::busy(format!("the stream \"{key}\" has too many commands waiting")))
    }

    /// Asks something of the trainer.
    pub fn command_training(&self, intent: TrainingIntent) -> Result<()> {
        let trainer = &self.shared.trainer;
        match intent {
            TrainingIntent::Start(spec) => self.start_training(spec).map(|_run| ()),
            TrainingIntent::Pause => trainer.pause(),
            TrainingIntent::Resume => trainer.resume(),
            TrainingIntent::Stop => trainer.stop(),
            TrainingIntent::Throttle(throttle) => trainer.throttle(throttle).map(drop),
        }
    }

    /// Starts a training run and says its name.
    pub fn start_training(&self, spec: TrainSpec) -> Result<Text> {
        self.shared.trainer.start(spec)
    }

    /// Asks something about models.
    pub fn command_models(&self, intent: ModelIntent) -> Result<()> {
        self.shared.recogniser.command(intent)
    }

    /// How everything stands.
    pub fn status(&self, now: Instant) -> Status {
        let shared = &self.shared;
        let uptime_secs = now.saturating_duration_since(shared.started).as_secs_f64();
        let streams: Vec<_> = {
            let lanes = shared.lanes.read().unwrap_or_else(PoisonError::into_inner);
            lanes
                .iter()
                .map(|(key, lane)| stream_status(key, &lane.pump.load(), &lane.lane.load(), uptime_secs))
                .collect()
        };
        let progress = shared.trainer.progress();
        Status {
            version: env!("CARGO_PKG_VERSION"),
            uptime_secs,
            is_training: progress.phase.is_active(),
            realtime_running: streams.iter().any(StreamStatus::is_running),
            streams,
            training: training_status(&progress),
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
    /// What hears the first stream.
    pub monitor: Monitor,
}

impl StreamStatus {
    /// Whether sound arrives and is being recognised.
    pub fn is_running(&self) -> bool {
        self.is_recognised && self.connection == crate::stream::ConnectionState::Connected
    }
}

fn stream_status(key: &StreamKey, pump: &PumpReport, lane: &LaneReport, uptime_secs: f64) -> StreamStatus {
    StreamStatus {
        key: key.clone(),
        source: pump.source.to_string(),
        connection: pump.connection.state(),
        history: pump.connection.history().to_vec(),
        sample_rate_hz: pump.sample_rate_hz,
        samples_in: pump.stats.samples_in,
        samples_lost: pump.stats.samples_lost,
        xruns: pump.stats.xruns,
        gaps: pump.gaps.to_vec(),
        columns: pump.stats.columns,
        level_dbfs: pump.level.rms_dbfs,
        connected_secs: pump.connection.connected_secs(uptime_secs),
        source_latency_millis: pump.source_latency.map(|latency| latency.as_secs_f64() * 1e3),
        is_recognised: lane.is_running,
        is_silent: pump.is_silent,
        model: lane.model.clone(),
        partial: lane.transcript.partial_text(),
        tokens: lane.transcript.tokens(),
    }
}

fn training_status(progress: &Progress) -> Option<TrainingStatus> {
    if progress.phase == Phase::Idle {
        return None;
    }
    Some(TrainingStatus {
        run: progress.run.clone(),
        phase: progress.phase,
        epoch: progress.epoch,
        epochs: progress.epochs,
        step: progress.step,
        steps: progress.steps,
        loss: progress.loss,
        learning_rate: progress.learning_rate,
        examples_per_sec: progress.examples_per_sec,
        eta_secs: progress.eta_secs,
        updates: progress.updates,
        longest_pause_secs: progress.longest_pause_secs,
        throttle: progress.throttle,
    })
}
