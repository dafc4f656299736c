//! `seseragi latency`: how long sound takes from its capture to the draw list, by the program's own time stamps.

use std::{
    ops::Range,
    path::PathBuf,
    time::{Duration, Instant},
};

use bevy::{app::PluginsState, prelude::*};
use clap::Args;
use serde::Serialize;

use super::{
    args::secs,
    output::{Stop, json_line, line, note},
};
use crate::{
    Error,
    app::{gpuless_app, start_engine},
    config::{Config, LaneConfig},
    draw::plot::{PlotFrame, RingKind, Upload},
    engine::Engine,
    models::ModelStore,
    source::SourceSpec,
    stream::{Spectrogram, Stream, Waveform},
    train::trainer::TrainSpec,
};

/// What is not counted: at the start the whole picture becomes visible at once.
const WARM_UP: Duration = Duration::from_secs(2);
/// What the way from the capture to the draw list may take, 99 times in 100, plus one drawn frame.
const LIMIT_MILLIS: f64 = 25.0;
/// Seconds across the screen: short enough for every column to be drawn by itself.
const SPAN_SECS: f32 = 8.0;

/// What `latency` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct LatencyArgs {
    /// What to listen to, as in `run`
    #[arg(long, value_name = "SOURCE", default_value = "demo")]
    source: SourceSpec,
    /// How long to measure, seconds
    #[arg(long, value_name = "SECS", value_parser = secs, default_value = "10")]
    secs: Duration,
    /// Train on this dataset meanwhile; the run is called `latency`
    #[arg(long, value_name = "DATASET")]
    train: Option<String>,
    /// Read the settings from this file
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Write the result as a line of JSON
    #[arg(long)]
    json: bool,
}

/// The result.
#[derive(Debug, Serialize)]
struct Latency {
    source: String,
    secs: f64,
    is_training: bool,
    /// Columns that came into the draw list.
    columns: usize,
    /// From the capture of a column's last sample to the end of the frame that first lists the column.
    p50_millis: f64,
    p95_millis: f64,
    p99_millis: f64,
    /// From one drawn frame to the next.
    frame_p50_millis: f64,
    frame_p99_millis: f64,
    limit_millis: f64,
    is_within_limit: bool,
    /// What the sound server says of its own delay before the capture; none where it says nothing.
    source_latency_millis: Option<f64>,
}

/// What was measured so far, seconds.
#[derive(Resource, Default)]
struct Measured {
    columns: Vec<f64>,
    frames: Vec<f64>,
}

/// When counting begins and ends.
#[derive(Resource)]
struct Span(Range<Instant>);

