//! Clips as a network hears them, kept on disk: decoding and resampling hours of compressed recordings at each start of a
//! run takes longer than reading what came out of it.
//!
//! A clip is kept under the hash of its file's content and of what is made of it, so that a changed file is another clip
//! and a copied one the same. What is made of clips later (scenes, features) differs at each step and is not kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Kept at most; the clips that were not asked for longest go first. Ten hours at 16 kHz.
const MOST_BYTES: u64 = 1_200_000_000;

/// Changes where other samples are made of the same file, so that older clips are no longer found.
const VERSION: u32 = 1;

/// A folder of clips. What cannot be read or written there costs time, nothing else.
#[derive(Clone, Debug)]
pub struct ClipCache {
    folder: PathBuf,
    most_bytes: u64,
}

/// Which clip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClipKey(blake3::Hash);

impl ClipKey {
    /// The part `span_secs` of the file with this `content`, at `sample_rate_hz`.
    pub fn new(content: &blake3::Hash, span_secs: Option<(f64, f64)>, sample_rate_hz: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&VERSION.to_le_bytes());
        hasher.update(content.as_bytes());
        hasher.update(&sample_rate_hz.to_le_bytes());
        if let Some((start, end)) = span_secs {
            hasher.update(&start.to_le_bytes());
            hasher.update(&end.to_le_bytes());
        }
        Self(hasher.finalize())
    }
}

impl ClipCache {
    /// A cache in `folder`, which is made where it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, most_bytes: MOST_BYTES }
    }

    /// The samples of a clip that was put here, if it still is and is whole.
    pub fn get(&self, key: ClipKey) -> Option<Box<[i16]>> {
        let path = self.path(key);
        let bytes = fs::read(&path).ok()?;
        let (check, samples) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*check) != crc32fast::hash(samples) {
            return None;
        }
        // The time of the last use; where it cannot be set, the clip goes sooner.
        let _ = fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(samples.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
    }

    /// Keeps the samples of a clip.
    pub fn put(&self, key: ClipKey, samples: &[i16]) {
        let samples: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let bytes = [&crc32fast::hash(&samples).to_le_bytes()[..], &samples].concat();
        // Half a file, after a crash, is told by its check. A full or read-only disk is no reason not to train.
        let _ = fs::create_dir_all(&self.folder).and_then(|()| fs::write(self.path(key), &bytes));
    }

    /// Deletes what was used longest ago until the rest is small enough.
    pub fn trim(&self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let known = |entry: fs::DirEntry| {
            let data = entry.metadata().ok()?;
            Some((data.modified().ok()?, data.len(), entry.path()))
        };
        let mut clips: Vec<(SystemTime, u64, PathBuf)> = entries.flatten().filter_map(known).collect();
        clips.sort();
        let mut bytes: u64 = clips.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in clips {
            if bytes <= self.most_bytes {
                return;
            }
            if fs::remove_file(path).is_ok() {
                bytes -= len;
            }
        }
    }

    fn path(&self, key: ClipKey) -> PathBuf {
        self.folder.join(key.0.to_hex().as_str()).with_extension("pcm")
    }
}

/// The hash of a file's content.
pub fn content_hash(path: &Path) -> Option<blake3::Hash> {
    fs::read(path).ok().map(|content| blake3::hash(&content))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(content: &[u8], rate: u32) -> ClipKey {
        ClipKey::new(&blake3::hash(content), None, rate)
    }

    #[test]
    fn what_was_put_is_found_again_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ClipCache::new(folder.path().join("clips"));
        assert_eq!(cache.get(key(b"a", 8_000)), None);
        cache.put(key(b"a", 8_000), &[1, -2, i16::MIN, i16::MAX]);
        assert_eq!(cache.get(key(b"a", 8_000)).as_deref(), Some(&[1, -2, i16::MIN, i16::MAX][..]));
        assert_eq!((cache.get(key(b"a", 16_000)), cache.get(key(b"b", 8_000))), (None, None));
        let content = blake3::hash(b"a");
        let parts = [None, Some((0.0, 1.0)), Some((0.0, 2.0))].map(|span| ClipKey::new(&content, span, 8_000));
        assert!(parts[0] != parts[1] && parts[1] != parts[2]);
    }

    #[test]
    fn a_damaged_clip_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ClipCache::new(folder.path().to_path_buf());
        cache.put(key(b"a", 8_000), &[5; 100]);
        let path = cache.path(key(b"a", 8_000));
        let whole = fs::read(&path).unwrap();
        for damaged in [whole[..50].to_vec(), [&whole[..100], &[9], &whole[101..]].concat(), Vec::new()] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(cache.get(key(b"a", 8_000)), None);
        }
    }

    #[test]
    fn the_clips_used_longest_ago_go_first() {
        let folder = tempfile::tempdir().unwrap();
        // Room for two clips of 204 bytes.
        let cache = ClipCache { folder: folder.path().to_path_buf(), most_bytes: 450 };
        let long_ago = |name: &[u8], secs: u64| {
            let file = fs::File::options().append(true).open(cache.path(key(name, 1))).unwrap();
            file.set_modified(SystemTime::now() - std::time::Duration::from_secs(secs)).unwrap();
        };
        for (name, age) in [(b"a", 300), (b"b", 200), (b"c", 100)] {
            cache.put(key(name, 1), &[7; 100]);
            long_ago(name, age);
        }
        assert!(cache.get(key(b"a", 1)).is_some(), "used now");
        cache.trim();
        let left = [b"a", b"b", b"c"].map(|name| cache.get(key(name, 1)).is_some());
        assert_eq!(left, [true, false, true]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "in the way").unwrap();
        let cache = ClipCache::new(folder.path().join("file/clips"));
        cache.put(key(b"a", 8_000), &[1]);
        cache.trim();
        assert_eq!(cache.get(key(b"a", 8_000)), None);
    }
}
