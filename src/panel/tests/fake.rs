//! A made-up scene: everything the panels can show, as large as it gets.

use crate::{
    Text,
    link::{Kind, LinkStatus},
    panel::state::{LaneView, MonitorMirror, Scene},
    recognise::{
        service::ModelOffer,
        transcript::{Hypothesis, Segment, Token, Transcript},
    },
    session::{RecordingReport, RecordingState},
    status::{FrameStatus, Status, StreamStatus, TrainingStatus},
    stream::{ConnectionState, Gap, GapCause, MAX_STREAMS, StreamKey, Transition},
    task::TaskStatus,
    train::{
        progress::{LossPoint, Phase, Progress},
        teach::{TaughtClip, TaughtWord, handle::TeachReport},
    },
};

/// A name as long as one may be.
pub const LONG_NAME: &str = "はるか と みんなの とても ながい なまえ でも だいじょうぶ です よ";

/// What a lane is made of.
pub struct FakeLane {
    pub key: StreamKey,
    pub name: &'static str,
    pub is_muted: bool,
    pub source: String,
    pub connection: ConnectionState,
    pub reason: Option<&'static str>,
    pub is_silent: bool,
    pub is_recognised: bool,
    pub model: Option<&'static str>,
    pub transcript: Transcript,
}

/// What a scene is made of.
pub struct Fake {
    pub lanes: Vec<FakeLane>,
    pub models: ModelOffer,
    pub teaching: TeachReport,
    pub progress: Progress,
    pub curve: Vec<LossPoint>,
    pub monitor: MonitorMirror,
    pub status: Status,
    pub invitation: Option<&'static str>,
    pub is_live: bool,
}

impl Fake {
    /// Nothing has happened yet: no source open, no model, no training.
    pub fn quiet() -> Self {
        let lane = FakeLane {
            key: "main".parse().unwrap(),
            name: "main",
            is_muted: false,
            source: "demo".to_owned(),
            connection: ConnectionState::Idle,
            reason: None,
            is_silent: false,
            is_recognised: false,
            model: None,
            transcript: Transcript::default(),
        };
        let status = Status {
            version: "0.1.0",
            uptime_secs: 1.0,
            is_training: false,
            realtime_running: false,
            streams: Vec::new(),
            training: None,
            recording: RecordingReport::default(),
            frames: FrameStatus::default(),
            tasks: Vec::new(),
            links: Vec::new(),
        };
        Self {
            lanes: vec![lane],
            models: ModelOffer::default(),
            teaching: TeachReport::default(),
            progress: Progress::default(),
            curve: Vec::new(),
            monitor: MonitorMirror { is_on: false, volume_db: -6.0 },
            status,
            invitation: None,
            is_live: true,
        }
    }

    /// Everything at once, with long numbers: recognising for hours, training, a better model on offer.
    pub fn busy() -> Self {
        let mut fake = Self::quiet();
        let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
        let token = |i: usize| Token {
            token: words[i * 7 % 10].into(),
            start_secs: 36_000.0 + i as f64 * 0.8,
            end_secs: 36_000.5 + i as f64 * 0.8,
            score: [0.99, 0.93, 0.58, 1.0][i % 4],
        };
        let lane = &mut fake.lanes[0];
        lane.transcript.push(Segment::new((0..40).map(token).collect()).unwrap());
        lane.transcript.set_partial(Hypothesis::new(vec![token(40)]));
        lane.connection = ConnectionState::Connected;
        lane.is_recognised = true;
        lane.model = Some("digits");
        let names: Vec<Text> = ["digits", "my-words"].map(Text::from).into();
        fake.models = ModelOffer { in_use: Some(names[0].clone()), better: Some(names[1].clone()), names };
        fake.progress = Progress {
            phase: Phase::Running,
            files_read: 400,
            files: 400,
            epoch: 1_234,
            epochs: 10_000,
            step: 123_456,
            steps: 1_000_000,
            loss: 12.345,
            validation_loss: Some(0.1),
            validation_accuracy: Some(0.9812),
            best_accuracy: Some(0.9812),
            learning_rate: 1.234e-3,
            examples_per_sec: 1_234.5,
            eta_secs: 359_999.0,
            updates: 123_456,
            longest_pause_secs: 0.42,
            ..Progress::new("my-words".into())
        };
        let noise = |step: u64| ((step * 7_919 % 101) as f32 / 101.0 - 0.5) * 2.0;
        let loss = |step: u64| (60.0 * (-(step as f32) / 150.0).exp() + 0.4) * (1.0 + 0.4 * noise(step));
        let validation = |step: u64| step.is_multiple_of(60).then(|| loss(step) * 1.1 + 0.05);
        fake.curve = (1..=900)
            .map(|step| LossPoint { step, loss: loss(step).max(0.05), validation_loss: validation(step) })
            .collect();
        let clip = |at: usize| TaughtClip {
            name: format!("{at:03}.wav"),
            secs: 0.6,
            peaks: (0..48).map(|x| ((x * at) as f32 * 0.1).sin().abs()).collect(),
        };
        fake.teaching = TeachReport {
            words: vec![TaughtWord { word: "jarvis".into(), clips: (1..=5).map(clip).collect() }],
            message: Some("5 clips of \"jarvis\" were taken from main".into()),
            is_refused: false,
        };
        fake.status = busy_status(&fake);
        fake.invitation = Some("https://192.168.100.200:8751/#token=0123456789abcdef0123456789abcdef");
        fake
    }

