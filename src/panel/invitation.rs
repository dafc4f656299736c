//! The invitation over the picture: a QR code that a phone scans to become a lane.

use bevy_egui::egui::{Align, Align2, Context, CornerRadius, Rect, Sense, Ui, Window, vec2};
use qrcode::{Color, QrCode};

use super::{
    labels, layout,
    state::PanelState,
    widgets::{self, size},
};
use crate::draw::theme;

/// Width of the code with its quiet zone, points.
const SIDE: f32 = 320.0;
/// Light modules around a code (ISO/IEC 18004).
const QUIET: usize = 4;

/// A code, made once for its text.
#[derive(Clone, Debug)]
pub struct Code {
    text: String,
    side: usize,
    /// Dark stretches: row, first column, length.
    dark: Vec<(usize, usize, usize)>,
}

impl Code {
    /// The code of `text`; none where that is too long for any.
    pub fn new(text: &str) -> Option<Self> {
        let code = QrCode::new(text).ok()?;
        let (side, modules) = (code.width(), code.to_colors());
        let mut dark = Vec::new();
        for (row, line) in modules.chunks(side).enumerate() {
            let mut column = 0;
            for run in line.chunk_by(|a, b| a == b) {
                if run[0] == Color::Dark {
                    dark.push((row, column, run.len()));
                }
                column += run.len();
            }
        }
        Some(Self { text: text.to_owned(), side, dark })
    }

    /// Dark on light whatever the theme: some phones read nothing else.
    fn paint(&self, ui: &Ui, at: Rect) {
        ui.painter().rect_filled(at, CornerRadius::same(10), theme::FOAM);
        // Modules lie on whole pixels, or seams show between them.
        let scale = ui.ctx().pixels_per_point();
        let module = (at.width() * scale / (self.side + 2 * QUIET) as f32).floor().max(1.0) / scale;
        let start = at.center() - vec2(1.0, 1.0) * (module * self.side as f32 / 2.0);
        let start = (start.to_vec2() * scale).round().to_pos2() / scale;
        for &(row, column, len) in &self.dark {
            let corner = start + vec2(column as f32, row as f32) * module;
            let stretch = Rect::from_min_size(corner, vec2(len as f32, 1.0) * module);
            ui.painter().rect_filled(stretch, CornerRadius::ZERO, theme::NIGHT);
        }
    }
}

/// Draws the window, if it is asked for. `invitation` is the URL that a phone opens, none where the server serves this machine only.
pub fn show(ctx: &Context, state: &mut PanelState, invitation: Option<&str>) {
    let mut is_open = state.shows_invitation;
    let language = state.language;
    if !is_open {
        state.code = None;
        return;
    }
    if state.code.as_ref().map(|code| code.text.as_str()) != invitation {
        state.code = invitation.and_then(Code::new);
    }
    Window::new(labels::INVITATION.line(language))
        .id("invitation".into())
        .open(&mut is_open)
        .frame(layout::overlay())
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 12.0))
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.set_width(SIDE + 110.0);
            ui.vertical_centered(|ui| match (&state.code, invitation) {
                (Some(code), Some(url)) => {
                    let (place, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::hover());
                    response.widget_info(|| {
                        bevy_egui::egui::WidgetInfo::labeled(bevy_egui::egui::WidgetType::Image, true, labels::SCAN.en)
                    });
                    code.paint(ui, place);
                    ui.add_space(6.0);
                    // The token is for the phone's camera, not for whoever reads over a shoulder.
                    let address = url.split(['?', '#']).next().unwrap_or(url);
                    widgets::text(ui, address, size::TITLE, theme::TEAL, SIDE, Align::Center);
                    wrapped(ui, labels::SCAN, state);
                }
                _ => {
                    wrapped(ui, labels::ONLY_HERE, state);
                    ui.add_space(4.0);
                    widgets::text(ui, "seseragi run --lan", size::TITLE, theme::TEAL, SIDE, Align::Center);
                }
            });
        });
    state.shows_invitation = is_open;
}

/// A text of several lines, in one language or both.
fn wrapped(ui: &mut Ui, label: labels::Label, state: &PanelState) {
    let (main, other) = label.pair(state.language);
    ui.label(bevy_egui::egui::RichText::new(main).size(size::BODY).color(theme::TEXT));
    if let Some(other) = other {
        ui.label(bevy_egui::egui::RichText::new(other).size(size::CAPTION).color(theme::MUTED));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_says_its_text_and_a_text_too_long_makes_none() {
        let text = "https://192.168.1.20:8750/#token=0123456789abcdef0123456789abcdef";
        let code = Code::new(text).unwrap();
        let again = QrCode::new(text).unwrap();
        let is_dark = |row: usize, column: usize| {
            code.dark.iter().any(|&(r, first, len)| r == row && (first..first + len).contains(&column))
        };
        for (i, color) in again.to_colors().into_iter().enumerate() {
            assert_eq!(is_dark(i / code.side, i % code.side), color == Color::Dark, "module {i}");
        }
        assert!(Code::new(&"x".repeat(8_000)).is_none());
    }
}
