//! How many times real time a pump runs on one core, and how that compares to the bare transforms inside it.
//!
//! A real [`Pump`](seseragi::stream::Pump) in turns of 5 ms: source, conversion, columns, level, links, report. The bare
//! transforms are as many calls of realfft as it makes, on the same windows of the same sound. All is processor time of
//! one thread.

#[path = "common/clock.rs"]
mod clock;
#[path = "common/rig.rs"]
mod rig;
#[path = "common/sound.rs"]
mod sound;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use realfft::RealFftPlanner;
use seseragi::{
    config::Config,
    link::{Kind, LinkReceiver, LinkRegistry},
    recognise::lanes::LaneMessage,
    stream::StreamCommand,
};

use clock::{ThreadTime, criterion, spread, thread_time, time_of};
use rig::{Rig, TICK};

/// Sound in one measurement.
const SECS: usize = 10;
/// Measurements of pump and transforms in turn.
const TURNS: usize = 15;

struct Pumping {
    rig: Rig,
    sound: LinkReceiver<LaneMessage>,
}

impl Pumping {
    fn new(config: &Config, speech: &[i16], rate_hz: u32) -> Self {
        let (sender, sound) = LinkRegistry::default().bounded("sound", Kind::All, 8_000);
        let mut rig =
            Rig::new(config, &"bench".parse().expect("a key"), speech, rate_hz, sender, &[StreamCommand::Open]);
        // The first turn opens the source.
        rig.tick();
        Self { rig, sound }
    }

    /// Pumps all of the sound; those who are given it let go of it three or four turns later, as at 60 drawn frames a second.
    fn pump(&mut self) {
        for turn in 0..SECS * 1_000 / TICK.as_millis() as usize {
            self.rig.tick();
            if turn % 3 == 0 {
                while black_box(self.rig.batches.as_ref().and_then(LinkReceiver::try_recv)).is_some() {}
                while black_box(self.sound.try_recv()).is_some() {}
            }
        }
    }
}

/// The processor time of `calls` calls of a transform of `size` real values; the copies of their input are not counted.
fn forward(speech: &[f32], size: usize, calls: usize) -> Duration {
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(size);
    let (mut output, mut scratch) = (fft.make_output_vec(), fft.make_scratch_vec());
    let mut inputs = vec![fft.make_input_vec(); 32];
    let (mut time, mut done) = (Duration::ZERO, 0);
    while done < calls {
        let now = inputs.len().min(calls - done);
        for (i, input) in inputs[..now].iter_mut().enumerate() {
            let at = (done + i) * 512 % (speech.len() - size);
            input.copy_from_slice(&speech[at..at + size]);
        }
        time += time_of(|| {
            for input in &mut inputs[..now] {
                fft.process_with_scratch(input, &mut output, &mut scratch).expect("vectors of its own");
                black_box(&output);
            }
        });
        done += now;
    }
    time
}

/// The same for the inverse transform of what a forward one gave.
fn inverse(speech: &[f32], size: usize, calls: usize) -> Duration {
    let mut planner = RealFftPlanner::<f32>::new();
    let (fft, there) = (planner.plan_fft_inverse(size), planner.plan_fft_forward(size));
    let mut spectrum = there.make_output_vec();
    there.process(&mut speech[..size].to_vec(), &mut spectrum).expect("vectors of its own");
    let (mut output, mut scratch) = (fft.make_output_vec(), fft.make_scratch_vec());
    let mut inputs = vec![spectrum.clone(); 32];
    let (mut time, mut done) = (Duration::ZERO, 0);
    while done < calls {
        let now = inputs.len().min(calls - done);
        inputs[..now].iter_mut().for_each(|input| input.copy_from_slice(&spectrum));
        time += time_of(|| {
            for input in &mut inputs[..now] {
                fft.process_with_scratch(input, &mut output, &mut scratch).expect("a real sound's spectrum");
                black_box(&output);
            }
        });
        done += now;
    }
    time
}

fn pump(criterion: &mut Criterion<ThreadTime>) {
    let config = Config::default();
    let (fft_size, stream_hz) = (config.stream.fft_size, config.stream.sample_rate_hz);
    for rate_hz in [stream_hz, 44_100] {
        let speech = sound::speech(rate_hz, SECS);
        let floats: Vec<f32> = speech.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let (mut factors, mut ratios, mut columns) = (Vec::new(), Vec::new(), 0);
        // The resampler transforms blocks of 294 samples, padded to twice that, into blocks of 320.
        let blocks = if rate_hz == stream_hz { 0 } else { speech.len() / 294 };
        for _ in 0..TURNS {
            let mut pumping = Pumping::new(&config, &speech, rate_hz);
            let pumped = time_of(|| pumping.pump());
            columns = pumping.rig.report.load().stats.columns as usize;
            let mut bare = forward(&floats, fft_size, columns);
            if blocks > 0 {
                bare += forward(&floats, 588, blocks) + inverse(&floats, 640, blocks);
            }
            factors.push(SECS as f64 / pumped.as_secs_f64());
            ratios.push(pumped.as_secs_f64() / bare.as_secs_f64());
        }
        let calls = columns + 2 * blocks;
        let ((factor, slowest, fastest), (ratio, least, most)) = (spread(factors), spread(ratios));
        println!("pump, {rate_hz} Hz mono, {SECS} s of speech, {TURNS} turns, median (least to most):");
        println!("  {factor:.0} times real time ({slowest:.0} to {fastest:.0}); the bar is 300");
        println!("  {ratio:.2} times the {calls} bare realfft calls in it ({least:.2} to {most:.2}); the bar is 3");
    }

    let speech = sound::speech(stream_hz, SECS);
    let mut group = criterion.benchmark_group("pump");
    group.bench_function(format!("{SECS} s at {stream_hz} Hz"), |bencher| {
        bencher.iter_custom(|times| {
            let mut time = Duration::ZERO;
            for _ in 0..times {
                let mut pumping = Pumping::new(&config, &speech, stream_hz);
                let start = thread_time();
                pumping.pump();
                time += thread_time() - start;
            }
            time
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = criterion(); targets = pump }
criterion_main!(benches);
