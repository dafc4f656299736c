//! Reading a dataset's files a few at a time, so that whoever loads can report and stop in between.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::cache::{ClipCache, ClipKey, content_hash};
use super::{Clip, Dataset, Fault, ListedFile, Listing, Skipped, Split};
use crate::dsp::resample::resampled;
use crate::source::decode::{Audio, read_audio};
use crate::{Error, Result};

/// Longer clips are cut to this length around their loudest part, so that every clip fits into a training scene.
const LONGEST_CLIP_SECS: f32 = 5.0;

/// Longer recordings with a transcript are left out.
pub const LONGEST_TEXT_SECS: f32 = 12.0;

/// Shorter files are taken for empty.
const SHORTEST_CLIP_SECS: f32 = 0.02;

/// Files whose peak stays below this (-60 dBFS) are taken for silent.
const SILENT_PEAK: f32 = 1e-3;

/// Reads the files of a listing, resamples them and leaves out what cannot be used.
pub struct Loader {
    files: std::vec::IntoIter<ListedFile>,
    total: usize,
    dataset: Dataset,
    /// Sound without a label, by the set that it comes from.
    background: BTreeMap<usize, Vec<Box<[i16]>>>,
    /// The file read last: a label track has many parts of one file.
    open: Option<(PathBuf, Audio)>,
    /// The hash of the content of the file asked for last.
    hashed: Option<(PathBuf, blake3::Hash)>,
    cache: Option<ClipCache>,
}

impl Loader {
    /// A loader of all files in `listing`, at `sample_rate_hz`.
    pub fn new(listing: Listing, sample_rate_hz: u32) -> Self {
        let Listing { name, labels, fillers, spelling, files, skipped } = listing;
        let dataset = Dataset { name, labels, fillers, spelling, sample_rate_hz, skipped, ..Dataset::default() };
        Self {
            total: files.len(),
            files: files.into_iter(),
            dataset,
            background: BTreeMap::new(),
            open: None,
            hashed: None,
            cache: None,
        }
    }

    /// A loader of the labelled files of one split only.
    pub fn of_split(mut listing: Listing, sample_rate_hz: u32, split: Split) -> Self {
        listing.files.retain(|file| file.split == split && file.label.is_some());
        Self::new(listing, sample_rate_hz)
    }

    /// The same, with clips looked for and left in `cache`.
    pub fn cached(self, cache: Option<ClipCache>) -> Self {
        Self { cache, ..self }
    }

    /// Files read so far, and all.
    pub fn progress(&self) -> (usize, usize) {
        (self.total - self.files.len(), self.total)
    }

    /// Reads one more file; false when none is left. An unusable file is noted, never fatal.
    pub fn load_next(&mut self) -> bool {
        let Some(file) = self.files.next() else { return false };
        match self.load_clip(&file) {
            Ok(samples) => match file.label {
                Some(label) => {
                    self.dataset.clips.push(Clip { path: file.path, label, set: file.set, split: file.split, samples })
                }
                None if file.split == Split::Validation => self.dataset.held_background.push(samples),
                None => self.background.entry(file.set).or_default().push(samples),
            },
            Err((fault, reason)) => self.dataset.skipped.push(Skipped { path: file.path, fault, reason }),
        }
        true
    }

    fn load_clip(&mut self, file: &ListedFile) -> Result<Box<[i16]>, (Fault, String)> {
        let key = self.key(file);
        let cached = key.zip(self.cache.as_ref()).and_then(|(key, cache)| cache.get(key));
        let samples = match cached {
            Some(samples) => samples,
            None => {
                let samples = self.decode(file)?;
                if let Some((key, cache)) = key.zip(self.cache.as_ref()) {
                    cache.put(key, &samples);
                }
                samples
            }
        };
        let rate = self.dataset.sample_rate_hz;
        let secs = samples.len() as f32 / rate as f32;
        if self.dataset.spelling.is_some() && file.label.is_some() && secs > LONGEST_TEXT_SECS {
            // A part of it would not hold all of its text.
            return Err((
                Fault::TooLong,
                format!("{secs:.1} s long: at most {LONGEST_TEXT_SECS} s can be learnt at once"),
            ));
        }
        let is_word = self.dataset.spelling.is_none() && file.label.is_some();
        let longest = (LONGEST_CLIP_SECS * rate as f32) as usize;
        let is_long = is_word && samples.len() > longest;
        Ok(if is_long { loudest(&samples, longest).into() } else { samples })
    }

