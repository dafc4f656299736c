//! What replaying costs: opening, the first picture of any place, and memory, of a session of a minute and of one of ten hours.
//!
//! `cargo bench --bench replay` makes both in a temporary folder (the long one takes about a minute and 2 GB).

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use seseragi::{
    dsp::stft::StftConfig,
    event::EventHub,
    link::LinkRegistry,
    session::{
        SessionWriter,
        records::{LaneRecord, ProgramRecord},
        replay::{self, ReplayCommand, ReplayHandle},
    },
    task::TaskRegistry,
};

const RATE: u32 = 48_000;

/// Quiet noise with tones, a chunk a second.
fn write_session(path: &Path, secs: u64) {
    let zero_unix_nanos = 1_790_000_000_000_000_000;
    let mut writer =
        SessionWriter::new(&ProgramRecord { program: "a bench".into(), part: 1 }, zero_unix_nanos).unwrap();
    let record = LaneRecord {
        key: "main".parse().unwrap(),
        name: "main".into(),
        source: "demo".into(),
        sample_rate_hz: RATE,
        bit_depth: 16,
        zero_unix_nanos,
        stft: StftConfig::default(),
    };
    let lane = writer.add_lane(record).unwrap();
    let mut file = File::create(path).unwrap();
    let second: Vec<i16> = (0..2 * RATE)
        .map(|i| ((f64::from(i) * 0.05).sin() * 2000.0) as i16 + (i.wrapping_mul(2_654_435_761) >> 25) as i16)
        .collect();
    for at in 0..secs {
        let shift = (at * 7919 % u64::from(RATE)) as usize;
        writer.sound(lane, at * u64::from(RATE), &second[shift..shift + RATE as usize]).unwrap();
        writer.cut().unwrap();
        file.write_all(&writer.take_bytes()).unwrap();
    }
    file.write_all(&writer.finish().unwrap()).unwrap();
}

/// Resident memory of this process, MiB.
fn resident_mib() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: f64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0.0);
    pages * 4096.0 / f64::from(1 << 20)
}

fn wait(what: &str, mut is_so: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what} did not come");
        std::thread::sleep(Duration::from_micros(200));
    }
    start.elapsed()
}

/// Opens, looks at places all over, plays; prints what it took and returns the memory held while it is open, MiB.
fn measure(name: &str, path: PathBuf, len_secs: f64, replay: &ReplayHandle) -> f64 {
    let before = resident_mib();
    let is_open = |replay: &ReplayHandle| {
        let report = replay.report();
        report.session.as_ref().is_some_and(|session| session.path == path) && report.windows[0].secs.end > 0.0
    };
    replay.command(ReplayCommand::Open(path.clone())).unwrap();
    let opened = wait("the session", || is_open(replay));
    println!("{name}: open, with overview and first picture: {:.1} ms", opened.as_secs_f64() * 1e3);
    for span_secs in [10.0, 60.0, 600.0, len_secs] {
        replay.command(ReplayCommand::Look(span_secs)).unwrap();
        let mut took = Vec::new();
        for turn in 0..30u64 {
            let place = (turn * 7919 % 1000) as f64 / 1000.0 * len_secs;
            let before = replay.report().windows[0].clone();
            replay.command(ReplayCommand::Seek(place)).unwrap();
            let half = span_secs / 2.0;
            let is_there = |replay: &ReplayHandle| {
                let report = replay.report();
                let window = &report.windows[0];
                let at = report.clock.as_ref().map_or(-1.0, |clock| clock.at(Instant::now()));
                let is_same = std::sync::Arc::ptr_eq(window, &before);
                let holds =
                    window.secs.start <= (place - half).max(0.0) && window.secs.end >= (place + half).min(len_secs);
                (at - place).abs() < 1e-6 && holds && (!is_same || window.secs.start <= place)
            };
            took.push(wait("the picture", || is_there(replay)).as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        println!("{name}: first picture, {span_secs:.0} s across: median {:.1} ms, most {:.1} ms", took[15], took[29]);
    }
    replay.command(ReplayCommand::Look(10.0)).unwrap();
    replay.command(ReplayCommand::Seek(0.0)).unwrap();
    replay.command(ReplayCommand::Speed(16.0)).unwrap();
    replay.command(ReplayCommand::Play).unwrap();
    std::thread::sleep(Duration::from_secs(3));
    let held = resident_mib();
    println!("{name}: memory {before:.0} MiB before, {held:.0} MiB while it plays at 16 times the speed");
    replay.command(ReplayCommand::Close).unwrap();
    wait("its end", || replay.report().session.is_none());
    held
}

fn main() {
    let home = tempfile::tempdir().unwrap();
    let (short, long) = (home.path().join("minute.mcap"), home.path().join("hours.mcap"));
    write_session(&short, 60);
    let start = Instant::now();
    write_session(&long, 36_000);
    println!(
        "ten hours written in {:.0} s, {:.0} MB",
        start.elapsed().as_secs_f64(),
        long.metadata().unwrap().len() as f64 / 1e6
    );
    let (links, tasks) = (LinkRegistry::default(), TaskRegistry::default());
    let (replay, _task) = replay::spawn(home.path().to_owned(), 0.0, EventHub::default(), &links, &tasks).unwrap();
    replay.command(ReplayCommand::SetAudible(false)).unwrap();
    let minute = measure("1 min", short, 60.0, &replay);
    let hours = measure("10 h", long, 36_000.0, &replay);
    println!("memory, 10 h over 1 min: {:.2}", hours / minute);
}
