//! A small dataset of tones for tests: three labels that any network can tell apart.

use std::path::Path;

use crate::models::ModelStore;
use crate::train::run::Places;

/// Writes a mono file of 16 bits.
pub(crate) fn write_wav(path: &Path, sample_rate: u32, samples: &[f32]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let spec =
        hound::WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * 32_767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// A tone that says label `number`, 0.3 s at 8 kHz; `version`s differ a little.
pub(crate) fn tone(number: usize, version: f32) -> Vec<f32> {
    let step = 0.15 + 0.5 * number as f32 + 0.003 * version;
    let fade = |at: usize| (at as f32 / 2_400.0 * std::f32::consts::PI).sin();
    (0..2_400).map(|at| 0.366 * fade(at) * (step * at as f32).sin()).collect()
}

/// Writes `clips` files (named so that they fall into all splits) for each of `labels` below `root`.
pub(crate) fn write_tones(root: &Path, labels: &[&str], clips: usize) {
    for (number, label) in labels.iter().enumerate() {
        for clip in 0..clips {
            write_wav(&root.join(label).join(format!("tone_{clip:02}.wav")), 8_000, &tone(number, clip as f32));
        }
    }
}

/// Places inside `folder`, with the known dataset `tones`.
pub(crate) fn places(folder: &Path) -> Places {
    Places {
        models: ModelStore::new(folder.join("shipped"), folder.join("models")),
        datasets: vec![folder.join("datasets")],
        runs: folder.join("runs"),
    }
}
