//! Making a session file anew from what can be read of it: to repair one that was not closed, or to leave a lane out.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use prost::Message as _;

use super::{
    SessionClock,
    annotate::Annotations,
    chunks::Damage,
    disk,
    reader::SessionFile,
    records::ProgramRecord,
    schema::{Content, LowerBits, RawAudio},
    writer::SessionWriter,
};
use crate::{Error, Result, stream::StreamKey};

/// What became of a file that was made anew.
#[derive(Clone, Debug, PartialEq)]
pub struct Recovered {
    /// The file.
    pub path: PathBuf,
    /// Seconds of each lane that are in it.
    pub lanes: Vec<(StreamKey, f64)>,
    /// What could not be read, and so is lost.
    pub lost: Vec<Damage>,
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept: Vec<_> = self.lanes.iter().map(|(key, secs)| format!("{secs:.1} s of {key}")).collect();
        write!(f, "{} is repaired: {} kept, ", self.path.display(), kept.join(", "))?;
        match &self.lost[..] {
            [] => f.write_str("nothing lost that had reached the disk"),
            [one] => write!(f, "lost: {one}"),
            [first, others @ ..] => write!(f, "lost: {first}, and {} more places", others.len()),
        }
    }
}

/// Repairs a file that was not finished or is damaged. `None` when there is nothing to repair.
///
/// # Errors
/// When it is no session file, when another program is writing it, or when the new file cannot be written: the old one is as it
/// was then.
pub fn recover(path: &Path) -> Result<Option<Recovered>> {
    refuse_held(path)?;
    let file = SessionFile::open(path)?;
    if file.check().is_empty() && file.is_finished() {
        return Ok(None);
    }
    rewrite(&file, |_| true).map(Some)
}

/// Repairs what was left unfinished in a folder; what became of each, or why it could not be repaired.
pub fn recover_all(folder: &Path) -> Vec<(PathBuf, Result<Recovered>)> {
    let mut done = Vec::new();
    for (path, len, _) in disk::sessions_in(folder) {
        if disk::is_held(&path) || len == 0 {
            continue;
        }
        let found = SessionFile::is_unfinished(&path).and_then(|is_unfinished| match is_unfinished {
            true => recover(&path),
            false => Ok(None),
        });
        match found {
            Ok(None) => (),
            Ok(Some(recovered)) => done.push((path, Ok(recovered))),
            Err(error) => done.push((path, Err(error))),
        }
    }
    done
}

/// Takes a lane out of a file, for good. `None` when it is not in it.
///
/// # Errors
/// As of [`recover`].
pub fn forget(path: &Path, key: &StreamKey) -> Result<Option<Recovered>> {
    forget_until(path, key, u64::MAX)
}

/// [`forget`], where the lane began before a time, nanoseconds since 1970: the same key may name somebody else later.
fn forget_until(path: &Path, key: &StreamKey, unix_nanos: u64) -> Result<Option<Recovered>> {
    refuse_held(path)?;
    let file = SessionFile::open(path)?;
    let is_in_it = |lane: usize| file.lanes()[lane].start_unix_nanos() <= unix_nanos;
    if !file.lane(key).is_some_and(is_in_it) {
        return Ok(None);
    }
    if file.lanes().len() == 1 {
        disk::delete(path)?;
        return Ok(Some(Recovered { path: path.to_owned(), lanes: Vec::new(), lost: Vec::new() }));
    }
    rewrite(&file, |lane| lane != key).map(Some)
}

/// The list of lanes that are to be taken out of what is in a folder: a key, a blank, and when it was marked, a line each.
const MARKED: &str = "forget.txt";

/// Marks a lane in a folder for removal from what was recorded before a time, nanoseconds since 1970: [`forget_marked`] takes it out.
///
/// # Errors
/// When the folder, if it is there, cannot be written to.
pub fn mark(folder: &Path, key: &StreamKey, unix_nanos: u64) -> Result<()> {
    if disk::sessions_in(folder).is_empty() {
        return Ok(());
    }
    let path = folder.join(MARKED);
    let failed = |error| Error::io(format_args!("cannot mark {key} for removal in {}", path.display()), &error);
    let mut list = OpenOptions::new().create(true).append(true).open(&path).map_err(failed)?;
    writeln!(list, "{key} {unix_nanos}").map_err(failed)
}

