//! The picture. Drawing only reads: streams run on, whatever happens here.
//!
//! Each drawn frame the [`Draw`] schedule lays out the lanes, plans what has to be sent to the GPU and writes the draw list
//! ([`plot::PlotFrame`]); the render world carries it out; egui paints axes, words and gaps over it.

pub mod axes;
pub mod feed;
mod gpu;
pub mod header;
pub mod lanes;
mod navigation;
pub mod plan;
pub mod plot;
pub mod screenshot;
pub mod spectrogram;
pub mod theme;
pub mod transcript;
pub mod view;
pub mod waveform;

use std::time::Duration;

use bevy::prelude::*;
use bevy_egui::{
    EguiOutput, EguiPlugin, EguiPrimaryContextPass,
    egui::{Rect, pos2, vec2},
};

pub use screenshot::{PictureSaved, screenshot_offscreen, screenshot_window};

use crate::{
    app::{Draw, FrameClock},
    config::WindowConfig,
    stream::{LaneInfo, Stream, Waveform},
};
use lanes::{Lane, Lanes};
use plot::{PlotFrame, UploadStats};
use view::{PlotArea, View};

/// What egui paints over the lanes, in its pass.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OverlaySystems;

/// Adds everything that is drawn, panels excepted: with a renderer the camera, with egui's plugin what egui paints.
pub fn plugin(app: &mut App, window: &WindowConfig) {
    app.insert_resource(View::new(window))
        .init_resource::<PlotArea>()
        .init_resource::<Lanes>()
        .insert_resource(ClearColor(theme::clear_color()))
        .add_plugins(plot::plugin)
        .add_systems(
            Draw,
            (draw_lanes, (spectrogram::draw_spectrogram, waveform::draw_waveform), draw_upload_count).chain(),
        );
    if app.get_sub_app(bevy::render::RenderApp).is_some() {
        app.add_plugins((gpu::plugin, screenshot::plugin));
    }
    if app.is_plugin_added::<EguiPlugin>() {
        app.add_systems(
            EguiPrimaryContextPass,
            (axes::draw_axes, header::draw_headers, transcript::draw_transcript, navigation::draw_navigation)
                .chain()
                .in_set(OverlaySystems),
        );
    }
}

fn draw_upload_count(frame: Res<PlotFrame>, mut clock: ResMut<FrameClock>) {
    clock.uploaded_bytes = frame.sent.bytes;
}

/// Lays out the lanes and lets their clocks run.
#[allow(clippy::too_many_arguments)]
fn draw_lanes(
    streams: Query<(Entity, &Stream, &LaneInfo, &Waveform)>,
    cameras: Query<(&Camera, Option<&EguiOutput>), With<Camera2d>>,
    area: Res<PlotArea>,
    time: Res<Time<Real>>,
    mut view: ResMut<View>,
    mut lanes: ResMut<Lanes>,
    mut frame: ResMut<PlotFrame>,
    mut last: Local<Option<Duration>>,
) {
    frame.sent = UploadStats { total_bytes: frame.sent.total_bytes, ..UploadStats::default() };
    frame.lanes.clear();

    let screen = cameras.iter().next();
    let size = screen.and_then(|(camera, _)| camera.physical_viewport_size());
    if let Some(size) = size {
        lanes.target_px = size.as_vec2().to_array();
    }
    if let Some(output) = screen.and_then(|(_, output)| output) {
        lanes.pixels_per_point = output.pixels_per_point;
    }
    let whole = vec2(lanes.target_px[0], lanes.target_px[1]) / lanes.pixels_per_point;
    let area = area.rect.unwrap_or(Rect::from_min_size(pos2(0.0, 0.0), whole));
    lanes.area = area;

    let elapsed_secs = last.map(|last| time.elapsed().saturating_sub(last).as_secs_f64()).unwrap_or(0.0);
    *last = Some(time.elapsed());
    let mut sorted: Vec<_> = streams.iter().collect();
    sorted.sort_by_key(|(_, _, info, _)| info.order);
    view.keep(|entity| streams.contains(entity));
    let places = lanes::stack(area, sorted.len());
    lanes.lanes.clear();
    for (at, (entity, stream, info, waveform)) in sorted.into_iter().enumerate() {
        let rate = f64::from(stream.sample_rate_hz);
        let kept = waveform.history().range(0);
        view.advance(entity, elapsed_secs, kept.start as f64 / rate, kept.end as f64 / rate);
        let Some(&places) = places.get(at) else { continue };
        let right_secs = view.right_secs(entity);
        lanes.lanes.push(Lane {
            entity,
            name: info.name.to_string(),
            sample_rate_hz: stream.sample_rate_hz,
            left_secs: right_secs - view.span_secs,
            right_secs,
            live: view.is_lane_live(entity),
            places,
        });
    }
}
