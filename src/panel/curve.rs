//! The loss curve: every step faintly, a smoothed line over it, the validation as points, on a logarithmic axis.

use bevy_egui::egui::{self, Stroke, Ui, vec2};
use egui_plot::{AxisHints, GridInput, GridMark, Line, LineStyle, Plot, PlotPoint, PlotPoints, Points};

use super::{labels, widgets};
use crate::{
    config::Language,
    draw::theme,
    train::progress::{LossPoint, Progress},
};

/// The smoothed line is a mean whose memory grows with the run, so that it follows the steep beginning: the weight of step `i` is
/// `QUICK / (i + QUICK)`, but never less than `SMOOTHING`.
const QUICK: f64 = 4.0;
const SMOOTHING: f64 = 0.05;
/// Points of a line on the screen; more are joined.
const MOST_POINTS: usize = 600;

/// The progress as the panel shows it: the newest, or what it was when the display was held.
#[derive(Clone, Debug, Default)]
pub struct ShownTraining {
    /// Numbers.
    pub progress: Progress,
    loss: Vec<PlotPoint>,
    smooth: Vec<PlotPoint>,
    validation: Vec<PlotPoint>,
    seen: Option<(usize, u64)>,
}

impl ShownTraining {
    /// Takes the newest progress and curve. Work is done only where something is new.
    pub fn take(&mut self, progress: &Progress, curve: &[LossPoint]) {
        let is_new_run = self.progress.run != progress.run;
        if is_new_run || self.progress.updates != progress.updates || self.progress.phase != progress.phase {
            self.progress = progress.clone();
        }
        let seen = curve.last().map(|last| (curve.len(), last.step));
        if is_new_run || self.seen != seen {
            self.seen = seen;
            self.loss = joined(curve.iter().map(|point| log_point(point.step, point.loss)));
            self.smooth = joined(smoothed(curve));
            let validated = curve.iter().filter_map(|point| Some(log_point(point.step, point.validation_loss?)));
            self.validation = validated.collect();
        }
    }

    /// Whether there is nothing to draw yet.
    pub fn is_empty(&self) -> bool {
        self.loss.is_empty()
    }

    /// The newest value of the smoothed loss.
    pub fn smooth_loss(&self) -> Option<f32> {
        self.smooth.last().map(|point| 10f64.powf(point.y) as f32)
    }
}

/// Losses are drawn by their decimal logarithm; one below a millionth, or none at all, at a millionth.
fn log_point(step: u64, loss: f32) -> PlotPoint {
    let loss = if loss.is_finite() { f64::from(loss).max(1e-6) } else { 1e-6 };
    PlotPoint::new(step as f64, loss.log10())
}

/// The exponential mean of the logarithms.
fn smoothed(curve: &[LossPoint]) -> impl ExactSizeIterator<Item = PlotPoint> {
    let mut mean = 0.0;
    curve.iter().enumerate().map(move |(i, point)| {
        let point = log_point(point.step, point.loss);
        let weight = (QUICK / (i as f64 + QUICK)).max(SMOOTHING);
        mean += (point.y - mean) * weight;
        PlotPoint::new(point.x, mean)
    })
}

/// At most [`MOST_POINTS`] points: neighbours become their mean. The newest is always there as it is.
fn joined(points: impl ExactSizeIterator<Item = PlotPoint>) -> Vec<PlotPoint> {
    let group = points.len().div_ceil(MOST_POINTS).max(1);
    let mut joined = Vec::with_capacity(points.len() / group + 2);
    let (mut x, mut y, mut in_group) = (0.0, 0.0, 0);
    let mut last = None;
    for point in points {
        (x, y, in_group) = (x + point.x, y + point.y, in_group + 1);
        if in_group == group {
            joined.push(PlotPoint::new(x / group as f64, y / group as f64));
            (x, y, in_group) = (0.0, 0.0, 0);
        }
        last = Some(point);
    }
    if group > 1
        && let Some(last) = last
    {
        joined.push(last);
    }
    joined
}

/// Draws the curve in a place of this height.
pub fn show(ui: &mut Ui, shown: &ShownTraining, language: Language, height: f32) {
    if shown.is_empty() {
        widgets::empty(ui, labels::NO_CURVE, language, height);
        return;
    }
    let small = widgets::font(9.5);
    let axis = |hints: AxisHints<'static>| hints.tick_label_color(theme::MUTED).tick_label_font(small.clone());
    let y_axis = axis(AxisHints::new_y())
        .formatter(|mark, _| short(10f64.powf(mark.value)))
        .min_thickness(30.0)
        .label_spacing(10.0..=16.0);
    let x_axis = axis(AxisHints::new_x()).formatter(|mark, _| steps(mark.value)).label_spacing(12.0..=24.0);
    let line = |name: &str, points: &[PlotPoint]| {
        Line::new(name.to_owned(), PlotPoints::Owned(points.to_vec())).allow_hover(false)
    };
    ui.scope(|ui| {
        ui.visuals_mut().extreme_bg_color = theme::NIGHT;
        Plot::new("loss curve")
            .height(height)
            .width(ui.available_width())
            .show_background(true)
            .grid_color(theme::LINE)
            .y_grid_spacer(decades)
            .x_grid_spacer(round_steps)
            .custom_y_axes(vec![y_axis])
            .custom_x_axes(vec![x_axis])
            .set_margin_fraction(vec2(0.01, 0.08))
            .allow_drag(false)
            .allow_zoom(false)
            .allow_scroll(false)
            .allow_boxed_zoom(false)
            .allow_double_click_reset(false)
            .allow_axis_zoom_drag(false)
            .show_x(false)
            .show_y(false)
            .sense(egui::Sense::hover())
            .show(ui, |plot| {
                plot.line(line("every step", &shown.loss).stroke(Stroke::new(1.0, theme::faded(theme::TEAL, 0.45))));
                plot.line(line("smoothed", &shown.smooth).stroke(Stroke::new(2.0, theme::TEAL)));
                if !shown.validation.is_empty() {
                    let dots = Points::new("validation", PlotPoints::Owned(shown.validation.clone()));
                    plot.line(
                        line("between validations", &shown.validation)
                            .stroke(Stroke::new(1.0, theme::AMBER))
                            .style(LineStyle::dashed_dense()),
                    );
                    plot.points(dots.color(theme::AMBER).radius(2.5).allow_hover(false));
                }
            });
    });
}