/// Takes every marked lane out of the files of a folder; the files that were changed.
///
/// # Errors
/// When a file cannot be written anew, or is being recorded now; the marks stay then.
pub fn forget_marked(folder: &Path) -> Result<Vec<PathBuf>> {
    let path = folder.join(MARKED);
    let Ok(list) = fs::read_to_string(&path) else { return Ok(Vec::new()) };
    let mark = |line: &str| {
        let (key, until) = line.split_once(' ').unwrap_or((line, ""));
        Some((key.parse::<StreamKey>().ok()?, until.parse().unwrap_or(u64::MAX)))
    };
    let marks: BTreeSet<(StreamKey, u64)> = list.lines().filter_map(mark).collect();
    let mut changed = Vec::new();
    for (key, until) in &marks {
        for (file, ..) in disk::sessions_in(folder) {
            if forget_until(&file, key, *until)?.is_some() {
                changed.push(file);
            }
        }
    }
    fs::remove_file(&path).map_err(|e| Error::io(format_args!("cannot delete {}", path.display()), &e))?;
    Ok(changed)
}

fn refuse_held(path: &Path) -> Result<()> {
    match disk::is_held(path) {
        true => Err(Error::busy(format!("{} is being recorded now: stop that first", path.display()))),
        false => Ok(()),
    }
}

fn rewrite(file: &SessionFile, keeps: impl Fn(&StreamKey) -> bool) -> Result<Recovered> {
    let path = file.path();
    let fresh = path.with_extension("mcap.new");
    let failed = |error| Error::io(format_args!("cannot write {}", fresh.display()), &error);
    // One that an earlier attempt left behind is worth nothing.
    if fresh.exists() {
        fs::remove_file(&fresh).map_err(failed)?;
    }
    let mut storage = disk::create(&fresh).map_err(failed)?;
    let done = copy(file, &keeps, &mut |bytes| storage.append(&bytes).map_err(failed));
    drop(storage);
    // It stays as old as it was, for those who delete by age.
    if let Ok(written) = fs::metadata(path).and_then(|data| data.modified())
        && let Ok(file) = OpenOptions::new().write(true).open(&fresh)
    {
        let _ = file.set_modified(written);
    }
    let done = done.and_then(|lanes| {
        fs::rename(&fresh, path).map_err(|e| Error::io(format_args!("cannot replace {}", path.display()), &e))?;
        disk::sync_folder(path);
        Annotations::follow(path, &keeps, begun_later_secs(file, path)?)?;
        Ok(lanes)
    });
    match done {
        Ok(lanes) => Ok(Recovered { path: path.to_owned(), lanes, lost: file.damage() }),
        Err(error) => {
            // What is left behind, where even this fails, is never taken for a session.
            fs::remove_file(&fresh).ok();
            Err(error)
        }
    }
}

/// How much later a session begins than the `old` one of which it was made.
fn begun_later_secs(old: &SessionFile, path: &Path) -> Result<f64> {
    let [old, new] = [SessionClock::of(old), SessionClock::of(&SessionFile::open(path)?)];
    Ok((i128::from(new.start_unix_nanos) - i128::from(old.start_unix_nanos)) as f64 / 1e9)
}

