//! Reading a session: sound, records and pictures by lane and place, straight from the file. Nothing of it is kept in memory but
//! the index and the last few chunks, so ten hours cost what a minute costs.

use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use prost::Message as _;

use super::{
    chunks::{Chunks, Damage, Message},
    records::{
        AnchorRecord, ConnectionRecord, GapRecord, LaneRecord, PartialRecord, ProgramRecord, RecognitionRecord, Record,
        SettingsRecord, TrainingRecord, from_json,
    },
    schema::{CompressedAudio, Content, LANE_METADATA, RawAudio},
};
use crate::{Error, Result, recognise::transcript::Segment, stream::StreamKey};

/// All of a lane, where a range of samples is asked for.
pub const ALL: Range<u64> = 0..u64::MAX;

/// What a lane of a session is and how much of it there is.
#[derive(Clone, Debug, PartialEq)]
pub struct LaneInfo {
    /// What it is.
    pub record: LaneRecord,
    /// The first sample that was recorded, on the stream's clock.
    pub first_sample: u64,
    /// From the first to behind the last recorded sample.
    pub len_samples: u64,
}

impl LaneInfo {
    /// From the first to behind the last recorded sample, on the stream's clock.
    pub fn range(&self) -> Range<u64> {
        self.first_sample..self.first_sample + self.len_samples
    }

    /// Wall-clock time of the first recorded sample, nanoseconds since 1970 (UTC).
    pub fn start_unix_nanos(&self) -> u64 {
        time_of(&self.record, self.first_sample)
    }

    /// Length in seconds.
    pub fn secs(&self) -> f64 {
        self.len_samples as f64 / f64::from(self.record.sample_rate_hz)
    }
}

