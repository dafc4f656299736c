//! What the engine does about learning.

use super::Engine;
use crate::{
    Result, Text,
    train::{
        teach::handle::Teacher,
        trainer::{TrainSpec, TrainerHandle, TrainingIntent},
    },
};

impl Engine {
    /// The trainer.
    pub fn trainer(&self) -> &TrainerHandle {
        &self.shared.trainer
    }

    /// Who teaches new words.
    pub fn teacher(&self) -> &Teacher {
        &self.shared.teacher
    }

    /// Asks something of the trainer.
    pub fn command_training(&self, intent: TrainingIntent) -> Result<()> {
        let trainer = &self.shared.trainer;
        match intent {
            TrainingIntent::Start(spec) => trainer.start(spec).map(drop),
            TrainingIntent::StartInTurn(spec) => trainer.start_in_turn(spec).map(drop),
            TrainingIntent::Pause => trainer.pause(),
            TrainingIntent::Resume => trainer.resume(),
            TrainingIntent::Stop => trainer.stop(),
            TrainingIntent::Throttle(throttle) => trainer.throttle(throttle).map(drop),
        }
    }

    /// Starts a training run and says its name.
    pub fn start_training(&self, spec: TrainSpec) -> Result<Text> {
        self.shared.trainer.start(spec)
    }
}
