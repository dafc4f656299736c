//! How a stream stands with its source. Only the stream's own code can make a new state; everyone else reads.

use std::{fmt, sync::Arc};

use bevy::ecs::component::Component;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Text;

/// How a stream stands with its source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// Nobody asked for sound yet.
    #[default]
    Idle,
    /// The source is being opened.
    Opening,
    /// Sound arrives.
    Connected,
    /// Still open, but no sound for a while.
    Stalled,
    /// The source failed or is gone; it is retried.
    Lost,
    /// Ended: the file is over, the peer said goodbye, or the user closed it.
    Closed,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Idle => "idle",
            Self::Opening => "opening",
            Self::Connected => "connected",
            Self::Stalled => "stalled",
            Self::Lost => "lost",
            Self::Closed => "closed",
        })
    }
}

/// One change of state.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Transition {
    /// The state that began.
    pub state: ConnectionState,
    /// When, in seconds since the program started.
    pub at_secs: f64,
    /// Why, where there is something to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// How many changes are remembered.
const HISTORY_LEN: usize = 64;

/// How a stream stands with its source, and how it came to that. Immutable: a change of state inserts a new one.
///
/// A system outside the stream cannot ask for it mutably, and nothing outside can make one. This compiles:
///
/// ```
/// use bevy::prelude::*;
/// use seseragi::stream::{Connection, ConnectionState};
/// fn reads(connections: Query<&Connection>) {
///     for connection in &connections {
///         assert_ne!(connection.state(), ConnectionState::Lost);
///     }
/// }
/// bevy::ecs::system::assert_is_system(reads);
/// ```
///
/// and this, the same with `&mut`, does not:
///
/// ```compile_fail
/// use bevy::prelude::*;
/// use seseragi::stream::{Connection, ConnectionState};
/// fn reads(mut connections: Query<&mut Connection>) {
///     for connection in &mut connections {
///         assert_ne!(connection.state(), ConnectionState::Lost);
///     }
/// }
/// bevy::ecs::system::assert_is_system(reads);
/// ```
///
/// Reading one from outside compiles, making the next one does not:
///
/// ```
/// use seseragi::stream::{Connection, ConnectionState};
/// fn look(connection: &Connection) -> ConnectionState { connection.state() }
/// ```
///
/// ```compile_fail
/// use seseragi::stream::{Connection, ConnectionState};
/// fn look(connection: &Connection) -> ConnectionState { connection.moved_to(ConnectionState::Lost, 0.0, None).state() }
/// ```
#[derive(Component, Clone, Debug, PartialEq)]
#[component(immutable)]
pub struct Connection {
    history: Arc<[Transition]>,
}

impl Connection {
    /// A stream that nobody has opened yet.
    pub(in crate::stream) fn idle(at_secs: f64) -> Self {
        Self { history: [Transition { state: ConnectionState::Idle, at_secs, reason: None }].into() }
    }

    /// The same stream in another state.
    pub(in crate::stream) fn moved_to(&self, state: ConnectionState, at_secs: f64, reason: Option<Text>) -> Self {
        let skip = (self.history.len() + 1).saturating_sub(HISTORY_LEN);
        let kept = self.history.iter().skip(skip).cloned();
        Self { history: kept.chain([Transition { state, at_secs, reason }]).collect() }
    }

    /// The same state, for another reason.
    pub(in crate::stream) fn because(&self, reason: &str) -> Self {
        let mut history: Vec<_> = self.history.to_vec();
        if let Some(last) = history.last_mut() {
            last.reason = Some(reason.into());
        }
        Self { history: history.into() }
    }

    /// The present state.
    pub fn state(&self) -> ConnectionState {
        self.history.last().map(|last| last.state).unwrap_or_default()
    }

    /// Why it is in this state, where there is something to say.
    pub fn reason(&self) -> Option<&str> {
        self.history.last().and_then(|last| last.reason.as_deref())
    }

    /// Seconds since sound began to arrive without a break, 0 while it does not.
    pub fn connected_secs(&self, now_secs: f64) -> f64 {
        match self.history.last() {
            Some(last) if last.state == ConnectionState::Connected => (now_secs - last.at_secs).max(0.0),
            _ => 0.0,
        }
    }

    /// The newest changes of state, oldest first; the last one is the present.
    pub fn history(&self) -> &[Transition] {
        &self.history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_bounded_and_ends_in_the_present() {
        let mut connection = Connection::idle(0.0);
        for i in 0..200 {
            let state = if i % 2 == 0 { ConnectionState::Lost } else { ConnectionState::Connected };
            connection = connection.moved_to(state, f64::from(i), Some("why".into()));
        }
        assert_eq!(connection.history().len(), HISTORY_LEN);
        assert_eq!(connection.state(), ConnectionState::Connected);
        assert_eq!(connection.reason(), Some("why"));
    }
}
