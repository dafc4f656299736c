//! A whole lane in few pixels, for the strip that one clicks on.

use crate::{
    Result,
    draw::{theme::Ramp, view::FrequencyAxis},
    session::{LaneInfo, SessionFile, level_for, pyramid::db_of},
};

/// Pixels across.
const WIDTH: usize = 1024;
/// Pixels down.
const HEIGHT: usize = 48;

/// A whole lane: sRGB pixels, row by row from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Overview {
    /// Pixels across and down.
    pub size: [usize; 2],
    /// Red, green and blue.
    pub rgb: Vec<u8>,
}

impl Overview {
    /// The overview of a lane over a session of `len_secs` that begins at `offset_secs` on the lane's clock.
    ///
    /// # Errors
    /// Those of the file.
    pub fn read(file: &SessionFile, index: usize, offset_secs: f64, len_secs: f64) -> Result<Self> {
        let Some(lane) = file.lanes().get(index) else { return Err(crate::Error::not_found("there is no such lane")) };
        let runs = file.overview(index, WIDTH as u32)?.spectrogram;
        let bins = lane.record.stft.bins();
        let rows = rows(lane);
        // The loudest of each row in each pixel, in the file's half decibels.
        let mut loudest = vec![0u8; WIDTH * HEIGHT];
        let (hop, rate) = (lane.record.stft.hop as f64, f64::from(lane.record.sample_rate_hz));
        for run in runs {
            let span_secs = hop * f64::from(1u32 << (2 * run.level)) / rate;
            for (item, column) in (run.first..).zip(run.values.chunks_exact(bins)) {
                let x_of = |item: f64| (item * span_secs - offset_secs) / len_secs.max(1e-9) * WIDTH as f64;
                let (from, to) =
                    (x_of(item as f64).max(0.0) as usize, x_of(item as f64 + 1.0).ceil().max(0.0) as usize);
                for (y, row) in rows.iter().enumerate() {
                    let most = column[row.clone()].iter().copied().max().unwrap_or(0);
                    for x in from..to.min(WIDTH) {
                        let place = &mut loudest[y * WIDTH + x];
                        *place = most.max(*place);
                    }
                }
            }
        }
        Ok(Self { size: [WIDTH, HEIGHT], rgb: colors(&loudest) })
    }

    /// The level of the file that an overview is made of.
    pub fn level(lane: &LaneInfo) -> u32 {
        level_for(lane.len_samples as f64 / WIDTH as f64 / lane.record.stft.hop as f64)
    }
}

/// The bins of each row, from the top, mel-spaced up to 8 kHz.
fn rows(lane: &LaneInfo) -> Vec<std::ops::Range<usize>> {
    let (bins, rate) = (lane.record.stft.bins(), f64::from(lane.record.sample_rate_hz));
    let top_hz = (rate / 2.0).min(8_000.0);
    let bin = |part: f64| FrequencyAxis::Mel.hz_at(part, top_hz) / rate * lane.record.stft.fft_size as f64;
    let row = |y: usize| {
        let low = (bin(1.0 - (y + 1) as f64 / HEIGHT as f64) as usize).min(bins - 1);
        low..(bin(1.0 - y as f64 / HEIGHT as f64).ceil() as usize).clamp(low + 1, bins)
    };
    (0..HEIGHT).map(row).collect()
}

/// On the scale of the screen, a little lower, because a maximum is louder than what it stands for.
fn colors(loudest: &[u8]) -> Vec<u8> {
    let color = |byte: u8| {
        let color = Ramp::Stream.color((db_of(byte) + 90.0) / 72.0);
        [color.r(), color.g(), color.b()]
    };
    let table: Vec<[u8; 3]> = (0..=255).map(color).collect();
    loudest.iter().flat_map(|&byte| table[usize::from(byte)]).collect()
}
