//! `seseragi train`, `seseragi evaluate` and `seseragi dataset`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use super::output::Stop;
use crate::{
    models::ModelStore,
    train::{
        command::{self, EvaluateArgs, TrainArgs},
        dataset::command::{self as dataset, DatasetCommand},
        teach::command::{self as teach, TeachArgs},
    },
};

/// Trains until the end or until the user interrupts it, which keeps a checkpoint.
pub(super) fn train(args: &TrainArgs) -> Result<(), Stop> {
    Ok(command::train(args, ModelStore::standard()?, &interruption())?)
}

/// Teaches a word.
pub(super) fn teach(args: &TeachArgs) -> Result<(), Stop> {
    Ok(teach::teach(args, ModelStore::standard()?, &interruption())?)
}

/// Turns true when the user interrupts the program.
fn interruption() -> Arc<AtomicBool> {
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let flag = is_interrupted.clone();
    // Without the handler an interrupt ends the program at once; the checkpoint of the last epoch is kept all the same.
    let _ = ctrlc::set_handler(move || flag.store(true, Relaxed));
    is_interrupted
}

/// Tells how well a model does.
pub(super) fn evaluate(args: &EvaluateArgs) -> Result<(), Stop> {
    Ok(command::evaluate(args, ModelStore::standard()?)?)
}

/// Tells what a dataset holds.
pub(super) fn dataset(command: &DatasetCommand) -> Result<(), Stop> {
    Ok(dataset::run(command, ModelStore::standard()?)?)
}
