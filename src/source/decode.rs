//! Reads sound files (WAV, FLAC, MP3, OGG Vorbis, M4A with AAC or ALAC): whole, or block by block.
//!
//! What can be read of a damaged file is read: a block that does not decode is left out and counted, and a file that is
//! cut off simply ends there. Only a file that holds no sound at all is an error.

use std::fs::File;
use std::io::{Cursor, ErrorKind as IoKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;

use crate::{Error, Result};

/// What the error messages name as readable.
const READABLE: &str = "WAV, FLAC, MP3, OGG (Vorbis) and M4A (AAC, ALAC) can be read";

/// A sound file read whole, mixed down to one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Audio {
    /// The mean of all channels, full scale = ±1.
    pub samples: Vec<f32>,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// How many channels the file has.
    pub channels: u16,
}

/// Reads a sound file whole and mixes its channels down to one.
///
/// # Errors
/// As [`Decoder::open`].
pub fn read_audio(path: impl AsRef<Path>) -> Result<Audio> {
    read_whole(Decoder::open(path)?)
}

/// [`read_audio`] from memory; `name` is what errors call it, and its extension helps to tell the format.
///
/// # Errors
/// As [`Decoder::open`].
pub fn read_audio_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Audio> {
    read_whole(Decoder::from_bytes(name, bytes)?)
}

fn read_whole(mut decoder: Decoder) -> Result<Audio> {
    let channels = decoder.channels();
    let (mut samples, mut block) = (Vec::new(), Vec::new());
    while decoder.next_block(&mut block)? {
        mix_into(&block, channels, &mut samples);
        block.clear();
    }
    Ok(Audio { samples, sample_rate_hz: decoder.sample_rate_hz(), channels })
}

/// Appends the mean over the channels of each interleaved frame to `mono`.
fn mix_into(interleaved: &[f32], channels: u16, mono: &mut Vec<f32>) {
    match channels {
        1 => mono.extend_from_slice(interleaved),
        n => {
            mono.extend(interleaved.chunks_exact(usize::from(n)).map(|frame| frame.iter().sum::<f32>() / f32::from(n)))
        }
    }
}

/// Where the encoded bytes come from, so that they can be read again from the start.
#[derive(Clone)]
enum Origin {
    File(PathBuf),
    Memory { name: String, bytes: Arc<[u8]> },
}

/// Decodes a sound file block by block; the blocks are as the file's codec cut them.
pub struct Decoder {
    origin: Origin,
    format: Box<dyn FormatReader>,
    codec: Box<dyn AudioDecoder>,
    track_id: u32,
    sample_rate_hz: u32,
    channels: u16,
    /// The first block, decoded ahead when the file was opened; taken by the first [`Decoder::next_block`].
    first_block: Vec<f32>,
    damaged_blocks: u64,
}

