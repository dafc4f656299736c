//! The scenarios that broke the original with a microphone on a real sound server, into which a player plays speech; and what
//! happens when the server or the microphone goes away and comes back.

use std::{
    collections::HashMap,
    path::PathBuf,
    time::{Duration, Instant},
};

use seseragi::stream::{
    ConnectionState::{self, Connected, Idle, Lost, Opening, Stalled},
    GapCause, StreamCommand,
};

use crate::{
    client::post_json,
    program::{Program, tokens_of, write_speech},
    pulse::{PulseServer, with_server},
};

const FPS: f64 = 60.0;
/// How long a test may take at most, and how long it waits for anything in it.
const LIMIT: Duration = Duration::from_secs(40);
const WAIT: Duration = Duration::from_secs(15);
const SECOND: Duration = Duration::from_secs(1);
const RATE: usize = 48_000;
/// About nine seconds.
const SPOKEN: usize = 8;
const ONCE: [ConnectionState; 3] = [Idle, Opening, Connected];

struct Scene {
    played: Vec<i16>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.wav");
        Self { played: write_speech(&path, SPOKEN), path, _folder: folder }
    }

    /// Plays the speech into the microphone and looks at what came of it: all of its samples in one piece, and its words.
    fn play(&self, program: &mut Program, server: &PulseServer, meanwhile: impl FnOnce(&mut Program)) {
        let start = Instant::now();
        let player = server.play(&self.path, "spk");
        meanwhile(program);
        let left =
            Duration::from_secs_f64(self.played.len() as f64 / RATE as f64 + 1.0).saturating_sub(start.elapsed());
        program.run_for(left.as_secs_f64(), FPS);
        drop(player);
        program.until("the last word", FPS, WAIT, |program| program.status().streams[0].partial.is_empty());
        let (captured, heard) = (program.samples(), program.tokens());
        assert_all_captured(&self.played, &captured);
        // What is heard is exactly what the model reads in what was captured ...
        assert_eq!(heard, tokens_of(&captured));
        // ... which is what it reads in the file, but for the place of the feature frames.
        let words = |tokens: &[seseragi::recognise::transcript::Token]| -> Vec<String> {
            tokens.iter().map(|token| token.token.to_string()).collect()
        };
        let (heard, expected) = (words(&heard), words(&tokens_of(&self.played)));
        println!("heard {heard:?}, the file alone {expected:?}");
        assert!(expected.len() >= SPOKEN / 2, "the control run heard words: {expected:?}");
        assert!(edits(&heard, &expected) <= 1, "{heard:?} is not {expected:?}");
    }
}

