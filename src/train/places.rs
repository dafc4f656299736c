//! Where runs find and leave things: models, datasets, and a folder a run with its checkpoints and its log.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use super::checkpoint::{Checkpoint, Position};
use super::dataset::ClipCache;
use crate::models::{ModelStore, check_name};
use crate::recognise::card::civil_date;
use crate::{Error, Result};

/// The newest checkpoint of a run.
const NEWEST: &str = "checkpoint.safetensors";
/// Older ones are named after the steps done.
const OLDER: &str = "step-";
/// Checkpoints of a run that are kept, the newest one included.
const KEPT: usize = 3;

/// Where runs find and leave things.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where the models go.
    pub models: ModelStore,
    /// Folders whose sub-folders are known datasets.
    pub datasets: Vec<PathBuf>,
    /// Where checkpoints are kept, one folder a run.
    pub runs: PathBuf,
}

/// A checkpoint in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckpointInfo {
    /// What it is called where one is asked for: the run, and for older ones `@` and the steps.
    pub name: String,
    /// The epoch under way, from 1.
    pub epoch: u32,
    /// Steps done.
    pub step: u64,
    /// Day on which it was written, `YYYY-MM-DD`.
    pub date: String,
    /// Seconds since 1970 at which it was written.
    pub unix_secs: u64,
    /// Size of its file.
    pub bytes: u64,
    /// The best share of validation clips read right so far.
    pub accuracy: Option<f64>,
    /// BLAKE3 hash of its file.
    pub blake3: String,
}

impl Places {
    /// Where clips are kept as they were decoded, beside the runs.
    pub fn clip_cache(&self) -> ClipCache {
        ClipCache::new(self.runs.with_file_name("clips"))
    }

    /// Where the newest checkpoint of the run `name` is kept.
    pub fn checkpoint_of(&self, name: &str) -> PathBuf {
        self.folder(name).join(NEWEST)
    }

    /// Where the log of the run `name` is kept.
    pub fn log_of(&self, name: &str) -> PathBuf {
        self.folder(name).join("log.jsonl")
    }

    /// The checkpoint called `name`: `RUN`, or `RUN@STEP` for an older one.
    ///
    /// Fails when there is none; the message lists those of the run.
    pub fn load_checkpoint(&self, name: &str) -> Result<Checkpoint> {
        let (run, step) = name.split_once('@').map_or((name, None), |(run, step)| (run, Some(step)));
        check_name(run)?;
        let path = match step {
            None => self.checkpoint_of(run),
            Some(step) => {
                let step = step
                    .parse::<u64>()
                    .map_err(|_| Error::invalid(format!("\"{name}\" is no checkpoint: write RUN or RUN@STEP")))?;
                self.folder(run).join(older(step))
            }
        };
        Checkpoint::load(&path)?.ok_or_else(|| {
            let known: Vec<String> = self.files(run).into_iter().map(|(name, _)| name).collect();
            let known = if known.is_empty() {
                "that run has none".to_owned()
            } else {
                format!("there are: {}", known.join(", "))
            };
            Error::not_found(format!("there is no checkpoint \"{name}\"; {known}"))
        })
    }

    /// Keeps the newest checkpoint of the run `name` under the steps it has done, before another one takes its place, and deletes
    /// the oldest of more than some.
    pub fn retain_checkpoint(&self, name: &str, step: u64) -> Result<()> {
        let (newest, kept) = (self.checkpoint_of(name), self.folder(name).join(older(step)));
        if newest.is_file() && !kept.is_file() {
            // A second name of the same file, so that at no time there is none.
            fs::hard_link(&newest, &kept)
                .or_else(|_| fs::copy(&newest, &kept).map(drop))
                .map_err(|error| Error::io(format_args!("cannot keep the checkpoint {}", kept.display()), &error))?;
        }
        let files = self.files(name);
        for (_, path) in files.iter().skip(1).rev().take(files.len().saturating_sub(KEPT)) {
            fs::remove_file(path)
                .map_err(|error| Error::io(format_args!("cannot delete the checkpoint {}", path.display()), &error))?;
        }
        Ok(())
    }

    /// Deletes what an earlier run of the name `name` left beside its newest checkpoint: another one begins.
    pub fn clear_older(&self, name: &str) -> Result<()> {
        for (name, path) in self.files(name).into_iter().filter(|(name, _)| name.contains('@')) {
            fs::remove_file(&path)
                .map_err(|error| Error::io(format_args!("cannot delete the checkpoint {name}"), &error))?;
        }
        Ok(())
    }

    /// The names of the runs that have a checkpoint, and when each was written.
    pub fn checkpoints(&self) -> Vec<(String, SystemTime)> {
        let folders = fs::read_dir(&self.runs).into_iter().flatten().flatten();
        let named = folders.map(|folder| folder.file_name().to_string_lossy().into_owned());
        let mut found: Vec<_> = named
            .filter_map(|name| {
                let written = self.checkpoint_of(&name).metadata().and_then(|metadata| metadata.modified());
                Some((name, written.ok()?))
            })
            .collect();
        found.sort();
        found
    }

