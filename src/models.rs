//! The model store: each model a folder `NAME/{card.ron, weights.safetensors}`.
//!
//! Models that ship with the program are only read; new ones go to the user's folder, where a name hides the shipped
//! model of the same name.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use crate::recognise::card::{Card, Model};
use crate::recognise::model::Network;
use crate::{Error, Result};

mod transfer;

const CARD: &str = "card.ron";
const WEIGHTS: &str = "weights.safetensors";

/// Where models are kept. Cheap to clone; clones are the same store.
#[derive(Clone, Debug)]
pub struct ModelStore {
    folders: Arc<Folders>,
}

#[derive(Debug)]
struct Folders {
    shipped: PathBuf,
    user: PathBuf,
    /// Keeps readers of this process away while a folder is exchanged.
    exchange: RwLock<()>,
}

/// One model of the store.
#[derive(Clone, Debug)]
pub struct ModelInfo {
    /// Its name.
    pub name: String,
    /// Its folder.
    pub path: PathBuf,
    /// Whether it ships with the program, and so cannot be deleted.
    pub is_shipped: bool,
    /// Its card, or why it cannot be read.
    pub card: Result<Card>,
}

impl ModelStore {
    /// A store over the two folders; neither need exist yet.
    pub fn new(shipped: impl Into<PathBuf>, user: impl Into<PathBuf>) -> Self {
        let (shipped, user) = (shipped.into(), user.into());
        Self { folders: Arc::new(Folders { shipped, user, exchange: RwLock::new(()) }) }
    }

    /// The program's store: the shipped models in its assets, the user's in its data folder.
    pub fn standard() -> Result<Self> {
        Ok(Self::new(crate::config::assets_dir()?.join("models"), crate::config::data_dir()?.join("models")))
    }

    /// The folder of the user's models.
    pub fn user_dir(&self) -> &Path {
        &self.folders.user
    }

    /// All models, ordered by name, those with an unreadable card too.
    pub fn list(&self) -> Vec<ModelInfo> {
        let _reading = self.folders.exchange.read().unwrap_or_else(PoisonError::into_inner);
        let mut infos = std::collections::BTreeMap::new();
        for (folder, is_shipped) in [(&self.folders.shipped, true), (&self.folders.user, false)] {
            let Ok(entries) = fs::read_dir(folder) else { continue };
            for entry in entries.flatten() {
                let file_name = entry.file_name().to_string_lossy().into_owned();
                // A model whose exchange was cut off by a crash is there under its previous name only.
                let name = file_name.strip_prefix('.').and_then(|n| n.strip_suffix(".previous")).unwrap_or(&file_name);
                if check_name(name).is_err() || !model_folder(folder, name).join(CARD).is_file() {
                    continue;
                }
                let path = model_folder(folder, name);
                let card = read_card(&path);
                infos.insert(name.to_owned(), ModelInfo { name: name.to_owned(), path, is_shipped, card });
            }
        }
        infos.into_values().collect()
    }

    /// Loads a model and checks it: card, hash of the weights, sizes.
    pub fn load(&self, name: &str) -> Result<Arc<Model>> {
        check_name(name)?;
        let reading = self.folders.exchange.read().unwrap_or_else(PoisonError::into_inner);
        let folders = [&self.folders.user, &self.folders.shipped].map(|folder| model_folder(folder, name));
        let Some(path) = folders.iter().find(|path| path.join(CARD).is_file()) else {
            drop(reading);
            return Err(self.unknown(name));
        };
        let card = read_card(path)?;
        let file = path.join(WEIGHTS);
        let weights = fs::read(&file).map_err(|e| Error::io(format!("cannot read {}", file.display()), &e))?;
        Model::from_bytes(card, weights).map(Arc::new)
    }

    /// Saves a network under the card's name in the user's folder and hands back the model as it will be loaded. The
    /// card's hash is filled in. A model of that name is replaced at once or, if anything fails, left as it was.
    pub fn save(&self, card: Card, network: &Network) -> Result<Arc<Model>> {
        check_name(&card.name)?;
        let model = Model::new(card, network)?;
        let (name, user) = (&model.card().name, &self.folders.user);
        let files = [(CARD, model.card().to_ron()?.into_bytes()), (WEIGHTS, model.to_bytes()?)];
        let _writing = self.folders.exchange.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = user.join(format!(".{name}.{}.new", std::process::id()));
        let done = write_folder(&fresh, &files).and_then(|()| exchange(user, name, &fresh));
        if let Err(error) = done {
            // What was begun may be left behind where even this fails; it is never taken for a model.
            fs::remove_dir_all(&fresh).ok();
            return Err(Error::io(format!("cannot save model \"{name}\" in {}", user.display()), &error));
        }
        Ok(Arc::new(model))
    }

    /// Deletes a model of the user's.
    pub fn delete(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let writing = self.folders.exchange.write().unwrap_or_else(PoisonError::into_inner);
        let path = model_folder(&self.folders.user, name);
        if path.join(CARD).is_file() {
            return fs::remove_dir_all(&path).map_err(|e| Error::io(format!("cannot delete {}", path.display()), &e));
        }
        if self.folders.shipped.join(name).join(CARD).is_file() {
            let message = format!("model \"{name}\" ships with the program and cannot be deleted");
            return Err(Error::new(crate::ErrorKind::Permission, message));
        }
        drop(writing);
        Err(self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let names: Vec<_> = self.list().into_iter().map(|info| info.name).collect();
        let (shipped, user) = (self.folders.shipped.display(), self.folders.user.display());
        let known = if names.is_empty() { "there are none".into() } else { format!("there are: {}", names.join(", ")) };
        Error::not_found(format!("there is no model \"{name}\" in {user} or {shipped}; {known}"))
    }
}

/// Refuses what cannot be the name of a model.
pub(crate) fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&name.len()) && !name.starts_with('.') && name.chars().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(80).collect();
    Err(Error::invalid(format!(
        "\"{}\" is no model name: use 1 to 64 characters out of A-Z a-z 0-9 . _ - and no dot in front",
        shown.escape_debug()
    )))
}

