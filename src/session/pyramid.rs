//! The coarse levels of a lane's picture that a session file carries, so that an overview of ten hours opens at once.
//!
//! The same levels as in a stream's history: item i of level k sums up base items [i·4^k, (i+1)·4^k) and is there only if all
//! of these are. The fine levels are not stored: they are made from the sound where one looks.

use std::{mem, ops::RangeInclusive};

use crate::{
    Result,
    dsp::stft::{Stft, StftConfig},
};

/// Levels of the spectrogram that are stored: at 48 kHz and a hop of 512, from 0.7 s to 44 s a column.
pub const SPECTROGRAM_LEVELS: RangeInclusive<u32> = 3..=6;
/// Columns in a stored record.
pub const SPECTROGRAM_BATCH: usize = 64;
/// Levels of the waveform that are stored: at 48 kHz from 21 ms to 5.5 s a pair.
pub const WAVEFORM_LEVELS: RangeInclusive<u32> = 5..=9;
/// Pairs in a stored record.
pub const WAVEFORM_BATCH: usize = 2048;

/// The byte of a linear magnitude: half decibels from -127.5 dBFS up to 0 dBFS.
pub fn byte_of(magnitude: f32) -> u8 {
    // A float cast saturates: silence is 0, and what is above full scale is 255.
    (2.0 * (20.0 * magnitude.log10() + 127.5)).round() as u8
}

/// The level in dBFS of a stored byte; negative infinity for 0, which is everything below the scale.
pub fn db_of(byte: u8) -> f32 {
    if byte == 0 { f32::NEG_INFINITY } else { f32::from(byte) / 2.0 - 127.5 }
}

/// The linear magnitude of a stored byte.
pub fn magnitude_of(byte: u8) -> f32 {
    10f32.powf(db_of(byte) / 20.0)
}

/// Items of one level, in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Run<T> {
    /// Which level.
    pub level: u32,
    /// Index of the first item.
    pub first: u64,
    /// The items' values, one item after the other.
    pub values: Vec<T>,
}

/// Something of which four make one of the next coarser level.
pub trait Item: Copy {
    /// Takes `more` into `summary`, value by value.
    fn merge(summary: &mut [Self], more: &[Self]);
}

impl Item for f32 {
    fn merge(summary: &mut [Self], more: &[Self]) {
        summary.iter_mut().zip(more).for_each(|(summary, &more)| *summary = summary.max(more));
    }
}

impl Item for u8 {
    fn merge(summary: &mut [Self], more: &[Self]) {
        summary.iter_mut().zip(more).for_each(|(summary, &more)| *summary = (*summary).max(more));
    }
}

impl Item for (i16, i16) {
    fn merge(summary: &mut [Self], more: &[Self]) {
        for (summary, more) in summary.iter_mut().zip(more) {
            *summary = (summary.0.min(more.0), summary.1.max(more.1));
        }
    }
}

/// Sums items up into coarser levels and hands these out in batches.
pub struct Reducer<T> {
    width: usize,
    batch_items: usize,
    tiers: Vec<Tier<T>>,
}

struct Tier<T> {
    level: u32,
    /// Items of the tier below (base items, for the first) that make one of this.
    span: u64,
    gathered: Vec<T>,
    next: u64,
    batch_first: u64,
    batch: Vec<T>,
}

impl<T: Item> Reducer<T> {
    /// A reducer of base items of `width` values to `levels`.
    pub fn new(width: usize, levels: RangeInclusive<u32>, batch_items: usize) -> Self {
        let first = *levels.start();
        let tier = |level| Tier {
            level,
            span: if level == first { 1 << (2 * level) } else { 4 },
            gathered: Vec::new(),
            next: 0,
            batch_first: 0,
            batch: Vec::new(),
        };
        Self { width, batch_items, tiers: levels.map(tier).collect() }
    }

    /// Takes the base item `index`; indices rise. Appends the batches that it fills to `out`.
    pub fn push(&mut self, index: u64, item: &[T], out: &mut Vec<Run<T>>) {
        push(&mut self.tiers, index, item, self.batch_items * self.width, out);
    }

    /// Appends the batches that are not full to `out`.
    pub fn finish(&mut self, out: &mut Vec<Run<T>>) {
        self.tiers.iter_mut().for_each(|tier| tier.flush(out));
    }
}

fn push<T: Item>(tiers: &mut [Tier<T>], index: u64, item: &[T], full: usize, out: &mut Vec<Run<T>>) {
    let Some((tier, coarser)) = tiers.split_first_mut() else { return };
    if index.is_multiple_of(tier.span) {
        tier.gathered.clear();
        tier.gathered.extend_from_slice(item);
    } else if index == tier.next && !tier.gathered.is_empty() {
        T::merge(&mut tier.gathered, item);
    } else {
        return tier.gathered.clear(); // an earlier one is missing
    }
    tier.next = index + 1;
    if tier.next.is_multiple_of(tier.span) {
        let whole = mem::take(&mut tier.gathered);
        let place = index / tier.span;
        if tier.batch_first + (tier.batch.len() / whole.len()) as u64 != place {
            tier.flush(out);
            tier.batch_first = place;
        }
        tier.batch.extend_from_slice(&whole);
        if tier.batch.len() >= full {
            tier.flush(out);
            tier.batch_first = place + 1;
        }
        push(coarser, place, &whole, full, out);
    }
}

impl<T> Tier<T> {
    fn flush(&mut self, out: &mut Vec<Run<T>>) {
        if !self.batch.is_empty() {
            let values = mem::take(&mut self.batch);
            out.push(Run { level: self.level, first: self.batch_first, values });
        }
    }
}

