//! A run whose dataset is loaded: the network with all that its steps need.

use std::sync::Arc;

use super::batch::Batcher;
use super::checkpoint::{Checkpoint, Position};
use super::dataset::{Dataset, Split};
use super::hard_negatives::{EPOCHS_BETWEEN, Search, Stretch};
use super::parameters;
use super::spec::TrainSpec;
use super::start;
use super::step::{LEARNING_RATE, Learner, Schedule};
use super::validate::Validation;
use crate::Result;
use crate::recognise::card::{Card, Model};

/// What there is once the dataset is loaded.
pub struct Training {
    /// What it learns from.
    pub dataset: Arc<Dataset>,
    /// The card of its model.
    pub card: Card,
    /// The network and its optimiser.
    pub learner: Learner,
    /// Composes the batches.
    pub batcher: Batcher,
    /// The learning rate over all steps.
    pub schedule: Schedule,
    /// Steps of an epoch.
    pub steps_per_epoch: u64,
    /// Where it stands.
    pub position: Position,
    /// The steps that this run's newest checkpoint had done, if it has one.
    pub checkpointed: Option<u64>,
}

impl Training {
    /// The run at its start, or where `checkpoint` was written.
    pub fn new(
        spec: &TrainSpec,
        dataset: Dataset,
        base: Option<&Model>,
        checkpoint: Option<Box<Checkpoint>>,
    ) -> Result<Self> {
        let dataset = Arc::new(dataset);
        let card = start::card(spec, &dataset, base);
        let steps_per_epoch = steps_per_epoch(dataset.split(Split::Train).count(), spec.batch_size);
        let schedule = Schedule {
            peak: spec.learning_rate.unwrap_or(LEARNING_RATE),
            steps: steps_per_epoch * u64::from(spec.epochs),
        };
        let mut position = Position::new(spec.clone(), dataset.outputs(), dataset.sample_rate_hz);
        let mut checkpointed = None;
        let mut learner = Learner::new(start::network(&card, base, spec.seed, spec.backend)?);
        if let Some(checkpoint) = checkpoint {
            learner.network = parameters::write(learner.network, &checkpoint.weights)?;
            learner.optimiser = checkpoint.optimiser;
            position = Position { spec: spec.clone(), ..checkpoint.position };
            // One of another run is not in this run's folder.
            checkpointed = spec.specific_checkpoint.is_none().then_some(position.step);
        }
        let batcher = Batcher::new(dataset.clone(), card.features.clone(), spec.batch_size as usize, spec.seed);
        let mut training = Self { dataset, card, learner, batcher, schedule, steps_per_epoch, position, checkpointed };
        training.hear_more_of(training.position.hard_negatives.clone());
        Ok(training)
    }

    /// From now on hears these stretches of the background more often than the rest; those of another background are left out.
    pub fn hear_more_of(&mut self, mut hard: Vec<Stretch>) {
        hard.retain(|stretch| stretch.samples(&self.dataset).is_some());
        self.position.hard_negatives.clone_from(&hard);
        self.batcher.hear_more_of(hard);
    }

    /// The search for hard negatives that is due after the epoch that has ended, if any.
    pub fn search(&self) -> Option<Search> {
        let is_due = (self.position.step / self.steps_per_epoch).is_multiple_of(EPOCHS_BETWEEN);
        let is_wanted = is_due && !self.dataset.new_labels.is_empty() && !self.dataset.background.is_empty();
        is_wanted.then(|| Search::new(self.learner.snapshot(), self.card.features.clone(), &self.dataset))
    }

    /// The validation of the network as it is.
    pub fn validation(&self) -> Validation {
        Validation::new(self.learner.snapshot(), self.card.features.clone(), &self.dataset)
    }
}

/// An epoch has a fixed number of composed batches: about as many as hear each train clip once (a scene holds four to
/// eight words), within bounds that keep epochs between some seconds and a minute.
fn steps_per_epoch(train_clips: usize, batch_size: u32) -> u64 {
    (train_clips as u64).div_ceil(4 * u64::from(batch_size)).clamp(25, 500)
}
