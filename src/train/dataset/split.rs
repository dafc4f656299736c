//! Which clips are learnt from, which choose the best model, and which are kept for the test.

use std::collections::HashSet;
use std::path::Path;

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The part of a dataset that a clip belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Learnt from.
    Train,
    /// Chooses the best model; never learnt from.
    Validation,
    /// Kept for [`evaluate`](crate::train::evaluate); never seen in training.
    Test,
}

impl Split {
    /// Tenths by a hash of `name`, that of a file or a speaker: 0 to 6 train, 7 validation, 8 and 9 test.
    pub fn of_name(name: &str) -> Self {
        match tenth(name) {
            0..=6 => Self::Train,
            7 => Self::Validation,
            _ => Self::Test,
        }
    }
}

/// How a dataset is split.
///
/// Whatever the rule, a clip's split depends on its own name alone, so adding files moves no other file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitRule {
    /// The set's own `testing_list.txt` and `validation_list.txt`, one `label/file` a line, as Google's Speech Commands
    /// brings them. What neither names is train.
    Lists {
        /// Names in `testing_list.txt`.
        testing: HashSet<String>,
        /// Names in `validation_list.txt`.
        validation: HashSet<String>,
    },
    /// Every file is named `{speaker}_{index}`, as in the Free Spoken Digit Dataset: indices 0 to 4 are its official
    /// test set, and a tenth of the rest (by hash) is validation.
    SpeakerIndex,
    /// [`Split::of_name`] of the file name.
    Hash,
}

impl SplitRule {
    /// The rule for the dataset at `root` whose files have the names `stems` (without extension): its own lists when it
    /// has them, the official split of `{speaker}_{index}` names when all are such, else the hash.
    pub fn detect<'a>(root: &Path, mut stems: impl Iterator<Item = &'a str>) -> Result<Self> {
        let lists = (read_list(&root.join("testing_list.txt"))?, read_list(&root.join("validation_list.txt"))?);
        Ok(match lists {
            (None, None) if stems.all(|stem| speaker_and_index(stem).is_some()) => Self::SpeakerIndex,
            (None, None) => Self::Hash,
            (testing, validation) => {
                Self::Lists { testing: testing.unwrap_or_default(), validation: validation.unwrap_or_default() }
            }
        })
    }

    /// The split of the clip `file_name` (with extension) in the folder `label`.
    pub fn split(&self, label: &str, file_name: &str) -> Split {
        let stem = file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem);
        match self {
            Self::Lists { testing, validation } => {
                let name = format!("{label}/{file_name}");
                if testing.contains(&name) {
                    Split::Test
                } else if validation.contains(&name) {
                    Split::Validation
                } else {
                    Split::Train
                }
            }
            Self::SpeakerIndex => match speaker_and_index(stem) {
                Some((_, index)) if index < 5 => Split::Test,
                _ if tenth(file_name) == 7 => Split::Validation,
                _ => Split::Train,
            },
            Self::Hash => Split::of_name(file_name),
        }
    }
}

/// The speaker and the index in a name such as `george_07`, or `None` when the name has another form.
pub fn speaker_and_index(stem: &str) -> Option<(&str, u32)> {
    let (speaker, index) = stem.rsplit_once('_')?;
    let form = !speaker.is_empty() && index.len() == 2 && index.bytes().all(|byte| byte.is_ascii_digit());
    form.then(|| index.parse().ok().map(|index| (speaker, index)))?
}

/// The tenth (0 to 9) that a file name falls into.
///
/// What follows `_nohash_` is left out: by Speech Commands' convention such names are takes of one speaker, who must not
/// be in two splits.
pub fn tenth(file_name: &str) -> u8 {
    let name = file_name.split("_nohash_").next().unwrap_or(file_name);
    let hash = blake3::hash(name.as_bytes());
    let mut word = [0; 8];
    word.copy_from_slice(&hash.as_bytes()[..8]);
    (u64::from_le_bytes(word) % 10) as u8
}

fn read_list(path: &Path) -> Result<Option<HashSet<String>>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io(format_args!("cannot read the split list {}", path.display()), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_have_their_official_split() {
        let rule = SplitRule::detect(Path::new("/nowhere"), ["george_00", "lucas_49"].into_iter()).unwrap();
        assert_eq!(rule, SplitRule::SpeakerIndex);
        for index in 0..5 {
            assert_eq!(rule.split("one", &format!("george_{index:02}.wav")), Split::Test);
        }
        let rest: Vec<Split> = (5..50)
            .flat_map(|index| ["george", "jackson", "lucas"].map(|speaker| format!("{speaker}_{index:02}.wav")))
            .map(|name| rule.split("one", &name))
            .collect();
        assert!(!rest.contains(&Split::Test));
        let validation = rest.iter().filter(|&&split| split == Split::Validation).count();
        assert!((4..30).contains(&validation), "{validation} of {}", rest.len());
    }

    #[test]
    fn other_names_are_split_by_hash_in_tenths() {
        let names: Vec<String> = (0..5_000).map(|index| format!("clip-{index}.flac")).collect();
        let rule = SplitRule::detect(Path::new("/nowhere"), ["clip-1", "george_07"].into_iter()).unwrap();
        assert_eq!(rule, SplitRule::Hash);
        let share = |wanted| names.iter().filter(|name| rule.split("x", name) == wanted).count() as f32 / 5_000.0;
        assert!((share(Split::Train) - 0.7).abs() < 0.03);
        assert!((share(Split::Validation) - 0.1).abs() < 0.02);
        assert!((share(Split::Test) - 0.2).abs() < 0.03);
    }

    #[test]
    fn one_speakers_takes_stay_together() {
        assert_eq!(tenth("0a7c2a8d_nohash_0.wav"), tenth("0a7c2a8d_nohash_3.wav"));
    }

    #[test]
    fn a_sets_own_lists_win() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("testing_list.txt"), "yes/a.wav\n\nno/b.wav\n").unwrap();
        std::fs::write(folder.path().join("validation_list.txt"), "yes/c.wav\n").unwrap();
        let rule = SplitRule::detect(folder.path(), ["a_01", "b_02"].into_iter()).unwrap();
        assert_eq!(rule.split("yes", "a.wav"), Split::Test);
        assert_eq!(rule.split("no", "a.wav"), Split::Train);
        assert_eq!(rule.split("yes", "c.wav"), Split::Validation);
    }

    #[test]
    fn names_of_another_form_are_no_speaker_and_index() {
        assert_eq!(speaker_and_index("espeak_f3_07"), Some(("espeak_f3", 7)));
        for stem in ["george", "_07", "george_7", "george_007", "george_ab", ""] {
            assert_eq!(speaker_and_index(stem), None, "{stem}");
        }
    }
}
