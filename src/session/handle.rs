//! How the recorder is steered and seen.

use std::{
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use bevy::{ecs::message::Message, tasks::Task};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    disk::{self, Retention},
    recorder::{Recorder, RecorderSettings},
};
use crate::{
    Error, Result, Text,
    config::Config,
    dsp::stft::StftConfig,
    event::EventHub,
    link::{Kind, Latest, LinkRegistry, LinkSender},
    stream::{MAX_STREAMS, PumpReport, StreamKey},
    task::{Pool, TaskRegistry},
};

/// Ten seconds of every lane, in blocks of 20 ms: so long a disk may stall.
const CAPACITY: usize = MAX_STREAMS * 500;

/// A recorder that has said nothing for so long waits for its disk.
const STALLED_AFTER: Duration = Duration::from_millis(1500);

/// Something asked of the recorder.
#[derive(Message, Clone, Debug, PartialEq, Eq)]
pub enum SessionIntent {
    /// Record from now on: these lanes, or all that are not excluded.
    Start {
        /// Which; none means all.
        lanes: Vec<StreamKey>,
    },
    /// Record no longer.
    Stop,
    /// Save what was heard in the last minute to a file of its own.
    Keep,
}

/// What the recorder is told. Kind of its link: all; what a full link refuses is not recorded, and becomes a gap in the file.
#[derive(Clone, Debug)]
pub enum RecorderMessage {
    /// There is a lane.
    Lane {
        /// Its name.
        key: StreamKey,
        /// Its rate.
        sample_rate_hz: u32,
        /// How its columns are made.
        stft: StftConfig,
        /// How it stands.
        pump: Latest<PumpReport>,
    },
    /// A lane was heard: the very samples that are analysed.
    Sound {
        /// Which lane.
        lane: StreamKey,
        /// The first sample's place on the stream's clock.
        first_sample: u64,
        /// The samples.
        samples: Arc<[i16]>,
        /// The 8 bits below them, in a stream of 24.
        lower: Option<Arc<[u8]>>,
        /// When the last of them was captured, if it was.
        captured: Option<Instant>,
    },
    /// An Opus packet of a lane, as it came over the network.
    Packet {
        /// Which lane.
        lane: StreamKey,
        /// The packet.
        data: Arc<[u8]>,
    },
    /// A lane is gone, and its last minute with it. What is in files stays.
    Gone(StreamKey),
    /// Something is asked.
    Intent(SessionIntent),
    /// The newest sound of a lane is asked for.
    Recent {
        /// Which lane.
        lane: StreamKey,
        /// How much of it.
        past: Duration,
        /// Where its rate and its samples go. Kind: all; it has room for the one answer.
        to: crossbeam_channel::Sender<(u32, Vec<i16>)>,
    },
    /// What is in memory of a lane is forgotten, and nothing more of it is recorded until recording is started anew.
    Forget(StreamKey),
}

/// Whether it records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Nothing is recorded.
    #[default]
    Off,
    /// Sound goes to a file.
    Recording,
    /// It records, but the disk has kept it waiting for more than a second: what comes to be too much will be a gap.
    Stalled,
    /// It was recording and the disk failed.
    Failed,
}

/// How recording stands. Kind of its link: newest wins.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct RecordingReport {
    /// Whether it records.
    pub state: RecordingState,
    /// The file.
    #[schema(value_type = Option<String>)]
    pub path: Option<PathBuf>,
    /// The lanes that are in it.
    pub lanes: Vec<StreamKey>,
    /// For how long, seconds.
    pub secs: f64,
    /// Bytes on the disk.
    pub bytes: u64,
    /// Samples that could not be recorded, all lanes together.
    pub lost_samples: u64,
    /// What went wrong, or what was saved last.
    pub message: Option<Text>,
    /// When the recorder said so.
    #[serde(skip)]
    pub said: Option<Instant>,
}

impl RecordingReport {
    /// How it stands at `now`, which the recorder itself cannot say while a disk keeps it waiting.
    pub fn at(&self, now: Instant) -> Self {
        let waits = self.said.is_some_and(|said| now.saturating_duration_since(said) > STALLED_AFTER);
        if self.state != RecordingState::Recording || !waits {
            return self.clone();
        }
        let message = "the disk keeps the recording waiting; what it does not take in time will be a gap in the file";
        Self { state: RecordingState::Stalled, message: Some(message.into()), ..self.clone() }
    }
}

/// What the recorder is steered and seen through.
#[derive(Clone)]
pub struct RecorderHandle {
    link: LinkSender<RecorderMessage>,
    report: Latest<RecordingReport>,
    _task: Arc<Task<()>>,
}

