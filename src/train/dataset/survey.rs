//! What a dataset holds by its folders and tables, before any of its sound is read.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Fault, Skipped, Split, SplitRule, label_track, speaker_and_index, tables};
use crate::{Error, Result};

/// Extensions (in lower case) of the sound files that are read.
const EXTENSIONS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];

/// What helps where no form of dataset is found.
pub const ADVICE: &str = "make one folder for each label and put WAV, FLAC, MP3 or OGG files into it";

/// How a dataset says what its files hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One folder a label, such as Google's Speech Commands; folders whose name begins with `_` have no label.
    Folders,
    /// ESC-50: `meta/esc50.csv` and the folder `audio`.
    Esc50,
    /// LJSpeech: `metadata.csv` and the folder `wavs`.
    LjSpeech,
    /// JSUT: `transcript_utf8.txt` beside the folder `wav`, alone or once in each of several folders.
    Jsut,
    /// Mozilla's Common Voice: `train.tsv`, `dev.tsv` and `test.tsv`, or `validated.tsv`, and the folder `clips`.
    CommonVoice,
    /// Sound files, each with a label track as Audacity exports it: `talk.flac` and `talk.txt`.
    LabelTracks,
}

impl Form {
    /// The form of the dataset at `root`.
    pub fn detect(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(Error::not_found(format!("the dataset {} does not exist or is not a folder", root.display())));
        }
        let has = |name: &str| root.join(name).is_file();
        Ok(if has("meta/esc50.csv") || has("esc50.csv") {
            Self::Esc50
        } else if has("metadata.csv") {
            Self::LjSpeech
        } else if !tables::jsut_parts(root)?.is_empty() {
            Self::Jsut
        } else if has("train.tsv") || has("validated.tsv") {
            Self::CommonVoice
        } else if !label_track::pairs(root)?.is_empty() {
            Self::LabelTracks
        } else {
            Self::Folders
        })
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Folders => "a folder for each label",
            Self::Esc50 => "an ESC-50 table",
            Self::LjSpeech => "an LJSpeech table",
            Self::Jsut => "JSUT transcripts",
            Self::CommonVoice => "Common Voice tables",
            Self::LabelTracks => "Audacity label tracks",
        })
    }
}

/// What is said in an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// One of the set's labels.
    Label(String),
    /// A text.
    Text(String),
    /// Nothing that has a label: background sound.
    Nothing,
}

/// A sound file, or a part of one, with what is said in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The file.
    pub path: PathBuf,
    /// From where to where, in seconds; the whole file without it.
    pub span_secs: Option<(f64, f64)>,
    /// What is said.
    pub said: Said,
    /// Who says it, where the set tells.
    pub speaker: Option<String>,
    /// What it may be used for.
    pub split: Split,
}

/// The items of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Survey {
    /// How the set says what its files hold.
    pub form: Form,
    /// Its items, sorted by path.
    pub items: Vec<Item>,
    /// Lines and files that cannot be used.
    pub skipped: Vec<Skipped>,
}

impl Survey {
    /// Reads the folders and tables of the dataset at `root`.
    ///
    /// Refuses a folder that does not exist, tables that are not UTF-8, and a set without any item. A bad line and a file
    /// that is named but not there are noted.
    pub fn of(root: &Path) -> Result<Self> {
        let form = Form::detect(root)?;
        let (mut items, skipped) = match form {
            Form::Folders => (folders(root)?, Vec::new()),
            Form::Esc50 => tables::esc50(root)?,
            Form::LjSpeech => tables::ljspeech(root)?,
            Form::Jsut => tables::jsut(root)?,
            Form::CommonVoice => tables::common_voice(root)?,
            Form::LabelTracks => label_track::items(root)?,
        };
        if items.is_empty() {
            let example = skipped.first().map(|skipped| format!(" ({}: {})", skipped.path.display(), skipped.reason));
            let what = match form {
                Form::Folders => ADVICE.to_owned(),
                _ => format!("it was read as {form}, and no line of it can be used{}", example.unwrap_or_default()),
            };
            return Err(Error::invalid(format!("the dataset {} is empty: {what}", root.display())));
        }
        items.sort_by(|a, b| {
            (&a.path, a.span_secs.map(|span| span.0.to_bits()))
                .cmp(&(&b.path, b.span_secs.map(|span| span.0.to_bits())))
        });
        Ok(Self { form, items, skipped })
    }
}

