//! The command `seseragi teach`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Args;

use super::{Lesson, TaughtClips};
use crate::Result;
use crate::models::ModelStore;
use crate::train::command::drive;
use crate::train::trainer::places;

/// What `seseragi teach` takes.
#[derive(Args, Clone, Debug)]
pub struct TeachArgs {
    /// The new word
    #[arg(value_name = "WORD")]
    pub word: String,
    /// Sound files of it, 3 to 10 as a rule; none where it was taught before
    #[arg(value_name = "CLIP")]
    pub clips: Vec<PathBuf>,
    /// The model that learns it
    #[arg(long, value_name = "NAME", default_value = "digits")]
    pub model: String,
    /// The name of the model that is saved (default: that of the model with -taught)
    #[arg(long, value_name = "NAME")]
    pub out: Option<String>,
    /// A dataset with the words that the model knows, so that it does not forget them (default: what it was trained on)
    #[arg(long, value_name = "DATASET")]
    pub rehearse: Vec<String>,
    /// Threads to compute on
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// One JSON object a progress update on standard output
    #[arg(long)]
    pub json: bool,
}

/// Keeps the clips and teaches the word.
pub fn teach(args: &TeachArgs, models: ModelStore, is_interrupted: &Arc<AtomicBool>) -> Result<()> {
    let places = places(models.clone())?;
    let clips = TaughtClips::new(&places)?;
    for path in &args.clips {
        clips.add_file(&args.word, path)?;
    }
    let lesson = Lesson {
        word: args.word.clone(),
        model: args.model.clone(),
        save_as: args.out.clone(),
        rehearse: args.rehearse.clone(),
    };
    drive(lesson.spec(&places)?, models, args.threads, args.json, is_interrupted)
}
