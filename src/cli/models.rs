//! `seseragi models`.

use super::output::{Stop, complain, line, table};
use crate::models::{ModelInfo, ModelStore};

/// Lists the models; one that cannot be read is told on the standard error.
pub(super) fn list() -> Result<(), Stop> {
    let models = ModelStore::standard()?.list();
    let mut rows = vec![["NAME", "MADE ON", "WHERE", "WORDS"].map(str::to_owned).to_vec()];
    let mut failed = None;
    for ModelInfo { name, path, is_shipped, card } in models {
        match card {
            Ok(card) => {
                let place = if is_shipped { "shipped".to_owned() } else { path.display().to_string() };
                rows.push(vec![name, card.created, place, card.tokens.join(" ")]);
            }
            Err(error) => {
                complain(&error);
                failed = Some(Stop::Told(error.kind));
            }
        }
    }
    table(&rows).iter().try_for_each(|row| line(row))?;
    failed.map_or(Ok(()), Err)
}
