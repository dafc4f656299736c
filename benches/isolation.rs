//! Whether training at full load is felt: how late the pump runs, and how long the main thread takes for a drawn frame, with
//! training over without, in turns of one run.
//!
//! The app of the window without a GPU at 60 drawn frames a second, the demo recognised, the trainer's one thread learning the
//! demo dataset. One training run is held and let go again, so that only its load differs. Wall time, since being
//! kept from the processor is the point; what else runs on the machine counts, and is in both halves.

use std::{
    env,
    process::{Command, ExitCode},
    thread,
    time::{Duration, Instant},
};

use bevy::app::App;
use rustix::time::{ClockId, clock_gettime};
use seseragi::{
    app::{gpuless_app, start_engine},
    config::Config,
    engine::Engine,
    models::ModelStore,
    task::TaskRecord,
    train::trainer::{TrainSpec, TrainingIntent},
};

/// Turns without and with training.
const TURNS: usize = 5;
/// How long a turn is measured.
const TURN: Duration = Duration::from_secs(5);
/// How long the load is given to settle before.
const SETTLING: Duration = Duration::from_millis(500);
const FRAME: Duration = Duration::from_nanos(16_666_667);

/// 99th percentiles of one turn, milliseconds, and the load.
#[derive(Clone, Copy, Debug)]
struct Turn {
    pump_median: f64,
    pump: f64,
    recogniser: f64,
    /// From the start of a frame's work to its end.
    work_median: f64,
    work: f64,
    /// From one frame's end to the next one's.
    period: f64,
    cores: f64,
    steps: u64,
}

fn main() -> ExitCode {
    // What is trained goes to a folder of its own, not to the user's.
    if env::var_os("SESERAGI_BENCH_HOME").is_none() {
        let home = tempfile::tempdir().expect("a folder");
        let program = env::current_exe().expect("this program");
        let done = Command::new(program)
            .args(env::args_os().skip(1))
            .env("SESERAGI_BENCH_HOME", home.path())
            .env("SESERAGI_HOME", home.path())
            .status();
        return ExitCode::from(done.expect("this program again").code().unwrap_or(1) as u8);
    }
    measure();
    ExitCode::SUCCESS
}

fn measure() {
    let config = Config::default();
    let (engine, tasks) =
        start_engine(config.clone(), ModelStore::standard().expect("the folders")).expect("an engine");
    let mut app = gpuless_app(&config, engine.clone(), tasks);
    app.finish();
    app.cleanup();
    frames(&mut app, Duration::from_secs(2));
    let spec = TrainSpec { epochs: 10_000, batch_size: config.train.batch_size, ..TrainSpec::new("bench", "demo") };
    engine.start_training(spec).expect("the demo dataset");
    let begun = Instant::now();
    while engine.trainer().progress().step < 3 {
        frames(&mut app, Duration::from_millis(100));
        assert!(begun.elapsed() < Duration::from_secs(60), "training did not begin: {:?}", engine.trainer().progress());
    }
    let (mut idle, mut busy) = (Vec::new(), Vec::new());
    println!("turn      pump ms (median)  recogniser ms  frame's work ms (median)  frame period ms  cores  steps");
    for _ in 0..TURNS {
        for (intent, name, turns) in
            [(TrainingIntent::Pause, "idle", &mut idle), (TrainingIntent::Resume, "training", &mut busy)]
        {
            engine.command_training(intent).expect("a run under way");
            frames(&mut app, SETTLING);
            let turn = turn(&mut app, &engine);
            println!(
                "{name:<8}  {:7.3} ({:.3})   {:7.3}        {:7.3} ({:.3})           {:7.3}          {:.2}   {}",
                turn.pump,
                turn.pump_median,
                turn.recogniser,
                turn.work,
                turn.work_median,
                turn.period,
                turn.cores,
                turn.steps
            );
            turns.push(turn);
        }
    }
    let is_loaded = busy.iter().all(|turn| turn.steps > 0) && idle.iter().all(|turn| turn.steps <= 1);
    assert!(is_loaded, "the trainer did not train when it should have, or did when it should not");
    println!("99th percentiles, median over {TURNS} turns of {} s; the bar is 1.25:", TURN.as_secs());
    type Part = (&'static str, fn(&Turn) -> f64);
    let parts: [Part; 6] = [
        ("lateness of the pump", |turn| turn.pump),
        ("lateness of the recogniser", |turn| turn.recogniser),
        ("main thread's work for a drawn frame", |turn| turn.work),
        ("time from drawn frame to drawn frame", |turn| turn.period),
        ("(median lateness of the pump)", |turn| turn.pump_median),
        ("(median work for a drawn frame)", |turn| turn.work_median),
    ];
    for (what, part) in parts {
        let [without, with] = [&idle, &busy].map(|turns| median(turns.iter().map(part).collect()));
        println!("  {what}: {with:.3} ms with training, {without:.3} ms without: {:.2}", with / without);
    }
}

/// Draws frames for this long; the time that each took, and the time from each to the next.
fn frames(app: &mut App, time: Duration) -> (Vec<Duration>, Vec<Duration>) {
    let (mut works, mut periods) = (Vec::new(), Vec::new());
    let (begin, mut last) = (Instant::now(), None);
    let mut due = begin;
    while begin.elapsed() < time {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let start = Instant::now();
        app.update();
        let end = Instant::now();
        works.push(end - start);
        periods.extend(last.replace(end).map(|last| end - last));
        due = (due + FRAME).max(end);
    }
    (works, periods)
}

fn turn(app: &mut App, engine: &Engine) -> Turn {
    let record = |name| engine.tasks().find(name).expect("a running task");
    let (pump, recogniser) = (record("main: pump"), record("recogniser"));
    pump.lateness().clear();
    recogniser.lateness().clear();
    let (used, steps) = (process_time(), engine.trainer().progress().step);
    let (mut works, mut periods) = frames(app, TURN);
    let late = |record: &TaskRecord, share| record.lateness().percentile(share).as_secs_f64() * 1e3;
    Turn {
        pump_median: late(&pump, 0.5),
        pump: late(&pump, 0.99),
        recogniser: late(&recogniser, 0.99),
        work_median: percentile(&mut works, 0.5),
        work: percentile(&mut works, 0.99),
        period: percentile(&mut periods, 0.99),
        cores: (process_time() - used).as_secs_f64() / TURN.as_secs_f64(),
        steps: engine.trainer().progress().step - steps,
    }
}

/// Processor time of all threads.
fn process_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort_unstable();
    times[((times.len() as f64 * share).ceil() as usize).saturating_sub(1)].as_secs_f64() * 1e3
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
