//! Writing a session: sound and records in, the bytes of an MCAP file out. Knows no disk, so that a disk that is full or slow
//! leaves it as it is.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use mcap::{WriteOptions, records::MessageHeader, write::NoSeek};
use prost::Message as _;
use prost_types::Timestamp;

use super::{
    depth::LowerWriter,
    pyramid::{LevelBuilder, SPECTROGRAM_LEVELS, WAVEFORM_LEVELS},
    reader::time_of,
    records::{GapRecord, LaneRecord, ProgramRecord, Record, RecordKind, to_json},
    schema::{CompressedAudio, Content, LANE_METADATA, PROFILE, RawAudio, SpectrogramLevel, WaveformLevel},
};
use crate::{Error, Result};

/// Messages of sound a second.
const MESSAGES_A_SECOND: u32 = 10;

/// Writes a session into memory; whoever owns it takes the bytes to a file.
pub struct SessionWriter {
    mcap: mcap::Writer<NoSeek<Bytes>>,
    bytes: Bytes,
    pub(super) lanes: Vec<LaneWriter>,
    session: BTreeMap<Content, u16>,
    /// Messages that go into chunks of their own at the next cut, beside the sound: records and pictures.
    records: Vec<Waiting>,
    pictures: Vec<Waiting>,
    sequence: u32,
}

pub(super) struct LaneWriter {
    pub record: LaneRecord,
    pub channels: BTreeMap<Content, u16>,
    pub lower: LowerWriter,
    levels: LevelBuilder,
    /// Sound that fills no message yet, from this sample on.
    first: u64,
    samples: Vec<i16>,
    has_begun: bool,
}

struct Waiting {
    channel: u16,
    log_time: u64,
    data: Vec<u8>,
}

/// Memory that the MCAP writer writes to and its owner takes from.
#[derive(Clone, Default)]
struct Bytes(Arc<Mutex<Vec<u8>>>);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl SessionWriter {
    /// Begins a session file.
    pub fn new(program: &ProgramRecord, unix_nanos: u64) -> Result<Self> {
        let bytes = Bytes::default();
        let options = WriteOptions::new()
            .profile(PROFILE)
            .library(program.program.clone())
            .chunk_size(None)
            .disable_seeking(true)
            .compression_threads(0);
        let mcap = options.create(NoSeek::new(bytes.clone())).map_err(broken)?;
        let mut writer = Self {
            mcap,
            bytes,
            lanes: Vec::new(),
            session: BTreeMap::new(),
            records: Vec::new(),
            pictures: Vec::new(),
            sequence: 0,
        };
        for kind in [RecordKind::Program, RecordKind::Training] {
            let content = Content::Records(kind);
            let channel = writer.add_channel(content, None, &BTreeMap::new())?;
            writer.session.insert(content, channel);
        }
        writer.record(None, unix_nanos, program)?;
        writer.cut()?;
        Ok(writer)
    }

    /// Adds a lane; what it is called from here on.
    pub fn add_lane(&mut self, record: LaneRecord) -> Result<usize> {
        let lane = String::from_utf8(to_json(&record)?).map_err(|_| Error::internal("JSON that is no text"))?;
        let metadata = BTreeMap::from([(LANE_METADATA.to_owned(), lane)]);
        let kinds = [
            RecordKind::Partial,
            RecordKind::Final,
            RecordKind::Connection,
            RecordKind::Gap,
            RecordKind::Anchor,
            RecordKind::Recognition,
            RecordKind::Settings,
        ];
        let is_deep = record.bit_depth > 16;
        let media = [Content::Audio, Content::Packets].into_iter().chain(is_deep.then_some(Content::Lower));
        let pictures = SPECTROGRAM_LEVELS.map(Content::Spectrogram).chain(WAVEFORM_LEVELS.map(Content::Waveform));
        let mut channels = BTreeMap::new();
        for content in media.chain(pictures).chain(kinds.map(Content::Records)) {
            channels.insert(content, self.add_channel(content, Some(record.key.as_str()), &metadata)?);
        }
        let levels = LevelBuilder::new(&record.stft)?;
        self.lanes.push(LaneWriter {
            record,
            channels,
            lower: LowerWriter::default(),
            levels,
            first: 0,
            samples: Vec::new(),
            has_begun: false,
        });
        Ok(self.lanes.len() - 1)
    }

