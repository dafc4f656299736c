//! Datasets whose files are described by a table: ESC-50, LJSpeech, JSUT, Common Voice.

use std::path::{Path, PathBuf};

use super::survey::{Item, Said, bad_line, named_file, read_table, sub_folders};
use super::{Skipped, Split, spelt};
use crate::{Error, Result};

type Found = (Vec<Item>, Vec<Skipped>);

/// ESC-50: `filename,fold,target,category,…`. Of its five folds, which share no recording, the fifth is the test split
/// and the fourth validation.
pub fn esc50(root: &Path) -> Result<Found> {
    let table = ["meta/esc50.csv", "esc50.csv"].map(|name| root.join(name)).into_iter().find(|path| path.is_file());
    let table = table.unwrap_or_else(|| root.join("esc50.csv"));
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    let rows = Rows::read(&table, b',', &["filename", "fold", "category"])?;
    for (line, row) in rows.rows {
        let Ok([name, fold, category]) = row.map_err(|what| skipped.push(bad_line(&table, line, what))) else {
            continue;
        };
        let split = match fold.as_str() {
            "1" | "2" | "3" => Split::Train,
            "4" => Split::Validation,
            "5" => Split::Test,
            _ => {
                skipped.push(bad_line(&table, line, format!("fold is \"{fold}\"; allowed are 1 to 5")));
                continue;
            }
        };
        if category.trim().is_empty() {
            skipped.push(bad_line(&table, line, "category is empty"));
            continue;
        }
        match named_file(&root.join("audio"), &name, &table, line) {
            Ok(path) => items.push(Item { path, span_secs: None, said: Said::Label(category), speaker: None, split }),
            Err(missing) => skipped.push(missing),
        }
    }
    Ok((items, skipped))
}

/// LJSpeech: `id|text|normalised text`, the files in `wavs`; one speaker.
pub fn ljspeech(root: &Path) -> Result<Found> {
    let table = root.join("metadata.csv");
    let text = read_table(&table)?;
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    for (line, row) in (1u64..).zip(text.lines()).filter(|(_, row)| !row.trim().is_empty()) {
        let columns: Vec<&str> = row.split('|').collect();
        let (id, text) = match columns[..] {
            [id, text] => (id, text),
            [id, text, normalised] => (id, if normalised.trim().is_empty() { text } else { normalised }),
            _ => {
                let what = format!("{} columns; a line is id|text or id|text|normalised text", columns.len());
                skipped.push(bad_line(&table, line, what));
                continue;
            }
        };
        push_text(&mut items, &mut skipped, (&table, line), &root.join("wavs"), &format!("{id}.wav"), text);
    }
    Ok((items, skipped))
}

/// The folders of a JSUT set that have a transcript: the root itself, or some in it.
pub fn jsut_parts(root: &Path) -> Result<Vec<PathBuf>> {
    let mut folders = vec![root.to_path_buf()];
    folders.extend(sub_folders(root)?.into_iter().map(|name| root.join(name)));
    folders.retain(|folder| folder.join("transcript_utf8.txt").is_file());
    Ok(folders)
}

/// JSUT: `id:text`, the files in `wav`; one speaker.
pub fn jsut(root: &Path) -> Result<Found> {
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    for folder in jsut_parts(root)? {
        let table = folder.join("transcript_utf8.txt");
        for (line, row) in (1u64..).zip(read_table(&table)?.lines()).filter(|(_, row)| !row.trim().is_empty()) {
            match row.split_once(':') {
                Some((id, text)) => {
                    let name = format!("{id}.wav");
                    push_text(&mut items, &mut skipped, (&table, line), &folder.join("wav"), &name, text);
                }
                None => skipped.push(bad_line(&table, line, "no colon; a line is id:text")),
            }
        }
    }
    Ok((items, skipped))
}

/// Common Voice: tab-separated with `client_id`, `path` and `sentence`. Its own three tables are the splits; of
/// `validated.tsv` alone, a speaker's clips fall into one split by a hash of the speaker.
pub fn common_voice(root: &Path) -> Result<Found> {
    let (mut items, mut skipped) = (Vec::new(), Vec::new());
    let own = [("train.tsv", Split::Train), ("dev.tsv", Split::Validation), ("test.tsv", Split::Test)];
    let has_own = root.join("train.tsv").is_file();
    let tables: Vec<(PathBuf, Option<Split>)> = match has_own {
        true => own.into_iter().map(|(name, split)| (root.join(name), Some(split))).collect(),
        false => vec![(root.join("validated.tsv"), None)],
    };
    for (table, own_split) in tables.into_iter().filter(|(table, _)| table.is_file()) {
        let rows = Rows::read(&table, b'\t', &["client_id", "path", "sentence"])?;
        for (line, row) in rows.rows {
            let Ok([speaker, name, text]) = row.map_err(|what| skipped.push(bad_line(&table, line, what))) else {
                continue;
            };
            let before = items.len();
            push_text(&mut items, &mut skipped, (&table, line), &root.join("clips"), &name, &text);
            if let Some(item) = items.get_mut(before) {
                item.split = own_split.unwrap_or_else(|| Split::of_name(&speaker));
                item.speaker = Some(speaker);
            }
        }
    }
    Ok((items, skipped))
}

/// An item with a text, whose split follows from a hash of its file's name; or why there is none.
fn push_text(
    items: &mut Vec<Item>,
    skipped: &mut Vec<Skipped>,
    (table, line): (&Path, u64),
    folder: &Path,
    name: &str,
    text: &str,
) {
    let text = text.trim();
    if text.is_empty() {
        return skipped.push(bad_line(table, line, "the text is empty"));
    }
    if spelt(text).is_empty() {
        return skipped.push(bad_line(table, line, format!("the text \"{text}\" has no letter")));
    }
    match named_file(folder, name, table, line) {
        Ok(path) => items.push(Item {
            path,
            span_secs: None,
            said: Said::Text(text.to_owned()),
            speaker: None,
            split: Split::of_name(name),
        }),
        Err(missing) => skipped.push(missing),
    }
}

/// Chosen columns of a table, line by line: the values, or what is wrong with the line.
struct Rows<const N: usize> {
    rows: Vec<(u64, Result<[String; N], String>)>,
}

impl<const N: usize> Rows<N> {
    /// Reads the table at `path`, whose first line names its columns. Refuses a table that lacks one of `columns`.
    fn read(path: &Path, delimiter: u8, columns: &[&str; N]) -> Result<Self> {
        let text = read_table(path)?;
        // Common Voice does not quote: a quotation mark is part of the text.
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(delimiter == b',')
            .flexible(true)
            .from_reader(text.as_bytes());
        let unreadable = |error| Error::invalid(format!("the table {} cannot be read: {error}", path.display()));
        let header = reader.headers().map_err(unreadable)?.clone();
        let mut places = [0; N];
        for (place, column) in places.iter_mut().zip(columns) {
            *place = header.iter().position(|name| name.trim() == *column).ok_or_else(|| {
                let has = header.iter().collect::<Vec<_>>().join(", ");
                Error::invalid(format!("the table {} has no column {column}; it has: {has}", path.display()))
            })?;
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record.map_err(unreadable)?;
            let line = record.position().map_or(0, csv::Position::line);
            let values = places.map(|place| record.get(place).map(str::to_owned));
            let short = format!("{} columns; the first line names {}", record.len(), header.len());
            let values: Option<Vec<String>> = values.into_iter().collect();
            let values = values.and_then(|values| <[String; N]>::try_from(values).ok());
            rows.push((line, values.ok_or(short)));
        }
        Ok(Self { rows })
    }
}
