//! Checkpoints: everything a run needs to go on as if it had never ended.
//!
//! One safetensors file: the weights, their running mean, both moments of the optimiser, and the position as JSON in the file's metadata.
//! There is no generator to save: what a scene holds follows from seed, step and the hard negatives, which the position has.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{ErrorKind as IoKind, Write};
use std::path::Path;

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::hard_negatives::Stretch;
use super::parameters::{AdamW, Parameters, Values};
use super::spec::TrainSpec;
use crate::recognise::weights;
use crate::{Error, Result};

/// Version of the form that this program writes; every earlier one must stay readable.
///
/// 2 has the running mean of the weights; a run of version 1 goes on from its newest weights instead.
const VERSION: u32 = 2;

/// Metadata key of the position.
const POSITION: &str = "position";

/// Where a run stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// Version of this form.
    pub version: u32,
    /// What was ordered.
    pub spec: TrainSpec,
    /// What the network's outputs after the blank stand for: the model's tokens and fillers.
    pub labels: Vec<String>,
    /// The rate that the model hears.
    pub sample_rate_hz: u32,
    /// Steps done.
    pub step: u64,
    /// The best validation so far.
    pub best: Option<Score>,
    /// Updates of the optimiser.
    pub optimiser_updates: u64,
    /// Epochs since the best validation.
    #[serde(default)]
    pub epochs_since_best: u32,
    /// The epoch under way, from 1; 0 where an older program did not write it down.
    #[serde(default)]
    pub epoch: u32,
    /// Stretches of the background that are heard more often than the rest.
    #[serde(default)]
    pub hard_negatives: Vec<Stretch>,
}

/// How a network did on the validation clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of clips read right.
    pub accuracy: f64,
    /// Mean CTC loss of the clips, as they are and in noise.
    pub loss: f32,
}

impl Score {
    /// Whether this is better: by the loss, since of a few hundred clips one more or less that is right is chance.
    pub fn beats(&self, other: &Self) -> bool {
        self.loss < other.loss
    }
}

/// Everything a run needs to go on.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Where the run stands.
    pub position: Position,
    /// The network's parameters.
    pub weights: Parameters,
    /// The optimiser's state.
    pub optimiser: AdamW,
}

impl Position {
    /// A position at the start of a run.
    pub fn new(spec: TrainSpec, labels: Vec<String>, sample_rate_hz: u32) -> Self {
        Self {
            version: VERSION,
            spec,
            labels,
            sample_rate_hz,
            step: 0,
            best: None,
            optimiser_updates: 0,
            epochs_since_best: 0,
            epoch: 0,
            hard_negatives: Vec::new(),
        }
    }

    /// The position in the content of a checkpoint's file, without its tensors.
    pub fn of_file(bytes: &[u8]) -> Result<Self> {
        let damaged = |error: &dyn std::fmt::Display| Error::invalid(format!("it is damaged ({error})"));
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| damaged(&error))?;
        let position = header.metadata().as_ref().and_then(|metadata| metadata.get(POSITION));
        let position = position.ok_or_else(|| damaged(&"it has no position"))?;
        let version =
            serde_json::from_str::<serde_json::Value>(position).map_err(|error| damaged(&error))?["version"].as_u64();
        if version.is_none_or(|version| version == 0 || version > u64::from(VERSION)) {
            return Err(Error::invalid(format!("its version is not one that this program reads (1 to {VERSION})")));
        }
        serde_json::from_str(position).map_err(|error| damaged(&error))
    }
}

