//! Axes with round numbers and units, the level meter and the colour bar, painted by egui over and beside the lanes.

use bevy::prelude::*;
use bevy_egui::{
    EguiContext, PrimaryEguiContext,
    egui::{Align2, Color32, FontId, LayerId, Mesh, Painter, Rect, Stroke, epaint::Vertex, pos2, vec2},
};

use super::{
    lanes::{Detail, Lane, Lanes},
    theme,
    view::View,
    waveform,
};
use crate::{dsp, stream::Level};

/// The smallest step out of 1, 2, 5 times a power of ten that gives at most `most` steps in `span`.
pub fn round_step(span: f64, most: f64) -> f64 {
    let rough = span / most.max(1.0);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= rough * (1.0 - 1e-9)).unwrap_or(10.0);
    step * power
}

/// Like [`round_step`] for seconds: from 10 s on, steps that divide minutes and hours.
pub fn time_step(span_secs: f64, most: f64) -> f64 {
    let rough = span_secs / most.max(1.0);
    if rough <= 10.0 {
        return round_step(span_secs, most);
    }
    let steps = [15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0];
    steps.into_iter().find(|&step| step >= rough).unwrap_or_else(|| round_step(span_secs / 3600.0, most) * 3600.0)
}

/// A stream time as read on an axis with ticks every `step_secs`: `4.5 s`, `1:05`, `2:00:30`.
pub fn time_label(secs: f64, step_secs: f64) -> String {
    let decimals = (-(step_secs.log10() + 1e-9).floor()).clamp(0.0, 3.0) as usize;
    if secs < 60.0 {
        return format!("{secs:.decimals$} s");
    }
    let (whole, part) = ((secs + 1e-6).floor(), (secs + 1e-6).fract());
    let (hours, minutes, seconds) = ((whole / 3600.0) as u64, (whole / 60.0) as u64 % 60, whole as u64 % 60);
    let fraction = if decimals > 0 { format!("{part:.decimals$}")[1..].to_owned() } else { String::new() };
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}{fraction}")
    } else {
        format!("{minutes}:{seconds:02}{fraction}")
    }
}

/// The ticks of a time axis from `left_secs` to `right_secs`, none before the stream's opening.
pub fn time_ticks(left_secs: f64, right_secs: f64, step_secs: f64) -> impl Iterator<Item = f64> {
    let first = (left_secs.max(0.0) / step_secs).ceil() as u64;
    (first..).map(move |i| i as f64 * step_secs).take_while(move |&secs| secs <= right_secs)
}

/// Round frequencies, the rounder ones first, so that labels can be thinned out where they would touch.
const ROUND_HZ: [f64; 19] =
    [1e3, 1e4, 5e3, 2e3, 100.0, 500.0, 2e4, 200.0, 3e3, 8e3, 4e3, 6e3, 1.5e4, 1.2e4, 300.0, 1.5e3, 50.0, 400.0, 700.0];

/// Round frequencies, in hertz, in the order in which labels are placed.
pub fn round_frequencies() -> impl Iterator<Item = f64> {
    ROUND_HZ.into_iter()
}

/// A frequency as read on an axis in kilohertz.
pub fn khz_label(hz: f64) -> String {
    format!("{}", hz / 1000.0)
}

fn painter(context: &bevy_egui::egui::Context, clip: Rect) -> Painter {
    context.layer_painter(LayerId::background()).with_clip_rect(clip)
}

fn hairline(opacity: f32) -> Stroke {
    Stroke::new(1.0, theme::faded(theme::FOAM, opacity))
}

fn small() -> FontId {
    FontId::proportional(11.0)
}

/// Paints all axes, meters and colour bars.
pub(super) fn draw_axes(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    lanes: Res<Lanes>,
    view: Res<View>,
    levels: Query<&Level>,
) {
    let context = context.get_mut();
    for lane in &lanes.lanes {
        let places = &lane.places;
        let over = painter(context, places.frame.expand(4.0));
        let detail = places.detail();
        time_axis(&over, lane, detail);
        if detail >= Detail::Medium {
            frequency_axis(&over, lane, &view);
            amplitude_axis(&over, lane);
            color_bar(&over, lane, &view);
        }
        if let Ok(level) = levels.get(lane.entity) {
            meter(&over, lane, &level.dbfs, detail);
        }
    }
}

