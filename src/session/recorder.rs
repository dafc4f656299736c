//! The recorder: a job of its own that takes sound and events to files, whatever the screen and the disk do.

mod files;

use std::{
    collections::BTreeMap,
    mem,
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use bevy::tasks::{AsyncComputeTaskPool, TaskPool};

use super::{
    disk::{Creator, Retention, Storage, session_name},
    handle::{RecorderMessage, RecordingReport, RecordingState, SessionIntent},
    records::TrainingRecord,
    rewrite::recover_all,
    track::{Block, Moment, Track, write_block, write_event},
    writer::SessionWriter,
};
use crate::{
    Error, Result,
    event::{Event, EventHub},
    link::{Latest, LinkReceiver},
    stream::StreamKey,
    task::{Job, Next},
    train::progress::Phase,
};

/// How often it looks for sound.
const TICK: Duration = Duration::from_millis(10);
/// Chunks are closed and synced this often, so that a power cut costs less than a second: with the message under way 0.7 s, and the
/// rest is for a slow disk on a busy machine.
const CUT_EVERY: Duration = Duration::from_millis(600);
/// Where recording is always on, a failed disk is tried again this often.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// After the end of recording, what the recogniser still says of the recorded sound is waited for this long.
const LINGER: Duration = Duration::from_millis(250);
/// Training is written down this often at most, beside changes of its phase.
const TRAINING_EVERY: Duration = Duration::from_secs(1);

/// What the recorder needs to know.
#[derive(Clone, Debug)]
pub struct RecorderSettings {
    /// Where files go.
    pub folder: PathBuf,
    /// Whether it records without being asked.
    pub is_always_on: bool,
    /// How much of the past is kept for [`SessionIntent::Keep`].
    pub past: Duration,
    /// A file is closed and the next begun after so long.
    pub segment: Duration,
    /// How long files are kept.
    pub retention: Retention,
    /// Lanes that are never recorded.
    pub excluded: Vec<StreamKey>,
}

/// A file under way.
struct Segment {
    writer: SessionWriter,
    storage: Box<dyn Storage>,
    path: PathBuf,
    begun: Instant,
    cut: Instant,
    bytes: u64,
}

/// The recorder.
pub struct Recorder {
    settings: RecorderSettings,
    create: Creator,
    incoming: LinkReceiver<RecorderMessage>,
    events: EventHub,
    seen_event: u64,
    report: Latest<RecordingReport>,
    tracks: BTreeMap<StreamKey, Track>,
    /// The lanes that are asked for; none means all.
    asked: Vec<StreamKey>,
    segment: Option<Segment>,
    /// The number of the file in its session, and the session's name.
    part: (u32, String),
    stopping: Option<Instant>,
    retry_at: Option<Instant>,
    lost_samples: u64,
    told_of_loss: bool,
    failure: Option<Error>,
    message: Option<String>,
    training: (Option<Phase>, Option<Instant>),
    has_started: bool,
}

impl Recorder {
    /// A recorder that records nothing yet.
    pub fn new(
        settings: RecorderSettings,
        create: Creator,
        incoming: LinkReceiver<RecorderMessage>,
        events: EventHub,
        report: Latest<RecordingReport>,
    ) -> Self {
        Self {
            settings,
            create,
            incoming,
            events,
            seen_event: 0,
            report,
            tracks: BTreeMap::new(),
            asked: Vec::new(),
            segment: None,
            part: (0, String::new()),
            stopping: None,
            retry_at: None,
            lost_samples: 0,
            told_of_loss: false,
            failure: None,
            message: None,
            training: (None, None),
            has_started: false,
        }
    }

    /// What was left unfinished is repaired elsewhere; what is too old goes.
    fn start_up(&mut self, now: Instant) {
        self.has_started = true;
        self.retry_at = self.settings.is_always_on.then_some(now);
        let (folder, events, retention) = (self.settings.folder.clone(), self.events.clone(), self.settings.retention);
        let repair = async move {
            for (path, done) in recover_all(&folder) {
                let message = match done {
                    Ok(recovered) => recovered.to_string(),
                    Err(error) => format!("{} was not closed and cannot be repaired: {error}", path.display()),
                };
                events.publish(Event::Failure { owner: "record".into(), message });
            }
            if let Err(error) = retention.apply(&folder, SystemTime::now()) {
                events.publish(Event::Failure { owner: "record".into(), message: error.message });
            }
        };
        AsyncComputeTaskPool::get_or_init(TaskPool::default).spawn(repair).detach();
    }

    fn obey(&mut self, intent: SessionIntent, moment: Moment) {
        match intent {
            SessionIntent::Start { lanes } => {
                if self.segment.is_some() && self.stopping.is_none() {
                    return self.tell("it is being recorded already".to_owned());
                }
                self.close(moment);
                self.asked = lanes;
                let wanted: Vec<bool> = self.tracks.keys().map(|key| self.is_wanted(key)).collect();
                self.tracks.values_mut().zip(wanted).for_each(|(track, is_wanted)| track.is_wanted = is_wanted);
                self.lost_samples = 0;
                self.part = (0, session_name(moment.unix_nanos));
                self.begin_segment(moment);
            }
            SessionIntent::Stop => {
                self.retry_at = None;
                if self.segment.is_some() {
                    self.stopping.get_or_insert(moment.now);
                } else {
                    self.failure = None;
                }
            }
            SessionIntent::Keep => {
                if let Err(error) = self.keep(moment) {
                    self.complain(&error);
                }
            }
        }
    }

    fn is_wanted(&self, key: &StreamKey) -> bool {
        (self.asked.is_empty() || self.asked.contains(key)) && !self.settings.excluded.contains(key)
    }

    fn take_sound(&mut self, lane: &StreamKey, block: Block, moment: Moment) {
        let Some(track) = self.tracks.get_mut(lane) else { return };
        track.hear(block.clone(), self.settings.past, moment);
        let Some(segment) = self.segment.as_mut().filter(|_| self.stopping.is_none() && track.is_wanted) else {
            return;
        };
        let written = (|| {
            let mut slot = match track.slot {
                Some(slot) => slot,
                None => track.enter(&mut segment.writer, block.first_sample, track.recognition())?,
            };
            let lost = write_block(&mut segment.writer, &mut slot, &block)?;
            track.slot = Some(slot);
            Ok(lost)
        })();
        match written {
            Ok(0) => (),
            Ok(lost) => {
                self.lost_samples += lost;
                if !mem::replace(&mut self.told_of_loss, true) {
                    let message = "the disk is too slow: some sound is not recorded; the file says where".to_owned();
                    self.message = Some(message.clone());
                    self.events.publish(Event::Failure { owner: "record".into(), message });
                }
            }
            Err(error) => self.fail(&error, moment.now),
        }
    }

    fn take_packet(&mut self, lane: &StreamKey, data: &[u8]) -> Result<()> {
        if let (Some(track), Some(segment)) = (self.tracks.get(lane), &mut self.segment)
            && let Some(slot) = track.slot.filter(|_| self.stopping.is_none())
        {
            segment.writer.packet(slot.lane, track.next_sample, data)?;
        }
        Ok(())
    }

    fn take_events(&mut self, moment: Moment) -> Result<()> {
        if self.events.last_id() == self.seen_event {
            return Ok(());
        }
        let (records, missed) = self.events.read_after(self.seen_event, usize::MAX);
        if missed > 0 && self.segment.is_some() && self.seen_event > 0 {
            let message = format!("{missed} events came too fast for the recording and are not in it");
            self.events.publish(Event::Failure { owner: "record".into(), message });
        }
        for record in records {
            self.seen_event = record.id;
            if let Event::Progress(progress) = &record.event {
                let (phase, at) = self.training;
                let is_due = at.is_none_or(|at| moment.now.saturating_duration_since(at) >= TRAINING_EVERY);
                if let Some(segment) = self.segment.as_mut().filter(|_| is_due || phase != Some(progress.phase)) {
                    self.training = (Some(progress.phase), Some(moment.now));
                    segment.writer.session_record(moment.unix_nanos, &TrainingRecord::from(progress))?;
                }
            }
            let Some(track) = record.event.stream().and_then(|key| self.tracks.get_mut(key)) else { continue };
            track.note(&record.event);
            let Some((segment, slot)) = self.segment.as_mut().zip(track.slot) else { continue };
            // What is said of sound behind the end is of no use there.
            let is_inside = match &record.event {
                Event::Partial { heard_samples, .. } | Event::Final { heard_samples, .. } => {
                    self.stopping.is_none() || *heard_samples <= segment.writer.next_sample(slot.lane)
                }
                Event::Recognition { heard, .. } => {
                    self.stopping.is_none() || heard.heard_samples < segment.writer.next_sample(slot.lane)
                }
                _ => self.stopping.is_none(),
            };
            if is_inside {
                write_event(&mut segment.writer, slot.lane, track.next_sample, &record.event)?;
            }
        }
        Ok(())
    }

    fn complain(&mut self, error: &Error) {
        self.message = Some(error.message.clone());
        self.events.publish(Event::Failure { owner: "record".into(), message: error.message.clone() });
    }

    fn tell(&mut self, message: String) {
        self.message = Some(message);
    }

    fn publish(&self, now: Instant) {
        let state = match (&self.segment, &self.failure) {
            (Some(_), _) => RecordingState::Recording,
            (None, Some(_)) => RecordingState::Failed,
            (None, None) => RecordingState::Off,
        };
        let segment = self.segment.as_ref();
        let in_file = self.tracks.values().filter(|track| track.slot.is_some());
        self.report.publish(RecordingReport {
            state,
            path: segment.map(|segment| segment.path.clone()),
            lanes: in_file.map(|track| track.key.clone()).collect(),
            secs: segment.map_or(0.0, |segment| now.saturating_duration_since(segment.begun).as_secs_f64()),
            bytes: segment.map_or(0, |segment| segment.bytes),
            lost_samples: self.lost_samples,
            message: self.message.as_deref().map(Into::into),
            said: Some(now),
        });
    }

    /// One turn at a moment.
    fn turn(&mut self, moment: Moment) {
        let now = moment.now;
        if !self.has_started {
            self.start_up(now);
        }
        // Before anything is taken: what was heard before the first turn is recorded too.
        if self.segment.is_none() && self.retry_at.is_some_and(|at| now >= at) {
            self.part = (0, session_name(moment.unix_nanos));
            self.begin_segment(moment);
        }
        // A bounded share, so that what is heard is cut and synced in time even after a stall.
        for _ in 0..self.incoming.len() {
            match self.incoming.try_recv() {
                None => break,
                Some(RecorderMessage::Gone(key)) => drop(self.tracks.remove(&key)),
                Some(RecorderMessage::Lane { key, sample_rate_hz, stft, pump }) => {
                    if self.tracks.contains_key(&key) && self.segment.is_some() {
                        // Its clock begins anew, which a file knows once a lane.
                        self.close(moment);
                        self.begin_segment(moment);
                    }
                    let mut track = Track::new(key.clone(), sample_rate_hz, stft, pump);
                    track.is_wanted = self.is_wanted(&key);
                    self.tracks.insert(key, track);
                }
                Some(RecorderMessage::Sound { lane, first_sample, samples, lower, captured }) => {
                    let captured_unix_nanos = captured.map(|at| moment.unix_nanos_of(at));
                    self.take_sound(&lane, Block { first_sample, samples, lower, captured_unix_nanos }, moment);
                }
                Some(RecorderMessage::Packet { lane, data }) => {
                    if let Err(error) = self.take_packet(&lane, &data) {
                        self.fail(&error, now);
                    }
                }
                Some(RecorderMessage::Intent(intent)) => self.obey(intent, moment),
                Some(RecorderMessage::Recent { lane, past, to }) => {
                    let recent = self.tracks.get(&lane).map_or((0, Vec::new()), |track| track.recent(past));
                    // Whoever asked may have gone.
                    to.try_send(recent).ok();
                }
                Some(RecorderMessage::Forget(key)) => self.forget(&key, moment),
            }
        }
        let mut done = self.take_events(moment);
        if done.is_ok() && self.segment.as_ref().is_some_and(|s| now.saturating_duration_since(s.cut) >= CUT_EVERY) {
            done = self.cut(moment);
        }
        if let Err(error) = done {
            self.fail(&error, now);
        }
        if self.stopping.is_some_and(|since| now.saturating_duration_since(since) >= LINGER) {
            self.close(moment);
        }
        let is_full = |s: &Segment| now.saturating_duration_since(s.begun) >= self.settings.segment;
        if self.stopping.is_none() && self.segment.as_ref().is_some_and(is_full) {
            self.close(moment);
            self.begin_segment(moment);
        }
        self.publish(now);
    }
}

impl Job for Recorder {
    fn tick(&mut self, now: Instant) -> Next {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.turn(Moment { now, unix_nanos: unix.as_nanos() as u64 });
        Next::Sleep(TICK)
    }

    fn recover(&mut self, now: Instant, failure: Error) {
        self.fail(&failure, now);
    }
}

#[cfg(test)]
mod tests;
