//! The recorder with a disk that is scripted, and a clock that is turned.

use std::{
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
};

use super::*;
use crate::{
    config::Config,
    link::{Kind, LinkRegistry, LinkSender},
    session::{
        ALL, SessionFile, disk,
        records::{ModelRecord, RecognitionChange, RecognitionRecord},
        tests::sound,
    },
    stream::{ConnectionState, Gap, GapCause, PumpReport, StreamSettings},
    train::progress::Progress,
};

const RATE: u32 = 8_000;

/// A disk that does what it is told: 0 works, 1 is full.
struct Scripted {
    inner: Box<dyn Storage>,
    mood: Arc<AtomicU8>,
}

impl Storage for Scripted {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.mood.load(Relaxed) {
            0 => self.inner.append(bytes),
            _ => Err(io::Error::from(io::ErrorKind::StorageFull)),
        }
    }
}

struct Rig {
    recorder: Recorder,
    link: LinkSender<RecorderMessage>,
    events: EventHub,
    report: Latest<RecordingReport>,
    moment: Moment,
    mood: Arc<AtomicU8>,
    folder: tempfile::TempDir,
    at: u64,
    /// How the lanes say they stand.
    pumps: Vec<Latest<PumpReport>>,
}

impl Rig {
    fn new(change: impl FnOnce(&mut RecorderSettings)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (link, incoming) = LinkRegistry::default().bounded("recorder", Kind::All, 10_000);
        let (events, report) = (EventHub::default(), Latest::new(RecordingReport::default()));
        let mut settings = RecorderSettings {
            folder: folder.path().to_owned(),
            is_always_on: false,
            past: Duration::from_secs(60),
            segment: Duration::from_secs(3600),
            retention: Retention { age: None, bytes: None },
            excluded: Vec::new(),
        };
        change(&mut settings);
        let mood = Arc::new(AtomicU8::new(0));
        let moods = mood.clone();
        let create: Creator = Box::new(move |path: &Path| {
            Ok(Box::new(Scripted { inner: disk::create(path)?, mood: moods.clone() }) as Box<dyn Storage>)
        });
        let recorder = Recorder::new(settings, create, incoming, events.clone(), report.clone());
        let moment = Moment { now: Instant::now(), unix_nanos: 1_790_000_000_000_000_000 };
        let mut rig = Self { recorder, link, events, report, moment, mood, folder, at: 0, pumps: Vec::new() };
        ["a", "b"].iter().for_each(|key| rig.add_lane(key));
        rig
    }

    fn add_lane(&mut self, key: &str) {
        let key: StreamKey = key.parse().unwrap();
        let mut config = Config::default();
        config.stream.sample_rate_hz = RATE;
        let settings = StreamSettings::new(&config, key.clone(), crate::source::SourceSpec::Demo, 0.0, self.moment.now);
        let pump = Latest::new(PumpReport::new(&settings));
        self.pumps.push(pump.clone());
        let lane = RecorderMessage::Lane { key, sample_rate_hz: RATE, stft: settings.stft, pump };
        self.link.send(lane).unwrap();
    }

    fn ask(&mut self, intent: SessionIntent) {
        self.link.send(RecorderMessage::Intent(intent)).unwrap();
        self.recorder.turn(self.moment);
    }

    fn start(&mut self) {
        self.ask(SessionIntent::Start { lanes: Vec::new() });
    }

    /// Both lanes are heard for so long; with `is_heard` false the samples are lost on their way.
    fn pass(&mut self, secs: f64, is_heard: bool) {
        for _ in 0..(secs * 50.0) as usize {
            let range = self.at..self.at + u64::from(RATE) / 50;
            self.at = range.end;
            self.moment.now += Duration::from_millis(20);
            self.moment.unix_nanos += 20_000_000;
            for lane in ["a", "b"].iter().filter(|_| is_heard) {
                let (lane, samples) = (lane.parse().unwrap(), sound(range.clone()).into());
                let captured = Some(self.moment.now);
                let message =
                    RecorderMessage::Sound { lane, first_sample: range.start, samples, lower: None, captured };
                self.link.send(message).unwrap();
            }
            self.recorder.turn(self.moment);
        }
    }

