//! Log-mel features of ten minutes of sound: how fast, and how near to librosa's with the same parameters.
//!
//! `cargo bench --bench features` measures ours; with `SESERAGI_LIBROSA` naming a Python interpreter that has the package
//! librosa, `features_librosa.py` beside this file measures both and compares them, in turns of one run.

#[path = "common/sound.rs"]
mod sound;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use seseragi::dsp::mel::{FeatureConfig, LogMel};

const RATE_HZ: u32 = 16_000;
const SECS: usize = 600;
const TURNS: usize = 5;

fn main() {
    let speech = sound::speech(RATE_HZ, SECS);
    let samples: Vec<f32> = speech.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let config = FeatureConfig::speech(RATE_HZ);
    let mut secs = Vec::new();
    let mut frames = Vec::new();
    for _ in 0..TURNS {
        let begun = Instant::now();
        frames = LogMel::whole(&config, &samples).expect("the shipped parameters");
        secs.push(begun.elapsed().as_secs_f64());
    }
    secs.sort_by(f64::total_cmp);
    let median = secs[TURNS / 2];
    println!(
        "{SECS} s of sound: {median:.3} s ({:.3} to {:.3}), {:.0} times real time",
        secs[0],
        secs[TURNS - 1],
        SECS as f64 / median
    );
    let Some(python) = std::env::var_os("SESERAGI_LIBROSA") else {
        println!("SESERAGI_LIBROSA is not set: not compared with librosa");
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, values: &[f32]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(folder.path().join(name), bytes).expect("room for the features");
    };
    write("sound.f32", &samples);
    write("features.f32", &frames);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/features_librosa.py");
    let parameters = serde_json::to_string(&config).expect("plain numbers");
    let done = Command::new(python).arg(script).arg(folder.path()).arg(parameters).arg(median.to_string()).status();
    assert!(done.is_ok_and(|status| status.success()), "features_librosa.py failed");
}
