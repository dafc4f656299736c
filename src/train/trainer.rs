//! The trainer: a job that lives as long as the program and runs one training at a time.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bevy::tasks::Task;

pub use super::handle::{TrainerHandle, TrainingIntent, Turn};
pub use super::spec::TrainSpec;

use super::batch::low_priority_pool;
use super::handle::{Order, Shared, Turns, first_progress};
use super::progress::{LossCurve, LossPoint, Meter, Phase, Progress};
use super::run::{Outcome, Places, Run};
use super::throttle::{Pacer, Throttle};
use crate::config::{Config, assets_dir};
use crate::event::{Event, EventHub};
use crate::link::{Kind, Latest, LinkReceiver, LinkRegistry};
use crate::models::ModelStore;
use crate::task::{Job, Next, Pool, TaskRegistry};
use crate::{Error, Result};

/// How often an idle or paused trainer looks for orders.
const IDLE: Duration = Duration::from_millis(20);

/// Orders that may wait.
const COMMANDS: usize = 64;

/// Starts the trainer with the program's folders.
pub fn spawn(
    config: &Config,
    models: ModelStore,
    events: EventHub,
    links: &LinkRegistry,
    tasks: &TaskRegistry,
) -> Result<(TrainerHandle, Task<()>)> {
    let places = places(models)?;
    spawn_in(places, config.train.threads, events, links, tasks)
}

/// The program's folders: known datasets are those shipped and those beside the user's models, where runs are kept too.
pub fn places(models: ModelStore) -> Result<Places> {
    let data = models.user_dir().parent().unwrap_or(models.user_dir()).to_owned();
    let datasets = vec![data.join("datasets"), assets_dir()?.join("datasets")];
    Ok(Places { models, datasets, runs: data.join("runs") })
}

/// Starts the trainer with the given folders and number of threads.
pub fn spawn_in(
    places: Places,
    threads: usize,
    events: EventHub,
    links: &LinkRegistry,
    tasks: &TaskRegistry,
) -> Result<(TrainerHandle, Task<()>)> {
    let (handle, job) = trainer(places, threads, events, links)?;
    Ok((handle, tasks.spawn(Pool::Train, "train", job)))
}

/// The two ends of a trainer.
fn trainer(places: Places, threads: usize, events: EventHub, links: &LinkRegistry) -> Result<(TrainerHandle, Trainer)> {
    let (sender, orders) = links.bounded("trainer: commands", Kind::All, COMMANDS);
    let shared = Arc::new(Shared {
        places,
        turns: Mutex::new(Turns::default()),
        waiting: AtomicUsize::new(0),
        progress: Latest::new(Progress::default()),
        curve: LossCurve::default(),
        throttle: Latest::new(Throttle::full(threads)),
    });
    let pool = low_priority_pool("train", threads)?;
    let trainer = Trainer {
        orders,
        throttle: Throttle::full(threads),
        shared: shared.clone(),
        events,
        pool,
        pacer: Pacer::default(),
        active: None,
    };
    Ok((TrainerHandle { orders: sender, shared }, trainer))
}

/// The job.
struct Trainer {
    orders: LinkReceiver<Order>,
    shared: Arc<Shared>,
    events: EventHub,
    /// burn computes on the rayon pool that it is called in; this one's threads give way to all others.
    pool: rayon::ThreadPool,
    /// What `pool` and `pacer` follow.
    throttle: Throttle,
    pacer: Pacer,
    active: Option<Active>,
}

struct Active {
    run: Run,
    progress: Progress,
    meter: Meter,
}

impl Job for Trainer {
    fn tick(&mut self, now: Instant) -> Next {
        while let Some(order) = self.orders.try_recv() {
            self.obey(order, now);
        }
        self.follow_throttle(now);
        if self.active.as_ref().is_some_and(|active| active.progress.waiting != self.shared.waiting.load(Relaxed)) {
            self.publish(now);
        }
        let Some(active) = &mut self.active else { return Next::Sleep(IDLE) };
        match active.progress.phase {
            Phase::Paused => return Next::Sleep(IDLE),
            Phase::Stopping => {
                let written = active.run.write_checkpoint();
                self.end(now, written);
                return Next::Now;
            }
            _ => {}
        }
        if let Some(rest) = self.pacer.rest(now, self.throttle.duty) {
            return Next::Sleep(rest.min(IDLE));
        }
        self.pacer.work(now);
        let outcome = self.pool.install(|| active.run.advance());
        match outcome {
            Ok(Outcome::Finished) => self.end(now, Ok(())),
            Ok(outcome) => self.report(now, outcome),
            Err(error) => self.end(now, Err(error)),
        }
        Next::Now
    }

    fn recover(&mut self, now: Instant, failure: Error) {
        self.end(now, Err(failure));
    }
}

impl Trainer {
    fn follow_throttle(&mut self, now: Instant) {
        let throttle = *self.shared.throttle.load();
        if throttle == self.throttle {
            return;
        }
        if throttle.threads != self.throttle.threads {
            match low_priority_pool("train", throttle.threads) {
                Ok(pool) => self.pool = pool,
                // The pool of before goes on; the throttle counts as followed, so that this is told once.
                Err(error) => {
                    self.events.publish(Event::Failure { owner: "train".into(), message: error.message });
                }
            }
        }
        self.throttle = throttle;
        self.publish(now);
    }

