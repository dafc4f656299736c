//! Whether something is being recorded: always on the screen, with the panels and without them.

use bevy_egui::egui::{
    Align2, Context, CornerRadius, FontId, Id, LayerId, Order, Response, Sense, Stroke, StrokeKind, Ui, WidgetInfo,
    WidgetType, pos2, vec2,
};

use super::{
    format,
    labels::{self, Label},
    state::{Intent, Scene},
    widgets::{self, size},
};
use crate::{
    config::Language,
    draw::theme,
    session::{RecordingReport, RecordingState, SessionIntent},
};

/// What the button, the key and a click on the badge ask for.
pub fn toggle(scene: &Scene) -> SessionIntent {
    match scene.status.map(|status| status.recording.state) {
        Some(RecordingState::Recording | RecordingState::Stalled) => SessionIntent::Stop,
        _ => SessionIntent::Start { lanes: Vec::new() },
    }
}

/// Starts and stops recording, and shows how it stands.
pub fn button(ui: &mut Ui, language: Language, scene: &Scene, intents: &mut Vec<Intent>) {
    let Some(status) = scene.status else { return };
    let report = &status.recording;
    let response = draw(ui, language, report);
    let hint = match &report.message {
        Some(message) => format!("{}\n{message}", labels::KEY_RECORD.line(language)),
        None => labels::KEY_RECORD.line(language).into_owned(),
    };
    if response.on_hover_text(hint).clicked() {
        intents.push(Intent::Session(toggle(scene)));
    }
}

fn look(report: &RecordingReport) -> (Label, bevy_egui::egui::Color32) {
    match report.state {
        RecordingState::Recording => (labels::RECORDING, theme::CORAL),
        RecordingState::Stalled => (labels::RECORDING, theme::AMBER),
        RecordingState::Failed => (labels::NOT_RECORDING, theme::AMBER),
        RecordingState::Off => (labels::RECORD, theme::MUTED),
    }
}

fn draw(ui: &mut Ui, language: Language, report: &RecordingReport) -> Response {
    let (label, color) = look(report);
    let width = 76.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, widgets::button_height(language)), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, labels::RECORD.en));
    let border = Stroke::new(1.0, if response.hovered() { color } else { theme::faded(color, 0.5) });
    ui.painter().rect(rect, CornerRadius::same(8), theme::faded(color, 0.12), border, StrokeKind::Inside);
    ui.painter().circle_filled(pos2(rect.left() + 13.0, rect.center().y), 4.0, color);
    let main = widgets::line(ui, label.pair(language).0, size::SMALL, color, width - 26.0);
    let detail = match report.state {
        RecordingState::Recording | RecordingState::Stalled => format::clock(report.secs),
        _ => label.pair(language).1.unwrap_or_default().to_owned(),
    };
    let below = widgets::line(ui, detail.as_str(), 9.5, theme::MUTED, width - 26.0);
    let lines: Vec<_> = [Some(main), (!detail.is_empty()).then_some(below)].into_iter().flatten().collect();
    let height: f32 = lines.iter().map(|line| line.size().y).sum();
    let mut y = rect.center().y - height / 2.0;
    for galley in lines {
        let height = galley.size().y;
        ui.painter().galley(pos2(rect.left() + 23.0, y), galley, color);
        y += height;
    }
    response
}

/// Over the picture, with panels and without: that it is being recorded while no button says so, and what goes wrong with that.
pub fn badge(ctx: &Context, scene: &Scene, is_button_shown: bool) {
    let Some(report) = scene.status.map(|status| &status.recording) else { return };
    let painter = ctx.layer_painter(LayerId::new(Order::Foreground, Id::new("recording")));
    let (_, color) = look(report);
    let top = if is_button_shown { 72.0 } else { 18.0 };
    let mut corner = ctx.viewport_rect().right_top() + vec2(-16.0, top);
    let is_on = matches!(report.state, RecordingState::Recording | RecordingState::Stalled);
    if is_on && !is_button_shown {
        let text = format!("REC {}", format::clock(report.secs));
        let place = painter.text(corner, Align2::RIGHT_CENTER, text, FontId::proportional(size::BODY), color);
        painter.circle_filled(pos2(place.left() - 10.0, corner.y), 5.0, color);
        corner.y += 26.0;
    }
    let is_wrong = is_on && report.lost_samples > 0
        || report.state != RecordingState::Recording && report.state != RecordingState::Off;
    if let (true, Some(message)) = (is_wrong, &report.message) {
        let wide = (ctx.viewport_rect().width() * 0.5).max(200.0);
        let text = painter.layout(message.to_string(), FontId::proportional(size::SMALL), theme::AMBER, wide);
        let place = Align2::RIGHT_TOP.anchor_size(corner, text.size());
        let over = place.expand2(vec2(10.0, 6.0));
        painter.rect(
            over,
            CornerRadius::same(6),
            theme::faded(theme::NIGHT, 0.92),
            Stroke::new(1.0, theme::AMBER),
            StrokeKind::Inside,
        );
        painter.galley(place.min, text, theme::AMBER);
    }
}
