//! What a pump needs to know, what it reports, and where its products go.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bevy::ecs::component::Component;

use super::{Connection, Gap, StreamKey, analysis::StreamBatch};
use crate::{
    Error, Result, Text,
    config::{Config, StreamConfig},
    dsp::{
        level::{Level, LevelMeter},
        stft::StftConfig,
    },
    event::EventHub,
    link::{Latest, LinkSender},
    monitor::MonitorLease,
    recognise::lanes::LaneMessage,
    session::RecorderMessage,
    source::{PacketCounts, Source, SourceSpec},
};

/// How a pump opens what fills its stream.
pub type Opener = Box<dyn FnMut(&SourceSpec, Instant) -> Result<Box<dyn Source>> + Send>;

/// What a pump needs to know.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// The stream's key.
    pub key: StreamKey,
    /// What the lane is called on the screen.
    pub name: Text,
    /// What fills it.
    pub source: SourceSpec,
    /// Gain before everything else, dB.
    pub gain_db: f32,
    /// The stream's rate, Hz.
    pub sample_rate_hz: u32,
    /// Bits of a sample, 16 or 24.
    pub bit_depth: u16,
    /// How columns are made.
    pub stft: StftConfig,
    /// When the program started: the zero of the times in the connection's history.
    pub started: Instant,
}

/// Counts of a stream since it began.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamStats {
    /// Samples that arrived, at the stream's rate.
    pub samples_in: u64,
    /// Samples that are missing: the sum of all gaps.
    pub samples_lost: u64,
    /// Times that the device said it lost sound.
    pub xruns: u64,
    /// Columns of the spectrogram.
    pub columns: u64,
}

/// How a pump stands. Kind of its link: newest wins.
#[derive(Clone, Debug)]
pub struct PumpReport {
    /// What fills the stream.
    pub source: SourceSpec,
    /// How it stands with its source.
    pub connection: Connection,
    /// The newest gaps.
    pub gaps: Arc<[Gap]>,
    /// Counts.
    pub stats: StreamStats,
    /// The level now.
    pub level: Level,
    /// Three seconds of exact zeros: probably muted.
    pub is_silent: bool,
    /// The stream's rate, Hz.
    pub sample_rate_hz: u32,
    /// Bits of a sample, 16 or 24.
    pub bit_depth: u16,
    /// Gain, dB.
    pub gain_db: f32,
    /// What the lane is called on the screen.
    pub name: Text,
    /// Whether what arrives is kept from everybody.
    pub is_muted: bool,
    /// What the source says of its own delay, which comes on top of the capture times.
    pub source_latency: Option<Duration>,
    /// Packets so far, where sound comes in packets over a network.
    pub packets: Option<PacketCounts>,
    /// The last fault that was put right: a panic of the pump itself.
    pub failure: Option<Error>,
}

impl StreamSettings {
    /// The settings of a new stream under the program's `config`.
    pub fn new(config: &Config, key: StreamKey, source: SourceSpec, gain_db: f32, started: Instant) -> Self {
        let StreamConfig { sample_rate_hz, bit_depth, fft_size, hop, .. } = config.stream;
        let stft = StftConfig { fft_size, hop, ..StftConfig::default() };
        Self { name: key.as_str().into(), key, source, gain_db, sample_rate_hz, bit_depth, stft, started }
    }
}

impl PumpReport {
    /// A stream that nobody has opened yet.
    pub fn new(settings: &StreamSettings) -> Self {
        let StreamSettings { name, source, gain_db, sample_rate_hz, bit_depth, .. } = settings.clone();
        Self {
            source,
            connection: Connection::idle(settings.started.elapsed().as_secs_f64()),
            gaps: Arc::default(),
            stats: StreamStats::default(),
            level: LevelMeter::new(sample_rate_hz).level(),
            is_silent: false,
            sample_rate_hz,
            bit_depth,
            gain_db,
            name,
            is_muted: false,
            source_latency: None,
            packets: None,
            failure: None,
        }
    }
}

/// Where a pump's products go.
pub struct PumpOutputs {
    /// Columns and sound for the screen. Kind: recent.
    pub batches: LinkSender<StreamBatch>,
    /// Sound for the recogniser. Kind: all.
    pub sound: LinkSender<LaneMessage>,
    /// Sound for the recorder, the same blocks. Kind: all; what is refused becomes a gap in the recording.
    pub recorder: Option<LinkSender<RecorderMessage>>,
    /// How the pump stands. Kind: newest.
    pub report: Latest<PumpReport>,
    /// What happens.
    pub events: EventHub,
    /// The loudspeaker, for one of the streams. Kind: newest.
    pub monitor: Option<MonitorLease>,
}
