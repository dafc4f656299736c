//! Transcripts as rows of characters.

use std::collections::BTreeSet;

use crate::{Error, Result};

/// How the texts of a dataset are made of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelling {
    /// The characters, sorted.
    pub tokens: Vec<String>,
    /// The classes of each text: indices into `tokens` plus one.
    pub classes: Vec<Vec<usize>>,
    /// The class of the blank between words, where texts have more than one.
    pub space: Option<usize>,
}

impl Spelling {
    /// The spelling of `texts`, which [`spelt`] has made.
    ///
    /// Refuses texts of fewer than two different characters, since nothing can be learnt from them.
    pub fn of(texts: &[String]) -> Result<Self> {
        let characters: BTreeSet<char> = texts.iter().flat_map(|text| text.chars()).collect();
        let characters: Vec<char> = characters.into_iter().collect();
        if characters.len() < 2 {
            return Err(Error::invalid(
                "the texts have fewer than two different letters: nothing can be learnt from them",
            ));
        }
        let class_of = |c: char| characters.binary_search(&c).ok().map(|index| index + 1);
        Ok(Self {
            tokens: characters.iter().map(char::to_string).collect(),
            classes: texts.iter().map(|text| text.chars().filter_map(class_of).collect()).collect(),
            space: class_of(' '),
        })
    }
}

/// A text as it is learnt: small letters, digits and apostrophes, and one blank for whatever else stands between them.
/// Signs are not to be heard.
pub fn spelt(text: &str) -> String {
    let kept = text.to_lowercase().replace(|c: char| !c.is_alphanumeric() && c != '\'', " ");
    kept.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_small_letters_with_single_blanks() {
        assert_eq!(spelt("  It's Dr. \"No\" —\tagain!"), "it's dr no again");
        assert_eq!(spelt("水を、マレーシアから。"), "水を マレーシアから");
        assert_eq!(spelt("…!?"), "");
    }

    #[test]
    fn classes_are_the_places_of_the_characters() {
        let spelling = Spelling::of(&["ab".into(), "b a".into()]).unwrap();
        assert_eq!(spelling.tokens, [" ", "a", "b"]);
        assert_eq!(spelling.classes, [vec![2, 3], vec![3, 1, 2]]);
        assert_eq!(spelling.space, Some(1));
        assert_eq!(Spelling::of(&["ab".into()]).unwrap().space, None);
        assert!(Spelling::of(&["aaa".into()]).unwrap_err().message.contains("fewer than two different letters"));
    }
}