    fn stop(&mut self) {
        self.ask(SessionIntent::Stop);
        self.pass(0.5, true);
        assert_ne!(self.report.load().state, RecordingState::Recording);
    }

    fn files(&self) -> Vec<SessionFile> {
        let sessions = disk::sessions_in(self.folder.path());
        sessions.iter().map(|(path, ..)| SessionFile::open(path).unwrap()).collect()
    }

    fn failures(&self) -> Vec<String> {
        let (records, _) = self.events.read_after(0, usize::MAX);
        let failure = |event: &Event| match event {
            Event::Failure { message, .. } => Some(message.clone()),
            _ => None,
        };
        records.iter().filter_map(|record| failure(&record.event)).collect()
    }
}

fn check(file: &SessionFile, lane: usize, range: std::ops::Range<u64>) {
    assert_eq!(file.lanes()[lane].range(), range);
    let mut samples = Vec::new();
    file.sound(lane, range.clone(), &mut samples).unwrap();
    assert!(samples == sound(range), "the sound is not what was heard");
}

#[test]
fn nothing_is_recorded_unless_asked_and_then_exactly_what_was_heard() {
    let mut rig = Rig::new(|_| ());
    rig.pass(2.0, true);
    assert_eq!((rig.report.load().state, rig.files().len()), (RecordingState::Off, 0));
    rig.start();
    rig.pass(3.0, true);
    let report = rig.report.load();
    assert_eq!((report.state, report.lanes.len(), report.lost_samples), (RecordingState::Recording, 2, 0));
    assert!(report.bytes > 0 && report.secs >= 2.9);
    rig.stop();
    let file = rig.files().remove(0);
    assert!(file.is_finished() && file.check().is_empty() && rig.failures().is_empty());
    (0..2).for_each(|lane| check(&file, lane, 16_000..40_000));
    let anchors = file.anchors(0).unwrap();
    assert_eq!(anchors[0].unix_nanos - 1_790_000_000_000_000_000, anchors[0].sample * 125_000, "no drift here");
    assert_eq!(file.lanes()[0].record.zero_unix_nanos, 1_790_000_000_000_000_000);
}

#[test]
fn the_last_minute_is_kept_and_no_more() {
    let mut rig = Rig::new(|settings| settings.past = Duration::from_secs(5));
    rig.ask(SessionIntent::Keep);
    assert!(rig.failures()[0].contains("no past"), "{:?}", rig.failures());
    rig.pass(8.0, true);
    rig.ask(SessionIntent::Keep);
    let file = rig.files().remove(0);
    (0..2).for_each(|lane| check(&file, lane, 24_000..64_000));
    assert_eq!(rig.report.load().state, RecordingState::Off);
    rig.link.send(RecorderMessage::Forget("a".parse().unwrap())).unwrap();
    rig.moment.unix_nanos += 1_000_000_000;
    rig.ask(SessionIntent::Keep);
    let kept = rig.files().remove(1);
    assert_eq!(kept.lanes().len(), 1, "what is forgotten cannot be kept");
}

#[test]
fn lanes_that_are_excluded_or_not_asked_for_stay_out() {
    let mut rig = Rig::new(|settings| settings.excluded = vec!["b".parse().unwrap()]);
    rig.start();
    rig.pass(1.0, true);
    rig.stop();
    rig.ask(SessionIntent::Keep);
    for file in rig.files() {
        assert_eq!(file.lanes().len(), 1);
        assert_eq!(file.lanes()[0].record.key.as_str(), "a");
    }
    let mut rig = Rig::new(|_| ());
    rig.ask(SessionIntent::Start { lanes: vec!["b".parse().unwrap()] });
    rig.pass(1.0, true);
    rig.stop();
    assert_eq!(rig.files()[0].lanes()[0].record.key.as_str(), "b");
    assert_eq!(rig.files()[0].lanes().len(), 1);
}

