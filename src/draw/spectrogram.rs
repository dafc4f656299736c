//! The scrolling spectrogram: which columns a lane shows, and what its shader must know.

use std::ops::Range;

use bevy::{math::vec2, prelude::*};

use super::{
    feed::Feed,
    lanes::{Lane, Lanes},
    plan::{Visible, level_for, ring_capacity},
    plot::{GpuGeneration, PlotFrame, Quad, RingKind, SpectrogramUniform, WIDEST_RING},
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
///
/// One column of `history` stands for `joined` of the stream.
pub fn visible_columns(
    history: &ColumnHistory,
    joined: u64,
    clock: ColumnClock,
    lane: &Lane,
    width_px: f64,
    capacity: u64,
) -> Visible {
    let position = |secs: f64| clock.position(secs) / joined as f64;
    let (left, right) = (position(lane.left_secs), position(lane.right_secs));
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
        let joined = spectrogram.joined();
        let visible = visible_columns(history, joined, clock, lane, f64::from(rect[2]), capacity);
        let kind = RingKind::Columns { bins: history.bins() as u32 };
        let copy = |part: Range<u64>, bytes: &mut [u8]| {
            let bytes_per_column = kind.entry_bytes() as usize;
            for (first, values) in history.runs(visible.level, part.clone()) {
                let values: &[u8] = bytemuck::cast_slice(values);
                let at = (first - part.start) as usize * bytes_per_column;
                bytes[at..at + values.len()].copy_from_slice(values);
            }
        };
        let (first_row, sent) = feed.show(lane.entity, kind, capacity, &visible.of_stream(joined), &mut frame, copy);
        frame.sent.columns += sent;
        frame.sent.bytes += sent * u64::from(kind.entry_bytes());
        frame.sent.total_bytes += sent * u64::from(kind.entry_bytes());

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
    use bevy_egui::egui::{Rect, pos2, vec2 as egui_vec2};

    use super::*;

    /// Draws `frames` frames of a live lane over a history of `columns`, two columns apart; returns what was sent in each.
    fn sent_while_scrolling(columns: u64, frames: u64) -> Vec<(u64, u64)> {
        let bins = 1025;
        let mut history = ColumnHistory::new(bins, 100_000);
        history.append(0, &vec![half::f16::ONE; columns as usize * bins]).unwrap();
        let clock = ColumnClock { hop: 512, fft_size: 2048, sample_rate_hz: 48_000 };
        let kind = RingKind::Columns { bins: bins as u32 };
        let (mut feed, mut frame, mut sent) = (Feed::default(), PlotFrame::default(), Vec::new());
        let places = crate::draw::lanes::stack(Rect::from_min_size(pos2(0.0, 0.0), egui_vec2(1280.0, 720.0)), 1)[0];
        for turn in 0..frames {
            history.append(columns + 2 * turn, &vec![half::f16::ONE; 2 * bins]).unwrap();
            let right_secs = ((columns + 2 * turn) * 512) as f64 / 48_000.0;
            let lane = Lane {
                entity: Entity::PLACEHOLDER,
                name: String::new(),
                sample_rate_hz: 48_000,
                left_secs: right_secs - 10.0,
                right_secs,
                live: true,
                origin_secs: 0.0,
                cursor_secs: None,
                places,
            };
            let visible = visible_columns(&history, 1, clock, &lane, 1100.0, 8192);
            frame.uploads.clear();
            let copy = |_: Range<u64>, bytes: &mut [u8]| bytes.fill(1);
            feed.show(lane.entity, kind, 8192, &visible, &mut frame, copy);
            let bytes: usize = frame.uploads.iter().map(|upload| upload.bytes.len()).sum();
            sent.push((visible.entries.end - visible.entries.start, bytes as u64));
        }
        sent
    }

    #[test]
    fn a_drawn_frame_sends_only_what_became_visible_however_long_the_history() {
        let (young, old) = (sent_while_scrolling(2_000, 50), sent_while_scrolling(60_000, 50));
        let column_bytes = 1025 * 2;
        assert_eq!(young[0].1, young[0].0 * column_bytes, "at first all that is visible");
        assert!(young[1..].iter().all(|&(_, bytes)| bytes == 2 * column_bytes), "then two columns a frame: {young:?}");
        let bytes = |sent: Vec<(u64, u64)>| sent.into_iter().skip(1).map(|(_, bytes)| bytes).collect::<Vec<_>>();
        assert_eq!(bytes(young), bytes(old));
    }

    #[test]
    fn a_column_is_drawn_at_the_middle_of_the_sound_it_covers() {
        let clock = ColumnClock { hop: 512, fft_size: 2048, sample_rate_hz: 48_000 };
        // Column 10 covers samples 5120 to 7168; its middle is at 6144.
        assert!((clock.position(6144.0 / 48_000.0) - 10.5).abs() < 1e-9);
    }
}