impl Decoder {
    /// Opens a file and decodes its first block, so that what cannot be played is known at once.
    ///
    /// # Errors
    /// When the file does not exist, may not be read, is a directory or a device, is empty, is no sound file of a
    /// readable format, or holds no sound.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::start(Origin::File(path.as_ref().to_owned()))
    }

    /// Opens a file that is in memory; `name` is what errors call it, and its extension helps to tell the format.
    ///
    /// # Errors
    /// As [`Decoder::open`].
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        Self::start(Origin::Memory { name: name.to_owned(), bytes: bytes.into() })
    }

    /// Samples per second.
    pub fn sample_rate_hz(&self) -> u32 {
        self.sample_rate_hz
    }

    /// Channels in an interleaved frame, at least 1.
    pub fn channels(&self) -> u16 {
        self.channels
    }

    /// Bits of a sample, where the format has such a number.
    pub fn bits_per_sample(&self) -> Option<u32> {
        self.codec.codec_params().bits_per_sample
    }

    /// How many blocks were left out because they did not decode.
    pub fn damaged_blocks(&self) -> u64 {
        self.damaged_blocks
    }

    /// Appends the next block of interleaved samples (full scale = ±1) to `out`; false at the end of the file.
    ///
    /// # Errors
    /// When the disk fails, or the sound changes its rate or its channels half-way.
    pub fn next_block(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        if !self.first_block.is_empty() {
            out.append(&mut self.first_block);
            return Ok(true);
        }
        self.decode_next(out)
    }

    /// Goes back to the start. The file is opened afresh, because seeking is not sample-exact in every format.
    ///
    /// # Errors
    /// As [`Decoder::open`]: the file may be gone by now.
    pub fn rewind(&mut self) -> Result<()> {
        let damaged_blocks = self.damaged_blocks;
        *self = Self::start(self.origin.clone())?;
        self.damaged_blocks += damaged_blocks;
        Ok(())
    }

    fn start(origin: Origin) -> Result<Self> {
        let (media, extension) = origin.media()?;
        let mut hint = Hint::new();
        if let Some(extension) = extension {
            hint.with_extension(&extension);
        }
        let media = MediaSourceStream::new(media, Default::default());
        let format = symphonia::default::get_probe()
            .probe(&hint, media, FormatOptions::default(), MetadataOptions::default())
            .map_err(|error| origin.invalid(&format!("is not a sound file that can be read ({error})")))?;
        let (track_id, codec) = audio_track(&*format, &origin)?;
        let mut decoder = Self {
            origin,
            format,
            codec,
            track_id,
            sample_rate_hz: 0,
            channels: 0,
            first_block: Vec::new(),
            damaged_blocks: 0,
        };
        let mut first_block = Vec::new();
        if !decoder.decode_next(&mut first_block)? {
            return Err(decoder.origin.invalid("holds no sound"));
        }
        decoder.first_block = first_block;
        Ok(decoder)
    }

    /// Decodes packets until one gives samples; false at the end.
    fn decode_next(&mut self, out: &mut Vec<f32>) -> Result<bool> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(false),
                Err(SymphoniaError::ResetRequired) => {
                    (self.track_id, self.codec) = audio_track(&*self.format, &self.origin)?;
                    continue;
                }
                Err(SymphoniaError::IoError(error)) if error.kind() != IoKind::UnexpectedEof => {
                    return Err(Error::io(format_args!("cannot read {}", self.origin.name()), &error));
                }
                // Cut off or damaged beyond here: what was read so far stands.
                Err(_) => return Ok(false),
            };
            if packet.track_id != self.track_id {
                continue;
            }
            let Ok(decoded) = self.codec.decode(&packet) else {
                self.damaged_blocks += 1;
                continue;
            };
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count() as u16);
            let samples = decoded.samples_interleaved();
            if samples == 0 || rate == 0 {
                continue;
            }
            if self.channels == 0 {
                (self.sample_rate_hz, self.channels) = (rate, channels);
            } else if (rate, channels) != (self.sample_rate_hz, self.channels) {
                return Err(self.origin.invalid(&format!(
                    "changes from {} Hz, {} channels to {rate} Hz, {channels} channels half-way: split it there",
                    self.sample_rate_hz, self.channels
                )));
            }
            let start = out.len();
            out.resize(start + samples, 0.0);
            decoded.copy_to_slice_interleaved(&mut out[start..]);
            // A float file may hold anything; everything behind here relies on finite numbers.
            for sample in &mut out[start..] {
                if !sample.is_finite() {
                    *sample = 0.0;
                }
            }
            return Ok(true);
        }
    }
}

/// The track to play and a decoder for it.
fn audio_track(format: &dyn FormatReader, origin: &Origin) -> Result<(u32, Box<dyn AudioDecoder>)> {
    let track = format.default_track(TrackType::Audio).ok_or_else(|| origin.invalid("has no sound track"))?;
    let parameters = track
        .codec_params
        .as_ref()
        .and_then(|parameters| parameters.audio())
        .ok_or_else(|| origin.invalid("has no sound track with a known codec"))?;
    let codec = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| origin.invalid(&format!("uses a codec that is not known here ({error})")))?;
    Ok((track.id, codec))
}

impl Origin {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Memory { name, .. } => name.clone(),
        }
    }

    /// The bytes to read, checked for what would never yield sound, and the extension of the name.
    fn media(&self) -> Result<(Box<dyn MediaSource>, Option<String>)> {
        let (media, name): (Box<dyn MediaSource>, &Path) = match self {
            Self::File(path) => {
                let doing = format!("cannot open the sound file {}", path.display());
                // Asked before opening: to open a named pipe would wait for its writer.
                let metadata = std::fs::metadata(path).map_err(|error| Error::io(&doing, &error))?;
                if metadata.is_dir() {
                    return Err(self.invalid("is a directory, not a sound file"));
                }
                if !metadata.is_file() {
                    return Err(self.invalid("is not a regular file"));
                }
                (Box::new(File::open(path).map_err(|error| Error::io(&doing, &error))?), path)
            }
            Self::Memory { name, bytes } => (Box::new(Cursor::new(Arc::clone(bytes))), Path::new(name)),
        };
        if media.byte_len() == Some(0) {
            return Err(self.invalid("is empty (0 bytes)"));
        }
        Ok((media, name.extension().map(|extension| extension.to_string_lossy().to_lowercase())))
    }

    fn invalid(&self, what: &str) -> Error {
        Error::invalid(format!("{} {what}; {READABLE}", self.name()))
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
