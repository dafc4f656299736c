//! A model's card, and the model: card and network together.

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::module::Module;
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::beam::BeamSearch;
use super::decoding::{Decoding, Unit};
use super::model::{ModelConfig, Network};
use super::sizes::{self, Size};
use super::weights;
use crate::dsp::mel::FeatureConfig;
use crate::{Error, Result};

/// The version of cards that this program writes. Every earlier one must stay readable.
pub const CARD_VERSION: u32 = 3;

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Version of this form, [`CARD_VERSION`].
    pub version: u32,
    /// The model's name, also that of its folder.
    pub name: String,
    /// Day on which it was made, `YYYY-MM-DD`.
    pub created: String,
    /// Seed of the run that made it.
    pub seed: u64,
    /// The words or characters it knows. Class 0 of the network is the blank, class `i + 1` is token `i`.
    pub tokens: Vec<String>,
    /// Other words that it tells from its own and never shows ("fillers": Rohlicek et al., "Continuous hidden Markov modeling for
    /// speaker-independent word spotting", 1989). Their classes follow those of the tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fillers: Vec<String>,
    /// What a token is.
    #[serde(default, skip_serializing_if = "Unit::is_words")]
    pub unit: Unit,
    /// How sound becomes feature frames.
    pub features: FeatureConfig,
    /// The network's sizes.
    pub model: ModelConfig,
    /// How outputs become words.
    pub decoding: Decoding,
    /// What it was trained on.
    pub data: Vec<DataSource>,
    /// Licence of the weights, with what it asks of those who pass them on.
    pub licence: String,
    /// Figures by name, such as `validation_token_error_rate`.
    pub metrics: BTreeMap<String, f64>,
    /// BLAKE3 hash of the weights file in hexadecimal; checked on loading.
    pub weights_blake3: String,
}

/// A data set that a model was trained on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// Items of it that were used.
    pub items: u64,
}

impl Card {
    /// A card for an untrained network over `tokens` with the usual sizes; data, licence and metrics are empty.
    pub fn words(name: impl Into<String>, tokens: Vec<String>, features: FeatureConfig) -> Self {
        Self {
            version: CARD_VERSION,
            name: name.into(),
            created: civil_date(0),
            seed: 0,
            model: ModelConfig::words(&features, tokens.len()),
            decoding: Decoding::words(tokens.len()),
            features,
            tokens,
            fillers: Vec::new(),
            unit: Unit::Words,
            data: Vec::new(),
            licence: String::new(),
            metrics: BTreeMap::new(),
            weights_blake3: String::new(),
        }
    }

    /// As [`Self::words`], over characters.
    pub fn characters(name: impl Into<String>, tokens: Vec<String>, features: FeatureConfig) -> Self {
        Self {
            unit: Unit::Characters,
            model: sizes::config(Unit::Characters, Size::M, features.bands, tokens.len()),
            decoding: Decoding::characters(tokens.len()),
            ..Self::words(name, tokens, features)
        }
    }

    /// Says what is wrong with the card, if anything is.
    pub fn validate(&self) -> Result<()> {
        let fail = |what: String| Err(Error::invalid(format!("card of model \"{}\": {what}", self.name)));
        if self.version == 0 || self.version > CARD_VERSION {
            let version = self.version;
            return fail(format!(
                "version is {version}; this program reads 1 to {CARD_VERSION}, a newer one may read it"
            ));
        }
        let (tokens, fillers) = (self.tokens.len(), self.fillers.len());
        if tokens + fillers != self.model.tokens || tokens != self.decoding.thresholds.len() {
            let (model, thresholds) = (self.model.tokens, self.decoding.thresholds.len());
            return fail(format!(
                "{tokens} tokens and {fillers} fillers, but model.tokens is {model} and there are {thresholds} thresholds"
            ));
        }
        if self.features.bands != self.model.bands {
            let (bands, model) = (self.features.bands, self.model.bands);
            return fail(format!("features.bands is {bands}, but model.bands is {model}"));
        }
        let mut seen = std::collections::BTreeSet::new();
        let is_empty = |token: &str| token.is_empty() || (self.unit.is_words() && token.trim().is_empty());
        if let Some(bad) = self.outputs().find(|token| is_empty(token) || !seen.insert(token.as_str())) {
            return fail(format!("token \"{bad}\" is empty or there twice"));
        }
        if let Some(bad) = self.decoding.thresholds.iter().find(|t| !(0.0..=1.0).contains(*t)) {
            return fail(format!("a threshold is {bad}, allowed are 0 to 1"));
        }
        if !(0.01..=100.0).contains(&self.decoding.temperature) {
            return fail(format!("temperature is {}, allowed are 0.01 to 100", self.decoding.temperature));
        }
        for (name, secs) in [("endpoint_secs", self.decoding.endpoint_secs), ("repeat_secs", self.decoding.repeat_secs)]
        {
            if !(0.0..=10.0).contains(&secs) {
                return fail(format!("{name} is {secs}, allowed are 0 to 10"));
            }
        }
        self.features.validate().and_then(|()| self.model.validate()).or_else(|e| fail(e.message))
    }

