//! What a session file holds beside sound: versioned records, written as JSON so that anyone can read them.
//!
//! Positions are samples on the lane's clock, as everywhere. A field may be added within a version; a reader passes over what
//! it does not know. What changes its meaning makes a new version.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    Error, Result, Text,
    dsp::stft::StftConfig,
    recognise::transcript::{Segment, Token},
    stream::{ConnectionState, StreamKey},
    train::progress::Progress,
};

/// The version of the records that this release writes.
pub const RECORD_VERSION: u32 = 1;

/// A record that says its version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Versioned<T> {
    v: u32,
    #[serde(flatten)]
    record: T,
}

/// What a lane of a session is. It stands in the metadata of the lane's channels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LaneRecord {
    /// The stream's key.
    pub key: StreamKey,
    /// What people call it.
    pub name: String,
    /// What filled it when recording began.
    pub source: String,
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// Bits of a sample.
    pub bit_depth: u16,
    /// Wall-clock time of the stream's sample 0, nanoseconds since 1970 (UTC). The times of all messages of the lane count
    /// from here by its samples; [`AnchorRecord`]s tell how far the wall clock was off.
    pub zero_unix_nanos: u64,
    /// How its columns were made.
    pub stft: StftConfig,
}

/// What was being said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartialRecord {
    /// The newest sample recorded when it was said.
    pub at_sample: u64,
    /// The words, separated by blanks; empty when nothing was being said any more.
    pub text: String,
    /// The words with times and scores.
    pub tokens: Vec<Token>,
}

/// The lane's connection changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConnectionRecord {
    /// The newest sample recorded when it did.
    pub at_sample: u64,
    /// The state that began.
    pub state: ConnectionState,
    /// Why, where there was something to say.
    pub reason: Option<Text>,
}

/// Sound is missing: its samples are zeros.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GapRecord {
    /// First missing sample.
    pub at_sample: u64,
    /// Length in samples.
    pub len_samples: u64,
    /// Why: `overrun`, `stall`, `lost`, `switch` (the source), or [`GapRecord::NOT_RECORDED`].
    pub cause: Text,
}

impl GapRecord {
    /// The cause of a gap that only the recording has: the disk was too slow.
    pub const NOT_RECORDED: &'static str = "not_recorded";
}

/// Which sample was captured when, by the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorRecord {
    /// The sample after the last one captured at `unix_nanos`.
    pub sample: u64,
    /// Wall-clock time, nanoseconds since 1970 (UTC).
    pub unix_nanos: u64,
}

/// A model, so that it can be found again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRecord {
    /// Its name.
    pub name: Text,
    /// BLAKE3 hash of its weights, hexadecimal.
    pub weights_blake3: Text,
}

/// What was done to a lane's recognition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecognitionChange {
    /// It stood so when recording began.
    Found,
    /// The lane was opened anew, or closed.
    Reset,
    /// Started with the sound of this sample.
    Started {
        /// Which sample.
        at_sample: u64,
    },
    /// Stopped.
    Stopped,
    /// The sound was over for the time being: what was being said became final.
    Flushed,
    /// Another model took over.
    Swapped,
}

/// How recognition of a lane went on. Replaying these in order, each behind the sound it names, gives the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecognitionRecord {
    /// The recogniser had heard the sound before this sample, and no more.
    pub heard_samples: u64,
    /// What was done.
    pub change: RecognitionChange,
    /// Whether it ran from then on.
    pub is_running: bool,
    /// The model from then on.
    pub model: Option<ModelRecord>,
}

/// The stream's settings changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingsRecord {
    /// From this sample on.
    pub at_sample: u64,
    /// What fills the stream.
    pub source: String,
    /// Gain before everything else, dB.
    pub gain_db: f32,
}

/// How training stood.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingRecord {
    /// The run's name.
    pub run: Text,
    /// Where in its life it was.
    pub phase: Text,
    /// Steps done.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// CTC loss of the newest step.
    pub loss: f32,
    /// Learning rate of the newest step.
    pub learning_rate: f64,
    /// Share of the validation clips read right, 0 to 1, after the newest epoch.
    pub validation_accuracy: Option<f64>,
}

