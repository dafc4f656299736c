//! Signal processing without Bevy: every algorithm is independent of how the sound was cut into blocks.

pub mod mel;
