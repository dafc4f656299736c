//! Checking a dataset: every file is read, and what was found and what is wrong is told in numbers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::listing::refuse_few;
use super::load::usable;
use super::survey::folder_name;
use super::{Fault, Form, Item, Said, Skipped, Split, Survey};
use crate::source::decode::{Audio, read_audio};
use crate::{Error, Result};

/// So many samples in runs at full scale, and a clip is told to be clipped.
const CLIPPED_SAMPLES: usize = 10;

/// A label with more than this many times the clips of another is told as out of balance.
const BALANCED: usize = 4;

/// Something that does not keep a file from being used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Problem {
    /// Its loudest parts are cut off at full scale.
    Clipped {
        /// The file.
        path: PathBuf,
        /// Samples in runs of at least three at full scale.
        samples: usize,
    },
    /// It holds the same sound as another file.
    Duplicate {
        /// The file.
        path: PathBuf,
        /// The first file of that sound.
        same_as: PathBuf,
        /// Whether the two are in different splits, so that what is tested was learnt.
        is_across_splits: bool,
    },
}

/// What a dataset holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The folder's name.
    pub name: String,
    /// How it says what its files hold.
    pub form: Form,
    /// Clips that can be used, background not counted.
    pub items: usize,
    /// Their length.
    pub hours: f64,
    /// Each label with its clips; empty where there are texts.
    pub labels: BTreeMap<String, usize>,
    /// Characters of the texts, each with how often it occurs.
    pub characters: BTreeMap<char, usize>,
    /// Clips of the commonest label to one of the rarest; 1 is even.
    pub imbalance: f64,
    /// Each sample rate with its files.
    pub sample_rates_hz: BTreeMap<u32, usize>,
    /// Known speakers.
    pub speakers: usize,
    /// Clips to learn from.
    pub train: usize,
    /// Clips that choose the best model.
    pub validation: usize,
    /// Clips kept for the test.
    pub test: usize,
    /// Files of sound without a label.
    pub background: usize,
    /// What is left out, with the reason.
    pub skipped: Vec<Skipped>,
    /// What is used all the same.
    pub problems: Vec<Problem>,
}

/// What was heard in one item.
struct Heard {
    secs: f64,
    sample_rate_hz: u32,
    clipped: usize,
    hash: [u8; 32],
}

/// Reads the dataset at `root` whole. Computes on the rayon pool that it is called in; `done` is told of files read, and
/// of all.
///
/// Refuses what cannot be learnt from: a folder that is no dataset or has no usable clip, and fewer than two labels.
pub fn check(root: &Path, done: &(dyn Fn(usize, usize) + Sync)) -> Result<Report> {
    let survey = Survey::of(root)?;
    let name = folder_name(root);
    // Parts of one file lie beside each other, so that it is read once.
    let files: Vec<&[Item]> = survey.items.chunk_by(|a, b| a.path == b.path).collect();
    let counter = std::sync::atomic::AtomicUsize::new(0);
    let heard: Vec<Vec<Result<Heard, Skipped>>> = files
        .par_iter()
        .map(|items| {
            let heard = hear(items);
            done(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, files.len());
            heard
        })
        .collect();
    let mut report = Report::new(name.clone(), survey.form);
    report.skipped = survey.skipped.clone();
    let (mut first_of, mut speakers) = (HashMap::new(), BTreeSet::new());
    for (item, heard) in survey.items.iter().zip(heard.into_iter().flatten()) {
        match heard {
            Ok(heard) => {
                speakers.extend(item.speaker.as_ref());
                report.add(item, &heard, &mut first_of);
            }
            Err(skipped) => report.skipped.push(skipped),
        }
    }
    report.speakers = speakers.len();
    report.skipped.sort_by(|a, b| (a.fault, &a.path).cmp(&(b.fault, &b.path)));
    if report.items == 0 {
        if survey.items.iter().all(|item| item.said == Said::Nothing) {
            refuse_few(&name, &[])?;
        }
        let example =
            report.skipped.first().map(|skipped| format!(" (such as {}: {})", skipped.path.display(), skipped.reason));
        return Err(Error::invalid(format!(
            "none of the {} clips of the dataset {name} can be used{}",
            survey.items.len(),
            example.unwrap_or_default()
        )));
    }
    if report.characters.is_empty() {
        refuse_few(&name, &report.labels.keys().cloned().collect::<Vec<_>>())?;
    }
    let most = report.labels.values().max().copied().unwrap_or(1);
    report.imbalance = most as f64 / report.labels.values().min().copied().unwrap_or(1) as f64;
    Ok(report)
}

