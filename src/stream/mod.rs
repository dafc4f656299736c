//! The stream: an entity that outlives its source, its models and every drawn frame.

mod blocks;
pub mod history;
pub mod peaks;
