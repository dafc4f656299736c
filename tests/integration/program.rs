//! The whole program without a GPU, in this process: its engine, its app, its server, drawn as often as a test likes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bevy::prelude::*;
use seseragi::{
    app::{Draw, draw_plugin, headless_app},
    config::{Config, LaneConfig},
    dsp::resample::Resampler,
    engine::Engine,
    models::ModelStore,
    recognise::{card::Model, transcript::Token},
    server::Server,
    source::decode::read_audio,
    stream::{Connection, ConnectionState, Stream, StreamCommand, StreamKey, Waveform},
    train::{mirror::RunProgress, progress::Progress, trainer::TrainSpec},
};
use tempfile::TempDir;

use crate::load::OtherLoad;

/// Words of the dataset that tests train on, and of the file that they listen to.
pub const WORDS: [&str; 10] = ["three", "one", "four", "nine", "five", "two", "six", "eight", "seven", "zero"];

/// A program with one closed, unrecognised lane called `main`.
pub struct Program {
    pub app: App,
    pub engine: Engine,
    pub server: Server,
    _home: TempDir,
    /// The steps of the trainer that were finished before a drawn frame but not shown on it.
    pub unseen_steps: u64,
    others: OtherLoad,
    entity: Option<Entity>,
}

/// Where the project is.
pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Program {
    pub fn start(source: &str) -> Self {
        Self::start_with(source, |_| ())
    }

    pub fn start_with(source: &str, change: impl FnOnce(&mut Config)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let lane = LaneConfig {
            key: key(),
            source: source.parse().unwrap(),
            gain_db: 0.0,
            is_open: false,
            is_recognised: false,
        };
        let mut config = Config { lanes: vec![lane], ..Config::default() };
        config.record.dir = home.path().join("sessions");
        change(&mut config);
        let store = ModelStore::new(project("assets/models"), home.path().join("models"));
        let (engine, tasks) = seseragi::app::start_engine(config, store).unwrap();
        let server = Server::start(engine.clone(), &crate::fixture::on_any_port()).unwrap();
        let mut app = headless_app(engine.clone(), tasks, 60.0);
        draw_plugin(&mut app);
        app.add_systems(Draw, draw_nothing);
        app.finish();
        app.cleanup();
        let others = OtherLoad::since_now(std::process::id());
        let mut program = Self { others, app, engine, server, _home: home, unseen_steps: 0, entity: None };
        program.frame();
        program.entity = Some(program.stream_entity());
        program
    }

    /// One turn of the app, with what every turn must keep.
    pub fn frame(&mut self) {
        let finished = self.progress();
        self.app.update();
        let shown = self.app.world_mut().query::<&RunProgress>().single(self.app.world()).unwrap().get().clone();
        if shown.run == finished.run {
            self.unseen_steps += finished.step.saturating_sub(shown.step);
        }
        if let Some(entity) = self.entity {
            assert_eq!(self.stream_entity(), entity, "the stream is the same entity from the first to the last frame");
        }
    }

    /// Draws `fps` frames a second until `is_so`, or fails after `limit`.
    pub fn until(&mut self, what: &str, fps: f64, limit: Duration, mut is_so: impl FnMut(&mut Self) -> bool) {
        let (start, mut due) = (Instant::now(), Instant::now());
        loop {
            self.frame();
            if is_so(self) {
                return;
            }
            assert!(start.elapsed() < limit, "{what} did not come within {limit:?}; {:#?}", self.status().streams);
            due += Duration::from_secs_f64(1.0 / fps);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    pub fn run_for(&mut self, secs: f64, fps: f64) {
        let end = Instant::now() + Duration::from_secs_f64(secs);
        self.until("the time", fps, Duration::from_secs(600), |_| Instant::now() >= end);
    }

    pub fn command(&self, command: StreamCommand) {
        self.engine.command_stream(&key(), command).unwrap();
    }

    pub fn open_and_recognise(&self) {
        self.command(StreamCommand::Open);
        self.command(StreamCommand::StartRecognition);
    }

    pub fn status(&self) -> seseragi::status::Status {
        self.engine.status(Instant::now())
    }

    pub fn progress(&self) -> Progress {
        (*self.engine.trainer().progress()).clone()
    }

    /// A run over the shipped demo dataset that takes far longer than a test.
    pub fn long_run() -> TrainSpec {
        TrainSpec { epochs: 1000, batch_size: 4, ..TrainSpec::new("under-test", "demo") }
    }

    pub fn stream_entity(&mut self) -> Entity {
        self.app
            .world_mut()
            .query_filtered::<Entity, (With<Stream>, With<Connection>)>()
            .single(self.app.world())
            .unwrap()
    }

    pub fn states(&mut self) -> Vec<ConnectionState> {
        let world = self.app.world_mut();
        let connection = world.query::<&Connection>().single(world).unwrap();
        connection.history().iter().map(|transition| transition.state).collect()
    }

    /// Every sample of the stream, as the screen has it.
    pub fn samples(&mut self) -> Vec<i16> {
        let world = self.app.world_mut();
        let waveform = world.query::<&Waveform>().single(world).unwrap();
        let range = waveform.history().range(0);
        waveform.history().samples(range).flat_map(|(_, samples)| samples).copied().collect()
    }

    pub fn tokens(&self) -> Vec<Token> {
        self.status().streams[0].tokens.clone()
    }

    /// What is asked of every scenario: nothing lost, nothing unseen, no pause.
    pub fn assert_untouched(&mut self, expected: &[ConnectionState]) {
        assert_eq!(self.states(), expected);
        let status = self.status();
        assert_eq!((status.streams[0].samples_lost, status.streams[0].xruns), (0, 0));
        assert_eq!(self.unseen_steps, 0, "every finished step is shown on the next drawn frame");
        if let Some(training) = &status.training {
            let two_steps = 2.0 * f64::from(Self::long_run().batch_size) / training.examples_per_sec.max(1e-3);
            let (pause, others) = (training.longest_pause_secs, self.others.share());
            println!("longest pause in the progress: {pause:.2} s; other programs took {:.0} %", others * 100.0);
            // The trainer gives way to other programs; where those take the machine the bar says nothing of ours.
            assert!(pause <= two_steps.max(1.0) || others > 0.25, "{training:?}");
        }
        let restarts: BTreeMap<_, _> = status.tasks.iter().map(|task| (task.name.to_string(), task.restarts)).collect();
        assert!(restarts.values().all(|&restarts| restarts == 0), "{restarts:?}");
        for link in status.links.iter().filter(|link| link.kind == seseragi::link::Kind::All) {
            assert_eq!(link.dropped, 0, "{link:?}");
        }
    }
}

fn draw_nothing(streams: Query<seseragi::stream::StreamView>) {
    for stream in &streams {
        std::hint::black_box((stream.connection.state(), stream.stats, stream.level));
    }
}

pub fn key() -> StreamKey {
    "main".parse().unwrap()
}

/// Real recordings of words where `SESERAGI_DATA` names them, else the words that a script of the project made.
pub fn clips(count: usize) -> Vec<PathBuf> {
    let real = std::env::var_os("SESERAGI_DATA").map(|data| Path::new(&data).join("spoken-digits"));
    let real = real.filter(|folder| folder.is_dir());
    if real.is_none() {
        println!("SESERAGI_DATA is not set: this test listens to the words of assets/datasets/demo");
    }
    let clip = |i: usize| {
        let word = WORDS[i % WORDS.len()];
        match &real {
            Some(folder) => folder.join(word).join(format!("{}_0{}.wav", ["george", "jackson", "lucas"][i % 3], i % 5)),
            None => {
                let mut files: Vec<_> = project("assets/datasets/demo").join(word).read_dir().unwrap().collect();
                files.sort_by_key(|file| file.as_ref().unwrap().path());
                files[i % files.len()].as_ref().unwrap().path()
            }
        }
    };
    (0..count).map(clip).collect()
}

/// Words with gaps, at the stream's own rate and on its grid, so that a stream of it must be equal bit for bit. About a second
/// a word. Returns the samples too.
pub fn write_speech(path: &Path, words: usize) -> Vec<i16> {
    let mut sound = vec![0i16; 24_000];
    for clip in clips(words) {
        let audio = read_audio(&clip).unwrap();
        let mut float = Vec::new();
        let mut resampler = Resampler::new(audio.sample_rate_hz, 48_000).unwrap();
        resampler.process(&audio.samples, &mut float);
        resampler.finish(&mut float);
        sound.extend(float.iter().map(|sample| (sample * 0.5 * 32768.0) as i16));
        sound.extend([0; 24_000]);
    }
    sound.extend([0; 24_000]);
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    sound.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
    sound
}

/// What the shipped model reads in `sound` when nothing else happens.
pub fn tokens_of(sound: &[i16]) -> Vec<Token> {
    let store = ModelStore::new(project("assets/models"), std::env::temp_dir().join("no-models-here"));
    tokens_by(&store.load("digits").unwrap(), sound)
}

/// What `model` reads in `sound` when nothing else happens.
pub fn tokens_by(model: &Arc<Model>, sound: &[i16]) -> Vec<Token> {
    let float: Vec<f32> = sound.iter().map(|&sample| f32::from(sample) / 32768.0).collect();
    let transcribed = seseragi::recognise::transcribe::transcribe(&float, 48_000, model).unwrap();
    transcribed.transcript.tokens()
}
