//! The job that has a session open: reads it, keeps the windows around what is visible, plays it, and keeps its labels.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bevy::tasks::Task;
use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    Overview, PlayClock, ReplayCommand,
    landmarks::Landmarks,
    report::{OpenSession, ReplayHandle, ReplayReport, SessionEntry},
    window::{Levels, Window},
};
use crate::{
    Error, Result, Text,
    config::Config,
    event::{Event, EventHub},
    link::{Kind, Latest, LinkReceiver, LinkRegistry},
    monitor::replay::{Excerpt, ReplayVoice},
    session::{
        SessionClock, SessionFile,
        annotate::Annotations,
        dataset::send_to_dataset,
        export::{Request, export},
        records::GapRecord,
    },
    stream::{Gap, GapCause},
    task::{Job, Next, Pool, TaskRegistry, spawn_thread},
};

/// How often it looks around while a session is open.
const TICK: Duration = Duration::from_millis(15);
/// And while none is.
const IDLE_TICK: Duration = Duration::from_millis(50);
/// How many commands may wait.
const COMMANDS: usize = 256;
/// Of so many seconds at most a window that is made from the sound keeps its margin.
const EXACT_MARGINED_SECS: f64 = 20.0;
/// Real time that an excerpt for the ears lasts, seconds.
const EXCERPT_SECS: f64 = 5.0;
/// A loop up to this long is held whole for the ears.
const HELD_LOOP_SECS: f64 = 60.0;

/// The job.
pub struct Player {
    commands: LinkReceiver<ReplayCommand>,
    report: Latest<ReplayReport>,
    events: EventHub,
    voice: ReplayVoice,
    /// Why nothing was heard when it was last looked at.
    unheard: Option<Error>,
    folder: PathBuf,
    open: Option<Open>,
    shown: ReplayReport,
    /// What exports come to. Kind: all; there are never more than [`COMMANDS`] at once.
    results: (Sender<Result<Text>>, Receiver<Result<Text>>),
}

/// A session that is open.
struct Open {
    file: SessionFile,
    session: Arc<OpenSession>,
    annotations: Annotations,
    clock: PlayClock,
    span_secs: f64,
    /// What the ears have: the lane's samples, and which.
    excerpt: (Range<u64>, Arc<[i16]>),
    is_clock_new: bool,
}

/// Starts the job. `folder` is where sessions are looked for.
///
/// # Errors
/// When the system has no thread left.
pub fn spawn(
    folder: PathBuf,
    volume_db: f32,
    events: EventHub,
    links: &LinkRegistry,
    tasks: &TaskRegistry,
) -> Result<(ReplayHandle, Task<()>)> {
    let (commands, orders) = links.bounded("replay: commands", Kind::All, COMMANDS);
    let report = Latest::new(ReplayReport::default());
    let player = Player::new(folder, orders, report.clone(), events, ReplayVoice::open(volume_db)?);
    Ok((ReplayHandle { commands, report }, tasks.spawn(Pool::Replay, "replay", player)))
}

/// [`spawn`] by the settings: sessions are looked for where they are recorded to. Where there is no home there are none to list; one
/// can still be opened by its path.
///
/// # Errors
/// As [`spawn`].
pub fn start(
    config: &Config,
    events: EventHub,
    links: &LinkRegistry,
    tasks: &TaskRegistry,
) -> Result<(ReplayHandle, Task<()>)> {
    let folder = match config.record.dir.as_os_str().is_empty() {
        true => crate::config::data_dir().unwrap_or_default().join("sessions"),
        false => config.record.dir.clone(),
    };
    spawn(folder, config.monitor.volume_db, events, links, tasks)
}

impl Player {
    /// A job without a session.
    pub fn new(
        folder: PathBuf,
        commands: LinkReceiver<ReplayCommand>,
        report: Latest<ReplayReport>,
        events: EventHub,
        voice: ReplayVoice,
    ) -> Self {
        let shown = ReplayReport { is_audible: true, ..ReplayReport::default() };
        Self { commands, report, events, voice, unheard: None, folder, open: None, shown, results: bounded(COMMANDS) }
    }

