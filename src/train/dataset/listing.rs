//! Finding a dataset and listing its files, before any of them is read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::survey::{ADVICE, folder_name, sub_folders, wordless};
use super::{Form, Item, Said, Skipped, Spelling, Split, Survey, spelt};
use crate::{Error, Result};

/// A sound file of a dataset, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedFile {
    /// The file.
    pub path: PathBuf,
    /// From where to where, in seconds; the whole file without it.
    pub span_secs: Option<(f64, f64)>,
    /// Index into [`Listing::labels`]; `None` for background sound.
    pub label: Option<usize>,
    /// What the file may be used for.
    pub split: Split,
    /// The set that it comes from: those scanned in their order, then those added as background.
    pub set: usize,
}

/// The files of one or several datasets.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing {
    /// The folder's name; several are joined with `+`.
    pub name: String,
    /// Label names of all datasets, or their texts, sorted.
    pub labels: Vec<String>,
    /// How texts are made of characters, where the sets have transcripts.
    pub spelling: Option<Spelling>,
    /// All sound files, sorted by label and path.
    pub files: Vec<ListedFile>,
    /// What the sets name and cannot be used.
    pub skipped: Vec<Skipped>,
}

/// The folder of the dataset `name_or_path`: a folder's path, or the name of a folder in one of `known_folders`.
pub fn find(name_or_path: &str, known_folders: &[PathBuf]) -> Result<PathBuf> {
    if name_or_path.trim().is_empty() {
        return Err(Error::invalid("the dataset has no name: give a known name or a folder's path"));
    }
    let given = Path::new(name_or_path);
    let is_plain_name = given.components().count() == 1 && !given.has_root() && !name_or_path.starts_with('.');
    let known = known_folders.iter().filter(|_| is_plain_name).map(|folder| folder.join(given));
    if let Some(found) = known.chain([given.to_path_buf()]).find(|path| path.is_dir()) {
        return Ok(found);
    }
    if given.exists() {
        return Err(Error::invalid(format!(
            "the dataset {name_or_path} is a file: give the folder that has one sub-folder for each label"
        )));
    }
    let names = known_names(known_folders);
    let known = if names.is_empty() { String::new() } else { format!(" (known names: {})", names.join(", ")) };
    Err(Error::not_found(format!(
        "the dataset {name_or_path} does not exist: give a known name or a folder's path{known}"
    )))
}

/// The names of all datasets in `known_folders`; what begins with `_` has no labels and is none.
pub fn known_names(known_folders: &[PathBuf]) -> Vec<String> {
    let folders = known_folders.iter().flat_map(|folder| sub_folders(folder).unwrap_or_default());
    let names: BTreeSet<String> = folders.filter(|name| !name.starts_with('_')).collect();
    names.into_iter().collect()
}

impl Listing {
    /// Lists the datasets at `roots`; labels of the same name are one label.
    ///
    /// Refuses folders without labels or sound files and sets of one label only, since nothing can be learnt from them,
    /// and labels beside texts.
    pub fn scan(roots: &[PathBuf]) -> Result<Self> {
        let surveys = roots.iter().map(|root| Survey::of(root)).collect::<Result<Vec<_>>>()?;
        let name = joined_name(roots);
        let items = || surveys.iter().flat_map(|survey| &survey.items);
        let has_texts = items().any(|item| matches!(item.said, Said::Text(_)));
        if has_texts && items().any(|item| matches!(item.said, Said::Label(_))) {
            return Err(Error::invalid(format!(
                "the dataset {name} has texts beside labels, which cannot be learnt together: train two models"
            )));
        }
        let labels: BTreeSet<String> = items().filter_map(|item| label_of(&item.said)).collect();
        let labels: Vec<String> = labels.into_iter().collect();
        let spelling = has_texts.then(|| Spelling::of(&labels)).transpose()?;
        if !has_texts {
            refuse_few(&name, &labels)?;
        }
        let of_sets =
            surveys.iter().enumerate().flat_map(|(set, survey)| survey.items.iter().map(move |item| (set, item)));
        let mut files: Vec<ListedFile> = of_sets
            .map(|(set, item)| ListedFile {
                path: item.path.clone(),
                span_secs: item.span_secs,
                label: label_of(&item.said).and_then(|label| labels.binary_search(&label).ok()),
                split: item.split,
                set,
            })
            .collect();
        // Stable: parts of one file stay in their order.
        files.sort_by(|a, b| (a.label, &a.path).cmp(&(b.label, &b.path)));
        if !files.iter().any(|file| file.label.is_some() && file.split == Split::Train) {
            return Err(Error::invalid(format!(
                "all clips of the dataset {name} fall into its validation and test splits: add more clips"
            )));
        }
        let skipped = surveys.into_iter().flat_map(|survey| survey.skipped).collect();
        Ok(Self { name, labels, spelling, files, skipped })
    }

