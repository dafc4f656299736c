//! Sessions: what was heard and said, in MCAP files that survive a power cut, open at once and are read by others too.
//!
//! A file holds for each lane its sound (`foxglove.RawAudio`), records as JSON ([`records`]) and the coarse levels of its picture
//! ([`pyramid`]). A chunk is closed and synced to disk every second; sound, records and picture lie in chunks of their own, so
//! that an overview reads no sound. [`SessionFile`] reads them.

mod chunks;
mod disk;
mod handle;
mod levels;
pub(crate) mod mirror;
pub mod pyramid;
mod reader;
pub mod recorder;
pub mod records;
mod rewrite;
pub mod schema;
mod track;
mod verify;
mod writer;

pub use chunks::Damage;
pub use disk::{Retention, Storage, session_name, sessions_in};
pub(crate) use handle::spawn;
pub use handle::{RecorderHandle, RecorderMessage, RecordingReport, RecordingState, SessionIntent};
pub use levels::{Overview, level_for};
pub use reader::{ALL, LaneInfo, SessionFile};
pub use rewrite::{Recovered, forget, forget_marked, recover, recover_all};
pub use verify::{Verified, verify};
pub use writer::SessionWriter;

/// What files say of who wrote them.
pub fn program_name() -> String {
    format!("seseragi {}", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests;
