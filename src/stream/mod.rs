//! The stream: an entity that outlives its source, its models and every drawn frame.

mod connection;
mod key;
mod timeline;

pub use connection::{Connection, ConnectionState, Transition};
pub use key::StreamKey;
pub use timeline::{Anchor, Gap, GapCause, GapLedger};
