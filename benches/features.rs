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
const TURNS: usize = 15;

fn main() {
    let speech = sound::speech(RATE_HZ, SECS);
    let samples: Vec<f32> = speech.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    // librosa adds no dither.
    let config = FeatureConfig { dither: 0.0, ..FeatureConfig::speech(RATE_HZ) };
    let mut frames = Vec::new();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let medians = [1, cores].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut secs: Vec<f64> = (0..TURNS)
            .map(|_| {
                let begun = Instant::now();
                frames = pool.install(|| LogMel::whole(&config, &samples)).expect("the shipped parameters");
                begun.elapsed().as_secs_f64()
            })
            .collect();
        secs.sort_by(f64::total_cmp);
        let (least, median, most) = (secs[0], secs[TURNS / 2], secs[TURNS - 1]);
        let times = SECS as f64 / median;
        println!("{SECS} s of sound, {threads} thread(s): {median:.3} s ({least:.3} to {most:.3}), {times:.0} times real time");
        median
    });
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
    let done = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .arg(parameters)
        .args(medians.map(|secs| secs.to_string()))
        .status();
    assert!(done.is_ok_and(|status| status.success()), "features_librosa.py failed");
}