#[test]
fn what_did_not_fit_is_a_gap_in_the_file_and_told() {
    let mut rig = Rig::new(|_| ());
    rig.start();
    rig.pass(1.0, true);
    rig.pass(0.5, false);
    rig.pass(1.0, true);
    rig.stop();
    let file = rig.files().remove(0);
    let gap = file.gaps(1).unwrap().remove(0);
    assert_eq!((gap.at_sample, gap.len_samples, &*gap.cause), (8_000, 4_000, "not_recorded"));
    assert_eq!(rig.report.load().lost_samples, 8_000, "of both lanes");
    assert_eq!(rig.failures().len(), 1, "{:?}", rig.failures());
}

#[test]
fn a_full_disk_ends_the_recording_and_what_is_written_stays_whole() {
    let mut rig = Rig::new(|_| ());
    rig.start();
    rig.pass(2.0, true);
    rig.mood.store(1, Relaxed);
    rig.pass(2.0, true);
    assert_eq!(rig.report.load().state, RecordingState::Failed);
    assert_eq!(rig.failures().len(), 1, "{:?}", rig.failures());
    assert!(rig.failures()[0].contains("what is written stays whole"));
    let file = rig.files().remove(0);
    assert!(!file.is_finished() && file.check().is_empty());
    assert!(file.lanes()[0].len_samples >= u64::from(RATE));
    // There is room again: the next recording works, and the first can be repaired.
    rig.mood.store(0, Relaxed);
    rig.moment.unix_nanos += 1_000_000_000;
    rig.start();
    rig.pass(1.0, true);
    rig.stop();
    assert!(rig.files()[1].is_finished());
    assert_eq!(crate::session::recover_all(rig.folder.path()).len(), 1);
}

#[test]
fn a_folder_that_is_removed_or_refuses_is_a_clear_failure() {
    let mut rig = Rig::new(|_| ());
    rig.start();
    rig.pass(1.0, true);
    fs::remove_dir_all(rig.folder.path()).unwrap();
    rig.pass(1.0, true);
    assert_eq!(rig.report.load().state, RecordingState::Failed);
    let mut rig = Rig::new(|settings| {
        let file = settings.folder.join("file");
        fs::write(&file, b"").unwrap();
        settings.folder = file;
    });
    rig.start();
    assert_eq!(rig.report.load().state, RecordingState::Failed);
    assert!(rig.failures()[0].contains("cannot record to"), "{:?}", rig.failures());
}

#[test]
fn files_are_closed_by_the_hour_and_what_is_always_on_needs_no_asking() {
    let mut rig = Rig::new(|settings| {
        settings.segment = Duration::from_secs(2);
        settings.is_always_on = true;
    });
    rig.pass(5.0, true);
    rig.stop();
    let files = rig.files();
    let parts: Vec<_> = files.iter().map(|file| file.program().unwrap().unwrap().part).collect();
    assert_eq!(parts, [1, 2, 3]);
    for pair in files.windows(2) {
        assert_eq!(pair[0].lanes()[0].range().end, pair[1].lanes()[0].range().start, "no sample is between them");
        assert_eq!(pair[0].lanes()[0].record.zero_unix_nanos, pair[1].lanes()[0].record.zero_unix_nanos);
    }
}

#[test]
fn what_is_heard_before_the_recorder_first_runs_is_recorded() {
    let mut rig = Rig::new(|settings| settings.is_always_on = true);
    for range in [0..4_000, 4_000..9_000] {
        let (lane, samples) = ("a".parse().unwrap(), sound(range.clone()).into());
        let message = RecorderMessage::Sound { lane, first_sample: range.start, samples, lower: None, captured: None };
        rig.link.send(message).unwrap();
    }
    rig.recorder.turn(rig.moment);
    rig.ask(SessionIntent::Stop);
    rig.moment.now += Duration::from_secs(1);
    rig.recorder.turn(rig.moment);
    check(&rig.files()[0], 0, 0..9_000);
}

