//! What the trainer is steered and seen through, and whose turn it is.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bevy::ecs::message::Message;

use super::progress::{LossCurve, Phase, Progress};
use super::run::{Places, Run};
use super::spec::TrainSpec;
use super::throttle::Throttle;
use crate::link::{Latest, LinkSender};
use crate::{Error, Result, Text};

/// Runs that may wait for their turn.
const MOST_WAITING: usize = 8;

/// Something asked of the trainer, from inside the ECS.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum TrainingIntent {
    /// Start a run.
    Start(TrainSpec),
    /// Start a run, after those that were ordered before.
    StartInTurn(TrainSpec),
    /// Hold the run after its current step.
    Pause,
    /// Go on.
    Resume,
    /// Write a checkpoint and end the run.
    Stop,
    /// Take more or less of the machine from the next step on; without a run, from the next run on.
    Throttle(Throttle),
}

/// Steers and shows the trainer; cheap to clone, usable from any thread, never waits.
#[derive(Clone, Debug)]
pub struct TrainerHandle {
    /// Link: *all*; when it is full an order is refused as busy.
    pub(super) orders: LinkSender<Order>,
    pub(super) shared: Arc<Shared>,
}

/// What the handles and the job share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) places: Places,
    pub(super) turns: Mutex<Turns>,
    /// The number of waiting runs, for whoever may not wait for the lock.
    pub(super) waiting: AtomicUsize,
    pub(super) progress: Latest<Progress>,
    pub(super) curve: LossCurve,
    /// Link: *newest wins*; read between two steps.
    pub(super) throttle: Latest<Throttle>,
}

/// Whose turn it is.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Whether a run is ordered or under way. Whoever turns it on may order one; the job turns it off.
    pub(super) is_taken: bool,
    /// Link: *all*; when it is full a run is refused as busy. The job takes the next when a run ends.
    pub(super) waiting: VecDeque<Run>,
}

/// When a run begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The run's name.
    pub run: Text,
    /// The run under way that it waits for; none when it begins at once.
    pub waits_for: Option<Text>,
}

#[derive(Debug)]
pub(super) enum Order {
    Start(Box<Run>),
    Pause,
    Resume,
    Stop,
}

impl TrainerHandle {
    /// Starts a run and says its name.
    ///
    /// Refuses at once a bad spec, a dataset that does not exist or has fewer than two labels (`Invalid`, `NotFound`),
    /// and any run while there is one (`Busy`).
    pub fn start(&self, spec: TrainSpec) -> Result<Text> {
        let run = Run::new(spec, self.shared.places.clone())?;
        let mut turns = self.turns();
        if turns.is_taken {
            let other = self.shared.progress.load();
            return Err(Error::busy(format!("the training run \"{}\" is under way: stop it first", other.run)));
        }
        self.begin(run, &mut turns)
    }

    /// Starts a run, or lets it wait until those ordered before have ended, and says which.
    ///
    /// Refuses what [`Self::start`] refuses, but for a run under way, and more than some waiting runs (`Busy`).
    pub fn start_in_turn(&self, spec: TrainSpec) -> Result<Turn> {
        let run = Run::new(spec, self.shared.places.clone())?;
        let mut turns = self.turns();
        if !turns.is_taken {
            return Ok(Turn { run: self.begin(run, &mut turns)?, waits_for: None });
        }
        if turns.waiting.len() == MOST_WAITING {
            return Err(Error::busy(format!("{MOST_WAITING} runs wait for their turn: wait until one has ended")));
        }
        let name = Text::from(run.spec().model_name.as_str());
        turns.waiting.push_back(run);
        self.shared.waiting.store(turns.waiting.len(), Relaxed);
        Ok(Turn { run: name, waits_for: Some(self.shared.progress.load().run.clone()) })
    }

    fn begin(&self, run: Run, turns: &mut Turns) -> Result<Text> {
        let name = Text::from(run.spec().model_name.as_str());
        let before = self.shared.progress.load();
        self.shared.curve.clear();
        self.shared.progress.publish(first_progress(&run));
        let ordered = self.orders.send(Order::Start(Box::new(run)));
        ordered.map_err(|_| {
            self.shared.progress.publish((*before).clone());
            Error::busy("the trainer has too many orders waiting: try again")
        })?;
        turns.is_taken = true;
        Ok(name)
    }

    fn turns(&self) -> MutexGuard<'_, Turns> {
        self.shared.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the run after its current step.
    pub fn pause(&self) -> Result<()> {
        self.order(Order::Pause)
    }

    /// Lets a paused run go on.
    pub fn resume(&self) -> Result<()> {
        self.order(Order::Resume)
    }

    /// Lets the run write a checkpoint and end.
    pub fn stop(&self) -> Result<()> {
        self.order(Order::Stop)
    }

    /// Lets the trainer take more or less of the machine from its next step on, and says what it may take now: a duty
    /// below the floor is raised to it.
    pub fn throttle(&self, throttle: Throttle) -> Result<Throttle> {
        let throttle = throttle.checked()?;
        self.shared.throttle.publish(throttle);
        Ok(throttle)
    }

    /// What the trainer may take of the machine from its next step on.
    pub fn granted(&self) -> Throttle {
        *self.shared.throttle.load()
    }

    /// How the newest run stands.
    pub fn progress(&self) -> Arc<Progress> {
        self.shared.progress.load()
    }

    /// Where runs find and leave things.
    pub fn places(&self) -> &Places {
        &self.shared.places
    }

    /// The loss of every step of the newest run.
    pub fn loss_curve(&self) -> &LossCurve {
        &self.shared.curve
    }

    fn order(&self, order: Order) -> Result<()> {
        if !self.turns().is_taken {
            return Err(Error::not_found("there is no training run: start one first"));
        }
        self.orders.send(order).map_err(|_| Error::busy("the trainer has too many orders waiting: try again"))
    }
}

/// What a run shows before its first piece of work.
pub(super) fn first_progress(run: &Run) -> Progress {
    let name = run.spec().model_name.as_str().into();
    Progress { phase: Phase::Preparing, epochs: run.spec().epochs, ..Progress::new(name) }
}
