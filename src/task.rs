//! Long jobs: named task pools, the loop that drives a job's ticks, and the record of its restarts. This is the one file that
//! spawns pools and threads.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, Once, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use bevy::tasks::{Task, TaskPool, TaskPoolBuilder};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, Result, Text};

/// The pools that long jobs run on, one thread each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// Pumps, one for each stream; sixteen share the thread.
    Stream,
    /// The recogniser for all lanes.
    Recognise,
    /// The trainer. Its thread is niced.
    Train,
    /// The replay of sessions: it reads files.
    Replay,
    /// The recorder: the one job that waits for a disk.
    Record,
}

/// The pool of that name, started when it is first asked for.
pub fn pool(pool: Pool) -> &'static TaskPool {
    static STREAM: OnceLock<TaskPool> = OnceLock::new();
    static RECOGNISE: OnceLock<TaskPool> = OnceLock::new();
    static TRAIN: OnceLock<TaskPool> = OnceLock::new();
    static REPLAY: OnceLock<TaskPool> = OnceLock::new();
    static RECORD: OnceLock<TaskPool> = OnceLock::new();
    start_timers();
    let build = |name: &str| TaskPoolBuilder::new().num_threads(1).thread_name(name.to_owned());
    match pool {
        Pool::Stream => STREAM.get_or_init(|| build("stream").on_thread_spawn(hurry_this_thread).build()),
        Pool::Replay => REPLAY.get_or_init(|| build("replay").build()),
        Pool::Recognise => RECOGNISE.get_or_init(|| build("recognise").build()),
        Pool::Record => RECORD.get_or_init(|| build("record").build()),
        Pool::Train => TRAIN.get_or_init(|| build("train").on_thread_spawn(nice_this_thread).build()),
    }
}

/// Starts the thread that wakes every sleeping job. It is as nice as the thread that first sleeps, so that is one of its own
/// that hurries: all jobs are as late as this one.
fn start_timers() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let first_sleep = || {
            hurry_this_thread();
            let timer = async_io::Timer::after(Duration::from_secs(3600));
            let _ = bevy::tasks::block_on(futures_lite::future::poll_once(timer));
        };
        // Without it the timers are as nice as whoever sleeps first.
        let _ = spawn_thread("timers", first_sleep).map(thread::JoinHandle::join);
    });
}

/// Goes before whatever is not niced so, as sound servers do. Without effect where the system has no such notion or grants it
/// to nobody but root.
fn hurry_this_thread() {
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), -11);
    }
}

/// Gives way to everything else that runs on this machine. Without effect where the system has no such notion.
///
/// Niceness alone is a smaller share, not a lower rank: Linux lets a nice thread end its slice before one that wakes gets its
/// turn. A thread of the idle policy is left at once; while everything else leaves no core free it gets a few thousandths of one.
pub fn nice_this_thread() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::{NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy};
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let this = thread_priority::thread_native_id();
        let _ = thread_priority::set_thread_priority_and_policy(this, ThreadPriority::Min, idle);
        // On Linux a thread id names the thread alone. Refusal changes nothing but the share of the processor.
        let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 19);
    }
}

/// An own thread, for what can be no task: a library's event loop, a call that may hang for ever.
pub fn spawn_thread<T: Send + 'static>(
    name: &str,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<thread::JoinHandle<T>> {
    #[expect(clippy::disallowed_methods, reason = "the one place that spawns threads")]
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(job)
        .map_err(|error| Error::io(format_args!("cannot start the thread \"{name}\""), &error))
}

/// When a job wants to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// After this long.
    Sleep(Duration),
    /// As soon as others of its pool have had their turn.
    Now,
    /// Never: it is done.
    Done,
}

/// A long job as a state machine: time is an argument, so that a test turns the clock.
pub trait Job: Send + 'static {
    /// Does what is due and says when to come again. It never blocks.
    fn tick(&mut self, now: Instant) -> Next;

    /// Puts the job back into a state from which it can go on, after a tick panicked with `failure`.
    fn recover(&mut self, now: Instant, failure: Error);
}

/// What the status says of a job.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TaskStatus {
    /// Which job.
    pub name: Text,
    /// How often it was restarted after a panic.
    pub restarts: u64,
    /// How much later than asked for it ran, 99th percentile since the start, milliseconds.
    pub lateness_p99_millis: f64,
}

/// Restarts and lateness of one job.
#[derive(Debug)]
pub struct TaskRecord {
    name: Text,
    restarts: AtomicU64,
    lateness: Histogram,
    is_done: AtomicBool,
}

impl TaskRecord {
    /// How much later than asked for its ticks ran.
    pub fn lateness(&self) -> &Histogram {
        &self.lateness
    }
}

/// The jobs there are, for the status.
#[derive(Clone, Debug, Default)]
pub struct TaskRegistry {
    records: Arc<Mutex<Vec<Arc<TaskRecord>>>>,
}

impl TaskRegistry {
    /// Runs `job` on `on` until it is done or the handle is dropped. A panic in a tick is caught and counted; the job goes on
    /// after a back-off of 10 ms that doubles up to 1 s and starts anew after ten good seconds.
    pub fn spawn(&self, on: Pool, name: impl Into<Text>, job: impl Job) -> Task<()> {
        let record = self.record(name);
        pool(on).spawn(run(Running { job, record: DoneOnDrop(record) }))
    }

