//! A session in the formats that others read: sound, pictures, numbers, tokens and labels.
//!
//! The writers take slices and plain values and know nothing of session files; `run` joins the two.

mod audio;
pub mod file;
mod label_track;
mod marks;
mod npy;
pub mod picture;
mod raven;
mod run;
mod stretch;
mod tables;
mod textgrid;
mod video;

pub use audio::{gaps_csv, write_flac, write_wav};
pub use label_track::{from_audacity, to_audacity};
pub use marks::{Mark, MarkKind};
pub use npy::write_spectrogram;
pub use raven::{from_raven, to_raven};
pub use run::{Format, Request, export};
pub use stretch::{ReadLower, ReadSound, Stretch, from_memory};
pub use tables::{to_csv, to_json_lines, to_vtt};
pub use textgrid::to_textgrid;
pub use video::write_video;
