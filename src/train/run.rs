//! A training run as a plain state machine: who drives it decides when, and may stop between any two calls.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::calibrate::Calibration;
use super::checkpoint::{Checkpoint, Position, Score};
use super::dataset::{Listing, Loader, Summary, find};
use super::hard_negatives::Search;
use super::log::{Line, RunLog};
use super::parameters;
pub use super::places::Places;
use super::progress::LossPoint;
use super::spec::{OTHER_SPEECH, TrainSpec};
use super::training::Training;
use super::validate::Validation;
use crate::recognise::card::Model;
use crate::source::decode::Decoder;
use crate::{Error, Result};

/// Files read in one call while the dataset is loaded.
const FILES_AT_ONCE: usize = 16;

/// The part of a lesson's steps after which its best network is looked for: four of five.
const LATE: (u64, u64) = (5, 4);

/// What one call of [`Run::advance`] did.
#[derive(Debug)]
pub enum Outcome {
    /// More files of the dataset were read.
    Loading {
        /// Files read.
        read: usize,
        /// All files.
        total: usize,
    },
    /// The dataset is in memory and the first step can be done.
    Ready(Summary),
    /// A step was done.
    Step(LossPoint),
    /// More sounds were read that are not learnt from in this step.
    Validating,
    /// An epoch was validated; `None` where the dataset has no validation clips.
    Validated(Option<Score>),
    /// The best model so far was saved.
    Saved(Arc<Model>),
    /// The checkpoint of an epoch was written.
    Checkpoint,
    /// All epochs are done.
    Finished,
}

/// A training run.
pub struct Run {
    spec: TrainSpec,
    places: Places,
    /// The model that it begins with.
    base: Option<Arc<Model>>,
    stage: Stage,
    training: Option<Training>,
    is_saved: bool,
    log: Option<RunLog>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").field("spec", &self.spec).field("step", &self.step()).finish_non_exhaustive()
    }
}

enum Stage {
    List(Vec<PathBuf>),
    Load(Box<Loader>, Option<Box<Checkpoint>>),
    Train,
    Search(Box<Search>),
    Validate(Box<Validation>),
    SaveModel,
    SaveCheckpoint,
    Calibrate(Box<Calibration>),
    Finished,
}

impl Run {
    /// A run of `spec`. Refuses a bad spec, a base model that cannot be read, and a dataset that does not exist or has not
    /// even two labels; its files are not read yet.
    pub fn new(spec: TrainSpec, places: Places) -> Result<Self> {
        spec.validate()?;
        spec.backend.device()?;
        let roots = spec.datasets().map(|name| find(name, &places.datasets)).collect::<Result<Vec<_>>>()?;
        Listing::check_folders(&roots)?;
        spec.background.iter().chain(&spec.fillers).try_for_each(|name| find(name, &places.datasets).map(drop))?;
        let base = spec.base_model.as_ref().map(|name| places.models.load(name)).transpose()?;
        Ok(Self { spec, places, base, stage: Stage::List(roots), training: None, is_saved: false, log: None })
    }

    /// What was ordered.
    pub fn spec(&self) -> &TrainSpec {
        &self.spec
    }

    /// Does the next piece of work: some files, one step, some validation clips, one file to write. On an error the run
    /// is over.
    ///
    /// Computes on the rayon pool that it is called in.
    pub fn advance(&mut self) -> Result<Outcome> {
        match std::mem::replace(&mut self.stage, Stage::Finished) {
            Stage::List(roots) => self.list(&roots),
            Stage::Load(loader, checkpoint) => self.load(loader, checkpoint),
            Stage::Train => self.train(),
            Stage::Search(search) => self.search(search),
            Stage::Validate(validation) => self.validate(validation),
            Stage::SaveModel => self.save_model(),
            Stage::SaveCheckpoint => {
                self.write_checkpoint()?;
                self.stage = if self.is_over() { self.calibration()? } else { Stage::Train };
                Ok(Outcome::Checkpoint)
            }
            Stage::Calibrate(calibration) => self.calibrate(calibration),
            Stage::Finished => Ok(Outcome::Finished),
        }
    }

    /// Writes a checkpoint, so that the run can go on later; without effect before the first step.
    pub fn write_checkpoint(&mut self) -> Result<()> {
        let epoch = self.epoch();
        let Some(training) = self.training.as_mut().filter(|training| training.position.step > 0) else {
            return Ok(());
        };
        if let Some(before) = training.checkpointed.replace(training.position.step) {
            self.places.retain_checkpoint(&self.spec.model_name, before)?;
        }
        let checkpoint = Checkpoint {
            position: Position { epoch, ..training.position.clone() },
            weights: parameters::read(&training.learner.network),
            optimiser: training.learner.optimiser.clone(),
        };
        checkpoint.save(&self.checkpoint_path())
    }

