//! The few shapes that all panels are made of. Everything with a number in it has a fixed width, so that nothing jumps.

use bevy_egui::egui::{
    Align, Align2, Color32, CornerRadius, FontFamily, FontId, Frame, Galley, Margin, Pos2, Rect, Response, Sense,
    Stroke, StrokeKind, Ui, Vec2, WidgetInfo, WidgetType, pos2,
    text::{LayoutJob, TextFormat, TextWrapping},
    vec2,
};
use std::sync::Arc;

use super::labels::Label;
use crate::{config::Language, draw::theme};

/// Sizes of type, in points.
pub mod size {
    /// Beside or above a value: what it is.
    pub const CAPTION: f32 = 10.5;
    /// Rows of lists.
    pub const SMALL: f32 = 12.0;
    /// Running text and values.
    pub const BODY: f32 = 13.5;
    /// Titles of panels.
    pub const TITLE: f32 = 15.5;
    /// The newest words.
    pub const WORDS: f32 = 30.0;
}

/// How much a button asks to be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// The one that people look for.
    Primary,
    /// One of several.
    Plain,
    /// Ends something.
    Ending,
}

/// The font of running text.
pub fn font(points: f32) -> FontId {
    FontId::new(points, FontFamily::Proportional)
}

/// The font of titles and of what matters most.
pub fn strong(points: f32) -> FontId {
    FontId::new(points, super::fonts::strong())
}

/// One line in at most `width` points; what does not fit ends in "…".
pub fn line(ui: &Ui, text: impl Into<String>, points: f32, color: Color32, width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(text.into(), TextFormat::simple(font(points), color));
    job.wrap = TextWrapping::truncate_at_width(width.max(0.0));
    ui.painter().layout_job(job)
}

/// One line in a place of exactly `width` points. The whole text is shown on hovering where it does not fit.
pub fn text(ui: &mut Ui, text: impl Into<String>, points: f32, color: Color32, width: f32, align: Align) -> Response {
    let text = text.into();
    let galley = line(ui, text.as_str(), points, color, width);
    let (rect, response) = ui.allocate_exact_size(vec2(width, galley.size().y), Sense::hover());
    let left = match align {
        Align::Min => rect.left(),
        Align::Center => rect.center().x - galley.size().x / 2.0,
        Align::Max => rect.right() - galley.size().x,
    };
    let is_cut = galley.elided;
    ui.painter().galley(pos2(left, rect.top()), galley, color);
    if is_cut { response.on_hover_text(text) } else { response }
}

/// A text as wide as it is.
pub fn plain(ui: &mut Ui, content: impl Into<String>, points: f32, color: Color32) -> Response {
    let content = content.into();
    let width = line(ui, content.as_str(), points, color, f32::INFINITY).size().x.ceil();
    let width = width.min(ui.available_width());
    text(ui, content, points, color, width, Align::Min)
}

/// A label on one line: the main language in `color`, the other small and muted beside it.
pub fn label(ui: &mut Ui, label: Label, language: Language, points: f32, color: Color32) -> Response {
    let (main, other) = label.pair(language);
    let face = if points >= size::TITLE { strong(points) } else { font(points) };
    let mut job = LayoutJob::single_section(main.to_owned(), TextFormat::simple(face, color));
    if let Some(other) = other {
        let format = TextFormat { valign: Align::Max, ..TextFormat::simple(font(points * 0.78), theme::MUTED) };
        job.append(other, points * 0.5, format);
    }
    let width = ui.available_width();
    job.wrap = TextWrapping::truncate_at_width(width);
    let galley = ui.painter().layout_job(job);
    let (rect, response) = ui.allocate_exact_size(galley.size().ceil(), Sense::hover());
    ui.painter().galley(rect.min, galley, color);
    response
}

/// The height of a button in this language: two lines of text where both languages are shown.
pub fn button_height(language: Language) -> f32 {
    if language == Language::Both { 34.0 } else { 30.0 }
}

/// A button at least `min_width` points wide.
pub fn button(ui: &mut Ui, label: Label, language: Language, weight: Weight, min_width: f32) -> Response {
    let (main, other) = label.pair(language);
    let main = line(ui, main, size::BODY, Color32::PLACEHOLDER, f32::INFINITY);
    let other = other.map(|other| line(ui, other, 9.5, Color32::PLACEHOLDER, f32::INFINITY));
    let widest = other.as_ref().map_or(0.0, |other| other.size().x).max(main.size().x);
    let size = vec2((widest + 20.0).max(min_width), button_height(language));
    let (rect, response) = ui.allocate_exact_size(size.ceil(), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, ui.is_enabled(), label.en));
    let (fill, stroke, color) = colors(ui, &response, weight);
    ui.painter().rect(rect, CornerRadius::same(8), fill, stroke, StrokeKind::Inside);
    let lines = [Some(main), other];
    let height: f32 = lines.iter().flatten().map(|line| line.size().y).sum();
    let mut top = rect.center().y - height / 2.0;
    for line in lines.into_iter().flatten() {
        let (width, height) = (line.size().x, line.size().y);
        ui.painter().galley(pos2(rect.center().x - width / 2.0, top), line, color);
        top += height;
    }
    response
}

