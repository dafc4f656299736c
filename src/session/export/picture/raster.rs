//! From sound to the colours of a spectrogram: the same columns, the same decibels and the same ways to join what shares a pixel as
//! in `shaders/spectrogram.wgsl`.

use std::ops::Range;

use crate::{
    Result,
    draw::{
        plan::{entries_joined, level_for},
        spectrogram::ColumnClock,
        view::FrequencyAxis,
    },
    dsp::stft::StftConfig,
    session::{export::ReadSound, pyramid::GridStft},
};

/// Samples read at a time.
const PIECE: u64 = 1 << 16;

/// How decibels and frequencies lie on the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Silence on the colour map, dBFS.
    pub floor_dbfs: f32,
    /// Full colour, dBFS.
    pub ceiling_dbfs: f32,
    /// How frequency runs.
    pub axis: FrequencyAxis,
    /// The highest frequency drawn, Hz.
    pub top_hz: f64,
}

/// Loudness, 0 (silence) to 1, of `width` times `height` pixels, row by row from the top.
pub struct Raster {
    /// Pixels across.
    pub width: usize,
    /// The values.
    pub values: Vec<f32>,
}

/// Least and greatest amplitude of each pixel column, -1 to 1.
pub type Peaks = Vec<(f32, f32)>;

/// What one pass over the sound gives.
pub struct Passed {
    /// The spectrogram.
    pub raster: Raster,
    /// The waveform.
    pub peaks: Peaks,
}

/// Makes the pixels of the stretch `secs` of a lane, `width` across and `height` down.
///
/// # Errors
/// Those of reading, and of a transform that cannot be.
pub fn rasterise(
    secs: Range<f64>,
    clock: ColumnClock,
    stft: &StftConfig,
    scale: &Scale,
    [width, height]: [usize; 2],
    read: &mut ReadSound,
) -> Result<Passed> {
    let (left, right) = (clock.position(secs.start), clock.position(secs.end));
    let level = level_for(right - left, width as f64, 12, u64::MAX);
    let joined = entries_joined(level);
    let (left, right) = (left / joined as f64, right / joined as f64);
    let first = (left.floor() - 1.0).max(0.0) as u64;
    let last = (right.ceil() + 1.0).max(0.0) as u64;
    let rows = rows(clock, stft, scale, height);
    let mut columns: Vec<Vec<f32>> = Vec::with_capacity((last - first) as usize);
    let mut magnitudes: Vec<f32> = Vec::new();
    let rate = f64::from(clock.sample_rate_hz);
    let mut peaks = vec![(f32::MAX, f32::MIN); width];
    let samples = first * joined * stft.hop as u64..last * joined * stft.hop as u64 + stft.fft_size as u64;
    let mut grid = GridStft::new(stft)?;
    let (mut at, mut piece) = (samples.start, Vec::new());
    while at < samples.end {
        let end = (at + PIECE).min(samples.end);
        piece.clear();
        read(at..end, &mut piece)?;
        piece.resize((end - at) as usize, 0);
        grid.push(at, &piece, |index, column| {
            if index >= last * joined {
                return;
            }
            if index % joined == 0 {
                magnitudes.clear();
                magnitudes.extend_from_slice(column);
            } else {
                magnitudes.iter_mut().zip(column).for_each(|(most, &more)| *most = most.max(more));
            }
            if index % joined == joined - 1 {
                columns.push(rows.iter().map(|row| row.decibels(&magnitudes, scale.floor_dbfs)).collect());
            }
        });
        let a_second = width as f64 / (secs.end - secs.start);
        for (place, &sample) in (at..).zip(&piece) {
            let x = (place as f64 / rate - secs.start) * a_second;
            if x >= 0.0 && (x as usize) < width {
                let (peak, sample) = (&mut peaks[x as usize], f32::from(sample) / 32_768.0);
                *peak = (peak.0.min(sample), peak.1.max(sample));
            }
        }
        at = end;
    }
    let still = |peak: (f32, f32)| if peak.0 > peak.1 { (0.0, 0.0) } else { peak };
    let raster = join(&columns, left - first as f64, right - left, [width, height], scale);
    Ok(Passed { raster, peaks: peaks.into_iter().map(still).collect() })
}

/// Which bins a row of pixels shows.
struct Row {
    low_bin: f32,
    high_bin: f32,
}

fn rows(clock: ColumnClock, stft: &StftConfig, scale: &Scale, height: usize) -> Vec<Row> {
    let hz_per_bin = f64::from(clock.sample_rate_hz) / stft.fft_size as f64;
    let bin_at = |part: f64| (scale.axis.hz_at(part.clamp(0.0, 1.0), scale.top_hz) / hz_per_bin) as f32;
    let row = |y: usize| {
        let (top, bottom) = (1.0 - y as f64 / height as f64, 1.0 - (y + 1) as f64 / height as f64);
        Row { low_bin: bin_at(bottom), high_bin: bin_at(top) }
    };
    (0..height).map(row).collect()
}

