//! What is kept of a lane around what is visible: exact columns and samples where one looks closely, coarse ones of the file's own
//! pyramid where one looks from afar.

use std::{ops::Range, sync::Arc};

use half::f16;

use crate::{
    Result,
    dsp::{
        level::{Level, LevelMeter},
        stft::append_f16,
    },
    recognise::{service::LaneReport, transcript::Transcript},
    session::{
        LaneInfo, SessionFile, level_for,
        pyramid::{GridStft, Run, SPECTROGRAM_LEVELS, WAVEFORM_LEVELS, magnitude_of},
    },
    stream::{history::ColumnHistory, peaks::SoundHistory},
};

/// Up to so many visible seconds the picture is made from the sound.
const CLOSE_SECS: f64 = 60.0;
/// Pixels that a level must fill, about.
const PIXELS: f64 = 1000.0;

/// What is kept of a lane around what is visible.
#[derive(Clone, Debug)]
pub struct Window {
    /// The stretch that it holds, seconds on the lane's clock.
    pub secs: Range<f64>,
    /// Columns; each stands for [`columns_joined`](Self::columns_joined) of the lane.
    pub columns: ColumnHistory,
    /// Columns of the lane that one of them joins.
    pub columns_joined: u64,
    /// Samples, or pairs of least and greatest one behind the other.
    pub sound: SoundHistory,
    /// Samples of the lane that one of them stands for: 1 for samples.
    pub sound_joined: u64,
    /// The words.
    pub report: Arc<LaneReport>,
}

/// At which levels a window holds its lane when `span_secs` are visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    columns: u32,
    sound: u32,
}

impl Levels {
    /// Exact up to a minute; beyond, the coarsest that is fine enough of those that the file has.
    pub fn of(lane: &LaneInfo, span_secs: f64) -> Self {
        if span_secs <= CLOSE_SECS {
            return Self { columns: 0, sound: 0 };
        }
        let samples_a_pixel = span_secs * f64::from(lane.record.sample_rate_hz) / PIXELS;
        let columns = level_for(samples_a_pixel / lane.record.stft.hop as f64);
        let sound = level_for(samples_a_pixel / 2.0);
        Self {
            columns: columns.clamp(*SPECTROGRAM_LEVELS.start(), *SPECTROGRAM_LEVELS.end()),
            sound: sound.clamp(*WAVEFORM_LEVELS.start(), *WAVEFORM_LEVELS.end()),
        }
    }

    /// Whether they are samples and the very columns that were on the screen.
    pub fn are_exact(self) -> bool {
        self.columns == 0
    }
}

impl Window {
    /// Nothing of a lane.
    pub fn empty(lane: &LaneInfo) -> Self {
        Self {
            secs: 0.0..0.0,
            columns: ColumnHistory::new(lane.record.stft.bins(), 1),
            columns_joined: 1,
            sound: SoundHistory::new(1),
            sound_joined: 1,
            report: Arc::default(),
        }
    }

    /// Whether it holds all of `secs` that the lane has, at these levels.
    pub fn holds(&self, lane: &LaneInfo, secs: &Range<f64>, levels: Levels) -> bool {
        let rate = f64::from(lane.record.sample_rate_hz);
        let (first, end) = (lane.range().start as f64 / rate, lane.range().end as f64 / rate);
        let is_near = self.secs.start <= secs.start.max(first) + 1e-9 && self.secs.end >= secs.end.min(end) - 1e-9;
        is_near && self.columns_joined == 1 << (2 * levels.columns)
    }

