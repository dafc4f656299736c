//! What a training run shows of itself.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

use super::throttle::Throttle;
use crate::Text;

/// Where a run is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// There has been no run yet.
    #[default]
    Idle,
    /// The dataset is being read.
    Preparing,
    /// It learns, or validates between two epochs.
    Running,
    /// It waits to be resumed.
    Paused,
    /// It writes its checkpoint, then ends.
    Stopping,
    /// It ended: all epochs are done, or it was stopped.
    Done,
    /// It ended with an error, which [`Progress::message`] tells.
    Failed,
}

impl Phase {
    /// Whether a run is under way, paused ones included.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Preparing | Self::Running | Self::Paused | Self::Stopping)
    }
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The run's name, which is that of the model it makes.
    pub run: Text,
    /// Where in its life it is.
    pub phase: Phase,
    /// Files of the dataset that were read.
    pub files_read: usize,
    /// Files of the dataset.
    pub files: usize,
    /// The epoch under way, from 1; 0 before the first.
    pub epoch: u32,
    /// Epochs of the run.
    pub epochs: u32,
    /// Steps done, those before a resume included.
    pub step: u64,
    /// Steps of the whole run.
    pub steps: u64,
    /// CTC loss of the newest step; 0 before the first.
    pub loss: f32,
    /// CTC loss on the validation clips after the newest epoch.
    pub validation_loss: Option<f32>,
    /// Share of the validation clips that are read right after the newest epoch, 0 to 1.
    pub validation_accuracy: Option<f64>,
    /// Highest share so far; the model that reached it is the one that is saved.
    pub best_accuracy: Option<f64>,
    /// Learning rate of the newest step.
    pub learning_rate: f64,
    /// Scenes learnt from a second, over about the last ten steps.
    pub examples_per_sec: f64,
    /// Estimated seconds to go, pauses not counted.
    pub eta_secs: f64,
    /// Progress updates so far.
    pub updates: u64,
    /// The longest time between two updates while not paused, in seconds.
    pub longest_pause_secs: f64,
    /// What it may take of the machine.
    pub throttle: Throttle,
    /// Runs that wait until it has ended.
    pub waiting: usize,
    /// Why it failed, or what else there is to say.
    pub message: Option<Text>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::new("".into())
    }
}

impl Progress {
    /// A run that has done nothing yet.
    pub fn new(run: Text) -> Self {
        Self {
            run,
            phase: Phase::Idle,
            files_read: 0,
            files: 0,
            epoch: 0,
            epochs: 0,
            step: 0,
            steps: 0,
            loss: 0.0,
            validation_loss: None,
            validation_accuracy: None,
            best_accuracy: None,
            learning_rate: 0.0,
            examples_per_sec: 0.0,
            eta_secs: 0.0,
            updates: 0,
            longest_pause_secs: 0.0,
            throttle: Throttle::full(1),
            waiting: 0,
            message: None,
        }
    }
}

/// Measures speed and pauses from the times of the updates.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    last_update: Option<Instant>,
    longest_pause: Duration,
    last_step: Option<Instant>,
    secs_per_step: Option<f64>,
    running: Duration,
    steps: u64,
}

impl Meter {
    /// An update is published at `now`.
    pub fn update(&mut self, now: Instant) {
        if let Some(last) = self.last_update.replace(now) {
            let since = now.saturating_duration_since(last);
            self.longest_pause = self.longest_pause.max(since);
            self.running += since;
        }
    }

    /// A step was done at `now`.
    pub fn step(&mut self, now: Instant) {
        self.steps += 1;
        if let Some(last) = self.last_step.replace(now) {
            let secs = now.saturating_duration_since(last).as_secs_f64();
            self.secs_per_step = Some(self.secs_per_step.map_or(secs, |mean| mean + 0.1 * (secs - mean)));
        }
    }

    /// Nothing is measured until the next update: a pause that was asked for, or a step that validation came before.
    pub fn interrupt(&mut self) {
        self.last_step = None;
    }

    /// As [`Self::interrupt`], and the time until the next update is no pause.
    pub fn rest(&mut self) {
        self.interrupt();
        self.last_update = None;
    }

    /// Longest time between two updates.
    pub fn longest_pause_secs(&self) -> f64 {
        self.longest_pause.as_secs_f64()
    }