    /// What a network learns to write: the labels or, where there are transcripts, their characters.
    pub fn tokens(&self) -> &[String] {
        self.spelling.as_ref().map_or(&self.labels, |spelling| &spelling.tokens)
    }

    /// Keeps the labels `words` only, with the background.
    ///
    /// Refuses a word that the datasets do not have, and sets with transcripts.
    pub fn keep(&mut self, words: &[String]) -> Result<()> {
        if self.spelling.is_some() {
            return Err(Error::invalid(format!("the dataset {} has texts: words cannot be chosen from it", self.name)));
        }
        if let Some(unknown) = words.iter().find(|word| !self.labels.contains(word)) {
            let labels = self.labels.join(", ");
            return Err(Error::not_found(format!("the dataset {} has no \"{unknown}\"; it has: {labels}", self.name)));
        }
        let kept: Vec<String> = self.labels.iter().filter(|label| words.contains(label)).cloned().collect();
        let places: Vec<Option<usize>> = self.labels.iter().map(|label| kept.binary_search(label).ok()).collect();
        self.files.retain_mut(|file| match file.label {
            None => true,
            Some(label) => {
                file.label = places[label];
                file.label.is_some()
            }
        });
        self.labels = kept;
        refuse_few(&self.name, &self.labels)
    }

    /// Adds the sound at `root` as background: in none of it is a word said. Left out is what the set there keeps for its
    /// test, so that false alarms can be counted on it, and a file whose label or name says one of the words. With `words_apart` what
    /// has a label is a set of its own, and so is heard as often as the rest, however long that is.
    pub fn add_background(&mut self, root: &Path, words_apart: bool) -> Result<()> {
        let words: Vec<String> = self.labels.iter().map(|label| slug(label)).collect();
        let says_a_word = |item: &Item| {
            let label = label_of(&item.said).unwrap_or_default();
            let name = slug(&format!("{label} {}", item.path.file_stem().unwrap_or_default().to_string_lossy()));
            words.iter().any(|word| name.contains(word))
        };
        let mut heard = wordless(root)?;
        heard.retain(|item| item.split != Split::Test && !says_a_word(item));
        let set = self.files.iter().map(|file| file.set).max().unwrap_or(0) + 1;
        let heard = heard.into_iter();
        self.files.extend(heard.map(|Item { path, span_secs, split, said, .. }| ListedFile {
            path,
            span_secs,
            label: None,
            split,
            set: set + usize::from(words_apart && label_of(&said).is_some()),
        }));
        Ok(())
    }

    /// Keeps at most `clips` of the clips to learn from, of each label as many as of the others, chosen by a hash of their
    /// names, so that all speakers have their share.
    pub fn limit(&mut self, clips: usize) {
        let mut learnt: Vec<_> = Vec::new();
        for (i, file) in self.files.iter().enumerate() {
            if let Some(label) = file.label.filter(|_| file.split == Split::Train) {
                let name = file.path.file_name().unwrap_or_default().to_string_lossy();
                learnt.push((label, *blake3::hash(name.as_bytes()).as_bytes(), i));
            }
        }
        learnt.sort_unstable();
        let ranked = learnt.chunk_by(|a, b| a.0 == b.0).flat_map(|of_label| of_label.iter().enumerate());
        let mut ranked: Vec<_> = ranked.map(|(rank, &(label, _, i))| (rank, label, i)).collect();
        ranked.sort_unstable();
        let dropped: BTreeSet<_> = ranked.into_iter().skip(clips).map(|(_, _, i)| i).collect();
        let mut i = 0..;
        self.files.retain(|_| i.next().is_some_and(|i| !dropped.contains(&i)));
    }

