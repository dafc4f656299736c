//! What the recorder knows of a lane: its clock, its last minute, and how its recognition stands.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    records::{
        AnchorRecord, ConnectionRecord, GapRecord, LaneRecord, PartialRecord, RecognitionChange, RecognitionRecord,
        SettingsRecord,
    },
    writer::SessionWriter,
};
use crate::{
    Result,
    dsp::stft::StftConfig,
    event::Event,
    link::Latest,
    stream::{PumpReport, StreamKey},
};

/// A pair of sample and wall-clock time is kept this often.
const ANCHOR_SECS: u64 = 5;

/// Sound as it came.
#[derive(Clone, Debug)]
pub(super) struct Block {
    pub first_sample: u64,
    pub samples: Arc<[i16]>,
    pub lower: Option<Arc<[u8]>>,
    pub captured_unix_nanos: Option<u64>,
}

impl Block {
    pub fn end(&self) -> u64 {
        self.first_sample + self.samples.len() as u64
    }
}

/// A moment by both clocks of the machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub now: Instant,
    pub unix_nanos: u64,
}

impl Moment {
    /// The wall-clock time of another moment, not long ago.
    pub fn unix_nanos_of(&self, at: Instant) -> u64 {
        self.unix_nanos.saturating_sub(self.now.saturating_duration_since(at).as_nanos() as u64)
    }
}

/// A lane in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub lane: usize,
    next_anchor: u64,
    /// Whether the first sound is in.
    has_sound: bool,
}

/// What the recorder knows of a lane.
pub(super) struct Track {
    pub key: StreamKey,
    sample_rate_hz: u32,
    stft: StftConfig,
    pump: Latest<PumpReport>,
    zero_unix_nanos: Option<u64>,
    /// Behind the newest sample heard.
    pub next_sample: u64,
    past: VecDeque<Block>,
    past_events: VecDeque<(u64, Event)>,
    /// How recognition stood where the past begins, and how it stands now.
    old_recognition: RecognitionRecord,
    recognition: RecognitionRecord,
    settings: (String, f32),
    /// Whether it is recorded when recording is on.
    pub is_wanted: bool,
    pub slot: Option<Slot>,
}

impl Track {
    pub fn new(key: StreamKey, sample_rate_hz: u32, stft: StftConfig, pump: Latest<PumpReport>) -> Self {
        let change = RecognitionChange::Found;
        let unknown = RecognitionRecord { heard_samples: 0, change, is_running: false, model: None };
        Self {
            key,
            sample_rate_hz,
            stft,
            pump,
            zero_unix_nanos: None,
            next_sample: 0,
            past: VecDeque::new(),
            past_events: VecDeque::new(),
            old_recognition: unknown.clone(),
            recognition: unknown,
            settings: (String::new(), 0.0),
            is_wanted: false,
            slot: None,
        }
    }

    /// Hears a block and keeps it for as long as the last minute lasts.
    pub fn hear(&mut self, block: Block, past: Duration, moment: Moment) {
        let end = block.end();
        let length = u128::from(end) * 1_000_000_000 / u128::from(self.sample_rate_hz.max(1));
        let captured = block.captured_unix_nanos.unwrap_or(moment.unix_nanos);
        self.zero_unix_nanos.get_or_insert(captured.saturating_sub(length as u64));
        self.next_sample = end;
        self.past.push_back(block);
        let kept = (past.as_secs_f64() * f64::from(self.sample_rate_hz)) as u64;
        while self.past.front().is_some_and(|block| block.end() + kept <= end) {
            self.past.pop_front();
        }
        let first = self.past.front().map_or(end, |block| block.first_sample);
        while self.past_events.front().is_some_and(|(at, _)| *at < first) {
            if let Some((_, Event::Recognition { heard, .. })) = self.past_events.pop_front() {
                self.old_recognition = heard;
            }
        }
    }

    /// Takes note of an event of this lane.
    pub fn note(&mut self, event: &Event) {
        if let Event::Recognition { heard, .. } = event {
            self.recognition = heard.clone();
        }
        self.past_events.push_back((self.next_sample, event.clone()));
    }

    /// Forgets the last minute.
    pub fn forget(&mut self) {
        self.past.clear();
        self.past_events.clear();
        self.old_recognition = self.recognition.clone();
    }

    /// The last minute, as far as it is kept.
    pub fn past(&self) -> (Vec<Block>, Vec<Event>, RecognitionRecord) {
        let events = self.past_events.iter().map(|(_, event)| event.clone()).collect();
        (self.past.iter().cloned().collect(), events, self.old_recognition.clone())
    }