/// How many words have to be put in, left out or exchanged to make one of the other.
pub fn edits(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.iter().enumerate() {
            let exchanged = corner + usize::from(left != right);
            corner = row[j + 1];
            row[j + 1] = exchanged.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

/// Where `played` begins in `captured`: the first loud run of 32 samples is found bit for bit.
fn find(played: &[i16], captured: &[i16]) -> Option<usize> {
    let loud = played.iter().position(|sample| sample.unsigned_abs() > 2000)?;
    let run = &played[loud..loud + 32];
    captured.windows(32).position(|window| window == run)?.checked_sub(loud)
}

/// The normalised correlation of two pieces of the same length.
fn correlation(a: &[i16], b: &[i16]) -> f64 {
    let dot = |a: &[i16], b: &[i16]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1.0)
}

/// `played` stands in `captured` in one piece: well correlated, and with its start, middle and end in the same alignment.
fn assert_all_captured(played: &[i16], captured: &[i16]) {
    let offset = find(played, captured).expect("what was played was captured");
    let piece = &captured[offset..(offset + played.len()).min(captured.len())];
    let whole = correlation(&played[..piece.len()], piece);
    let equal = played.iter().zip(piece).filter(|(a, b)| a == b).count();
    // The loudest half second of each third, and the shift at which it fits best.
    let shifts: HashMap<_, _> = ["start", "middle", "end"]
        .into_iter()
        .zip(played.chunks(played.len() / 3))
        .map(|(name, third)| {
            let energy = |window: &[i16]| window.iter().map(|&sample| i64::from(sample).pow(2)).sum::<i64>();
            let third_at = third.as_ptr().addr().wrapping_sub(played.as_ptr().addr()) / 2;
            let loudest =
                (0..third.len() - RATE / 2).step_by(RATE / 20).max_by_key(|&at| energy(&third[at..at + RATE / 2]));
            let at = third_at + loudest.unwrap_or(0);
            let window = &played[at..at + RATE / 2];
            let fits = |shift: isize| {
                let from = (offset + at).checked_add_signed(shift)?;
                Some(correlation(window, captured.get(from..from + window.len())?))
            };
            let best = (-480..=480).max_by(|&a, &b| fits(a).partial_cmp(&fits(b)).unwrap_or(std::cmp::Ordering::Equal));
            (name, (best.unwrap_or(0), fits(best.unwrap_or(0)).unwrap_or(0.0)))
        })
        .collect();
    println!(
        "correlation {whole:.6}; {equal} of {} samples bit-equal; shift and correlation: {shifts:?}",
        played.len()
    );
    assert!(piece.len() + RATE > played.len() && whole >= 0.99, "{whole}");
    assert!(shifts.values().all(|&(shift, fit)| shift == 0 && fit >= 0.99), "{shifts:?}");
}

fn wait_for_steps(program: &mut Program, steps: u64) {
    let from = program.progress().step;
    program.until("training", FPS, WAIT, |program| program.progress().step >= from + steps);
}

fn until_connected(program: &mut Program) {
    program.until("the connection", FPS, WAIT, |program| program.states().last() == Some(&Connected));
}

#[test]
fn no_training_connects_once_and_words_appear() {
    with_server("microphone_scenarios::no_training_connects_once_and_words_appear", LIMIT, |server| {
        let (scene, mut program) = (Scene::new(), Program::start("mic"));
        program.open_and_recognise();
        until_connected(&mut program);
        scene.play(&mut program, server, |program| {
            program.until("a word", FPS, WAIT, |program| !program.tokens().is_empty());
        });
        program.assert_untouched(&ONCE);
    });
}

#[test]
fn training_first_then_streaming_and_progress_goes_on() {
    with_server("microphone_scenarios::training_first_then_streaming_and_progress_goes_on", LIMIT, |server| {
        let (scene, mut program) = (Scene::new(), Program::start("mic"));
        program.engine.start_training(Program::long_run()).unwrap();
        wait_for_steps(&mut program, 2);
        program.open_and_recognise();
        until_connected(&mut program);
        scene.play(&mut program, server, |program| {
            program.until("a word", FPS, WAIT, |program| !program.tokens().is_empty());
            wait_for_steps(program, 3);
            assert!(program.status().realtime_running && program.status().is_training);
        });
        program.command(StreamCommand::StopRecognition);
        program.until("the stop", FPS, WAIT, |program| !program.status().realtime_running);
        wait_for_steps(&mut program, 2);
        program.assert_untouched(&ONCE);
    });
}

#[test]
fn streaming_first_then_training_from_outside_leaves_the_stream_alone() {
    let name = "microphone_scenarios::streaming_first_then_training_from_outside_leaves_the_stream_alone";
    with_server(name, LIMIT, |server| {
        let (scene, mut program) = (Scene::new(), Program::start("mic"));
        program.open_and_recognise();
        until_connected(&mut program);
        scene.play(&mut program, server, |program| {
            program.until("a word", FPS, WAIT, |program| !program.tokens().is_empty());
            let body = r#"{"model_name": "from-outside", "dataset_name": "demo", "epochs": 1000, "batch_size": 4}"#;
            assert!(post_json(program.server.addr(), "/api/train/start", body).status < 300);
            wait_for_steps(program, 3);
        });
        program.assert_untouched(&ONCE);
    });
}

/// How far the stream's clock is behind the wall: the least of half a second, so that the length of blocks does not count.
fn lag(program: &mut Program) -> f64 {
    let (start, mut least) = (Instant::now(), f64::MAX);
    while start.elapsed() < Duration::from_millis(500) {
        program.frame();
        let status = program.status();
        let clock = (status.streams[0].samples_in + status.streams[0].samples_lost) as f64 / RATE as f64;
        least = least.min(status.uptime_secs - clock);
        std::thread::sleep(Duration::from_millis(2));
    }
    least
}

/// Draws until the stream is in `state`, which must not take longer than `limit`.
fn until_state(program: &mut Program, state: ConnectionState, limit: Duration) {
    program.until(&format!("the state {state}"), FPS, limit, |program| program.states().last() == Some(&state));
}

/// When a source went away and came back, as far as a test can tell: it stops and starts while a command runs.
struct Outage {
    stopping: Instant,
    stopped: Instant,
    starting: Instant,
}

impl Outage {
    /// Runs `stop`, waits until the stream is in `state`, runs on for `time`, and runs `start`.
    fn cause(
        program: &mut Program,
        server: &mut PulseServer,
        (stop, state): (impl FnOnce(&mut PulseServer), ConnectionState),
        secs: f64,
        start: impl FnOnce(&mut PulseServer),
    ) -> Self {
        let stopping = Instant::now();
        stop(server);
        let stopped = Instant::now();
        until_state(program, state, SECOND);
        println!("seen after {:?}", stopping.elapsed());
        program.run_for(secs, FPS);
        let starting = Instant::now();
        start(server);
        let started = Instant::now();
        until_state(program, Connected, 2 * SECOND);
        println!("back after {:?}", started.elapsed());
        Self { stopping, stopped, starting }
    }

    /// The stream's clock is where it would be without the outage, to 60 ms, and the outage is one gap with its cause.
    fn assert_gap(&self, program: &mut Program, lag_before: f64, cause: GapCause) {
        let longest = self.stopping.elapsed().as_secs_f64();
        let shortest = (self.starting - self.stopped).as_secs_f64();
        let error_millis = (lag(program) - lag_before) * 1e3;
        let gaps = program.status().streams[0].gaps.clone();
        println!("{gaps:?}; the clock is off by {error_millis:.1} ms");
        assert_eq!(gaps.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [cause]);
        assert!(error_millis.abs() < 60.0, "the clock is off by {error_millis} ms");
        let secs = gaps[0].len_samples as f64 / RATE as f64;
        println!("a gap of {secs:.3} s for an outage of {shortest:.3} to {longest:.3} s");
        assert!(secs > shortest - 0.06 && secs < longest, "{secs}");
        assert_eq!(program.status().streams[0].samples_lost, gaps[0].len_samples);
        assert!(program.status().realtime_running, "and it is recognised as before");
    }
}

/// A microphone that has been connected for a second, and how far its clock is behind the wall.
fn connected(source: &str) -> (Program, f64) {
    let mut program = Program::start(source);
    program.open_and_recognise();
    until_connected(&mut program);
    program.run_for(1.0, FPS);
    let behind = lag(&mut program);
    (program, behind)
}

#[test]
fn a_sound_server_that_dies_and_returns_costs_a_gap_and_no_stream() {
    let name = "microphone_scenarios::a_sound_server_that_dies_and_returns_costs_a_gap_and_no_stream";
    with_server(name, LIMIT, |server| {
        let (mut program, before) = connected("mic");
        let outage = Outage::cause(&mut program, server, (PulseServer::kill, Lost), 1.5, PulseServer::restart);
        outage.assert_gap(&mut program, before, GapCause::Lost);
        assert_eq!(program.states(), [Idle, Opening, Connected, Lost, Connected], "however often it was tried");
    });
}

#[test]
fn a_microphone_that_is_pulled_out_and_put_back_is_the_same_stream() {
    let name = "microphone_scenarios::a_microphone_that_is_pulled_out_and_put_back_is_the_same_stream";
    with_server(name, LIMIT, |server| {
        let module = server.add_sink("usb", 48_000, "s16le", 1);
        let (mut program, before) = connected("mic:pulseaudio:usb.monitor");
        let pull_out = |server: &mut PulseServer| server.unload(&module);
        let put_back = |server: &mut PulseServer| drop(server.add_sink("usb", 48_000, "s16le", 1));
        let outage = Outage::cause(&mut program, server, (pull_out, Lost), 1.5, put_back);
        outage.assert_gap(&mut program, before, GapCause::Lost);
        assert_eq!(program.states(), [Idle, Opening, Connected, Lost, Connected], "however often it was tried");
    });
}

#[test]
fn a_suspended_microphone_stalls_and_goes_on() {
    with_server("microphone_scenarios::a_suspended_microphone_stalls_and_goes_on", LIMIT, |server| {
        let (mut program, before) = connected("mic");
        let suspend = |server: &mut PulseServer| drop(server.pactl(&["suspend-sink", "spk", "1"]));
        let resume = |server: &mut PulseServer| drop(server.pactl(&["suspend-sink", "spk", "0"]));
        let outage = Outage::cause(&mut program, server, (suspend, Stalled), 0.7, resume);
        outage.assert_gap(&mut program, before, GapCause::Stall);
        assert_eq!(program.states(), [Idle, Opening, Connected, Stalled, Connected]);
    });
}