/// Fill, border and text of a button in its present state. What is switched off is faded by egui itself.
fn colors(ui: &Ui, response: &Response, weight: Weight) -> (Color32, Stroke, Color32) {
    let is_lit = response.hovered() || response.has_focus();
    let is_down = response.is_pointer_button_down_on();
    let border = |color: Color32| Stroke::new(1.0, color);
    if !ui.is_enabled() {
        return (theme::SURFACE, border(theme::LINE), theme::TEXT);
    }
    match weight {
        Weight::Primary if is_down => (theme::faded(theme::TEAL, 0.75), Stroke::NONE, theme::NIGHT),
        Weight::Primary => (theme::TEAL, if is_lit { border(theme::FOAM) } else { Stroke::NONE }, theme::NIGHT),
        Weight::Plain | Weight::Ending => {
            let accent = if weight == Weight::Ending { theme::CORAL } else { theme::TEAL };
            let fill = if is_down { theme::faded(accent, 0.35) } else { theme::SURFACE };
            let line = if is_lit { accent } else { theme::LINE };
            (fill, border(line), if weight == Weight::Ending { accent } else { theme::TEXT })
        }
    }
}

/// A dot and a text, as wide as they are but at most as the room there is.
pub fn tag(ui: &mut Ui, color: Color32, content: &str) -> Response {
    let width = line(ui, content, size::SMALL, color, f32::INFINITY).size().x.ceil() + 16.0;
    let width = width.min(ui.available_width());
    chip(ui, color, content, width)
}

/// A dot and a text in a fixed width.
pub fn chip(ui: &mut Ui, color: Color32, content: &str, width: f32) -> Response {
    let galley = line(ui, content, size::SMALL, color, width - 16.0);
    let is_cut = galley.elided;
    let (rect, response) = ui.allocate_exact_size(vec2(width, 18.0), Sense::hover());
    dot(ui, pos2(rect.left() + 6.0, rect.center().y), color);
    let at = pos2(rect.left() + 16.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, color);
    if is_cut { response.on_hover_text(content) } else { response }
}

/// A dot with a glow.
pub fn dot(ui: &Ui, at: Pos2, color: Color32) {
    ui.painter().circle_filled(at, 6.5, theme::faded(color, 0.22));
    ui.painter().circle_filled(at, 3.5, color);
}

/// Height of a field.
pub const FIELD_HEIGHT: f32 = 32.0;

/// A value under its caption, in a cell of exactly `width` points. A long value is set smaller before it is cut.
pub fn field(ui: &mut Ui, caption: Label, language: Language, value: impl Into<String>, width: f32) {
    let value = value.into();
    let (rect, response) = ui.allocate_exact_size(vec2(width, FIELD_HEIGHT), Sense::hover());
    let caption = line(ui, caption.line(language), size::CAPTION, theme::MUTED, width);
    let sizes = [size::BODY + 0.5, 12.0, 10.5, 9.0];
    let lines = sizes.map(|points| line(ui, value.as_str(), points, theme::TEXT, width));
    let [.., smallest] = &lines;
    let fitting = lines.iter().find(|line| !line.elided).unwrap_or(smallest).clone();
    let bottom = rect.bottom() - 8.0 - fitting.size().y / 2.0;
    ui.painter().galley(rect.min, caption, theme::MUTED);
    let is_cut = fitting.elided;
    ui.painter().galley(pos2(rect.left(), bottom), fitting, theme::TEXT);
    if is_cut {
        response.on_hover_text(value);
    }
}

/// A switch with its text; the other language is told on hovering.
pub fn toggle(ui: &mut Ui, is_on: &mut bool, label: Label, language: Language) {
    let (main, other) = label.pair(language);
    let galley = line(ui, main, size::SMALL, theme::TEXT, ui.available_width() - 36.0);
    let (rect, mut response) = ui.allocate_exact_size(vec2(36.0 + galley.size().x, 24.0), Sense::click());
    if response.clicked() {
        *is_on = !*is_on;
        response.mark_changed();
    }
    response.widget_info(|| WidgetInfo::selected(WidgetType::Checkbox, ui.is_enabled(), *is_on, label.en));
    let track = Rect::from_center_size(pos2(rect.left() + 14.0, rect.center().y), vec2(28.0, 16.0));
    let (fill, knob) = if *is_on { (theme::AMBER, theme::NIGHT) } else { (theme::SURFACE, theme::MUTED) };
    let border = Stroke::new(1.0, if response.hovered() { theme::TEAL } else { theme::LINE });
    ui.painter().rect(track, CornerRadius::same(8), fill, border, StrokeKind::Inside);
    let x = if *is_on { track.right() - 8.0 } else { track.left() + 8.0 };
    ui.painter().circle_filled(pos2(x, track.center().y), 5.0, knob);
    let at = pos2(rect.left() + 36.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, theme::TEXT);
    if let Some(other) = other {
        response.on_hover_text(other);
    }
}

