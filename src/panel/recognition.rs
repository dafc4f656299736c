//! The recognition of one stream: the model, the newest words large, the recent ones with their times and scores.

use bevy_egui::egui::{Align, Color32, Layout, Sense, Ui, UiBuilder, pos2, text::LayoutJob, text::TextFormat, vec2};

use super::{
    format, labels,
    labels::Label,
    state::{Intent, LaneView, PanelState, Scene},
    widgets::{self, Weight, size},
};
use crate::{
    config::Language,
    draw::theme,
    recognise::{
        service::ModelIntent,
        transcript::{Token, Transcript},
    },
    stream::ConnectionState,
};

const ROW_HEIGHT: f32 = 17.0;

/// Draws the panel with this many recent words.
pub fn show(ui: &mut Ui, state: &PanelState, lane: &LaneView, scene: &Scene, rows: usize, intents: &mut Vec<Intent>) {
    let language = state.language;
    ui.horizontal(|ui| {
        widgets::label(ui, labels::RECOGNITION, language, size::TITLE, theme::FOAM);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (label, color) = running(lane);
            widgets::tag(ui, color, &label.line(language));
        });
    });
    model_row(ui, language, lane, scene, intents);
    newest_words(ui, language, lane);
    recent_words(ui, language, lane.transcript, rows);
}

/// How recognition stands: its name and colour.
pub fn running(lane: &LaneView) -> (Label, Color32) {
    match (lane.is_recognised, lane.model, lane.connection) {
        (false, ..) => (labels::STOPPED, theme::MUTED),
        (true, None, _) => (labels::NEEDS_MODEL, theme::AMBER),
        (true, Some(_), ConnectionState::Connected) => (labels::RUNNING, theme::TEAL),
        (true, Some(_), _) => (labels::WAITING, theme::AMBER),
    }
}

/// The model in use, and the better one that is offered. The row is always there and always as high.
fn model_row(ui: &mut Ui, language: Language, lane: &LaneView, scene: &Scene, intents: &mut Vec<Intent>) {
    let height = widgets::button_height(language);
    ui.allocate_ui_with_layout(vec2(ui.available_width(), height), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_height(height);
        let in_use = lane.model.or(scene.models.in_use.as_deref());
        let better = scene.models.better.as_ref().filter(|better| in_use != Some(&***better));
        let button = 76.0;
        let half = match better {
            Some(_) => ((ui.available_width() - button - ui.spacing().item_spacing.x * 2.0) / 2.0).floor(),
            None => ui.available_width(),
        };
        widgets::field(ui, labels::MODEL, language, in_use.unwrap_or(labels::NO_MODEL.pair(language).0), half);
        if let Some(better) = better {
            let is_of_run = scene.progress.run == *better;
            let accuracy = scene.progress.best_accuracy.filter(|_| is_of_run);
            let accuracy = accuracy.map(|share| format::percent(share as f32)).unwrap_or_default();
            widgets::field(ui, labels::BETTER_MODEL, language, format!("{better}  {accuracy}"), half);
            if widgets::button(ui, labels::USE_IT, language, Weight::Primary, button).clicked() {
                intents.push(Intent::Model(ModelIntent::Use(better.clone())));
            }
        }
    });
}

/// The newest words that fit, large; what may still change is paler. The newest is always whole.
fn newest_words(ui: &mut Ui, language: Language, lane: &LaneView) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 40.0), Sense::hover());
    let mut newest = newest(lane.transcript).peekable();
    if newest.peek().is_none() {
        let hint = match (lane.is_recognised, lane.model) {
            (false, _) => labels::RECOGNITION_IS_OFF,
            (true, None) => labels::CHOOSE_MODEL,
            (true, Some(_)) => labels::SAY_SOMETHING,
        };
        let mut inner = ui.new_child(UiBuilder::new().max_rect(rect));
        widgets::empty(&mut inner, hint, language, rect.height());
        return;
    }
    let mut right = rect.width();
    let space = size::WORDS * 0.3;
    let mut words = Vec::new();
    for (i, (token, is_final)) in newest.enumerate() {
        let color = match (is_final, i) {
            (false, _) => theme::MIST,
            (true, 0) => theme::FOAM,
            (true, _) => theme::faded(theme::FOAM, 0.8),
        };
        let word = &*token.token;
        let format = TextFormat::simple(widgets::strong(size::WORDS), color);
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

/// All words from the newest to the oldest, and whether each is final.
fn newest(transcript: &Transcript) -> impl Iterator<Item = (&Token, bool)> {
    let said = transcript.partial().tokens.iter().rev().map(|token| (token, false));
    said.chain(transcript.segments().rev().flat_map(|segment| segment.tokens.iter().rev()).map(|token| (token, true)))
}

/// The newest words from the top: when, what, how sure.
fn recent_words(ui: &mut Ui, language: Language, transcript: &Transcript, rows: usize) {
    let width = ui.available_width();
    let height = ROW_HEIGHT * rows as f32;
    ui.allocate_ui_with_layout(vec2(width, height), Layout::top_down(Align::Min), |ui| {
        ui.set_min_size(vec2(width, height));
        ui.spacing_mut().item_spacing = vec2(8.0, 0.0);
        let mut words = newest(transcript).peekable();
        if words.peek().is_none() {
            widgets::empty(ui, labels::NO_WORDS, language, height);
            return;
        }
        let (time, score, bar) = (66.0, 46.0, 84.0);
        let word = width - time - score - bar - 8.0 * 3.0;
        for (token, is_final) in words.take(rows) {
            ui.allocate_ui_with_layout(vec2(width, ROW_HEIGHT), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_height(ROW_HEIGHT);
                widgets::text(ui, format::moment(token.start_secs), size::SMALL, theme::MUTED, time, Align::Max);
                let color = if is_final { theme::TEXT } else { theme::MIST };
                widgets::text(ui, &*token.token, size::BODY, color, word, Align::Min);
                widgets::bar(ui, token.score, vec2(bar, 5.0), score_color(token.score));
                let percent = format!("{:.0} %", token.score * 100.0);
                widgets::text(ui, percent, size::SMALL, theme::MUTED, score, Align::Max);
            });
        }
    });
}

fn score_color(score: f32) -> Color32 {
    if score >= 0.7 { theme::TEAL } else { theme::AMBER }
}
