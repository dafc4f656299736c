//! The sound to export, read piece by piece: ten hours need no more memory than a minute.

use std::ops::Range;

use crate::Result;

/// Samples that are read at a time: about a second and a half at 48 kHz.
const PIECE: u64 = 1 << 16;

/// Reads samples of one lane by their place on the lane's clock, and appends them. Where sound is missing it gives zeros.
pub type ReadSound<'a> = dyn FnMut(Range<u64>, &mut Vec<i16>) -> Result<()> + 'a;

/// Reads the 8 bits below those samples, likewise.
pub type ReadLower<'a> = dyn FnMut(Range<u64>, &mut Vec<u8>) -> Result<()> + 'a;

/// A stretch of one lane's sound.
pub struct Stretch<'a> {
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// Which samples, on the lane's clock.
    pub range: Range<u64>,
    /// What reads them.
    pub read: &'a mut ReadSound<'a>,
    /// What reads the bits below, in a lane of 24.
    pub lower: Option<&'a mut ReadLower<'a>>,
}

impl Stretch<'_> {
    /// How many samples it has.
    pub fn samples(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    /// Bits of a sample: 16 or 24.
    pub fn bit_depth(&self) -> u16 {
        if self.lower.is_some() { 24 } else { 16 }
    }

    /// Hands over the samples in order, piece by piece, with all their bits.
    ///
    /// # Errors
    /// As of [`each`](Self::each).
    pub fn each_whole(&mut self, mut take: impl FnMut(&[i32]) -> Result<()>) -> Result<()> {
        let (mut at, mut lower) = (self.range.start, self.lower.take());
        let (mut low, mut whole) = (Vec::new(), Vec::new());
        let done = self.each(|piece| {
            whole.clear();
            whole.extend(piece.iter().map(|&sample| i32::from(sample)));
            if let Some(lower) = &mut lower {
                low.clear();
                lower(at..at + piece.len() as u64, &mut low)?;
                whole.iter_mut().for_each(|sample| *sample *= 256);
                whole.iter_mut().zip(&low).for_each(|(sample, &low)| *sample += i32::from(low));
            }
            at += piece.len() as u64;
            take(&whole)
        });
        self.lower = lower;
        done
    }

    /// Hands over the samples in order, piece by piece.
    ///
    /// # Errors
    /// The first one that reading or `take` gives.
    pub fn each(&mut self, mut take: impl FnMut(&[i16]) -> Result<()>) -> Result<()> {
        let mut piece = Vec::new();
        let mut at = self.range.start;
        while at < self.range.end {
            let end = (at + PIECE).min(self.range.end);
            piece.clear();
            (self.read)(at..end, &mut piece)?;
            // However the reader ends, the length is kept, and so is time.
            piece.resize((end - at) as usize, 0);
            take(&piece)?;
            at = end;
        }
        Ok(())
    }
}

/// Samples in memory as [`ReadSound`]; outside of them is silence.
pub fn from_memory(samples: &[i16]) -> impl FnMut(Range<u64>, &mut Vec<i16>) -> Result<()> + '_ {
    move |range, out| {
        let at = |place: u64| (place as usize).min(samples.len());
        out.extend_from_slice(&samples[at(range.start)..at(range.end)]);
        out.resize(out.len() + (range.end - range.start) as usize - (at(range.end) - at(range.start)), 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_join_to_the_whole() {
        let sound: Vec<i16> = (0..200_000u32).map(|i| (i % 30_011) as i16).collect();
        let mut read = from_memory(&sound);
        let mut stretch = Stretch { sample_rate_hz: 48_000, range: 1000..210_000, read: &mut read, lower: None };
        let mut heard = Vec::new();
        stretch
            .each(|piece| {
                heard.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        assert_eq!(heard.len() as u64, stretch.samples());
        assert_eq!(heard[..199_000], sound[1000..]);
        assert!(heard[199_000..].iter().all(|&sample| sample == 0), "time is kept where nothing is");
    }
}
