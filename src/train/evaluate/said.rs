//! What is said in the clips of a dataset, in the words that a model would write.

use crate::recognise::card::Card;
use crate::recognise::decoding::Unit;
use crate::train::dataset::{Dataset, spelt};
use crate::{Error, Result};

/// The words of each label of `dataset`.
///
/// Refuses what the model with this card cannot write: a label or a letter that it does not know, and texts where it knows
/// whole words only.
pub fn of(card: &Card, dataset: &Dataset) -> Result<Vec<Vec<String>>> {
    let name = &card.name;
    let refuse = |what: String| Err(Error::invalid(format!("the model \"{name}\" {what}")));
    match card.unit {
        Unit::Words if dataset.spelling.is_some() => {
            refuse(format!("writes words, and the dataset {} has texts: train one on texts", dataset.name))
        }
        Unit::Words => match dataset.labels.iter().find(|label| !card.tokens.contains(label)) {
            Some(unknown) => refuse(format!("does not know the label {unknown}: it knows {}", card.tokens.join(", "))),
            None => Ok(dataset.labels.iter().map(|label| vec![label.clone()]).collect()),
        },
        Unit::Characters => {
            let texts: Vec<String> = dataset.labels.iter().map(|label| spelt(label)).collect();
            let is_unknown = |c: &char| !c.is_whitespace() && !card.tokens.iter().any(|token| token.chars().eq([*c]));
            match texts.iter().find_map(|text| Some((text, text.chars().find(is_unknown)?))) {
                Some((text, unknown)) => refuse(format!("does not know the letter {unknown} of \"{text}\"")),
                None => Ok(texts.iter().map(|text| text.split_whitespace().map(str::to_owned).collect()).collect()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::mel::FeatureConfig;
    use crate::train::dataset::Spelling;

    fn dataset(labels: &[&str]) -> Dataset {
        Dataset { labels: labels.iter().map(|label| (*label).to_owned()).collect(), ..Dataset::default() }
    }

    fn card(tokens: &[&str], unit: Unit) -> Card {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        Card { unit, ..Card::words("mine", tokens, FeatureConfig::speech(8_000)) }
    }

    #[test]
    fn labels_are_words_or_are_spelt() {
        let labels = dataset(&["no", "turn on"]);
        let by_word = of(&card(&["no", "turn on"], Unit::Words), &labels).unwrap();
        assert_eq!(by_word, [vec!["no"], vec!["turn on"]]);
        let by_letter = of(&card(&[" ", "n", "o", "r", "t", "u"], Unit::Characters), &labels).unwrap();
        assert_eq!(by_letter, [vec!["no"], vec!["turn", "on"]]);
    }

    #[test]
    fn what_a_model_cannot_write_is_named() {
        let message = |card: &Card, dataset: &Dataset| of(card, dataset).unwrap_err().message;
        assert!(message(&card(&["no"], Unit::Words), &dataset(&["no", "yes"])).contains("does not know the label yes"));
        let letters = card(&["n", "o"], Unit::Characters);
        assert!(message(&letters, &dataset(&["no", "yes"])).contains("does not know the letter y of \"yes\""));
        let mut texts = dataset(&["no yes"]);
        texts.spelling = Some(Spelling::of(&texts.labels).unwrap());
        assert!(message(&card(&["no"], Unit::Words), &texts).contains("has texts"));
    }
}
