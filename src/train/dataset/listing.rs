//! Finding a dataset and listing its files, before any of them is read.

use std::collections::{BTreeMap, BTreeSet};
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
    /// Index into [`Listing::labels`] or, beyond their end, [`Listing::fillers`]; `None` for background sound.
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
    /// Other words, which are learnt to be told from the labels.
    pub fillers: Vec<String>,
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
        Ok(Self { name, labels, fillers: Vec::new(), spelling, files, skipped })
    }

    /// What a network learns to write: the labels or, where there are transcripts, their characters.
    pub fn tokens(&self) -> &[String] {
        self.spelling.as_ref().map_or(&self.labels, |spelling| &spelling.tokens)
    }

    /// What a network's outputs stand for, after the blank: the tokens and the fillers.
    pub fn outputs(&self) -> Vec<String> {
        [self.tokens(), &self.fillers].concat()
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

    /// Adds the words of the dataset at `root` that are no labels as fillers; where some are `known`, these only. Their validation
    /// clips are background that is held back, and tell how often a label is heard in other words.
    ///
    /// Refuses sets with transcripts, to either of the two, and a set without words unless some are known.
    pub fn add_fillers(&mut self, root: &Path, known: Option<&[String]>) -> Result<()> {
        let items = wordless(root)?;
        let name = folder_name(root);
        if self.spelling.is_some() || items.iter().any(|item| matches!(item.said, Said::Text(_))) {
            return Err(Error::invalid(format!("\"{name}\" cannot be fillers: only words are learnt beside words")));
        }
        let words: BTreeSet<String> = items.iter().filter_map(|item| label_of(&item.said)).collect();
        if words.is_empty() && known.is_none() {
            return Err(Error::invalid(format!("\"{name}\" has no words to be fillers: {ADVICE}")));
        }
        let is_wanted = |word: &String| known.is_none_or(|known| known.contains(word));
        let is_new = |word: &String| is_wanted(word) && !self.labels.contains(word) && !self.fillers.contains(word);
        let new: Vec<String> = words.into_iter().filter(is_new).collect();
        self.fillers.extend(new);
        let label_of_word: BTreeMap<&str, usize> =
            self.fillers.iter().map(String::as_str).zip(self.labels.len()..).collect();
        let set = self.files.iter().map(|file| file.set).max().unwrap_or(0) + 1;
        for Item { path, span_secs, split, said, .. } in items {
            let word = label_of(&said).filter(is_wanted);
            let Some(&label) = word.and_then(|word| label_of_word.get(word.as_str())) else { continue };
            let label = match split {
                Split::Train => Some(label),
                Split::Validation => None,
                Split::Test => continue,
            };
            self.files.push(ListedFile { path, span_secs, label, split, set });
        }
        Ok(())
    }

    /// Adds the sound at `root` as background: in none of it is a word said. Left out is what the set there keeps for its
    /// test, so that false alarms can be counted on it, and a file whose label or name says one of the words or is a filler. With `words_apart` what
    /// has a label is a set of its own, and so is heard as often as the rest, however long that is.
    pub fn add_background(&mut self, root: &Path, words_apart: bool) -> Result<()> {
        let words: Vec<String> = self.labels.iter().map(|label| slug(label)).collect();
        let says_a_word = |item: &Item| {
            let label = label_of(&item.said).unwrap_or_default();
            if self.fillers.contains(&label) {
                return true;
            }
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
#[path = "listing_tests.rs"]
mod tests;
