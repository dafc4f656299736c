//! What fills a stream: microphone, file, demo, a page over WebRTC. A source is polled by the stream's pump and never blocks; the stream outlives it.

pub mod decode;
pub mod demo;
pub mod file;
pub mod microphone;
pub mod push;
pub mod whip;

use std::{
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Result, stream::GapCause};

/// What fills a stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SourceSpec {
    /// The built-in loop of speech and sounds.
    Demo,
    /// A sound file.
    File {
        /// Where it is.
        path: PathBuf,
        /// How it is played.
        mode: PlayMode,
    },
    /// A microphone.
    Microphone {
        /// Its stable id; without one the system's default, which is followed when it changes.
        id: Option<String>,
        /// Which of its channels.
        channel: ChannelChoice,
    },
    /// A page or another program that publishes over WebRTC (WHIP) under the stream's key.
    Whip,
    /// What another part of the program hands over; it cannot be asked for by name.
    Push(push::PushOutlet),
}

/// How a file is played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PlayMode {
    /// Once, as fast as it was recorded.
    #[default]
    RealTime,
    /// Over and over, without a seam.
    Loop,
    /// Once, as fast as the recogniser takes it.
    AsFastAsPossible,
}

/// Which channels of a source become the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelChoice {
    /// Their mean.
    #[default]
    Mix,
    /// One of them, counted from 0.
    One(u16),
}

/// The form of interleaved frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Frames a second.
    pub sample_rate_hz: u32,
    /// Samples in a frame.
    pub channels: u16,
}

/// How a source stands after a poll.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceState {
    /// Not yet open; no sound is expected.
    Opening,
    /// Open; sound is expected.
    Flowing,
    /// Over: there will be no more.
    Ended,
    /// Away, and may come back by itself: it is kept.
    Away(Error),
    /// Broken: it must be dropped and opened anew.
    Failed(Error),
}

/// Something that fills a stream.
pub trait Source: Send {
    /// Moves what has arrived since the last poll into `intake`, in order. Never blocks; neither does dropping it.
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState;

    /// Moves the compressed packets that came over the network in the last poll into `packets`, for the recording. A source
    /// whose sound does not come in packets has none.
    fn take_packets(&mut self, _packets: &mut Vec<Arc<[u8]>>) {}

    /// What the device says of its own delay between the sound and its samples, which comes on top of the capture times.
    fn latency(&self) -> Option<Duration> {
        None
    }

    /// Once open it has stalled when it delivers nothing for this long ...
    fn stalled_after(&self) -> Duration {
        Duration::from_millis(500)
    }

    /// ... and after this long it is dropped and opened anew; never, where it says itself that it is [`SourceState::Away`].
    fn reopened_after(&self) -> Option<Duration> {
        Some(Duration::from_millis(2500))
    }

    /// Packets so far, where sound comes in packets over a network.
    fn packets(&self) -> Option<PacketCounts> {
        None
    }
}

/// Packets of a source that comes over a network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct PacketCounts {
    /// Packets with sound that arrived.
    pub received: u64,
    /// Packets that never arrived.
    pub lost: u64,
    /// Those of them that were made up; the others are gaps.
    pub concealed: u64,
    /// Packets that arrived and could not be decoded.
    pub damaged: u64,
}

/// One thing that a source delivered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delivery<'a> {
    /// Whole interleaved frames.
    Block {
        /// The frames, full scale being 1.0.
        samples: &'a [f32],
        /// Their form.
        format: Format,
        /// When the last of them was captured.
        captured: Instant,
    },
    /// Frames that the source knows to be missing here.
    Gap {
        /// How many, at the source's rate.
        frames: u64,
        /// Why.
        cause: GapCause,
    },
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Block { end: usize, format: Format, captured: Instant },
    Gap { frames: u64, cause: GapCause },
}

/// What a poll delivered, in order. It is reused, so that a poll allocates nothing once it has grown.
#[derive(Clone, Debug, Default)]
pub struct Intake {
    samples: Vec<f32>,
    entries: Vec<Entry>,
}

impl Intake {
    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.samples.clear();
        self.entries.clear();
    }

    /// Whether nothing was delivered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds a block of whole interleaved frames, which `write` appends to what it is given.
    pub fn push_block(&mut self, format: Format, captured: Instant, write: impl FnOnce(&mut Vec<f32>)) {
        let start = self.samples.len();
        write(&mut self.samples);
        if self.samples.len() > start {
            self.entries.push(Entry::Block { end: self.samples.len(), format, captured });
        }
    }

    /// Adds missing frames.
    pub fn push_gap(&mut self, frames: u64, cause: GapCause) {
        if frames > 0 {
            self.entries.push(Entry::Gap { frames, cause });
        }
    }

    /// What was delivered, in order.
    pub fn deliveries(&self) -> impl Iterator<Item = Delivery<'_>> {
        let mut start = 0;
        self.entries.iter().map(move |entry| match *entry {
            Entry::Block { end, format, captured } => {
                let samples = &self.samples[start..end];
                start = end;
                Delivery::Block { samples, format, captured }
            }
            Entry::Gap { frames, cause } => Delivery::Gap { frames, cause },
        })
    }
}

impl SourceSpec {
    /// Which channels of the source become the stream.
    pub fn channel(&self) -> ChannelChoice {
        match self {
            Self::Microphone { channel, .. } => *channel,
            Self::Demo | Self::File { .. } | Self::Whip | Self::Push(_) => ChannelChoice::Mix,
        }
    }