/// Marks at 1, 2 and 5 of every decade; the ones between decades are thinner.
fn decades(input: GridInput) -> Vec<GridMark> {
    let (low, high) = input.bounds;
    let (first, last) = (low.floor() as i32, high.ceil() as i32);
    let marks = (first..=last).flat_map(|decade| {
        [(1.0f64, 1.0), (2.0, 0.3), (5.0, 0.3)]
            .map(|(digit, step_size)| GridMark { value: f64::from(decade) + digit.log10(), step_size })
    });
    marks.filter(|mark| (low..=high).contains(&mark.value)).collect()
}

/// Four to ten marks at round steps.
fn round_steps(input: GridInput) -> Vec<GridMark> {
    let (low, high) = (input.bounds.0.max(0.0), input.bounds.1);
    let raw = ((high - low) / 5.0).max(1.0);
    let decade = 10f64.powf(raw.log10().floor());
    let step_size =
        [1.0, 2.0, 5.0, 10.0].map(|digit| digit * decade).into_iter().find(|&step| step >= raw).unwrap_or(raw);
    let first = (low / step_size).ceil() as u64;
    let values = (first..first + 12).map(|i| i as f64 * step_size).take_while(|&value| value <= high);
    values.map(|value| GridMark { value, step_size }).collect()
}

/// A loss on the axis.
fn short(loss: f64) -> String {
    match loss {
        loss if loss >= 9.5 => format!("{loss:.0}"),
        loss if loss >= 0.095 => format!("{loss:.1}"),
        loss if loss >= 0.0095 => format!("{loss:.2}"),
        loss => format!("{loss:.0e}"),
    }
}

/// A step on the axis.
fn steps(step: f64) -> String {
    if step >= 10_000.0 { format!("{:.0}k", step / 1000.0) } else { format!("{step:.0}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(len: u64, loss: impl Fn(u64) -> f32) -> Vec<LossPoint> {
        let validation = |step: u64| step.is_multiple_of(100).then_some(0.5);
        (1..=len).map(|step| LossPoint { step, loss: loss(step), validation_loss: validation(step) }).collect()
    }

    #[test]
    fn smoothing_starts_at_the_losses_and_follows_them() {
        let line: Vec<PlotPoint> = smoothed(&curve(500, |step| if step <= 250 { 100.0 } else { 1.0 })).collect();
        assert!((line[0].y - 2.0).abs() < 1e-6 && (line[249].y - 2.0).abs() < 1e-6);
        assert!(line[260].y < 1.5 && line[260].y > 0.5, "smooth: {}", line[260].y);
        assert!(line[499].y < 1e-3, "it arrives: {}", line[499].y);
    }

    #[test]
    fn a_long_run_is_drawn_with_few_points_and_ends_at_the_newest() {
        let mut shown = ShownTraining::default();
        shown.take(&Progress::default(), &curve(100_003, |_| 1.0));
        assert!(shown.loss.len() <= MOST_POINTS + 1, "{}", shown.loss.len());
        assert_eq!(shown.loss.last().unwrap().x, 100_003.0);
        assert!(shown.loss.windows(2).all(|pair| pair[0].x < pair[1].x));
        assert_eq!(shown.validation.len(), 1_000);
        shown.take(&Progress::default(), &[]);
        assert!(shown.is_empty() && shown.validation.is_empty(), "another run");
    }

    #[test]
    fn marks_are_round_losses() {
        let marks = decades(GridInput { bounds: (-1.1, 0.4), base_step_size: 0.1 });
        let losses: Vec<String> = marks.iter().map(|mark| short(10f64.powf(mark.value))).collect();
        assert_eq!(losses, ["0.1", "0.2", "0.5", "1.0", "2.0"]);
        let steps = round_steps(GridInput { bounds: (-3.0, 1_234.0), base_step_size: 1.0 });
        assert_eq!(steps.iter().map(|mark| mark.value).collect::<Vec<_>>(), [0.0, 500.0, 1_000.0]);
        assert_eq!([short(0.02), short(0.003), short(20.0)], ["0.02", "3e-3", "20"]);
    }

    #[test]
    fn a_loss_that_is_no_number_cannot_break_the_axis() {
        assert!([f32::NAN, 0.0, -1.0, f32::INFINITY].iter().all(|&loss| log_point(1, loss).y == -6.0));
    }
}
