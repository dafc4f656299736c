//! The channels of a session file: their names, their schemas, and the protobuf messages for what is not JSON.

use std::borrow::Cow;

use prost::Message;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, Timestamp,
    field_descriptor_proto::{Label, Type},
};
use serde_json::{Value, json};

use super::{
    pyramid::{SPECTROGRAM_LEVELS, WAVEFORM_LEVELS},
    records::RecordKind,
};

/// The profile in the header of a session file.
pub const PROFILE: &str = "seseragi";
/// The key under which channel metadata carry the lane, as JSON of [`LaneRecord`](super::records::LaneRecord).
pub const LANE_METADATA: &str = "seseragi.lane";

/// Sound, in the form of `foxglove.RawAudio`, which other programs play.
#[derive(Clone, PartialEq, Message)]
pub struct RawAudio {
    /// Time of the first sample on the lane's clock.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Timestamp>,
    /// Samples, little-endian.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    /// `pcm-s16`.
    #[prost(string, tag = "3")]
    pub format: String,
    /// Samples a second.
    #[prost(fixed32, tag = "4")]
    pub sample_rate: u32,
    /// 1.
    #[prost(fixed32, tag = "5")]
    pub number_of_channels: u32,
}

/// What lies below the 16 bits of [`RawAudio`] in a lane of 24: `sample * 256 + value` is the sample of 24 bits.
#[derive(Clone, PartialEq, Message)]
pub struct LowerBits {
    /// Always 1.
    #[prost(uint32, tag = "1")]
    pub v: u32,
    /// Time of the first sample on the lane's clock.
    #[prost(message, optional, tag = "2")]
    pub timestamp: Option<Timestamp>,
    /// A byte for each sample, 0 to 255.
    #[prost(bytes = "vec", tag = "3")]
    pub values: Vec<u8>,
}

/// A packet as it came over the network, in the form of `foxglove.CompressedAudio`.
#[derive(Clone, PartialEq, Message)]
pub struct CompressedAudio {
    /// When it arrived, on the lane's clock.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<Timestamp>,
    /// The packet.
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    /// `opus`.
    #[prost(string, tag = "3")]
    pub format: String,
}

/// Columns of the spectrogram for zoomed-out pictures: item i of level k holds, bin by bin, the largest level of columns
/// [i·4^k, (i+1)·4^k).
#[derive(Clone, PartialEq, Message)]
pub struct SpectrogramLevel {
    /// Always 1.
    #[prost(uint32, tag = "1")]
    pub v: u32,
    /// k.
    #[prost(uint32, tag = "2")]
    pub level: u32,
    /// Index of the first column at this level.
    #[prost(uint64, tag = "3")]
    pub first: u64,
    /// Values of a column.
    #[prost(uint32, tag = "4")]
    pub bins: u32,
    /// `[columns, bins]`, a byte each: level in dBFS = value / 2 - 127.5; 0 is everything at or below -127.5 dBFS.
    #[prost(bytes = "vec", tag = "5")]
    pub values: Vec<u8>,
}

/// Minima and maxima of the sound for zoomed-out pictures: item i of level k sums up samples [i·4^k, (i+1)·4^k).
#[derive(Clone, PartialEq, Message)]
pub struct WaveformLevel {
    /// Always 1.
    #[prost(uint32, tag = "1")]
    pub v: u32,
    /// k.
    #[prost(uint32, tag = "2")]
    pub level: u32,
    /// Index of the first item at this level.
    #[prost(uint64, tag = "3")]
    pub first: u64,
    /// Pairs of minimum and maximum, s16 little-endian.
    #[prost(bytes = "vec", tag = "4")]
    pub peaks: Vec<u8>,
}

/// What a channel carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Content {
    /// [`RawAudio`].
    Audio,
    /// [`LowerBits`], of lanes of 24 bits.
    Lower,
    /// [`CompressedAudio`].
    Packets,
    /// [`SpectrogramLevel`] of this level: a channel each, so that an overview reads nothing finer.
    Spectrogram(u32),
    /// [`WaveformLevel`] of this level.
    Waveform(u32),
    /// JSON records of a kind.
    Records(RecordKind),
}

/// How a schema is written into the file.
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// `protobuf` or `jsonschema`.
    pub encoding: &'static str,
    /// `protobuf` or `json`.
    pub message_encoding: &'static str,
    /// The schema itself.
    pub data: Vec<u8>,
}

const CONTENTS: [Content; 12] = [
    Content::Audio,
    Content::Lower,
    Content::Packets,
    Content::Records(RecordKind::Partial),
    Content::Records(RecordKind::Final),
    Content::Records(RecordKind::Connection),
    Content::Records(RecordKind::Gap),
    Content::Records(RecordKind::Anchor),
    Content::Records(RecordKind::Recognition),
    Content::Records(RecordKind::Settings),
    Content::Records(RecordKind::Training),
    Content::Records(RecordKind::Program),
];