fn time_axis(over: &Painter, lane: &Lane, detail: Detail) {
    let plot = lane.places.plot;
    let step = time_step(lane.right_secs - lane.left_secs, f64::from(plot.width()) / 96.0);
    let origin = lane.origin_secs;
    for secs in time_ticks(lane.left_secs - origin, lane.right_secs - origin, step) {
        let x = lane.x_of(secs + origin);
        over.vline(x, plot.y_range(), hairline(0.05));
        if detail >= Detail::Medium {
            let axis = lane.places.time_axis;
            over.vline(x, axis.top()..=axis.top() + 4.0, Stroke::new(1.0, theme::LINE));
            let label = over.layout_no_wrap(time_label(secs, step), small(), theme::MUTED);
            // A label that would be cut by either end waits until it fits.
            let left = x - label.size().x / 2.0;
            if left >= lane.places.frame.left() && left + label.size().x <= lane.places.frame.right() {
                over.galley(pos2(left, axis.top() + 6.0), label, theme::MUTED);
            }
        }
    }
}

fn frequency_axis(over: &Painter, lane: &Lane, view: &View) {
    let plot = lane.places.spectrogram;
    let top_hz = lane.top_hz(view);
    let y_of = |hz: f64| plot.bottom() - view.frequency_axis.height(hz, top_hz) as f32 * plot.height();
    let mut taken: Vec<f32> = Vec::new();
    for hz in ROUND_HZ {
        let y = y_of(hz);
        let inside = y >= plot.top() + 16.0 && y <= plot.bottom() - 4.0;
        if !inside || taken.iter().any(|other| (other - y).abs() < 26.0) {
            continue;
        }
        taken.push(y);
        over.hline(plot.x_range(), y, hairline(0.045));
        over.hline(plot.left() - 5.0..=plot.left() - 1.0, y, Stroke::new(1.0, theme::LINE));
        over.text(pos2(plot.left() - 9.0, y), Align2::RIGHT_CENTER, khz_label(hz), small(), theme::MUTED);
    }
    over.text(
        pos2(plot.left() - 9.0, plot.top() + 5.0),
        Align2::RIGHT_CENTER,
        "kHz",
        small(),
        theme::faded(theme::MUTED, 0.75),
    );
}

fn amplitude_axis(over: &Painter, lane: &Lane) {
    let strip = lane.places.waveform;
    let half = strip.height() / 2.0 * waveform::FULL_SCALE;
    over.hline(strip.x_range(), strip.center().y, hairline(0.06));
    let mut below = f32::NEG_INFINITY;
    for dbfs in [0.0f32, -12.0, -30.0] {
        let y = strip.center().y - half * waveform::height_of(dbfs);
        if y - below < 13.0 {
            continue;
        }
        below = y;
        for y in [y, 2.0 * strip.center().y - y] {
            over.hline(strip.x_range(), y, hairline(0.035));
        }
        let label = if dbfs == 0.0 { "0 dBFS".to_owned() } else { format!("−{}", -dbfs) };
        over.text(pos2(strip.left() - 9.0, y), Align2::RIGHT_CENTER, label, small(), theme::MUTED);
    }
}

fn color_bar(over: &Painter, lane: &Lane, view: &View) {
    let plot = lane.places.spectrogram;
    let bar = Rect::from_min_size(pos2(plot.right() + 12.0, plot.top()), vec2(9.0, plot.height()));
    let (floor, ceiling) = (view.floor_dbfs, view.ceiling_dbfs);
    gradient(over, bar, |height| view.ramp.color(height));
    let step = round_step(f64::from(ceiling - floor), f64::from(bar.height()) / 34.0).max(5.0) as f32;
    let mut db = (ceiling / step).floor() * step;
    while db >= floor {
        let y = bar.bottom() - (db - floor) / (ceiling - floor) * bar.height();
        if y > bar.top() + 14.0 && y < bar.bottom() - 2.0 {
            over.hline(bar.right() + 2.0..=bar.right() + 5.0, y, Stroke::new(1.0, theme::LINE));
            let label = if db == 0.0 { "0".to_owned() } else { format!("−{}", -db) };
            over.text(pos2(bar.right() + 8.0, y), Align2::LEFT_CENTER, label, small(), theme::MUTED);
        }
        db -= step;
    }
    over.text(
        pos2(bar.right() + 8.0, bar.top() + 5.0),
        Align2::LEFT_CENTER,
        "dBFS",
        small(),
        theme::faded(theme::MUTED, 0.75),
    );
}

/// Lowest level of the meter, in dBFS.
const METER_FLOOR_DBFS: f32 = -60.0;

