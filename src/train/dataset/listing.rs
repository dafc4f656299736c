//! Finding a dataset and listing its files, before any of them is read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Split, SplitRule};
use crate::{Error, Result};

/// Extensions (in lower case) of the sound files that are read.
const EXTENSIONS: [&str; 4] = ["wav", "flac", "mp3", "ogg"];

/// A sound file of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    /// The file.
    pub path: PathBuf,
    /// Index into [`Listing::labels`]; `None` for background sound.
    pub label: Option<usize>,
    /// What the file may be used for.
    pub split: Split,
}

/// The files of one or several datasets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The folder's name; several are joined with `+`.
    pub name: String,
    /// Label names of all datasets, sorted.
    pub labels: Vec<String>,
    /// All sound files, sorted by label and path.
    pub files: Vec<ListedFile>,
}

/// The folder of the dataset `name_or_path`: a folder's path, or the name of a folder in one of `known_folders`.
pub fn find(name_or_path: &str, known_folders: &[PathBuf]) -> Result<PathBuf> {
    if name_or_path.trim().is_empty() {
        return Err(Error::invalid("the dataset has no name: give a known name or a folder's path"));
    }
    let given = Path::new(name_or_path);
    let is_plain_name = given.components().count() == 1 && !given.has_root() && !name_or_path.starts_with('.');
    let known = known_folders.iter().filter(|_| is_plain_name).map(|folder| folder.join(given));
    if let Some(found) = known.chain([given.to_path_buf()]).find(|path| path.is_dir()) {
        return Ok(found);
    }
    if given.exists() {
        return Err(Error::invalid(format!(
            "the dataset {name_or_path} is a file: give the folder that has one sub-folder for each label"
        )));
    }
    let names: Vec<String> = known_folders.iter().flat_map(|folder| sub_folders(folder).unwrap_or_default()).collect();
    let known = if names.is_empty() { String::new() } else { format!(" (known names: {})", names.join(", ")) };
    Err(Error::not_found(format!(
        "the dataset {name_or_path} does not exist: give a known name or a folder's path{known}"
    )))
}

/// The names of all datasets in `known_folders`.
pub fn known_names(known_folders: &[PathBuf]) -> Vec<String> {
    let names: BTreeSet<String> =
        known_folders.iter().flat_map(|folder| sub_folders(folder).unwrap_or_default()).collect();
    names.into_iter().collect()
}

impl Listing {
    /// Lists the datasets at `roots`; labels of the same name are one label.
    ///
    /// Refuses folders without labels or sound files and sets of one label only, since nothing can be learnt from them.
    pub fn scan(roots: &[PathBuf]) -> Result<Self> {
        let mut labels = BTreeSet::new();
        let mut found = Vec::new();
        for root in roots {
            for (folder, path) in scan_root(root)? {
                if !folder.0.starts_with('_') {
                    labels.insert(folder.0.clone());
                }
                found.push((folder, path));
            }
        }
        let labels: Vec<String> = labels.into_iter().collect();
        let names: Vec<String> = roots.iter().map(|root| folder_name(root)).collect();
        let name = names.join("+");
        refuse_few(&name, &labels)?;
        let mut files: Vec<ListedFile> = found
            .into_iter()
            .map(|((folder, split), path)| ListedFile { path, label: labels.binary_search(&folder).ok(), split })
            .collect();
        files.sort_by(|a, b| (a.label, &a.path).cmp(&(b.label, &b.path)));
        if !files.iter().any(|file| file.label.is_some() && file.split == Split::Train) {
            return Err(Error::invalid(format!(
                "all clips of the dataset {name} fall into its validation and test splits: add more clips"
            )));
        }
        Ok(Self { name, labels, files })
    }
}

impl Listing {
    /// Keeps at most `clips` of the clips to learn from, of each label as many as of the others, the first ones.
    pub fn limit(&mut self, clips: usize) {
        let mut ranks = vec![0_usize; self.labels.len()];
        let mut learnt: Vec<_> = Vec::new();
        for (i, file) in self.files.iter().enumerate() {
            if let Some(label) = file.label.filter(|_| file.split == Split::Train) {
                ranks[label] += 1;
                learnt.push((ranks[label], label, i));
            }
        }
        learnt.sort_unstable();
        let dropped: BTreeSet<_> = learnt.into_iter().skip(clips).map(|(_, _, i)| i).collect();
        let mut i = 0..;
        self.files.retain(|_| i.next().is_some_and(|i| !dropped.contains(&i)));
    }

    /// Refuses, without looking into the label folders, what [`Self::scan`] would refuse for having fewer than two.
    pub fn check_folders(roots: &[PathBuf]) -> Result<()> {
        let mut labels = BTreeSet::new();
        for root in roots {
            labels.extend(sub_folders(root)?.into_iter().filter(|name| !name.starts_with('_')));
        }
        let names: Vec<String> = roots.iter().map(|root| folder_name(root)).collect();
        refuse_few(&names.join("+"), &labels.into_iter().collect::<Vec<_>>())
    }
}