fn copy(
    file: &SessionFile,
    keeps: impl Fn(&StreamKey) -> bool,
    save: &mut dyn FnMut(Vec<u8>) -> Result<()>,
) -> Result<Vec<(StreamKey, f64)>> {
    let begun = file.lanes().first().map_or(0, |lane| lane.start_unix_nanos());
    let program = file.program()?.unwrap_or(ProgramRecord { program: super::program_name(), part: 1 });
    let mut writer = SessionWriter::new(&program, begun)?;
    let mut lanes = Vec::new();
    for lane in file.lanes() {
        let is_kept = keeps(&lane.record.key);
        lanes.push(if is_kept { Some(writer.add_lane(lane.record.clone())?) } else { None });
    }
    for entry in &file.chunks.entries {
        for message in file.chunks.messages(entry).iter() {
            let Some((lane, content)) = file.channel(message.channel) else { continue };
            let to = match lane.map(|lane| lanes[lane]) {
                Some(None) => continue, // of a lane that is left out
                Some(lane) => lane,
                None => None,
            };
            match (content, lane.zip(to)) {
                (Content::Spectrogram(_) | Content::Waveform(_), _) => (), // made anew from the sound
                (Content::Audio, Some((from, to))) => {
                    let Ok(audio) = RawAudio::decode(&*message.data) else { continue };
                    let samples: Vec<i16> =
                        audio.data.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]])).collect();
                    writer.sound(to, file.sample_of(from, message.log_time)?, &samples)?;
                }
                (Content::Lower, Some((from, to))) => {
                    let Ok(bits) = LowerBits::decode(&*message.data) else { continue };
                    writer.lower_bits(to, file.sample_of(from, message.log_time)?, &bits.values)?;
                }
                _ if content == Content::Records(super::records::RecordKind::Program) => (),
                _ => writer.raw(to, content, message.log_time, message.data.clone())?,
            }
        }
        writer.cut()?;
        save(writer.take_bytes())?;
    }
    save(writer.finish()?)?;
    let kept = file.lanes().iter().filter(|lane| keeps(&lane.record.key));
    Ok(kept.map(|lane| (lane.record.key.clone(), lane.secs())).collect())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            ALL,
            annotate::{Edit, Label},
            tests::*,
        },
        *,
    };

    #[test]
    fn an_unfinished_file_is_repaired_and_loses_nothing_that_was_synced() {
        let (bytes, cuts) = session(6);
        let (folder, path) = saved(&bytes[..cuts[4] + 100]);
        let named = folder.path().join("seseragi-x.mcap");
        fs::rename(&path, &named).unwrap();
        let done = recover_all(folder.path());
        let recovered = done[0].1.clone().unwrap();
        assert_eq!((done.len(), recovered.lost.len()), (1, 1));
        assert!(recovered.lanes.iter().all(|(_, secs)| *secs >= 4.9), "{recovered:?}");
        let file = SessionFile::open(&named).unwrap();
        assert!(file.is_finished() && file.check().is_empty());
        let mut samples = Vec::new();
        file.sound(0, file.lanes()[0].range(), &mut samples).unwrap();
        assert_eq!(samples, sound(0..samples.len() as u64));
        assert_eq!(file.segments(0, ALL).unwrap().len(), 5);
        assert_eq!((recover(&named).unwrap(), recover_all(folder.path()).len()), (None, 0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    }

    #[test]
    fn a_damaged_chunk_becomes_a_gap() {
        let (mut bytes, cuts) = session(6);
        bytes[cuts[2] + 5000] ^= 0x10;
        let (_folder, path) = saved(&bytes);
        let recovered = recover(&path).unwrap().unwrap();
        assert_eq!(recovered.lost.len(), 1);
        let file = SessionFile::open(&path).unwrap();
        let gaps = file.gaps(0).unwrap();
        assert_eq!((gaps.len(), &*gaps[0].cause), (1, "not_recorded"));
        assert!(gaps[0].len_samples <= u64::from(RATE) + 800, "{gaps:?}");
    }

    #[test]
    fn a_forgotten_lane_is_gone_and_the_other_stays() {
        let (bytes, _) = session(3);
        let (_folder, path) = saved(&bytes);
        let key = "a".parse().unwrap();
        let mut labels = Annotations::open(&path).unwrap();
        for lane in ["a", "b"] {
            let (lane, band_hz) = (lane.parse().unwrap(), None);
            let label = Label { id: 0, lane, start_secs: 1.0, end_secs: 1.5, band_hz, text: "one".into() };
            labels.edit(Edit::Add(label)).unwrap();
        }
        assert_eq!(forget(&path, &"nobody".parse().unwrap()).unwrap(), None);
        forget(&path, &key).unwrap().unwrap();
        let file = SessionFile::open(&path).unwrap();
        assert_eq!((file.lanes().len(), file.lane(&key)), (1, None));
        let labels = Annotations::open(&path).unwrap().labels().clone();
        assert_eq!((labels.len(), labels[0].lane.as_str()), (1, "b"), "labels of a lane go with it");
        // The session begins 37 samples later now, and its label stays where it was in the sound.
        assert!((labels[0].start_secs - (1.0 - 37.0 / f64::from(RATE))).abs() < 1e-6, "{labels:?}");
        let mut samples = Vec::new();
        file.sound(0, file.lanes()[0].range(), &mut samples).unwrap();
        assert_eq!(samples, sound(0..3 * u64::from(RATE)));
        mark(path.parent().unwrap(), &"b".parse().unwrap(), u64::MAX).unwrap();
        assert!(forget_marked(path.parent().unwrap()).unwrap().is_empty(), "no session of ours is there to be marked");
        let named = path.with_file_name("seseragi-x.mcap");
        fs::rename(&path, &named).unwrap();
        fs::rename(Annotations::path_for(&path), Annotations::path_for(&named)).unwrap();
        let before = lane("b").zero_unix_nanos;
        mark(path.parent().unwrap(), &"b".parse().unwrap(), before).unwrap();
        assert!(forget_marked(path.parent().unwrap()).unwrap().is_empty(), "recorded after it was marked");
        mark(path.parent().unwrap(), &"b".parse().unwrap(), u64::MAX).unwrap();
        assert_eq!(forget_marked(path.parent().unwrap()).unwrap(), std::slice::from_ref(&named));
        assert_eq!(
            fs::read_dir(path.parent().unwrap()).unwrap().count(),
            0,
            "the file, empty now, and the marks are gone"
        );
        assert!(!path.exists(), "without its last lane a file is empty, and goes");
    }
}