/// A row of a menu over its whole width.
pub fn choice(ui: &mut Ui, content: &str, is_chosen: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 26.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(WidgetType::SelectableLabel, ui.is_enabled(), is_chosen, content));
    let fill = match (is_chosen, response.hovered()) {
        (true, _) => theme::faded(theme::TEAL, 0.25),
        (false, true) => theme::SURFACE,
        (false, false) => Color32::TRANSPARENT,
    };
    ui.painter().rect_filled(rect, CornerRadius::same(7), fill);
    let galley = line(ui, content, size::BODY, theme::TEXT, rect.width() - 16.0);
    let at = pos2(rect.left() + 8.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, theme::TEXT);
    response
}

/// A low button of one line.
pub fn small_button(ui: &mut Ui, label: Label, language: Language, weight: Weight) -> Response {
    let galley = line(ui, label.line(language), size::SMALL, Color32::PLACEHOLDER, f32::INFINITY);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x.ceil() + 18.0, 24.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, ui.is_enabled(), label.en));
    let (fill, stroke, color) = colors(ui, &response, weight);
    ui.painter().rect(rect, CornerRadius::same(7), fill, stroke, StrokeKind::Inside);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, color);
    response
}

/// How full something is: `share` from 0 to 1.
pub fn bar(ui: &mut Ui, share: f32, size: Vec2, color: Color32) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::hover());
    let round = CornerRadius::same((size.y / 2.0).min(4.0) as u8);
    ui.painter().rect_filled(rect, round, theme::SURFACE);
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    if share > 0.0 {
        let filled = Rect::from_min_size(rect.min, vec2((rect.width() * share).max(size.y.min(3.0)), size.y));
        ui.painter().rect_filled(filled, round, color);
    }
    response
}

/// What stands where there is nothing yet: what to do about it.
pub fn empty(ui: &mut Ui, hint: Label, language: Language, height: f32) {
    let (main, other) = hint.pair(language);
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), height), Sense::hover());
    let mut y = rect.center().y;
    let lines = [(main, size::SMALL), (other.unwrap_or_default(), size::CAPTION)];
    if other.is_some() {
        y -= 8.0;
    }
    for (content, points) in lines {
        let galley = line(ui, content, points, theme::MUTED, rect.width());
        let at = Align2::CENTER_CENTER
            .align_size_within_rect(galley.size(), Rect::from_center_size(pos2(rect.center().x, y), galley.size()));
        ui.painter().galley(at.min, galley, theme::MUTED);
        y += 16.0;
    }
}

/// Space between a card's border and its contents, above and below.
pub const CARD_MARGIN: f32 = 8.0;

/// A card: a quiet box around what belongs together.
pub fn card<R>(ui: &mut Ui, contents: impl FnOnce(&mut Ui) -> R) -> R {
    let frame = Frame::new()
        .fill(theme::faded(theme::SURFACE, 0.55))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::symmetric(12, CARD_MARGIN as i8));
    frame
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            contents(ui)
        })
        .inner
}

/// A small square button with one sign.
pub fn icon(ui: &mut Ui, sign: &str, side: f32, explanation: impl Into<String>) -> Response {
    drawn_icon(ui, side, explanation, |ui, place, color| {
        let galley = line(ui, sign, size::BODY, color, place.width());
        ui.painter().galley(place.center() - galley.size() / 2.0, galley, color);
    })
}

/// A small square button with a sign that `draw` paints in the colour it is given.
pub fn drawn_icon(
    ui: &mut Ui,
    side: f32,
    explanation: impl Into<String>,
    draw: impl FnOnce(&Ui, Rect, Color32),
) -> Response {
    let explanation = explanation.into();
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, ui.is_enabled(), &explanation));
    let (fill, stroke, color) = colors(ui, &response, Weight::Plain);
    ui.painter().rect(rect, CornerRadius::same(8), fill, stroke, StrokeKind::Inside);
    draw(ui, rect, color);
    response.on_hover_text(explanation)
}

/// The sign of the lanes: three waves one above the other.
pub fn lanes_sign(ui: &Ui, place: Rect, color: Color32) {
    for y in [-5.0, 0.0, 5.0] {
        let at = |x: f32| place.center() + vec2(x, y - 1.6 * (x * 0.75).sin());
        ui.painter().line((-6..=6).map(|x| at(x as f32)).collect(), Stroke::new(1.4, color));
    }
}

/// The sign of a code to scan: its three corners and a little of the rest.
pub fn code_sign(ui: &Ui, place: Rect, color: Color32) {
    let square = |x: f32, y: f32, side: f32| Rect::from_center_size(place.center() + vec2(x, y), Vec2::splat(side));
    for (x, y) in [(-4.0, -4.0), (4.0, -4.0), (-4.0, 4.0)] {
        ui.painter().rect_stroke(square(x, y, 6.0), CornerRadius::ZERO, Stroke::new(1.3, color), StrokeKind::Inside);
        ui.painter().rect_filled(square(x, y, 1.6), CornerRadius::ZERO, color);
    }
    for (x, y) in [(2.0, 2.0), (6.0, 2.0), (4.0, 4.0), (2.0, 6.0), (6.0, 6.0)] {
        ui.painter().rect_filled(square(x, y, 1.8), CornerRadius::ZERO, color);
    }
}