/// Measures and tells.
pub(super) fn run(args: &LatencyArgs) -> Result<(), Stop> {
    let mut config = Config::load(args.config.as_deref())?;
    let like = config.lanes.first().ok_or_else(|| Error::internal("the settings have no lane"))?;
    config.lanes = vec![LaneConfig { source: args.source.clone(), is_open: true, ..like.clone() }];
    config.window.span_secs = SPAN_SECS;
    let (engine, tasks) = start_engine(config.clone(), ModelStore::standard()?)?;
    if let Some(dataset) = &args.train {
        engine.start_training(TrainSpec { epochs: 10_000, ..TrainSpec::new("latency", dataset.clone()) })?;
    }
    let mut app = gpuless_app(&config, engine.clone(), tasks);
    let start = Instant::now() + WARM_UP;
    app.init_resource::<Measured>().insert_resource(Span(start..start + args.secs)).add_systems(Last, measure);
    note(&format!("drawing {} frames a second without a GPU for {} s", config.window.fps, args.secs.as_secs_f64()));
    // Turned by hand: `App::run` would not give back what was measured.
    while app.plugins_state() == PluginsState::Adding {
        std::thread::yield_now();
    }
    app.finish();
    app.cleanup();
    let frame = Duration::from_secs_f64(1.0 / f64::from(config.window.fps.max(1)));
    let mut due = Instant::now();
    while app.should_exit().is_none() {
        app.update();
        due = (due + frame).max(Instant::now());
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    let measured = app.world_mut().remove_resource::<Measured>().unwrap_or_default();
    let result = summary(args, &engine, measured)?;
    if args.json { json_line(&result) } else { tell(&result) }
}

/// At the end of each drawn frame.
fn measure(
    frame: Res<PlotFrame>,
    streams: Query<(&Stream, &Spectrogram, &Waveform)>,
    span: Res<Span>,
    mut measured: ResMut<Measured>,
    mut exit: MessageWriter<AppExit>,
    mut last: Local<Option<Instant>>,
    mut listed: Local<u64>,
) {
    let now = Instant::now();
    let is_counted = span.0.contains(&now);
    if let Some(last) = last.replace(now).filter(|_| is_counted) {
        measured.frames.push((now - last).as_secs_f64());
    }
    for upload in frame.uploads.iter().filter(|upload| matches!(upload.kind, RingKind::Columns { .. })) {
        let Ok((stream, spectrogram, waveform)) = streams.get(upload.lane) else { continue };
        let Some(captured) = spectrogram.newest_captured() else { continue };
        let newest = now.saturating_duration_since(captured).as_secs_f64();
        let columns = columns_of(upload, spectrogram.history().range(0).end);
        // A column that is looked at again was listed before.
        for column in columns.start.max(*listed)..columns.end {
            let end = column * spectrogram.hop() as u64 + spectrogram.fft_size() as u64;
            let after_it = waveform.history().range(0).end.saturating_sub(end);
            if is_counted {
                measured.columns.push(newest + after_it as f64 / f64::from(stream.sample_rate_hz));
            }
        }
        *listed = columns.end.max(*listed);
    }
    if now >= span.0.end {
        exit.write(AppExit::Success);
    }
}

/// Which columns an upload brings, `end` being one past the newest there is: column `i` goes to slot `i % capacity`.
fn columns_of(upload: &Upload, end: u64) -> Range<u64> {
    let count = upload.bytes.len() as u64 / u64::from(upload.kind.entry_bytes()).max(1);
    let (capacity, slot) = (u64::from(upload.capacity).max(1), u64::from(upload.slot) + count);
    // One past the newest column that ends in this slot.
    let after = end.saturating_sub((end + capacity - slot % capacity) % capacity);
    after.saturating_sub(count)..after
}

fn summary(args: &LatencyArgs, engine: &Engine, mut measured: Measured) -> Result<Latency, Stop> {
    let status = engine.status(Instant::now());
    let source = args.source.to_string();
    if measured.columns.is_empty() {
        let why = status.streams.first().and_then(|stream| stream.history.last()?.reason.clone());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        return Err(Error::unavailable(format!("no sound came from {source}{why}")).into());
    }
    let [p50_millis, p95_millis, p99_millis] = [0.5, 0.95, 0.99].map(|share| percentile(&mut measured.columns, share));
    let [frame_p50_millis, frame_p99_millis] = [0.5, 0.99].map(|share| percentile(&mut measured.frames, share));
    let limit_millis = LIMIT_MILLIS + frame_p50_millis;
    Ok(Latency {
        source,
        secs: args.secs.as_secs_f64(),
        is_training: status.is_training,
        columns: measured.columns.len(),
        p50_millis,
        p95_millis,
        p99_millis,
        frame_p50_millis,
        frame_p99_millis,
        limit_millis,
        is_within_limit: p99_millis <= limit_millis,
        source_latency_millis: status.streams.first().and_then(|stream| stream.source_latency_millis),
    })
}

/// The value that a `share` of all do not exceed, in milliseconds.
fn percentile(secs: &mut [f64], share: f64) -> f64 {
    secs.sort_unstable_by(f64::total_cmp);
    let at = (secs.len() as f64 * share).ceil() as usize;
    secs.get(at.saturating_sub(1)).copied().unwrap_or(0.0) * 1e3
}

fn tell(latency: &Latency) -> Result<(), Stop> {
    let Latency { source, columns, p50_millis, p95_millis, p99_millis, .. } = latency;
    line(&format!("{source}: {columns} columns, from the capture of a column's last sample to the draw list:"))?;
    line(&format!("  p50 {p50_millis:.1} ms   p95 {p95_millis:.1} ms   p99 {p99_millis:.1} ms"))?;
    let Latency { limit_millis, frame_p50_millis, frame_p99_millis, .. } = latency;
    let verdict = if latency.is_within_limit { "within" } else { "over" };
    line(&format!("  {verdict} the limit of {limit_millis:.1} ms: {LIMIT_MILLIS} ms and one drawn frame"))?;
    line(&format!("drawn frames: every {frame_p50_millis:.1} ms, p99 {frame_p99_millis:.1} ms"))?;
    match latency.source_latency_millis {
        Some(millis) => line(&format!("before the capture, as the sound server says: {millis:.1} ms more")),
        None => line("before the capture: this source has no delay of its own"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_again_in_their_slots() {
        let kind = RingKind::Columns { bins: 3 };
        for capacity in [8u64, 16] {
            for start in 0..40u64 {
                let len = 2.min(capacity - start % capacity);
                let upload = Upload {
                    lane: Entity::PLACEHOLDER,
                    kind,
                    capacity: capacity as u32,
                    slot: (start % capacity) as u32,
                    bytes: vec![0; (len * 6) as usize].into(),
                };
                for newer in 0..4 {
                    assert_eq!(columns_of(&upload, start + len + newer), start..start + len, "{capacity} {newer}");
                }
            }
        }
    }

    #[test]
    fn percentiles_are_the_usual_ones() {
        let mut secs: Vec<f64> = (1..=100).rev().map(|i| f64::from(i) * 1e-3).collect();
        assert_eq!([0.5, 0.99, 1.0].map(|share| percentile(&mut secs, share).round()), [50.0, 99.0, 100.0]);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }
}
