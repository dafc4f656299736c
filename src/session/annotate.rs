//! Labels that people set in a session: boxes of time and frequency with a text. They live in a file beside the session, which is
//! never changed by them.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::export::{Mark, MarkKind, file::write_text};
use crate::{Error, Result, Text, stream::StreamKey};

/// The version of the sidecar that this release writes.
const VERSION: u32 = 1;
/// How many steps can be undone.
const MOST_STEPS: usize = 256;

/// A label. Times are on the session's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// Its number, which it keeps.
    pub id: u64,
    /// The lane that it stands in.
    pub lane: StreamKey,
    /// Its start.
    pub start_secs: f64,
    /// Its end.
    pub end_secs: f64,
    /// The lowest and the highest frequency, where it does not span all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band_hz: Option<[f64; 2]>,
    /// What it says.
    pub text: Text,
}

impl Label {
    /// The label as a mark on the session's clock.
    pub fn mark(&self) -> Mark {
        Mark {
            kind: MarkKind::Label,
            start_secs: self.start_secs,
            end_secs: self.end_secs,
            text: self.text.clone(),
            score: None,
            band_hz: self.band_hz,
        }
    }
}

/// What can be done to labels.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {
    /// Adds one; its id is given to it.
    Add(Label),
    /// Puts another in the place of the one with its id.
    Change(Label),
    /// Removes the one with this id.
    Remove(u64),
    /// Takes the last step back.
    Undo,
    /// Takes the last step that was taken back again.
    Redo,
}

#[derive(Serialize, Deserialize)]
struct Sidecar {
    version: u32,
    labels: Vec<Label>,
}

/// The labels of a session, with what can be undone.
#[derive(Clone, Debug)]
pub struct Annotations {
    path: PathBuf,
    labels: Arc<Vec<Label>>,
    next_id: u64,
    done: Vec<Arc<Vec<Label>>>,
    undone: Vec<Arc<Vec<Label>>>,
}

impl Annotations {
    /// Where the labels of a session are kept: beside it.
    pub fn path_for(session: &Path) -> PathBuf {
        let mut name = session.file_stem().unwrap_or_default().to_owned();
        name.push(".labels.json");
        session.with_file_name(name)
    }

    /// Opens the labels of a session; none where there are none yet.
    ///
    /// # Errors
    /// When the sidecar cannot be read, is damaged, or of a newer version.
    pub fn open(session: &Path) -> Result<Self> {
        let path = Self::path_for(session);
        let labels = match fs::read_to_string(&path) {
            Ok(text) => read(&path, &text)?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(Error::io(format_args!("cannot read {}", path.display()), &error)),
        };
        let next_id = labels.iter().map(|label| label.id + 1).max().unwrap_or(1);
        Ok(Self { path, labels: Arc::new(labels), next_id, done: Vec::new(), undone: Vec::new() })
    }

    /// The labels, by their start.
    pub fn labels(&self) -> &Arc<Vec<Label>> {
        &self.labels
    }

    /// Whether there is something to undo, and to redo.
    pub fn can_undo_redo(&self) -> (bool, bool) {
        (!self.done.is_empty(), !self.undone.is_empty())
    }

    /// Does an edit and saves the sidecar. Says the id of the label that was added or changed.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a label that cannot be, [`NotFound`](crate::ErrorKind::NotFound) for one that is not
    /// there, both with nothing done; what the disk says, with the edit done but not saved.
    pub fn edit(&mut self, edit: Edit) -> Result<Option<u64>> {
        let mut labels = (*self.labels).clone();
        let mut touched = None;
        match edit {
            Edit::Add(label) => {
                check(&label)?;
                touched = Some(self.next_id);
                labels.push(Label { id: self.next_id, ..label });
                self.next_id += 1;
            }
            Edit::Change(label) => {
                check(&label)?;
                touched = Some(label.id);
                let place = find(&mut labels, label.id)?;
                *place = label;
            }
            Edit::Remove(id) => {
                find(&mut labels, id)?;
                labels.retain(|label| label.id != id);
            }
            Edit::Undo | Edit::Redo => {
                let (from, to) = match edit {
                    Edit::Undo => (&mut self.done, &mut self.undone),
                    _ => (&mut self.undone, &mut self.done),
                };
                let Some(labels) = from.pop() else { return Ok(None) };
                to.push(std::mem::replace(&mut self.labels, labels));
                return self.save().map(|()| None);
            }
        }
        labels.sort_by(|a, b| a.start_secs.total_cmp(&b.start_secs).then(a.id.cmp(&b.id)));
        self.undone.clear();
        if self.done.len() == MOST_STEPS {
            self.done.remove(0);
        }
        self.done.push(std::mem::replace(&mut self.labels, Arc::new(labels)));
        self.save().map(|()| touched)
    }

