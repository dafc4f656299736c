//! The recognition of one stream: the model, the newest words large, the recent ones with their times and scores.

use bevy_egui::egui::{Align, Layout, Ui, pos2, text::LayoutJob, text::TextFormat, vec2};

use super::{
    format, labels,
    labels::Label,
    state::{Intent, LaneView, ModelView, PanelState},
    widgets::{self, Weight, size},
};
use crate::{
    config::Language,
    draw::theme,
    recognise::{service::ModelIntent, transcript::Token},
    stream::ConnectionState,
};

/// Rows of recent words.
pub const WORD_ROWS: usize = 5;
const ROW_HEIGHT: f32 = 19.0;

/// Draws the panel.
pub fn show(ui: &mut Ui, state: &PanelState, lane: &LaneView, models: &[ModelView], intents: &mut Vec<Intent>) {
    let language = state.language;
    ui.horizontal(|ui| {
        widgets::label(ui, labels::RECOGNITION, language, size::TITLE, theme::FOAM);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (label, color) = running(lane);
            widgets::chip(ui, color, &label.line(language), 150.0);
        });
    });
    model_row(ui, language, lane, models, intents);
    newest_words(ui, language, lane);
    recent_words(ui, language, lane.tokens);
}

/// How recognition stands: its name and colour.
pub fn running(lane: &LaneView) -> (Label, bevy_egui::egui::Color32) {
    match (lane.is_recognised, lane.connection) {
        (false, _) => (labels::STOPPED, theme::MUTED),
        (true, ConnectionState::Connected) => (labels::RUNNING, theme::TEAL),
        (true, _) => (labels::WAITING, theme::AMBER),
    }
}

/// The model in use, or the better one that is offered. The row is always there and always as high.
fn model_row(ui: &mut Ui, language: Language, lane: &LaneView, models: &[ModelView], intents: &mut Vec<Intent>) {
    let height = widgets::button_height(language);
    let in_use = models.iter().find(|model| Some(model.name.as_ref()) == lane.model);
    let offered = models.iter().find(|model| model.is_offered && Some(model.name.as_ref()) != lane.model);
    ui.allocate_ui_with_layout(vec2(ui.available_width(), height), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_height(height);
        let right = if offered.is_some() { 92.0 } else { 0.0 };
        let half = ((ui.available_width() - right) / if offered.is_some() { 2.0 } else { 1.0 } - 8.0).floor();
        let accuracy = |model: &ModelView| model.accuracy.map(format::percent).unwrap_or_default();
        let name = lane.model.unwrap_or(labels::NO_MODEL.pair(language).0);
        named(ui, labels::MODEL, language, &format!("{name}  {}", in_use.map(accuracy).unwrap_or_default()), half);
        if let Some(better) = offered {
            named(ui, labels::BETTER_MODEL, language, &format!("{}  {}", better.name, accuracy(better)), half);
            if widgets::button(ui, labels::USE_IT, language, Weight::Primary, 76.0).clicked() {
                intents.push(Intent::Model(ModelIntent::Use(better.name.clone())));
            }
        }
    });
}

fn named(ui: &mut Ui, caption: Label, language: Language, value: &str, width: f32) {
    widgets::field(ui, caption, language, value, width);
}

/// The newest words that fit, large; what may still change is paler. The newest is always whole.
fn newest_words(ui: &mut Ui, language: Language, lane: &LaneView) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 46.0), bevy_egui::egui::Sense::hover());
    let has_words = !lane.partial.is_empty() || !lane.tokens.is_empty();
    if !lane.is_recognised && !has_words || !has_words {
        let hint = if lane.is_recognised { labels::SAY_SOMETHING } else { labels::RECOGNITION_IS_OFF };
        let mut inner = ui.new_child(bevy_egui::egui::UiBuilder::new().max_rect(rect));
        widgets::empty(&mut inner, hint, language, rect.height());
        return;
    }
    let known = lane.tokens.iter().rev().take(12).map(|token| (&*token.token, theme::FOAM));
    let partial = lane.partial.split_whitespace().rev().take(6).map(|word| (word, theme::MIST));
    let mut right = rect.width();
    let space = size::WORDS * 0.3;
    let mut words = Vec::new();
    for (i, (word, color)) in partial.chain(known).enumerate() {
        let color = if i > 0 && color == theme::FOAM { theme::faded(color, 0.8) } else { color };
        let format = TextFormat::simple(widgets::font(size::WORDS), color);
        let galley = ui.painter().layout_job(LayoutJob::single_section(word.to_owned(), format));
        if galley.size().x > right {
            if words.is_empty() {
                words.push(widgets::line(ui, word, size::WORDS, color, rect.width()));
            }
            break;
        }
        right -= galley.size().x + space;
        words.push(galley);
    }
    let mut x = rect.left();
    for galley in words.into_iter().rev() {
        let width = galley.size().x;
        ui.painter().galley(pos2(x, rect.center().y - galley.size().y / 2.0), galley, theme::FOAM);
        x += width + space;
    }
}

/// The newest words from the top: when, what, how sure.
fn recent_words(ui: &mut Ui, language: Language, tokens: &[Token]) {
    let width = ui.available_width();
    let height = ROW_HEIGHT * WORD_ROWS as f32;
    ui.allocate_ui_with_layout(vec2(width, height), Layout::top_down(Align::Min), |ui| {
        ui.set_min_size(vec2(width, height));
        ui.spacing_mut().item_spacing = vec2(8.0, 0.0);
        if tokens.is_empty() {
            widgets::empty(ui, labels::NO_WORDS, language, height);
            return;
        }
        let (time, score, bar) = (66.0, 46.0, 84.0);
        let word = width - time - score - bar - 8.0 * 3.0;
        for token in tokens.iter().rev().take(WORD_ROWS) {
            ui.allocate_ui_with_layout(vec2(width, ROW_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_height(ROW_HEIGHT);
                widgets::text(ui, format::moment(token.start_secs), size::SMALL, theme::MUTED, time, Align::Max);
                widgets::text(ui, &*token.token, size::BODY, theme::TEXT, word, Align::Min);
                widgets::bar(ui, token.score, vec2(bar, 5.0), score_color(token.score));
                let percent = format!("{:.0} %", token.score * 100.0);
                widgets::text(ui, percent, size::SMALL, theme::MUTED, score, Align::Max);
            });
        }
    });
}

fn score_color(score: f32) -> bevy_egui::egui::Color32 {
    if score >= 0.7 { theme::TEAL } else { theme::AMBER }
}
