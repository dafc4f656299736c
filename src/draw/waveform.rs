//! The waveform strip: which peaks a lane shows, and what its shader must know.

use std::ops::Range;

use bevy::{
    color::{ColorToComponents, LinearRgba, Srgba},
    math::vec2,
    prelude::*,
};
use bevy_egui::egui::Color32;

use super::{
    feed::Feed,
    lanes::Lanes,
    plan::{Visible, level_for, ring_capacity},
    plot::{GpuGeneration, PlotFrame, Quad, RingKind, WIDEST_RING, WaveformUniform},
    theme,
};
use crate::stream::Waveform;

/// Exponent of the drawn amplitude: quiet speech at -30 dBFS still fills an eighth of the strip.
pub const POWER: f32 = 0.6;

/// Height of an amplitude in dBFS on the drawn scale, 0 to 1.
pub fn height_of(dbfs: f32) -> f32 {
    10f32.powf(dbfs * POWER / 20.0)
}

/// How much of the strip full scale takes; the same number stands in `shaders/waveform.wgsl`.
pub const FULL_SCALE: f32 = 0.94;

fn linear(color: Color32) -> Vec4 {
    LinearRgba::from(Srgba::rgb_u8(color.r(), color.g(), color.b())).to_vec4()
}

/// Makes the waveforms' part of the draw list.
pub(super) fn draw_waveform(
    streams: Query<&Waveform>,
    lanes: Res<Lanes>,
    generation: Res<GpuGeneration>,
    mut feed: Local<Feed>,
    mut frame: ResMut<PlotFrame>,
) {
    feed.begin(generation.get(), |entity| lanes.get(entity).is_some());
    for lane in &lanes.lanes {
        let Ok(waveform) = streams.get(lane.entity) else { continue };
        let history = waveform.history();
        let rect = lanes.pixels(lane.places.waveform);
        let capacity = ring_capacity(f64::from(rect[2]), WIDEST_RING);
        let joined = waveform.joined();
        let rate = f64::from(lane.sample_rate_hz) / joined as f64;
        let (left, right) = (lane.left_secs * rate, lane.right_secs * rate);
        // Where least and greatest take turns, one alone says nothing.
        let level =
            level_for(right - left, f64::from(rect[2]), history.levels(), capacity).max(usize::from(joined > 1));
        let visible = Visible::new(level, history.range(level), left, right);
        let copy = |part: Range<u64>, bytes: &mut [u8]| {
            for (entry, texel) in part.zip(bytes.chunks_exact_mut(4)) {
                if let Some((least, greatest)) = history.peaks(level, entry) {
                    texel[..2].copy_from_slice(&least.to_le_bytes());
                    texel[2..].copy_from_slice(&greatest.to_le_bytes());
                }
            }
        };
        let shown = visible.of_stream(joined);
        let (first_texel, sent) = feed.show(lane.entity, RingKind::Peaks, capacity, &shown, &mut frame, copy);
        let bytes = sent * u64::from(RingKind::Peaks.entry_bytes());
        frame.sent.peaks += sent;
        frame.sent.bytes += bytes;
        frame.sent.total_bytes += bytes;

        let scale = lanes.pixels_per_point;
        frame.lane_mut(lane.entity).waveform = Some(WaveformUniform {
            quad: Quad { rect: rect.into(), target_px: lanes.target_px.into(), corners: vec2(8.0, 3.0) * scale },
            left: visible.left,
            span: visible.span,
            first_texel,
            texels: capacity as u32,
            entries: (visible.entries.end - visible.entries.start) as u32,
            power: POWER,
            live: if lane.live { 1.0 } else { 0.0 },
            pixels_per_point: scale,
            ground: linear(theme::DEEP),
            edge: linear(theme::TEAL),
            core: linear(theme::FOAM),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_the_top_and_quiet_speech_is_seen() {
        assert_eq!(height_of(0.0), 1.0);
        assert!(height_of(-30.0) > 0.125);
    }
}
