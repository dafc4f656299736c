//! Sessions: what recording costs, and what a file of ten hours costs to open, to look through and to listen to.
//!
//! `cargo bench --bench session` writes about 3 GB to the temporary folder and deletes them again; `-- --hours 1` less.

use std::{
    env, fs,
    path::Path,
    time::{Duration, Instant},
};

use seseragi::{
    dsp::stft::StftConfig,
    models::ModelStore,
    recognise::transcript::{Segment, Token},
    session::{
        SessionFile, SessionWriter, program_name,
        records::{LaneRecord, ModelRecord, ProgramRecord, RecognitionChange, RecognitionRecord},
        verify,
    },
    source::decode::read_audio,
};

const RATE: u64 = 48_000;

fn main() {
    // Under `cargo test --benches` only that it is built counts.
    if !env::args().any(|arg| arg == "--bench") {
        return;
    }
    let mut args = env::args().skip_while(|arg| arg != "--hours").skip(1);
    let hours: u64 = args.next().and_then(|hours| hours.parse().ok()).unwrap_or(10);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/demo.flac");
    let demo = read_audio(&demo).expect("the demo");
    let sound: Vec<i16> = demo.samples.iter().map(|&sample| (sample * 32_768.0).round() as i16).collect();
    let folder = tempfile::tempdir().expect("a folder");
    let (long, short) = (folder.path().join("long.mcap"), folder.path().join("short.mcap"));

    let (begin, cpu) = (Instant::now(), cpu_time());
    write(&long, &sound, hours * 3600);
    let share = (cpu_time() - cpu).as_secs_f64() / (hours * 3600) as f64;
    println!(
        "recording: {:.3} % of a core a lane ({:.0} s for {hours} h)",
        share * 100.0,
        begin.elapsed().as_secs_f64()
    );
    write(&short, &sound, 60);
    println!("size: {:.0} MB an hour", fs::metadata(&long).expect("it").len() as f64 / 1e6 / hours as f64);

    let before = resident_kib();
    let file = SessionFile::open(&short).expect("a session");
    listen(&file, 60);
    let little = resident_kib();
    drop(file);
    SessionFile::open(&long).expect("a session");
    let times: Vec<_> = (0..20).map(|_| timed(|| drop(SessionFile::open(&long).expect("a session")))).collect();
    println!("opening {hours} h: {}", percentiles(times));
    let file = SessionFile::open(&long).expect("a session");
    println!("seek to the first sound: {}", percentiles(listen(&file, hours * 3600)));
    let much = resident_kib();
    println!("resident: {before} KiB before, {little} KiB with 1 min open, {much} KiB with {hours} h open");
    let times = (0..20).map(|_| timed(|| drop(file.overview(0, 1280).expect("a picture")))).collect();
    println!("overview of {hours} h in 1280 pixels: {}", percentiles(times));
    let mut place = places(hours * 3600 - 60);
    let looks = (0..50).map(|_| {
        let first = place() / 512;
        // Twelve seconds in a picture as wide as a window.
        timed(|| drop(file.spectrogram(0, 0, first..first + 1125).expect("a picture")))
    });
    println!("picture of 12 s anywhere: {}", percentiles(looks.collect()));
    let segments = timed(|| drop(file.segments(0, seseragi::session::ALL).expect("words")));
    println!("all words of {hours} h: {:.1} ms", segments.as_secs_f64() * 1e3);

    let verified = verify(&SessionFile::open(&short).expect("a session"), &ModelStore::standard().expect("models"));
    let lane = &verified.expect("a model")[0];
    println!("verifying: {:.0} times real time", lane.audio_secs / lane.took_secs);
}

/// Writes a session of one lane as the recorder does, a chunk each 0.6 s.
fn write(path: &Path, sound: &[i16], secs: u64) {
    let program = ProgramRecord { program: program_name(), part: 1 };
    let mut writer = SessionWriter::new(&program, 1).expect("a writer");
    let lane = writer
        .add_lane(LaneRecord {
            key: "main".parse().expect("a key"),
            name: "main".into(),
            source: "demo".into(),
            sample_rate_hz: RATE as u32,
            bit_depth: 16,
            zero_unix_nanos: 1_790_000_000_000_000_000,
            stft: StftConfig::default(),
        })
        .expect("a lane");
    let card = ModelStore::standard().and_then(|models| models.load("digits")).expect("the model").card().clone();
    let model = ModelRecord { name: card.name.as_str().into(), weights_blake3: card.weights_blake3.as_str().into() };
    let change = RecognitionChange::Found;
    let found = RecognitionRecord { heard_samples: 0, change, is_running: true, model: Some(model) };
    writer.lane_record(lane, 0, &found).expect("a record");
    let mut file = fs::File::create(path).expect("a file");
    let (block, mut at) = (RATE / 50, 0);
    while at < secs * RATE {
        let from = (at % (sound.len() as u64 / block * block)) as usize;
        writer.sound(lane, at, &sound[from..from + block as usize]).expect("sound");
        at += block;
        if at.is_multiple_of(RATE * 3 / 5) {
            if at.is_multiple_of(RATE * 3) {
                let start_secs = at as f64 / RATE as f64;
                let token = Token { token: "one".into(), start_secs, end_secs: start_secs + 0.4, score: 0.9 };
                writer.lane_record(lane, at, &Segment::new(vec![token]).expect("a token")).expect("a record");
            }
            writer.cut().expect("a chunk");
            std::io::Write::write_all(&mut file, &writer.take_bytes()).expect("room on the disk");
        }
    }
    std::io::Write::write_all(&mut file, &writer.finish().expect("an end")).expect("room on the disk");
}

/// Goes to 200 places and reads the first 100 ms there; how long each took.
fn listen(file: &SessionFile, secs: u64) -> Vec<Duration> {
    let (mut place, mut samples) = (places(secs - 1), Vec::new());
    let seek = |_| {
        let at = place();
        samples.clear();
        timed(|| file.sound(0, at..at + RATE / 10, &mut samples).expect("sound"))
    };
    (0..200).map(seek).collect()
}

/// Places within so many seconds that look random and are the same each time.
fn places(secs: u64) -> impl FnMut() -> u64 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 16) % (secs * RATE)
    }
}

fn timed(done: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    done();
    begin.elapsed()
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let millis = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
    format!("median {:.2} ms, p95 {:.2} ms, most {:.2} ms", millis(0.5), millis(0.95), millis(1.0))
}

#[cfg(unix)]
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(not(unix))]
fn cpu_time() -> Duration {
    use std::sync::OnceLock;
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    BEGIN.get_or_init(Instant::now).elapsed()
}

/// Memory of this process, KiB; 0 where the system does not tell.
fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