    /// All checkpoints of all runs, or why one cannot be read.
    pub fn describe_checkpoints(&self) -> Vec<Result<CheckpointInfo>> {
        let runs = self.checkpoints();
        let files = runs.iter().flat_map(|(run, _)| self.files(run));
        files.map(|(name, path)| describe(name, &path)).collect()
    }

    /// Deletes the checkpoints and the log of a run. The model that it made stays.
    pub fn delete_run(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let folder = self.folder(name);
        if !folder.is_dir() {
            let runs: Vec<String> = self.checkpoints().into_iter().map(|(run, _)| run).collect();
            return Err(Error::not_found(format!("there is no run \"{name}\"; there are: {}", runs.join(", "))));
        }
        fs::remove_dir_all(&folder)
            .map_err(|error| Error::io(format_args!("cannot delete {}", folder.display()), &error))
    }

    /// The names of the known datasets.
    pub fn dataset_names(&self) -> Vec<String> {
        super::dataset::known_names(&self.datasets)
    }

    fn folder(&self, run: &str) -> PathBuf {
        self.runs.join(run)
    }

    /// The checkpoints of a run with their names, the newest first.
    fn files(&self, run: &str) -> Vec<(String, PathBuf)> {
        let folder = self.folder(run);
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut steps: Vec<u64> = entries.filter_map(|entry| step_of(entry.file_name().to_str()?)).collect();
        steps.sort_unstable_by(|a, b| b.cmp(a));
        let newest = folder.join(NEWEST);
        let newest = newest.is_file().then(|| (run.to_owned(), newest));
        let older = steps.into_iter().map(|step| (format!("{run}@{step}"), folder.join(older(step))));
        newest.into_iter().chain(older).collect()
    }
}

fn older(step: u64) -> String {
    format!("{OLDER}{step:08}.safetensors")
}

fn step_of(file_name: &str) -> Option<u64> {
    file_name.strip_prefix(OLDER)?.strip_suffix(".safetensors")?.parse().ok()
}

fn describe(name: String, path: &Path) -> Result<CheckpointInfo> {
    let failed = |error| Error::io(format_args!("cannot read the checkpoint {}", path.display()), &error);
    let bytes = fs::read(path).map_err(failed)?;
    let written = path.metadata().and_then(|metadata| metadata.modified()).map_err(failed)?;
    let unix_secs = written.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let position = Position::of_file(&bytes)
        .map_err(|error| Error::new(error.kind, format!("the checkpoint {}: {}", path.display(), error.message)))?;
    Ok(CheckpointInfo {
        name,
        epoch: position.epoch,
        step: position.step,
        date: civil_date(unix_secs),
        unix_secs,
        bytes: bytes.len() as u64,
        accuracy: position.best.map(|best| best.accuracy),
        blake3: blake3::hash(&bytes).to_hex().to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::checkpoint::Score;
    use crate::train::parameters::{AdamW, Parameters};
    use crate::train::spec::TrainSpec;
    use crate::train::test_data::places;

    fn checkpoint(step: u64) -> Checkpoint {
        let mut position = Position::new(TrainSpec::new("mine", "demo"), vec!["a".into(), "b".into()], 8_000);
        (position.step, position.epoch) = (step, step as u32 / 25);
        position.best = Some(Score { accuracy: 0.5, loss: 1.0 });
        Checkpoint { position, weights: Parameters::new(), optimiser: AdamW::default() }
    }

    #[test]
    fn the_newest_checkpoints_of_a_run_are_kept_listed_and_found() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        for step in [25, 50, 75, 100, 125] {
            places.retain_checkpoint("mine", step - 25).unwrap();
            checkpoint(step).save(&places.checkpoint_of("mine")).unwrap();
        }
        let infos: Vec<_> = places.describe_checkpoints().into_iter().map(Result::unwrap).collect();
        let listed: Vec<_> = infos.iter().map(|info| (info.name.as_str(), info.step, info.epoch)).collect();
        assert_eq!(listed, [("mine", 125, 5), ("mine@100", 100, 4), ("mine@75", 75, 3)]);
        assert!(infos[0].bytes > 0 && infos[0].blake3.len() == 64 && infos[0].accuracy == Some(0.5));
        assert_eq!(places.load_checkpoint("mine").unwrap().position.step, 125);
        assert_eq!(places.load_checkpoint("mine@75").unwrap().position.step, 75);
        let message = |name: &str| places.load_checkpoint(name).unwrap_err().message;
        assert!(message("mine@50").contains("there are: mine, mine@100, mine@75"));
        assert!(message("other").contains("that run has none"));
        assert!(message("mine@x").contains("RUN or RUN@STEP"));
        places.delete_run("mine").unwrap();
        assert_eq!(places.describe_checkpoints().len(), 0);
        assert!(places.delete_run("mine").unwrap_err().message.contains("no run \"mine\""));
    }

    #[test]
    fn a_damaged_checkpoint_is_told_and_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        checkpoint(25).save(&places.checkpoint_of("fine")).unwrap();
        fs::create_dir_all(folder.path().join("runs/bad")).unwrap();
        fs::write(places.checkpoint_of("bad"), b"no checkpoint").unwrap();
        let found = places.describe_checkpoints();
        assert!(found[0].as_ref().unwrap_err().message.contains("damaged"));
        assert_eq!(found[1].as_ref().unwrap().name, "fine");
    }
}
