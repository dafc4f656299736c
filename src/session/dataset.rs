//! Labelled sound as a training dataset: a folder a label, a WAV clip a box.

use std::{fs, path::Path};

use super::{
    SessionClock, SessionFile,
    annotate::Label,
    export::{Stretch, write_wav},
};
use crate::{Error, Result};

/// Sound before and behind a box, so that a word keeps its edges.
const MARGIN_SECS: f64 = 0.05;

/// Writes the sound of each label that has a text into `folder`, in a folder named after the text. Says how many clips there are.
/// A clip that was sent before is written again in its place.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) when no label has a text; those of the file; what the disk says.
pub fn send_to_dataset(session: &SessionFile, labels: &[Label], folder: &Path) -> Result<usize> {
    let clock = SessionClock::of(session);
    let stem = session.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut sent = 0;
    for label in labels {
        let name = folder_name(&label.text);
        let Some(index) = session.lane(&label.lane).filter(|_| !name.is_empty() && label.end_secs > label.start_secs)
        else {
            continue;
        };
        let lane = &session.lanes()[index];
        let secs = (label.start_secs - MARGIN_SECS).max(0.0)..(label.end_secs + MARGIN_SECS).min(clock.len_secs);
        let range = clock.samples(lane, &secs);
        let place = folder.join(name);
        fs::create_dir_all(&place)
            .map_err(|error| Error::io(format_args!("cannot make the folder {}", place.display()), &error))?;
        let mut read = |range: std::ops::Range<u64>, out: &mut Vec<i16>| session.sound(index, range, out);
        let mut sound = Stretch { sample_rate_hz: lane.record.sample_rate_hz, range, read: &mut read, lower: None };
        let clip = format!("{stem}-{}_{}.wav", label.lane, label.id);
        write_wav(&place.join(clip), &mut sound)?;
        sent += 1;
    }
    if sent == 0 {
        return Err(Error::invalid("no label has a text and a length: there is nothing to learn from"));
    }
    Ok(sent)
}

/// The text as a folder's name, in any script; what cannot stand in one is a blank, and none is hidden or begins with `_`.
fn folder_name(text: &str) -> String {
    let fits = |c: char| {
        if c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') { ' ' } else { c }
    };
    let name: String = text.chars().map(fits).take(64).collect();
    name.trim().trim_start_matches(['.', '_']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_a_folder_name_or_none() {
        let names = ["seven", "川の音", "a/b", "../up", "_noise", " . ", ""].map(folder_name);
        assert_eq!(names, ["seven", "川の音", "a b", "up", "noise", "", ""]);
    }
}