/// The time in the file of a sample of a lane, nanoseconds since 1970.
pub(super) fn time_of(lane: &LaneRecord, sample: u64) -> u64 {
    let rate = u128::from(lane.sample_rate_hz.max(1));
    let nanos = u128::from(sample) * 1_000_000_000 / rate + u128::from(lane.zero_unix_nanos);
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

/// The sample of a lane at a time in the file.
pub(super) fn sample_at(lane: &LaneRecord, unix_nanos: u64) -> u64 {
    let nanos = u128::from(unix_nanos.saturating_sub(lane.zero_unix_nanos));
    ((nanos * u128::from(lane.sample_rate_hz) + 500_000_000) / 1_000_000_000) as u64
}

/// An open session file.
pub struct SessionFile {
    path: PathBuf,
    pub(super) chunks: Chunks,
    lanes: Vec<LaneInfo>,
    channels: BTreeMap<(Option<usize>, Content), u16>,
    faults: Mutex<Vec<String>>,
}

impl SessionFile {
    /// Opens a file, finished or not. What is damaged in it is passed over and told by [`damage`](Self::damage).
    ///
    /// # Errors
    /// When it cannot be read, or is no MCAP file.
    pub fn open(path: &Path) -> Result<Self> {
        let chunks = Chunks::open(path)?;
        let mut file = Self {
            path: path.to_owned(),
            chunks,
            lanes: Vec::new(),
            channels: BTreeMap::new(),
            faults: Mutex::default(),
        };
        file.find_lanes();
        Ok(file)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was closed as it should be. One that was not can be recovered.
    pub fn is_finished(&self) -> bool {
        self.chunks.is_finished
    }

    /// The lanes, in the order in which they began.
    pub fn lanes(&self) -> &[LaneInfo] {
        &self.lanes
    }

    /// The place of the lane with that key.
    pub fn lane(&self, key: &StreamKey) -> Option<usize> {
        self.lanes.iter().position(|lane| lane.record.key == *key)
    }

    /// What could not be read so far. An index that is whole says nothing of the chunks: [`check`](Self::check) reads all.
    pub fn damage(&self) -> Vec<Damage> {
        self.chunks.damage()
    }

    /// Records that were there and not understood, so far.
    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads every chunk and says what is damaged.
    pub fn check(&self) -> Vec<Damage> {
        for entry in &self.chunks.entries {
            self.chunks.messages(entry);
        }
        self.damage()
    }

    /// Appends the samples of `range` on the lane's clock to `out`; zeros where nothing was recorded.
    ///
    /// # Errors
    /// For a lane that does not exist, or a range longer than [`LONGEST_READ`](Self::LONGEST_READ).
    pub fn sound(&self, lane: usize, range: Range<u64>, out: &mut Vec<i16>) -> Result<()> {
        let len = range.end.saturating_sub(range.start);
        if len > Self::LONGEST_READ {
            return Err(Error::invalid(format!("{len} samples at once are too many: read them piece by piece")));
        }
        let info = self.info(lane)?;
        let begin = out.len();
        out.resize(begin + len as usize, 0);
        // A message that begins before the range may reach into it.
        let early = u64::from(info.record.sample_rate_hz);
        self.each(Some(lane), Content::Audio, range.start.saturating_sub(early)..range.end, |message| {
            let Ok(audio) = RawAudio::decode(&*message.data) else {
                return Err("sound that is no foxglove.RawAudio".to_owned());
            };
            let first = sample_at(&info.record, message.log_time);
            let samples = audio.data.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]));
            for (at, sample) in (first..).zip(samples).skip(range.start.saturating_sub(first) as usize) {
                if at >= range.end {
                    break;
                }
                out[begin + (at - range.start) as usize] = sample;
            }
            Ok(())
        })
    }

    /// Samples that can be read at once: an hour and a half at 48 kHz.
    pub const LONGEST_READ: u64 = 1 << 28;

    /// Where sound is missing, by place.
    pub fn gaps(&self, lane: usize) -> Result<Vec<GapRecord>> {
        let mut gaps: Vec<GapRecord> = self.records(Some(lane), ALL)?;
        gaps.sort_by_key(|gap| gap.at_sample);
        Ok(gaps)
    }

    /// The final segments that begin within `range`, by place.
    pub fn segments(&self, lane: usize, range: Range<u64>) -> Result<Vec<Segment>> {
        let mut segments: Vec<Segment> = self.records(Some(lane), range)?;
        segments.sort_by(|a, b| a.start_secs.total_cmp(&b.start_secs));
        Ok(segments)
    }

    /// What was being said within `range`, in order.
    pub fn partials(&self, lane: usize, range: Range<u64>) -> Result<Vec<PartialRecord>> {
        self.records(Some(lane), range)
    }

    /// How the connection went, in order.
    pub fn connections(&self, lane: usize) -> Result<Vec<ConnectionRecord>> {
        self.records(Some(lane), ALL)
    }

    /// Pairs of sample and wall-clock time, in order.
    pub fn anchors(&self, lane: usize) -> Result<Vec<AnchorRecord>> {
        self.records(Some(lane), ALL)
    }

    /// How recognition went, in order.
    pub fn recognition(&self, lane: usize) -> Result<Vec<RecognitionRecord>> {
        self.records(Some(lane), ALL)
    }

    /// How the stream's settings were changed, in order.
    pub fn settings(&self, lane: usize) -> Result<Vec<SettingsRecord>> {
        self.records(Some(lane), ALL)
    }

    /// How training went meanwhile, in order.
    pub fn training(&self) -> Result<Vec<TrainingRecord>> {
        self.records(None, ALL)
    }

    /// The program that wrote the file.
    pub fn program(&self) -> Result<Option<ProgramRecord>> {
        Ok(self.records(None, ALL)?.into_iter().next())
    }

    /// The packets that arrived within `range`, with the sample up to which the lane was heard then.
    pub fn packets(&self, lane: usize, range: Range<u64>) -> Result<Vec<(u64, CompressedAudio)>> {
        let info = self.info(lane)?;
        let mut packets = Vec::new();
        self.each(Some(lane), Content::Packets, range, |message| {
            let packet = CompressedAudio::decode(&*message.data).map_err(|error| format!("a packet: {error}"))?;
            packets.push((sample_at(&info.record, message.log_time), packet));
            Ok(())
        })?;
        Ok(packets)
    }

    /// The records of a kind whose place lies within `range`, in the order in which they were written.
    fn records<R: Record>(&self, lane: Option<usize>, range: Range<u64>) -> Result<Vec<R>> {
        let mut records = Vec::new();
        self.each(lane, Content::Records(R::KIND), range, |message| {
            records.push(from_json(&message.data).map_err(|error| error.message)?);
            Ok(())
        })?;
        Ok(records)
    }

    /// Calls `take` with each message of a channel whose time lies within the samples `range`.
    pub(super) fn each(
        &self,
        lane: Option<usize>,
        content: Content,
        range: Range<u64>,
        mut take: impl FnMut(&Message) -> Result<(), String>,
    ) -> Result<()> {
        let times = match lane {
            Some(lane) => {
                let record = &self.info(lane)?.record;
                time_of(record, range.start)..time_of(record, range.end)
            }
            None => ALL,
        };
        let Some(&channel) = self.channels.get(&(lane, content)) else { return Ok(()) };
        for entry in &self.chunks.entries {
            if entry.start >= times.end || entry.end < times.start || !self.chunks.holds(entry, channel) {
                continue;
            }
            for message in self.chunks.messages(entry).iter() {
                if message.channel == channel
                    && times.contains(&message.log_time)
                    && let Err(what) = take(message)
                {
                    self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(what);
                }
            }
        }
        Ok(())
    }

    /// Whose channel it is and what it carries; `None` for one that is not ours.
    pub(super) fn channel(&self, id: u16) -> Option<(Option<usize>, Content)> {
        self.channels.iter().find(|(_, channel)| **channel == id).map(|(key, _)| *key)
    }

    /// The sample of a lane at a time in the file.
    pub(super) fn sample_of(&self, lane: usize, unix_nanos: u64) -> Result<u64> {
        Ok(sample_at(&self.info(lane)?.record, unix_nanos))
    }

    /// Whether a file lacks its end. Only the end is looked at.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn is_unfinished(path: &Path) -> Result<bool> {
        Chunks::has_end(path).map(|has_end| !has_end)
    }

    /// What a lane is.
    pub(super) fn info(&self, lane: usize) -> Result<&LaneInfo> {
        let count = self.lanes.len();
        let lane = self.lanes.get(lane);
        lane.ok_or_else(|| Error::not_found(format!("{} has {count} lanes", self.path.display())))
    }

    fn find_lanes(&mut self) {
        for (&id, channel) in &self.chunks.channels {
            let Some((content, key)) = Content::of_topic(&channel.topic) else { continue };
            let lane = match key {
                None => None,
                Some(_) => {
                    let json = channel.metadata.get(LANE_METADATA).map(String::as_bytes).unwrap_or_default();
                    let Ok(record) = from_json::<LaneRecord>(json) else {
                        let what = format!("the channel {} does not say what its lane is", channel.topic);
                        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(what);
                        continue;
                    };
                    let known = self.lanes.iter().position(|lane| lane.record.key == record.key);
                    Some(known.unwrap_or_else(|| {
                        self.lanes.push(LaneInfo { record, first_sample: 0, len_samples: 0 });
                        self.lanes.len() - 1
                    }))
                }
            };
            self.channels.entry((lane, content)).or_insert(id);
        }
        for lane in 0..self.lanes.len() {
            let range = self.sound_range(lane);
            let info = &mut self.lanes[lane];
            (info.first_sample, info.len_samples) = (range.start, range.end - range.start);
        }
    }

    /// From the first to behind the last sample of a lane: only the chunks at its ends are looked at.
    fn sound_range(&self, lane: usize) -> Range<u64> {
        let Some(&channel) = self.channels.get(&(Some(lane), Content::Audio)) else { return 0..0 };
        let record = &self.lanes[lane].record;
        let has_sound = |entry: &&super::chunks::ChunkEntry| self.chunks.holds(entry, channel);
        let ranges_in = |entry: &super::chunks::ChunkEntry| {
            let messages = self.chunks.messages(entry);
            let of_lane = messages.iter().filter(|message| message.channel == channel);
            let ranges = of_lane.filter_map(|message| {
                let first = sample_at(record, message.log_time);
                let samples = RawAudio::decode(&*message.data).ok()?.data.len() / 2;
                Some(first..first + samples as u64)
            });
            ranges.reduce(|all, range| all.start.min(range.start)..all.end.max(range.end))
        };
        let first = self.chunks.entries.iter().filter(has_sound).find_map(ranges_in);
        let last = self.chunks.entries.iter().rev().filter(has_sound).find_map(ranges_in);
        first.zip(last).map_or(0..0, |(first, last)| first.start..last.end.max(first.end))
    }
}