impl Checkpoint {
    /// Writes the checkpoint to `path`. Whatever happens meanwhile, the file holds the old or the new one whole.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_bytes()?;
        write_atomically(path, &bytes)
            .map_err(|error| Error::io(format_args!("cannot write the checkpoint {}", path.display()), &error))
    }

    /// Reads the checkpoint at `path`; `None` when there is none.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match fs::read(path) {
            Ok(bytes) => Self::from_bytes(&weights::upgraded(bytes)).map(Some).map_err(|error| {
                let message = format!("the checkpoint {}: {}; start afresh without it", path.display(), error.message);
                Error::new(error.kind, message)
            }),
            Err(error) if error.kind() == IoKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format_args!("cannot read the checkpoint {}", path.display()), &error)),
        }
    }

    fn to_bytes(&self) -> Result<Vec<u8>> {
        let failed = |error: String| Error::internal(format!("cannot write a checkpoint: {error}"));
        let AdamW { first, second, average, .. } = &self.optimiser;
        let groups = [("weights", &self.weights), ("first", first), ("second", second), ("average", average)];
        let mut views = Vec::new();
        for (group, parameters) in groups {
            for (name, Values { shape, values }) in parameters {
                let view = TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(values))
                    .map_err(|error| failed(error.to_string()))?;
                views.push((format!("{group}/{name}"), view));
            }
        }
        let position = Position { optimiser_updates: self.optimiser.updates, ..self.position.clone() };
        let position = serde_json::to_string(&position).map_err(|error| failed(error.to_string()))?;
        let metadata = HashMap::from([(POSITION.to_owned(), position)]);
        safetensors::serialize(views, Some(metadata)).map_err(|error| failed(error.to_string()))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let damaged = |error: &dyn std::fmt::Display| Error::invalid(format!("it is damaged ({error})"));
        let position = Position::of_file(bytes)?;
        let mut groups = HashMap::from([
            ("weights", Parameters::new()),
            ("first", Parameters::new()),
            ("second", Parameters::new()),
            ("average", Parameters::new()),
        ]);
        for (name, view) in SafeTensors::deserialize(bytes).map_err(|error| damaged(&error))?.tensors() {
            let group = name.split_once('/').and_then(|(group, name)| Some((groups.get_mut(group)?, name)));
            let Some((group, name)) = group.filter(|_| view.dtype() == Dtype::F32) else {
                return Err(damaged(&format_args!("unexpected tensor {name}")));
            };
            // Read byte by byte, since the file's bytes need not be aligned.
            let values =
                view.data().chunks_exact(4).map(|word| f32::from_le_bytes([word[0], word[1], word[2], word[3]]));
            group.insert(name.to_owned(), Values { shape: view.shape().to_vec(), values: values.collect() });
        }
        let mut take = |group| groups.remove(group).unwrap_or_default();
        let (weights, mut average) = (take("weights"), take("average"));
        if position.version == 1 {
            average.clone_from(&weights);
        }
        let (first, second, updates) = (take("first"), take("second"), position.optimiser_updates);
        let position = Position { version: VERSION, ..position };
        Ok(Self { weights, optimiser: AdamW { first, second, average, updates }, position })
    }
}

/// Writes a file beside `path`, syncs it and renames it over `path`.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let fresh = path.with_file_name(name);
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&fresh, path)).inspect_err(|_| {
        // What was begun may be left behind where even this fails; it is never read.
        fs::remove_file(&fresh).ok();
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint() -> Checkpoint {
        let parameters = |value: f32| {
            let values = Values { shape: vec![2, 3], values: vec![value, f32::MIN_POSITIVE, -0.0, 1e30, 0.1, value] };
            Parameters::from([("head.weight".to_owned(), values)])
        };
        let mut position = Position::new(TrainSpec::new("mine", "demo"), vec!["はい".into(), "turn on".into()], 8_000);
        position.step = 12;
        position.best = Some(Score { accuracy: 0.9, loss: 0.3 });
        position.optimiser_updates = 11;
        let (first, second, average) = (parameters(2.0), parameters(3.0), parameters(4.0));
        let optimiser = AdamW { first, second, average, updates: 11 };
        Checkpoint { position, weights: parameters(1.0), optimiser }
    }

    #[test]
    fn a_checkpoint_is_read_back_to_the_bit_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/mine/checkpoint.safetensors");
        assert_eq!(Checkpoint::load(&path).unwrap(), None);
        for _ in 0..2 {
            checkpoint().save(&path).unwrap();
            assert_eq!(Checkpoint::load(&path).unwrap().unwrap(), checkpoint());
        }
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_checkpoint_of_the_first_version_goes_on_from_its_weights() {
        let mut old = checkpoint();
        old.position.version = 1;
        old.optimiser.average.clear();
        let read = Checkpoint::from_bytes(&old.to_bytes().unwrap()).unwrap();
        assert_eq!((read.optimiser.average, read.position.version), (old.weights, VERSION));
    }

    #[test]
    fn damaged_and_newer_checkpoints_are_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        let message = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            Checkpoint::load(&path).unwrap_err().message
        };
        let whole = checkpoint().to_bytes().unwrap();
        assert!(message(&whole[..whole.len() / 2]).contains("damaged"));
        assert!(message(b"").contains("damaged"));
        let mut newer = checkpoint();
        newer.position.version = 99;
        let message = message(&newer.to_bytes().unwrap());
        assert!(message.contains("version") && message.contains("start afresh"), "{message}");
    }

    #[test]
    fn a_failed_write_leaves_the_old_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.safetensors");
        // A folder in the way of the rename.
        fs::create_dir_all(path.join("inside")).unwrap();
        assert!(checkpoint().save(&path).unwrap_err().message.contains("cannot write the checkpoint"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn better_means_less_loss() {
        let score = |accuracy, loss| Score { accuracy, loss };
        assert!(score(0.8, 0.1).beats(&score(0.9, 0.3)));
        assert!(!score(0.9, 0.2).beats(&score(0.9, 0.2)));
        assert!(!score(0.9, f32::NAN).beats(&score(0.8, 0.2)));
    }
}