    /// The rate and the newest sound, `length` of it at most; what is missing in between is silence.
    pub fn recent(&self, length: Duration) -> (u32, Vec<i16>) {
        let most = (length.as_secs_f64() * f64::from(self.sample_rate_hz)) as u64;
        let first = self.past.front().map_or(self.next_sample, |block| block.first_sample);
        let start = first.max(self.next_sample.saturating_sub(most));
        let mut samples = vec![0; (self.next_sample - start) as usize];
        for block in self.past.iter().filter(|block| block.end() > start) {
            let skipped = start.saturating_sub(block.first_sample) as usize;
            let at = (block.first_sample + skipped as u64 - start) as usize;
            let sound = &block.samples[skipped..];
            samples[at..at + sound.len()].copy_from_slice(sound);
        }
        (self.sample_rate_hz, samples)
    }

    /// How recognition stands.
    pub fn recognition(&self) -> RecognitionRecord {
        self.recognition.clone()
    }

    /// Enters this lane into a file whose first sample of it will be `first_sample`.
    pub fn enter(
        &mut self,
        writer: &mut SessionWriter,
        first_sample: u64,
        recognition: RecognitionRecord,
    ) -> Result<Slot> {
        let report = self.pump.load();
        let source = report.source.to_string();
        let lane = writer.add_lane(LaneRecord {
            key: self.key.clone(),
            name: report.name.to_string(),
            source: source.clone(),
            sample_rate_hz: self.sample_rate_hz,
            bit_depth: report.bit_depth,
            zero_unix_nanos: self.zero_unix_nanos.unwrap_or_default(),
            stft: self.stft,
        })?;
        let found = RecognitionRecord { heard_samples: first_sample, change: RecognitionChange::Found, ..recognition };
        writer.lane_record(lane, first_sample, &found)?;
        let (state, reason) = (report.connection.state(), report.connection.reason().map(Into::into));
        writer.lane_record(lane, first_sample, &ConnectionRecord { at_sample: first_sample, state, reason })?;
        let gain_db = report.gain_db;
        writer.lane_record(lane, first_sample, &SettingsRecord { at_sample: first_sample, source, gain_db })?;
        self.settings = (report.source.to_string(), gain_db);
        Ok(Slot { lane, next_anchor: first_sample, has_sound: false })
    }

    /// Writes what the stream's settings have become, if they have changed.
    pub fn write_settings(&mut self, writer: &mut SessionWriter) -> Result<()> {
        let Some(slot) = self.slot else { return Ok(()) };
        let report = self.pump.load();
        let settings = (report.source.to_string(), report.gain_db);
        if settings != self.settings {
            let (source, gain_db) = settings.clone();
            let record = SettingsRecord { at_sample: self.next_sample, source, gain_db };
            writer.lane_record(slot.lane, self.next_sample, &record)?;
            self.settings = settings;
        }
        Ok(())
    }
}

/// Writes a block; how many samples before it are missing.
pub(super) fn write_block(writer: &mut SessionWriter, slot: &mut Slot, block: &Block) -> Result<u64> {
    let expected = writer.next_sample(slot.lane);
    writer.sound(slot.lane, block.first_sample, &block.samples)?;
    if let Some(lower) = &block.lower {
        writer.lower_bits(slot.lane, block.first_sample, lower)?;
    }
    if let Some(unix_nanos) = block.captured_unix_nanos.filter(|_| block.end() >= slot.next_anchor) {
        let anchor = AnchorRecord { sample: block.end(), unix_nanos };
        writer.lane_record(slot.lane, block.end(), &anchor)?;
        slot.next_anchor = block.end() + ANCHOR_SECS * u64::from(writer.lane(slot.lane).sample_rate_hz);
    }
    let had_sound = std::mem::replace(&mut slot.has_sound, true);
    Ok(if had_sound { block.first_sample.saturating_sub(expected) } else { 0 })
}

/// Writes an event of a lane whose newest sample is `at_sample`.
pub(super) fn write_event(writer: &mut SessionWriter, lane: usize, at_sample: u64, event: &Event) -> Result<()> {
    match event {
        Event::Connection { state, reason, .. } => {
            let record = ConnectionRecord { at_sample, state: *state, reason: reason.clone() };
            writer.lane_record(lane, at_sample, &record)
        }
        Event::Gap { gap, .. } => {
            let cause = serde_json::to_value(gap.cause).ok();
            let cause = cause.as_ref().and_then(|cause| cause.as_str()).unwrap_or("unknown").into();
            let record = GapRecord { at_sample: gap.at_sample, len_samples: gap.len_samples, cause };
            writer.lane_record(lane, gap.at_sample, &record)
        }
        Event::Recognition { heard, .. } => writer.lane_record(lane, heard.heard_samples, heard),
        Event::Partial { text, tokens, heard_samples, .. } => {
            let record = PartialRecord { at_sample: *heard_samples, text: text.clone(), tokens: tokens.clone() };
            writer.lane_record(lane, *heard_samples, &record)
        }
        Event::Final { segment, .. } => {
            let rate = f64::from(writer.lane(lane).sample_rate_hz);
            writer.lane_record(lane, (segment.start_secs.max(0.0) * rate) as u64, segment)
        }
        _ => Ok(()),
    }
}
