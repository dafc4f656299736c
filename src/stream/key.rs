//! The name of a stream, which survives restarts; the entity need not.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Error, Result};

/// The name of a stream: 1 to 64 characters out of `A-Z a-z 0-9 . _ -`, so that it can stand in a URL and in a file name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$")]
#[serde(try_from = "String", into = "String")]
pub struct StreamKey(Arc<str>);

impl StreamKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StreamKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(Error::invalid(format!(
                "\"{}\" is no stream key: use 1 to 64 characters out of A-Z a-z 0-9 . _ -",
                text.chars().take(80).collect::<String>().escape_debug()
            )));
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for StreamKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<StreamKey> for String {
    fn from(key: StreamKey) -> Self {
        key.0.as_ref().to_owned()
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_fits_a_url_and_a_file_name() {
        assert_eq!("lane-1.left".parse::<StreamKey>().unwrap().as_str(), "lane-1.left");
        for bad in ["", "a b", "a/b", "日本", &"x".repeat(65)] {
            assert!(bad.parse::<StreamKey>().is_err(), "{bad:?}");
        }
    }
}