/// The sound files of `root` for what has none of the words: of a dataset its items, whatever is said in them, else the
/// files that lie in the folder itself, split by their names.
pub fn wordless(root: &Path) -> Result<Vec<Item>> {
    let loose = if Form::detect(root)? == Form::Folders { sound_files(root)? } else { Vec::new() };
    let item = |path: PathBuf| {
        let split = Split::of_name(&path.file_name().unwrap_or_default().to_string_lossy());
        Item { path, span_secs: None, said: Said::Nothing, speaker: None, split }
    };
    let mut found: Vec<Item> = loose.into_iter().map(item).collect();
    if found.is_empty() || !sub_folders(root)?.is_empty() {
        found.extend(Survey::of(root)?.items);
    }
    Ok(found)
}

/// One folder a label.
fn folders(root: &Path) -> Result<Vec<Item>> {
    let mut found = Vec::new();
    for folder in sub_folders(root)? {
        for file in sound_files(&root.join(&folder))? {
            found.push((folder.clone(), file));
        }
    }
    let labelled = found.iter().filter(|(folder, _)| !folder.starts_with('_'));
    let rule = SplitRule::detect(root, labelled.filter_map(|(_, path)| path.file_stem()?.to_str()))?;
    let item = |(folder, path): (String, PathBuf)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let split = rule.split(&folder, &name);
        let speaker = match name.split_once("_nohash_") {
            Some((speaker, _)) => Some(speaker.to_owned()),
            None if rule == SplitRule::SpeakerIndex => name
                .rsplit_once('.')
                .and_then(|(stem, _)| speaker_and_index(stem))
                .map(|(speaker, _)| speaker.to_owned()),
            None => None,
        };
        let said = if folder.starts_with('_') { Said::Nothing } else { Said::Label(folder) };
        Item { path, span_secs: None, said, speaker, split }
    };
    Ok(found.into_iter().map(item).collect())
}

/// The folder's own name.
pub fn folder_name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Names of the folders in `root` that are not hidden, sorted.
pub fn sub_folders(root: &Path) -> Result<Vec<String>> {
    let paths = entries(root)?.into_iter().filter(|path| path.is_dir());
    Ok(paths
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect())
}

/// The sound files in `folder` that are not hidden, sorted.
pub fn sound_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let is_sound = |path: &PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        !hidden && EXTENSIONS.contains(&extension.to_ascii_lowercase().as_str())
    };
    Ok(entries(folder)?.into_iter().filter(|path| is_sound(path) && path.is_file()).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| Error::io(format_args!("cannot read the folder {}", folder.display()), &error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.sort();
    Ok(paths)
}

/// The text of a table, without a byte order mark.
pub fn read_table(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::io(format_args!("cannot read the table {}", path.display()), &error))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::invalid(format!("the table {} is not UTF-8 text: save it as UTF-8", path.display())))?;
    Ok(text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned))
}

/// The file `name` in `folder`, if it is there; else why not. `line` of `table` names it.
pub fn named_file(folder: &Path, name: &str, table: &Path, line: u64) -> Result<PathBuf, Skipped> {
    let is_plain = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if name.is_empty() || !is_plain {
        return Err(bad_line(table, line, format!("\"{name}\" is no file name inside the dataset")));
    }
    let path = folder.join(name);
    if path.is_file() {
        return Ok(path);
    }
    let table = table.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(Skipped { path, fault: Fault::Missing, reason: format!("missing: line {line} of {table} names it") })
}

/// A line that cannot be used.
pub fn bad_line(table: &Path, line: u64, what: impl fmt::Display) -> Skipped {
    Skipped { path: table.to_path_buf(), fault: Fault::BadLine, reason: format!("line {line}: {what}") }
}
