//! The built program on bad input: each case ends with a message that says what was wrong, and with the exit status for it. And
//! what it writes for other programs.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::program::{tokens_of, write_speech};

/// The program with a home of its own, no display and no sound server.
pub struct Program {
    home: TempDir,
}

impl Program {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    /// A place in its home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The program with these arguments, not started yet.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seseragi"));
        command.args(args).env("SESERAGI_HOME", self.path("home")).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("SESERAGI_ASSETS", Path::new(env!("CARGO_MANIFEST_DIR")).join("assets"));
        for name in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ended {
        Ended::from(self.command(args).output().unwrap())
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Ended {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let ended = Self {
            status: output.status.code().expect("it was not killed by a signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        assert!(!ended.err.contains("panicked"), "{}", ended.err);
        ended
    }
}

impl Ended {
    /// It failed with this status, and said so once, with all of these parts.
    pub fn failed(self, status: i32, parts: &[&str]) {
        assert_eq!(self.status, status, "{self:?}");
        let told: Vec<_> = self.err.lines().filter(|line| line.starts_with("seseragi: ")).collect();
        let telling = told.iter().filter(|line| parts.iter().all(|part| line.contains(part))).count();
        assert_eq!(telling, 1, "{parts:?} are not told once in {}", self.err);
    }
}

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
const WORDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/words");

#[test]
fn help_teaches_and_a_wrong_command_line_is_status_2() {
    let program = Program::new();
    let help = program.run(&["--help"]);
    assert_eq!(help.status, 0);
    for part in ["Examples:", "Exit status:", "SESERAGI_HOME", "transcribe", "--headless", "--status-json"] {
        assert!(help.out.contains(part), "{part} is not in {}", help.out);
    }
    for (command, part) in [("run", "--screenshot picture.png"), ("train", "--resume"), ("transcribe", "words.jsonl")] {
        let help = program.run(&[command, "--help"]);
        assert!(help.status == 0 && help.out.contains("Examples:") && help.out.contains(part), "{}", help.out);
    }
    for args in [&["frobnicate"][..], &["--port", "99999"], &["transcribe"], &["run", "--source", "radio"]] {
        let ended = program.run(args);
        assert_eq!((ended.status, ended.out.as_str()), (2, ""), "{args:?}");
        assert!(ended.err.contains("error:"), "{}", ended.err);
    }
}

#[test]
fn an_unknown_model_is_named_with_those_there_are() {
    let program = Program::new();
    let wav = format!("{DATA}/formats/tone.wav");
    program.run(&["transcribe", &wav, "--model", "nothing"]).failed(3, &["there is no model \"nothing\"", "there are"]);
    program.run(&["evaluate", WORDS, "--model", "nothing"]).failed(3, &["there is no model \"nothing\""]);
    program.run(&["evaluate", WORDS, "--model", "../x"]).failed(4, &["\"../x\" is no model name"]);
}

#[test]
fn a_dataset_is_checked_before_it_is_learnt_from() {
    let program = Program::new();
    let checked = program.run(&["dataset", "check", WORDS]);
    assert_eq!(checked.status, 0, "{checked:?}");
    for part in ["words (a folder for each label)", "3 labels: ", "rates: 8000 Hz", "train", "background"] {
        assert!(checked.out.contains(part), "{part} is not in {}", checked.out);
    }
    let checked = program.run(&["dataset", "check", WORDS, "--json"]);
    let report: serde_json::Value = serde_json::from_str(&checked.out).unwrap();
    assert_eq!((&report["form"], &report["skipped"]), (&"folders".into(), &serde_json::json!([])));
    program.run(&["dataset", "check", "no-such-set"]).failed(3, &["no-such-set does not exist"]);
    program.run(&["dataset", "check", &format!("{DATA}/formats")]).failed(4, &["is empty: make one folder for each"]);
}

/// The steps and losses that a training told, in order.
fn losses(lines: &str) -> Vec<(u64, f64)> {
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let steps = lines.filter(|line| line["validation_loss"].is_null() && line["done"] == false);
    steps.map(|line| (line["step"].as_u64().unwrap(), line["loss"].as_f64().unwrap())).collect()
}

#[test]
fn a_training_that_was_killed_goes_on_to_the_bit() {
    const ORDER: [&str; 8] = ["train", WORDS, "--json", "--batch-size", "1", "--seed", "3", "--epochs"];
    let order = [&ORDER[..], &["3"]].concat();
    let whole = Program::new().run(&order);
    assert_eq!(whole.status, 0, "{whole:?}");
    let whole = losses(&whole.out);

    let program = Program::new();
    let mut child = program.command(&order).stdout(Stdio::piped()).spawn().unwrap();
    let mut told = String::new();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines.map_while(Result::ok) {
        told += &format!("{line}\n");
        if losses(&told).last().is_some_and(|(step, _)| *step == 30) {
            child.kill().unwrap(); // SIGKILL, between the checkpoint of step 25 and that of step 50.
            break;
        }
    }
    child.wait().unwrap();
    let resumed = program.run(&[&order[..], &["--resume"]].concat());
    assert_eq!(resumed.status, 0, "{resumed:?}");
    let resumed = losses(&resumed.out);
    let from = resumed[0].0;
    assert!([26, 51].contains(&from), "it went on at step {from}");
    assert_eq!(resumed[..], whole[whole.iter().position(|(step, _)| *step == from).unwrap()..]);
    assert_eq!(losses(&told)[..25], whole[..25]);
}

#[test]
fn one_bad_file_does_not_keep_the_others_from_being_read() {
    let program = Program::new();
    let (missing, empty, text) = (program.path("missing.wav"), program.path("empty.wav"), program.path("text.wav"));
    fs::write(&empty, "").unwrap();
    fs::write(&text, "this is no sound").unwrap();
    let good = first_wav();
    let files = [&missing, &good, &empty, &text].map(|path| path.to_str().unwrap());
    let ended = program.run(&[&["transcribe", "--json"], &files[..]].concat());
    assert_ne!(ended.status, 0);
    for bad in [&missing, &empty, &text] {
        let told =
            ended.err.lines().filter(|line| line.starts_with("seseragi: ") && line.contains(bad.to_str().unwrap()));
        assert_eq!(told.count(), 1, "{} in {}", bad.display(), ended.err);
    }
    let lines: Vec<Value> = ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let [line] = &lines[..] else { panic!("one file can be read: {lines:?}") };
    assert_eq!(line["file"], good.to_str().unwrap());
    assert!(line["audio_secs"].as_f64().unwrap() > 0.0 && line["processing_secs"].as_f64().unwrap() > 0.0);
    assert!(line["text"].is_string() && line["tokens"].is_array());
    for (status, file) in [(3, &missing), (4, &empty), (4, &text)] {
        program.run(&["transcribe", file.to_str().unwrap()]).failed(status, &[file.to_str().unwrap()]);
    }
}

#[test]
fn a_file_is_transcribed_into_the_words_that_a_stream_of_it_gives() {
    let program = Program::new();
    let path = program.path("speech.wav");
    let sound = write_speech(&path, 6);
    let ended = program.run(&["transcribe", "--json", path.to_str().unwrap()]);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    let line: Value = serde_json::from_str(&ended.out).unwrap();
    let expected = tokens_of(&sound);
    assert!(expected.len() >= 3, "words are heard: {expected:?}");
    let as_written: Value = serde_json::from_str(&serde_json::to_string(&expected).unwrap()).unwrap();
    assert_eq!(line["tokens"], as_written);
    let words: Vec<_> = expected.iter().map(|token| token.token.to_string()).collect();
    assert_eq!(line["text"], words.join(" "));
    assert_eq!(line["audio_secs"], sound.len() as f64 / 48_000.0);
    let plain = program.run(&["transcribe", path.to_str().unwrap()]);
    assert_eq!(plain.out, format!("{}\n", words.join(" ")));
}

#[test]
fn microphones_are_listed_or_it_is_said_what_is_missing() {
    let program = Program::new();
    let mut command = program.command(&["devices"]);
    let nowhere = program.path("no-server");
    command.env("PULSE_SERVER", format!("unix:{}", nowhere.display())).env("XDG_RUNTIME_DIR", &nowhere);
    let ended = Ended::from(command.output().unwrap());
    // A machine with a sound card has microphones without a sound server, too.
    match ended.status {
        0 => assert!(ended.out.starts_with("SOURCE") && ended.out.contains("mic:"), "{}", ended.out),
        _ => ended.failed(6, &["sound server (PulseAudio or PipeWire)"]),
    }
}

fn first_wav() -> PathBuf {
    let mut files: Vec<_> =
        fs::read_dir(format!("{DATA}/words/one")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().find(|path| path.extension().is_some_and(|extension| extension == "wav")).unwrap()
}

#[test]
fn a_dataset_with_one_label_or_none_is_refused() {
    let program = Program::new();
    fs::create_dir_all(program.path("none")).unwrap();
    fs::create_dir_all(program.path("single/one")).unwrap();
    fs::copy(first_wav(), program.path("single/one/a.wav")).unwrap();
    let path = |name: &str| program.path(name).to_str().unwrap().to_owned();
    program.run(&["train", &path("none"), "--out", "x"]).failed(4, &["dataset none", "one folder for each label"]);
    program.run(&["train", &path("single"), "--out", "x"]).failed(4, &["dataset single", "one label only (one)"]);
    program.run(&["train", &path("missing"), "--out", "x"]).failed(3, &[&path("missing")]);
    program.run(&["train", first_wav().to_str().unwrap(), "--out", "x"]).failed(4, &["is a file"]);
    assert!(!program.path("home/models/x").exists());
}

#[test]
fn a_busy_port_is_an_error_that_names_it() {
    let program = Program::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = program.run(&["run", "--headless", "--port", &port, "--exit-after", "20"]);
    ended.failed(5, &[&format!("port {port} "), "--port"]);
}

#[test]
fn a_home_that_cannot_be_written_is_an_error_that_names_it() {
    let program = Program::new();
    // A file where the folder should be: root, who runs tests in containers, may write anywhere else.
    fs::write(program.path("home"), "").unwrap();
    let ended = program.run(&["train", WORDS, "--out", "x", "--epochs", "1"]);
    assert!([1, 4, 7].contains(&ended.status), "{ended:?}");
    assert!(ended.err.contains(program.path("home").to_str().unwrap()), "{}", ended.err);
}

#[test]
fn a_broken_config_is_told_with_line_and_column() {
    let program = Program::new();
    let defaults = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/config/default.ron")).unwrap();
    let line = 1 + defaults.lines().position(|line| line.contains("fps: 60")).unwrap();
    let path = program.path("bad.ron");
    fs::write(&path, defaults.replace("fps: 60", "fps: 0")).unwrap();
    let named = path.to_str().unwrap();
    let place = format!("{named}, line {line}, column ");
    let parts = [place.as_str(), "fps is 0; allowed is 1 to 240"];
    program.run(&["run", "--headless", "--config", named, "--exit-after", "20"]).failed(4, &parts);
    program.run(&["run", "--headless", "--config", "/nonexistent.ron"]).failed(3, &["/nonexistent.ron"]);

    fs::create_dir_all(program.path("config/seseragi")).unwrap();
    let own = program.path("config/seseragi/config.ron");
    fs::write(&own, "(lanes: [").unwrap();
    program.run(&["--headless"]).failed(4, &[own.to_str().unwrap(), "line 1, column "]);
}

#[test]
fn a_status_file_that_cannot_be_written_is_told_at_once() {
    let program = Program::new();
    let path = program.path("missing/status.json");
    let args = ["run", "--headless", "--port", "0", "--exit-after", "20", "--status-json", path.to_str().unwrap()];
    program.run(&args).failed(3, &["cannot write the status to", path.to_str().unwrap()]);
}

#[test]
fn the_status_file_is_whole_at_every_moment_and_fresh_at_the_end() {
    let program = Program::new();
    let path = program.path("status.json");
    let args = ["run", "--headless", "--port", "0", "--exit-after", "3", "--status-json", path.to_str().unwrap()];
    let mut child = program.command(&args).stdout(Stdio::null()).spawn().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    let read = || fs::read(&path).ok().map(|text| serde_json::from_slice::<Value>(&text).expect("half a status"));
    while child.try_wait().unwrap().is_none() {
        seen.extend(read().map(|status| (status["uptime_secs"].as_f64().unwrap() * 1e6) as u64));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    assert!(seen.len() >= 3, "it was renewed each second: {seen:?}");
    let last = read().unwrap();
    assert!(last["uptime_secs"].as_f64().unwrap() >= 3.0, "{}", last["uptime_secs"]);
    assert!(last["streams"][0]["samples_in"].as_u64().unwrap() > 0);
    let left: Vec<_> = fs::read_dir(program.home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[test]
fn a_closed_pipe_ends_the_program_without_a_word() {
    let program = Program::new();
    let mut child = program.command(&["models"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
}

#[test]
fn the_address_of_the_server_is_told_and_a_signal_ends_the_program() {
    let program = Program::new();
    let since = Instant::now();
    let mut child =
        program.command(&["--headless", "--port", "0", "--exit-after", "60"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let told = lines.next().unwrap().unwrap();
    let addr = told.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    let status = crate::client::get(addr.parse().unwrap(), "/api/status").json();
    assert_eq!(status["streams"][0]["key"], "main");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
}
