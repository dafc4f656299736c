//! `seseragi models` and `seseragi checkpoints`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Stop, complain, json_line, line, note, table};
use crate::{
    ErrorKind, Result,
    models::{ModelInfo, ModelStore},
    recognise::card::Card,
    train::{places::CheckpointInfo, trainer::places},
};

/// What `models` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct ModelsArgs {
    #[command(subcommand)]
    command: Option<ModelsCommand>,
    /// One JSON object a model
    #[arg(long)]
    json: bool,
}

/// What can be done with models.
#[derive(Clone, Debug, Subcommand)]
enum ModelsCommand {
    /// Give a model another name
    Rename {
        /// Its name
        from: String,
        /// The new one
        to: String,
    },
    /// Delete a model
    Delete {
        /// Its name
        name: String,
    },
    /// Write a model to a new folder: card.ron and weights.safetensors
    Export {
        /// Its name
        name: String,
        /// The folder to make
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Take a model from a folder with card.ron and weights.safetensors
    Import {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The name to give it (default: that on its card)
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
    },
}

/// What `checkpoints` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct CheckpointsArgs {
    #[command(subcommand)]
    command: Option<CheckpointsCommand>,
    /// One JSON object a checkpoint
    #[arg(long)]
    json: bool,
}

/// What can be done with checkpoints.
#[derive(Clone, Debug, Subcommand)]
enum CheckpointsCommand {
    /// Delete the checkpoints and the log of a run; its model stays
    Delete {
        /// The run
        run: String,
    },
}

/// A model in the list; other programs rely on the form of `--json`.
#[derive(Serialize)]
struct Listed {
    name: String,
    is_shipped: bool,
    path: String,
    bytes: u64,
    card: Card,
}

/// Lists the models, or does what is said with one. One that cannot be read is told on the standard error.
pub(super) fn models(args: &ModelsArgs) -> Result<(), Stop> {
    let store = ModelStore::standard()?;
    match &args.command {
        None => list(&store, args.json),
        Some(ModelsCommand::Rename { from, to }) => Ok(store.rename(from, to)?),
        Some(ModelsCommand::Delete { name }) => Ok(store.delete(name)?),
        Some(ModelsCommand::Export { name, out }) => Ok(store.export(name, out)?),
        Some(ModelsCommand::Import { folder, name }) => {
            note(&format!("imported as {}", store.import(folder, name.as_deref())?));
            Ok(())
        }
    }
}

fn list(store: &ModelStore, is_json: bool) -> Result<(), Stop> {
    let titles = ["NAME", "MADE ON", "STEPS", "VALIDATION", "SIZE", "HASH", "WHERE", "WRITES"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    let mut failed = None;
    for info in store.list() {
        let bytes = ModelStore::bytes(&info);
        let ModelInfo { name, path, is_shipped, card } = info;
        match card {
            Ok(card) if is_json => {
                json_line(&Listed { name, is_shipped, path: path.display().to_string(), bytes, card })?;
            }
            Ok(card) => {
                let place = if is_shipped { "shipped".to_owned() } else { path.display().to_string() };
                let metric = |name: &str| card.metrics.get(name).copied();
                let steps = metric("steps").map_or("–".into(), |steps| format!("{steps:.0}"));
                let right = percent(metric("validation_accuracy"));
                let hash = card.weights_blake3.chars().take(12).collect();
                rows.push(vec![name, card.created, steps, right, size(bytes), hash, place, card.tokens.join(" ")]);
            }
            Err(error) => {
                complain(&error);
                failed = Some(Stop::Told(error.kind));
            }
        }
    }
    if !is_json {
        table(&rows).iter().try_for_each(|row| line(row))?;
    }
    failed.map_or(Ok(()), Err)
}

/// Lists the checkpoints, or deletes those of a run. One that cannot be read is told on the standard error.
pub(super) fn checkpoints(args: &CheckpointsArgs) -> Result<(), Stop> {
    let places = places(ModelStore::standard()?)?;
    if let Some(CheckpointsCommand::Delete { run }) = &args.command {
        return Ok(places.delete_run(run)?);
    }
    let mut rows = vec![["NAME", "EPOCH", "STEP", "WRITTEN", "VALIDATION", "SIZE", "HASH"].map(str::to_owned).to_vec()];
    let mut failed: Option<ErrorKind> = None;
    for info in places.describe_checkpoints() {
        match info {
            Ok(info) if args.json => json_line(&info)?,
            Ok(CheckpointInfo { name, epoch, step, date, accuracy, bytes, blake3, .. }) => {
                let hash = blake3.chars().take(12).collect();
                rows.push(vec![name, epoch.to_string(), step.to_string(), date, percent(accuracy), size(bytes), hash]);
            }
            Err(error) => {
                complain(&error);
                failed = Some(error.kind);
            }
        }
    }
    if !args.json {
        table(&rows).iter().try_for_each(|row| line(row))?;
    }
    failed.map_or(Ok(()), |kind| Err(Stop::Told(kind)))
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{:.2} %", 100.0 * share))
}

fn size(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
