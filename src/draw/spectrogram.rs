//! The scrolling spectrogram: which columns a lane shows, and what its shader must know.

use std::ops::Range;

use bevy::{math::vec2, prelude::*};

use super::{
    feed::Feed,
    lanes::{Lane, Lanes},
    plan::{Visible, level_for, ring_capacity},
    plot::{GpuGeneration, PlotFrame, Quad, RingKind, SpectrogramUniform, UploadStats, WIDEST_RING},
    view::{FrequencyAxis, View},
};
use crate::stream::{Spectrogram, history::ColumnHistory};

/// Where columns lie in time: column `c` covers samples `[c * hop, c * hop + fft_size)` and is drawn, `hop` wide, at its middle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColumnClock {
    /// Samples between two columns.
    pub hop: u32,
    /// Samples a column covers.
    pub fft_size: u32,
    /// Samples a second.
    pub sample_rate_hz: u32,
}

impl ColumnClock {
    /// The column position at a stream time: `c` at the left edge of column `c` as drawn.
    pub fn position(&self, secs: f64) -> f64 {
        let left_edge = (f64::from(self.fft_size) - f64::from(self.hop)) / 2.0;
        (secs * f64::from(self.sample_rate_hz) - left_edge) / f64::from(self.hop)
    }
}

/// The columns that a lane shows on a plot `width_px` wide.
pub fn visible_columns(history: &ColumnHistory, clock: ColumnClock, lane: &Lane, width_px: f64, capacity: u64) -> Visible {
    let (left, right) = (clock.position(lane.left_secs), clock.position(lane.right_secs));
    let level = level_for(right - left, width_px, history.levels(), capacity);
    Visible::new(level, history.range(level), left, right)
}

/// Makes the spectrograms' part of the draw list.
pub(super) fn draw_spectrogram(
    streams: Query<&Spectrogram>,
    lanes: Res<Lanes>,
    view: Res<View>,
    generation: Res<GpuGeneration>,
    mut feed: Local<Feed>,
    mut frame: ResMut<PlotFrame>,
    mut stats: ResMut<UploadStats>,
) {
    feed.begin(generation.get(), |entity| lanes.get(entity).is_some());
    for lane in &lanes.lanes {
        let Ok(spectrogram) = streams.get(lane.entity) else { continue };
        let history = spectrogram.history();
        let rect = lanes.pixels(lane.places.spectrogram);
        let capacity = ring_capacity(f64::from(rect[2]), WIDEST_RING);
        let clock = ColumnClock {
            hop: spectrogram.hop() as u32,
            fft_size: spectrogram.fft_size() as u32,
            sample_rate_hz: lane.sample_rate_hz,
        };
        let visible = visible_columns(history, clock, lane, f64::from(rect[2]), capacity);
        let kind = RingKind::Columns { bins: history.bins() as u32 };
        let copy = |part: Range<u64>, bytes: &mut [u8]| {
            let bytes_per_column = kind.entry_bytes() as usize;
            for (first, values) in history.runs(visible.level, part.clone()) {
                let values: &[u8] = bytemuck::cast_slice(values);
                let at = (first - part.start) as usize * bytes_per_column;
                bytes[at..at + values.len()].copy_from_slice(values);
            }
        };
        let (first_row, sent) = feed.show(lane.entity, kind, capacity, &visible, &mut frame, copy);
        stats.columns += sent;
        stats.bytes += sent * u64::from(kind.entry_bytes());
        stats.total_bytes += sent * u64::from(kind.entry_bytes());

        let scale = lanes.pixels_per_point;
        frame.lane_mut(lane.entity).spectrogram = Some(SpectrogramUniform {
            quad: Quad { rect: rect.into(), target_px: lanes.target_px.into(), corners: vec2(3.0, 8.0) * scale },
            left: visible.left,
            span: visible.span,
            first_row,
            rows: capacity as u32,
            columns: (visible.entries.end - visible.entries.start) as u32,
            bins: history.bins() as u32,
            axis: view.frequency_axis as u32,
            ramp: view.ramp.row(),
            hz_per_bin: lane.sample_rate_hz as f32 / spectrogram.fft_size() as f32,
            top_hz: lane.top_hz(&view) as f32,
            low_hz: FrequencyAxis::LOW_HZ as f32,
            floor_db: view.floor_dbfs,
            range_db: (view.ceiling_dbfs - view.floor_dbfs).max(1.0),
            live: if lane.live { 1.0 } else { 0.0 },
            pixels_per_point: scale,
            unused: 0.0,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_drawn_at_the_middle_of_the_sound_it_covers() {
        let clock = ColumnClock { hop: 512, fft_size: 2048, sample_rate_hz: 48_000 };
        // Column 10 covers samples 5120 to 7168; its middle is at 6144.
        assert!((clock.position(6144.0 / 48_000.0) - 10.5).abs() < 1e-9);
    }
}
