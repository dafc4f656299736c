//! Sixteen lanes of real speech from files at once, each recognised: whether two cores keep up in real time, and what they spend.
//!
//! The whole engine without a window, for half a minute of wall time. Each lane plays another part of the recordings; what it
//! hears is compared with the same sound recognised by itself.

#[path = "common/sound.rs"]
mod sound;

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use seseragi::{
    config::Config,
    engine::Engine,
    link::LinkStatus,
    models::ModelStore,
    recognise::{card::Model, transcribe::transcribe},
    status::Status,
    stream::{MAX_STREAMS, StreamCommand, StreamKey},
};

const SECS: usize = 30;
const RATE_HZ: u32 = 48_000;

/// Processor time of all threads.
fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The queue of all lanes' sound.
fn to_recogniser(status: &Status) -> &LinkStatus {
    status.links.iter().find(|link| &*link.name == "sound to the recogniser").expect("the recogniser's link")
}

/// The words in `samples`, recognised by themselves.
fn words_of(model: &Arc<Model>, samples: &[i16]) -> Vec<String> {
    let float: Vec<f32> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let heard = transcribe(&float, RATE_HZ, model).expect("sound");
    heard.transcript.tokens().iter().map(|token| token.token.to_string()).collect()
}

fn main() {
    let home = tempfile::tempdir().expect("a folder");
    let mut speech = sound::speech(RATE_HZ, SECS * MAX_STREAMS);
    let len = SECS * RATE_HZ as usize;
    // Each ends in a second of silence: half a word at the end is heard in one way or another.
    speech.chunks_mut(len).for_each(|part| part[len - RATE_HZ as usize..].fill(0));
    let parts: Vec<_> = speech.chunks(len).collect();
    let store =
        ModelStore::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models"), home.path().join("models"));
    let config = Config::default();
    let model = store.load(&config.recognise.model).expect("the shipped model");
    let (engine, _tasks) = Engine::start(config, store, Instant::now()).expect("an engine");
    let keys: Vec<StreamKey> = (0..parts.len()).map(|i| format!("lane-{i}").parse().expect("a key")).collect();
    for (key, part) in keys.iter().zip(&parts) {
        let path = home.path().join(format!("{key}.wav"));
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(&path, spec).expect("a file");
        part.iter().for_each(|sample| file.write_sample(*sample).expect("room on the disk"));
        file.finalize().expect("a whole file");
        let source = format!("file:{}", path.display()).parse().expect("a source");
        engine.add_stream(key.clone(), source, 0.0).expect("room for a lane");
        engine.command_stream(key, StreamCommand::StartRecognition).expect("a lane that hears");
    }
    let (begun, spent) = (Instant::now(), process_time());
    keys.iter().for_each(|key| engine.command_stream(key, StreamCommand::Open).expect("a lane that hears"));
    let (mut waiting, mut behind) = (Vec::new(), Vec::new());
    let length = Duration::from_secs(SECS as u64);
    while begun.elapsed() < length - Duration::from_secs(1) {
        thread::sleep(Duration::from_millis(20));
        let due = begun.elapsed().as_secs_f64();
        let status = engine.status(Instant::now());
        waiting.push(to_recogniser(&status).len);
        let least = status.streams.iter().map(|stream| stream.samples_in).min().unwrap_or(0);
        behind.push(due - least as f64 / f64::from(RATE_HZ));
    }
    let cores = (process_time() - spent).as_secs_f64() / begun.elapsed().as_secs_f64();
    thread::sleep(Duration::from_secs(3));
    let status = engine.status(Instant::now());
    let dropped = to_recogniser(&status).dropped;
    let (mut equal, mut lost) = (0, 0);
    for (stream, part) in status.streams.iter().zip(&parts) {
        let alone = words_of(&model, part);
        // The status has the newest words only.
        let heard: Vec<_> = stream.tokens.iter().map(|token| token.token.to_string()).collect();
        equal += usize::from(!heard.is_empty() && alone.ends_with(&heard));
        lost += stream.samples_lost;
    }
    behind.sort_by(f64::total_cmp);
    waiting.sort_unstable();
    let p99 = |len: usize| len * 99 / 100;
    println!("{} lanes of {SECS} s, each recognised: {cores:.3} cores in all", parts.len());
    println!(
        "the lane furthest behind its file: p99 {:.0} ms; blocks waiting: p99 {}; lost: {lost} samples; refused: {dropped}",
        behind[p99(behind.len())] * 1e3,
        waiting[p99(waiting.len())]
    );
    println!("lanes that heard the words that their sound gives by itself: {equal} of {}", parts.len());
    assert_eq!((lost, dropped, equal), (0, 0, parts.len()), "sixteen lanes in real time");
}
