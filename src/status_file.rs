//! `--status-json PATH`: the status as a file, for scripts that would rather read than ask over HTTP. It is replaced as a whole, so that a
//! reader never sees half of it, each second and once more at the end.
//!
//! It has a thread of its own: a write to a disk or a network drive that hangs may take for ever, and neither a pump nor anything
//! else that shares a pool may wait for it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant},
};

use bevy::ecs::resource::Resource;

use crate::{Error, Result, engine::Engine, event::Event, task::spawn_thread};

/// How often it is written.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long the end of the program waits for the last write.
const GRACE: Duration = Duration::from_secs(2);

/// The status file, written until this is dropped and then once more.
#[derive(Resource, Debug)]
pub struct StatusFile {
    end: Option<SyncSender<()>>,
    ended: std::sync::Mutex<Receiver<()>>,
}

impl StatusFile {
    /// Writes the status to `path` now, and then each second. A path that cannot be written is an error here; one that stops being
    /// writable later is told as an event, once until something else is wrong.
    pub fn start(path: PathBuf, engine: Engine) -> Result<Self> {
        write(&engine, &path, Instant::now())?;
        let (end, ending) = sync_channel::<()>(0);
        let (done, ended) = sync_channel(1);
        spawn_thread("status file", move || {
            let mut last_error = None;
            loop {
                let is_over = ending.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout);
                let error = write(&engine, &path, Instant::now()).err();
                if let Some(error) = error.as_ref().filter(|error| last_error.as_ref() != Some(*error)) {
                    let message = error.message.clone();
                    engine.events().publish(Event::Failure { owner: "status file".into(), message });
                }
                last_error = error;
                if is_over {
                    // Nobody listens any more where the end did not wait so long.
                    let _ = done.send(());
                    return;
                }
            }
        })?;
        Ok(Self { end: Some(end), ended: ended.into() })
    }
}

impl Drop for StatusFile {
    fn drop(&mut self) {
        self.finish();
    }
}

impl StatusFile {
    /// Writes the status a last time, and waits a little for it.
    pub fn finish(&mut self) {
        drop(self.end.take());
        if let Ok(ended) = self.ended.get_mut() {
            // Past the grace the disk hangs; the program ends without the last write.
            let _ = ended.recv_timeout(GRACE);
        }
    }
}

/// Writes the status as it is at `now`.
fn write(engine: &Engine, path: &Path, now: Instant) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(&engine.status(now))
        .map_err(|error| Error::internal(format!("the status cannot be written as JSON: {error}")))?;
    text.push(b'\n');
    replace(path, &text)
}

/// Replaces the file as a whole: the text goes to a file beside it, which then takes its name.
fn replace(path: &Path, text: &[u8]) -> Result<()> {
    let Some(name) = path.file_name() else {
        return Err(Error::invalid(format!("\"{}\" is no file name for the status", path.display())));
    };
    let beside = path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
    fs::write(&beside, text).and_then(|()| fs::rename(&beside, path)).map_err(|error| {
        // Where even this fails, the folder is gone or closed to us, and what was begun with it.
        let _ = fs::remove_file(&beside);
        Error::io(format_args!("cannot write the status to {}", path.display()), &error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        for text in ["first", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        fs::create_dir(folder.path().join("taken")).unwrap();
        let error = replace(&folder.path().join("taken"), b"third").unwrap_err();
        assert!(error.message.contains("cannot write the status to"), "{error}");
        let error = replace(&folder.path().join("missing/status.json"), b"third").unwrap_err();
        assert_eq!(error.kind, crate::ErrorKind::NotFound);
        assert!(replace(Path::new("/"), b"third").unwrap_err().message.contains("is no file name"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "the status and the folder in its way");
    }
}