impl RecorderHandle {
    /// Where pumps send sound.
    pub fn link(&self) -> LinkSender<RecorderMessage> {
        self.link.clone()
    }

    /// How recording stands.
    pub fn report(&self) -> &Latest<RecordingReport> {
        &self.report
    }

    /// A new lane.
    pub fn add_lane(&self, key: StreamKey, sample_rate_hz: u32, stft: StftConfig, pump: Latest<PumpReport>) {
        // Refused, it is taken for a lane that is not recorded; the link counts it.
        let _ = self.link.send(RecorderMessage::Lane { key, sample_rate_hz, stft, pump });
    }

    /// A lane is gone.
    pub fn remove_lane(&self, key: StreamKey) {
        // Refused, its last minute is kept until a lane of that name comes again; the link counts it.
        let _ = self.link.send(RecorderMessage::Gone(key));
    }

    /// Asks something of it.
    ///
    /// # Errors
    /// When its disk has been stalled for so long that it cannot listen.
    pub fn command(&self, intent: SessionIntent) -> Result<()> {
        self.tell(RecorderMessage::Intent(intent))
    }

    /// Forgets what is in memory of a lane. What is in files stays: [`forget`](super::forget) takes it out of these.
    ///
    /// # Errors
    /// As of [`command`](Self::command).
    pub fn forget(&self, key: StreamKey) -> Result<()> {
        self.tell(RecorderMessage::Forget(key))
    }

    /// The rate and the newest sound of a lane, as far back as it is kept in memory; what was missing is silence. Waits for the
    /// recorder, which answers in its next turn.
    ///
    /// # Errors
    /// When there is no such sound, or the recorder waits for its disk.
    pub fn recent(&self, lane: &StreamKey, past: Duration) -> Result<(u32, Vec<i16>)> {
        let (to, answer) = crossbeam_channel::bounded(1);
        self.tell(RecorderMessage::Recent { lane: lane.clone(), past, to })?;
        let found = answer.recv_timeout(Duration::from_secs(5));
        let (rate, sound) = found.map_err(|_| Error::busy("the recorder waits for its disk: try again"))?;
        if sound.is_empty() {
            let message = format!(
                "no sound of {lane} is kept: record.past_secs in the settings says how much is, and 0 keeps none"
            );
            return Err(Error::not_found(message));
        }
        Ok((rate, sound))
    }

    /// Stops recording and waits, for a few seconds at most, until the file is closed.
    pub fn finish(&self) {
        if self.command(SessionIntent::Stop).is_err() {
            return;
        }
        let begin = Instant::now();
        while self.report.load().state == RecordingState::Recording && begin.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn tell(&self, message: RecorderMessage) -> Result<()> {
        self.link.send(message).map_err(|_| Error::busy("the recorder waits for its disk: try again"))
    }
}

/// Starts the recorder. It records nothing until it is asked, unless the settings say always.
pub fn spawn(config: &Config, events: EventHub, links: &LinkRegistry, tasks: &TaskRegistry) -> Result<RecorderHandle> {
    let (link, incoming) = links.bounded("sound to the recorder", Kind::All, CAPACITY);
    let report = Latest::new(RecordingReport::default());
    let record = &config.record;
    let folder = match record.dir.as_os_str().is_empty() {
        true => crate::config::data_dir()?.join("sessions"),
        false => record.dir.clone(),
    };
    let day = Duration::from_secs(86_400);
    let settings = RecorderSettings {
        folder,
        is_always_on: record.is_always_on,
        past: Duration::from_secs(u64::from(record.past_secs)),
        segment: Duration::from_secs(60 * u64::from(record.segment_minutes)),
        retention: Retention {
            age: (record.keep_days > 0).then(|| day * record.keep_days),
            bytes: (record.keep_gib > 0).then(|| u64::from(record.keep_gib) << 30),
        },
        excluded: record.excluded.clone(),
    };
    let recorder = Recorder::new(settings, Box::new(disk::create), incoming, events, report.clone());
    let task = Arc::new(tasks.spawn(Pool::Record, "recorder", recorder));
    Ok(RecorderHandle { link, report, _task: task })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_stalls_is_told_while_it_does() {
        let said = Instant::now();
        let report =
            RecordingReport { state: RecordingState::Recording, said: Some(said), ..RecordingReport::default() };
        assert_eq!(report.at(said + Duration::from_secs(1)), report);
        let stalled = report.at(said + Duration::from_secs(2));
        assert_eq!(stalled.state, RecordingState::Stalled);
        assert!(stalled.message.is_some_and(|message| message.contains("disk")));
        let off = RecordingReport { state: RecordingState::Off, ..report };
        assert_eq!(off.at(said + Duration::from_secs(9)).state, RecordingState::Off);
    }
}
