//! Sessions: what was heard and said, in MCAP files that survive a power cut, open at once and are read by others too.
//!
//! A file holds for each lane its sound (`foxglove.RawAudio`), records as JSON ([`records`]) and the coarse levels of its picture
//! ([`pyramid`]). A chunk is closed and synced to disk every second; sound, records and picture lie in chunks of their own, so
//! that an overview reads no sound. [`SessionFile`] reads them, [`replay`] puts them on the screen, [`export`] and [`import`] speak with
//! other programs, and [`annotate`] keeps what people write into them.

pub mod annotate;
mod chunks;
mod clock;
pub mod dataset;
mod depth;
mod disk;
pub mod export;
mod handle;
mod import;
mod levels;
pub(crate) mod mirror;
pub mod pyramid;
mod reader;
pub mod recorder;
pub mod records;
pub mod replay;
mod rewrite;
pub mod schema;
mod track;
mod verify;
mod writer;

pub use chunks::Damage;
pub use clock::SessionClock;
pub use disk::{Retention, Storage, delete, session_name, sessions_in};
pub(crate) use handle::spawn;
pub use handle::{RecorderHandle, RecorderMessage, RecordingReport, RecordingState, SessionIntent};
pub use import::{Imported, import};
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