fn meter(over: &Painter, lane: &Lane, level: &dsp::level::Level, detail: Detail) {
    let strip = lane.places.waveform;
    let bar = Rect::from_min_size(pos2(strip.right() + 12.0, strip.top()), vec2(9.0, strip.height()));
    let height = |dbfs: f32| (1.0 - dbfs.max(METER_FLOOR_DBFS) / METER_FLOOR_DBFS).clamp(0.0, 1.0);
    over.rect_filled(bar, 3.0, theme::DEEP);
    let lit = Rect::from_min_max(pos2(bar.left(), bar.bottom() - height(level.rms_dbfs) * bar.height()), bar.max);
    let color = |part: f32| {
        let at = height(level.rms_dbfs) * part;
        mix(mix(theme::faded(theme::TEAL, 0.55), theme::TEAL, at / 0.6), theme::CORAL, (at - 0.85) / 0.15)
    };
    gradient(over, lit, color);
    let peak = bar.bottom() - height(level.held_peak_dbfs) * bar.height();
    if level.held_peak_dbfs > METER_FLOOR_DBFS {
        let color = if level.held_peak_dbfs >= -0.5 { theme::CORAL } else { theme::FOAM };
        over.hline(bar.x_range(), peak.clamp(bar.top() + 1.0, bar.bottom()), Stroke::new(2.0, color));
    }
    if detail >= Detail::Medium {
        let text = if level.held_peak_dbfs > -90.0 {
            format!("{:.0}", level.held_peak_dbfs).replace('-', "−")
        } else {
            "−∞".to_owned()
        };
        over.text(
            pos2(bar.right() + 8.0, bar.top() + 5.0),
            Align2::LEFT_CENTER,
            "dBFS",
            small(),
            theme::faded(theme::MUTED, 0.75),
        );
        over.text(
            pos2(bar.right() + 8.0, bar.top() + 21.0),
            Align2::LEFT_CENTER,
            text,
            FontId::proportional(13.0),
            theme::TEXT,
        );
    }
}

fn mix(from: Color32, to: Color32, part: f32) -> Color32 {
    from.lerp_to_gamma(to, part.clamp(0.0, 1.0))
}

/// Fills `rect` with `color` of 0 (bottom) to 1 (top).
fn gradient(over: &Painter, rect: Rect, color: impl Fn(f32) -> Color32) {
    const STEPS: u32 = 24;
    let mut mesh = Mesh::default();
    for i in 0..=STEPS {
        let part = i as f32 / STEPS as f32;
        let y = rect.bottom() - part * rect.height();
        for x in [rect.left(), rect.right()] {
            mesh.vertices.push(Vertex { pos: pos2(x, y), uv: bevy_egui::egui::epaint::WHITE_UV, color: color(part) });
        }
        if i > 0 {
            let at = 2 * i;
            mesh.add_triangle(at - 2, at - 1, at);
            mesh.add_triangle(at - 1, at, at + 1);
        }
    }
    over.add(mesh);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn labels_read_as_people_write_times() {
        let cases = [
            (4.0, 1.0, "4 s"),
            (4.5, 0.5, "4.5 s"),
            (0.02, 0.02, "0.02 s"),
            (65.0, 5.0, "1:05"),
            (65.5, 0.5, "1:05.5"),
            (59.999_999_9 + 0.1, 0.1, "1:00.1"),
            (7230.0, 30.0, "2:00:30"),
        ];
        for (secs, step, label) in cases {
            assert_eq!(time_label(secs, step), label);
        }
        assert_eq!([100.0, 1000.0, 12_000.0].map(khz_label), ["0.1", "1", "12"]);
    }

    #[test]
    fn time_steps_are_round() {
        for (span, step) in
            [(10.0, 1.0), (25.0, 5.0), (0.5, 0.05), (100.0, 10.0), (110.0, 15.0), (600.0, 60.0), (43_200.0, 7200.0)]
        {
            assert_eq!(time_step(span, 10.0), step, "{span}");
        }
        assert_eq!(time_ticks(-3.0, 2.5, 1.0).collect::<Vec<_>>(), [0.0, 1.0, 2.0]);
        assert_eq!(time_ticks(1.5, 2.5, 0.5).count(), 3);
    }

    proptest! {
        #[test]
        fn a_round_step_is_round_and_as_small_as_allowed(span in 1e-3f64..1e6, most in 1.0f64..50.0) {
            let step = round_step(span, most);
            let lead = step / 10f64.powf((step.log10() + 1e-9).floor());
            prop_assert!([1.0, 2.0, 5.0].iter().any(|round| (lead - round).abs() < 1e-6), "{}", step);
            prop_assert!(span / step <= most * (1.0 + 1e-6));
            prop_assert!(span / step >= most / 2.5 * (1.0 - 1e-6));
        }
    }
}