impl Content {
    /// All that there is: the levels of the picture, and everything else.
    fn all() -> impl Iterator<Item = Self> {
        let pictures = SPECTROGRAM_LEVELS.map(Self::Spectrogram).chain(WAVEFORM_LEVELS.map(Self::Waveform));
        CONTENTS.into_iter().chain(pictures)
    }

    /// The last part of the channel's topic.
    fn word(self) -> Cow<'static, str> {
        let word = match self {
            Self::Spectrogram(level) => return format!("spectrogram-{level}").into(),
            Self::Waveform(level) => return format!("waveform-{level}").into(),
            Self::Audio => "audio",
            Self::Lower => "audio-lower",
            Self::Packets => "packets",
            Self::Records(RecordKind::Partial) => "partial",
            Self::Records(RecordKind::Final) => "final",
            Self::Records(RecordKind::Connection) => "connection",
            Self::Records(RecordKind::Gap) => "gap",
            Self::Records(RecordKind::Anchor) => "anchor",
            Self::Records(RecordKind::Recognition) => "recognition",
            Self::Records(RecordKind::Settings) => "settings",
            Self::Records(RecordKind::Training) => "training",
            Self::Records(RecordKind::Program) => "program",
        };
        word.into()
    }

    /// The topic of the channel that carries it: `/lane/KEY/audio`, or `/session/training` for what belongs to no lane.
    pub fn topic(self, lane: Option<&str>) -> String {
        match lane {
            Some(lane) => format!("/lane/{lane}/{}", self.word()),
            None => format!("/session/{}", self.word()),
        }
    }

    /// What a channel with this topic carries, and for which lane; `None` for a channel that is not ours.
    pub fn of_topic(topic: &str) -> Option<(Self, Option<&str>)> {
        let (lane, word) = match topic.strip_prefix("/lane/") {
            Some(rest) => rest.rsplit_once('/').map(|(lane, word)| (Some(lane), word))?,
            None => (None, topic.strip_prefix("/session/")?),
        };
        Self::all().find(|content| content.word() == word).map(|content| (content, lane))
    }

    /// Its schema.
    pub fn schema(self) -> Schema {
        let protobuf = |name, files: Vec<FileDescriptorProto>| Schema {
            name,
            encoding: "protobuf",
            message_encoding: "protobuf",
            data: FileDescriptorSet { file: files }.encode_to_vec(),
        };
        match self {
            Self::Audio => protobuf("foxglove.RawAudio", vec![timestamp_file(), raw_audio_file()]),
            Self::Lower => protobuf("seseragi.LowerBits", vec![timestamp_file(), lower_file()]),
            Self::Packets => protobuf("foxglove.CompressedAudio", vec![timestamp_file(), compressed_audio_file()]),
            Self::Spectrogram(_) => protobuf("seseragi.SpectrogramLevel", vec![spectrogram_file()]),
            Self::Waveform(_) => protobuf("seseragi.WaveformLevel", vec![waveform_file()]),
            Self::Records(kind) => {
                let (name, properties) = json_schema(kind);
                let mut all = json!({"v": {"type": "integer", "minimum": 1}});
                if let (Value::Object(all), Value::Object(properties)) = (&mut all, properties) {
                    all.extend(properties);
                }
                let schema = json!({"title": name, "type": "object", "properties": all, "required": ["v"]});
                let data = schema.to_string().into_bytes();
                Schema { name, encoding: "jsonschema", message_encoding: "json", data }
            }
        }
    }
}

/// The name and the properties of a JSON record.
fn json_schema(kind: RecordKind) -> (&'static str, Value) {
    let index = || json!({"type": "integer", "minimum": 0});
    let number = || json!({"type": "number"});
    let text = || json!({"type": "string"});
    let maybe = || json!({"type": ["string", "null"]});
    let tokens = || {
        let token = json!({"token": text(), "start_secs": number(), "end_secs": number(), "score": number()});
        json!({"type": "array", "items": {"type": "object", "properties": token}})
    };
    match kind {
        RecordKind::Partial => ("seseragi.Partial", json!({"at_sample": index(), "text": text(), "tokens": tokens()})),
        RecordKind::Final => (
            "seseragi.Final",
            json!({"text": text(), "start_secs": number(), "end_secs": number(), "tokens": tokens()}),
        ),
        RecordKind::Connection => {
            ("seseragi.Connection", json!({"at_sample": index(), "state": text(), "reason": maybe()}))
        }
        RecordKind::Gap => ("seseragi.Gap", json!({"at_sample": index(), "len_samples": index(), "cause": text()})),
        RecordKind::Anchor => ("seseragi.Anchor", json!({"sample": index(), "unix_nanos": index()})),
        RecordKind::Recognition => {
            let change = json!({"anyOf": [text(), {"type": "object", "properties": {
                "started": {"type": "object", "properties": {"at_sample": index()}}}}]});
            let model = json!({"type": ["object", "null"], "properties": {"name": text(), "weights_blake3": text()}});
            let running = json!({"type": "boolean"});
            let properties = json!({"heard_samples": index(), "change": change, "is_running": running, "model": model});
            ("seseragi.Recognition", properties)
        }
        RecordKind::Settings => {
            ("seseragi.Settings", json!({"at_sample": index(), "source": text(), "gain_db": number()}))
        }
        RecordKind::Training => (
            "seseragi.Training",
            json!({"run": text(), "phase": text(), "step": index(), "steps": index(), "loss": number(),
                "learning_rate": number(), "validation_accuracy": {"type": ["number", "null"]}}),
        ),
        RecordKind::Program => ("seseragi.Program", json!({"program": text(), "part": index()})),
    }
}

