//! A small dataset of tones for tests: three labels that any network can tell apart.

use std::path::Path;

use crate::models::ModelStore;
use crate::train::run::Places;

/// Writes `clips` files (named so that they fall into all splits) for each of `labels` below `root`.
pub(crate) fn write_tones(root: &Path, labels: &[&str], clips: usize) {
    for (number, label) in labels.iter().enumerate() {
        let folder = root.join(label);
        std::fs::create_dir_all(&folder).unwrap();
        for clip in 0..clips {
            let spec = hound::WavSpec {
                channels: 1,
                sample_rate: 8_000,
                bits_per_sample: 16,
                sample_format: hound::SampleFormat::Int,
            };
            let mut writer = hound::WavWriter::create(folder.join(format!("tone_{clip:02}.wav")), spec).unwrap();
            let step = 0.15 + 0.5 * number as f32 + 0.003 * clip as f32;
            for at in 0..2_400 {
                let fade = (at as f32 / 2_400.0 * std::f32::consts::PI).sin();
                writer.write_sample((12_000.0 * fade * (step * at as f32).sin()) as i16).unwrap();
            }
            writer.finalize().unwrap();
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
