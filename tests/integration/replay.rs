//! A session replayed by the whole program: its lanes come and go beside the live ones, and what is heard on a real sound server is what
//! the cursor points at.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use bevy::prelude::*;
use seseragi::{
    dsp::stft::StftConfig,
    event::EventHub,
    link::LinkRegistry,
    recognise::transcript::Token,
    session::{
        RecordingState, SessionFile, SessionIntent, SessionWriter,
        records::{LaneRecord, ProgramRecord},
        replay::{self, ReplayCommand, mirror::Playhead},
        sessions_in,
    },
    stream::{LaneTranscript, Spectrogram, Stream, StreamCommand, StreamView, Waveform, peaks::SoundHistory},
    task::{TaskRegistry, spawn_thread},
};

use crate::{fixture::wait_for, program::Program, pulse::with_server};

const RATE: u32 = 48_000;

/// Smooth noise, which is like itself at no other place.
fn sound(secs: u32) -> Vec<i16> {
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24) - 0.5
    };
    let (mut a, mut b) = (0.0, 0.0);
    let mut sample = || {
        a += 0.06 * (noise() - a);
        b += 0.06 * (a - b);
        (b * 120_000.0) as i16
    };
    (0..secs * RATE).map(|_| sample()).collect()
}

fn session(folder: &Path, sound: &[i16]) -> PathBuf {
    let zero_unix_nanos = 1_790_000_000_000_000_000;
    let mut writer = SessionWriter::new(&ProgramRecord { program: "a test".into(), part: 1 }, zero_unix_nanos).unwrap();
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
    let mut bytes = Vec::new();
    for (second, block) in sound.chunks(RATE as usize).enumerate() {
        writer.sound(lane, (second * RATE as usize) as u64, block).unwrap();
        writer.cut().unwrap();
        bytes.extend(writer.take_bytes());
    }
    bytes.extend(writer.finish().unwrap());
    let path = folder.join("noise.mcap");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn lanes_of_a_session_come_and_go_beside_the_live_one() {
    let home = tempfile::tempdir().unwrap();
    let path = session(home.path(), &sound(20));
    let mut program = Program::start("demo");
    program.open_and_recognise();
    let live = program.stream_entity();
    let replay = program.engine.replay().clone();
    replay.command(ReplayCommand::SetAudible(false)).unwrap();
    replay.command(ReplayCommand::Open(path)).unwrap();
    let count = |program: &mut Program| {
        let world = program.app.world_mut();
        let mut lanes = world.query::<(&Playhead, &Stream, &Spectrogram)>();
        let columns = lanes.iter(world).map(|(_, _, spectrogram)| spectrogram.history().range(0));
        columns.map(|range| range.end - range.start).collect::<Vec<_>>()
    };
    program.until("a lane", 60.0, Duration::from_secs(5), |program| count(program).first().is_some_and(|&n| n > 900));
    let samples_before = program.status().streams[0].samples_in;
    replay.command(ReplayCommand::Play).unwrap();
    program.run_for(1.5, 60.0);
    let (start, now) = (samples_before, Instant::now());
    let place = replay.report().clock.as_ref().unwrap().at(now);
    assert!((1.0..3.0).contains(&place), "{place}");
    assert!(program.status().streams[0].samples_in > start + 48_000, "the live stream goes on meanwhile");
    assert_eq!(program.status().streams[0].samples_lost, 0);
    let world = program.app.world_mut();
    let steered: Vec<Entity> = world.query::<StreamView>().iter(world).map(|stream| stream.entity).collect();
    assert_eq!(steered, [live], "a lane of a session is no stream that can be steered");
    replay.command(ReplayCommand::Close).unwrap();
    program.until("its end", 60.0, Duration::from_secs(5), |program| count(program).is_empty());
}

#[test]
fn a_session_made_live_is_heard_and_seen_again_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let mut program = Program::start_with("demo", |config| config.record.dir = home.path().to_owned());
    program.open_and_recognise();
    program.run_for(1.3, 30.0);
    program.engine.command_session(SessionIntent::Start { lanes: Vec::new() }).unwrap();
    program.run_for(6.0, 30.0);
    let words = |program: &Program| program.status().streams[0].tokens.len();
    program.engine.command_session(SessionIntent::Stop).unwrap();
    program.until("the end of the file", 30.0, Duration::from_secs(5), |program| {
        program.status().recording.state == RecordingState::Off
    });
    assert!(words(&program) >= 2, "the demo says something within six seconds");
    program.command(StreamCommand::Close);
    program.run_for(0.3, 30.0);
    let (path, ..) = sessions_in(home.path()).remove(0);
    let recorded = SessionFile::open(&path).unwrap().lanes()[0].range();
    assert!(recorded.end - recorded.start > 5 * u64::from(RATE) && recorded.start > u64::from(RATE), "{recorded:?}");
    program.engine.replay().command(ReplayCommand::SetAudible(false)).unwrap();
    program.engine.replay().command(ReplayCommand::Open(path)).unwrap();
    type Parts<'a> = (&'a Spectrogram, &'a Waveform, &'a LaneTranscript, Option<&'a Playhead>);
    let two = |program: &mut Program| {
        let world = program.app.world_mut();
        let mut lanes = world.query::<Parts>();
        let parts = |(columns, sound, words, playhead): Parts| {
            (columns.history().clone(), sound.history().clone(), words.clone(), playhead.is_some())
        };
        let mut found: Vec<_> = lanes.iter(world).map(parts).collect();
        found.sort_by_key(|(.., is_replay)| *is_replay);
        found
    };
    program.until("its lane", 30.0, Duration::from_secs(5), |program| {
        two(program).get(1).is_some_and(|(columns, ..)| !columns.range(0).is_empty())
    });
    let [(live, live_sound, live_words, false), (again, sound, words, true)] = &two(&mut program)[..] else {
        panic!("a live lane and its replay");
    };
    let columns = again.range(0);
    let expected = (recorded.end - recorded.start) / 512 - 5;
    assert!(columns.end - columns.start >= expected, "{columns:?} of {recorded:?}");
    for column in columns {
        assert!(again.column(0, column) == live.column(0, column), "column {column} differs");
    }
    let samples = |history: &SoundHistory| {
        history.samples(recorded.clone()).flat_map(|(_, piece)| piece.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(samples(sound).len() as u64, recorded.end - recorded.start);
    assert!(samples(sound) == samples(live_sound), "the sound is bit for bit what was heard live");
    let is_in = |token: &Token| token.start_secs * f64::from(RATE) >= recorded.start as f64;
    let of = |lane: &LaneTranscript| lane.0.transcript.tokens().into_iter().filter(is_in).collect::<Vec<_>>();
    let (was, is) = (of(live_words), of(words));
    assert!(is.len() >= 2 && was[..is.len()] == is[..], "{was:?} {is:?}");
    println!(
        "{} columns, {} samples and {} words are the live ones",
        expected + 5,
        recorded.end - recorded.start,
        is.len()
    );
}

/// What was captured, and when each lump of it had come: samples so far, and the time.
struct Captured {
    samples: Vec<i16>,
    lumps: Vec<(usize, Instant)>,
}

impl Captured {
    /// The sample that came at a time, were every lump as early as the earliest ones.
    fn at(&self, when: Instant) -> Option<usize> {
        let (first, _) = *self.lumps.first()?;
        let zero = self.lumps.first()?.1;
        let secs = |at: Instant| at.saturating_duration_since(zero).as_secs_f64();
        let late = |&(count, at): &(usize, Instant)| secs(at) - (count - first) as f64 / f64::from(RATE);
        let least = self.lumps.iter().map(late).fold(f64::MAX, f64::min);
        usize::try_from(first as i64 + ((secs(when) - least) * f64::from(RATE)) as i64).ok()
    }
}

/// How far what was heard at `when` is from `place` in the sound, seconds; positive where it is heard late.
fn lateness(sound: &[i16], captured: &Captured, when: Instant, place: f64) -> Option<f64> {
    const WINDOW: usize = 1440;
    let at = captured.at(when)?.checked_sub(WINDOW)?;
    let heard: Vec<f64> = captured.samples.get(at..at + WINDOW)?.iter().map(|&s| f64::from(s)).collect();
    let centre = (place * f64::from(RATE)) as i64 - WINDOW as i64;
    let reach = i64::from(RATE) / 5;
    let likeness = |lag: i64| -> Option<f64> {
        let from = usize::try_from(centre + lag).ok()?;
        let exact = sound.get(from..from + WINDOW)?;
        let (mut both, mut power) = (0.0, 0.0);
        for (heard, &exact) in heard.iter().zip(exact) {
            both += heard * f64::from(exact);
            power += f64::from(exact) * f64::from(exact);
        }
        Some(both / power.max(1.0).sqrt())
    };
    let best =
        (-reach..reach).filter_map(|lag| likeness(lag).map(|like| (like, lag))).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let norm = heard.iter().map(|heard| heard * heard).sum::<f64>().sqrt();
    // Silence, or a moment that fell out on a busy machine, is like nothing.
    (best.0 > 0.8 * norm && norm > 0.0).then(|| -best.1 as f64 / f64::from(RATE))
}

#[test]
fn what_is_heard_is_what_the_cursor_points_at() {
    let name = "replay::what_is_heard_is_what_the_cursor_points_at";
    with_server(name, Duration::from_secs(50), |server| {
        let home = tempfile::tempdir().unwrap();
        let sound = sound(60);
        let path = session(home.path(), &sound);
        let mut recorder = server
            .command("parec")
            .args(["--latency-msec=5", "--raw", "-d", "spk.monitor", "--format=s16le", "--rate=48000", "--channels=1"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = recorder.stdout.take().unwrap();
        let listen = move || {
            let (mut captured, mut block) = (Captured { samples: Vec::new(), lumps: Vec::new() }, [0u8; 4096]);
            let mut odd = Vec::new();
            while let Ok(read @ 1..) = pipe.read(&mut block) {
                odd.extend_from_slice(&block[..read]);
                let whole = odd.len() / 2 * 2;
                captured
                    .samples
                    .extend(odd[..whole].chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
                odd.drain(..whole);
                captured.lumps.push((captured.samples.len(), Instant::now()));
            }
            captured
        };
        let listener = spawn_thread("listener", listen).unwrap();
        let (links, tasks) = (LinkRegistry::default(), TaskRegistry::default());
        let (replay, task) = replay::spawn(home.path().to_owned(), 0.0, EventHub::default(), &links, &tasks).unwrap();
        replay.command(ReplayCommand::Open(path)).unwrap();
        wait_for("the session", Duration::from_secs(5), || replay.report().session.is_some());
        // The device is opened with the session; it is heard when it is there.
        std::thread::sleep(Duration::from_millis(1500));
        replay.command(ReplayCommand::Play).unwrap();
        let mut asked = Vec::new();
        let mut watch = |secs: f64| {
            let start = Instant::now();
            while start.elapsed().as_secs_f64() < secs {
                std::thread::sleep(Duration::from_millis(50));
                let now = Instant::now();
                let report = replay.report();
                asked.extend(report.clock.as_ref().map(|clock| (now, clock.at(now))));
            }
        };
        watch(3.0);
        replay.command(ReplayCommand::Seek(40.0)).unwrap();
        watch(3.0);
        drop(task);
        let _ = recorder.kill();
        let _ = recorder.wait();
        let captured = listener.join().unwrap();
        let mut late: Vec<f64> =
            asked.iter().filter_map(|&(when, place)| lateness(&sound, &captured, when, place)).collect();
        assert!(late.len() > asked.len() / 2, "only {} of {} places were heard at all", late.len(), asked.len());
        late.sort_by(f64::total_cmp);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize] * 1e3;
        println!(
            "heard behind the cursor: median {:.1} ms, {:.1} to {:.1} ms (5 % to 95 %), {} of {} places",
            at(0.5),
            at(0.05),
            at(0.95),
            late.len(),
            asked.len()
        );
        assert!(at(0.5).abs() <= 20.0, "median {} ms", at(0.5));
    });
}