    /// Refuses, without looking into the label folders, what [`Self::scan`] would refuse for having fewer than two.
    pub fn check_folders(roots: &[PathBuf]) -> Result<()> {
        let mut labels = BTreeSet::new();
        for root in roots {
            match Form::detect(root)? {
                Form::Folders => labels.extend(sub_folders(root)?.into_iter().filter(|name| !name.starts_with('_'))),
                // A table is read at once.
                _ => return Self::scan(roots).map(drop),
            }
        }
        refuse_few(&joined_name(roots), &labels.into_iter().collect::<Vec<_>>())
    }
}

/// The label of what is said, or its text as it is spelt.
fn label_of(said: &Said) -> Option<String> {
    match said {
        Said::Label(label) => Some(label.clone()),
        Said::Text(text) => Some(spelt(text)),
        Said::Nothing => None,
    }
}

fn joined_name(roots: &[PathBuf]) -> String {
    roots.iter().map(|root| folder_name(root)).collect::<Vec<_>>().join("+")
}

/// Refuses labels that nothing can be learnt from.
pub fn refuse_few(name: &str, labels: &[String]) -> Result<()> {
    match labels {
        [] => Err(Error::invalid(format!("the dataset {name} has no labelled sound files: {ADVICE}"))),
        [only] => Err(Error::invalid(format!(
            "the dataset {name} has one label only ({only}): add a folder for at least one more label"
        ))),
        _ => Ok(()),
    }
}

