//! Datasets: found, surveyed by their folders or tables, checked, split and held in memory.
//!
//! A label is a folder's name or a table's entry, in any script and with spaces. What is named with a leading `_` (such as
//! Speech Commands' `_background_noise_` and `_unknown_`) has no label; it is mixed in as background. Hidden folders are
//! ignored.

mod cache;
mod check;
pub mod command;
mod join;
mod label_track;
mod listing;
mod load;
mod spelling;
mod split;
mod survey;
mod tables;

pub use cache::ClipCache;
pub use check::{Problem, Report, check};
pub use join::{Joining, join};
pub use listing::{ListedFile, Listing, find, known_names};
pub use load::{Loader, loudest_peak};
pub use spelling::{Spelling, spelt};
pub use split::{Split, SplitRule, speaker_and_index};
pub use survey::{Form, Item, Said, Survey, sound_files, sub_folders, wordless};

use serde::Serialize;
use std::fmt;
use std::path::PathBuf;

/// One labelled sound, mono, at its dataset's rate.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Where it was read from.
    pub path: PathBuf,
    /// Index into [`Dataset::labels`] or, beyond their end, [`Dataset::fillers`].
    pub label: usize,
    /// Which of the sets that are learnt from together it comes from.
    pub set: usize,
    /// What it may be used for.
    pub split: Split,
    /// 16-bit samples: half the memory of floats, and as exact as nearly all files are.
    pub samples: Box<[i16]>,
}

/// Why something was left out of a dataset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A line of a table that cannot be used.
    BadLine,
    /// Named in a table, but not there.
    Missing,
    /// No sound file that can be decoded.
    Unreadable,
    /// Less sound than a word needs.
    TooShort,
    /// More sound than can be learnt from at once.
    TooLong,
    /// Nothing is to be heard.
    Silent,
}

/// A file (or a line of a table) that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The file.
    pub path: PathBuf,
    /// The kind of fault.
    pub fault: Fault,
    /// What is wrong, in words.
    pub reason: String,
}

/// A dataset in memory.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// The folder's name; several are joined with `+`.
    pub name: String,
    /// What is said in clips, sorted: words or, where the set has transcripts, texts.
    pub labels: Vec<String>,
    /// Other words, which are learnt to be told from the labels and never shown. A clip of the first one has the label after the last
    /// of `labels`.
    pub fillers: Vec<String>,
    /// How texts are made of characters, where the set has transcripts.
    pub spelling: Option<Spelling>,
    /// The rate of all samples.
    pub sample_rate_hz: u32,
    /// All clips, in the order of their paths.
    pub clips: Vec<Clip>,
    /// Sound without a label, mixed into what is learnt from: by the set that it comes from, none of them empty, since a set of
    /// a few sentences is worth as much as one of thousands of clips.
    pub background: Vec<Vec<Box<[i16]>>>,
    /// Sound without a label that is not learnt from: it tells how often words are read where there are none.
    pub held_background: Vec<Box<[i16]>>,
    /// Files that were left out.
    pub skipped: Vec<Skipped>,
    /// Labels that are new to the network that learns from it, and so are said more often than the others.
    pub new_labels: Vec<usize>,
}

impl Dataset {
    /// The clips of one split.
    pub fn split(&self, split: Split) -> impl Iterator<Item = &Clip> {
        self.clips.iter().filter(move |clip| clip.split == split)
    }

    /// What a network learns to write: the labels or, where the set has transcripts, their characters. A token's class is
    /// its index plus one: zero is the blank.
    pub fn tokens(&self) -> &[String] {
        self.spelling.as_ref().map_or(&self.labels, |spelling| &spelling.tokens)
    }

    /// What the outputs of a network that learns from it stand for, after the blank: the tokens and the fillers.
    pub fn outputs(&self) -> Vec<String> {
        [self.tokens(), &self.fillers].concat()
    }

    /// The outputs of a network that learns from it, with the blank.
    pub fn class_count(&self) -> usize {
        1 + self.tokens().len() + self.fillers.len()
    }

    /// The classes that are said in a clip of this label.
    pub fn classes(&self, label: usize) -> Vec<usize> {
        match &self.spelling {
            Some(spelling) => spelling.classes[label].clone(),
            None => vec![label + 1],
        }
    }

    /// The classes between two clips: a blank between two texts that has its own character.
    pub fn between(&self) -> Option<usize> {
        self.spelling.as_ref()?.space
    }

    /// What the dataset holds, in numbers.
    pub fn summary(&self) -> Summary {
        let count = |split| self.split(split).count();
        let samples: usize = self.clips.iter().map(|clip| clip.samples.len()).sum();
        Summary {
            name: self.name.clone(),
            items: self.clips.len(),
            hours: samples as f64 / f64::from(self.sample_rate_hz.max(1)) / 3600.0,
            labels: self.counts(),
            fillers: self.fillers.len(),
            train: count(Split::Train),
            validation: count(Split::Validation),
            test: count(Split::Test),
            background: self.background.iter().map(Vec::len).sum::<usize>() + self.held_background.len(),
            skipped: self.skipped.clone(),
        }
    }

    /// Each token with its number of occurrences.
    fn counts(&self) -> Vec<(String, usize)> {
        let mut counts = vec![0; self.class_count() - 1];
        for class in self.clips.iter().flat_map(|clip| self.classes(clip.label)) {
            counts[class - 1] += 1;
        }
        self.tokens().iter().cloned().zip(counts).collect()
    }
}

/// A dataset in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The dataset's name.
    pub name: String,
    /// Clips that can be used.
    pub items: usize,
    /// Their length.
    pub hours: f64,
    /// Each label with its number of clips; of transcripts, each character with how often it occurs.
    pub labels: Vec<(String, usize)>,
    /// Other words, which are learnt to be told from the labels.
    pub fillers: usize,
    /// Clips in the train split.
    pub train: usize,
    /// Clips in the validation split.
    pub validation: usize,
    /// Clips in the test split.
    pub test: usize,
    /// Files of sound without a label.
    pub background: usize,
    /// Files that were left out.
    pub skipped: Vec<Skipped>,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: {} clips, {:.2} h, {} labels{} ({} train, {} validation, {} test{})",
            self.name,
            self.items,
            self.hours,
            self.labels.len(),
            if self.fillers > 0 { format!(" and {} fillers", self.fillers) } else { String::new() },
            self.train,
            self.validation,
            self.test,
            if self.background > 0 { format!(", {} background", self.background) } else { String::new() },
        )?;
        let counts: Vec<String> = self.labels.iter().map(|(label, count)| format!("{label} {count}")).collect();
        write!(f, "labels: {}", counts.join(", "))?;
        for skipped in &self.skipped {
            write!(f, "\nskipped {}: {}", skipped.path.display(), skipped.reason)?;
        }
        Ok(())
    }
}
