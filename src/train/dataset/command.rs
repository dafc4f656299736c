//! The command `seseragi dataset check`.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use super::{Joining, check, find, join};
use crate::models::ModelStore;
use crate::train::batch::low_priority_pool;
use crate::train::trainer::places;
use crate::{Error, Result};

/// What can be done with a dataset.
#[derive(Subcommand, Clone, Debug)]
pub enum DatasetCommand {
    /// Read a dataset whole and tell what it holds and what is wrong with it
    Check(CheckArgs),
    /// Join clips with labels to streams with transcripts, to learn texts from
    Join(JoinArgs),
}

/// What `seseragi dataset check` takes.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// A known name (such as demo) or a folder: one sub-folder for each label, ESC-50, LJSpeech, JSUT, Common Voice, or
    /// recordings with Audacity label tracks
    #[arg(value_name = "PATH")]
    pub dataset: String,
    /// Threads to read on
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// What `seseragi dataset join` takes.
#[derive(Args, Clone, Debug)]
pub struct JoinArgs {
    /// A known name or a folder of clips with labels; its test clips are left alone
    #[arg(value_name = "PATH")]
    pub dataset: String,
    /// The folder to make, in the form of LJSpeech
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Streams to make
    #[arg(long, default_value_t = 2_000)]
    pub streams: usize,
    /// Length of the longest streams, seconds
    #[arg(long, default_value_t = 5.0)]
    pub secs: f32,
    /// Decides words and gaps
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Does what `command` says and prints it on standard output.
pub fn run(command: &DatasetCommand, models: ModelStore) -> Result<()> {
    match command {
        DatasetCommand::Check(args) => run_check(args, models),
        DatasetCommand::Join(args) => {
            let root = find(&args.dataset, &places(models)?.datasets)?;
            let joining = Joining { streams: args.streams, secs: args.secs, seed: args.seed };
            let words = join(&root, &args.out, joining)?;
            // A reader that went away is no error of ours.
            writeln!(std::io::stdout(), "{words} words in {} streams in {}", args.streams, args.out.display()).ok();
            Ok(())
        }
    }
}

fn run_check(args: &CheckArgs, models: ModelStore) -> Result<()> {
    let root = find(&args.dataset, &places(models)?.datasets)?;
    let is_quiet = args.json || !std::io::stderr().is_terminal();
    let bar = if is_quiet { ProgressBar::hidden() } else { ProgressBar::new(0) };
    let done = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let report = low_priority_pool("dataset", args.threads)?.install(|| check(&root, &done))?;
    bar.finish_and_clear();
    let text = match args.json {
        true => serde_json::to_string(&report)
            .map_err(|error| Error::internal(format!("cannot write the report as JSON: {error}")))?,
        false => report.to_string(),
    };
    // A reader that went away is no error of ours.
    writeln!(std::io::stdout(), "{text}").ok();
    Ok(())
}
