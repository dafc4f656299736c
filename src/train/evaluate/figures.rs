//! Figures made of what was said and what was heard.

use std::ops::AddAssign;

use serde::Serialize;

/// How often each label was read as what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    /// The labels.
    pub labels: Vec<String>,
    /// A row for each label; its columns are what was read, in the order of the labels, and last nothing at all.
    pub counts: Vec<Vec<u64>>,
}

impl Confusion {
    /// No clip yet.
    pub fn new(labels: &[String]) -> Self {
        Self { labels: labels.to_vec(), counts: vec![vec![0; labels.len() + 1]; labels.len()] }
    }

    /// A clip of the label with this index was read as `read`.
    pub fn add(&mut self, label: usize, read: Option<&str>) {
        let read = read.and_then(|word| self.labels.iter().position(|label| label == word));
        self.counts[label][read.unwrap_or(self.labels.len())] += 1;
    }

    /// How each word did.
    pub fn words(&self) -> Vec<WordFigures> {
        let figures = |(index, label): (usize, &String)| {
            let right = self.counts[index][index];
            let said: u64 = self.counts[index].iter().sum();
            let read: u64 = self.counts.iter().map(|row| row[index]).sum();
            let share = |of: u64| (of > 0).then(|| right as f64 / of as f64);
            WordFigures { word: label.clone(), said, precision: share(read), recall: share(said) }
        };
        self.labels.iter().enumerate().map(figures).collect()
    }
}

/// How one word did in clips read alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WordFigures {
    /// The word.
    pub word: String,
    /// Clips in which it was said.
    pub said: u64,
    /// Share of the clips read as it in which it was said; absent when none was.
    pub precision: Option<f64>,
    /// Share of the clips in which it was said that were read as it.
    pub recall: Option<f64>,
}

/// Edit distances and lengths, summed over sounds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Edits {
    /// Words (or tokens) wrong.
    pub word_edits: usize,
    /// Words said.
    pub words: usize,
    /// Characters wrong.
    pub char_edits: usize,
    /// Characters said, blanks between words included.
    pub chars: usize,
}

impl Edits {
    /// What separates `heard` from `said`.
    pub fn between(said: &[String], heard: &[&str]) -> Self {
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let chars = |words: &[&str]| words.join(" ").chars().collect::<Vec<char>>();
        let (said_chars, heard_chars) = (chars(&said), chars(heard));
        Self {
            word_edits: edits(&said, heard),
            words: said.len(),
            char_edits: edits(&said_chars, &heard_chars),
            chars: said_chars.len(),
        }
    }

    /// Wrong words to words said.
    pub fn word_error_rate(&self) -> f64 {
        self.word_edits as f64 / self.words.max(1) as f64
    }

    /// Wrong characters to characters said.
    pub fn char_error_rate(&self) -> f64 {
        self.char_edits as f64 / self.chars.max(1) as f64
    }
}

impl AddAssign for Edits {
    fn add_assign(&mut self, other: Self) {
        self.word_edits += other.word_edits;
        self.words += other.words;
        self.char_edits += other.char_edits;
        self.chars += other.chars;
    }
}

/// Fewest insertions, deletions and replacements that make `b` out of `a` (Levenshtein).
pub fn edits<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            let fewest = replaced.min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], fewest);
        }
    }
    row[b.len()]
}

/// From the end of a word's clip to the showing of the word, seconds; negative when it is shown before the clip is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Latency {
    /// Words that were read right, over which this is.
    pub words: usize,
    /// Half are shown no later.
    pub p50_secs: f64,
    /// 95 in 100 are shown no later.
    pub p95_secs: f64,
}

impl Latency {
    /// Of the delays of single words; `None` when there are none.
    pub fn of(mut delays_secs: Vec<f64>) -> Option<Self> {
        delays_secs.sort_unstable_by(f64::total_cmp);
        let at = |share: f64| delays_secs.get(((delays_secs.len() as f64 * share).ceil() as usize).max(1) - 1).copied();
        Some(Self { words: delays_secs.len(), p50_secs: at(0.5)?, p95_secs: at(0.95)? })
    }
}