/// The words of `text` in small letters, with a dash before, between and after them.
fn slug(text: &str) -> String {
    let lower = text.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
    words.fold("-".to_owned(), |slug, word| slug + word + "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn folder_with(files: &[impl AsRef<Path>]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn scan(files: &[impl AsRef<Path>]) -> Result<Listing> {
        let folder = folder_with(files);
        Listing::scan(&[folder.path().to_path_buf()])
    }

    #[test]
    fn labels_may_have_spaces_and_any_script() {
        let listing =
            scan(&["turn on/a_07.wav", "はい/b_08.FLAC", "いいえ/c_09.ogg", "はい/notes.txt", ".git/x.wav"]).unwrap();
        assert_eq!(listing.labels, ["turn on", "いいえ", "はい"]);
        assert_eq!(listing.files.len(), 3);
        assert_eq!(listing.files[0].label, Some(0));
    }

    #[test]
    fn a_limit_takes_as_many_of_each_label_and_leaves_what_is_not_learnt_from() {
        let names: Vec<_> =
            ["a", "b", "c"].iter().flat_map(|label| (5..15).map(move |n| format!("{label}/x_{n}.wav"))).collect();
        let mut listing = scan(&names.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
        let count = |listing: &Listing, is_learnt: bool| {
            let files = listing.files.iter().filter(|file| (file.split == Split::Train) == is_learnt);
            files.fold([0; 3], |mut counts, file| {
                counts[file.label.unwrap()] += 1;
                counts
            })
        };
        let others = count(&listing, false);
        listing.limit(7);
        assert_eq!((count(&listing, true), count(&listing, false)), ([3, 2, 2], others));
        listing.limit(100);
        assert_eq!(count(&listing, true), [3, 2, 2]);
    }

    #[test]
    fn folders_with_an_underscore_are_background() {
        let listing = scan(&["yes/a_07.wav", "no/b_08.wav", "_background_noise_/rain.wav"]).unwrap();
        assert_eq!(listing.labels, ["no", "yes"]);
        assert_eq!(listing.files.iter().filter(|file| file.label.is_none()).count(), 1);
    }

    #[test]
    fn another_sets_clips_are_background_without_its_test_split() {
        let mut listing = scan(&["yes/a_07.wav", "no/b_08.wav"]).unwrap();
        let other = folder_with(&["cat/x_02.wav", "cat/x_07.wav", "dog/x_08.wav", "dog/x_03.wav"]);
        listing.add_background(other.path(), false).unwrap();
        let added: Vec<_> = listing.files[2..].iter().map(|file| file.path.file_name().unwrap().to_str()).collect();
        assert_eq!(added, [Some("x_07.wav"), Some("x_08.wav")]);
        assert_eq!((listing.labels.len(), listing.files[2].label), (2, None));
        // What says one of the words, in its folder's name or its own, is no background.
        let speaking = folder_with(&["yes/z_07.wav", "well/oh-yes-of-course_08.wav", "well/yesterday_09.wav"]);
        let before = listing.files.len();
        listing.add_background(speaking.path(), false).unwrap();
        let added: Vec<_> =
            listing.files[before..].iter().map(|file| file.path.file_name().unwrap().to_str()).collect();
        assert_eq!(added, [Some("yesterday_09.wav")]);
        listing.files.truncate(before);
        let loose = folder_with(&(0..100).map(|at| format!("{at}.wav")).collect::<Vec<_>>());
        listing.add_background(loose.path(), false).unwrap();
        assert!((60..=95).contains(&(listing.files.len() - 4)), "{} files", listing.files.len());
        let none = folder_with(&[] as &[&str]);
        assert!(listing.add_background(none.path(), false).unwrap_err().message.contains("is empty"));
    }

    #[test]
    fn single_words_among_the_background_can_be_a_set_of_their_own() {
        let sentences: Vec<_> = (0..20).map(|at| format!("sentence-{at}.wav")).collect();
        let other = folder_with(&[&["cat/x_07.wav".to_owned(), "dog/x_08.wav".to_owned()], &sentences[..]].concat());
        for words_apart in [false, true] {
            let mut listing = scan(&["yes/a_07.wav", "no/b_08.wav"]).unwrap();
            listing.add_background(other.path(), words_apart).unwrap();
            let added = listing.files[2..].iter();
            let (sentences, words): (Vec<_>, Vec<_>) = added.partition(|file| file.path.parent() == Some(other.path()));
            assert!(sentences.len() > 9 && sentences.iter().all(|file| file.set == 1));
            assert!(words.len() == 2 && words.iter().all(|file| file.set == 1 + usize::from(words_apart)));
        }
    }

    #[test]
    fn several_datasets_share_their_labels_and_keep_their_splits() {
        let (first, second) =
            (folder_with(&["one/a_00.wav", "two/a_09.wav"]), folder_with(&["two/x.wav", "three/y.wav"]));
        let listing = Listing::scan(&[first.path().to_path_buf(), second.path().to_path_buf()]).unwrap();
        assert_eq!(listing.labels, ["one", "three", "two"]);
        assert_eq!(listing.files.iter().find(|file| file.path.ends_with("one/a_00.wav")).unwrap().split, Split::Test);
        assert_eq!(listing.files.iter().filter(|file| file.label == Some(2)).count(), 2);
    }

    #[test]
    fn unusable_folders_are_named_with_what_to_do() {
        let message = |files: &[&str]| scan(files).unwrap_err().message;
        assert!(message(&[]).contains("is empty: make one folder for each label"));
        assert!(message(&["a.wav"]).contains("is empty"));
        assert!(message(&["one/a.wav"]).contains("one label only (one)"));
        assert!(message(&["_noise/a.wav"]).contains("no labelled sound files"));
        assert!(message(&["one/a_00.wav", "two/a_01.wav"]).contains("add more clips"));
        let missing = find("no-such-set", &[]).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NotFound);
        assert!(missing.message.contains("no-such-set does not exist"));
    }

    #[test]
    fn names_are_looked_up_in_the_known_folders() {
        let known = folder_with(&["demo/one/a.wav"]);
        let folders = [known.path().to_path_buf()];
        assert_eq!(find("demo", &folders).unwrap(), known.path().join("demo"));
        let path = known.path().join("demo").display().to_string();
        assert_eq!(find(&path, &[]).unwrap(), known.path().join("demo"));
        assert!(find("other", &folders).unwrap_err().message.contains("known names: demo"));
        assert!(find(&format!("{path}/one/a.wav"), &[]).unwrap_err().message.contains("is a file"));
    }
}