/// What is heard in the parts of one file.
fn hear(items: &[Item]) -> Vec<Result<Heard, Skipped>> {
    let audio = items.first().map(|item| read_audio(&item.path));
    let hear_one = |item: &Item| {
        let skip = |fault, reason| Skipped { path: item.path.clone(), fault, reason };
        let audio: &Audio = match &audio {
            Some(Ok(audio)) => audio,
            Some(Err(error)) => return Err(skip(Fault::Unreadable, error.message.clone())),
            None => return Err(skip(Fault::Unreadable, "no sound".into())),
        };
        let samples = usable(audio, item.span_secs).map_err(|(fault, reason)| skip(fault, reason))?;
        Ok(Heard {
            secs: samples.len() as f64 / f64::from(audio.sample_rate_hz),
            sample_rate_hz: audio.sample_rate_hz,
            clipped: clipped(samples),
            hash: *blake3::hash(bytemuck::cast_slice(samples)).as_bytes(),
        })
    };
    items.iter().map(hear_one).collect()
}

/// Samples in runs of at least three at full scale: one alone may be a peak that just fits.
fn clipped(samples: &[f32]) -> usize {
    let is_full = |sample: &f32| sample.abs() >= 0.9995;
    samples.chunk_by(|a, b| is_full(a) && is_full(b)).map(<[f32]>::len).filter(|&len| len >= 3).sum()
}

impl Report {
    fn new(name: String, form: Form) -> Self {
        Self {
            name,
            form,
            items: 0,
            hours: 0.0,
            labels: BTreeMap::new(),
            characters: BTreeMap::new(),
            imbalance: 1.0,
            sample_rates_hz: BTreeMap::new(),
            speakers: 0,
            train: 0,
            validation: 0,
            test: 0,
            background: 0,
            skipped: Vec::new(),
            problems: Vec::new(),
        }
    }

    fn add<'a>(&mut self, item: &'a Item, heard: &Heard, first_of: &mut HashMap<[u8; 32], &'a Item>) {
        *self.sample_rates_hz.entry(heard.sample_rate_hz).or_default() += 1;
        match &item.said {
            Said::Label(label) => *self.labels.entry(label.clone()).or_default() += 1,
            Said::Text(text) => text.chars().for_each(|c| *self.characters.entry(c).or_default() += 1),
            Said::Nothing => {
                self.background += 1;
                return;
            }
        }
        self.items += 1;
        self.hours += heard.secs / 3_600.0;
        match item.split {
            Split::Train => self.train += 1,
            Split::Validation => self.validation += 1,
            Split::Test => self.test += 1,
        }
        if heard.clipped >= CLIPPED_SAMPLES {
            self.problems.push(Problem::Clipped { path: item.path.clone(), samples: heard.clipped });
        }
        let first = *first_of.entry(heard.hash).or_insert(item);
        if !std::ptr::eq(first, item) {
            self.problems.push(Problem::Duplicate {
                path: item.path.clone(),
                same_as: first.path.clone(),
                is_across_splits: first.split != item.split,
            });
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, form, items, hours, train, validation, test, background, speakers, .. } = self;
        write!(f, "{name} ({form}): {items} clips, {hours:.2} h; {train} train, {validation} validation, {test} test")?;
        if *background > 0 {
            write!(f, "; {background} background")?;
        }
        if *speakers > 0 {
            write!(f, "; {speakers} speakers")?;
        }
        let rates: Vec<String> =
            self.sample_rates_hz.iter().map(|(rate, files)| format!("{rate} Hz {files}")).collect();
        write!(f, "\nrates: {}", rates.join(", "))?;
        if !self.labels.is_empty() {
            let labels: Vec<String> = self.labels.iter().map(|(label, count)| format!("{label} {count}")).collect();
            write!(f, "\n{} labels: {}", labels.len(), labels.join(", "))?;
        }
        if !self.characters.is_empty() {
            let characters: String = self.characters.keys().collect();
            write!(f, "\n{} characters: {}", self.characters.len(), characters.trim())?;
        }
        if self.imbalance > BALANCED as f64 {
            write!(f, "\nout of balance: the commonest label has {:.1} times the clips of the rarest", self.imbalance)?;
        }
        for problem in &self.problems {
            match problem {
                Problem::Clipped { path, samples } => {
                    write!(f, "\nclipped {}: {samples} samples are cut off at full scale", path.display())?;
                }
                Problem::Duplicate { path, same_as, is_across_splits } => {
                    let across = if *is_across_splits { ", which is in another split" } else { "" };
                    write!(f, "\nduplicate {}: the same sound as {}{across}", path.display(), same_as.display())?;
                }
            }
        }
        for skipped in &self.skipped {
            write!(f, "\nskipped {}: {}", skipped.path.display(), skipped.reason)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
