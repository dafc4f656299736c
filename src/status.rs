//! The status: one object for the panel, `--status-json` and `GET /api/status`. Its fields are a contract.

use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    Text,
    link::LinkStatus,
    recognise::{service::LaneReport, transcript::Token},
    session::RecordingReport,
    source::PacketCounts,
    stream::{ConnectionState, Gap, PumpReport, StreamKey, Transition},
    task::TaskStatus,
    train::{
        progress::{Phase, Progress},
        throttle::Throttle,
    },
};

/// How everything stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Status {
    /// Of the program.
    pub version: &'static str,
    /// Seconds since the program started.
    pub uptime_secs: f64,
    /// Whether a training run is under way (paused ones included).
    pub is_training: bool,
    /// Whether a connected stream is being recognised.
    pub realtime_running: bool,
    /// Every stream, in their order on the screen.
    pub streams: Vec<StreamStatus>,
    /// The training run, while there is or was one.
    pub training: Option<TrainingStatus>,
    /// How recording stands.
    pub recording: RecordingReport,
    /// What is drawn.
    pub frames: FrameStatus,
    /// Long jobs.
    pub tasks: Vec<TaskStatus>,
    /// Links between them.
    pub links: Vec<LinkStatus>,
}

/// How one stream stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StreamStatus {
    /// Its key, which it keeps.
    pub key: StreamKey,
    /// What it is called on the screen.
    pub name: Text,
    /// Its place on the screen, counted from 0 at the top.
    pub order: usize,
    /// Whether what arrives is kept from everybody.
    pub is_muted: bool,
    /// What fills it.
    pub source: String,
    /// How it stands with its source.
    pub connection: ConnectionState,
    /// How it came to that.
    pub history: Vec<Transition>,
    /// The stream's rate, Hz.
    pub sample_rate_hz: u32,
    /// Bits of a recorded sample, 16 or 24.
    pub bit_depth: u16,
    /// Samples that arrived, at the stream's rate.
    pub samples_in: u64,
    /// Samples that are missing: the sum of all gaps.
    pub samples_lost: u64,
    /// Times that the device said it lost sound.
    pub xruns: u64,
    /// The newest gaps.
    pub gaps: Vec<Gap>,
    /// Columns of the spectrogram made so far.
    pub columns: u64,
    /// Level of the last 100 ms, dBFS.
    pub level_dbfs: f32,
    /// Seconds since the source was connected, 0 when it is not.
    pub connected_secs: f64,
    /// What the source says of its own delay (the sound server's, say), milliseconds; none where it says nothing.
    pub source_latency_millis: Option<f64>,
    /// Packets so far, where sound comes in packets over a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packets: Option<PacketCounts>,
    /// Whether it is being recognised.
    pub is_recognised: bool,
    /// Three seconds of exact zeros: the microphone is probably muted.
    pub is_silent: bool,
    /// The model it is recognised with.
    pub model: Option<Text>,
    /// The words being heard, which may still change.
    pub partial: String,
    /// The newest words with their times on the stream's clock.
    pub tokens: Vec<Token>,
}

/// How the training stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TrainingStatus {
    /// The run's name.
    pub run: Text,
    /// Where in its life it is.
    pub phase: Phase,
    /// The epoch under way, from 1.
    pub epoch: u32,
    /// Epochs of the run.
    pub epochs: u32,
    /// Steps done in the whole run.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// Loss of the newest step.
    pub loss: f32,
    /// Step size of the newest step.
    pub learning_rate: f64,
    /// Scenes a second.
    pub examples_per_sec: f64,
    /// Seconds to go.
    pub eta_secs: f64,
    /// Progress updates so far.
    pub updates: u64,
    /// The longest time between two updates while running, seconds.
    pub longest_pause_secs: f64,
    /// What it may take of the machine.
    pub throttle: Throttle,
    /// Runs that wait until it has ended.
    pub waiting: usize,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct FrameStatus {
    /// Drawn frames since the start; 0 when headless.
    pub drawn: u64,
    /// Drawn frames a second over the last second.
    pub fps: f64,
    /// 99th percentile of the time between two drawn frames, milliseconds.
    pub p99_millis: f64,
    /// Bytes of columns and peaks sent to the GPU for the last frame.
    pub uploaded_bytes: u64,
}

impl StreamStatus {
    /// How a stream stands, by what its pump and the recogniser report.
    pub fn of(key: &StreamKey, pump: &PumpReport, lane: &LaneReport, order: usize, uptime_secs: f64) -> Self {
        Self {
            key: key.clone(),
            name: pump.name.clone(),
            order,
            is_muted: pump.is_muted,
            source: pump.source.to_string(),
            connection: pump.connection.state(),
            history: pump.connection.history().to_vec(),
            sample_rate_hz: pump.sample_rate_hz,
            bit_depth: pump.bit_depth,
            samples_in: pump.stats.samples_in,
            samples_lost: pump.stats.samples_lost,
            xruns: pump.stats.xruns,
            gaps: pump.gaps.to_vec(),
            columns: pump.stats.columns,
            level_dbfs: pump.level.rms_dbfs,
            connected_secs: pump.connection.connected_secs(uptime_secs),
            packets: pump.packets,
            source_latency_millis: pump.source_latency.map(|latency| latency.as_secs_f64() * 1e3),
            is_recognised: lane.is_running,
            is_silent: pump.is_silent,
            model: lane.model.clone(),
            partial: lane.transcript.partial_text(),
            tokens: lane.transcript.tokens(),
        }
    }

    /// Whether sound arrives and is being recognised.
    pub fn is_running(&self) -> bool {
        self.is_recognised && self.connection == ConnectionState::Connected
    }
}

impl TrainingStatus {
    /// How the training stands, if there is or was a run.
    pub fn of(progress: &Progress) -> Option<Self> {
        if progress.phase == Phase::Idle {
            return None;
        }
        Some(Self {
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
            waiting: progress.waiting,
        })
    }
}
