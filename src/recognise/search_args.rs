//! How texts are searched: the flags of `transcribe` and `evaluate`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::{beam::BeamSearch, card::Model};
use crate::{Error, Result};

/// Width of the beam where a lexicon asks for one and no width is given.
const USUAL_WIDTH: usize = 16;

/// How the text of a segment is found.
#[derive(Clone, Debug, Default, Args)]
pub struct SearchArgs {
    /// Search each segment with a beam of so many texts once it is over, instead of taking the likeliest token at each moment
    #[arg(long, value_name = "WIDTH")]
    pub beam: Option<usize>,
    /// Only words of this file are heard, one a line
    #[arg(long, value_name = "FILE")]
    pub lexicon: Option<PathBuf>,
}

impl SearchArgs {
    /// `model`, searching as it is asked for.
    pub fn apply(&self, model: Arc<Model>) -> Result<Arc<Model>> {
        if self.beam.is_none() && self.lexicon.is_none() {
            return Ok(model);
        }
        let read = |path: &PathBuf| {
            std::fs::read_to_string(path)
                .map_err(|error| Error::io(format_args!("cannot read the lexicon {}", path.display()), &error))
        };
        let lexicon = self.lexicon.as_ref().map(read).transpose()?;
        let search = BeamSearch::new(self.beam.unwrap_or(USUAL_WIDTH), lexicon.as_deref(), model.card())?;
        Ok(Arc::new(model.with_search(search)))
    }
}
