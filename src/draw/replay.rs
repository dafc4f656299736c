//! Over the lanes of a replay: the cursor, the labels, and the box that the mouse draws with Shift held.

use bevy::prelude::*;
use bevy_egui::{
    EguiContext, PrimaryEguiContext,
    egui::{Color32, Context, FontId, LayerId, Painter, Pos2, Rect, Stroke, StrokeKind, pos2, vec2},
};

use super::{
    lanes::{Lane, Lanes},
    theme,
    view::{Selection, View},
};
use crate::session::{
    annotate::Label,
    replay::mirror::{Playhead, ReplayMirror},
};

/// A box narrower than this in points is a click.
const LEAST_POINTS: f32 = 4.0;

/// Paints what belongs to a replay, and takes what the mouse draws over it.
pub(super) fn draw_replay(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    lanes: Res<Lanes>,
    replay: Option<Res<ReplayMirror>>,
    playheads: Query<&Playhead>,
    mut view: ResMut<View>,
) {
    let context = context.get_mut();
    let Some(session) = replay.as_ref().and_then(|replay| replay.0.session.clone()) else {
        view.selection = None;
        return;
    };
    let labels = replay.map(|replay| replay.0.labels.clone()).unwrap_or_default();
    for lane in &lanes.lanes {
        let Ok(playhead) = playheads.get(lane.entity) else { continue };
        let over = context.layer_painter(LayerId::background()).with_clip_rect(lane.places.plot);
        let key = session.lanes.get(playhead.lane).map(|lane| &lane.record.key);
        let of_lane: Vec<&Label> = labels.iter().filter(|label| Some(&label.lane) == key).collect();
        let chosen = view.selection.as_ref().and_then(|selection| selection.label);
        for label in &of_lane {
            let bounds = bounds(lane, &view, &(label.start_secs..label.end_secs), label.band_hz);
            box_of(&over, bounds, theme::AMBER, if chosen == Some(label.id) { 0.16 } else { 0.05 }, &label.text);
        }
        select(context, lane, playhead, &of_lane, &mut view);
        if let Some(selection) = &view.selection
            && selection.lane == playhead.lane
            && selection.label.is_none()
        {
            box_of(&over, bounds(lane, &view, &selection.secs, selection.band_hz), theme::TEAL, 0.10, "");
        }
        cursor(&over, lane);
    }
}

/// The line that says what is heard now.
fn cursor(over: &Painter, lane: &Lane) {
    let Some(secs) = lane.cursor_secs else { return };
    let (x, plot) = (lane.x_of(secs), lane.places.plot);
    over.vline(x, plot.y_range(), Stroke::new(5.0, theme::faded(theme::FOAM, 0.10)));
    over.vline(x, plot.y_range(), Stroke::new(1.5, theme::FOAM));
    let tip = |y: f32, down: f32| vec![pos2(x - 5.0, y), pos2(x + 5.0, y), pos2(x, y + 6.0 * down)];
    for (y, down) in [(plot.top(), 1.0), (plot.bottom(), -1.0)] {
        over.add(bevy_egui::egui::Shape::convex_polygon(tip(y, down), theme::FOAM, Stroke::NONE));
    }
}

/// Where a box lies on the screen; its times are those of the session.
fn bounds(lane: &Lane, view: &View, secs: &std::ops::Range<f64>, band_hz: Option<[f64; 2]>) -> Rect {
    let plot = lane.places.spectrogram;
    let (top_hz, x) = (lane.top_hz(view), |secs: f64| lane.x_of(secs + lane.origin_secs));
    let y = |hz: f64| plot.bottom() - view.frequency_axis.height(hz, top_hz).clamp(0.0, 1.0) as f32 * plot.height();
    let (top, bottom) = band_hz.map_or((lane.places.plot.top(), plot.bottom()), |[low, high]| (y(high), y(low)));
    Rect::from_min_max(pos2(x(secs.start), top), pos2(x(secs.end), bottom))
}

fn box_of(over: &Painter, bounds: Rect, color: Color32, fill: f32, text: &str) {
    if !bounds.intersects(over.clip_rect()) {
        return;
    }
    over.rect(bounds, 3.0, theme::faded(color, fill), Stroke::new(1.5, theme::faded(color, 0.9)), StrokeKind::Inside);
    if text.is_empty() {
        return;
    }
    let label = over.layout_no_wrap(text.to_owned(), FontId::proportional(12.0), color);
    let size = label.size() + vec2(10.0, 4.0);
    let left = bounds.left().max(over.clip_rect().left()).min(bounds.right() - size.x).max(bounds.left());
    let chip = Rect::from_min_size(pos2(left + 3.0, bounds.bottom() - size.y - 3.0), size);
    over.rect_filled(chip, 4.0, theme::faded(theme::NIGHT, 0.85));
    over.galley(chip.min + vec2(5.0, 2.0), label, color);
}

/// With Shift the mouse draws a box; a click on a label chooses it, one elsewhere lets go.
fn select(context: &Context, lane: &Lane, playhead: &Playhead, labels: &[&Label], view: &mut View) {
    let Some((at, from)) = context.input(|input| input.pointer.latest_pos().zip(input.pointer.press_origin())) else {
        let is_clicked = context.input(|input| input.pointer.primary_clicked()) && !context.egui_wants_pointer_input();
        let at = context.pointer_latest_pos().filter(|at| is_clicked && lane.places.plot.contains(*at));
        if let Some(at) = at {
            choose(lane, playhead, labels, at, view);
        }
        if let Some(selection) = &mut view.selection {
            selection.is_drawn = false;
        }
        return;
    };
    let (plot, spectrogram) = (lane.places.plot, lane.places.spectrogram);
    let (is_down, has_shift) = context.input(|input| (input.pointer.primary_down(), input.modifiers.shift));
    let goes_on =
        view.selection.as_ref().is_some_and(|selection| selection.is_drawn && selection.lane == playhead.lane);
    let is_wide = (at.x - from.x).abs() >= LEAST_POINTS;
    if !plot.contains(from) || !is_down || !is_wide || !(has_shift || goes_on) || context.egui_wants_pointer_input() {
        return;
    }
    let secs = |x: f32| {
        (lane.secs_at(x.clamp(plot.left(), plot.right())) - lane.origin_secs).clamp(0.0, playhead.clock.len_secs())
    };
    let top_hz = lane.top_hz(view);
    let hz = |y: f32| {
        let height = f64::from((spectrogram.bottom() - y) / spectrogram.height()).clamp(0.0, 1.0);
        view.frequency_axis.hz_at(height, top_hz)
    };
    // A box that begins in the waveform spans all frequencies.
    let band_hz = spectrogram.contains(from).then(|| [hz(from.y.max(at.y)).round(), hz(from.y.min(at.y)).round()]);
    let secs = secs(from.x.min(at.x))..secs(from.x.max(at.x));
    view.selection = Some(Selection { lane: playhead.lane, secs, band_hz, label: None, is_drawn: true });
}

fn choose(lane: &Lane, playhead: &Playhead, labels: &[&Label], at: Pos2, view: &mut View) {
    let is_hit = |label: &&&Label| bounds(lane, view, &(label.start_secs..label.end_secs), label.band_hz).contains(at);
    // The smallest of those that lie over each other.
    let hit =
        labels.iter().filter(is_hit).min_by(|a, b| (a.end_secs - a.start_secs).total_cmp(&(b.end_secs - b.start_secs)));
    view.selection = hit.map(|label| Selection {
        lane: playhead.lane,
        secs: label.start_secs..label.end_secs,
        band_hz: label.band_hz,
        label: Some(label.id),
        is_drawn: false,
    });
}