    fn apply(&mut self, command: ReplayCommand, now: Instant) -> Result<()> {
        match command {
            ReplayCommand::Open(path) => return self.open(&path, now),
            ReplayCommand::List => self.shown.sessions = Arc::new(list(&self.folder)?),
            ReplayCommand::SetAudible(is_audible) => self.shown.is_audible = is_audible,
            ReplayCommand::Close => {
                self.open = None;
                let (sessions, is_audible) = (self.shown.sessions.clone(), self.shown.is_audible);
                self.shown = ReplayReport { sessions, is_audible, ..ReplayReport::default() };
            }
            command => {
                let Some(open) = &mut self.open else { return Err(Error::not_found("no session is open")) };
                open.apply(command, &mut self.shown, &self.results.0, now)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, path: &Path, now: Instant) -> Result<()> {
        let open = Open::new(path, now)?;
        let shown = ReplayReport {
            session: Some(open.session.clone()),
            windows: open.session.lanes.iter().map(|lane| Arc::new(Window::empty(lane))).collect(),
            sessions: self.shown.sessions.clone(),
            is_audible: self.shown.is_audible,
            ..ReplayReport::default()
        };
        (self.open, self.shown) = (Some(open), shown);
        Ok(())
    }

    /// What was done last, or could not be.
    fn notice(&mut self, notice: Result<Text>) {
        if let Err(error) = &notice {
            self.events.publish(Event::Failure { owner: "replay".into(), message: error.message.clone() });
        }
        self.shown.notice = Some(notice);
    }
}

impl Job for Player {
    fn tick(&mut self, now: Instant) -> Next {
        let mut is_changed = false;
        for _ in 0..self.commands.len() {
            let Some(command) = self.commands.try_recv() else { break };
            is_changed = true;
            if let Err(error) = self.apply(command, now) {
                self.notice(Err(error));
            }
        }
        while let Ok(result) = self.results.1.try_recv() {
            is_changed = true;
            self.notice(result);
        }
        let looked = self.open.as_mut().map(|open| open.look(&mut self.shown, now));
        match looked {
            Some(Ok(is_new)) => is_changed |= is_new,
            Some(Err(error)) => {
                is_changed = true;
                self.notice(Err(error));
            }
            None => {}
        }
        let spoken = self.open.as_mut().map(|open| open.speak(&mut self.voice, self.shown.heard, now));
        if let Some(Err(error)) = spoken {
            is_changed = true;
            self.notice(Err(error));
        }
        if let Some(open) = &self.open {
            self.shown.clock = Some(open.clock.clone());
            self.shown.labels = open.annotations.labels().clone();
            self.shown.can_undo_redo = open.annotations.can_undo_redo();
        } else {
            self.voice.set(None, now);
        }
        self.voice.set_on(self.open.is_some() && self.shown.is_audible);
        let unheard = self.voice.notice();
        if unheard != self.unheard {
            is_changed = true;
            self.unheard.clone_from(&unheard);
            // Without a loudspeaker it is still seen.
            self.shown.notice = unheard.map(Err);
        }
        if is_changed {
            self.report.publish(self.shown.clone());
        }
        Next::Sleep(if self.open.is_some() { TICK } else { IDLE_TICK })
    }

    fn recover(&mut self, _now: Instant, failure: Error) {
        // What it was about to do is unknown: the session is closed, and can be opened again.
        self.open = None;
        let sessions = self.shown.sessions.clone();
        self.shown = ReplayReport { sessions, is_audible: self.shown.is_audible, ..ReplayReport::default() };
        self.notice(Err(failure));
        self.report.publish(self.shown.clone());
    }
}

impl Open {
    fn new(path: &Path, now: Instant) -> Result<Self> {
        let file = SessionFile::open(path)?;
        if file.lanes().is_empty() {
            return Err(Error::invalid(format!("{} has no lane to replay", path.display())));
        }
        let annotations = Annotations::open(path)?;
        let clock = SessionClock::of(&file);
        let lanes = file.lanes().to_vec();
        let offsets_secs: Vec<f64> = lanes.iter().map(|lane| clock.offset_secs(lane)).collect();
        let gaps = (0..lanes.len()).map(|lane| Ok(file.gaps(lane)?.iter().map(gap_of).collect()));
        let overview = |lane| Overview::read(&file, lane, offsets_secs[lane], clock.len_secs).map(Arc::new);
        let session = OpenSession {
            path: path.to_owned(),
            gaps: gaps.collect::<Result<_>>()?,
            overviews: (0..lanes.len()).map(overview).collect::<Result<_>>()?,
            start_unix_nanos: clock.start_unix_nanos,
            offsets_secs,
            lanes,
        };
        Ok(Self {
            file,
            session: Arc::new(session),
            annotations,
            clock: PlayClock::new(clock.len_secs, now),
            span_secs: 10.0,
            excerpt: (0..0, Arc::default()),
            is_clock_new: true,
        })
    }

    fn apply(
        &mut self,
        command: ReplayCommand,
        shown: &mut ReplayReport,
        results: &Sender<Result<Text>>,
        now: Instant,
    ) -> Result<()> {
        let clock = &mut self.clock;
        self.is_clock_new = true;
        match command {
            ReplayCommand::Toggle if clock.is_moving(now) => clock.pause(now),
            ReplayCommand::Toggle | ReplayCommand::Play => clock.play(now),
            ReplayCommand::Pause => clock.pause(now),
            ReplayCommand::Seek(secs) => clock.seek(secs, now),
            ReplayCommand::Step(secs) => clock.seek(clock.at(now) + secs, now),
            ReplayCommand::Speed(speed) => clock.set_speed(speed, now),
            ReplayCommand::Repeat(part) => clock.repeat(part, now),
            ReplayCommand::Look(span_secs) => self.span_secs = span_secs.clamp(0.05, 86_400.0),
            ReplayCommand::Hear(lane) => shown.heard = lane.min(self.session.lanes.len() - 1),
            ReplayCommand::Jump { is_forward, to } => {
                let landmarks = Landmarks {
                    file: &self.file,
                    labels: self.annotations.labels(),
                    gaps: &self.session.gaps,
                    offsets_secs: &self.session.offsets_secs,
                    len_secs: clock.len_secs(),
                };
                if let Some(secs) = landmarks.next(clock.at(now), is_forward, to)? {
                    clock.seek(secs, now);
                }
            }
            ReplayCommand::Label(edit) => drop(self.annotations.edit(edit)?),
            ReplayCommand::Export(request) => self.export(request, results.clone())?,
            ReplayCommand::SendToDataset(folder) => {
                let sent = send_to_dataset(&self.file, self.annotations.labels(), &folder)?;
                shown.notice = Some(Ok(format!("{sent} clips in {}", folder.display()).into()));
            }
            // Done by the job itself.
            ReplayCommand::Open(_) | ReplayCommand::Close | ReplayCommand::List | ReplayCommand::SetAudible(_) => {}
        }
        Ok(())
    }

    /// Exports on a thread of its own, from a file opened anew: it may take minutes.
    fn export(&self, request: Request, results: Sender<Result<Text>>) -> Result<()> {
        let (path, labels) = (self.session.path.clone(), self.annotations.labels().clone());
        let job = move || {
            let done = SessionFile::open(&path).and_then(|file| export(&file, &labels, &request));
            let said = done.map(|written| format!("{} files in {}", written.len(), request.out_dir.display()).into());
            // Nobody is left to be told when the program ends.
            let _ = results.try_send(said);
        };
        spawn_thread("export", job).map(drop)
    }

    /// Keeps the windows around what is visible. Says whether one is new.
    fn look(&mut self, shown: &mut ReplayReport, now: Instant) -> Result<bool> {
        let place = self.clock.at(now);
        let mut is_new = false;
        for (index, lane) in self.session.lanes.iter().enumerate() {
            let middle = place + self.session.offsets_secs[index];
            let levels = Levels::of(lane, self.span_secs);
            // A margin of what is visible or, where the picture is made from the sound, of at most so many seconds.
            let margined_secs =
                if levels.are_exact() { self.span_secs.min(EXACT_MARGINED_SECS) } else { self.span_secs };
            let around = |margin: f64| {
                let half = 0.5 * self.span_secs + margin * margined_secs;
                middle - half..middle + half
            };
            if shown.windows[index].holds(lane, &around(0.15), levels) {
                continue;
            }
            shown.windows[index] = Arc::new(Window::read(&self.file, index, around(0.5), levels)?);
            is_new = true;
        }
        Ok(is_new)
    }

    /// Gives the ears what they need for the next seconds.
    fn speak(&mut self, voice: &mut ReplayVoice, heard: usize, now: Instant) -> Result<()> {
        let Some(lane) = self.session.lanes.get(heard) else { return Ok(()) };
        let (rate, offset) = (f64::from(lane.record.sample_rate_hz), self.session.offsets_secs[heard]);
        let sample = |secs: f64| ((secs + offset) * rate).max(0.0) as u64;
        let (place, speed) = (self.clock.at(now), self.clock.speed());
        let needed = sample(place - 0.1)..sample(place + 0.2 * EXCERPT_SECS * speed);
        let (held, _) = &self.excerpt;
        let is_held = held.start <= needed.start && needed.end.min(sample(self.clock.len_secs())) <= held.end;
        if !is_held {
            let mut secs = place - 0.5..place + EXCERPT_SECS * speed;
            if let Some(part) = self.clock.repeats()
                && part.end - part.start <= HELD_LOOP_SECS
            {
                secs = secs.start.min(part.start - 0.1)..secs.end.max(part.end);
            }
            let range = sample(secs.start)..sample(secs.end.min(self.clock.len_secs()));
            let mut samples = Vec::new();
            if !range.is_empty() {
                self.file.sound(heard, range.clone(), &mut samples)?;
            }
            self.excerpt = (range, samples.into());
            self.is_clock_new = true;
        }
        if std::mem::take(&mut self.is_clock_new) {
            let excerpt = Excerpt {
                clock: self.clock.clone(),
                offset_secs: offset,
                sample_rate_hz: lane.record.sample_rate_hz,
                first_sample: self.excerpt.0.start,
                samples: self.excerpt.1.clone(),
            };
            voice.set(Some(excerpt), now);
        }
        Ok(())
    }
}

/// A recorded gap as those of a stream; what only the recording lacks was lost to the disk.
fn gap_of(gap: &GapRecord) -> Gap {
    let cause = serde_json::from_value(serde_json::Value::String(gap.cause.to_string())).unwrap_or(GapCause::Overrun);
    Gap { at_sample: gap.at_sample, len_samples: gap.len_samples, cause }
}

/// The sessions in a folder, the newest first; none where there is no folder.
fn list(folder: &Path) -> Result<Vec<SessionEntry>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io(format_args!("cannot look into {}", folder.display()), &error)),
    };
    let session = |path: PathBuf| {
        let data = path.metadata().ok().filter(|data| data.is_file())?;
        let changed = data.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(SessionEntry { path, bytes: data.len(), changed_unix_secs: changed.as_secs() })
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut sessions: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|ending| ending == "mcap")).filter_map(session).collect();
    sessions.sort_by(|a, b| b.changed_unix_secs.cmp(&a.changed_unix_secs).then(a.path.cmp(&b.path)));
    Ok(sessions)
}

#[cfg(test)]
#[path = "player_tests.rs"]
mod tests;