fn refuse_few(name: &str, labels: &[String]) -> Result<()> {
    match labels {
        [] => Err(Error::invalid(format!("the dataset {name} has no labelled sound files: {FORM}"))),
        [only] => Err(Error::invalid(format!(
            "the dataset {name} has one label only ({only}): add a folder for at least one more label"
        ))),
        _ => Ok(()),
    }
}

const FORM: &str = "make one folder for each label and put WAV, FLAC, MP3 or OGG files into it";

/// A label's folder (or a background folder) with the split, and the file.
type Found = ((String, Split), PathBuf);

fn scan_root(root: &Path) -> Result<Vec<Found>> {
    if !root.is_dir() {
        return Err(Error::not_found(format!("the dataset {} does not exist or is not a folder", root.display())));
    }
    let mut found = Vec::new();
    for folder in sub_folders(root)? {
        for file in sound_files(&root.join(&folder))? {
            found.push((folder.clone(), file));
        }
    }
    if found.is_empty() {
        return Err(Error::invalid(format!("the dataset {} is empty: {FORM}", root.display())));
    }
    let stems: Vec<&str> = found
        .iter()
        .filter(|(folder, _)| !folder.starts_with('_'))
        .filter_map(|(_, path)| path.file_stem()?.to_str())
        .collect();
    let rule = SplitRule::detect(root, stems.iter().copied())?;
    Ok(found
        .into_iter()
        .map(|(folder, path)| {
            let split = rule.split(&folder, &path.file_name().unwrap_or_default().to_string_lossy());
            ((folder, split), path)
        })
        .collect())
}

fn folder_name(path: &Path) -> String {
    let full = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    full.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// Names of the folders in `root` that are not hidden, sorted.
fn sub_folders(root: &Path) -> Result<Vec<String>> {
    let paths = entries(root)?.into_iter().filter(|path| path.is_dir());
    Ok(paths
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect())
}

fn sound_files(folder: &Path) -> Result<Vec<PathBuf>> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn folder_with(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"").unwrap();
        }
        folder
    }

    fn scan(files: &[&str]) -> Result<Listing> {
        let folder = folder_with(files);
        Listing::scan(&[folder.path().to_path_buf()])
    }

    #[test]
    fn labels_may_have_spaces_and_any_script() {
        let listing =
            scan(&["turn on/a_07.wav", "はい/b_08.FLAC", "いいえ/c_09.ogg", "はい/notes.txt", ".git/x.wav"]).unwrap();
        assert_eq!(listing.labels, ["turn on", "いいえ", "はい"]);
        assert_eq!(listing.files.len(), 3);
        assert_eq!(listing.files[0].label, Some(0));
    }

    #[test]
    fn folders_with_an_underscore_are_background() {
        let listing = scan(&["yes/a_07.wav", "no/b_08.wav", "_background_noise_/rain.wav"]).unwrap();
        assert_eq!(listing.labels, ["no", "yes"]);
        assert_eq!(listing.files.iter().filter(|file| file.label.is_none()).count(), 1);
    }

    #[test]
    fn several_datasets_share_their_labels_and_keep_their_splits() {
        let (first, second) =
            (folder_with(&["one/a_00.wav", "two/a_09.wav"]), folder_with(&["two/x.wav", "three/y.wav"]));
        let listing = Listing::scan(&[first.path().to_path_buf(), second.path().to_path_buf()]).unwrap();
        assert_eq!(listing.labels, ["one", "three", "two"]);
        assert_eq!(listing.files.iter().find(|file| file.path.ends_with("one/a_00.wav")).unwrap().split, Split::Test);
        assert_eq!(listing.files.iter().filter(|file| file.label == Some(2)).count(), 2);
    }

    #[test]
    fn unusable_folders_are_named_with_what_to_do() {
        let message = |files: &[&str]| scan(files).unwrap_err().message;
        assert!(message(&[]).contains("is empty: make one folder for each label"));
        assert!(message(&["a.wav"]).contains("is empty"));
        assert!(message(&["one/a.wav"]).contains("one label only (one)"));
        assert!(message(&["_noise/a.wav"]).contains("no labelled sound files"));
        assert!(message(&["one/a_00.wav", "two/a_01.wav"]).contains("add more clips"));
        let missing = find("no-such-set", &[]).unwrap_err();
        assert_eq!(missing.kind, ErrorKind::NotFound);
        assert!(missing.message.contains("no-such-set does not exist"));
    }

    #[test]
    fn names_are_looked_up_in_the_known_folders() {
        let known = folder_with(&["demo/one/a.wav"]);
        let folders = [known.path().to_path_buf()];
        assert_eq!(find("demo", &folders).unwrap(), known.path().join("demo"));
        let path = known.path().join("demo").display().to_string();
        assert_eq!(find(&path, &[]).unwrap(), known.path().join("demo"));
        assert!(find("other", &folders).unwrap_err().message.contains("known names: demo"));
        assert!(find(&format!("{path}/one/a.wav"), &[]).unwrap_err().message.contains("is a file"));
    }
}