    fn obey(&mut self, order: Order, now: Instant) {
        match (order, &mut self.active) {
            (Order::Start(run), None) => {
                let progress = (*self.shared.progress.load()).clone();
                self.activate(*run, progress, now);
            }
            // Cannot be: `is_taken` lets nobody order a run before the last one ended.
            (Order::Start(_), Some(_)) => {}
            (Order::Pause, Some(active)) if matches!(active.progress.phase, Phase::Preparing | Phase::Running) => {
                active.progress.phase = Phase::Paused;
                self.publish(now);
            }
            (Order::Resume, Some(active)) if active.progress.phase == Phase::Paused => {
                let is_loaded = active.run.steps() > 0;
                active.progress.phase = if is_loaded { Phase::Running } else { Phase::Preparing };
                active.meter.rest();
                self.pacer = Pacer::default();
                self.publish(now);
            }
            (Order::Stop, Some(active)) => {
                active.progress.phase = Phase::Stopping;
                self.publish(now);
            }
            // Already paused, already going on, or the run ended before the order came.
            (Order::Pause | Order::Resume | Order::Stop, _) => {}
        }
    }

    fn report(&mut self, now: Instant, outcome: Outcome) {
        let Some(Active { run, progress, meter }) = &mut self.active else { return };
        match outcome {
            Outcome::Loading { read, total } => (progress.files_read, progress.files) = (read, total),
            Outcome::Ready(summary) => {
                progress.phase = Phase::Running;
                progress.files_read = progress.files;
                if !summary.skipped.is_empty() {
                    let text = format!("{} unusable files were left out", summary.skipped.len());
                    progress.message = Some(text.into());
                }
            }
            Outcome::Step(point) => {
                meter.step(now);
                progress.loss = point.loss;
                self.shared.curve.push(point);
            }
            Outcome::Validating => meter.interrupt(),
            Outcome::Validated(score) => {
                progress.validation_loss = score.map(|score| score.loss);
                progress.validation_accuracy = score.map(|score| score.accuracy);
                let validation_loss = progress.validation_loss;
                self.shared.curve.push(LossPoint { step: run.step(), loss: progress.loss, validation_loss });
            }
            // One that takes over does so when it is done, and not with each better epoch.
            Outcome::Saved(_) if run.spec().takes_over => {}
            Outcome::Saved(model) => {
                let model = model.card().name.as_str().into();
                self.events.publish(Event::ModelSaved { model, takes_over: false });
            }
            Outcome::Checkpoint | Outcome::Finished => meter.interrupt(),
        }
        self.publish(now);
    }

    /// Ends the run: done, or failed with `result`'s error.
    fn end(&mut self, now: Instant, result: Result<()>) {
        let Some(active) = &mut self.active else { return };
        active.progress.phase = Phase::Done;
        if let Err(error) = result {
            active.progress.phase = Phase::Failed;
            active.progress.message = Some(error.message.as_str().into());
            self.events.publish(Event::Failure { owner: "train".into(), message: error.message });
        } else if active.run.spec().takes_over && active.run.is_saved() {
            let model = active.run.spec().model_name.as_str().into();
            self.events.publish(Event::ModelSaved { model, takes_over: true });
        }
        // Under the lock, so that whoever sees the end can start the next run.
        let shared = self.shared.clone();
        let mut turns = shared.turns.lock().unwrap_or_else(PoisonError::into_inner);
        self.publish(now);
        self.active = None;
        match turns.waiting.pop_front() {
            None => turns.is_taken = false,
            Some(run) => {
                shared.curve.clear();
                shared.waiting.store(turns.waiting.len(), Relaxed);
                let progress = first_progress(&run);
                self.activate(run, progress, now);
            }
        }
    }

    fn activate(&mut self, run: Run, progress: Progress, now: Instant) {
        self.active = Some(Active { run, progress, meter: Meter::default() });
        self.pacer = Pacer::default();
        self.publish(now);
    }

    /// Shows the run's state to everyone. Link: newest wins for the state, *recent* for the event.
    fn publish(&mut self, now: Instant) {
        let Some(Active { run, progress, meter }) = &mut self.active else { return };
        meter.update(now);
        progress.updates += 1;
        progress.epoch = run.epoch();
        progress.epochs = run.spec().epochs;
        (progress.step, progress.steps) = (run.step(), run.steps());
        progress.learning_rate = run.learning_rate();
        progress.best_accuracy = run.best().map(|best| best.accuracy);
        progress.examples_per_sec = meter.examples_per_sec(run.spec().batch_size as usize);
        progress.eta_secs = meter.eta_secs(progress.steps.saturating_sub(progress.step));
        progress.longest_pause_secs = meter.longest_pause_secs();
        progress.throttle = self.throttle;
        progress.waiting = self.shared.waiting.load(Relaxed);
        self.shared.progress.publish(progress.clone());
        self.events.publish(Event::Progress(progress.clone()));
    }
}

#[cfg(test)]
#[path = "trainer_tests.rs"]
mod tests;