fn field(name: &str, number: i32, kind: Type, type_name: Option<&str>) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name: type_name.map(Into::into),
        ..FieldDescriptorProto::default()
    }
}

fn file(package: &str, message: &str, depends: &[&str], fields: Vec<FieldDescriptorProto>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(format!("{}/{message}.proto", package.replace('.', "/"))),
        package: Some(package.into()),
        dependency: depends.iter().map(|&file| file.into()).collect(),
        message_type: vec![DescriptorProto { name: Some(message.into()), field: fields, ..DescriptorProto::default() }],
        syntax: Some("proto3".into()),
        ..FileDescriptorProto::default()
    }
}

const TIMESTAMP_FILE: &str = "google/protobuf/timestamp.proto";

fn timestamp_file() -> FileDescriptorProto {
    let fields = vec![field("seconds", 1, Type::Int64, None), field("nanos", 2, Type::Int32, None)];
    // By the name under which readers that bring it along know it.
    FileDescriptorProto { name: Some(TIMESTAMP_FILE.into()), ..file("google.protobuf", "Timestamp", &[], fields) }
}

fn timestamp_field() -> FieldDescriptorProto {
    field("timestamp", 1, Type::Message, Some(".google.protobuf.Timestamp"))
}

fn raw_audio_file() -> FileDescriptorProto {
    let fields = vec![
        timestamp_field(),
        field("data", 2, Type::Bytes, None),
        field("format", 3, Type::String, None),
        field("sample_rate", 4, Type::Fixed32, None),
        field("number_of_channels", 5, Type::Fixed32, None),
    ];
    file("foxglove", "RawAudio", &[TIMESTAMP_FILE], fields)
}

fn lower_file() -> FileDescriptorProto {
    let fields = vec![
        field("v", 1, Type::Uint32, None),
        FieldDescriptorProto { number: Some(2), ..timestamp_field() },
        field("values", 3, Type::Bytes, None),
    ];
    file("seseragi", "LowerBits", &[TIMESTAMP_FILE], fields)
}

fn compressed_audio_file() -> FileDescriptorProto {
    let fields = vec![timestamp_field(), field("data", 2, Type::Bytes, None), field("format", 3, Type::String, None)];
    file("foxglove", "CompressedAudio", &[TIMESTAMP_FILE], fields)
}

fn spectrogram_file() -> FileDescriptorProto {
    let fields = vec![
        field("v", 1, Type::Uint32, None),
        field("level", 2, Type::Uint32, None),
        field("first", 3, Type::Uint64, None),
        field("bins", 4, Type::Uint32, None),
        field("values", 5, Type::Bytes, None),
    ];
    file("seseragi", "SpectrogramLevel", &[], fields)
}

fn waveform_file() -> FileDescriptorProto {
    let fields = vec![
        field("v", 1, Type::Uint32, None),
        field("level", 2, Type::Uint32, None),
        field("first", 3, Type::Uint64, None),
        field("peaks", 4, Type::Bytes, None),
    ];
    file("seseragi", "WaveformLevel", &[], fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_read_as_it_is_written() {
        for content in Content::all() {
            for lane in [None, Some("a.b-c")] {
                assert_eq!(Content::of_topic(&content.topic(lane)), Some((content, lane)));
            }
        }
        for other in ["/tf", "/lane/x", "/lane/x/video", "", "/session/"] {
            assert_eq!(Content::of_topic(other), None);
        }
    }

    #[test]
    fn every_content_has_a_schema_of_its_own() {
        let mut names: Vec<_> = CONTENTS.map(|content| content.schema().name).to_vec();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CONTENTS.len());
        assert_eq!(Content::of_topic("/lane/a/spectrogram-2"), None, "too fine to be stored");
    }
}
