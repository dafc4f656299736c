//! Runs of the built program: killed and gone on with, and what is left of them to list, rename and carry away.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// The program with a home of its own.
struct Home {
    home: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_seseragi"));
        command.args(args).env("SESERAGI_HOME", self.home.path()).env("XDG_CONFIG_HOME", self.path("config"));
        command.env("SESERAGI_ASSETS", Path::new(env!("CARGO_MANIFEST_DIR")).join("assets"));
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.command(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().expect("it was not killed"), text(output.stdout), text(output.stderr))
    }

    fn done(&self, args: &[&str]) -> String {
        let (status, out, err) = self.run(args);
        assert_eq!(status, 0, "{args:?}: {err}");
        out
    }
}

fn words() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/words").display().to_string()
}

/// `train` with these flags besides those of every run here.
fn train<'a>(dataset: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let usual = ["train", dataset, "--out", "mine", "--epochs", "2", "--batch-size", "2", "--seed", "3", "--json"];
    [&usual[..], more].concat()
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bits() {
    let (whole, killed, words) = (Home::new(), Home::new(), words());
    whole.done(&train(&words, &[]));

    let mut program = killed.command(&train(&words, &[])).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let step_of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap();
    // In the second epoch, so that there is a checkpoint, and steps after it that are lost.
    let reached = lines.map(Result::unwrap).find(|line| step_of(line) >= 31).expect("a second epoch");
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(step_of(&reached) < 50, "it was killed in the middle");
    killed.done(&train(&words, &["--resume"]));

    for file in ["models/mine/weights.safetensors", "models/mine/card.ron"] {
        assert!(fs::read(whole.path(file)).unwrap() == fs::read(killed.path(file)).unwrap(), "{file} differs");
    }
    let log = fs::read_to_string(killed.path("runs/mine/log.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begun: Vec<u64> =
        lines.iter().filter(|line| line["type"] == "begin").map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(begun, [0, 25]);
    let whole_log = fs::read_to_string(whole.path("runs/mine/log.jsonl")).unwrap();
    let last = |log: &str| log.lines().rfind(|line| line.contains("\"step\":50,\"loss\"")).unwrap().to_owned();
    assert_eq!(last(&log), last(&whole_log), "the last step's loss, to its last digit");
}

#[test]
fn checkpoints_and_models_are_listed_renamed_carried_away_and_deleted() {
    let (home, words) = (Home::new(), words());
    home.done(&train(&words, &["--size", "S"]));
    let listed: Vec<Value> =
        home.done(&["checkpoints", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((listed.len(), &listed[0]["name"], &listed[0]["step"]), (2, &"mine".into(), &50.into()));
    assert_eq!((&listed[1]["name"], &listed[1]["epoch"]), (&"mine@25".into(), &2.into()));
    assert!(home.done(&["checkpoints"]).lines().count() == 3);
    home.done(&["checkpoints", "delete", "mine"]);
    assert_eq!(home.done(&["checkpoints", "--json"]), "");

    home.done(&["models", "rename", "mine", "ours"]);
    let out = home.path("carried").display().to_string();
    home.done(&["models", "export", "ours", "--out", &out]);
    home.done(&["models", "delete", "ours"]);
    home.done(&["models", "import", &out]);
    let models = home.done(&["models"]);
    assert!(models.lines().any(|line| line.starts_with("ours ")), "{models}");
    let (status, _, err) = home.run(&["models", "import", &out]);
    assert_eq!((status, err.contains("there is a model \"ours\" already")), (5, true), "{err}");
}
