//! The head of each lane (name, connection, live or looking back) and the gaps in its sound, hatched.

use std::sync::Arc;

use bevy::prelude::{Query, Res, Single, With};
use bevy_egui::{
    EguiContext, PrimaryEguiContext,
    egui::{
        Align2, Color32, FontId, Galley, LayerId, Painter, Pos2, Rect, Stroke, Vec2,
        epaint::text::{LayoutJob, TextFormat, TextWrapping},
        pos2, vec2,
    },
};

use super::{
    lanes::{Detail, Lane, Lanes},
    theme,
    view::View,
};
use crate::stream::{Connection, ConnectionState, Gap, Gaps, Level};

/// The colour of a connection's state.
pub fn state_color(state: ConnectionState) -> Color32 {
    match state {
        ConnectionState::Connected => theme::TEAL,
        ConnectionState::Opening | ConnectionState::Stalled => theme::AMBER,
        ConnectionState::Lost => theme::CORAL,
        ConnectionState::Idle | ConnectionState::Closed => theme::MUTED,
    }
}

/// Paints names, states and gaps.
pub(super) fn draw_headers(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    lanes: Res<Lanes>,
    view: Res<View>,
    streams: Query<(Option<&Connection>, Option<&Gaps>, Option<&Level>)>,
) {
    let context = context.get_mut();
    if lanes.lanes.is_empty() && streams.is_empty() {
        let text = "No stream yet";
        let over = context.layer_painter(LayerId::background());
        over.text(lanes.area.center(), Align2::CENTER_CENTER, text, FontId::proportional(20.0), theme::MUTED);
    }
    for lane in &lanes.lanes {
        let Ok((connection, gaps, level)) = streams.get(lane.entity) else { continue };
        let over = context.layer_painter(LayerId::background());
        for gap in gaps.into_iter().flat_map(Gaps::iter) {
            hatch(&over.with_clip_rect(lane.places.plot), lane, gap);
        }
        let over = over.with_clip_rect(lane.places.header);
        title(&over, lane, connection, level.is_some_and(|level| level.is_silent));
        live(&over, lane, &view);
    }
}

fn title(over: &Painter, lane: &Lane, connection: Option<&Connection>, silent: bool) {
    let header = lane.places.header;
    let large = lane.places.detail() == Detail::Large;
    let state = connection.map(Connection::state).unwrap_or_default();
    let y = if large { header.bottom() - 34.0 } else { header.center().y };
    let dot = pos2(lane.places.plot.left() + 5.0, y);
    over.circle_filled(dot, 7.0, theme::faded(state_color(state), 0.18));
    over.circle_filled(dot, 3.5, state_color(state));
    let room = lane.places.title_width() - 13.0;
    let name = one_line(over, &lane.name, if large { 17.0 } else { 12.5 }, room, theme::FOAM);
    let name = Rect::from_min_size(dot + vec2(13.0, -name.size().y / 2.0), paint(over, dot + vec2(13.0, 0.0), name));
    let reason = connection.and_then(Connection::reason);
    let (said, ink) = match reason {
        _ if silent && state == ConnectionState::Connected => ("only zeros: muted?".to_owned(), theme::AMBER),
        Some(reason) => (format!("{state}: {reason}"), theme::MUTED),
        None => (state.to_string(), theme::MUTED),
    };
    let (at, room) = if large {
        (pos2(name.left(), header.bottom() - 15.0), room)
    } else {
        (pos2(name.right() + 10.0, y), room - name.width() - 10.0)
    };
    if lane.places.detail() > Detail::Small || ink != theme::MUTED || state != ConnectionState::Connected {
        // Where sixteen lanes say it, a dot says "connected".
        paint(over, at, one_line(over, &said, 11.0, room, ink));
    }
}

/// `text` on one line of at most `width`, with an ellipsis where it is longer.
fn one_line(over: &Painter, text: &str, size: f32, width: f32, color: Color32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text.to_owned(), TextFormat::simple(FontId::proportional(size), color));
    job.wrap = TextWrapping::truncate_at_width(width.max(0.0));
    over.layout_job(job)
}

