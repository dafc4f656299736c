//! The stream as an entity: its components, the systems that keep them fresh, and the read-only view for everyone else.

use std::time::Instant;

use bevy::{ecs::query::QueryData, prelude::*, tasks::Task};

use super::{
    Connection, Gap, PumpReport, StreamIntent, StreamKey, StreamStats, analysis::StreamBatch, history::ColumnHistory,
    peaks::SoundHistory,
};
use crate::{
    Error, Text,
    engine::{Arrival, Engine, EngineTasks, LanePlace},
    event::Event,
    link::{Latest, LinkReceiver},
    recognise::service::LaneReport,
    source::SourceSpec,
};

/// Where links are drained into components, in `PreUpdate`.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceiveSystems;

/// Where intents are forwarded to their owners, in `Update`.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IntentSystems;

/// A stream. Spawned once; it outlives everything that happens to it.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Its name.
    pub key: StreamKey,
    /// Its rate, Hz.
    pub sample_rate_hz: u32,
}

/// What fills a stream.
#[derive(Component, Clone, Debug, PartialEq)]
pub struct StreamSource(pub SourceSpec);

/// The running pump and its place among the lanes. Dropping it ends the stream.
#[derive(Component, Debug)]
pub struct PumpTask {
    _task: Task<()>,
    place: LanePlace,
}

/// How the lane of a stream looks.
#[derive(Component, Clone, Debug, PartialEq, Eq)]
pub struct LaneInfo {
    /// What it is called.
    pub name: Text,
    /// Its place from the top, counted from 0.
    pub order: usize,
    /// Whether what arrives is kept from everybody.
    pub is_muted: bool,
}

/// The columns of a stream, as far back as they are kept.
#[derive(Component, Debug)]
pub struct Spectrogram {
    history: ColumnHistory,
    hop: usize,
    fft_size: usize,
    joined: u64,
    newest_captured: Option<Instant>,
}

impl Spectrogram {
    /// Columns that are not those of a pump. One of `history` stands for `joined` of the stream.
    pub(crate) fn of(history: ColumnHistory, hop: usize, fft_size: usize, joined: u64) -> Self {
        Self { history, hop, fft_size, joined: joined.max(1), newest_captured: None }
    }

    /// Columns of the stream that one column of the history stands for: 1, but for a session that is seen from afar.
    pub fn joined(&self) -> u64 {
        self.joined
    }

    /// The columns with their pyramid.
    pub fn history(&self) -> &ColumnHistory {
        &self.history
    }

    /// Samples from one column's start to the next.
    pub fn hop(&self) -> usize {
        self.hop
    }

    /// Samples under one column.
    pub fn fft_size(&self) -> usize {
        self.fft_size
    }

    /// When the newest sample under the newest column was captured.
    pub fn newest_captured(&self) -> Option<Instant> {
        self.newest_captured
    }
}

/// The samples of a stream, as far back as they are kept.
#[derive(Component, Debug)]
pub struct Waveform {
    history: SoundHistory,
    joined: u64,
}

impl Waveform {
    /// Samples that are not those of a pump. One of `history` stands for `joined` of the stream; where that is more than one, least
    /// and greatest take turns.
    pub(crate) fn of(history: SoundHistory, joined: u64) -> Self {
        Self { history, joined: joined.max(1) }
    }

    /// Samples of the stream that one of the history stands for: 1, but for a session that is seen from afar.
    pub fn joined(&self) -> u64 {
        self.joined
    }

    /// The samples with their pyramid of minima and maxima.
    pub fn history(&self) -> &SoundHistory {
        &self.history
    }
}

/// The level of a stream.
#[derive(Component, Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Of the last 100 ms.
    pub dbfs: crate::dsp::level::Level,
    /// Three seconds of exact zeros: probably muted.
    pub is_silent: bool,
    /// Gain before everything else, dB.
    pub gain_db: f32,
}

/// Where sound is missing, the newest gaps in order.
#[derive(Component, Clone, Debug, Default, PartialEq)]
pub struct Gaps(std::sync::Arc<[Gap]>);

impl Gaps {
    /// Gaps that are not those of a pump.
    pub(crate) fn of(gaps: std::sync::Arc<[Gap]>) -> Self {
        Self(gaps)
    }

    /// The gaps, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Gap> {
        self.0.iter()
    }
}

/// What its owner could not mend alone; gone when it is well again.
#[derive(Component, Clone, Debug, PartialEq)]
pub struct Failure(pub Error);

/// The ECS's ends of a stream's links. Only the systems here see it.
#[derive(Component)]
struct StreamLinks {
    batches: LinkReceiver<StreamBatch>,
    pump: Latest<PumpReport>,
    lane: Latest<LaneReport>,
}

impl StreamLinks {
    fn lane(&self) -> &Latest<LaneReport> {
        &self.lane
    }
}

/// Everything that others may see of a stream.
#[derive(QueryData)]
pub struct StreamView {
    /// The entity.
    pub entity: Entity,
    /// Name and rate.
    pub stream: &'static Stream,
    /// How its lane looks.
    pub lane: &'static LaneInfo,
    /// What fills it.
    pub source: &'static StreamSource,
    /// How it stands with its source.
    pub connection: &'static Connection,
    /// Counts.
    pub stats: &'static StreamStats,
    /// Columns.
    pub spectrogram: &'static Spectrogram,
    /// Samples.
    pub waveform: &'static Waveform,
    /// Level.
    pub level: &'static Level,
    /// Missing sound.
    pub gaps: &'static Gaps,
    /// What was heard.
    pub transcript: &'static LaneTranscript,
}

