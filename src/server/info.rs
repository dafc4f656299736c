//! Where the server is reached: what the window shows as a code to scan.

use std::sync::Arc;

use bevy::ecs::resource::Resource;

use super::access::Token;
use crate::link::Latest;

/// Where the server is reached. Kind of its link: newest wins; addresses come and go.
#[derive(Resource, Clone, Debug)]
pub struct ServerInfo {
    places: Latest<Places>,
}

/// Where the server is reached now.
#[derive(Clone, Debug, Default)]
pub struct Places {
    /// Its URL for programs of this machine.
    pub local_url: String,
    /// Its URLs for phones and other machines, the likeliest first; none when it serves this machine only.
    pub lan_urls: Vec<String>,
    /// What they must know.
    token: Option<Token>,
}

impl Places {
    /// The URL that a phone opens to become a lane. It holds the token, behind the `#` that no browser sends anywhere: it is for
    /// the screen and the terminal, not for a log.
    pub fn invitation(&self) -> Option<String> {
        let (url, token) = (self.lan_urls.first()?, self.token.as_ref()?);
        Some(format!("{url}/#token={}", token.reveal()))
    }
}

impl ServerInfo {
    pub(super) fn new(local_url: String, lan_urls: Vec<String>, token: Option<Token>) -> Self {
        Self { places: Latest::new(Places { local_url, lan_urls, token }) }
    }

    /// Where the server is reached now.
    pub fn load(&self) -> Arc<Places> {
        self.places.load()
    }

    /// The addresses of this machine changed.
    pub(super) fn moved_to(&self, lan_urls: Vec<String>) {
        let before = self.load();
        self.places.publish(Places { lan_urls, ..(*before).clone() });
    }
}