    /// Scenes a second at `batch_size` scenes a step; 0 before it is known.
    pub fn examples_per_sec(&self, batch_size: usize) -> f64 {
        self.secs_per_step.map_or(0.0, |secs| batch_size as f64 / secs.max(1e-9))
    }

    /// Seconds that `steps` more steps will take, validation included; 0 before it is known.
    pub fn eta_secs(&self, steps: u64) -> f64 {
        self.running.as_secs_f64() / self.steps.max(1) as f64 * if self.steps > 0 { steps as f64 } else { 0.0 }
    }
}

/// The loss of one step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LossPoint {
    /// Steps done, from 1.
    pub step: u64,
    /// CTC loss of the step.
    pub loss: f32,
    /// Loss on the validation clips, where an epoch ended.
    pub validation_loss: Option<f32>,
}

/// The loss of every step of the newest run, for whoever draws the curve.
///
/// Link: *all*, read with a cursor by any number of readers. It is bounded; of a longer run the oldest points go.
#[derive(Clone, Debug, Default)]
pub struct LossCurve {
    shared: Arc<Mutex<CurvePoints>>,
}

#[derive(Debug, Default)]
struct CurvePoints {
    points: VecDeque<LossPoint>,
    /// Counts the runs.
    run: u64,
    /// How many points of this run went before the first one kept.
    gone: u64,
}

/// How far a reader of a [`LossCurve`] has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CurveCursor {
    run: u64,
    read: u64,
}

impl LossCurve {
    /// Points that are kept.
    pub const CAPACITY: usize = 100_000;

    /// Appends a point.
    pub fn push(&self, point: LossPoint) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.points.len() == Self::CAPACITY {
            shared.points.pop_front();
            shared.gone += 1;
        }
        shared.points.push_back(point);
    }

    /// Forgets all points: another run begins.
    pub fn clear(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        *shared = CurvePoints { run: shared.run + 1, ..CurvePoints::default() };
    }

    /// Appends the points behind `cursor` (the default one at first) to `into`, which is emptied first when they are of
    /// another run than those before.
    pub fn read(&self, cursor: &mut CurveCursor, into: &mut Vec<LossPoint>) {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if cursor.run != shared.run {
            *cursor = CurveCursor { run: shared.run, read: 0 };
            into.clear();
        }
        into.extend(shared.points.iter().skip(cursor.read.saturating_sub(shared.gone) as usize));
        cursor.read = shared.gone + shared.points.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(step: u64) -> LossPoint {
        LossPoint { step, loss: 1.0, validation_loss: None }
    }

    #[test]
    fn every_reader_gets_every_point_once_and_a_new_run_alone() {
        let curve = LossCurve::default();
        let (mut often, mut once) = ((CurveCursor::default(), Vec::new()), (CurveCursor::default(), Vec::new()));
        for step in 1..=10 {
            curve.push(point(step));
            if step % 3 == 0 {
                curve.read(&mut often.0, &mut often.1);
            }
        }
        curve.read(&mut often.0, &mut often.1);
        curve.read(&mut once.0, &mut once.1);
        assert_eq!(often, once);
        assert_eq!(once.1.len(), 10);
        curve.clear();
        curve.push(point(1));
        curve.read(&mut often.0, &mut often.1);
        assert_eq!(often.1, [point(1)], "another run began");
    }

    #[test]
    fn the_curve_is_bounded() {
        let curve = LossCurve::default();
        (0..LossCurve::CAPACITY as u64 + 5).for_each(|step| curve.push(point(step)));
        let mut points = Vec::new();
        curve.read(&mut CurveCursor::default(), &mut points);
        assert_eq!((points.len(), points[0].step), (LossCurve::CAPACITY, 5));
    }

    #[test]
    fn pauses_and_speed_are_measured_by_the_given_clock() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut meter = Meter::default();
        assert_eq!(meter.eta_secs(10), 0.0);
        for step in 0..10 {
            meter.step(at(step * 100));
            meter.update(at(step * 100));
        }
        assert!((meter.longest_pause_secs() - 0.1).abs() < 1e-9);
        assert!((meter.examples_per_sec(16) - 160.0).abs() < 1e-6);
        assert!((meter.eta_secs(100) - 9.0).abs() < 1e-6);
        meter.rest();
        meter.update(at(60_000));
        assert!((meter.longest_pause_secs() - 0.1).abs() < 1e-9, "a pause that was asked for is none");
    }
}
