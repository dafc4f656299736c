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

/// A mark in the corner while the panels are hidden: whoever sees the picture sees that it is being recorded.
pub fn badge(ctx: &Context, scene: &Scene) {
    let Some(report) = scene.status.map(|status| &status.recording) else { return };
    if !matches!(report.state, RecordingState::Recording | RecordingState::Stalled) {
        return;
    }
    let (_, color) = look(report);
    let painter = ctx.layer_painter(LayerId::new(Order::Foreground, Id::new("recording")));
    let corner = ctx.viewport_rect().right_top() + vec2(-16.0, 18.0);
    let text = format!("REC {}", format::clock(report.secs));
    let place = painter.text(corner, Align2::RIGHT_CENTER, text, FontId::proportional(size::BODY), color);
    painter.circle_filled(pos2(place.left() - 10.0, corner.y), 5.0, color);
}

/// What goes wrong with the recording, over the picture: a disk that is slow, full or gone.
pub fn complaint(ctx: &Context, scene: &Scene) {
    let Some(report) = scene.status.map(|status| &status.recording) else { return };
    let is_wrong = match report.state {
        RecordingState::Off => false,
        RecordingState::Recording => report.lost_samples > 0,
        RecordingState::Stalled | RecordingState::Failed => true,
    };
    let (true, Some(message)) = (is_wrong, &report.message) else { return };
    let has_replay = scene.replay.is_some_and(|replay| replay.session.is_some());
    let room = ctx.viewport_rect();
    let bottom = room.center_bottom() - vec2(0.0, if has_replay { super::replay::HEIGHT + 40.0 } else { 20.0 });
    let painter = ctx.layer_painter(LayerId::new(Order::Foreground, Id::new("complaint of the recording")));
    let font = FontId::proportional(size::BODY);
    let text = painter.layout(message.to_string(), font, theme::AMBER, (room.width() * 0.6).max(240.0));
    let place = Align2::CENTER_BOTTOM.anchor_size(bottom, text.size());
    let border = Stroke::new(1.0, theme::AMBER);
    painter.rect(place.expand2(vec2(14.0, 9.0)), CornerRadius::same(8), theme::NIGHT, border, StrokeKind::Inside);
    painter.galley(place.min, text, theme::AMBER);
}
