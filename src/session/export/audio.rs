//! WAV and FLAC. What is missing in the sound is silence in the file, so that time is kept; the gaps are listed beside it.

use std::{
    io::{Seek, SeekFrom, Write},
    path::Path,
};

use flacenc::{
    bitsink::MemSink,
    component::{BitRepr, Stream, StreamInfo},
    config::Encoder,
    encode_fixed_size_frame,
    error::Verify,
    source::{Context, Fill, FrameBuf},
};

use super::{Stretch, file::write_whole};
use crate::{Error, Result, session::records::GapRecord};

/// Samples in a block of FLAC.
const FLAC_BLOCK: usize = 4096;
/// What a WAV file can hold: its sizes are 32 bits.
const MOST_WAV_BYTES: u64 = u32::MAX as u64 - 1024;

/// Writes mono WAV, of 16 or 24 bits as the sound has them.
///
/// # Errors
/// [`Invalid`](crate::ErrorKind::Invalid) for more sound than a WAV file can hold; what the disk says.
pub fn write_wav(path: &Path, sound: &mut Stretch) -> Result<()> {
    let bits = sound.bit_depth();
    if sound.samples() * u64::from(bits / 8) > MOST_WAV_BYTES {
        let hours = sound.samples() as f64 / f64::from(sound.sample_rate_hz.max(1)) / 3600.0;
        return Err(Error::invalid(format!(
            "{hours:.1} hours are more than a WAV file can hold: export FLAC, or a part with --from and --to"
        )));
    }
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: sound.sample_rate_hz,
        bits_per_sample: bits,
        sample_format: hound::SampleFormat::Int,
    };
    let fail = |error: hound::Error| match error {
        hound::Error::IoError(error) => Error::io(format_args!("cannot write {}", path.display()), &error),
        other => Error::internal(format!("cannot write {}: {other}", path.display())),
    };
    write_whole(path, |file| {
        let mut writer = hound::WavWriter::new(file, spec).map_err(fail)?;
        if bits > 16 {
            sound.each_whole(|piece| piece.iter().try_for_each(|&sample| writer.write_sample(sample)).map_err(fail))?;
        } else {
            sound.each(|piece| {
                let mut block = writer.get_i16_writer(piece.len() as u32);
                piece.iter().for_each(|&sample| block.write_sample(sample));
                block.flush().map_err(fail)
            })?;
        }
        writer.finalize().map_err(fail)
    })
}

/// Writes mono FLAC, of 16 or 24 bits as the sound has them, block by block; the header gets length and checksum at the end.
///
/// # Errors
/// What the disk says; [`Invalid`](crate::ErrorKind::Invalid) for a rate that FLAC does not know.
pub fn write_flac(path: &Path, sound: &mut Stretch) -> Result<()> {
    let (rate, total, bits) = (sound.sample_rate_hz, sound.samples(), usize::from(sound.bit_depth()));
    let refuse =
        |what: &dyn std::fmt::Debug| Error::invalid(format!("{}: FLAC at {rate} Hz: {what:?}", path.display()));
    let io = |error: std::io::Error| Error::io(format_args!("cannot write {}", path.display()), &error);
    let config = Encoder::default().into_verified().map_err(|(_, error)| refuse(&error))?;
    let mut info = StreamInfo::new(rate as usize, 1, bits).map_err(|error| refuse(&error))?;
    info.set_block_sizes(FLAC_BLOCK, FLAC_BLOCK).map_err(|error| refuse(&error))?;
    let mut sums = Context::new(bits, 1);
    let mut buffer = FrameBuf::with_size(1, FLAC_BLOCK).map_err(|error| refuse(&error))?;
    write_whole(path, |file| {
        file.write_all(&flac_header(&info)).map_err(io)?;
        let (mut waiting, mut frames, mut sizes) = (Vec::<i32>::new(), 0, (usize::MAX, 0));
        let mut encode = |block: &[i32], file: &mut dyn Write| -> Result<()> {
            buffer
                .fill_interleaved(block)
                .and_then(|()| sums.fill_interleaved(block))
                .map_err(|error| refuse(&error))?;
            let frame = encode_fixed_size_frame(&config, &buffer, frames, &info).map_err(|error| refuse(&error))?;
            let mut bits = MemSink::<u8>::new();
            frame.write(&mut bits).map_err(|error| refuse(&error))?;
            frames += 1;
            sizes = (bits.as_slice().len().min(sizes.0), bits.as_slice().len().max(sizes.1));
            file.write_all(bits.as_slice()).map_err(io)
        };
        sound.each_whole(|piece| {
            waiting.extend_from_slice(piece);
            let whole = waiting.len() / FLAC_BLOCK * FLAC_BLOCK;
            for block in waiting[..whole].chunks_exact(FLAC_BLOCK) {
                encode(block, file)?;
            }
            waiting.drain(..whole);
            Ok(())
        })?;
        if !waiting.is_empty() {
            encode(&waiting, file)?;
        }
        if frames > 0 {
            info.set_frame_sizes(sizes.0, sizes.1).map_err(|error| refuse(&error))?;
        }
        info.set_total_samples(total as usize);
        info.set_md5_digest(&sums.md5_digest());
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        file.write_all(&flac_header(&info)).map_err(io)
    })
}

