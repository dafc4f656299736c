//! A session replayed: its lanes stand on the screen like live ones, while these go on.
//!
//! Reading the file, analysing what is looked at and the clock of the playback live in one job on a pool of its own (`player`).
//! Of a lane it keeps a [`Window`] around what is visible, so that ten hours need no more memory than a minute. The ECS mirrors
//! the job's report ([`mirror`]); drawing reads that and sends [`ReplayIntent`]s.

mod clock;
mod command;
mod landmarks;
pub mod mirror;
mod overview;
mod player;
mod report;
mod window;

pub use clock::{PlayClock, SPEEDS};
pub use command::{JumpTo, ReplayCommand, ReplayIntent};
pub use overview::Overview;
pub use player::{Player, spawn, start};
pub use report::{OpenSession, ReplayHandle, ReplayReport, SessionEntry};
pub use window::Window;