    /// A record for a job that drives itself.
    pub fn record(&self, name: impl Into<Text>) -> Arc<TaskRecord> {
        let record = Arc::new(TaskRecord {
            name: name.into(),
            restarts: AtomicU64::new(0),
            lateness: Histogram::default(),
            is_done: AtomicBool::new(false),
        });
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record.clone());
        record
    }

    /// What each living job has been through.
    pub fn status(&self) -> Vec<TaskStatus> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.retain(|record| !record.is_done.load(Relaxed));
        let status = |record: &Arc<TaskRecord>| TaskStatus {
            name: record.name.clone(),
            restarts: record.restarts.load(Relaxed),
            lateness_p99_millis: record.lateness.percentile(0.99).as_secs_f64() * 1e3,
        };
        records.iter().map(status).collect()
    }

    /// The record of the job `name`, while it lives.
    pub fn find(&self, name: &str) -> Option<Arc<TaskRecord>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.iter().find(|record| &*record.name == name && !record.is_done.load(Relaxed)).cloned()
    }
}

/// Marks a record done however its job ends: finished, cancelled or dropped.
struct DoneOnDrop(Arc<TaskRecord>);

impl Drop for DoneOnDrop {
    fn drop(&mut self) {
        self.0.is_done.store(true, Relaxed);
    }
}

/// A job and its record. Dropped in this order, also by a cancellation before the first tick: a job that is done is gone.
struct Running<J> {
    job: J,
    record: DoneOnDrop,
}

async fn run<J: Job>(running: Running<J>) {
    const FIRST_BACKOFF: Duration = Duration::from_millis(10);
    let mut running = running;
    let Running { job, record } = &mut running;
    let mut backoff = FIRST_BACKOFF;
    let mut last_panic: Option<Instant> = None;
    loop {
        let next = match catch_unwind(AssertUnwindSafe(|| job.tick(Instant::now()))) {
            Ok(next) => next,
            Err(payload) => {
                record.0.restarts.fetch_add(1, Relaxed);
                let now = Instant::now();
                let is_rare = last_panic.is_none_or(|at| now - at > Duration::from_secs(10));
                backoff = if is_rare { FIRST_BACKOFF } else { (backoff * 2).min(Duration::from_secs(1)) };
                last_panic = Some(now);
                let failure = Error::internal(format!("{}: {}", record.0.name, panic_text(payload.as_ref())));
                match catch_unwind(AssertUnwindSafe(|| job.recover(now, failure))) {
                    Ok(()) => Next::Sleep(backoff),
                    // A job that cannot even be put back is over; its record says how often it was tried.
                    Err(_) => Next::Done,
                }
            }
        };
        match next {
            Next::Sleep(duration) => {
                let due = Instant::now() + duration;
                async_io::Timer::at(due).await;
                record.0.lateness.add(Instant::now().saturating_duration_since(due));
            }
            Next::Now => futures_lite::future::yield_now().await,
            Next::Done => return,
        }
    }
}

fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}

/// Buckets for a doubling of time.
const STEPS_PER_OCTAVE: f64 = 8.0;
/// From 1 µs to 2^24 µs (17 s).
const BUCKETS: usize = 24 * STEPS_PER_OCTAVE as usize;

/// Durations counted in logarithmic buckets 9 % apart; adding is one atomic increment.
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS] }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Histogram(median {:?}, p99 {:?})", self.percentile(0.5), self.percentile(0.99))
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&self, duration: Duration) {
        let micros = duration.as_secs_f64() * 1e6;
        let bucket = (micros.max(1.0).log2() * STEPS_PER_OCTAVE) as usize;
        self.buckets[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    /// The duration below which a `share` (0 to 1) of all lie: the upper edge of its bucket; zero if nothing was counted.
    pub fn percentile(&self, share: f64) -> Duration {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let mut left = (total as f64 * share).ceil() as u64;
        for (i, count) in counts.iter().enumerate() {
            left = left.saturating_sub(*count);
            if left == 0 && total > 0 {
                return Duration::from_secs_f64(((i + 1) as f64 / STEPS_PER_OCTAVE).exp2() * 1e-6);
            }
        }
        Duration::ZERO
    }

    /// Forgets everything counted so far.
    pub fn clear(&self) {
        self.buckets.iter().for_each(|bucket| bucket.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Flaky {
        ticks: u32,
        recovered: Arc<AtomicU64>,
    }

    impl Job for Flaky {
        fn tick(&mut self, _now: Instant) -> Next {
            self.ticks += 1;
            assert!(!self.ticks.is_multiple_of(3), "every third tick fails");
            if self.ticks > 7 { Next::Done } else { Next::Now }
        }

        fn recover(&mut self, _now: Instant, failure: Error) {
            assert!(failure.message.contains("every third tick"));
            self.recovered.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn a_panic_is_caught_counted_and_recovered_from() {
        let tasks = TaskRegistry::default();
        let recovered = Arc::new(AtomicU64::new(0));
        let record = tasks.record("flaky");
        let job = Flaky { ticks: 0, recovered: recovered.clone() };
        bevy::tasks::block_on(run(Running { job, record: DoneOnDrop(record.clone()) }));
        assert_eq!((recovered.load(Relaxed), record.restarts.load(Relaxed)), (2, 2));
        assert!(tasks.status().is_empty(), "a job that is done leaves the status");
    }

    #[test]
    fn percentiles_are_right_to_a_bucket() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentile(0.99), Duration::ZERO);
        for millis in 1..=100 {
            histogram.add(Duration::from_millis(millis));
        }
        for (share, millis) in [(0.5, 50.0), (0.99, 99.0)] {
            let found = histogram.percentile(share).as_secs_f64() * 1e3;
            assert!((found / millis - 1.0).abs() < 0.1, "{share}: {found} ms");
        }
    }
}