impl From<&Progress> for TrainingRecord {
    fn from(progress: &Progress) -> Self {
        let phase = serde_json::to_value(progress.phase).ok();
        Self {
            run: progress.run.clone(),
            phase: phase.as_ref().and_then(|phase| phase.as_str()).unwrap_or("unknown").into(),
            step: progress.step,
            steps: progress.steps,
            loss: progress.loss,
            learning_rate: progress.learning_rate,
            validation_accuracy: progress.validation_accuracy,
        }
    }
}

/// The program that wrote the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramRecord {
    /// Its name and version.
    pub program: String,
    /// The number of this file in a session of several, from 1.
    pub part: u32,
}

/// The kinds of JSON records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecordKind {
    /// [`PartialRecord`].
    Partial,
    /// [`Segment`].
    Final,
    /// [`ConnectionRecord`].
    Connection,
    /// [`GapRecord`].
    Gap,
    /// [`AnchorRecord`].
    Anchor,
    /// [`RecognitionRecord`].
    Recognition,
    /// [`SettingsRecord`].
    Settings,
    /// [`TrainingRecord`], of the session.
    Training,
    /// [`ProgramRecord`], of the session.
    Program,
}

/// A record of one kind.
pub trait Record: Serialize + DeserializeOwned {
    /// Which.
    const KIND: RecordKind;
}

macro_rules! records {
    ($($record:ty => $kind:ident),* $(,)?) => {
        $(impl Record for $record {
            const KIND: RecordKind = RecordKind::$kind;
        })*
    };
}

records! {
    PartialRecord => Partial,
    Segment => Final,
    ConnectionRecord => Connection,
    GapRecord => Gap,
    AnchorRecord => Anchor,
    RecognitionRecord => Recognition,
    SettingsRecord => Settings,
    TrainingRecord => Training,
    ProgramRecord => Program,
}

/// A record as it stands in a file.
pub fn to_json<T: Serialize>(record: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(&Versioned { v: RECORD_VERSION, record })
        .map_err(|error| Error::internal(format!("a record cannot be written: {error}")))
}

/// Reads a record back.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for what is no such record, or one of a version that this release does not know.
pub fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    let invalid = |error| Error::invalid(format!("not a record of this kind: {error}"));
    #[derive(Deserialize)]
    struct Version {
        v: u32,
    }
    let Version { v } = serde_json::from_slice(json).map_err(invalid)?;
    if !(1..=RECORD_VERSION).contains(&v) {
        return Err(Error::invalid(format!(
            "a record of version {v}; this release reads up to {RECORD_VERSION}: use a newer one"
        )));
    }
    serde_json::from_slice::<Versioned<T>>(json).map(|versioned| versioned.record).map_err(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_its_version_and_comes_back() {
        let gap = GapRecord { at_sample: 5, len_samples: 7, cause: GapRecord::NOT_RECORDED.into() };
        let json = to_json(&gap).unwrap();
        let expected = r#"{"v":1,"at_sample":5,"len_samples":7,"cause":"not_recorded"}"#;
        assert_eq!(String::from_utf8(json.clone()).unwrap(), expected);
        assert_eq!(from_json::<GapRecord>(&json).unwrap(), gap);
    }

    #[test]
    fn what_is_newer_is_refused_and_what_is_unknown_passed_over() {
        let newer = from_json::<AnchorRecord>(br#"{"v":2,"sample":1,"unix_nanos":2}"#).unwrap_err();
        assert!(newer.message.contains("version 2"), "{newer}");
        let more = from_json::<AnchorRecord>(br#"{"v":1,"sample":1,"unix_nanos":2,"mood":"good"}"#).unwrap();
        assert_eq!(more, AnchorRecord { sample: 1, unix_nanos: 2 });
        for bad in [&b"{}"[..], b"", b"{\"v\":1}", b"\xff"] {
            assert!(from_json::<AnchorRecord>(bad).is_err());
        }
    }
}
