//! Models renamed, and carried from one machine to another: a folder with the card (RON) and the weights (safetensors).

use std::fs;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::{CARD, ModelInfo, ModelStore, WEIGHTS, check_name, exchange, model_folder, read_card, write_folder};
use crate::recognise::card::{Card, Model};
use crate::{Error, ErrorKind, Result};

impl ModelStore {
    /// Gives a model of the user's another name.
    ///
    /// Refuses names that a model has already, and models that ship with the program.
    pub fn rename(&self, from: &str, to: &str) -> Result<()> {
        check_name(to)?;
        let info = self.info(from)?;
        if info.is_shipped {
            let message = format!(
                "model \"{from}\" ships with the program and keeps its name; export it and import it under another"
            );
            return Err(Error::new(ErrorKind::Permission, message));
        }
        self.refuse_taken(to)?;
        let model = self.load(from)?;
        self.keep(&model, to)?;
        self.delete(from)
    }

    /// Writes a model to the new folder `folder`.
    pub fn export(&self, name: &str, folder: &Path) -> Result<()> {
        check_name(name)?;
        if folder.exists() {
            return Err(Error::invalid(format!("{} is there already: name a new folder", folder.display())));
        }
        let model = self.load(name)?;
        let files = [(CARD, model.card().to_ron()?.into_bytes()), (WEIGHTS, model.to_bytes()?)];
        write_folder(folder, &files)
            .map_err(|error| Error::io(format_args!("cannot export model \"{name}\" to {}", folder.display()), &error))
    }

    /// Takes the model in `folder` into the user's models, under `name` or else that of its card. Says the name.
    ///
    /// Refuses a folder without a card, weights that do not fit it or are damaged, and a name that a model has already.
    pub fn import(&self, folder: &Path, name: Option<&str>) -> Result<String> {
        if !folder.join(CARD).is_file() {
            let what =
                format!("{} has no {CARD}: give the folder of a model, with {CARD} and {WEIGHTS}", folder.display());
            return Err(Error::not_found(what));
        }
        let card = read_card(folder)?;
        let file = folder.join(WEIGHTS);
        let weights =
            fs::read(&file).map_err(|error| Error::io(format_args!("cannot read {}", file.display()), &error))?;
        let name = name.unwrap_or(&card.name).to_owned();
        check_name(&name)?;
        self.refuse_taken(&name)?;
        let model = Model::from_bytes(card, weights)?;
        self.keep(&Arc::new(model), &name)?;
        Ok(name)
    }

    /// The size of a model's weights in bytes; 0 where they cannot be read.
    pub fn bytes(info: &ModelInfo) -> u64 {
        fs::metadata(info.path.join(WEIGHTS)).map_or(0, |metadata| metadata.len())
    }

    fn info(&self, name: &str) -> Result<ModelInfo> {
        check_name(name)?;
        self.list().into_iter().find(|info| info.name == name).ok_or_else(|| self.unknown(name))
    }

    fn refuse_taken(&self, name: &str) -> Result<()> {
        match self.list().iter().any(|info| info.name == name) {
            true => Err(Error::busy(format!("there is a model \"{name}\" already: choose another name, or delete it"))),
            false => Ok(()),
        }
    }

    /// Saves a model under `name`, its weights to the byte as they are.
    fn keep(&self, model: &Model, name: &str) -> Result<()> {
        let card = Card { name: name.to_owned(), ..model.card().clone() };
        let files = [(CARD, card.to_ron()?.into_bytes()), (WEIGHTS, model.to_bytes()?)];
        let user = &self.folders.user;
        let _writing = self.folders.exchange.write().unwrap_or_else(PoisonError::into_inner);
        let fresh = user.join(format!(".{name}.{}.new", std::process::id()));
        write_folder(&fresh, &files).and_then(|()| exchange(user, name, &fresh)).map_err(|error| {
            // What was begun is never taken for a model.
            fs::remove_dir_all(&fresh).ok();
            Error::io(format_args!("cannot save model \"{name}\" in {}", model_folder(user, name).display()), &error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::card::tests::random_model;

    #[test]
    fn a_model_is_renamed_exported_and_imported_with_its_weights_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModelStore::new(folder.path().join("shipped"), folder.path().join("user"));
        let model = random_model(1);
        let hash = model.card().weights_blake3.clone();
        store.save(Card { name: "mine".into(), ..model.card().clone() }, model.network()).unwrap();
        let weights = fs::read(folder.path().join("user/mine").join(WEIGHTS)).unwrap();

        store.rename("mine", "ours").unwrap();
        assert_eq!(store.list().iter().map(|info| info.name.as_str()).collect::<Vec<_>>(), ["ours"]);
        let out = folder.path().join("out/ours");
        store.export("ours", &out).unwrap();
        assert_eq!(fs::read(out.join(WEIGHTS)).unwrap(), weights);
        assert!(store.export("ours", &out).unwrap_err().message.contains("is there already"));
        assert_eq!(store.import(&out, None).unwrap_err().kind, ErrorKind::Busy);
        assert_eq!(store.import(&out, Some("theirs")).unwrap(), "theirs");
        let theirs = store.load("theirs").unwrap();
        assert_eq!((theirs.card().name.as_str(), &theirs.card().weights_blake3), ("theirs", &hash));
        assert_eq!(ModelStore::bytes(&store.info("theirs").unwrap()), weights.len() as u64);
    }

    #[test]
    fn what_cannot_be_renamed_or_imported_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let shipped = ModelStore::new(folder.path().join("none"), folder.path().join("shipped"));
        let model = random_model(1);
        shipped.save(Card { name: "digits".into(), ..model.card().clone() }, model.network()).unwrap();
        let store = ModelStore::new(folder.path().join("shipped"), folder.path().join("user"));
        assert_eq!(store.rename("digits", "x").unwrap_err().kind, ErrorKind::Permission);
        assert_eq!(store.rename("none", "x").unwrap_err().kind, ErrorKind::NotFound);
        assert!(store.import(folder.path(), None).unwrap_err().message.contains("has no card.ron"));
        let bad = folder.path().join("bad");
        store.export("digits", &bad).unwrap();
        let mut weights = fs::read(bad.join(WEIGHTS)).unwrap();
        *weights.last_mut().unwrap() ^= 1;
        fs::write(bad.join(WEIGHTS), weights).unwrap();
        assert!(store.import(&bad, Some("y")).unwrap_err().message.contains("damaged"));
    }
}
