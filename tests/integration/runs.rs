//! Runs of the built program: killed and gone on with, and what is left of them to list, rename and carry away.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use crate::cli::Program;

/// What it wrote after a good end.
fn done(program: &Program, args: &[&str]) -> String {
    let ended = program.run(args);
    assert_eq!(ended.status, 0, "{args:?}: {}", ended.err);
    ended.out
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
    let (whole, killed, words) = (Program::new(), Program::new(), words());
    done(&whole, &train(&words, &[]));

    let mut program = killed.command(&train(&words, &[])).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let step_of = |line: &str| serde_json::from_str::<Value>(line).unwrap()["step"].as_u64().unwrap();
    // In the second epoch, so that there is a checkpoint, and steps after it that are lost.
    let reached = lines.map(Result::unwrap).find(|line| step_of(line) >= 31).expect("a second epoch");
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(step_of(&reached) < 50, "it was killed in the middle");
    done(&killed, &train(&words, &["--resume"]));

    for file in ["models/mine/weights.safetensors", "models/mine/card.ron"] {
        assert!(
            fs::read(whole.path(&format!("home/{file}"))).unwrap()
                == fs::read(killed.path(&format!("home/{file}"))).unwrap(),
            "{file} differs"
        );
    }
    let log = fs::read_to_string(killed.path("home/runs/mine/log.jsonl")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let begun: Vec<u64> =
        lines.iter().filter(|line| line["type"] == "begin").map(|line| line["step"].as_u64().unwrap()).collect();
    assert_eq!(begun, [0, 25]);
    let whole_log = fs::read_to_string(whole.path("home/runs/mine/log.jsonl")).unwrap();
    let last = |log: &str| log.lines().rfind(|line| line.contains("\"step\":50,\"loss\"")).unwrap().to_owned();
    assert_eq!(last(&log), last(&whole_log), "the last step's loss, to its last digit");
}

#[test]
fn checkpoints_and_models_are_listed_renamed_carried_away_and_deleted() {
    let (home, words) = (Program::new(), words());
    done(&home, &train(&words, &["--size", "S"]));
    let listed: Vec<Value> =
        done(&home, &["checkpoints", "--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((listed.len(), &listed[0]["name"], &listed[0]["step"]), (2, &"mine".into(), &50.into()));
    assert_eq!((&listed[1]["name"], &listed[1]["epoch"]), (&"mine@25".into(), &2.into()));
    assert!(done(&home, &["checkpoints"]).lines().count() == 3);
    done(&home, &["checkpoints", "delete", "mine"]);
    assert_eq!(done(&home, &["checkpoints", "--json"]), "");

    done(&home, &["models", "rename", "mine", "ours"]);
    let out = home.path("carried").display().to_string();
    done(&home, &["models", "export", "ours", "--out", &out]);
    done(&home, &["models", "delete", "ours"]);
    done(&home, &["models", "import", &out]);
    let models = done(&home, &["models"]);
    assert!(models.lines().any(|line| line.starts_with("ours ")), "{models}");
    home.run(&["models", "import", &out]).failed(5, &["there is a model \"ours\" already"]);
}