    /// Reads `secs` of a lane.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(file: &SessionFile, index: usize, secs: Range<f64>, levels: Levels) -> Result<Self> {
        let Some(lane) = file.lanes().get(index) else { return Err(crate::Error::not_found("there is no such lane")) };
        let rate = f64::from(lane.record.sample_rate_hz);
        let sample = |secs: f64| (secs * rate).max(0.0) as u64;
        let range = lane.range();
        let samples = sample(secs.start).clamp(range.start, range.end)..sample(secs.end).clamp(range.start, range.end);
        let mut window = Self { secs, ..Self::empty(lane) };
        if levels.are_exact() {
            window.read_exact(file, index, samples.clone())?;
        } else {
            window.read_coarse(file, index, &samples, levels)?;
        }
        let mut transcript = Transcript::default();
        for segment in file.segments(index, samples.start.saturating_sub(10 * rate as u64)..samples.end)? {
            transcript.push(segment);
        }
        window.report = Arc::new(LaneReport { transcript: Arc::new(transcript), ..LaneReport::default() });
        Ok(window)
    }

    /// The level of the 100 ms before a place on the lane's clock, where there are samples.
    pub fn level_at(&self, lane: &LaneInfo, secs: f64) -> Level {
        let rate = lane.record.sample_rate_hz;
        let mut meter = LevelMeter::new(rate);
        if self.sound_joined == 1 {
            let end = (secs * f64::from(rate)).max(0.0) as u64;
            let from = end.saturating_sub(u64::from(rate) / 10);
            self.sound.samples(from..end).for_each(|(_, samples)| meter.push(samples));
        }
        meter.level()
    }

    /// Samples as they were recorded, and the very columns that were on the screen.
    fn read_exact(&mut self, file: &SessionFile, index: usize, samples: Range<u64>) -> Result<()> {
        let stft = file.lanes()[index].record.stft;
        // The columns at the left edge began before it.
        let from = samples.start.saturating_sub(stft.fft_size as u64).max(file.lanes()[index].first_sample);
        let len = (samples.end - from) as usize;
        self.columns = ColumnHistory::new(stft.bins(), len / stft.hop + 2);
        self.sound = SoundHistory::new(len.max(1));
        let mut grid = GridStft::new(&stft)?;
        let (mut at, mut block, mut values) = (from, Vec::new(), Vec::<f16>::new());
        while at < samples.end {
            let end = (at + (1 << 16)).min(samples.end);
            block.clear();
            values.clear();
            file.sound(index, at..end, &mut block)?;
            let mut first = None;
            grid.push(at, &block, |column, magnitudes| {
                first.get_or_insert(column);
                append_f16(magnitudes, &mut values);
            });
            if let Some(first) = first {
                self.columns.append(first, &values)?;
            }
            self.sound.append(at, &block)?;
            at = end;
        }
        Ok(())
    }

    fn read_coarse(&mut self, file: &SessionFile, index: usize, samples: &Range<u64>, levels: Levels) -> Result<()> {
        let stft = file.lanes()[index].record.stft;
        let items = |joined: u64| samples.start / joined..samples.end.div_ceil(joined);
        self.columns_joined = 1 << (2 * levels.columns);
        let range = items(self.columns_joined * stft.hop as u64);
        self.columns = ColumnHistory::new(stft.bins(), (range.end - range.start) as usize + 1);
        let magnitudes: Vec<f16> = (0..=255).map(|byte| f16::from_f32(magnitude_of(byte))).collect();
        for Run { first, values, .. } in file.spectrogram(index, levels.columns, range)? {
            let values: Vec<f16> = values.iter().map(|&byte| magnitudes[usize::from(byte)]).collect();
            self.columns.append(first, &values)?;
        }
        let joined = 1u64 << (2 * levels.sound);
        // A pair takes the place of two samples.
        self.sound_joined = joined / 2;
        let range = items(joined);
        self.sound = SoundHistory::new(2 * (range.end - range.start) as usize + 2);
        for Run { first, values, .. } in file.waveform(index, levels.sound, range)? {
            let pairs: Vec<i16> = values.iter().flat_map(|&(least, most)| [least, most]).collect();
            self.sound.append(2 * first, &pairs)?;
        }
        Ok(())
    }
}