    /// What a lane is.
    pub fn lane(&self, lane: usize) -> &LaneRecord {
        &self.lanes[lane].record
    }

    /// The sample behind the last one written of a lane.
    pub fn next_sample(&self, lane: usize) -> u64 {
        let lane = &self.lanes[lane];
        lane.first + lane.samples.len() as u64
    }

    /// Adds samples of a lane. What was written before is passed over; what is missing before them becomes a recorded gap.
    pub fn sound(&mut self, lane: usize, first_sample: u64, samples: &[i16]) -> Result<()> {
        let next = self.next_sample(lane);
        let known = match self.lanes[lane].has_begun {
            true => next.saturating_sub(first_sample).min(samples.len() as u64),
            false => 0,
        };
        let (first_sample, samples) = (first_sample + known, &samples[known as usize..]);
        if samples.is_empty() {
            return Ok(());
        }
        if self.lanes[lane].has_begun && first_sample > next {
            let cause = GapRecord::NOT_RECORDED.into();
            let gap = GapRecord { at_sample: next, len_samples: first_sample - next, cause };
            self.lane_record(lane, next, &gap)?;
        }
        if first_sample != next || !self.lanes[lane].has_begun {
            self.write_sound(lane, None)?;
            let lane = &mut self.lanes[lane];
            (lane.first, lane.has_begun) = (first_sample, true);
        }
        let lane_writer = &mut self.lanes[lane];
        lane_writer.levels.push(first_sample, samples);
        lane_writer.samples.extend_from_slice(samples);
        let message = self.message_len(lane);
        self.write_sound(lane, Some(message))?;
        self.take_pictures(lane)
    }

    /// Samples in a message of sound.
    pub(super) fn message_len(&self, lane: usize) -> usize {
        (self.lanes[lane].record.sample_rate_hz / MESSAGES_A_SECOND).max(1) as usize
    }

    /// Adds a record of a lane, at a sample.
    pub fn lane_record<R: Record>(&mut self, lane: usize, at_sample: u64, record: &R) -> Result<()> {
        let at = time_of(&self.lanes[lane].record, at_sample);
        self.record(Some(lane), at, record)
    }

    /// Adds a record of the session, at a time.
    pub fn session_record<R: Record>(&mut self, unix_nanos: u64, record: &R) -> Result<()> {
        self.record(None, unix_nanos, record)
    }

    /// Adds an Opus packet as it came over the network, when the lane had been heard up to `at_sample`.
    pub fn packet(&mut self, lane: usize, at_sample: u64, packet: &[u8]) -> Result<()> {
        let lane = &self.lanes[lane];
        let at = time_of(&lane.record, at_sample);
        let message =
            CompressedAudio { timestamp: Some(timestamp(at)), data: packet.to_vec(), format: "opus".to_owned() };
        let channel = lane.channels[&Content::Packets];
        self.records.push(Waiting { channel, log_time: at, data: message.encode_to_vec() });
        Ok(())
    }

    /// Adds a message as it stood in another file: of the lane, or of the session.
    pub(super) fn raw(&mut self, lane: Option<usize>, content: Content, unix_nanos: u64, data: Vec<u8>) -> Result<()> {
        let channels = lane.map_or(&self.session, |lane| &self.lanes[lane].channels);
        if let Some(&channel) = channels.get(&content) {
            self.records.push(Waiting { channel, log_time: unix_nanos, data });
        }
        Ok(())
    }

    /// Closes the chunks: what was added before is in the bytes now, but for sound that fills no message yet.
    pub fn cut(&mut self) -> Result<()> {
        self.mcap.flush().map_err(broken)?;
        for waiting in [mem::take(&mut self.records), mem::take(&mut self.pictures)] {
            if waiting.is_empty() {
                continue;
            }
            for Waiting { channel, log_time, data } in waiting {
                self.write(channel, log_time, &data)?;
            }
            self.mcap.flush().map_err(broken)?;
        }
        Ok(())
    }

