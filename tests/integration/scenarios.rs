//! The scenarios that broke the original, and what people do to a program that runs all day. Each of them: the same stream
//! entity, exactly the expected connection history, no sample lost, every finished training step on the next drawn frame, no
//! pause in the progress, and the transcript of a run in which nothing else happened.

use std::{path::PathBuf, time::Duration};

use seseragi::{
    recognise::transcript::Token,
    stream::{
        ConnectionState::{Closed, Connected, Idle, Opening},
        StreamCommand,
    },
    train::trainer::TrainSpec,
};

use crate::{
    client::{get, post, post_json},
    program::{Program, tokens_by, tokens_of, write_speech},
};

const FPS: f64 = 60.0;
const LIMIT: Duration = Duration::from_secs(60);
/// About nine seconds.
const SPOKEN: usize = 9;

struct Scene {
    sound: Vec<i16>,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("speech.wav");
        Self { sound: write_speech(&path, SPOKEN), path, _folder: folder }
    }

    fn source(&self) -> String {
        format!("file:{}", self.path.display())
    }

    /// Plays the rest of the file and compares everything with a run in which nothing else happened.
    fn play_out(&self, program: &mut Program) {
        program.until("the end of the file", FPS, LIMIT, |program| program.states().last() == Some(&Closed));
        program.until("the last word", FPS, LIMIT, |program| program.status().streams[0].partial.is_empty());
        program.run_for(0.2, FPS);
        assert_same(&program.samples(), &self.sound);
        let expected = tokens_of(&self.sound);
        assert!(expected.len() >= SPOKEN / 2, "the control run heard words: {expected:?}");
        assert_eq!(program.tokens(), expected);
    }
}

/// What was captured is what was played, bit for bit.
fn assert_same(captured: &[i16], played: &[i16]) {
    assert_eq!(captured.len(), played.len());
    let differing: Vec<_> = (0..played.len()).filter(|&i| captured[i] != played[i]).collect();
    let first = differing
        .first()
        .map(|&i| (i, &captured[i..(i + 4).min(captured.len())], &played[i..(i + 4).min(played.len())]));
    assert!(differing.is_empty(), "{} samples differ, the first {first:?}", differing.len());
}

const PLAYED: [seseragi::stream::ConnectionState; 4] = [Idle, Opening, Connected, Closed];

fn wait_for_progress(program: &mut Program, steps: u64) {
    let from = program.progress().step;
    program.until("training", FPS, LIMIT, |program| program.progress().step >= from + steps);
}

#[test]
fn no_training_connects_once_and_words_appear() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.command(StreamCommand::Open);
    program.until("the connection", FPS, LIMIT, |program| program.states().last() == Some(&Connected));
    assert!(!program.status().realtime_running, "an open source is not yet recognised");
    // From the very first sample on, so that the transcript is that of the whole file.
    program.command(StreamCommand::StartRecognition);
    program.until("recognition", FPS, LIMIT, |program| program.status().realtime_running);
    program.until("a word", FPS, LIMIT, |program| !program.tokens().is_empty());
    program.until("the end of the file", FPS, LIMIT, |program| program.states().last() == Some(&Closed));
    program.run_for(0.2, FPS);
    program.assert_untouched(&PLAYED);
    assert_same(&program.samples(), &scene.sound);
}

#[test]
fn training_first_then_streaming_and_progress_goes_on() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.engine.start_training(Program::long_run()).unwrap();
    wait_for_progress(&mut program, 2);
    program.open_and_recognise();
    program.until("a word", FPS, LIMIT, |program| !program.tokens().is_empty());
    assert!(program.status().realtime_running && program.status().is_training);
    wait_for_progress(&mut program, 3);
    assert!(program.status().realtime_running, "progress moved while streaming");
    scene.play_out(&mut program);
    program.command(StreamCommand::StopRecognition);
    program.until("the stop", FPS, LIMIT, |program| !program.status().realtime_running);
    wait_for_progress(&mut program, 2);
    program.assert_untouched(&PLAYED);
}

#[test]
fn streaming_first_then_training_from_outside_leaves_the_stream_alone() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.open_and_recognise();
    program.until("a word", FPS, LIMIT, |program| !program.tokens().is_empty());
    let addr = program.server.addr();
    let body = r#"{"model_name": "from-outside", "dataset_name": "demo", "epochs": 1000, "batch_size": 4}"#;
    let reply = post_json(addr, "/api/train/start", body);
    assert!(reply.status < 300, "{}", reply.detail());
    assert_eq!(post_json(addr, "/api/train/start", body).status, 409);
    wait_for_progress(&mut program, 3);
    assert_eq!(get(addr, "/api/progress").json()["is_training"], true);
    scene.play_out(&mut program);
    program.assert_untouched(&PLAYED);
    assert!(post(addr, "/api/train/stop").status < 300);
    program.until("the end of training", FPS, LIMIT, |program| !program.status().is_training);
    assert_eq!(post(addr, "/api/train/stop").status, 404);
}

