//! Pictures of a session at any zoom: coarse levels as they are stored, fine ones made from the sound where one looks.

use std::ops::{Range, RangeInclusive};

use prost::Message as _;

use super::{
    pyramid::{
        GridStft, Item, Reducer, Run, SPECTROGRAM_BATCH, SPECTROGRAM_LEVELS, WAVEFORM_BATCH, WAVEFORM_LEVELS, byte_of,
    },
    reader::SessionFile,
    schema::{Content, SpectrogramLevel, WaveformLevel},
};
use crate::{Result, dsp::stft::StftConfig};

/// Columns made from sound at once, so that a long stretch needs little memory.
const PIECE_COLUMNS: u64 = 4096;

/// A whole lane in few pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// The coarsest level with at least a column a pixel, or the finest there is.
    pub spectrogram: Vec<Run<u8>>,
    /// Minima and maxima, likewise.
    pub waveform: Vec<Run<(i16, i16)>>,
}

impl SessionFile {
    /// A whole lane at the coarsest stored levels that still have an item a pixel.
    pub fn overview(&self, lane: usize, pixels: u32) -> Result<Overview> {
        let info = self.info(lane)?;
        let (range, hop) = (info.range(), info.record.stft.hop as u64);
        let samples_per_pixel = info.len_samples as f64 / f64::from(pixels.max(1));
        let level = level_for(samples_per_pixel / hop as f64).min(*SPECTROGRAM_LEVELS.end());
        let span = hop << (2 * level);
        let spectrogram = self.spectrogram(lane, level, range.start / span..range.end.div_ceil(span))?;
        let level = level_for(samples_per_pixel).min(*WAVEFORM_LEVELS.end());
        let span = 1 << (2 * level);
        let waveform = self.waveform(lane, level, range.start / span..range.end.div_ceil(span))?;
        Ok(Overview { spectrogram, waveform })
    }

    /// The columns of a level within `range`, in runs by place. Column i of level k holds, bin by bin, the largest level of the
    /// columns [i·4^k, (i+1)·4^k) of the stream; bytes as in [`byte_of`]. Columns that were not wholly recorded are left out.
    pub fn spectrogram(&self, lane: usize, level: u32, range: Range<u64>) -> Result<Vec<Run<u8>>> {
        let info = self.info(lane)?;
        let (stft, recorded) = (info.record.stft, info.range());
        let columns = columns_in(&stft, &recorded);
        let range = clip(range, level, &columns);
        if !SPECTROGRAM_LEVELS.contains(&level) {
            let finer = *SPECTROGRAM_LEVELS.end();
            if level > finer {
                let runs = self.spectrogram(lane, level - 1, range.start * 4..range.end * 4)?;
                return Ok(coarser(runs, level, stft.bins()));
            }
            return self.columns_from_sound(lane, level, range);
        }
        let span = (stft.hop as u64) << (2 * level);
        let early = (SPECTROGRAM_BATCH as u64) * span;
        let samples = (range.start * span).saturating_sub(early)..range.end * span;
        let mut stored = Vec::new();
        self.each(Some(lane), Content::Spectrogram(level), samples, |message| {
            let record = SpectrogramLevel::decode(&*message.data).map_err(|error| format!("a picture: {error}"))?;
            if record.bins as usize != stft.bins() {
                return Err(format!("a picture of {} bins instead of {}", record.bins, stft.bins()));
            }
            stored.push(Run { level, first: record.first, values: record.values });
            Ok(())
        })?;
        fill(stored, stft.bins(), range, |hole| {
            if level == *SPECTROGRAM_LEVELS.start() {
                return self.columns_from_sound(lane, level, hole);
            }
            let runs = self.spectrogram(lane, level - 1, hole.start * 4..hole.end * 4)?;
            Ok(coarser(runs, level, stft.bins()))
        })
    }

    /// Minima and maxima of a level within `range`, in runs by place: item i of level k sums up samples [i·4^k, (i+1)·4^k).
    /// Items that were not wholly recorded are left out.
    pub fn waveform(&self, lane: usize, level: u32, range: Range<u64>) -> Result<Vec<Run<(i16, i16)>>> {
        let range = clip(range, level, &self.info(lane)?.range());
        if !WAVEFORM_LEVELS.contains(&level) {
            if level > *WAVEFORM_LEVELS.end() {
                let runs = self.waveform(lane, level - 1, range.start * 4..range.end * 4)?;
                return Ok(coarser(runs, level, 1));
            }
            return self.peaks_from_sound(lane, level, range);
        }
        let span = 1u64 << (2 * level);
        let early = WAVEFORM_BATCH as u64 * span;
        let samples = (range.start * span).saturating_sub(early)..range.end * span;
        let mut stored = Vec::new();
        self.each(Some(lane), Content::Waveform(level), samples, |message| {
            let record = WaveformLevel::decode(&*message.data).map_err(|error| format!("a waveform: {error}"))?;
            let sample = |bytes: &[u8]| i16::from_le_bytes([bytes[0], bytes[1]]);
            let values = record.peaks.chunks_exact(4).map(|pair| (sample(pair), sample(&pair[2..]))).collect();
            stored.push(Run { level, first: record.first, values });
            Ok(())
        })?;
        fill(stored, 1, range, |hole| {
            if level == *WAVEFORM_LEVELS.start() {
                return self.peaks_from_sound(lane, level, hole);
            }
            let runs = self.waveform(lane, level - 1, hole.start * 4..hole.end * 4)?;
            Ok(coarser(runs, level, 1))
        })
    }