/// A FLAC file's first bytes: always of one length, so that they can be written again.
fn flac_header(info: &StreamInfo) -> Vec<u8> {
    let mut bits = MemSink::<u8>::new();
    // A sink in memory takes everything, and the info was checked when it was made.
    let _ = Stream::with_stream_info(info.clone()).write(&mut bits);
    bits.into_inner()
}

/// The gaps as a table beside the sound: place and length in the exported file, and why.
pub fn gaps_csv(gaps: &[GapRecord], sound: &Stretch) -> String {
    let mut text = String::from("at_sample,len_samples,at_secs,len_secs,cause\n");
    let rate = f64::from(sound.sample_rate_hz.max(1));
    for gap in gaps {
        let start = gap.at_sample.max(sound.range.start);
        let end = (gap.at_sample + gap.len_samples).min(sound.range.end);
        if start < end {
            let (at, len) = (start - sound.range.start, end - start);
            text += &format!("{at},{len},{:.6},{:.6},{}\n", at as f64 / rate, len as f64 / rate, gap.cause);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{session::export::from_memory, source::decode::Decoder};

    fn sound(samples: usize) -> Vec<i16> {
        (0..samples as u32)
            .map(|i| ((f64::from(i) * 0.05).sin() * 9000.0) as i16 ^ (i.wrapping_mul(2_654_435_761) >> 24) as i16)
            .collect()
    }

    /// Through symphonia, which others wrote.
    fn read_back(path: &Path) -> Vec<i16> {
        let mut decoder = Decoder::open(path).unwrap();
        let mut block = Vec::new();
        while decoder.next_block(&mut block).unwrap() {}
        assert_eq!((decoder.sample_rate_hz(), decoder.channels(), decoder.damaged_blocks()), (48_000, 1, 0));
        block.iter().map(|sample| (sample * 32_768.0) as i16).collect()
    }

    #[test]
    fn wav_and_flac_hold_every_sample_for_any_length() {
        let dir = tempfile::tempdir().unwrap();
        for samples in [1, 15, 4095, 4096, 4097, 70_001, 131_072] {
            let samples = sound(samples);
            for (name, write) in [("a.wav", write_wav as fn(&Path, &mut Stretch) -> Result<()>), ("a.flac", write_flac)]
            {
                let path = dir.path().join(name);
                let mut read = from_memory(&samples);
                let mut stretch =
                    Stretch { sample_rate_hz: 48_000, range: 0..samples.len() as u64, read: &mut read, lower: None };
                write(&path, &mut stretch).unwrap();
                assert!(read_back(&path) == samples, "{name} of {} samples", samples.len());
            }
        }
    }

    #[test]
    fn all_24_bits_are_in_the_files_where_a_lane_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let upper = sound(10_001);
        let lower: Vec<u8> = (0..upper.len() as u32).map(|i| (i.wrapping_mul(40_503) >> 7) as u8).collect();
        let whole = |(&upper, &lower): (&i16, &u8)| (i32::from(upper) * 256 + i32::from(lower)) as f32 / 8_388_608.0;
        let expected: Vec<f32> = upper.iter().zip(&lower).map(whole).collect();
        for (name, write) in [("a.wav", write_wav as fn(&Path, &mut Stretch) -> Result<()>), ("a.flac", write_flac)] {
            let path = dir.path().join(name);
            let mut read = from_memory(&upper);
            let mut read_lower = |range: std::ops::Range<u64>, out: &mut Vec<u8>| {
                out.extend_from_slice(&lower[range.start as usize..range.end as usize]);
                Ok(())
            };
            let mut stretch = Stretch {
                sample_rate_hz: 48_000,
                range: 0..upper.len() as u64,
                read: &mut read,
                lower: Some(&mut read_lower),
            };
            write(&path, &mut stretch).unwrap();
            assert!(crate::source::decode::read_audio(&path).unwrap().samples == expected, "{name}");
        }
    }

    #[test]
    fn gaps_are_listed_where_they_are_in_the_file() {
        let gaps = [
            GapRecord { at_sample: 100, len_samples: 50, cause: "lost".into() },
            GapRecord { at_sample: 1000, len_samples: 4800, cause: "stall".into() },
        ];
        let mut read = from_memory(&[]);
        let stretch = Stretch { sample_rate_hz: 48_000, range: 120..2000, read: &mut read, lower: None };
        let expected = "at_sample,len_samples,at_secs,len_secs,cause\n\
                        0,30,0.000000,0.000625,lost\n880,1000,0.018333,0.020833,stall\n";
        assert_eq!(gaps_csv(&gaps, &stretch), expected);
    }

    #[test]
    fn more_than_a_wav_file_can_hold_is_refused() {
        let mut read = from_memory(&[]);
        let mut stretch = Stretch { sample_rate_hz: 48_000, range: 0..3_000_000_000, read: &mut read, lower: None };
        let error = write_wav(Path::new("unused.wav"), &mut stretch).unwrap_err();
        assert!(error.message.contains("17.4 hours") && error.message.contains("FLAC"), "{error}");
    }
}