#[test]
fn words_events_and_forgetting_while_it_records() {
    let mut rig = Rig::new(|_| ());
    rig.start();
    rig.pass(1.0, true);
    let segment = crate::session::tests::segment(0.5);
    let stream: StreamKey = "a".parse().unwrap();
    rig.events.publish(Event::Final { stream: stream.clone(), segment: segment.clone(), heard_samples: 8_000 });
    rig.events.publish(Event::Final { stream: "b".parse().unwrap(), segment: segment.clone(), heard_samples: 8_000 });
    rig.pass(1.0, true);
    rig.link.send(RecorderMessage::Forget(stream)).unwrap();
    rig.pass(1.0, true);
    rig.stop();
    let deadline = Instant::now() + Duration::from_secs(20);
    while rig.files().iter().any(|file| file.lanes().len() > 1) {
        assert!(Instant::now() < deadline, "the file that was under way still has the lane");
        std::thread::sleep(Duration::from_millis(5));
    }
    for file in rig.files() {
        assert_eq!(file.lanes().len(), 1, "{}", file.path().display());
        assert_eq!(file.lanes()[0].record.key.as_str(), "b");
    }
    assert_eq!(rig.files()[0].segments(0, ALL).unwrap(), [segment]);
}

#[test]
fn everything_else_that_happens_is_in_the_file() {
    let mut rig = Rig::new(|_| ());
    rig.start();
    rig.pass(1.0, true);
    let stream: StreamKey = "a".parse().unwrap();
    let reason = Some("unplugged".into());
    rig.events.publish(Event::Connection {
        stream: stream.clone(),
        state: ConnectionState::Lost,
        at_secs: 1.0,
        reason,
    });
    let gap = Gap { at_sample: 4_000, len_samples: 800, cause: GapCause::Lost };
    rig.events.publish(Event::Gap { stream: stream.clone(), gap });
    let tokens = crate::session::tests::segment(0.5).tokens;
    let partial = Event::Partial { stream: stream.clone(), text: "one".into(), tokens, heard_samples: 7_000 };
    rig.events.publish(partial);
    let model = Some(ModelRecord { name: "digits".into(), weights_blake3: "abc".into() });
    let change = RecognitionChange::Started { at_sample: 6_000 };
    let heard = RecognitionRecord { heard_samples: 6_000, change, is_running: true, model: model.clone() };
    rig.events.publish(Event::Recognition { stream, is_running: true, model: None, heard: heard.clone() });
    let progress = Progress { step: 7, steps: 70, loss: 0.5, phase: Phase::Running, ..Progress::default() };
    rig.events.publish(Event::Progress(progress.clone()));
    rig.events.publish(Event::Progress(Progress { step: 8, ..progress.clone() }));
    rig.pass(0.1, true);
    rig.events.publish(Event::Progress(Progress { step: 9, phase: Phase::Done, ..progress }));
    rig.pumps[0].publish(PumpReport { gain_db: 6.0, ..(*rig.pumps[0].load()).clone() });
    rig.pass(1.0, true);
    rig.stop();
    let file = rig.files().remove(0);
    assert!(file.check().is_empty() && file.faults().is_empty());
    let connections = file.connections(0).unwrap();
    assert_eq!((connections.len(), connections[1].state, connections[1].at_sample), (2, ConnectionState::Lost, 8_160));
    assert_eq!(connections[1].reason.as_deref(), Some("unplugged"));
    let gaps = file.gaps(0).unwrap();
    assert_eq!((gaps[0].at_sample, gaps[0].len_samples, &*gaps[0].cause), (4_000, 800, "lost"));
    let partials = file.partials(0, ALL).unwrap();
    assert_eq!((&*partials[0].text, partials[0].tokens.len(), partials[0].at_sample), ("one", 1, 7_000));
    let recognition = file.recognition(0).unwrap();
    assert_eq!(recognition[1], heard);
    assert_eq!(recognition[0].change, RecognitionChange::Found);
    let settings = file.settings(0).unwrap();
    assert_eq!(settings.iter().map(|record| record.gain_db).collect::<Vec<_>>(), [0.0, 6.0]);
    assert!(settings[1].at_sample > 8_000);
    let steps: Vec<_> = file.training().unwrap().iter().map(|record| (record.step, record.phase.to_string())).collect();
    assert_eq!(
        steps,
        [(7, "running".to_owned()), (9, "done".to_owned())],
        "once a second, and each change of its phase"
    );
    assert!(file.connections(1).unwrap().len() == 1 && file.gaps(1).unwrap().is_empty(), "of its own lane only");
}
