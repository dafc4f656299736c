//! What one training step costs: our fused operations against the same network in burn's own layers, in turns of one run.
//!
//! A step is forward, CTC, backward and AdamW on 16 scenes of 6 s. `benches/pytorch_step.py` measures the same network,
//! batch and threads in PyTorch; run both after each other on a machine that has nothing else to do.
//! What composing such a batch costs, which happens between the steps, is told beside it.
//! `cargo bench --bench train_step -- fused` runs the fused operations alone, and so tells their peak memory.

#[path = "common/clock.rs"]
#[expect(dead_code, reason = "criterion's part is for other benches")]
mod clock;
#[path = "common/plain_network.rs"]
mod plain_network;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, Tensor};
use rustix::time::{ClockId, clock_gettime};
use seseragi::dsp::mel::FeatureConfig;
use seseragi::recognise::model::ModelConfig;
use seseragi::train::batch::{Batch, Batcher};
use seseragi::train::dataset::{Listing, Loader};
use seseragi::train::loss::{batch_loss, item_loss};
use seseragi::train::rng::Rng;
use seseragi::train::step::Learner;

use clock::spread;
use plain_network::{Form, PlainNetwork};

/// Steps of each kind that are measured.
const TURNS: usize = 15;
const ITEMS: usize = 16;
const FRAMES: usize = 598;
const WORDS: usize = 10;

fn batch(bands: usize) -> Batch {
    let mut rng = Rng::new(1);
    let features = (0..ITEMS * FRAMES * bands).map(|_| rng.normal()).collect();
    let transcripts = (0..ITEMS).map(|_| (0..6).map(|_| 1 + rng.below(WORDS)).collect()).collect();
    Batch { features, shape: [ITEMS, FRAMES, bands], transcripts, windows: Vec::new() }
}

/// Processor time of all threads so far.
fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A kind of step with its times in milliseconds: processor and wall.
struct Contender<'a> {
    name: &'static str,
    step: Box<dyn FnMut() + Send + 'a>,
    processor_millis: Vec<f64>,
    wall_millis: Vec<f64>,
}

impl<'a> Contender<'a> {
    fn new(name: &'static str, step: impl FnMut() + Send + 'a) -> Self {
        Self { name, step: Box::new(step), processor_millis: Vec::new(), wall_millis: Vec::new() }
    }
}

/// What it costs to compose batches of scenes, beside `step` milliseconds of a step.
fn composing(pool: &rayon::ThreadPool, threads: usize, step: f64) {
    let clips = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/datasets/demo");
    let listing = Listing::scan(&[clips]).expect("the words that ship");
    let dataset = Loader::new(listing, 8_000).finish().expect("readable clips");
    let batcher = Batcher::new(Arc::new(dataset), FeatureConfig::speech(8_000), ITEMS, 1);
    let one = |turn: usize| {
        let processor = process_time();
        pool.install(|| batcher.batch(turn as u64)).expect("a batch");
        (process_time() - processor).as_secs_f64() * 1e3
    };
    one(0);
    let (processor, least, most) = spread((1..=TURNS).map(one).collect());
    println!(
        "  {threads} thread(s), composing a batch and its features: processor {processor:.1} ({least:.1} to {most:.1}); {:.2} \
         times the fused step",
        processor / step
    );
}

/// A step of the plain network with burn's optimiser and our loss.
fn plain_step<'a>(form: Form, config: &ModelConfig, batch: &'a Batch, device: &'a Device) -> impl FnMut() + Send + 'a {
    let mut network = Some(PlainNetwork::new(form, config, device));
    let mut optimiser = AdamWConfig::new().init();
    move || {
        let now = network.take().expect("put back by the step before");
        let loss = batch_loss(now.forward(batch.tensor(device)), &batch.transcripts, &[]);
        let gradients = GradientsParams::from_grads(loss.carrier.backward(), &now);
        network = Some(optimiser.step(1e-3, now, gradients));
    }
}

fn main() {
    let is_alone = std::env::args().any(|argument| argument == "fused");
    let config = ModelConfig::words(&FeatureConfig::speech(8_000), WORDS);
    let batch = batch(config.bands);
    let device = Device::flex().autodiff();
    println!("a step on {ITEMS} x {FRAMES} feature frames, {TURNS} turns, median (least to most) in ms:");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let mut learner = Learner::new(config.init(&device).expect("usual sizes"));
        let mut contenders = vec![Contender::new("fused", || _ = learner.step(&batch, 1e-3))];
        if !is_alone {
            let shifts = plain_step(Form::Shifts, &config, &batch, &device);
            contenders.push(Contender::new("burn, one linear a shift", shifts));
            contenders.push(Contender::new("burn, conv1d", plain_step(Form::Conv1d, &config, &batch, &device)));
        }
        // The first turn warms up.
        for turn in 0..=TURNS {
            for contender in &mut contenders {
                let (processor, wall) = (process_time(), Instant::now());
                pool.install(|| (contender.step)());
                if turn > 0 {
                    contender.processor_millis.push((process_time() - processor).as_secs_f64() * 1e3);
                    contender.wall_millis.push(wall.elapsed().as_secs_f64() * 1e3);
                }
            }
        }
        let mut fused = None;
        for contender in contenders {
            let (processor, least, most) = spread(contender.processor_millis);
            let (wall, wall_least, wall_most) = spread(contender.wall_millis);
            let fused = *fused.get_or_insert((processor, wall));
            println!(
                "  {} thread(s), {}: processor {processor:.1} ({least:.1} to {most:.1}), wall {wall:.1} ({wall_least:.1} to \
                 {wall_most:.1}); {:.2} and {:.2} times the fused step",
                threads,
                contender.name,
                processor / fused.0,
                wall / fused.1
            );
        }
        if let Some((fused, _)) = fused {
            composing(&pool, threads, fused);
        }
    }
    ctc(&config, &batch, &device);
    let memory = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = memory.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: not known here");
    let forms = if is_alone { "the fused form alone" } else { "all forms together" };
    println!("  peak memory of this process, {forms}: {}", peak.trim_start_matches("VmHWM:").trim());
}

/// The loss alone.
fn ctc(config: &ModelConfig, batch: &Batch, device: &Device) {
    let network = config.init(device).expect("usual sizes").valid();
    let logits: Tensor<3> = network.forward(batch.tensor(&Device::flex()));
    let [_, frames, classes] = logits.dims();
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let mut gradient = vec![0.0; frames * classes];
    let mut times = Vec::new();
    for _ in 0..TURNS {
        let time = clock::time_of(|| {
            for (rows, transcript) in logits.chunks_exact(frames * classes).zip(&batch.transcripts) {
                item_loss(rows, classes, transcript, &mut gradient).expect("a transcript that fits");
            }
        });
        times.push(time.as_secs_f64() * 1e3);
    }
    let (time, least, most) = spread(times);
    println!("  CTC of the batch, value and gradient, one thread: {time:.2} ({least:.2} to {most:.2})");
}
