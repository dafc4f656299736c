//! Sessions: what was heard and said, in MCAP files that survive a power cut, open at once and are read by others too.
//!
//! A file holds for each lane its sound (`foxglove.RawAudio`), records as JSON ([`records`]) and the coarse levels of its picture
//! ([`pyramid`]). A chunk is closed and synced to disk every second; sound, records and picture lie in chunks of their own, so
//! that an overview reads no sound. [`SessionFile`] reads them.

mod chunks;
mod levels;
pub mod pyramid;
mod reader;
pub mod records;
pub mod schema;
mod writer;

pub use chunks::Damage;
pub use levels::{Overview, level_for};
pub use reader::{ALL, LaneInfo, SessionFile};
pub use writer::SessionWriter;

#[cfg(test)]
mod tests;
