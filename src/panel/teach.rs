//! Teaching a word, in a window over the picture: name it, say it some times, look at the clips, teach.

use bevy_egui::egui::{Align, Align2, Context, Id, Layout, ScrollArea, TextEdit, Ui, Window, pos2, vec2};

use super::{
    labels, layout,
    state::{Intent, PanelState, Scene},
    widgets::{self, Weight, size},
};
use crate::{
    draw::theme,
    train::teach::{
        FEWEST_CLIPS, Lesson, TaughtClip, TaughtWord,
        handle::{TeachIntent, TeachReport},
    },
};

const WIDTH: f32 = 560.0;
const ROW: f32 = 30.0;
/// Rows of clips that are seen at once.
const ROWS: usize = 8;
/// How far back the words are looked for.
const TAKE_SECS: u32 = 15;
/// Characters of a word.
const LONGEST_WORD: usize = 64;

/// What is being taught in this window.
#[derive(Clone, Debug, Default)]
pub struct TeachState {
    /// The box for the word.
    pub word: String,
    /// Whether the clips were looked for since the window was opened.
    listed: bool,
}

/// Draws the window, if it is asked for.
pub fn show(ctx: &Context, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    if !state.shows_teaching {
        state.teaching.listed = false;
        return;
    }
    if !std::mem::replace(&mut state.teaching.listed, true) {
        intents.push(Intent::Teach(TeachIntent::List));
    }
    let mut is_open = true;
    Window::new(labels::TEACHING.line(state.language))
        .id(Id::new("teaching"))
        .open(&mut is_open)
        .anchor(Align2::CENTER_CENTER, vec2(-190.0, 0.0))
        .frame(layout::overlay())
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.set_width(WIDTH);
            ui.spacing_mut().item_spacing = vec2(8.0, 6.0);
            contents(ui, state, scene, intents);
        });
    state.shows_teaching = is_open;
}

fn contents(ui: &mut Ui, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let language = state.language;
    widgets::label(ui, labels::TEACH_HOW, language, size::SMALL, theme::TEXT);
    let lane = scene.lane(state);
    ui.horizontal(|ui| {
        let hint = labels::WORD_HINT.pair(language).0;
        let edit = TextEdit::singleline(&mut state.teaching.word)
            .char_limit(LONGEST_WORD)
            .hint_text(hint)
            .vertical_align(Align::Center);
        ui.add_sized(vec2(200.0, widgets::button_height(language)), edit);
        let word = state.teaching.word.trim().to_owned();
        ui.add_enabled_ui(lane.is_some() && !word.is_empty(), |ui| {
            if widgets::button(ui, labels::TAKE_CLIPS, language, Weight::Plain, 150.0).clicked()
                && let Some(lane) = lane
            {
                let stream = lane.key.clone();
                intents.push(Intent::Teach(TeachIntent::Take { stream, word, secs: TAKE_SECS }));
            }
        });
        let name = lane.map_or("–", |lane| lane.name);
        widgets::text(ui, name, size::SMALL, theme::MUTED, ui.available_width(), Align::Min);
    });
    let word = state.teaching.word.trim().to_owned();
    let taught = scene.teaching.words.iter().find(|taught| taught.word == word);
    match taught {
        Some(taught) if !taught.clips.is_empty() => clips(ui, taught, intents),
        _ => {
            known_words(ui, state, scene.teaching);
            widgets::empty(ui, labels::NO_CLIPS, language, ROW * 3.0);
        }
    }
    let count = taught.map_or(0, |taught| taught.clips.len());
    ui.horizontal(|ui| {
        let model = scene.models.in_use.clone();
        ui.add_enabled_ui(count >= FEWEST_CLIPS && model.is_some(), |ui| {
            if widgets::button(ui, labels::TEACH, language, Weight::Primary, 120.0).clicked()
                && let Some(model) = &model
            {
                intents.push(Intent::Teach(TeachIntent::Teach(Lesson::new(word.as_str(), &**model))));
            }
        });
        widgets::field(ui, labels::CLIPS, language, format!("{count} / {FEWEST_CLIPS}+"), 80.0);
        widgets::field(ui, labels::MODEL, language, model.as_deref().unwrap_or("–"), 130.0);
        let (label, color) = super::training::phase(scene.progress.phase);
        widgets::chip(ui, color, label.pair(language).0, ui.available_width());
    });
    let TeachReport { message, is_refused, .. } = scene.teaching;
    let color = if *is_refused { theme::CORAL } else { theme::FOAM };
    let text = message.as_deref().unwrap_or(" ");
    widgets::text(ui, text, size::SMALL, color, WIDTH, Align::Min).on_hover_text(text);
}

/// The words that have clips already, to be chosen.
fn known_words(ui: &mut Ui, state: &mut PanelState, report: &TeachReport) {
    ui.horizontal_wrapped(|ui| {
        for taught in report.words.iter().filter(|taught| !taught.clips.is_empty()) {
            let text = format!("{} {}", taught.word, taught.clips.len());
            let width = widgets::line(ui, text.as_str(), size::SMALL, theme::TEXT, 200.0).size().x + 30.0;
            ui.allocate_ui(vec2(width, 26.0), |ui| {
                if widgets::choice(ui, &text, false).clicked() {
                    state.teaching.word.clone_from(&taught.word);
                }
            });
        }
    });
}

fn clips(ui: &mut Ui, taught: &TaughtWord, intents: &mut Vec<Intent>) {
    let height = ROW * taught.clips.len().min(ROWS) as f32;
    ScrollArea::vertical().id_salt("clips").max_height(height).auto_shrink([false, true]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(8.0, 0.0);
        for clip in &taught.clips {
            ui.allocate_ui_with_layout(vec2(WIDTH - 20.0, ROW), Layout::left_to_right(Align::Center), |ui| {
                let secs = format!("{:.2} s", clip.secs);
                widgets::text(ui, secs, size::SMALL, theme::MUTED, 48.0, Align::Max);
                draw_clip(ui, clip, vec2(ui.available_width() - 40.0, ROW - 6.0));
                if widgets::icon(ui, "×", 22.0, labels::REMOVE.en).clicked() {
                    let (word, clip) = (taught.word.clone(), clip.name.clone());
                    intents.push(Intent::Teach(TeachIntent::Remove { word, clip }));
                }
            });
        }
    });
}

/// A clip's magnitudes as bars around a middle line.
fn draw_clip(ui: &mut Ui, clip: &TaughtClip, room: bevy_egui::egui::Vec2) {
    let (rect, _) = ui.allocate_exact_size(room, bevy_egui::egui::Sense::hover());
    let step = rect.width() / clip.peaks.len().max(1) as f32;
    let loudest = clip.peaks.iter().copied().fold(0.01, f32::max);
    for (at, peak) in clip.peaks.iter().enumerate() {
        let half = (0.5 * rect.height() * peak / loudest).max(0.5);
        let x = rect.left() + (at as f32 + 0.5) * step;
        let ends = [pos2(x, rect.center().y - half), pos2(x, rect.center().y + half)];
        ui.painter().line_segment(ends, bevy_egui::egui::Stroke::new((step - 1.0).max(1.0), theme::TEAL));
    }
}