    /// Where this run's checkpoint is kept.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.places.checkpoint_of(&self.spec.model_name)
    }

    /// Whether it has saved a model.
    pub fn is_saved(&self) -> bool {
        self.is_saved
    }

    /// Steps done; 0 while the dataset is loaded.
    pub fn step(&self) -> u64 {
        self.training.as_ref().map_or(0, |training| training.position.step)
    }

    /// Steps of the whole run; 0 while the dataset is loaded.
    pub fn steps(&self) -> u64 {
        self.training.as_ref().map_or(0, |training| training.schedule.steps)
    }

    /// The epoch under way, from 1; 0 while the dataset is loaded.
    pub fn epoch(&self) -> u32 {
        let epoch = |training: &Training| (training.position.step / training.steps_per_epoch) as u32 + 1;
        self.training.as_ref().map_or(0, |training| epoch(training).min(self.spec.epochs))
    }

    /// The learning rate of the newest step.
    pub fn learning_rate(&self) -> f64 {
        self.training.as_ref().map_or(0.0, |training| training.schedule.rate(training.position.step.saturating_sub(1)))
    }

    /// The best validation so far.
    pub fn best(&self) -> Option<Score> {
        self.training.as_ref()?.position.best
    }

    /// Whether all steps are done, or validation has got no better for as long as the order has patience.
    fn is_over(&self) -> bool {
        let since_best = self.training.as_ref().map_or(0, |training| training.position.epochs_since_best);
        self.step() >= self.steps() || self.spec.patience_epochs.is_some_and(|patience| since_best >= patience)
    }

    fn list(&mut self, roots: &[PathBuf]) -> Result<Outcome> {
        let mut listing = Listing::scan(roots)?;
        if !self.spec.words.is_empty() {
            listing.keep(&self.spec.words)?;
        }
        if let Some(clips) = self.spec.limit_samples {
            listing.limit(clips);
        }
        for name in &self.spec.fillers {
            listing.add_fillers(&find(name, &self.places.datasets)?, None)?;
        }
        let is_wanted = listing.spelling.is_none() && !self.spec.no_other_speech;
        let other_speech = find(OTHER_SPEECH, &self.places.datasets).ok().filter(|_| is_wanted);
        let known = self.base.as_ref().map(|base| &base.card().fillers[..]).filter(|known| !known.is_empty());
        if let (Some(root), Some(known)) = (&other_speech, known) {
            // What a model knows as no word of its own it goes on to know so.
            listing.add_fillers(root, Some(known))?;
        }
        let named = self.spec.background.iter().map(|name| find(name, &self.places.datasets));
        for root in named.chain(other_speech.map(Ok)) {
            // Few steps are left to a run that begins with a model: too few to hear people's words between an hour of sentences.
            listing.add_background(&root?, self.base.is_some())?;
        }
        let checkpoint = match (&self.spec.specific_checkpoint, self.spec.resume_from_checkpoint) {
            (Some(name), _) => Some(self.places.load_checkpoint(name)?),
            (None, true) => Checkpoint::load(&self.checkpoint_path())?,
            (None, false) => None,
        };
        if let Some(checkpoint) =
            checkpoint.as_ref().filter(|checkpoint| checkpoint.position.labels != listing.outputs())
        {
            return Err(Error::invalid(format!(
                "the checkpoint of \"{}\" knows the labels {}, but the dataset has {}: choose another model name",
                self.spec.model_name,
                checkpoint.position.labels.join(", "),
                listing.outputs().join(", ")
            )));
        }
        let resumed_rate = checkpoint.as_ref().map(|checkpoint| checkpoint.position.sample_rate_hz);
        let base_rate = self.base.as_ref().map(|base| base.card().features.sample_rate_hz);
        let given_rate = resumed_rate.or(base_rate).or(self.spec.sample_rate_hz);
        let rate = given_rate.unwrap_or_else(|| natural_rate(&listing));
        let total = listing.files.len();
        self.stage = Stage::Load(
            Box::new(Loader::new(listing, rate).cached(Some(self.places.clip_cache()))),
            checkpoint.map(Box::new),
        );
        Ok(Outcome::Loading { read: 0, total })
    }

    fn load(&mut self, mut loader: Box<Loader>, checkpoint: Option<Box<Checkpoint>>) -> Result<Outcome> {
        if (0..FILES_AT_ONCE).all(|_| loader.load_next()) {
            let (read, total) = loader.progress();
            self.stage = Stage::Load(loader, checkpoint);
            return Ok(Outcome::Loading { read, total });
        }
        let mut dataset = loader.finish()?;
        if let Some(base) = self.base.as_ref().filter(|_| dataset.spelling.is_none()) {
            let is_new = |label: &String| !base.card().tokens.contains(label);
            dataset.new_labels = (0..dataset.labels.len()).filter(|&label| is_new(&dataset.labels[label])).collect();
        }
        let summary = dataset.summary();
        if summary.train == 0 {
            return Err(Error::invalid(format!("no usable clip of {} is in its train split", dataset.name)));
        }
        let goes_on = checkpoint.is_some();
        let training = Training::new(&self.spec, dataset, self.base.as_deref(), checkpoint)?;
        if !goes_on {
            self.places.clear_older(&self.spec.model_name)?;
        }
        let mut log = RunLog::open(&self.places.log_of(&self.spec.model_name), goes_on)?;
        let (step, steps) = (training.position.step, training.schedule.steps);
        log.line(&Line::Begin { spec: &self.spec, step, steps, tokens: training.dataset.tokens() })?;
        (self.training, self.log) = (Some(training), Some(log));
        self.stage = if self.is_over() { Stage::Finished } else { Stage::Train };
        Ok(Outcome::Ready(summary))
    }

    fn train(&mut self) -> Result<Outcome> {
        let Some(training) = &mut self.training else { return Ok(Outcome::Finished) };
        let step = training.position.step;
        let batch = training.batcher.batch(step)?;
        let report = training.learner.step(&batch, training.schedule.rate(step));
        training.position.step += 1;
        if let Some(log) = &mut self.log {
            let gradient_norm = Some(report.gradient_norm).filter(|norm| norm.is_finite());
            let learning_rate = training.schedule.rate(step);
            log.line(&Line::Step { step: step + 1, loss: report.loss, gradient_norm, learning_rate })?;
        }
        self.stage = if training.position.step.is_multiple_of(training.steps_per_epoch) {
            match training.search() {
                Some(search) => Stage::Search(Box::new(search)),
                None => Stage::Validate(Box::new(training.validation())),
            }
        } else {
            Stage::Train
        };
        Ok(Outcome::Step(LossPoint { step: step + 1, loss: report.loss, validation_loss: None }))
    }

    fn search(&mut self, mut search: Box<Search>) -> Result<Outcome> {
        let Some(training) = &mut self.training else { return Ok(Outcome::Finished) };
        self.stage = if search.advance(&training.dataset)? {
            Stage::Search(search)
        } else {
            training.hear_more_of(search.found());
            Stage::Validate(Box::new(training.validation()))
        };
        Ok(Outcome::Validating)
    }

    fn validate(&mut self, mut validation: Box<Validation>) -> Result<Outcome> {
        let Some(training) = &mut self.training else { return Ok(Outcome::Finished) };
        if validation.advance(&training.dataset)? {
            self.stage = Stage::Validate(validation);
            return Ok(Outcome::Validating);
        }
        let score = validation.score();
        // Nobody uses a lesson's model before its end, and its clips say little of a word that was hardly learnt yet.
        let counts = !self.spec.takes_over || LATE.0 * training.position.step >= LATE.1 * training.schedule.steps;
        // Without validation clips the newest network is taken for the best.
        let beats = |score: Score| training.position.best.is_none_or(|best| score.beats(&best));
        let is_best = counts && score.is_none_or(beats);
        training.position.epochs_since_best =
            if is_best || !counts { 0 } else { training.position.epochs_since_best + 1 };
        if is_best {
            training.position.best = score;
        }
        if let Some(log) = &mut self.log {
            log.line(&Line::Validated { step: training.position.step, score, is_best })?;
        }
        self.stage = if is_best { Stage::SaveModel } else { Stage::SaveCheckpoint };
        Ok(Outcome::Validated(score))
    }

    /// The best model that was saved, to be calibrated.
    fn calibration(&self) -> Result<Stage> {
        let Some(training) = &self.training else { return Ok(Stage::Finished) };
        let best = self.places.models.load(&self.spec.model_name)?;
        Ok(Stage::Calibrate(Box::new(Calibration::new(best, training.dataset.clone()))))
    }

    fn calibrate(&mut self, mut calibration: Box<Calibration>) -> Result<Outcome> {
        if calibration.advance()? {
            self.stage = Stage::Calibrate(calibration);
            return Ok(Outcome::Validating);
        }
        let model = calibration.calibrated()?;
        Ok(Outcome::Saved(self.places.models.save(model.card().clone(), model.network())?))
    }

    fn save_model(&mut self) -> Result<Outcome> {
        let Some(training) = &mut self.training else { return Ok(Outcome::Finished) };
        let mut card = training.card.clone();
        if let Some(best) = training.position.best {
            card.metrics.insert("validation_accuracy".into(), best.accuracy);
            card.metrics.insert("validation_loss".into(), f64::from(best.loss));
        }
        card.metrics.insert("steps".into(), training.position.step as f64);
        let model = self.places.models.save(card, &training.learner.snapshot())?;
        self.stage = Stage::SaveCheckpoint;
        self.is_saved = true;
        Ok(Outcome::Saved(model))
    }
}

/// Telephone rate for recordings that have no more, else the usual rate for speech.
pub fn natural_rate(listing: &Listing) -> u32 {
    let rate = listing.files.iter().find_map(|file| Decoder::open(&file.path).ok()).map(|file| file.sample_rate_hz());
    if rate.is_some_and(|rate| rate <= 8_000) { 8_000 } else { 16_000 }
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
