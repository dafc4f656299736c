//! How many times real time the recogniser runs on one core, features and decoding included, on real speech.
//!
//! The shipped model, and the same network untrained on sound of twice the rate. All is processor time of one thread.

#[path = "common/clock.rs"]
mod clock;
#[path = "common/sound.rs"]
mod sound;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use criterion::{Criterion, criterion_group, criterion_main};
use seseragi::dsp::mel::{FeatureConfig, LogMel};
use seseragi::dsp::resample::Resampler;
use seseragi::models::ModelStore;
use seseragi::recognise::card::{Card, Model};
use seseragi::recognise::online::Online;
use seseragi::recognise::pool::ComputePool;

use clock::{ThreadTime, criterion, spread, time_of};

const STREAM_RATE_HZ: u32 = 48_000;
const SECS: usize = 20;
/// Measurements of each kind.
const TURNS: usize = 7;

/// The usual network over ten words. Its weights are random, which costs the same as trained ones.
fn untrained(rate_hz: u32) -> Arc<Model> {
    let words = (0..10).map(|i| format!("word{i}")).collect();
    let card = Card::words("untrained", words, FeatureConfig::speech(rate_hz));
    let network = card.model.init(&Device::flex()).expect("usual sizes");
    Arc::new(Model::new(card, &network).expect("a model"))
}

/// The shipped model.
fn shipped() -> Arc<Model> {
    let assets = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    ModelStore::new(assets, "none").load("digits").expect("the shipped model")
}

/// Sound to words, in blocks of `block` samples; how many words were heard.
fn recognise(model: &Arc<Model>, sound: &[i16], block: usize) -> usize {
    let (mut online, mut events) = (Online::new(STREAM_RATE_HZ).expect("a usual rate"), Vec::new());
    online.swap(model.clone(), &mut events).expect("usual features");
    online.start(0, &mut events).expect("a start");
    for (i, samples) in sound.chunks(block).enumerate() {
        online.accept((i * block) as u64, samples, &mut events).expect("sound");
    }
    online.transcript().tokens().len()
}

fn bench(criterion: &mut Criterion<ThreadTime>) {
    let sound = sound::speech(STREAM_RATE_HZ, SECS);
    let models = [shipped(), untrained(16_000)];
    let pool = ComputePool::new("bench", 1).expect("a thread");
    println!("recogniser, {SECS} s of speech at {STREAM_RATE_HZ} Hz, {TURNS} turns, median (least to most):");
    for model in &models {
        for millis in [20, 40, 120] {
            let block = STREAM_RATE_HZ as usize * millis / 1_000;
            let (mut factors, mut words) = (Vec::new(), 0);
            for _ in 0..TURNS {
                let time = pool.install(|| time_of(|| words = recognise(model, &sound, block)));
                factors.push(SECS as f64 / time.as_secs_f64());
            }
            let (factor, least, most) = spread(factors);
            let (name, rate_hz) = (&model.card().name, model.card().features.sample_rate_hz);
            println!(
                "  {name} at {rate_hz} Hz, blocks of {millis} ms: {factor:.0} times real time ({least:.0} to {most:.0}), {words} words; the bar is 100"
            );
        }
    }

    let mut group = criterion.benchmark_group(format!("{SECS} s of sound"));
    for model in &models {
        let config = &model.card().features;
        let rate_hz = config.sample_rate_hz;
        let floats: Vec<f32> = sound.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let mut at_rate = Vec::new();
        Resampler::new(STREAM_RATE_HZ, rate_hz).expect("usual rates").process(&floats, &mut at_rate);
        let frames = LogMel::whole(config, &at_rate).expect("usual features");
        group.bench_function(format!("resampling to {rate_hz} Hz alone"), |b| {
            b.iter(|| {
                let mut out = Vec::with_capacity(at_rate.len());
                let mut resampler = Resampler::new(STREAM_RATE_HZ, rate_hz).expect("usual rates");
                floats.chunks(960).for_each(|samples| resampler.process(samples, &mut out));
                black_box(out)
            });
        });
        group.bench_function(format!("log-mel at {rate_hz} Hz alone"), |b| {
            b.iter(|| black_box(LogMel::whole(config, &at_rate)));
        });
        let step = 3 * model.card().model.stride * config.bands;
        group.bench_function(format!("network at {rate_hz} Hz alone, 120 ms steps"), |b| {
            // The time is taken on the pool's thread, which does the work.
            b.iter_custom(|times| {
                pool.install(|| {
                    time_of(|| {
                        for _ in 0..times {
                            let (mut state, mut logits) = (model.network().online_state(), Vec::new());
                            for frames in frames.chunks(step) {
                                model.network().step(&mut state, frames, &mut logits).expect("whole frames");
                            }
                            black_box(logits);
                        }
                    })
                })
            });
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = criterion(); targets = bench }
criterion_main!(benches);
