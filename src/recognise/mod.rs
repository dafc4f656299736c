//! Streaming recognition: a causal convolution encoder over log-mel, read out by CTC.

pub mod card;
pub mod layer;
pub mod model;
pub mod transcript;
