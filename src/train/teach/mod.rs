//! Teaching: a few clips of a new word become recognisable without the old words being forgotten.
//!
//! The new word's clips lie in the dataset `taught`, a folder a word. A lesson is a short run that begins with the weights of a
//! model and hears the new clips among those that the model was trained on; without these the network would forget.

pub mod clips;
pub mod command;
mod cut;
pub mod handle;
pub mod mirror;

pub use clips::{TaughtClip, TaughtClips, TaughtWord};
pub use cut::utterances;

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::dataset::{Said, Survey, find};
use super::run::Places;
use super::spec::TrainSpec;
use crate::recognise::card::Card;
use crate::recognise::decoding::Unit;
use crate::{Error, Result};

/// Fewer clips of a word cannot be told from chance.
pub const FEWEST_CLIPS: usize = 3;
/// Clips of each old word that are heard again.
const CLIPS_PER_WORD: usize = 60;
/// Epochs of a lesson: with those clips about seven hundred steps.
const EPOCHS: u32 = 30;
/// Highest learning rate: half of that of a first training, since most is known already.
const LEARNING_RATE: f64 = 1e-3;
/// What the name of a model that was taught ends in.
const SUFFIX: &str = "-taught";

/// An order to teach a word of which clips are there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lesson {
    /// The word.
    pub word: String,
    /// The model that learns it.
    pub model: String,
    /// The name under which the result is saved; that of the model with `-taught` when absent.
    #[serde(default)]
    pub save_as: Option<String>,
    /// Datasets with the model's words; those that it was trained on when there are none.
    #[serde(default)]
    pub rehearse: Vec<String>,
}

impl Lesson {
    /// A lesson for `model` with nothing else said.
    pub fn new(word: impl Into<String>, model: impl Into<String>) -> Self {
        Self { word: word.into(), model: model.into(), save_as: None, rehearse: Vec::new() }
    }

    /// The run that this lesson is.
    ///
    /// Refuses a word of too few clips, a model that is not there or writes characters, and a model whose words are nowhere to
    /// be heard again; the message says what to do.
    pub fn spec(&self, places: &Places) -> Result<TrainSpec> {
        let clips = TaughtClips::new(places)?;
        let have = clips.count(&self.word)?;
        if have < FEWEST_CLIPS {
            return Err(Error::invalid(format!(
                "there are {have} clips of \"{}\": give at least {FEWEST_CLIPS}, said as differently as it may be said",
                self.word
            )));
        }
        let base = places.models.load(&self.model)?;
        let card = base.card();
        if card.unit != Unit::Words {
            let model = &self.model;
            return Err(Error::invalid(format!(
                "the model \"{model}\" writes characters; words are taught to one of words"
            )));
        }
        let mut datasets = match self.rehearse.is_empty() {
            true => rehearsal(places, card)?,
            false => self.rehearse.clone(),
        };
        datasets.retain(|name| *name != clips::DATASET);
        let mut words = card.tokens.clone();
        if !words.contains(&self.word) {
            words.push(self.word.clone());
        }
        let limit_samples = Some(CLIPS_PER_WORD * words.len());
        datasets.push(clips::DATASET.to_owned());
        let (first, more) = datasets.split_first().ok_or_else(|| Error::internal("a lesson without a dataset"))?;
        let name = self.save_as.clone().unwrap_or_else(|| match self.model.ends_with(SUFFIX) {
            true => self.model.clone(),
            false => format!("{}{SUFFIX}", self.model),
        });
        Ok(TrainSpec {
            more_datasets: more.to_vec(),
            epochs: EPOCHS,
            learning_rate: Some(LEARNING_RATE),
            seed: card.seed,
            base_model: Some(self.model.clone()),
            words,
            limit_samples,
            takes_over: true,
            ..TrainSpec::new(name, first)
        })
    }
}

/// Where the words of a model can be heard again: the datasets of the run that made it, else the known datasets that have them all.
fn rehearsal(places: &Places, card: &Card) -> Result<Vec<String>> {
    if let Ok(Some(checkpoint)) = Checkpoint::load(&places.checkpoint_of(&card.name)) {
        let datasets: Vec<String> = checkpoint.position.spec.datasets().map(str::to_owned).collect();
        if datasets.iter().all(|name| find(name, &places.datasets).is_ok()) {
            return Ok(datasets);
        }
    }
    let has_all = |name: &String| {
        let survey = find(name, &places.datasets).and_then(|root| Survey::of(&root));
        survey.is_ok_and(|survey| {
            let has = |token: &String| survey.items.iter().any(|item| item.said == Said::Label(token.clone()));
            card.tokens.iter().all(has)
        })
    };
    let known: Vec<String> = places.dataset_names().into_iter().filter(has_all).collect();
    if !known.is_empty() {
        return Ok(known);
    }
    Err(Error::not_found(format!(
        "the words of \"{}\" ({}) are in no known dataset, and without hearing them again they would be forgotten: \
         name one that has them",
        card.name,
        card.tokens.join(", ")
    )))
}

#[cfg(test)]
mod tests;