/// What was heard of a stream. Written by the mirror of the recogniser.
#[derive(Component, Clone, Debug)]
pub struct LaneTranscript(pub std::sync::Arc<LaneReport>);

/// Streams that are to become entities, and the tasks that serve all of them.
#[derive(Resource)]
struct Arrivals(LinkReceiver<Arrival>);

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<StreamIntent>()
        .add_systems(
            PreUpdate,
            (receive_arrivals, receive_removals, receive_batches, receive_reports).chain().in_set(ReceiveSystems),
        )
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

/// Hands the engine's receiving ends to the app. Called once, before it runs.
pub(crate) fn connect(app: &mut App, engine: Engine, tasks: EngineTasks) {
    let EngineTasks { arrived, recognise_task, train_task, replay_task, monitor } = tasks;
    crate::monitor::mirror::connect(app, monitor, engine.config().monitor.is_on);
    app.insert_resource(Arrivals(arrived)).insert_resource(engine.clone());
    crate::recognise::mirror::connect(app, &engine, recognise_task);
    crate::train::mirror::connect(app, &engine, train_task);
    crate::train::teach::mirror::connect(app, &engine);
    crate::session::replay::mirror::connect(app, replay_task);
}

fn receive_arrivals(arrivals: Res<Arrivals>, engine: Res<Engine>, mut commands: Commands) {
    while let Some(Arrival { key, task, place, batches, pump, lane }) = arrivals.0.try_recv() {
        // One that was removed before it was ever seen leaves no trace.
        let Some(order) = place.order() else { continue };
        let config = &engine.config().stream;
        let report = pump.load();
        let columns = config.history_columns(engine.config().lanes.len());
        commands.spawn((
            Stream { key, sample_rate_hz: report.sample_rate_hz },
            StreamSource(report.source.clone()),
            PumpTask { _task: task, place },
            LaneInfo { name: report.name.clone(), order, is_muted: report.is_muted },
            report.connection.clone(),
            report.stats,
            Spectrogram::of(ColumnHistory::new(config.fft_size / 2 + 1, columns), config.hop, config.fft_size, 1),
            Waveform::of(SoundHistory::new(columns * config.hop), 1),
            Level { dbfs: report.level, is_silent: false, gain_db: report.gain_db },
            Gaps::default(),
            LaneTranscript(lane.load()),
            StreamLinks { batches, pump, lane },
        ));
    }
}

/// The one place where a stream's entity ends: when its lane was removed.
fn receive_removals(mut streams: Query<(Entity, &PumpTask, &mut LaneInfo)>, mut commands: Commands) {
    for (entity, pump, mut lane) in &mut streams {
        match pump.place.order() {
            Some(order) if order == lane.order => {}
            Some(order) => lane.order = order,
            None => commands.entity(entity).despawn(),
        }
    }
}

fn receive_batches(mut streams: Query<(&StreamLinks, &mut Spectrogram, &mut Waveform)>) {
    for (links, mut spectrogram, mut waveform) in &mut streams {
        // Only what is there now: a pump that fills while we drain cannot hold a frame up.
        for _ in 0..links.batches.len() {
            let Some(batch) = links.batches.try_recv() else { break };
            let is_kept = spectrogram.history.append(batch.first_column, &batch.columns).is_ok()
                && waveform.history.append(batch.first_sample, &batch.samples).is_ok();
            debug_assert!(is_kept, "batches come in order from one pump");
            spectrogram.newest_captured = batch.captured.or(spectrogram.newest_captured);
        }
    }
}

type Mirrored = (
    Entity,
    &'static StreamLinks,
    &'static Connection,
    &'static mut LaneInfo,
    &'static mut StreamSource,
    &'static mut StreamStats,
    &'static mut Level,
    &'static mut Gaps,
    &'static mut LaneTranscript,
    Option<&'static Failure>,
);

fn receive_reports(mut streams: Query<Mirrored>, mut commands: Commands) {
    for (entity, links, connection, mut info, mut source, mut stats, mut level, mut gaps, mut transcript, failure) in
        &mut streams
    {
        let report = links.pump.load();
        if report.connection != *connection {
            commands.entity(entity).insert(report.connection.clone());
        }
        let LaneInfo { order, .. } = *info;
        info.set_if_neq(LaneInfo { name: report.name.clone(), order, is_muted: report.is_muted });
        source.set_if_neq(StreamSource(report.source.clone()));
        stats.set_if_neq(report.stats);
        level.set_if_neq(Level { dbfs: report.level, is_silent: report.is_silent, gain_db: report.gain_db });
        gaps.set_if_neq(Gaps(report.gaps.clone()));
        let lane = links.lane().load();
        if !std::sync::Arc::ptr_eq(&transcript.0, &lane) {
            transcript.0 = lane;
        }
        if let Some(error) = &report.failure
            && failure.map(|failure| &failure.0) != Some(error)
        {
            commands.entity(entity).insert(Failure(error.clone()));
        }
    }
}

fn apply_intents(mut intents: MessageReader<StreamIntent>, engine: Res<Engine>) {
    for intent in intents.read() {
        if let Err(error) = engine.command_stream(&intent.stream, intent.command.clone()) {
            let owner = intent.stream.as_str().into();
            engine.events().publish(Event::Failure { owner, message: error.message });
        }
    }
}
