//! Seseragi (せせらぎ, the murmur of a stream that never stops): a program that listens, shows and learns at once.
//!
//! A *stream* is an ECS entity that outlives every UI tick. Capture, analysis, recognition and training run on their own
//! clocks; a drawn frame may read connection state and send intents, nothing else. `ARCHITECTURE.md` has the map.
#![deny(unsafe_code)]

pub mod app;
pub mod cli;
pub mod config;
pub mod draw;
pub mod dsp;
pub mod engine;
pub mod error;
pub mod event;
pub mod link;
pub mod models;
pub mod monitor;
pub mod panel;
pub mod recognise;
pub mod server;
pub mod session;
pub mod source;
pub mod status;
pub mod status_file;
pub mod stream;
pub mod task;
pub mod text;
pub mod train;
pub mod welcome;

pub use error::{Error, ErrorKind, Result};
pub use text::Text;