    /// Under what the clip of `file` is kept; none where nothing is, or keeping it would save nothing.
    fn key(&mut self, file: &ListedFile) -> Option<ClipKey> {
        self.cache.as_ref()?;
        if self.hashed.as_ref().is_none_or(|(path, _)| *path != file.path) {
            self.hashed = Some((file.path.clone(), content_hash(&file.path)?));
        }
        let (_, content) = self.hashed.as_ref()?;
        Some(ClipKey::new(content, file.span_secs, self.dataset.sample_rate_hz))
    }

    /// The clip of `file`, read and resampled.
    fn decode(&mut self, file: &ListedFile) -> Result<Box<[i16]>, (Fault, String)> {
        if self.open.as_ref().is_none_or(|(path, _)| *path != file.path) {
            let audio = read_audio(&file.path).map_err(|error| (Fault::Unreadable, error.message))?;
            self.open = Some((file.path.clone(), audio));
        }
        let Some((_, audio)) = &self.open else { return Err((Fault::Unreadable, "no sound".into())) };
        let samples = usable(audio, file.span_secs)?;
        let rate = self.dataset.sample_rate_hz;
        let samples = resampled(samples.to_vec(), audio.sample_rate_hz, rate)
            .map_err(|error| (Fault::Unreadable, error.message))?;
        Ok(samples.iter().map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16).collect())
    }

    /// The dataset once every file was read; an error when no clip of it can be used.
    pub fn finish(mut self) -> Result<Dataset> {
        while self.load_next() {}
        if let Some(cache) = &self.cache {
            cache.trim();
        }
        self.dataset.background = self.background.into_values().collect();
        // Of fillers what is held is no background: it is learnt as words.
        let may_lend = self.dataset.fillers.is_empty() && !self.dataset.held_background.is_empty();
        if self.dataset.background.is_empty() && may_lend {
            self.dataset.background.push(std::mem::take(&mut self.dataset.held_background));
        }
        if self.dataset.clips.is_empty() {
            let example = self
                .dataset
                .skipped
                .first()
                .map(|skipped| format!(" (such as {}: {})", skipped.path.display(), skipped.reason));
            return Err(Error::invalid(format!(
                "none of the {} files of the dataset {} can be used{}",
                self.total,
                self.dataset.name,
                example.unwrap_or_default()
            )));
        }
        Ok(self.dataset)
    }
}

/// The part of `audio` that `span_secs` names, or why there is no sound in it that could be used.
pub fn usable(audio: &Audio, span_secs: Option<(f64, f64)>) -> Result<&[f32], (Fault, String)> {
    let rate = f64::from(audio.sample_rate_hz);
    let samples = match span_secs {
        None => &audio.samples[..],
        Some((start, end)) => {
            let last = audio.samples.len();
            let (from, to) = ((start * rate) as usize, ((end * rate).round() as usize).min(last));
            if from >= last {
                let secs = last as f64 / rate;
                return Err((Fault::TooShort, format!("the label at {start} s lies behind the end at {secs:.3} s")));
            }
            &audio.samples[from..to.max(from)]
        }
    };
    if (samples.len() as f32) < SHORTEST_CLIP_SECS * audio.sample_rate_hz as f32 {
        return Err((Fault::TooShort, "empty: it holds less than 20 ms of sound".into()));
    }
    if loudest_peak(samples) < SILENT_PEAK {
        return Err((Fault::Silent, "silent: its peak is below -60 dBFS".into()));
    }
    Ok(samples)
}

/// The largest magnitude of `samples`.
pub fn loudest_peak(samples: &[f32]) -> f32 {
    samples.iter().fold(0.0, |peak, sample| sample.abs().max(peak))
}