#[test]
fn training_started_and_stopped_twenty_times_leaves_the_stream_alone() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.open_and_recognise();
    for round in 0..20 {
        program.engine.start_training(Program::long_run()).unwrap();
        program.run_for(0.05 * f64::from(round % 5), FPS);
        program.engine.trainer().stop().unwrap();
        program.until("the stop", FPS, LIMIT, |program| !program.status().is_training);
    }
    scene.play_out(&mut program);
    program.assert_untouched(&PLAYED);
}

#[test]
fn a_thousand_drawn_frames_a_second_change_nothing() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.engine.start_training(Program::long_run()).unwrap();
    program.open_and_recognise();
    let before = program.status().frames.drawn;
    program.until("the end of the file", 1000.0, LIMIT, |program| program.states().last() == Some(&Closed));
    let drawn = program.status().frames.drawn - before;
    println!("{drawn} frames were drawn while the file played");
    assert!(drawn > 300 * SPOKEN as u64, "two busy cores draw less than a thousand a second, but not {drawn} in all");
    scene.play_out(&mut program);
    program.assert_untouched(&PLAYED);
}

#[test]
fn a_screen_that_is_blocked_for_ten_seconds_loses_nothing_and_catches_up() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.engine.start_training(Program::long_run()).unwrap();
    program.open_and_recognise();
    program.run_for(1.0, FPS);
    let step = program.progress().step;
    std::thread::sleep(Duration::from_secs(10));
    // Everything went on while no frame was drawn, and HTTP told of it.
    let status = get(program.server.addr(), "/api/status").json();
    assert_eq!(status["streams"][0]["samples_in"], scene.sound.len());
    assert!(program.progress().step > step);
    let states: Vec<_> = program.status().streams[0].history.iter().map(|transition| transition.state).collect();
    assert_eq!(states, PLAYED);
    program.frame();
    scene.play_out(&mut program);
    program.assert_untouched(&PLAYED);
}

#[test]
fn a_hundred_swaps_to_copies_of_the_model_change_no_word() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    program.open_and_recognise();
    program.until("the connection", FPS, LIMIT, |program| program.states().last() == Some(&Connected));
    for _ in 0..100 {
        program.engine.recogniser().use_now("digits").unwrap();
        program.run_for(0.05, FPS);
    }
    scene.play_out(&mut program);
    program.assert_untouched(&PLAYED);
}

#[test]
fn a_swap_to_a_really_different_model_in_the_middle_of_a_word_cuts_no_word() {
    let scene = Scene::new();
    let mut program = Program::start(&scene.source());
    // Another model: same words, learnt from other voices in a few seconds.
    program.engine.start_training(TrainSpec { epochs: 8, ..TrainSpec::new("other", "demo") }).unwrap();
    program.until("the other model", FPS, 2 * LIMIT, |program| !program.status().is_training);
    let by_first = tokens_of(&scene.sound);
    let by_other = tokens_by(&program.engine.models().load("other").unwrap(), &scene.sound);
    assert_ne!(by_first, by_other, "the two models differ");
    // A word that both of them read, so that it must be heard once wherever the swap falls in it.
    let is_shared = |word: &&Token| {
        by_other.iter().any(|token| token.token == word.token && (token.end_secs - word.end_secs).abs() < 0.25)
    };
    let middle = by_first.iter().skip(1).find(is_shared).expect("the models agree on one of the words");
    let swap_secs = 0.5 * (middle.start_secs + middle.end_secs);
    program.open_and_recognise();
    program.until("the middle of a word", 200.0, LIMIT, |program| {
        let status = program.status();
        status.streams[0].samples_in as f64 >= swap_secs * 48_000.0
    });
    program.engine.recogniser().use_now("other").unwrap();
    let swapped_secs = program.status().streams[0].samples_in as f64 / 48_000.0;
    program.until("the end of the file", FPS, LIMIT, |program| program.states().last() == Some(&Closed));
    program.until("the last word", FPS, LIMIT, |program| program.status().streams[0].partial.is_empty());
    program.run_for(0.2, FPS);
    assert_same(&program.samples(), &scene.sound);
    let heard = program.tokens();
    println!("swapped at {swapped_secs:.2} s in {middle:?}\nfirst {by_first:?}\nother {by_other:?}\nheard {heard:?}");
    // Before the swap the first model's words, after it the other's, to the bit; about it the word once, by one of the two.
    let before = |tokens: &[Token]| -> Vec<Token> {
        tokens.iter().filter(|token| token.end_secs < swap_secs - 0.3).cloned().collect()
    };
    let after = |tokens: &[Token]| -> Vec<Token> {
        tokens.iter().filter(|token| token.start_secs > swapped_secs + 0.5).cloned().collect()
    };
    assert_eq!(before(&heard), before(&by_first));
    assert_eq!(after(&heard), after(&by_other));
    let about: Vec<_> =
        heard.iter().filter(|t| t.end_secs >= swap_secs - 0.3 && t.start_secs <= swapped_secs + 0.5).collect();
    let is_known =
        by_other.iter().any(|token| (token.end_secs - middle.end_secs).abs() < 0.25 && token.token == middle.token);
    let times = about.iter().filter(|token| token.token == middle.token).count();
    assert!(times <= 1 && (times == 1 || !is_known), "the word under the swap came {times} times");
    program.assert_untouched(&PLAYED);
}
