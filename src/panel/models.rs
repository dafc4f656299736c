//! The models there are, and which of them listens.

use bevy_egui::egui::{Align, Layout, ScrollArea, Ui, vec2};

use super::{
    labels,
    state::{Intent, PanelState},
    widgets::{self, Weight, size},
};
use crate::{
    draw::theme,
    recognise::service::{ModelIntent, ModelOffer},
};

const ROW_HEIGHT: f32 = 26.0;
/// Room for the bar of a list that is longer than its place.
const SCROLL_BAR: f32 = 10.0;

/// The height of the panel with this many rows.
pub fn height(rows: usize) -> f32 {
    28.0 + ROW_HEIGHT * rows as f32
}

/// Draws the panel with this many rows; more are scrolled to.
pub fn show(ui: &mut Ui, state: &mut PanelState, models: &ModelOffer, rows: usize, intents: &mut Vec<Intent>) {
    let language = state.language;
    ui.horizontal(|ui| {
        widgets::label(ui, labels::MODELS, language, size::TITLE, theme::FOAM);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::icon(ui, "↻", 22.0, labels::LOOK_AGAIN.line(language)).clicked() {
                intents.push(Intent::Model(ModelIntent::Refresh));
            }
            if widgets::small_button(ui, labels::TEACHING, language, Weight::Plain).clicked() {
                state.shows_teaching = !state.shows_teaching;
            }
        });
    });
    let (width, height) = (ui.available_width(), ROW_HEIGHT * rows as f32);
    if models.names.is_empty() {
        widgets::empty(ui, labels::NO_MODELS, language, height);
        return;
    }
    let list = ScrollArea::vertical().id_salt("models").max_height(height).min_scrolled_height(height);
    list.auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(8.0, 0.0);
        for name in &models.names {
            ui.allocate_ui_with_layout(vec2(width, ROW_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_height(ROW_HEIGHT);
                let is_in_use = models.in_use.as_ref() == Some(name);
                let color = if is_in_use { theme::FOAM } else { theme::TEXT };
                let (better, button) = (104.0, 96.0);
                let room = ui.available_width() - better - button - 16.0 - SCROLL_BAR;
                widgets::text(ui, &**name, size::BODY, color, room, Align::Min);
                let is_better = models.better.as_ref() == Some(name);
                let note = if is_better { labels::BETTER.line(language) } else { "".into() };
                widgets::text(ui, note, size::SMALL, theme::AMBER, better, Align::Max);
                if is_in_use {
                    widgets::chip(ui, theme::TEAL, &labels::IN_USE.line(language), button);
                } else if widgets::small_button(ui, labels::USE, language, Weight::Plain).clicked() {
                    intents.push(Intent::Model(ModelIntent::Use(name.clone())));
                }
            });
        }
    });
}
