//! How many times real time the recogniser runs on one core, features and decoding included, on real speech.
//!
//! `SESERAGI_DATA` names the folder with `spoken-digits/`; without it the bench says so and takes made-up sound, whose
//! cost is the same. Each figure is the time for the whole sound, whose length is printed.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use seseragi::dsp::mel::{FeatureConfig, LogMel};
use seseragi::dsp::resample::Resampler;
use seseragi::recognise::card::{Card, Model};
use seseragi::recognise::online::Online;
use seseragi::recognise::pool::ComputePool;

const STREAM_RATE_HZ: u32 = 48_000;
const SECS: usize = 20;

/// Spoken digits one after another with pauses, at the stream's rate.
fn sound() -> Vec<i16> {
    let mut speech = Vec::new();
    let mut clips: Vec<PathBuf> = Vec::new();
    if let Some(data) = std::env::var_os("SESERAGI_DATA") {
        for word in ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"] {
            let folder = Path::new(&data).join("spoken-digits").join(word);
            let mut files: Vec<_> =
                std::fs::read_dir(folder).into_iter().flatten().flatten().map(|f| f.path()).collect();
            files.sort();
            clips.extend(files.into_iter().step_by(60));
        }
    }
    for clip in clips {
        let reader = hound::WavReader::open(&clip).expect("a WAV file");
        assert_eq!(reader.spec().sample_rate, 8_000, "{}", clip.display());
        speech.extend(reader.into_samples::<i16>().map(|sample| f32::from(sample.expect("a sample")) / 32_768.0));
        speech.resize(speech.len() + 2_400, 0.0);
    }
    if speech.is_empty() {
        println!("SESERAGI_DATA names no folder with spoken-digits: made-up sound is used");
        speech = (0..SECS * 8_000).map(|i| (i as f32 * 0.3).sin() * (i as f32 * 0.000_7).sin()).collect();
    }
    let speech: Vec<f32> = speech.into_iter().cycle().take(SECS * 8_000).collect();
    let mut resampler = Resampler::new(8_000, STREAM_RATE_HZ).expect("usual rates");
    let mut stream = Vec::new();
    resampler.process(&speech, &mut stream);
    resampler.finish(&mut stream);
    stream.into_iter().map(|sample| (sample * 32_768.0).round() as i16).collect()
}

/// The usual network over ten words. Its weights are random, which costs the same as trained ones.
fn model(rate_hz: u32) -> Arc<Model> {
    let words = (0..10).map(|i| format!("word{i}")).collect();
    let card = Card::words("bench", words, FeatureConfig::speech(rate_hz));
    let network = card.model.init(&Device::flex()).expect("usual sizes");
    Arc::new(Model::new(card, &network).expect("a model"))
}

fn recognise(criterion: &mut Criterion) {
    let sound = sound();
    let block = STREAM_RATE_HZ as usize * 120 / 1_000;
    println!("{SECS} s of sound; real time over the time below is the factor");
    let mut group = criterion.benchmark_group("recognise");
    group.throughput(Throughput::Elements(sound.len() as u64)).sample_size(10);
    for rate_hz in [8_000, 16_000] {
        let model = model(rate_hz);
        let floats: Vec<f32> = sound.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let mut at_rate = Vec::new();
        Resampler::new(STREAM_RATE_HZ, rate_hz).expect("usual rates").process(&floats, &mut at_rate);
        let frames = LogMel::whole(&model.card().features, &at_rate).expect("usual features");
        group.bench_function(format!("resampling to {rate_hz} Hz alone"), |b| {
            b.iter(|| {
                let mut out = Vec::with_capacity(at_rate.len());
                let mut resampler = Resampler::new(STREAM_RATE_HZ, rate_hz).expect("usual rates");
                floats.chunks(block).for_each(|samples| resampler.process(samples, &mut out));
                black_box(out)
            });
        });
        group.bench_function(format!("log-mel at {rate_hz} Hz alone"), |b| {
            b.iter(|| black_box(LogMel::whole(&model.card().features, &at_rate)));
        });
        let pool = ComputePool::new("bench", 1).expect("a thread");
        group.bench_function(format!("network at {rate_hz} Hz alone, 120 ms steps"), |b| {
            b.iter(|| {
                pool.install(|| {
                    let (mut state, mut logits) = (model.network().online_state(), Vec::new());
                    for frames in frames.chunks(12 * 40) {
                        model.network().step(&mut state, frames, &mut logits).expect("whole frames");
                    }
                    black_box(logits)
                })
            });
        });
        group.bench_function(format!("sound to tokens at {rate_hz} Hz, 120 ms blocks"), |b| {
            b.iter(|| {
                pool.install(|| {
                    let (mut online, mut events) = (Online::new(STREAM_RATE_HZ).expect("a usual rate"), Vec::new());
                    online.swap(model.clone(), &mut events).expect("usual features");
                    online.start(0, &mut events).expect("a start");
                    for (i, samples) in sound.chunks(block).enumerate() {
                        online.accept((i * block) as u64, samples, &mut events).expect("sound");
                    }
                    black_box(online.transcript().tokens())
                })
            });
        });
    }
    group.finish();
}

criterion_group!(benches, recognise);
criterion_main!(benches);
