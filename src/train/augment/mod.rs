//! Training scenes composed on the fly: clips in a row with random gaps, voices, rooms, levels and noise.
//!
//! No scene is heard twice, which is what lets a small network learn from a small set without learning it by heart.

pub mod effects;
pub mod mask;
pub mod noise;
mod pitch;
pub mod scene;
mod takes;
mod voices;
pub mod warp;

pub use scene::{Composer, Scene};