    /// Follows a session that was made anew: labels of lanes that it `keeps`, on a clock whose 0 is `shift_secs` later. There is nothing
    /// to be undone in what is gone.
    ///
    /// # Errors
    /// As of [`open`](Self::open), and what the disk says.
    pub fn follow(session: &Path, keeps: impl Fn(&StreamKey) -> bool, shift_secs: f64) -> Result<()> {
        let mut annotations = Self::open(session)?;
        if annotations.labels.is_empty() {
            return Ok(());
        }
        let mut labels = (*annotations.labels).clone();
        labels.retain_mut(|label| {
            label.start_secs = (label.start_secs - shift_secs).max(0.0);
            label.end_secs -= shift_secs;
            keeps(&label.lane) && label.end_secs >= label.start_secs
        });
        if labels != *annotations.labels {
            annotations.labels = Arc::new(labels);
            annotations.save()?;
        }
        Ok(())
    }

    fn save(&self) -> Result<()> {
        let sidecar = Sidecar { version: VERSION, labels: (*self.labels).clone() };
        let text = serde_json::to_string_pretty(&sidecar)
            .map_err(|error| Error::internal(format!("labels cannot be written as JSON: {error}")))?;
        write_text(&self.path, &(text + "\n"))
    }
}

fn read(path: &Path, text: &str) -> Result<Vec<Label>> {
    #[derive(Deserialize)]
    struct Version {
        version: u32,
    }
    let fail = |error: serde_json::Error| {
        Error::invalid(format!("{}: {error}; mend it, or move it away to begin without labels", path.display()))
    };
    let Version { version } = serde_json::from_str(text).map_err(fail)?;
    if version > VERSION {
        return Err(Error::invalid(format!(
            "{} is of version {version}, this program knows {VERSION}: use a newer one",
            path.display()
        )));
    }
    let sidecar: Sidecar = serde_json::from_str(text).map_err(fail)?;
    sidecar.labels.iter().try_for_each(check)?;
    Ok(sidecar.labels)
}

fn check(label: &Label) -> Result<()> {
    let is_band = |[low, high]: [f64; 2]| low >= 0.0 && high >= low && high.is_finite();
    let is_time = label.start_secs >= 0.0 && label.end_secs >= label.start_secs && label.end_secs.is_finite();
    if is_time && label.band_hz.is_none_or(is_band) {
        return Ok(());
    }
    Err(Error::invalid(format!("the label \"{}\" ends before it begins, or lies outside of the session", label.text)))
}

fn find(labels: &mut [Label], id: u64) -> Result<&mut Label> {
    labels.iter_mut().find(|label| label.id == id).ok_or_else(|| Error::not_found(format!("there is no label {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(start_secs: f64, text: &str) -> Label {
        Label {
            id: 0,
            lane: "main".parse().unwrap(),
            start_secs,
            end_secs: start_secs + 1.0,
            band_hz: None,
            text: text.into(),
        }
    }

    fn texts(annotations: &Annotations) -> Vec<&str> {
        annotations.labels().iter().map(|label| &*label.text).collect()
    }

    #[test]
    fn every_step_is_saved_and_can_be_taken_back() {
        let dir = tempfile::tempdir().unwrap();
        let session = dir.path().join("walk.mcap");
        let mut marks = Annotations::open(&session).unwrap();
        let late = marks.edit(Edit::Add(label(5.0, "wren"))).unwrap().unwrap();
        marks.edit(Edit::Add(Label { band_hz: Some([500.0, 900.0]), ..label(1.0, "川") })).unwrap();
        assert_eq!(texts(&marks), ["川", "wren"]);
        marks.edit(Edit::Change(Label { id: late, ..label(0.5, "robin") })).unwrap();
        assert_eq!(texts(&Annotations::open(&session).unwrap()), ["robin", "川"], "another one reads what was saved");
        marks.edit(Edit::Remove(late)).unwrap();
        for expected in [&["robin", "川"][..], &["川", "wren"], &["wren"], &[], &[]] {
            marks.edit(Edit::Undo).unwrap();
            assert_eq!(texts(&marks), expected);
            assert_eq!(texts(&Annotations::open(&session).unwrap()), expected);
        }
        (0..9).for_each(|_| assert!(marks.edit(Edit::Redo).is_ok()));
        assert_eq!(texts(&marks), ["川"]);
        let new = marks.edit(Edit::Add(label(9.0, "x"))).unwrap().unwrap();
        assert!(new > late, "a number is never given twice");
        assert_eq!(marks.can_undo_redo(), (true, false));
    }

    #[test]
    fn bad_labels_and_bad_files_are_refused_and_change_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let session = dir.path().join("walk.mcap");
        let mut marks = Annotations::open(&session).unwrap();
        for bad in [
            Label { end_secs: -1.0, ..label(1.0, "a") },
            Label { start_secs: f64::NAN, ..label(1.0, "a") },
            Label { band_hz: Some([9.0, 1.0]), ..label(1.0, "a") },
        ] {
            assert!(marks.edit(Edit::Add(bad)).is_err());
        }
        assert_eq!(marks.edit(Edit::Remove(7)).unwrap_err().kind, crate::ErrorKind::NotFound);
        assert!(!Annotations::path_for(&session).exists());
        for bad in ["", "{}", "{\"version\": 99, \"labels\": []}", "{\"version\": 1, \"labels\": 3}"] {
            fs::write(Annotations::path_for(&session), bad).unwrap();
            let error = Annotations::open(&session).unwrap_err();
            assert!(error.message.contains("walk.labels.json"), "{bad:?}: {error}");
        }
    }
}
