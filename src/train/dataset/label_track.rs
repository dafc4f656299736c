//! Label tracks as Audacity exports them: `start<TAB>end<TAB>label`, times in seconds, beside a sound file of that name.

use std::path::{Path, PathBuf};

use super::survey::{Item, Said, bad_line, read_table, sound_files};
use super::{Skipped, Split};
use crate::Result;

/// A label track's parts hardly ever are longer; a longer one is a mark of something else.
const LONGEST_SECS: f64 = 3_600.0;

/// The sound files in `root` that have a label track, and their tracks.
pub fn pairs(root: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let with_track = |file: PathBuf| {
        let track = file.with_extension("txt");
        track.is_file().then_some((file, track))
    };
    Ok(sound_files(root)?.into_iter().filter_map(with_track).collect())
}

/// The labelled parts of all files. A recording is one split, by a hash of its name: parts of one recording sound alike.
/// Where there is one recording only, its parts are split by their number instead.
pub fn items(root: &Path) -> Result<(Vec<Item>, Vec<Skipped>)> {
    let pairs = pairs(root)?;
    let is_alone = pairs.len() == 1;
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    for (path, track) in pairs {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for (line, text) in (1u64..).zip(read_table(&track)?.lines()) {
            // A line that begins with a backslash bounds the label above it in frequency.
            if text.trim().is_empty() || text.starts_with('\\') {
                continue;
            }
            match part(text) {
                Ok((span, label)) => items.push(Item {
                    path: path.clone(),
                    span_secs: Some(span),
                    said: if label.starts_with('_') { Said::Nothing } else { Said::Label(label) },
                    speaker: None,
                    split: Split::of_name(&if is_alone { format!("{name}:{line}") } else { name.clone() }),
                }),
                Err(what) => skipped.push(bad_line(&track, line, what)),
            }
        }
    }
    Ok((items, skipped))
}

/// From where to where, and the label; or what is wrong.
fn part(text: &str) -> Result<((f64, f64), String), String> {
    let mut columns = text.splitn(3, '\t');
    let (Some(start), Some(end), Some(label)) = (columns.next(), columns.next(), columns.next()) else {
        return Err("a line is start, end and label with tabs between them".into());
    };
    // Some systems export a decimal comma.
    let secs = |text: &str| text.trim().replace(',', ".").parse::<f64>().map_err(|_| format!("\"{text}\" is no time"));
    let (start, end) = (secs(start)?, secs(end)?);
    if !(start >= 0.0 && end > start && end - start <= LONGEST_SECS) {
        return Err(format!("from {start} s to {end} s is no part of a recording"));
    }
    match label.trim() {
        "" => Err("the label is empty".into()),
        label => Ok(((start, end), label.to_owned())),
    }
}