/// The stretch of `len` samples with the most energy.
fn loudest(samples: &[i16], len: usize) -> &[i16] {
    let energy = |samples: &[i16]| samples.iter().map(|&sample| i64::from(sample) * i64::from(sample)).sum::<i64>();
    let mut now = energy(&samples[..len]);
    let (mut best, mut best_start) = (now, 0);
    for start in 1..=samples.len() - len {
        now += energy(&samples[start + len - 1..start + len]) - energy(&samples[start - 1..start]);
        if now > best {
            (best, best_start) = (now, start);
        }
    }
    &samples[best_start..best_start + len]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::test_data::write_wav;

    fn tone(len: usize, amplitude: f32) -> Vec<f32> {
        (0..len).map(|at| amplitude * (at as f32 * 0.2).sin()).collect()
    }

    #[test]
    fn unusable_files_are_listed_and_the_rest_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write_wav(&root.join("one/good_05.wav"), 16_000, &tone(16_000, 0.5));
        write_wav(&root.join("one/silent_06.wav"), 8_000, &[0.0; 8_000]);
        write_wav(
            &root.join("two/long_07.wav"),
            8_000,
            &[vec![0.001; 40_000], tone(40_000, 0.5), vec![0.001; 8_000]].concat(),
        );
        write_wav(&root.join("two/empty_08.wav"), 8_000, &[]);
        std::fs::write(root.join("two/broken_09.wav"), b"not a sound").unwrap();
        let listing = Listing::scan(&[root.to_path_buf()]).unwrap();
        let dataset = Loader::new(listing, 8_000).finish().unwrap();
        assert_eq!(dataset.clips.len(), 2);
        assert!((7_990..=8_010).contains(&dataset.clips[0].samples.len()), "{}", dataset.clips[0].samples.len());
        assert_eq!(dataset.clips[1].samples.len(), 40_000);
        assert!(dataset.clips[1].samples[..100].iter().any(|sample| sample.abs() > 1_000));
        let reasons: Vec<&str> = dataset.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
        assert_eq!(reasons.len(), 3);
        assert!(reasons.iter().any(|reason| reason.contains("silent")));
        let summary = dataset.summary();
        assert_eq!((summary.items, summary.skipped.len()), (2, 3));
        assert!(summary.to_string().contains("2 clips"));
    }

    #[test]
    fn clips_come_from_the_cache_until_their_files_change() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("set");
        for (name, step) in [("one/a_07.wav", 0.2f32), ("two/b_07.wav", 0.3)] {
            let tone: Vec<f32> = (0..16_000).map(|at| 0.5 * (at as f32 * step).sin()).collect();
            write_wav(&root.join(name), 16_000, &tone);
        }
        let cache = ClipCache::new(folder.path().join("clips"));
        let kept = || std::fs::read_dir(folder.path().join("clips")).map_or(0, Iterator::count);
        let load = |rate| {
            let listing = Listing::scan(std::slice::from_ref(&root)).unwrap();
            let dataset = Loader::new(listing, rate).cached(Some(cache.clone())).finish().unwrap();
            dataset.clips.into_iter().map(|clip| clip.samples).collect::<Vec<_>>()
        };
        let uncached = Loader::new(Listing::scan(std::slice::from_ref(&root)).unwrap(), 8_000).finish().unwrap();
        let first = load(8_000);
        assert!(first.iter().eq(uncached.clips.iter().map(|clip| &clip.samples)));
        assert_eq!((load(8_000), kept()), (first.clone(), 2));
        assert_eq!((load(12_000)[0].len() / 1_000, kept()), (12, 4));
        write_wav(&root.join("two/b_07.wav"), 16_000, &tone(16_000, 0.3));
        let changed = load(8_000);
        assert_eq!((changed[0] == first[0], changed[1] == first[1], kept()), (true, false, 5));
    }

    #[test]
    fn a_set_of_unusable_files_is_an_error_with_an_example() {
        let folder = tempfile::tempdir().unwrap();
        for label in ["one", "two"] {
            write_wav(&folder.path().join(label).join("a_07.wav"), 8_000, &[0.0; 800]);
        }
        let listing = Listing::scan(&[folder.path().to_path_buf()]).unwrap();
        let message = Loader::new(listing, 8_000).finish().unwrap_err().message;
        assert!(message.contains("none of the 2 files") && message.contains("silent"), "{message}");
    }
}