    /// What the network's outputs after the blank stand for: the tokens, then the fillers.
    pub fn outputs(&self) -> impl Iterator<Item = &String> {
        self.tokens.iter().chain(&self.fillers)
    }

    /// Reads a card from RON text.
    pub fn from_ron(text: &str) -> Result<Self> {
        let card: Self =
            ron::from_str(text).map_err(|e| Error::invalid(format!("line {}: {}", e.span.start, e.code)))?;
        card.validate()?;
        Ok(card)
    }

    /// Writes the card as RON text.
    pub fn to_ron(&self) -> Result<String> {
        ron::ser::to_string_pretty(self, ron::ser::PrettyConfig::default())
            .map(|text| text + "\n")
            .map_err(|e| Error::internal(format!("cannot write the card of model \"{}\": {e}", self.name)))
    }
}

/// A network with its card, ready to recognise. Shared between lanes; each lane has its own state.
#[derive(Debug)]
pub struct Model {
    card: Card,
    network: Network,
    search: Option<Arc<BeamSearch>>,
}

impl Model {
    /// A model that is not in a store, such as one just being trained. Its network is copied off the autodiff device.
    pub fn new(card: Card, network: &Network) -> Result<Self> {
        let weights = network_to_bytes(network)?;
        let card = Card { weights_blake3: hash(&weights), ..card };
        Self::from_bytes(card, weights)
    }

    /// A model out of its card and the content of its weights file, which must have the card's hash.
    pub fn from_bytes(card: Card, weights: Vec<u8>) -> Result<Self> {
        card.validate()?;
        let fail = |what: String| Error::invalid(format!("weights of model \"{}\": {what}", card.name));
        let found = hash(&weights);
        if found != card.weights_blake3 {
            let expected = &card.weights_blake3;
            return Err(fail(format!(
                "their hash is {found}, the card says {expected}; the file is damaged, copy it anew"
            )));
        }
        let mut network = card.model.init(&Device::flex())?;
        let result = network
            .load_from(&mut SafetensorsStore::from_bytes(Some(weights::upgraded(weights))))
            .map_err(|e| fail(format!("they do not fit the card: {e}")))?;
        if !result.is_success() {
            return Err(fail(format!("they do not fit the card: {result}")));
        }
        Ok(Self { card, network: network.valid(), search: None })
    }

    /// The same model with one threshold for all tokens.
    pub fn with_thresholds(&self, threshold: f32) -> Result<Self> {
        let mut decoding = self.card.decoding.clone();
        decoding.thresholds.fill(threshold);
        self.with_decoding(decoding)
    }

    /// The same network, read in another way.
    pub fn with_decoding(&self, decoding: Decoding) -> Result<Self> {
        let card = Card { decoding, ..self.card.clone() };
        card.validate()?;
        Ok(Self { card, network: self.network.clone(), search: self.search.clone() })
    }

    /// The same model, whose segments are searched once they are over.
    pub fn with_search(&self, search: BeamSearch) -> Self {
        Self { card: self.card.clone(), network: self.network.clone(), search: Some(Arc::new(search)) }
    }

    /// How its segments are searched once they are over, if they are.
    pub fn search(&self) -> Option<Arc<BeamSearch>> {
        self.search.clone()
    }

    /// The content of the weights file: safetensors.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        network_to_bytes(&self.network)
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.card
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }
}

