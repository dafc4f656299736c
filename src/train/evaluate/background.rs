//! Sound in which none of the words is said, for counting false alarms.

use std::path::{Path, PathBuf};

use crate::dsp::resample::Resampler;
use crate::source::decode::read_audio;
use crate::train::dataset::{Split, wordless};
use crate::{Error, Result};

/// Files of background sound, mono, at one rate.
#[derive(Clone, Debug, Default)]
pub struct Background {
    /// The sounds.
    pub sounds: Vec<Vec<f32>>,
    /// Files that could not be read, each with its reason.
    pub skipped: Vec<(PathBuf, String)>,
}

impl Background {
    /// Reads the sound file at `path`, or all sound files in that folder and its folders; or, `is_held_out`, only those
    /// that the set there keeps for its test.
    ///
    /// Fails when there is no file that can be read.
    pub fn read(path: &Path, sample_rate_hz: u32, is_held_out: bool) -> Result<Self> {
        let mut files = Vec::new();
        if is_held_out {
            files.extend(wordless(path)?.into_iter().filter(|item| item.split == Split::Test).map(|item| item.path));
            files.dedup();
        } else {
            list(path, &mut files)?;
        }
        let mut background = Self::default();
        for file in files {
            let heard = read_audio(&file).and_then(|audio| {
                let mut samples = Vec::new();
                let mut resampler = Resampler::new(audio.sample_rate_hz, sample_rate_hz)?;
                resampler.process(&audio.samples, &mut samples);
                resampler.finish(&mut samples);
                Ok(samples)
            });
            match heard {
                Ok(samples) => background.sounds.push(samples),
                Err(error) => background.skipped.push((file, error.message)),
            }
        }
        if background.sounds.is_empty() {
            let example = background.skipped.first().map(|(file, why)| format!(" (such as {}: {why})", file.display()));
            let example = example.unwrap_or_default();
            let path = path.display();
            return Err(Error::invalid(format!("no sound file of {path} can be read as background{example}")));
        }
        Ok(background)
    }
}

/// Appends the file, or the sound files below the folder; links to folders are not followed, so that none leads round.
fn list(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let failed = |error| Error::io(format_args!("cannot read the background {}", path.display()), &error);
    if path.metadata().map_err(failed)?.is_file() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path).map_err(failed)?.collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        if kind.is_dir() {
            list(&path, files)?;
        } else if extension.is_some_and(|extension| ["wav", "flac", "mp3", "ogg", "m4a"].contains(&&*extension)) {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::test_data::write_wav;

    #[test]
    fn folders_are_read_to_their_bottom_and_bad_files_noted() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write_wav(&root.join("a.wav"), 8_000, &[0.1; 800]);
        write_wav(&root.join("deep/er/b.wav"), 16_000, &[0.1; 1_600]);
        std::fs::write(root.join("deep/bad.flac"), "no sound").unwrap();
        std::fs::write(root.join("notes.txt"), "no sound").unwrap();
        let background = Background::read(root, 8_000, false).unwrap();
        assert_eq!((background.sounds.len(), background.skipped.len()), (2, 1));
        assert!(background.sounds.iter().all(|sound| (790..=810).contains(&sound.len())));
        assert_eq!(Background::read(&root.join("a.wav"), 8_000, false).unwrap().sounds.len(), 1);
        let message = |path: &Path| Background::read(path, 8_000, false).unwrap_err().message;
        assert!(message(&root.join("deep/bad.flac")).contains("can be read as background (such as"));
        assert!(message(&root.join("nowhere")).contains("cannot read the background"));
    }
}