impl Row {
    /// Smooth where a bin is several pixels high, the loudest bin where several share a pixel.
    fn decibels(&self, magnitudes: &[f32], floor_db: f32) -> f32 {
        let db = |magnitude: f32| (20.0 * magnitude.max(1e-8).log10()).max(floor_db);
        let last = magnitudes.len() as i64 - 1;
        let bin = |at: i64| magnitudes[at.clamp(0, last) as usize];
        if self.high_bin - self.low_bin <= 1.0 {
            // Quadratic B-spline over three bins.
            let at = 0.5 * (self.low_bin + self.high_bin);
            let t = at - at.round();
            let centre = at.round() as i64;
            let (before, here, after) = (db(bin(centre - 1)), db(bin(centre)), db(bin(centre + 1)));
            return before * 0.5 * (0.5 - t).powi(2) + here * (0.75 - t * t) + after * 0.5 * (0.5 + t).powi(2);
        }
        let from = (self.low_bin - 0.5).ceil() as i64;
        let to = ((self.high_bin + 0.5).floor() as i64).max(from);
        db((from..=to).map(bin).fold(0.0, f32::max))
    }
}

/// Joins the columns that share a pixel, each by how much of it lies there, or blends two where a column is wider than a pixel.
fn join(columns: &[Vec<f32>], left: f64, span: f64, [width, height]: [usize; 2], scale: &Scale) -> Raster {
    let range_db = (scale.ceiling_dbfs - scale.floor_dbfs).max(1.0);
    let mut values = vec![0.0; width * height];
    let a_pixel = span / width as f64;
    let last = columns.len() as i64 - 1;
    for x in 0..width {
        let at = left + (x as f64 + 0.5) * a_pixel;
        let weights: Vec<(i64, f64)> = if a_pixel <= 1.0 {
            let before = (at - 0.5).floor();
            let part = at - 0.5 - before;
            vec![(before as i64, 1.0 - part), (before as i64 + 1, part)]
        } else {
            let (from, to) = (at - 0.5 * a_pixel, at + 0.5 * a_pixel);
            let part = |column: i64| (to.min((column + 1) as f64) - from.max(column as f64)).max(0.0);
            (from.floor() as i64..to.ceil() as i64).map(|column| (column, part(column) / a_pixel)).collect()
        };
        for y in 0..height {
            let db: f64 = weights
                .iter()
                .map(|&(column, weight)| match columns.get(column.clamp(0, last.max(0)) as usize) {
                    Some(column) => weight * f64::from(column[y]),
                    None => weight * f64::from(scale.floor_dbfs),
                })
                .sum();
            values[y * width + x] = ((db as f32 - scale.floor_dbfs) / range_db).clamp(0.0, 1.0);
        }
    }
    Raster { width, values }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::export::from_memory;

    const CLOCK: ColumnClock = ColumnClock { hop: 512, fft_size: 2048, sample_rate_hz: 48_000 };
    const SCALE: Scale =
        Scale { floor_dbfs: -96.0, ceiling_dbfs: -22.0, axis: FrequencyAxis::Linear, top_hz: 24_000.0 };

    fn sine(hz: f64, secs: f64) -> Vec<i16> {
        let sample = |i: u64| (3000.0 * (std::f64::consts::TAU * hz * i as f64 / 48_000.0).sin()) as i16;
        (0..(secs * 48_000.0) as u64).map(sample).collect()
    }

    #[test]
    fn a_tone_is_a_line_at_its_height_at_any_size_and_zoom() {
        for (secs, size) in [(0.2, [300, 240]), (2.0, [300, 97]), (30.0, [61, 2000])] {
            let sound = sine(6000.0, secs + 1.0);
            let stft = StftConfig::default();
            let passed = rasterise(0.1..secs + 0.1, CLOCK, &stft, &SCALE, size, &mut from_memory(&sound)).unwrap();
            for x in 0..size[0] {
                let column: Vec<f32> = (0..size[1]).map(|y| passed.raster.values[y * size[0] + x]).collect();
                let loudest = (0..size[1]).max_by(|&a, &b| column[a].total_cmp(&column[b])).unwrap();
                let hz = (1.0 - (loudest as f64 + 0.5) / size[1] as f64) * 24_000.0;
                assert!((hz - 6000.0).abs() <= 24_000.0 / size[1] as f64 + 24.0, "{size:?} at {x}: {hz}");
            }
            assert!(passed.peaks.iter().all(|peak| peak.1 > 0.08 && peak.0 < -0.08), "{secs} s");
        }
    }

    #[test]
    fn a_click_is_seen_however_far_one_zooms_out() {
        let mut sound = vec![0i16; 48_000 * 60];
        sound[48_000 * 30] = 30_000;
        let stft = StftConfig::default();
        let passed = rasterise(0.0..60.0, CLOCK, &stft, &SCALE, [50, 20], &mut from_memory(&sound)).unwrap();
        let lit: Vec<usize> = (0..50).filter(|&x| passed.raster.values[10 * 50 + x] > 0.1).collect();
        assert!(lit.contains(&25) || lit.contains(&24), "{lit:?}");
        assert!(lit.len() <= 3, "{lit:?}");
        assert!(passed.peaks[25].1 > 0.9);
    }
}
