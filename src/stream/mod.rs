//! The stream: an entity that outlives its source, its models and every drawn frame.

mod analysis;
pub mod blocks;
mod connection;
mod convert;
mod entity;
mod grid;
pub mod history;
mod intent;
mod key;
mod outage;
pub mod peaks;
mod pump;
mod report;
mod timeline;

use bevy::tasks::Task;

pub use analysis::{Analysis, StreamBatch};
pub use connection::{Connection, ConnectionState, Transition};
pub use convert::Converter;
pub use entity::{
    Failure, Gaps, IntentSystems, LaneInfo, LaneTranscript, Level, PumpTask, ReceiveSystems, Spectrogram, Stream,
    StreamSource, StreamView, StreamViewItem, Waveform,
};
pub(crate) use entity::{connect, plugin};
pub use grid::{Grid, Samples};
pub use intent::{MAX_NAME, StreamCommand, StreamIntent, checked_name};
pub use key::StreamKey;
pub use pump::Pump;
pub use report::{Opener, PumpOutputs, PumpReport, StreamSettings, StreamStats};
pub use timeline::{Anchor, Gap, GapCause, GapLedger};

use crate::{
    Result,
    event::EventHub,
    link::{Kind, Latest, LinkReceiver, LinkRegistry, LinkSender},
    monitor::MonitorLease,
    recognise::lanes::LaneMessage,
    session::RecorderHandle,
    source::{self, SourceSpec, whip::Whip},
    task::{Pool, TaskRegistry},
};

/// How many streams there can be at once.
pub const MAX_STREAMS: usize = 16;

/// How many batches wait for the screen at most: ten minutes of them at the largest batch and the default rate.
const BATCHES: usize = 1024;

/// What the job of a stream's pump is called.
pub(crate) fn pump_name(key: &StreamKey) -> String {
    format!("{key}: pump")
}

/// Who hears a stream.
pub(crate) struct Listeners<'a> {
    /// The recogniser's link.
    pub recogniser: LinkSender<LaneMessage>,
    /// The recorder.
    pub recorder: &'a RecorderHandle,
    /// The loudspeaker, for one of the streams.
    pub monitor: Option<MonitorLease>,
}

/// Starts the pump of a new stream. What comes back: its task, the batches for the screen, and how it stands.
pub(crate) fn spawn_pump(
    settings: StreamSettings,
    orders: LinkReceiver<StreamCommand>,
    listeners: Listeners,
    events: EventHub,
    links: &LinkRegistry,
    tasks: &TaskRegistry,
    whip: Whip,
) -> Result<(Task<()>, LinkReceiver<StreamBatch>, Latest<PumpReport>)> {
    let name = pump_name(&settings.key);
    let (batches, receiver) = links.bounded(format!("{}: columns", settings.key), Kind::Recent, BATCHES);
    let report = Latest::new(PumpReport::new(&settings));
    let Listeners { recogniser: sound, recorder, monitor } = listeners;
    recorder.add_lane(settings.key.clone(), settings.sample_rate_hz, settings.stft, report.clone());
    let recorder = Some(recorder.link());
    let outputs = PumpOutputs { batches, sound, recorder, report: report.clone(), events, monitor };
    let key = settings.key.clone();
    let opener: Opener = Box::new(move |spec, now| match spec {
        SourceSpec::Whip => Ok(Box::new(whip.source(&key, now)?)),
        spec => source::open(spec, now),
    });
    let pump = Pump::new(settings, opener, orders, outputs)?;
    Ok((tasks.spawn(Pool::Stream, name, pump), receiver, report))
}

#[cfg(test)]
mod isolation_tests;