fn network_to_bytes(network: &Network) -> Result<Vec<u8>> {
    // Without metadata, whose order changes, equal networks give equal bytes and so equal hashes.
    let mut store = SafetensorsStore::from_bytes(None).clear_metadata();
    let fail = |e| Error::internal(format!("cannot write the weights: {e}"));
    network.valid().save_into(&mut store).map_err(fail)?;
    store.get_bytes().map_err(fail)
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The day of a time in seconds since 1970-01-01 UTC, as `YYYY-MM-DD`.
///
/// Counts in years that begin in March, so that the leap day is the last one (the "days from civil" method of Hinnant).
pub fn civil_date(unix_secs: u64) -> String {
    let days = unix_secs / 86_400 + 719_468; // Since 0000-03-01.
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A small model of random weights over `a`, `b`, `c`; the device's generator decides which.
    pub(crate) fn random_model(seed: u64) -> Model {
        let device = Device::flex();
        device.seed(seed);
        let mut card = Card::words("random", ["a", "b", "c"].map(String::from).to_vec(), FeatureConfig::speech(8_000));
        card.model.channels = 16;
        let network = card.model.init(&device).unwrap();
        Model::new(card, &network).unwrap()
    }

    #[test]
    fn a_model_survives_its_bytes() {
        let model = random_model(1);
        let bytes = model.to_bytes().unwrap();
        let card = Card::from_ron(&model.card().to_ron().unwrap()).unwrap();
        assert_eq!(&card, model.card());
        let again = Model::from_bytes(card.clone(), bytes.clone()).unwrap();
        let logits = |model: &Model| {
            let mut logits = Vec::new();
            let frames = vec![0.5; 40 * 40];
            model.network().step(&mut model.network().online_state(), &frames, &mut logits).unwrap();
            logits
        };
        assert_eq!(logits(&model), logits(&again));
        assert_eq!(again.to_bytes().unwrap(), bytes);
        assert_eq!(logits(&again).len(), 10 * 4);

        let mut damaged = bytes.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(Model::from_bytes(card.clone(), damaged).unwrap_err().message.contains("damaged"));
        let mut other = card;
        other.model.channels = 17;
        let error = Model::from_bytes(other, bytes).unwrap_err();
        assert!(error.message.contains("do not fit the card"), "{error}");
    }

    #[test]
    fn weights_that_are_no_safetensors_are_refused() {
        let mut card = random_model(1).card().clone();
        for bytes in [Vec::new(), b"no weights".to_vec(), vec![0xff; 64]] {
            card.weights_blake3 = hash(&bytes);
            let error = Model::from_bytes(card.clone(), bytes).unwrap_err();
            assert!(error.message.contains("do not fit the card"), "{error}");
        }
    }

    #[test]
    fn a_card_that_contradicts_itself_is_refused() {
        let good = random_model(1).card().clone();
        let message = |change: fn(&mut Card)| {
            let mut card = good.clone();
            change(&mut card);
            Card::from_ron(&card.to_ron().unwrap()).unwrap_err().message
        };
        assert!(message(|card| card.version = CARD_VERSION + 1).contains("a newer one may read it"));
        assert!(message(|card| card.decoding.temperature = 0.0).contains("temperature is 0"));
        assert!(message(|card| drop(card.tokens.pop())).contains("2 tokens and 0 fillers, but model.tokens is 3"));
        assert!(message(|card| card.fillers.push("d".into())).contains("3 tokens and 1 fillers"));
        assert!(message(|card| card.fillers.push(card.tokens.pop().unwrap())).contains("there are 3 thresholds"));
        assert!(message(|card| card.features.bands = 41).contains("features.bands is 41"));
        assert!(message(|card| card.tokens[1] = "a".into()).contains("there twice"));
        assert!(message(|card| card.decoding.thresholds[0] = 1.5).contains("threshold is 1.5"));
        assert!(message(|card| card.decoding.endpoint_secs = f64::NAN).contains("endpoint_secs is NaN"));
        assert!(message(|card| card.features.hop_samples = 0).contains("hop_samples is 0"));
        assert!(Card::from_ron("(version: 1,\n name: 3)").unwrap_err().message.starts_with("line 2"));
    }

    #[test]
    fn a_card_of_the_first_version_is_read() {
        let card = Card { version: 1, ..random_model(1).card().clone() };
        let text = card.to_ron().unwrap();
        let lines = text.lines().filter(|line| !line.contains("temperature:"));
        let old = lines.collect::<Vec<_>>().join("\n");
        assert!(old.len() < text.len() && old.contains("version: 1"));
        assert_eq!(Card::from_ron(&old).unwrap(), card);
    }

    #[test]
    fn dates_are_right() {
        for (unix_secs, date) in
            [(0, "1970-01-01"), (951_782_399, "2000-02-28"), (951_782_400, "2000-02-29"), (4_107_542_400, "2100-03-01")]
        {
            assert_eq!(civil_date(unix_secs), date);
        }
    }
}
