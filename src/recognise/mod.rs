//! Streaming recognition: a causal convolution encoder over log-mel, read out by CTC.

pub mod beam;
pub mod card;
pub mod decoder;
pub mod decoding;
pub mod fused;
mod lane_features;
pub mod lanes;
pub mod layer;
pub mod lexicon;
mod likeliest;
pub mod mirror;
pub mod model;
pub mod online;
pub mod pool;
pub mod search_args;
mod segment_search;
pub mod service;
pub mod sizes;
pub mod transcribe;
pub mod transcript;
pub mod weights;
