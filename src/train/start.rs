//! What a run begins with: the card of its model, and a network that is untrained or begins with what another has learnt.

use std::collections::HashMap;

use burn::tensor::Device;

use super::backend::Backend;
use super::dataset::{Dataset, Split};
use super::parameters::{self, Parameters, Values};
use super::spec::TrainSpec;
use crate::dsp::mel::FeatureConfig;
use crate::recognise::card::{Card, DataSource, Model, civil_date};
use crate::recognise::model::{ModelConfig, Network};
use crate::recognise::sizes;
use crate::{Error, Result};

/// The parameters of the read-out, one column a class.
const HEAD: [&str; 2] = ["head.weight", "head.bias"];

/// The card of the model that `spec` makes of `dataset`: with `base`'s features and sizes, or the usual ones.
pub fn card(spec: &TrainSpec, dataset: &Dataset, base: Option<&Model>) -> Card {
    let (name, tokens) = (spec.model_name.as_str(), dataset.tokens().to_vec());
    let features =
        base.map_or_else(|| FeatureConfig::speech(dataset.sample_rate_hz), |base| base.card().features.clone());
    let mut card = match dataset.spelling {
        None => Card::words(name, tokens, features),
        Some(_) => Card::characters(name, tokens, features),
    };
    card.fillers.clone_from(&dataset.fillers);
    let outputs = card.outputs().count();
    card.model = match base {
        Some(base) => ModelConfig { tokens: outputs, ..base.card().model.clone() },
        None => sizes::config(card.unit, spec.size, card.features.bands, outputs),
    };
    card.created = civil_date(std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs()));
    card.seed = spec.seed;
    card.licence = "as its data".into();
    card.data = base.map_or_else(Vec::new, |base| base.card().data.clone());
    card.data.push(DataSource {
        name: dataset.name.clone(),
        source: "a folder of recordings".into(),
        licence: "not stated".into(),
        items: dataset.split(Split::Train).count() as u64,
    });
    card
}

/// The network that a run of `seed` begins with, on a device with autodiff. Its values do not depend on the device.
pub fn network(card: &Card, base: Option<&Model>, seed: u64, backend: Backend) -> Result<Network> {
    let network = match base {
        Some(base) => carried_over(card, base, seed)?,
        None => {
            let device = Device::flex().autodiff();
            device.seed(seed);
            card.model.init(&device)?
        }
    };
    if backend == Backend::Cpu {
        return Ok(network);
    }
    let there = card.model.init(&backend.device()?.autodiff())?;
    parameters::write(there, &parameters::read(&network))
}

/// The network of `card`, which has `base`'s features and sizes, on a device with autodiff: the encoder is `base`'s, and
/// so is the read-out of the blank and of every token or filler that both know. Others begin with the random weights of `seed`.
///
/// Fails when the card's sizes are not those of `base`.
fn carried_over(card: &Card, base: &Model, seed: u64) -> Result<Network> {
    let old = base.card();
    if card.unit != old.unit {
        return Err(Error::invalid(format!(
            "the model \"{}\" writes {:?} and the dataset has {:?}: name another model to begin with",
            old.name, old.unit, card.unit
        )));
    }
    if card.features != old.features || card.model != (ModelConfig { tokens: card.model.tokens, ..old.model.clone() }) {
        return Err(Error::invalid(format!("the model \"{}\" has other features or sizes", old.name)));
    }
    let device = Device::flex().autodiff();
    device.seed(seed);
    let network = card.model.init(&device)?;
    let (fresh, mut learnt) = (parameters::read(&network), parameters::read(base.network()));
    let column_of: HashMap<&str, usize> = old.outputs().map(String::as_str).zip(1..).collect();
    // The blank first, as in every network.
    let columns: Vec<Option<usize>> =
        std::iter::once(Some(0)).chain(card.outputs().map(|token| column_of.get(token.as_str()).copied())).collect();
    for name in HEAD {
        let head = joined(&fresh, &learnt, name, &columns)
            .ok_or_else(|| Error::internal(format!("the network has no parameter {name}")))?;
        learnt.insert(name.to_owned(), head);
    }
    parameters::write(network, &learnt)
}

/// The parameter `name` of `fresh`, with the columns that `learnt` has in their place.
fn joined(fresh: &Parameters, learnt: &Parameters, name: &str, columns: &[Option<usize>]) -> Option<Values> {
    let (fresh, learnt) = (fresh.get(name)?, learnt.get(name)?);
    let old_columns = *learnt.shape.last()?;
    let mut values = fresh.values.clone();
    for (row, old) in values.chunks_exact_mut(columns.len()).zip(learnt.values.chunks_exact(old_columns)) {
        for (slot, column) in row.iter_mut().zip(columns) {
            *slot = column.and_then(|column| old.get(column)).copied().unwrap_or(*slot);
        }
    }
    Some(Values { shape: fresh.shape.clone(), values })
}

#[cfg(test)]
mod tests {
    use burn::module::Module;

    use super::*;
    use crate::recognise::card::tests::random_model;

    fn card(base: &Model, tokens: &[&str]) -> Card {
        let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
        let mut card = Card::words("mine", tokens.clone(), base.card().features.clone());
        card.model = ModelConfig { tokens: tokens.len(), ..base.card().model.clone() };
        card
    }

    /// The scores of class `class` on some features.
    fn scores(network: &Network, class: usize) -> Vec<f32> {
        let mut logits = Vec::new();
        let frames: Vec<f32> = (0..40 * 40).map(|at| (at as f32 * 0.7).sin()).collect();
        network.step(&mut network.online_state(), &frames, &mut logits).unwrap();
        logits.chunks_exact(logits.len() / 10).map(|row| row[class]).collect()
    }

    #[test]
    fn known_words_sound_as_before_at_their_new_places_and_new_ones_are_random() {
        let base = random_model(1);
        // The base knows a, b and c.
        let network = carried_over(&card(&base, &["c", "new", "a"]), &base, 7).unwrap();
        let network = network.valid();
        for (now, before) in [(0, 0), (1, 3), (3, 1)] {
            assert_eq!(scores(&network, now), scores(base.network(), before), "class {now}");
        }
        assert!((1..4).all(|before| scores(&network, 2) != scores(base.network(), before)));
        let other_seed = carried_over(&card(&base, &["c", "new", "a"]), &base, 8).unwrap().valid();
        assert_ne!(scores(&network, 2), scores(&other_seed, 2));
    }

    #[test]
    fn other_sizes_are_refused() {
        let base = random_model(1);
        let mut card = card(&base, &["a", "b"]);
        card.model.channels += 1;
        assert!(carried_over(&card, &base, 1).unwrap_err().message.contains("other features or sizes"));
    }
}
