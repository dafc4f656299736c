//! Session files on a disk: their names, their bytes, and how long they are kept.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::annotate::Annotations;
use crate::{Error, Result};

/// Where the bytes of a session go. A trait, so that a test can be a disk that is full, slow or gone.
pub trait Storage: Send {
    /// Adds bytes at the end and sees to it that they survive a power cut. On an error nothing of them is left.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// How a recorder makes a file.
pub type Creator = Box<dyn FnMut(&Path) -> io::Result<Box<dyn Storage>> + Send>;

/// A file that is being written, held by a lock so that no other program takes it for one that was left unfinished.
struct SessionStorage {
    file: File,
    path: PathBuf,
    len: u64,
}

impl Storage for SessionStorage {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        // A file that was removed goes on taking bytes, for nobody.
        let is_there = fs::metadata(&self.path).map(|_| ());
        let done = is_there.and_then(|()| self.file.write_all(bytes)).and_then(|()| self.file.sync_data());
        match done {
            Ok(()) => self.len += bytes.len() as u64,
            Err(_) => self.file.set_len(self.len)?,
        }
        done
    }
}

/// Makes a file that is not there yet, and the folder for it.
pub fn create(path: &Path) -> io::Result<Box<dyn Storage>> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().write(true).create_new(true).open(path)?;
    // Where the file system knows no locks, two programs must not share a folder.
    let _ = file.try_lock();
    sync_folder(path);
    Ok(Box::new(SessionStorage { file, path: path.to_owned(), len: 0 }))
}

/// Deletes a session with the labels beside it.
///
/// # Errors
/// What the disk says of the session.
pub fn delete(path: &Path) -> Result<()> {
    fs::remove_file(path).map_err(|e| Error::io(format_args!("cannot delete {}", path.display()), &e))?;
    // Most sessions have no labels.
    let _ = fs::remove_file(Annotations::path_for(path));
    Ok(())
}

/// A name in a folder survives a power cut once the folder is synced, where the system lets one do that.
pub fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent()
        && let Ok(folder) = File::open(folder)
    {
        let _ = folder.sync_all();
    }
}

/// Whether another program writes the file now.
pub fn is_held(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| matches!(file.try_lock_shared(), Err(fs::TryLockError::WouldBlock)))
}

/// The name of a session that began at `unix_nanos`: `seseragi-20261125T041000Z-123`, the last being milliseconds.
pub fn session_name(unix_nanos: u64) -> String {
    let (secs, millis) = (unix_nanos / 1_000_000_000, unix_nanos / 1_000_000 % 1000);
    let (days, second) = (secs / 86_400, secs % 86_400);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("seseragi-{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z-{millis:03}")
}

/// Year, month and day of the day so many days after 1970-01-01, by the Gregorian calendar: years are counted from March, so
/// that the leap day is the last of its year.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// The session files of a folder that this program named, oldest first, with their sizes and when they were last written.
pub fn sessions_in(folder: &Path) -> Vec<(PathBuf, u64, SystemTime)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let ours = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("seseragi-") && name.ends_with(".mcap")
    };
    let mut sessions: Vec<_> = entries
        .flatten()
        .filter(|entry| ours(&entry.path()))
        .filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            Some((entry.path(), metadata.len(), metadata.modified().ok()?))
        })
        .collect();
    sessions.sort_by(|a, b| (a.2, &a.0).cmp(&(b.2, &b.0)));
    sessions
}

/// How long sessions are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Not longer than this; `None` for ever.
    pub age: Option<Duration>,
    /// Not more bytes than this together; `None` for no limit.
    pub bytes: Option<u64>,
}

impl Retention {
    /// Deletes what is too old or too much, oldest first, but never what is being written; what was deleted.
    ///
    /// # Errors
    /// When a file cannot be deleted.
    pub fn apply(&self, folder: &Path, now: SystemTime) -> Result<Vec<PathBuf>> {
        let sessions = sessions_in(folder);
        let mut total: u64 = sessions.iter().map(|(_, len, _)| len).sum();
        let mut deleted = Vec::new();
        for (path, len, written) in sessions {
            let age = now.duration_since(written).unwrap_or_default();
            let is_old = self.age.is_some_and(|most| age > most);
            let is_much = self.bytes.is_some_and(|most| total > most);
            if !(is_old || is_much) || is_held(&path) {
                continue;
            }
            delete(&path)?;
            total -= len;
            deleted.push(path);
        }
        Ok(deleted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_when() {
        assert_eq!(session_name(0), "seseragi-19700101T000000Z-000");
        assert_eq!(session_name(1_709_210_096_789_000_000), "seseragi-20240229T123456Z-789");
        assert_eq!(session_name(4_102_444_799_000_000_000), "seseragi-20991231T235959Z-000");
    }

    #[test]
    fn the_oldest_go_first_and_others_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        for (i, name) in ["seseragi-a.mcap", "seseragi-b.mcap", "seseragi-c.mcap", "mine.mcap"].iter().enumerate() {
            fs::write(folder.path().join(name), vec![0; 100]).unwrap();
            let file = File::options().write(true).open(folder.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(1000 - i as u64)).unwrap();
        }
        let names = |paths: Vec<PathBuf>| -> Vec<String> {
            paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        let keep = Retention { age: None, bytes: Some(250) };
        assert_eq!(names(keep.apply(folder.path(), now).unwrap()), ["seseragi-a.mcap"]);
        assert!(Retention { age: None, bytes: None }.apply(folder.path(), now).unwrap().is_empty());
        let held = create(&folder.path().join("seseragi-d.mcap")).unwrap();
        let keep = Retention { age: Some(Duration::from_secs(10)), bytes: None };
        let later = now + Duration::from_secs(60);
        assert_eq!(names(keep.apply(folder.path(), later).unwrap()), ["seseragi-b.mcap", "seseragi-c.mcap"]);
        drop(held);
        assert!(folder.path().join("mine.mcap").exists());
    }

    #[test]
    fn a_file_that_was_removed_takes_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/x.mcap");
        let mut storage = create(&path).unwrap();
        assert!(is_held(&path) && create(&path).is_err());
        storage.append(b"abc").unwrap();
        fs::remove_dir_all(folder.path().join("new")).unwrap();
        assert_eq!(storage.append(b"def").unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
