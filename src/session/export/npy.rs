//! NumPy's own format (version 1.0), for numbers that go on to be computed with.

use std::{io::Write, path::Path};

use half::f16;

use super::{Stretch, file::write_whole};
use crate::{
    Error, Result,
    dsp::stft::{Stft, StftConfig, append_f16},
};

/// The file's first bytes, for values of NumPy type `descr` in an array of `shape`, C order.
fn header(descr: &str, shape: &[u64]) -> Vec<u8> {
    let shape: String = shape.iter().map(|len| format!("{len},")).collect();
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    // Magic, version, length and dictionary together are a multiple of 64 bytes.
    let len = (10 + dict.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((len as u16).to_le_bytes());
    bytes.extend(format!("{dict:<width$}\n", width = len - 1).bytes());
    bytes
}

/// Writes numbers as a one-dimensional array of float64.
///
/// # Errors
/// What the disk says.
pub fn write_numbers(path: &Path, numbers: impl ExactSizeIterator<Item = f64>) -> Result<()> {
    let io = |error: std::io::Error| Error::io(format_args!("cannot write {}", path.display()), &error);
    write_whole(path, |file| {
        file.write_all(&header("<f8", &[numbers.len() as u64])).map_err(io)?;
        for number in numbers {
            file.write_all(&number.to_le_bytes()).map_err(io)?;
        }
        Ok(())
    })
}

/// Writes the spectrogram `[columns, bins]` as float16: linear magnitudes, a full-scale sine being 1.0, exactly the numbers that
/// are on the screen. Its axes go into `times` (middle of each column, seconds from the start of the file) and `frequencies`
/// (hertz).
///
/// # Errors
/// What the disk says; [`Invalid`](crate::ErrorKind::Invalid) for a stretch shorter than one column.
pub fn write_spectrogram(
    path: &Path,
    times: &Path,
    frequencies: &Path,
    sound: &mut Stretch,
    config: &StftConfig,
) -> Result<()> {
    let columns = config.columns_in(sound.samples());
    if columns == 0 {
        return Err(Error::invalid(format!(
            "{} samples are too few for a spectrogram: a column takes {}",
            sound.samples(),
            config.fft_size
        )));
    }
    let io = |error: std::io::Error| Error::io(format_args!("cannot write {}", path.display()), &error);
    write_whole(path, |file| {
        file.write_all(&header("<f2", &[columns, config.bins() as u64])).map_err(io)?;
        let mut stft = Stft::new(config)?;
        let (mut float, mut values): (Vec<f32>, Vec<f16>) = (Vec::new(), Vec::new());
        sound.each(|piece| {
            float.clear();
            values.clear();
            float.extend(piece.iter().map(|&sample| f32::from(sample) / 32_768.0));
            stft.push(&float, |column| append_f16(column, &mut values));
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            file.write_all(&bytes).map_err(io)
        })
    })?;
    let rate = f64::from(sound.sample_rate_hz.max(1));
    let (hop, middle) = (config.hop as f64, config.fft_size as f64 / 2.0);
    let columns = usize::try_from(columns).unwrap_or(usize::MAX);
    write_numbers(times, (0..columns).map(|column| (column as f64 * hop + middle) / rate))?;
    let bin_hz = rate / config.fft_size as f64;
    write_numbers(frequencies, (0..config.bins()).map(|bin| bin as f64 * bin_hz))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_as_the_format_asks() {
        let bytes = header("<f2", &[3, 1025]);
        assert_eq!(bytes.len() % 64, 0);
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        assert_eq!(usize::from(u16::from_le_bytes([bytes[8], bytes[9]])), bytes.len() - 10);
        let text = std::str::from_utf8(&bytes[10..]).unwrap();
        assert_eq!(text.trim_end(), "{'descr': '<f2', 'fortran_order': False, 'shape': (3,1025,), }");
        assert!(text.ends_with('\n'));
    }
}