/// The columns of a stream on the grid that is anchored at its sample 0, from wherever one begins to listen: the very columns
/// that were on the screen.
pub struct GridStft {
    stft: Stft,
    hop: u64,
    /// Column of the transform's own column 0.
    base: u64,
    /// Samples to pass over up to the grid.
    skip: u64,
    /// The sample that continues what was heard.
    next: Option<u64>,
    float: Vec<f32>,
}

impl GridStft {
    /// Nothing heard yet.
    pub fn new(config: &StftConfig) -> Result<Self> {
        let stft = Stft::new(config)?;
        Ok(Self { stft, hop: config.hop as u64, base: 0, skip: 0, next: None, float: Vec::new() })
    }

    /// Hears samples from `first_sample` on and calls `on_column` with the index and the magnitudes of each column.
    pub fn push(&mut self, first_sample: u64, samples: &[i16], mut on_column: impl FnMut(u64, &[f32])) {
        if self.next != Some(first_sample) {
            self.stft.reset();
            self.base = first_sample.div_ceil(self.hop);
            self.skip = self.base * self.hop - first_sample;
        }
        self.next = Some(first_sample + samples.len() as u64);
        let skip = self.skip.min(samples.len() as u64);
        self.skip -= skip;
        self.float.clear();
        self.float.extend(samples[skip as usize..].iter().map(|&sample| f32::from(sample) / 32_768.0));
        let mut column = self.base + self.stft.columns();
        self.stft.push(&self.float, |magnitudes| {
            on_column(column, magnitudes);
            column += 1;
        });
    }

    /// Values of a column.
    pub fn bins(&self) -> usize {
        self.stft.bins()
    }
}

/// Makes the stored levels of a lane while it is recorded.
pub struct LevelBuilder {
    grid: GridStft,
    spectrogram: Reducer<f32>,
    waveform: Reducer<(i16, i16)>,
    columns: Vec<Run<f32>>,
    /// Full batches of the spectrogram, in bytes.
    pub spectrogram_runs: Vec<Run<u8>>,
    /// Full batches of the waveform.
    pub waveform_runs: Vec<Run<(i16, i16)>>,
}

impl LevelBuilder {
    /// Nothing heard yet.
    pub fn new(stft: &StftConfig) -> Result<Self> {
        let grid = GridStft::new(stft)?;
        Ok(Self {
            spectrogram: Reducer::new(grid.bins(), SPECTROGRAM_LEVELS, SPECTROGRAM_BATCH),
            waveform: Reducer::new(1, WAVEFORM_LEVELS, WAVEFORM_BATCH),
            grid,
            columns: Vec::new(),
            spectrogram_runs: Vec::new(),
            waveform_runs: Vec::new(),
        })
    }

    /// Hears samples from `first_sample` on.
    pub fn push(&mut self, first_sample: u64, samples: &[i16]) {
        let Self { grid, spectrogram, columns, .. } = self;
        grid.push(first_sample, samples, |index, magnitudes| spectrogram.push(index, magnitudes, columns));
        for (index, &sample) in (first_sample..).zip(samples) {
            self.waveform.push(index, &[(sample, sample)], &mut self.waveform_runs);
        }
        self.convert();
    }

    /// Moves the batches that are not full out too.
    pub fn finish(&mut self) {
        self.spectrogram.finish(&mut self.columns);
        self.waveform.finish(&mut self.waveform_runs);
        self.convert();
    }

    fn convert(&mut self) {
        self.spectrogram_runs.extend(self.columns.drain(..).map(|run| Run {
            level: run.level,
            first: run.first,
            values: run.values.into_iter().map(byte_of).collect(),
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_half_decibels() {
        assert_eq!((byte_of(0.0), byte_of(1.0), byte_of(2.0), byte_of(1e-7)), (0, 255, 255, 0));
        for byte in 1..=255 {
            assert_eq!(byte_of(magnitude_of(byte)), byte);
        }
        assert_eq!(db_of(235), -10.0);
    }

    #[test]
    fn a_level_holds_the_largest_of_all_it_covers_and_nothing_it_does_not_wholly_cover() {
        let mut reducer = Reducer::new(1, 1..=2, 3);
        let mut runs = Vec::new();
        // Items 2 to 40, of which 20 is missing.
        (2..=40u64).filter(|&i| i != 20).for_each(|i| reducer.push(i, &[((i * 7) % 11) as u8], &mut runs));
        reducer.finish(&mut runs);
        let mut found: Vec<_> = runs
            .iter()
            .flat_map(|run| (run.first..).zip(&run.values).map(|(i, &value)| (run.level, i, value)))
            .collect();
        found.sort_unstable();
        let largest = |level: u32, i: u64| {
            let span = 1u64 << (2 * level);
            (i * span..(i + 1) * span).map(|i| ((i * 7) % 11) as u8).max().unwrap_or(0)
        };
        let whole = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 6), (1, 7), (1, 8), (1, 9)];
        assert_eq!(found, whole.map(|(level, i)| (level, i, largest(level, i))));
        assert!(runs.iter().all(|run| run.values.len() <= 3));
    }

    #[test]
    fn columns_lie_on_the_grid_wherever_one_begins() {
        let config = StftConfig { fft_size: 64, hop: 16, ..StftConfig::default() };
        let sound: Vec<i16> = (0..1000).map(|i: i32| (i * 7919 % 20_000 - 10_000) as i16).collect();
        let mut whole = Vec::new();
        GridStft::new(&config).unwrap().push(0, &sound, |i, column| whole.push((i, column.to_vec())));
        let mut late = Vec::new();
        let mut grid = GridStft::new(&config).unwrap();
        for (i, block) in sound[37..].chunks(10).enumerate() {
            grid.push(37 + 10 * i as u64, block, |i, column| late.push((i, column.to_vec())));
        }
        assert_eq!(late, whole[3..]);
    }
}