    /// Takes what has come together to be appended to the file.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        mem::take(&mut *self.bytes.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Ends the file; the last bytes, its index among them.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        for lane in 0..self.lanes.len() {
            self.write_sound(lane, None)?;
            self.write_lower(lane, None)?;
            self.lanes[lane].levels.finish();
            self.take_pictures(lane)?;
        }
        self.cut()?;
        self.mcap.finish().map_err(broken)?;
        Ok(self.take_bytes())
    }

    fn record<R: Record>(&mut self, lane: Option<usize>, unix_nanos: u64, record: &R) -> Result<()> {
        let content = Content::Records(R::KIND);
        let channels = lane.map_or(&self.session, |lane| &self.lanes[lane].channels);
        let channel = *channels.get(&content).ok_or_else(|| Error::internal(format!("{content:?} has no channel")))?;
        self.records.push(Waiting { channel, log_time: unix_nanos, data: to_json(record)? });
        Ok(())
    }

    /// Writes the sound of a lane in messages of `len` samples, or all there is as one.
    fn write_sound(&mut self, lane: usize, len: Option<usize>) -> Result<()> {
        let lane = &mut self.lanes[lane];
        let len = len.unwrap_or(lane.samples.len());
        let (mut at, channel) = (0, lane.channels[&Content::Audio]);
        let mut messages = Vec::new();
        while len > 0 && lane.samples.len() - at >= len {
            let log_time = time_of(&lane.record, lane.first + at as u64);
            let audio = RawAudio {
                timestamp: Some(timestamp(log_time)),
                data: lane.samples[at..at + len].iter().flat_map(|sample| sample.to_le_bytes()).collect(),
                format: "pcm-s16".to_owned(),
                sample_rate: lane.record.sample_rate_hz,
                number_of_channels: 1,
            };
            messages.push((log_time, audio.encode_to_vec()));
            at += len;
        }
        lane.samples.drain(..at);
        lane.first += at as u64;
        for (log_time, data) in messages {
            self.write(channel, log_time, &data)?;
        }
        Ok(())
    }

    fn take_pictures(&mut self, lane: usize) -> Result<()> {
        let LaneWriter { record, channels, levels, .. } = &mut self.lanes[lane];
        let hop = record.stft.hop as u64;
        for run in levels.spectrogram_runs.drain(..) {
            let log_time = time_of(record, (run.first << (2 * run.level)) * hop);
            let bins = record.stft.bins() as u32;
            let message = SpectrogramLevel { v: 1, level: run.level, first: run.first, bins, values: run.values };
            let channel = channels[&Content::Spectrogram(run.level)];
            self.pictures.push(Waiting { channel, log_time, data: message.encode_to_vec() });
        }
        for run in levels.waveform_runs.drain(..) {
            let log_time = time_of(record, run.first << (2 * run.level));
            let pairs = run.values.iter().flat_map(|(least, most)| [least.to_le_bytes(), most.to_le_bytes()]);
            let message = WaveformLevel { v: 1, level: run.level, first: run.first, peaks: pairs.flatten().collect() };
            let channel = channels[&Content::Waveform(run.level)];
            self.pictures.push(Waiting { channel, log_time, data: message.encode_to_vec() });
        }
        Ok(())
    }

    pub(super) fn write(&mut self, channel_id: u16, log_time: u64, data: &[u8]) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let header = MessageHeader { channel_id, sequence: self.sequence, log_time, publish_time: log_time };
        self.mcap.write_to_known_channel(&header, data).map_err(broken)
    }

    fn add_channel(
        &mut self,
        content: Content,
        lane: Option<&str>,
        metadata: &BTreeMap<String, String>,
    ) -> Result<u16> {
        let schema = content.schema();
        let id = self.mcap.add_schema(schema.name, schema.encoding, &schema.data).map_err(broken)?;
        self.mcap.add_channel(id, &content.topic(lane), schema.message_encoding, metadata).map_err(broken)
    }
}

pub(super) fn timestamp(unix_nanos: u64) -> Timestamp {
    Timestamp { seconds: (unix_nanos / 1_000_000_000) as i64, nanos: (unix_nanos % 1_000_000_000) as i32 }
}

fn broken(error: mcap::McapError) -> Error {
    Error::internal(format!("the session file cannot be made: {error}"))
}