    /// Every lane taken, by people with names as long as they may be.
    pub fn crowd() -> Self {
        let mut fake = Self::busy();
        let lane = |i: usize| FakeLane {
            key: format!("phone-{i:02}").parse().unwrap(),
            name: if i.is_multiple_of(2) { LONG_NAME } else { "Aki" },
            is_muted: i.is_multiple_of(3),
            source: "whip".to_owned(),
            connection: ConnectionState::Connected,
            ..Self::quiet().lanes.remove(0)
        };
        fake.lanes = (0..MAX_STREAMS).map(lane).collect();
        fake
    }

    /// Calls `with` with what the panels are shown.
    pub fn with<R>(&self, with: impl FnOnce(&Scene) -> R) -> R {
        let view = |lane: &'_ FakeLane| LaneView {
            key: Box::leak(Box::new(lane.key.clone())),
            name: lane.name,
            is_muted: lane.is_muted,
            source: Box::leak(lane.source.clone().into_boxed_str()),
            connection: lane.connection,
            reason: lane.reason,
            connected_secs: 35_999.0,
            is_silent: lane.is_silent,
            is_recognised: lane.is_recognised,
            model: lane.model,
            transcript: Box::leak(Box::new(lane.transcript.clone())),
        };
        let lanes: Vec<LaneView> = self.lanes.iter().map(view).collect();
        with(&Scene {
            lanes: &lanes,
            models: &self.models,
            teaching: &self.teaching,
            progress: &self.progress,
            curve: &self.curve,
            monitor: Some(&self.monitor),
            status: Some(&self.status),
            replay: None,
            selection: None,
            span_secs: 10.0,
            now: std::time::Instant::now(),
            invitation: self.invitation,
            is_live: self.is_live,
        })
    }
}

fn busy_status(fake: &Fake) -> Status {
    let state = |state, at_secs, reason: Option<&str>| Transition { state, at_secs, reason: reason.map(Text::from) };
    let progress = &fake.progress;
    let stream = StreamStatus {
        key: "main".parse().unwrap(),
        name: "main".into(),
        order: 0,
        is_muted: false,
        source: "mic:pulseaudio:alsa_input.usb-Some_Microphone-00.mono-fallback".to_owned(),
        connection: ConnectionState::Connected,
        history: vec![
            state(ConnectionState::Idle, 0.0, None),
            state(ConnectionState::Opening, 0.1, None),
            state(ConnectionState::Connected, 0.4, None),
            state(ConnectionState::Lost, 30_000.0, Some("the sound server is gone; it is tried again every second")),
            state(ConnectionState::Connected, 30_002.0, None),
        ],
        sample_rate_hz: 48_000,
        bit_depth: 16,
        samples_in: 1_728_000_000,
        samples_lost: 96_000,
        xruns: 12,
        gaps: vec![Gap { at_sample: 1_440_000_000, len_samples: 96_000, cause: GapCause::Lost }],
        columns: 3_375_000,
        level_dbfs: -23.4,
        connected_secs: 5_999.0,
        source_latency_millis: Some(21.3),
        packets: None,
        is_recognised: true,
        is_silent: false,
        model: Some("digits".into()),
        partial: String::new(),
        tokens: Vec::new(),
    };
    let link =
        |name: &str, kind, len, capacity, dropped| LinkStatus { name: name.into(), kind, len, capacity, dropped };
    let task =
        |name: &str, restarts, lateness_p99_millis| TaskStatus { name: name.into(), restarts, lateness_p99_millis };
    Status {
        recording: RecordingReport { state: RecordingState::Recording, secs: 3_723.0, ..RecordingReport::default() },
        version: "0.1.0",
        uptime_secs: 36_001.0,
        is_training: true,
        realtime_running: true,
        streams: vec![stream],
        training: Some(TrainingStatus {
            run: "my-words".into(),
            phase: progress.phase,
            epoch: progress.epoch,
            epochs: progress.epochs,
            step: progress.step,
            steps: progress.steps,
            loss: progress.loss,
            learning_rate: progress.learning_rate,
            examples_per_sec: progress.examples_per_sec,
            eta_secs: progress.eta_secs,
            updates: progress.updates,
            longest_pause_secs: progress.longest_pause_secs,
            throttle: progress.throttle,
            waiting: progress.waiting,
        }),
        frames: FrameStatus { drawn: 2_160_000, fps: 59.9, p99_millis: 17.2, uploaded_bytes: 6_150 },
        tasks: vec![task("main: pump", 0, 1.2), task("recognise", 1, 3.4), task("train", 0, 0.4)],
        links: vec![
            link("main: columns", Kind::Recent, 3, 1024, 0),
            link("main: commands", Kind::All, 0, 64, 0),
            link("sound for recognition", Kind::All, 900, 1024, 2),
            link("new streams", Kind::All, 0, 16, 0),
        ],
    }
}
