//! The clips that were taught in the program: the dataset `taught`, one folder a word.

use std::fs;
use std::path::{Path, PathBuf};

use hound::{SampleFormat, WavSpec, WavWriter};
use serde::Serialize;
use utoipa::ToSchema;

use crate::source::decode::read_audio;
use crate::train::checkpoint::write_atomically;
use crate::train::dataset::{loudest_peak, sound_files, sub_folders};
use crate::train::run::Places;
use crate::{Error, Result};

/// The dataset's name.
pub const DATASET: &str = "taught";

/// Clips of a word that are kept.
const MOST_CLIPS: usize = 100;
/// Clips are shorter than this; longer ones hold more than a word.
const LONGEST_SECS: f32 = 5.0;
/// Clips are at least so long.
const SHORTEST_SECS: f32 = 0.1;
/// Values that a clip is drawn with.
const PEAKS: usize = 48;

/// Where taught clips are kept.
#[derive(Clone, Debug)]
pub struct TaughtClips {
    root: PathBuf,
}

/// A word with its clips.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TaughtWord {
    /// The word.
    pub word: String,
    /// Its clips, the oldest first.
    pub clips: Vec<TaughtClip>,
}

/// A clip.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct TaughtClip {
    /// The name of its file.
    pub name: String,
    /// Its length.
    pub secs: f32,
    /// The largest magnitude in each of some equal parts, 0 to 1, for drawing it.
    pub peaks: Vec<f32>,
}

impl TaughtClips {
    /// The clips in the data folder of `places`.
    pub fn new(places: &Places) -> Result<Self> {
        let data = places.datasets.first().ok_or_else(|| Error::internal("there is no folder for datasets"))?;
        Ok(Self { root: data.join(DATASET) })
    }

    /// Keeps a clip of `word`, mono, and says the name of its file.
    ///
    /// Refuses words that cannot be a folder's name, clips that are silent, too short or too long, and more than some clips.
    pub fn add(&self, word: &str, sample_rate_hz: u32, samples: &[f32]) -> Result<String> {
        let folder = self.folder(word)?;
        let secs = samples.len() as f32 / sample_rate_hz.max(1) as f32;
        if !(SHORTEST_SECS..=LONGEST_SECS).contains(&secs) {
            let message = format!("a clip of {secs:.2} s; a word is {SHORTEST_SECS} to {LONGEST_SECS} s long");
            return Err(Error::invalid(message));
        }
        if loudest_peak(samples) < 1e-3 {
            return Err(Error::invalid("the clip is silent: its peak is below -60 dBFS"));
        }
        let names = self.names(word)?;
        if names.len() >= MOST_CLIPS {
            return Err(Error::invalid(format!("\"{word}\" has {MOST_CLIPS} clips already, which is enough")));
        }
        let used = names.iter().filter_map(|name| name.strip_suffix(".wav")?.parse::<u32>().ok()).max().unwrap_or(0);
        let name = format!("{:03}.wav", used + 1);
        let path = folder.join(&name);
        let failed =
            |error: &dyn std::fmt::Display| Error::internal(format!("cannot write {}: {error}", path.display()));
        let spec =
            WavSpec { channels: 1, sample_rate: sample_rate_hz, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).map_err(|error| failed(&error))?;
        for &sample in samples {
            let sample = (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16;
            writer.write_sample(sample).map_err(|error| failed(&error))?;
        }
        writer.finalize().map_err(|error| failed(&error))?;
        self.keep_all_for_learning()?;
        write_atomically(&path, bytes.get_ref())
            .map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))?;
        Ok(name)
    }

    /// Keeps the sound file `path` as a clip of `word`, which may be stereo and of any rate.
    pub fn add_file(&self, word: &str, path: &Path) -> Result<String> {
        let audio = read_audio(path)?;
        self.add(word, audio.sample_rate_hz, &audio.samples)
            .map_err(|error| Error::new(error.kind, format!("{}: {}", path.display(), error.message)))
    }

    /// Clips of `word`.
    pub fn count(&self, word: &str) -> Result<usize> {
        Ok(self.names(word)?.len())
    }

    /// All words with their clips. Files that cannot be read are left out: a run lists them.
    pub fn words(&self) -> Result<Vec<TaughtWord>> {
        if !self.root.is_dir() {
            return Ok(Vec::new());
        }
        let mut words = Vec::new();
        for word in sub_folders(&self.root)? {
            let clips = self.names(&word)?.into_iter().filter_map(|name| self.clip(&word, name)).collect();
            words.push(TaughtWord { word, clips });
        }
        Ok(words)
    }

    /// Deletes a clip, and the word with its last one.
    pub fn remove(&self, word: &str, clip: &str) -> Result<()> {
        let folder = self.folder(word)?;
        if !self.names(word)?.iter().any(|name| name == clip) {
            return Err(Error::not_found(format!("there is no clip \"{}\" of \"{word}\"", clip.escape_debug())));
        }
        let path = folder.join(clip);
        fs::remove_file(&path).map_err(|error| Error::io(format_args!("cannot delete {}", path.display()), &error))?;
        // The folder stays while it holds anything.
        fs::remove_dir(&folder).ok();
        Ok(())
    }

    fn clip(&self, word: &str, name: String) -> Option<TaughtClip> {
        let audio = read_audio(self.root.join(word).join(&name)).ok()?;
        let part = audio.samples.len().div_ceil(PEAKS).max(1);
        let peaks = audio.samples.chunks(part).map(loudest_peak).collect();
        Some(TaughtClip { name, secs: audio.samples.len() as f32 / audio.sample_rate_hz.max(1) as f32, peaks })
    }

    /// The file names of the clips of `word`, sorted.
    fn names(&self, word: &str) -> Result<Vec<String>> {
        let folder = self.folder(word)?;
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let names = sound_files(&folder)?.into_iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    fn folder(&self, word: &str) -> Result<PathBuf> {
        let is_plain = !word.contains(['/', '\\', '\0']) && !word.starts_with(['.', '_']) && word.trim() == word;
        if is_plain && (1..=64).contains(&word.chars().count()) && word.len() < 240 {
            return Ok(self.root.join(word));
        }
        Err(Error::invalid(format!(
            "\"{}\" cannot be taught: a word is 1 to 64 characters without / and \\, and begins with neither . nor _",
            word.chars().take(80).collect::<String>().escape_debug()
        )))
    }

    /// Few clips are all learnt from: an empty list of test clips says so to whoever reads the dataset.
    fn keep_all_for_learning(&self) -> Result<()> {
        let list = self.root.join("testing_list.txt");
        if list.is_file() {
            return Ok(());
        }
        write_atomically(&list, b"").map_err(|error| Error::io(format_args!("cannot write {}", list.display()), &error))
    }
}
