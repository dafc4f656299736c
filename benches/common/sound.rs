//! Real speech: the spoken digits that `SESERAGI_DATA` names, one after the other with pauses, else the shipped demo.

use std::path::{Path, PathBuf};

use seseragi::{dsp::resample::Resampler, source::decode::read_audio};

/// `secs` seconds of speech at `rate_hz`, on the 16-bit grid; shorter material is repeated.
pub fn speech(rate_hz: u32, secs: usize) -> Vec<i16> {
    let (mut from_hz, mut speech) = (8_000, Vec::new());
    for clip in spoken_digits() {
        let clip = read_audio(&clip).expect("a sound file");
        assert_eq!(clip.sample_rate_hz, from_hz, "the spoken digits have one rate");
        speech.extend(clip.samples);
        speech.resize(speech.len() + from_hz as usize * 3 / 10, 0.0);
    }
    if speech.is_empty() {
        println!("SESERAGI_DATA names no folder with spoken-digits: the shipped demo is used");
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo/demo.flac");
        let demo = read_audio(demo).expect("the shipped demo");
        (from_hz, speech) = (demo.sample_rate_hz, demo.samples);
    }
    let speech: Vec<f32> = speech.into_iter().cycle().take(secs * from_hz as usize).collect();
    let mut resampler = Resampler::new(from_hz, rate_hz).expect("usual rates");
    let mut resampled = Vec::new();
    resampler.process(&speech, &mut resampled);
    resampler.finish(&mut resampled);
    resampled.into_iter().map(|sample| (sample * 32_768.0).round() as i16).collect()
}

/// Every tenth recording of each digit, the digits taking turns.
fn spoken_digits() -> Vec<PathBuf> {
    let Some(data) = std::env::var_os("SESERAGI_DATA") else { return Vec::new() };
    let words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let mut clips: Vec<(usize, PathBuf)> = Vec::new();
    for word in words {
        let folder = Path::new(&data).join("spoken-digits").join(word);
        let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect();
        files.sort();
        clips.extend(files.into_iter().step_by(10).enumerate());
    }
    clips.sort_by_key(|(turn, _)| *turn);
    clips.into_iter().map(|(_, clip)| clip).collect()
}