    /// Whether it waits for the recogniser instead of the clock. What is handed over does: its giver waits in turn.
    pub fn is_as_fast_as_possible(&self) -> bool {
        matches!(self, Self::File { mode: PlayMode::AsFastAsPossible, .. } | Self::Push(_))
    }

    /// Whether it may be heard: a microphone next to a loudspeaker would howl.
    pub fn may_be_heard(&self) -> bool {
        !matches!(self, Self::Microphone { .. } | Self::Whip | Self::Push(_))
    }
}

impl FromStr for SourceSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (kind, rest) = text.split_once(':').map_or((text, None), |(kind, rest)| (kind, Some(rest)));
        match (kind, rest) {
            ("demo", None) => Ok(Self::Demo),
            ("whip", None) => Ok(Self::Whip),
            ("mic", None) => Ok(Self::Microphone { id: None, channel: ChannelChoice::Mix }),
            ("mic", Some(id)) => {
                // `#2` behind the id chooses the second channel.
                let (id, channel) = match id.rsplit_once('#') {
                    Some((id, number)) => match number.parse::<u16>() {
                        Ok(number) if number > 0 => (id, ChannelChoice::One(number - 1)),
                        _ => {
                            return Err(Error::invalid(format!(
                                "\"{text}\": channels are counted from 1, as in mic:ID#1"
                            )));
                        }
                    },
                    None => (id, ChannelChoice::Mix),
                };
                Ok(Self::Microphone { id: (!id.is_empty()).then(|| id.to_owned()), channel })
            }
            ("file" | "loop" | "fast", Some(path)) if !path.is_empty() => {
                let mode = match kind {
                    "loop" => PlayMode::Loop,
                    "fast" => PlayMode::AsFastAsPossible,
                    _ => PlayMode::RealTime,
                };
                Ok(Self::File { path: path.into(), mode })
            }
            _ => Err(Error::invalid(format!(
                "\"{text}\" is no source; a source is demo, mic, mic:ID (see `seseragi devices`), mic:ID#CHANNEL, \
                 whip (a page), file:PATH (once), loop:PATH (over and over) or fast:PATH (as fast as possible)"
            ))),
        }
    }
}

impl fmt::Display for SourceSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Demo => f.write_str("demo"),
            Self::Whip => f.write_str("whip"),
            Self::Push(outlet) => write!(f, "{outlet}"),
            Self::File { path, mode } => {
                let kind = match mode {
                    PlayMode::RealTime => "file",
                    PlayMode::Loop => "loop",
                    PlayMode::AsFastAsPossible => "fast",
                };
                write!(f, "{kind}:{}", path.display())
            }
            Self::Microphone { id, channel } => {
                let id = id.as_deref().unwrap_or_default();
                match channel {
                    ChannelChoice::Mix if id.is_empty() => f.write_str("mic"),
                    ChannelChoice::Mix => write!(f, "mic:{id}"),
                    ChannelChoice::One(channel) => write!(f, "mic:{id}#{}", channel + 1),
                }
            }
        }
    }
}

impl TryFrom<String> for SourceSpec {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<SourceSpec> for String {
    fn from(spec: SourceSpec) -> Self {
        spec.to_string()
    }
}

/// Opens what `spec` names. Never blocks: what takes time is told by [`SourceState::Opening`].
///
/// # Errors
/// When the system has no thread left, or too many attempts to open a microphone hang in the sound server.
pub fn open(spec: &SourceSpec, _now: Instant) -> Result<Box<dyn Source>> {
    Ok(match spec {
        SourceSpec::Demo => Box::new(demo::open()?),
        SourceSpec::Whip => return Err(Error::internal("a page is opened by the stream that it publishes to")),
        SourceSpec::Push(outlet) => Box::new(outlet.open()),
        SourceSpec::File { path, mode } => Box::new(file::FileSource::open(path, *mode)?),
        SourceSpec::Microphone { id, channel } => Box::new(microphone::Microphone::open(id.as_deref(), *channel)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_written_as_it_is_read() {
        for text in [
            "demo",
            "mic",
            "whip",
            "mic:pulseaudio:alsa_input.usb",
            "mic:#2",
            "mic:a#1",
            "file:a b.wav",
            "loop:/x:y.flac",
            "fast:z",
        ] {
            assert_eq!(text.parse::<SourceSpec>().unwrap().to_string(), text);
        }
        for bad in ["", "radio", "file:", "file", "demo:1", "mic:x#0", "mic:x#left"] {
            let error = bad.parse::<SourceSpec>().unwrap_err();
            assert!(error.message.contains(bad), "{error}");
        }
    }

    #[test]
    fn an_intake_keeps_the_order_of_blocks_and_gaps() {
        let (mut intake, now) = (Intake::default(), Instant::now());
        let format = Format { sample_rate_hz: 8000, channels: 1 };
        intake.push_block(format, now, |samples| samples.extend([0.1, 0.2]));
        intake.push_gap(5, GapCause::Overrun);
        intake.push_gap(0, GapCause::Overrun);
        intake.push_block(format, now, |_| ());
        intake.push_block(format, now, |samples| samples.push(0.3));
        let block = |samples| Delivery::Block { samples, format, captured: now };
        let expected = [block(&[0.1, 0.2][..]), Delivery::Gap { frames: 5, cause: GapCause::Overrun }, block(&[0.3])];
        assert_eq!(intake.deliveries().collect::<Vec<_>>(), expected);
        intake.clear();
        assert!(intake.is_empty());
    }
}