/// Paints `galley` right of `middle` and returns its size.
fn paint(over: &Painter, middle: Pos2, galley: Arc<Galley>) -> Vec2 {
    let size = galley.size();
    over.galley(middle - vec2(0.0, size.y / 2.0), galley, theme::TEXT);
    size
}

fn live(over: &Painter, lane: &Lane, view: &View) {
    let header = lane.places.header;
    let large = lane.places.detail() == Detail::Large;
    let y = if large { header.bottom() - 34.0 } else { header.center().y };
    let left = lane.places.plot.right() + 12.0;
    let font = FontId::proportional(12.0);
    if lane.live && lane.places.detail() == Detail::Small {
        // Said once too often where sixteen lanes say it.
    } else if lane.live {
        over.circle_filled(pos2(left + 4.0, y), 3.5, theme::TEAL);
        over.text(pos2(left + 14.0, y), Align2::LEFT_CENTER, "LIVE", font, theme::TEAL);
    } else {
        let behind = view.live_secs(lane.entity) - lane.right_secs;
        let text = if behind < 60.0 {
            format!("−{behind:.1} s")
        } else {
            format!("−{:.0}:{:02.0}", (behind / 60.0).floor(), behind % 60.0)
        };
        over.text(pos2(left, y), Align2::LEFT_CENTER, text, font, theme::AMBER);
        if large {
            over.text(
                pos2(left, header.bottom() - 15.0),
                Align2::LEFT_CENTER,
                "End → live",
                FontId::proportional(11.0),
                theme::MUTED,
            );
        }
    }
}

/// A gap is never hidden: hatched over the whole lane, with its length where there is room.
fn hatch(over: &Painter, lane: &Lane, gap: &Gap) {
    let rate = f64::from(lane.sample_rate_hz);
    let (from, to) = (gap.at_sample as f64 / rate, (gap.at_sample + gap.len_samples) as f64 / rate);
    if to < lane.left_secs || from > lane.right_secs {
        return;
    }
    let plot = lane.places.plot;
    // At least two points wide, so that a short gap in a wide view is seen too.
    let left = lane.x_of(from);
    let right = lane.x_of(to).max(left + 2.0);
    let rect = Rect::from_min_max(pos2(left, plot.top()), pos2(right, plot.bottom()));
    let over = over.with_clip_rect(rect.intersect(plot));
    over.rect_filled(rect, 0.0, theme::faded(theme::NIGHT, 0.72));
    let shown = rect.intersect(plot);
    let stroke = Stroke::new(1.5, theme::faded(theme::CORAL, 0.42));
    // Anchored to the gap, so that the hatching scrolls with it.
    let step = 11.0;
    let first = ((shown.left() - left - shown.height()) / step).floor() as i32;
    let last = ((shown.right() - left) / step).ceil() as i32;
    for i in first..=last {
        let x = left + i as f32 * step;
        over.line_segment([pos2(x, plot.bottom()), pos2(x + plot.height(), plot.top())], stroke);
    }
    for x in [left + 0.75, right - 0.75] {
        over.vline(x, plot.y_range(), Stroke::new(1.5, theme::faded(theme::CORAL, 0.75)));
    }
    let text =
        if to - from < 1.0 { format!("gap {:.0} ms", (to - from) * 1e3) } else { format!("gap {:.1} s", to - from) };
    let label = over.layout_no_wrap(text, FontId::proportional(12.0), theme::CORAL);
    let room = label.size() + vec2(14.0, 6.0);
    if shown.width() >= room.x {
        let chip = Rect::from_center_size(pos2(shown.center().x, lane.places.waveform.center().y), room);
        over.rect_filled(chip, 6.0, theme::faded(theme::NIGHT, 0.9));
        over.galley(chip.min + vec2(7.0, 3.0), label, theme::CORAL);
    }
}
