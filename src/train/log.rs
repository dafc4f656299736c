//! The log of a run: one JSON object a line, for programs that draw or compare runs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::checkpoint::Score;
use super::spec::TrainSpec;
use crate::{Error, Result};

/// A line of the log. Other programs rely on its form.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line<'a> {
    /// The run begins, or goes on from a checkpoint: lines of later steps that stand above were undone.
    Begin {
        /// What was ordered.
        spec: &'a TrainSpec,
        /// Steps done before.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// What it learns to write.
        tokens: &'a [String],
    },
    /// A step was done.
    Step {
        /// Its number, from 1.
        step: u64,
        /// Its CTC loss.
        loss: f32,
        /// Norm of the gradient before clipping; none where it was not finite.
        #[serde(skip_serializing_if = "Option::is_none")]
        gradient_norm: Option<f32>,
        /// Its learning rate.
        learning_rate: f64,
    },
    /// An epoch was validated.
    Validated {
        /// Steps done.
        step: u64,
        /// How the network did; none without validation clips.
        #[serde(flatten)]
        score: Option<Score>,
        /// Whether it is the best so far, which is saved.
        is_best: bool,
    },
}

/// Appends to the log of a run. Each line is written at once, so that a kill loses none.
#[derive(Debug)]
pub struct RunLog {
    path: PathBuf,
    file: File,
}

impl RunLog {
    /// Opens the log at `path`: anew, or behind what is there.
    pub fn open(path: &Path, goes_on: bool) -> Result<Self> {
        let open = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            OpenOptions::new().create(true).write(true).append(goes_on).truncate(!goes_on).open(path)
        };
        let failed = |error| Error::io(format_args!("cannot write the log {}", path.display()), &error);
        Ok(Self { path: path.to_owned(), file: open().map_err(failed)? })
    }

    /// Writes a line.
    pub fn line(&mut self, line: &Line<'_>) -> Result<()> {
        let mut text = serde_json::to_string(line)
            .map_err(|error| Error::internal(format!("cannot write a line of the log: {error}")))?;
        text.push('\n');
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| Error::io(format_args!("cannot write the log {}", self.path.display()), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_json_and_a_run_that_goes_on_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine/log.jsonl");
        let spec = TrainSpec::new("mine", "demo");
        for (goes_on, expected) in [(false, 3), (true, 6), (false, 3)] {
            let mut log = RunLog::open(&path, goes_on).unwrap();
            log.line(&Line::Begin { spec: &spec, step: 0, steps: 25, tokens: &["a".into()] }).unwrap();
            log.line(&Line::Step { step: 1, loss: 2.5, gradient_norm: None, learning_rate: 1e-3 }).unwrap();
            let score = Some(Score { accuracy: 0.5, loss: 1.0 });
            log.line(&Line::Validated { step: 1, score, is_best: true }).unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), expected);
            assert_eq!((&lines[1]["type"], &lines[1]["loss"]), (&"step".into(), &2.5.into()));
            assert_eq!((&lines[2]["accuracy"], &lines[0]["spec"]["model_name"]), (&0.5.into(), &"mine".into()));
        }
    }
}