    /// Columns at any level, from the sound.
    fn columns_from_sound(&self, lane: usize, level: u32, range: Range<u64>) -> Result<Vec<Run<u8>>> {
        let stft = self.info(lane)?.record.stft;
        let (hop, span) = (stft.hop as u64, 1u64 << (2 * level));
        let (mut sound, mut runs, mut columns) = (Vec::new(), Vec::new(), Vec::new());
        let mut grid = GridStft::new(&stft)?;
        let mut reducer = Reducer::new(stft.bins(), one(level), usize::MAX / stft.bins());
        let last = range.end * span;
        let mut column = range.start * span;
        let mut at = column * hop;
        while column < last {
            let end = last.min(column + PIECE_COLUMNS);
            let until = (end - 1) * hop + stft.fft_size as u64;
            sound.clear();
            self.sound(lane, at..until, &mut sound)?;
            grid.push(at, &sound, |index, magnitudes| reducer.push(index, magnitudes, &mut columns));
            (column, at) = (end, until);
        }
        reducer.finish(&mut columns);
        runs.extend(columns.into_iter().map(|run| Run {
            level,
            first: run.first,
            values: run.values.into_iter().map(byte_of).collect(),
        }));
        Ok(runs)
    }

    /// Minima and maxima at any level, from the sound.
    fn peaks_from_sound(&self, lane: usize, level: u32, range: Range<u64>) -> Result<Vec<Run<(i16, i16)>>> {
        let span = 1u64 << (2 * level);
        let (mut runs, mut sound) = (Vec::new(), Vec::new());
        let mut reducer = Reducer::new(1, one(level), usize::MAX);
        let (mut at, end) = (range.start * span, range.end * span);
        while at < end {
            let until = end.min(at + (1 << 20));
            sound.clear();
            self.sound(lane, at..until, &mut sound)?;
            for (index, &sample) in (at..).zip(&sound) {
                reducer.push(index, &[(sample, sample)], &mut runs);
            }
            at = until;
        }
        reducer.finish(&mut runs);
        Ok(runs)
    }
}

/// The coarsest level of which at least one item falls on a pixel of `items_per_pixel` base items.
pub fn level_for(items_per_pixel: f64) -> u32 {
    (1..=16).take_while(|&level| (1u64 << (2 * level)) as f64 <= items_per_pixel).count() as u32
}

/// The whole columns of a stretch of samples.
fn columns_in(stft: &StftConfig, samples: &Range<u64>) -> Range<u64> {
    let first = samples.start.div_ceil(stft.hop as u64);
    first..stft.columns_in(samples.end).max(first)
}

/// The items of a level within `range` that lie wholly within the base items `base`.
fn clip(range: Range<u64>, level: u32, base: &Range<u64>) -> Range<u64> {
    let span = 1u64 << (2 * level.min(31));
    let start = range.start.max(base.start.div_ceil(span));
    start..range.end.min(base.end / span).max(start)
}

fn one(level: u32) -> RangeInclusive<u32> {
    level..=level
}

/// One level up.
fn coarser<T: Item>(runs: Vec<Run<T>>, level: u32, width: usize) -> Vec<Run<T>> {
    let mut out = Vec::new();
    let mut reducer = Reducer::new(width, one(1), usize::MAX / width);
    for run in runs {
        for (index, item) in (run.first..).zip(run.values.chunks_exact(width)) {
            reducer.push(index, item, &mut out);
        }
    }
    reducer.finish(&mut out);
    out.into_iter().map(|run| Run { level, ..run }).collect()
}

/// The stored runs cut to `range`, with what `make` makes for the holes between them.
fn fill<T: Clone>(
    mut stored: Vec<Run<T>>,
    width: usize,
    range: Range<u64>,
    mut make: impl FnMut(Range<u64>) -> Result<Vec<Run<T>>>,
) -> Result<Vec<Run<T>>> {
    stored.sort_by_key(|run| run.first);
    let (mut runs, mut at) = (Vec::new(), range.start);
    for run in stored {
        let end = (run.first + (run.values.len() / width) as u64).min(range.end);
        let start = run.first.max(at);
        if start >= end {
            continue;
        }
        if start > at {
            runs.extend(make(at..start)?);
        }
        let places = |index: u64| (index - run.first) as usize * width;
        runs.push(Run { level: run.level, first: start, values: run.values[places(start)..places(end)].to_vec() });
        at = end;
    }
    if at < range.end {
        runs.extend(make(at..range.end)?);
    }
    Ok(runs)
}