/// What a threshold would cost and bring.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DetPoint {
    /// The posterior that a word must reach.
    pub threshold: f32,
    /// Share of the clips whose word is not read.
    pub miss_rate: f64,
    /// Words read an hour of background.
    pub false_alarms_per_hour: f64,
}

/// The detection error trade-off: for each of some thresholds, misses against false alarms.
///
/// `hits` are the scores of the clips' own words (`None` where it was not read at all), `alarms` those of the words read in
/// `background_secs` of background.
pub fn det(hits: &[Option<f32>], alarms: &[f32], background_secs: f64) -> Vec<DetPoint> {
    let point = |threshold: f32| DetPoint {
        threshold,
        miss_rate: hits.iter().filter(|hit| hit.is_none_or(|score| score < threshold)).count() as f64
            / hits.len().max(1) as f64,
        false_alarms_per_hour: alarms.iter().filter(|&&score| score >= threshold).count() as f64 * 3_600.0
            / background_secs.max(1.0),
    };
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999].map(point).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        let count = |a: &str, b: &str| edits(&a.split(' ').collect::<Vec<_>>(), &b.split(' ').collect::<Vec<_>>());
        assert_eq!(count("one two three", "one two three"), 0);
        assert_eq!(count("one two three", "one three"), 1);
        assert_eq!(count("one two three", "two two three four"), 2);
        assert_eq!(edits::<u8>(&[], &[1, 2]), 2);
        assert_eq!(edits::<u8>(&[1, 2], &[]), 2);
        let mut sum = Edits::between(&["turn on".into(), "はい".into()], &["turn off", "はい"]);
        sum += Edits::between(&["no".into()], &[]);
        assert_eq!(sum, Edits { word_edits: 2, words: 3, char_edits: 2 + 2, chars: 10 + 2 });
        assert_eq!((sum.word_error_rate(), sum.char_error_rate()), (2.0 / 3.0, 4.0 / 12.0));
    }

    #[test]
    fn words_have_their_precision_and_recall() {
        let mut confusion = Confusion::new(&["yes".into(), "no".into(), "never".into()]);
        for (label, read) in [(0, "yes"), (0, "yes"), (0, "no"), (1, "no"), (1, "yes")] {
            confusion.add(label, Some(read));
        }
        confusion.add(1, None);
        let [yes, no, never] = &confusion.words()[..] else { panic!("three words") };
        assert_eq!((yes.said, yes.precision, yes.recall), (3, Some(2.0 / 3.0), Some(2.0 / 3.0)));
        assert_eq!((no.precision, no.recall), (Some(0.5), Some(1.0 / 3.0)));
        assert_eq!((never.said, never.precision, never.recall), (0, None, None));
    }

    #[test]
    fn percentiles_are_those_of_the_nearest_rank() {
        let latency = Latency::of((1..=100).rev().map(f64::from).collect()).unwrap();
        assert_eq!((latency.words, latency.p50_secs, latency.p95_secs), (100, 50.0, 95.0));
        assert_eq!(Latency::of(vec![0.5]).unwrap().p95_secs, 0.5);
        assert_eq!(Latency::of(Vec::new()), None);
    }

    #[test]
    fn a_higher_threshold_misses_more_and_alarms_less() {
        let points = det(&[Some(0.97), Some(0.45), None, Some(0.9)], &[0.4, 0.92], 1_800.0);
        let at = |threshold: f32| points.iter().find(|point| point.threshold == threshold).unwrap();
        assert_eq!((at(0.1).miss_rate, at(0.1).false_alarms_per_hour), (0.25, 4.0));
        assert_eq!((at(0.5).miss_rate, at(0.5).false_alarms_per_hour), (0.5, 2.0));
        assert_eq!((at(0.99).miss_rate, at(0.99).false_alarms_per_hour), (1.0, 0.0));
    }
}
