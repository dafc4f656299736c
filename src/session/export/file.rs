//! Files that are there whole or not at all.

use std::{
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Writes `path` through a neighbouring file, so that nobody ever sees half of it.
///
/// # Errors
/// What the system says of either file, or what `write` gives; nothing is left behind then.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    let part = part_of(path);
    let fail = |error: &std::io::Error| Error::io(format_args!("cannot write {}", path.display()), error);
    let done = File::create(&part).map_err(|error| fail(&error)).and_then(|file| {
        let mut file = BufWriter::new(file);
        write(&mut file)?;
        file.flush().map_err(|error| fail(&error))?;
        file.get_ref().sync_data().map_err(|error| fail(&error))?;
        fs::rename(&part, path).map_err(|error| fail(&error))
    });
    if done.is_err() {
        // That it may not even exist is no second error.
        let _ = fs::remove_file(&part);
    }
    done
}

/// [`write_whole`] for what is one text.
///
/// # Errors
/// What the system says of the file.
pub fn write_text(path: &Path, text: &str) -> Result<()> {
    write_whole(path, |file| {
        file.write_all(text.as_bytes())
            .map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))
    })
}

/// Where a file stands until it is whole.
pub fn part_of(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_file_leaves_the_old_one_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.txt");
        write_text(&path, "old").unwrap();
        let failed = write_whole(&path, |file| {
            file.write_all(b"half").unwrap();
            Err(Error::internal("stop"))
        });
        assert_eq!(failed.unwrap_err().message, "stop");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let nowhere = write_text(&dir.path().join("no/such/a.txt"), "x").unwrap_err();
        assert_eq!(nowhere.kind, crate::ErrorKind::NotFound);
    }
}
