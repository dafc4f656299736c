//! Training in the background: datasets, augmentation, loss, runs, checkpoints, evaluation.

pub mod augment;
pub mod backend;
pub mod batch;
pub mod calibrate;
pub mod checkpoint;
pub mod command;
pub mod dataset;
pub mod evaluate;
pub mod handle;
pub mod hard_negatives;
pub mod log;
pub mod loss;
pub mod mirror;
pub mod parameters;
pub mod places;
mod probe;
pub mod progress;
pub mod rng;
pub mod run;
pub mod spec;
mod start;
pub mod step;
pub mod teach;
pub mod throttle;
pub mod trainer;
mod training;
pub mod validate;

#[cfg(test)]
pub(crate) mod test_data;