/// The folder of a model, or of what it was before an exchange that was cut off.
fn model_folder(folder: &Path, name: &str) -> PathBuf {
    let (path, previous) = (folder.join(name), previous_folder(folder, name));
    if !path.join(CARD).is_file() && previous.join(CARD).is_file() { previous } else { path }
}

fn previous_folder(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!(".{name}.previous"))
}

fn read_card(path: &Path) -> Result<Card> {
    let file = path.join(CARD);
    let text = fs::read_to_string(&file).map_err(|e| Error::io(format!("cannot read {}", file.display()), &e))?;
    Card::from_ron(&text).map_err(|e| Error::new(e.kind, format!("{}: {}", file.display(), e.message)))
}

fn write_folder(path: &Path, files: &[(&str, Vec<u8>)]) -> std::io::Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    fs::create_dir_all(path)?;
    for (name, content) in files {
        let mut file = File::create(path.join(name))?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    Ok(())
}

fn exchange(folder: &Path, name: &str, fresh: &Path) -> std::io::Result<()> {
    let (path, previous) = (folder.join(name), previous_folder(folder, name));
    if path.exists() {
        if previous.exists() {
            fs::remove_dir_all(&previous)?;
        }
        fs::rename(&path, &previous)?;
    }
    if let Err(error) = fs::rename(fresh, &path) {
        fs::rename(&previous, &path).ok(); // Else `model_folder` still finds it where it is.
        return Err(error);
    }
    // The new model is in place; an old one that cannot be removed does no harm.
    fs::remove_dir_all(&previous).ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::card::tests::random_model;

    fn save(store: &ModelStore, name: &str, seed: u64) -> Arc<Model> {
        let model = random_model(seed);
        store.save(Card { name: name.into(), ..model.card().clone() }, model.network()).unwrap()
    }

    #[test]
    fn models_are_saved_listed_loaded_replaced_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = ModelStore::new(folder.path().join("none"), folder.path().join("shipped"));
        save(&shipped, "digits", 1);
        let store = ModelStore::new(folder.path().join("shipped"), folder.path().join("user/models"));
        save(&store, "mine", 2);
        let replaced = save(&store, "mine", 3);
        let listed: Vec<_> = store.list().into_iter().map(|info| (info.name, info.is_shipped)).collect();
        assert_eq!(listed, [("digits".to_owned(), true), ("mine".to_owned(), false)]);
        assert_eq!(store.load("mine").unwrap().card(), replaced.card());
        let left = fs::read_dir(folder.path().join("user/models")).unwrap().count();
        assert_eq!(left, 1, "nothing but the model is left behind");

        save(&store, "digits", 4);
        assert!(!store.list()[0].is_shipped, "the user's model hides the shipped one");
        store.delete("digits").unwrap();
        assert!(store.list()[0].is_shipped);
        assert_eq!(store.delete("digits").unwrap_err().kind, crate::ErrorKind::Permission);
        store.delete("mine").unwrap();
        let error = store.load("mine").unwrap_err();
        assert_eq!(error.kind, crate::ErrorKind::NotFound);
        assert!(error.message.ends_with("there are: digits"), "{error}");
    }

    #[test]
    fn a_save_cut_off_in_the_middle_leaves_the_old_model() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(folder.path().join("none"), folder.path());
        let old = save(&store, "mine", 1);
        fs::create_dir(folder.path().join(".mine.1.new")).unwrap();
        fs::rename(folder.path().join("mine"), folder.path().join(".mine.previous")).unwrap();
        assert_eq!(store.load("mine").unwrap().card(), old.card());
        assert_eq!(store.list().len(), 1);
        let new = save(&store, "mine", 2);
        assert_eq!(store.load("mine").unwrap().card(), new.card());
    }

    #[test]
    fn bad_names_cards_and_folders_say_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(folder.path().join("shipped"), folder.path().join("user"));
        assert!(store.list().is_empty());
        assert!(store.load("mine").unwrap_err().message.contains("there are none"));
        for bad in ["", "..", "../x", "a/b", ".hidden", "名"] {
            assert!(store.load(bad).unwrap_err().message.contains("is no model name"), "{bad:?}");
        }
        let model = save(&store, "mine", 1);
        let path = folder.path().join("user/mine");
        fs::write(path.join(WEIGHTS), b"damaged").unwrap();
        assert!(store.load("mine").unwrap_err().message.contains("damaged"));
        fs::remove_file(path.join(WEIGHTS)).unwrap();
        assert_eq!(store.load("mine").unwrap_err().kind, crate::ErrorKind::NotFound);
        fs::write(path.join(CARD), "(version: 1,\n  name: oops)").unwrap();
        let problem = store.list().remove(0).card.unwrap_err();
        assert!(problem.message.contains("card.ron: line 2"), "{problem}");

        fs::write(folder.path().join("file"), b"").unwrap();
        let nowhere = ModelStore::new(folder.path().join("shipped"), folder.path().join("file/user"));
        let error = nowhere.save(model.card().clone(), model.network()).unwrap_err();
        assert!(error.message.contains("cannot save model \"mine\""), "{error}");
    }
}
