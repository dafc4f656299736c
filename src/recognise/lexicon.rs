//! A list of words that may be heard and no others, as a tree of tokens.

use std::collections::BTreeMap;

use super::card::Card;
use super::decoding::Unit;
use crate::{Error, Result};

/// The place before any token of a word.
const ROOT: usize = 0;

/// The words that a search may find.
#[derive(Clone, Debug)]
pub struct Lexicon {
    nodes: Vec<Node>,
    /// The class between two words, where tokens are characters and the model has one for the blank.
    separator: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    next: BTreeMap<usize, usize>,
    is_word: bool,
}

/// Where in the tree the tokens so far may have led: in several places where one word begins with another.
pub type Places = Vec<usize>;

impl Lexicon {
    /// The words in `text`, one a line, in the tokens of the model with this card.
    ///
    /// Refuses an empty list and a word that the model cannot write, with its line.
    pub fn read(text: &str, card: &Card) -> Result<Self> {
        let class_of: BTreeMap<&str, usize> = card.tokens.iter().map(String::as_str).zip(1..).collect();
        let separator = (card.unit == Unit::Characters).then(|| class_of.get(" ").copied()).flatten();
        let mut lexicon = Self { nodes: vec![Node::default()], separator };
        for (line, word) in (1..).zip(text.lines()).map(|(line, word)| (line, word.trim())) {
            if word.is_empty() {
                continue;
            }
            let classes = classes(word, card.unit, &class_of).map_err(|unknown| {
                let name = &card.name;
                Error::invalid(format!(
                    "lexicon, line {line}: the model \"{name}\" cannot write \"{unknown}\" of \"{word}\""
                ))
            })?;
            lexicon.add(&classes);
        }
        if lexicon.nodes.len() == 1 {
            return Err(Error::invalid("the lexicon has no word: write one a line"));
        }
        Ok(lexicon)
    }

    fn add(&mut self, classes: &[usize]) {
        let mut at = ROOT;
        for &class in classes {
            let fresh = self.nodes.len();
            at = *self.nodes[at].next.entry(class).or_insert(fresh);
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].is_word = true;
    }

    /// Before the first token.
    pub fn start(&self) -> Places {
        vec![ROOT]
    }

    /// Where `class` leads from `places`; nowhere if no word goes on like that.
    pub fn after(&self, places: &[usize], class: usize) -> Places {
        let ends_word = places.iter().any(|&at| self.nodes[at].is_word);
        if self.separator == Some(class) && ends_word {
            return vec![ROOT];
        }
        // Without a class between words, the next one may begin behind each that ends.
        let begins = (self.separator.is_none() && ends_word).then_some(ROOT);
        let from = places.iter().copied().chain(begins.filter(|root| !places.contains(root)));
        from.filter_map(|at| self.nodes[at].next.get(&class).copied()).collect()
    }

    /// Whether the tokens may end at `places`.
    pub fn may_end(&self, places: &[usize]) -> bool {
        places.iter().any(|&at| at == ROOT || self.nodes[at].is_word)
    }
}

/// The classes that `word` is written with, or the part that there is none for.
fn classes(word: &str, unit: Unit, class_of: &BTreeMap<&str, usize>) -> Result<Vec<usize>, String> {
    let class = |token: &str| class_of.get(token).copied().ok_or_else(|| token.to_owned());
    match unit {
        Unit::Characters => word.to_lowercase().chars().map(|c| class(c.encode_utf8(&mut [0; 4]))).collect(),
        // One token, which may have blanks in it, or several.
        Unit::Words => class(word).map(|class| vec![class]).or_else(|_| word.split_whitespace().map(class).collect()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::dsp::mel::FeatureConfig;

    pub(in super::super) fn card(tokens: &[&str], unit: Unit) -> Card {
        let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
        Card { unit, ..Card::words("test", tokens, FeatureConfig::speech(8_000)) }
    }

    fn accepts(lexicon: &Lexicon, classes: &[usize]) -> bool {
        let places = classes.iter().fold(lexicon.start(), |places, &class| lexicon.after(&places, class));
        lexicon.may_end(&places)
    }

    #[test]
    fn characters_make_words_with_blanks_between() {
        let lexicon = Lexicon::read("ab\n\n a \n", &card(&[" ", "a", "b"], Unit::Characters)).unwrap();
        for (classes, is_fine) in [
            (&[][..], true),
            (&[2], true),
            (&[2, 3], true),
            (&[2, 3, 1, 2], true),
            (&[3], false),
            (&[2, 2], false),
            (&[2, 1], true),
            (&[1], false),
            (&[2, 3, 2], false),
        ] {
            assert_eq!(accepts(&lexicon, classes), is_fine, "{classes:?}");
        }
    }

    #[test]
    fn words_follow_each_other_and_phrases_are_rows_of_them() {
        let lexicon = Lexicon::read(
            "turn on\nstop\nturn left now",
            &card(&["turn on", "stop", "turn", "left", "now"], Unit::Words),
        )
        .unwrap();
        for (classes, is_fine) in [
            (&[1][..], true),
            (&[1, 2, 1], true),
            (&[3], false),
            (&[3, 4, 5, 2], true),
            (&[3, 4], false),
            (&[4], false),
        ] {
            assert_eq!(accepts(&lexicon, classes), is_fine, "{classes:?}");
        }
    }

    #[test]
    fn what_cannot_be_written_is_named_with_its_line() {
        let card = card(&["a", "b"], Unit::Characters);
        let message = |text: &str| Lexicon::read(text, &card).unwrap_err().message;
        assert!(message("ab\nac").contains("line 2: the model \"test\" cannot write \"c\" of \"ac\""));
        assert!(message("\n\n").contains("no word"));
    }
}
