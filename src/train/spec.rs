//! What is to be trained.

use serde::{Deserialize, Serialize};

use super::backend::Backend;
use crate::recognise::sizes::Size;
use crate::{Error, Result};

/// The set of speech that every training of words hears, to learn what is none of them.
pub const OTHER_SPEECH: &str = "_other_speech";

/// An order for a training run; the JSON body of `POST /api/train/start`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainSpec {
    /// Name of the model to make, and of the run.
    pub model_name: String,
    /// A known dataset's name or a folder's path.
    pub dataset_name: String,
    /// More datasets to learn from at the same time; labels of the same name are one label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_datasets: Vec<String>,
    /// Sets or folders of sound in which none of the words is said, to learn to stay silent; what a set keeps for its test
    /// is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub background: Vec<String>,
    /// Sets of words that are learnt to be told from those of the datasets, and never shown: a network that knows other words takes
    /// fewer of them for its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fillers: Vec<String>,
    /// Whether words are learnt without the other speech that ships with the program ([`OTHER_SPEECH`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_other_speech: bool,
    /// Epochs to train.
    #[serde(default = "default_epochs")]
    pub epochs: u32,
    /// Scenes of six seconds in a step.
    #[serde(default = "default_batch_size")]
    pub batch_size: u32,
    /// Highest learning rate; 0.002 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Decides the first weights and every scene.
    #[serde(default)]
    pub seed: u64,
    /// Goes on from the run's checkpoint, if there is one.
    #[serde(default)]
    pub resume_from_checkpoint: bool,
    /// The run whose checkpoint it goes on from instead of its own; `RUN@STEP` for an older one that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specific_checkpoint: Option<String>,
    /// Learns from at most so many clips, of each label as many as of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_samples: Option<usize>,
    /// Epochs without a better validation after which the run ends early; it goes to its end when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience_epochs: Option<u32>,
    /// Rate that the model hears; when absent 8000 Hz for recordings of at most that rate, else 16000 Hz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_rate_hz: Option<u32>,
    /// How large the network is.
    #[serde(default, skip_serializing_if = "Size::is_usual")]
    pub size: Size,
    /// What the steps are computed on.
    #[serde(default, skip_serializing_if = "Backend::is_usual")]
    pub backend: Backend,
    /// The model that it begins with: weights, sizes and features are its, words that it does not know are new to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// Learns these labels only; all where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
    /// Whether every lane takes the model at once when it is done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub takes_over: bool,
}

fn default_epochs() -> u32 {
    20
}

fn default_batch_size() -> u32 {
    16
}

impl TrainSpec {
    /// A run with the default settings.
    pub fn new(model_name: impl Into<String>, dataset_name: impl Into<String>) -> Self {
        Self {
            model_name: model_name.into(),
            dataset_name: dataset_name.into(),
            more_datasets: Vec::new(),
            background: Vec::new(),
            fillers: Vec::new(),
            no_other_speech: false,
            epochs: default_epochs(),
            batch_size: default_batch_size(),
            learning_rate: None,
            seed: 0,
            resume_from_checkpoint: false,
            specific_checkpoint: None,
            limit_samples: None,
            patience_epochs: None,
            sample_rate_hz: None,
            size: Size::default(),
            backend: Backend::default(),
            base_model: None,
            words: Vec::new(),
            takes_over: false,
        }
    }

    /// Refuses values that cannot be trained with, naming the field and what is allowed.
    pub fn validate(&self) -> Result<()> {
        crate::models::check_name(&self.model_name)?;
        let wrong = |field: &str, value: &dyn std::fmt::Display, allowed: &str| {
            Err(Error::invalid(format!("{field} is {value}; allowed is {allowed}")))
        };
        if !(1..=10_000).contains(&self.epochs) {
            return wrong("epochs", &self.epochs, "1 to 10000");
        }
        if !(1..=256).contains(&self.batch_size) {
            return wrong("batch_size", &self.batch_size, "1 to 256 scenes");
        }
        if let Some(rate) = self.learning_rate.filter(|rate| !(1e-7..=1.0).contains(rate)) {
            return wrong("learning_rate", &rate, "1e-7 to 1, or none for the default");
        }
        let run = self.specific_checkpoint.as_deref().map(|name| name.split('@').next().unwrap_or(name));
        for name in run.iter().copied().chain(self.base_model.as_deref()) {
            crate::models::check_name(name)?;
        }
        if self.limit_samples == Some(0) {
            return wrong("limit_samples", &0, "1 or more clips, or none for all");
        }
        if let Some(patience) = self.patience_epochs.filter(|patience| *patience == 0) {
            return wrong("patience_epochs", &patience, "at least 1, or none to train to the end");
        }
        if let Some(rate) = self.sample_rate_hz.filter(|rate| !(4_000..=48_000).contains(rate)) {
            return wrong("sample_rate_hz", &rate, "4000 to 48000 Hz, or none to follow the dataset");
        }
        Ok(())
    }

    /// All datasets that are named.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.dataset_name.as_str()).chain(self.more_datasets.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contract_of_the_api_is_read() {
        let spec: TrainSpec = serde_json::from_str(
            r#"{"model_name": "mine", "dataset_name": "demo", "epochs": 3, "batch_size": 4, "learning_rate": 0.001}"#,
        )
        .unwrap();
        assert_eq!((spec.epochs, spec.batch_size, spec.learning_rate), (3, 4, Some(0.001)));
        assert!(!spec.resume_from_checkpoint);
        assert!(serde_json::from_str::<TrainSpec>(r#"{"model_name": "a", "dataset_name": "b", "epoch": 3}"#).is_err());
        let text = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<TrainSpec>(&text).unwrap(), spec);
    }

    #[test]
    fn impossible_values_are_named_with_what_is_allowed() {
        let good = TrainSpec::new("mine", "demo");
        good.validate().unwrap();
        let message = |change: fn(&mut TrainSpec)| {
            let mut spec = good.clone();
            change(&mut spec);
            spec.validate().unwrap_err().message
        };
        assert_eq!(message(|spec| spec.epochs = 0), "epochs is 0; allowed is 1 to 10000");
        assert!(message(|spec| spec.batch_size = 0).contains("1 to 256"));
        assert!(message(|spec| spec.learning_rate = Some(f64::NAN)).contains("learning_rate is NaN"));
        assert!(message(|spec| spec.patience_epochs = Some(0)).contains("patience_epochs is 0"));
        assert!(message(|spec| spec.sample_rate_hz = Some(10)).contains("4000 to 48000"));
        assert!(message(|spec| spec.model_name = "../x".into()).contains("is no model name"));
    }
}
