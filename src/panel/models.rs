//! The models there are, and which of them listens.

use bevy_egui::egui::{Align, Layout, ScrollArea, Ui, vec2};

use super::{
    format, labels,
    state::{Intent, LaneView, ModelView, PanelState},
    widgets::{self, Weight, size},
};
use crate::{draw::theme, recognise::service::ModelIntent};

const ROW_HEIGHT: f32 = 26.0;

/// The height of the panel with this many rows.
pub fn height(rows: usize) -> f32 {
    26.0 + ROW_HEIGHT * rows as f32
}

/// Draws the panel with this many rows; more are scrolled to.
pub fn show(ui: &mut Ui, state: &PanelState, lane: Option<&LaneView>, models: &[ModelView], rows: usize, intents: &mut Vec<Intent>) {
    let language = state.language;
    widgets::label(ui, labels::MODELS, language, size::TITLE, theme::FOAM);
    let width = ui.available_width();
    let height = ROW_HEIGHT * rows as f32;
    if models.is_empty() {
        widgets::empty(ui, labels::NO_MODELS, language, height);
        return;
    }
    ScrollArea::vertical().id_salt("models").max_height(height).min_scrolled_height(height).auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(8.0, 0.0);
        for model in models {
            ui.allocate_ui_with_layout(vec2(width, ROW_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_height(ROW_HEIGHT);
                let is_in_use = lane.is_some_and(|lane| lane.model == Some(&*model.name));
                let (accuracy, button) = (64.0, 92.0);
                let color = if is_in_use { theme::FOAM } else { theme::TEXT };
                let name = ui.available_width() - accuracy - button - 16.0 - 10.0;
                widgets::text(ui, &*model.name, size::BODY, color, name, Align::Min);
                let checked = model.accuracy.map(format::percent).unwrap_or_default();
                widgets::text(ui, checked, size::SMALL, theme::MUTED, accuracy, Align::Max);
                if is_in_use {
                    widgets::chip(ui, theme::TEAL, &labels::IN_USE.line(language), button);
                } else if widgets::small_button(ui, labels::USE, language, Weight::Plain).clicked() {
                    intents.push(Intent::Model(ModelIntent::Use(model.name.clone())));
                }
            });
        }
    });
}
