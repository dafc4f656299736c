//! The training: what to learn from, the switches, and the progress, alive on every drawn frame unless held on purpose.

use bevy_egui::egui::{Align, Color32, DragValue, Layout, TextEdit, Ui, vec2};

use super::{
    curve, format,
    labels::{self, Label},
    state::{Intent, PanelState},
    widgets::{self, Weight, size},
};
use crate::{
    config::Language,
    draw::theme,
    train::{
        progress::{Phase, Progress},
        trainer::{TrainSpec, TrainingIntent},
    },
};

/// Height of the form.
const FORM_HEIGHT: f32 = 42.0;

/// Draws the panel. `height` is the room left for it; the curve takes what the rest leaves.
pub fn show(ui: &mut Ui, state: &mut PanelState, newest: &Progress, height: f32, intents: &mut Vec<Intent>) -> bool {
    let language = state.language;
    let top = ui.cursor().top();
    ui.horizontal(|ui| {
        widgets::label(ui, labels::TRAINING, language, size::TITLE, theme::FOAM);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let (label, color) = phase(newest.phase);
            let name = label.line(language);
            match newest.waiting {
                0 => widgets::tag(ui, color, &name),
                waiting => widgets::tag(ui, color, &format!("{name} +{waiting}")),
            };
        });
    });
    if newest.phase.is_active() {
        of_run(ui, state, newest);
    } else {
        form(ui, state);
    }
    switches(ui, state, newest.phase, intents);
    let shown = &state.training;
    let done = if shown.progress.steps > 0 { shown.progress.step as f32 / shown.progress.steps as f32 } else { 0.0 };
    whole_run(ui, &shown.progress, language, done);
    numbers(ui, shown, language);
    let used = ui.cursor().top() - top;
    let last_row = 24.0 + ui.spacing().item_spacing.y * 2.0;
    curve::show(ui, shown, language, (height - used - last_row).clamp(56.0, 360.0));
    hold_row(ui, state)
}

/// The dataset, the name and the epochs of the next run.
fn form(ui: &mut Ui, state: &mut PanelState) {
    let language = state.language;
    let gap = ui.spacing().item_spacing.x;
    let width = ui.available_width();
    let (epochs, save_as) = (64.0, (width * 0.34).floor());
    let dataset = width - epochs - save_as - gap * 2.0;
    ui.horizontal(|ui| {
        column(ui, labels::DATASET, language, dataset, |ui| {
            let hint = labels::DATASET_HINT.pair(language).0;
            ui.add_sized(
                vec2(dataset, 26.0),
                TextEdit::singleline(&mut state.dataset).hint_text(hint).vertical_align(Align::Center),
            );
        });
        column(ui, labels::SAVE_AS, language, save_as, |ui| {
            ui.add_sized(vec2(save_as, 26.0), TextEdit::singleline(&mut state.save_as).vertical_align(Align::Center));
        });
        column(ui, labels::EPOCHS, language, epochs, |ui| {
            ui.add_sized(vec2(epochs, 26.0), DragValue::new(&mut state.epochs).range(1..=10_000));
        });
    });
}

/// What the present run learns, where the form stands otherwise.
fn of_run(ui: &mut Ui, state: &PanelState, newest: &Progress) {
    let language = state.language;
    let half = ((ui.available_width() - ui.spacing().item_spacing.x) / 2.0).floor();
    let size = vec2(ui.available_width(), FORM_HEIGHT);
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Min), |ui| {
        ui.set_min_height(FORM_HEIGHT);
        widgets::field(ui, labels::DATASET, language, state.dataset.as_str(), half);
        widgets::field(ui, labels::SAVE_AS, language, &*newest.run, half);
    });
}

fn column(ui: &mut Ui, caption: Label, language: Language, width: f32, contents: impl FnOnce(&mut Ui)) {
    ui.allocate_ui_with_layout(vec2(width, FORM_HEIGHT), Layout::top_down(Align::Min), |ui| {
        ui.set_min_size(vec2(width, FORM_HEIGHT));
        ui.spacing_mut().item_spacing.y = 3.0;
        widgets::text(ui, caption.line(language), size::CAPTION, theme::MUTED, width, Align::Min);
        contents(ui);
    });
}

fn switches(ui: &mut Ui, state: &PanelState, phase: Phase, intents: &mut Vec<Intent>) {
    let language = state.language;
    let gap = ui.spacing().item_spacing.x;
    let width = ((ui.available_width() - gap * 2.0) / 3.0).floor();
    let mut ask = |intent: TrainingIntent| intents.push(Intent::Training(intent));
    ui.horizontal(|ui| {
        let can_start = !phase.is_active() && !state.dataset.trim().is_empty() && !state.save_as.trim().is_empty();
        ui.add_enabled_ui(can_start, |ui| {
            if widgets::button(ui, labels::START_TRAINING, language, Weight::Primary, width).clicked() {
                ask(TrainingIntent::Start(spec(state)));
            }
        });
        ui.add_enabled_ui(matches!(phase, Phase::Running | Phase::Paused), |ui| {
            let is_paused = phase == Phase::Paused;
            let label = if is_paused { labels::RESUME } else { labels::PAUSE };
            if widgets::button(ui, label, language, Weight::Plain, width).clicked() {
                ask(if is_paused { TrainingIntent::Resume } else { TrainingIntent::Pause });
            }
        });
        ui.add_enabled_ui(phase.is_active(), |ui| {
            if widgets::button(ui, labels::STOP_TRAINING, language, Weight::Ending, width).clicked() {
                ask(TrainingIntent::Stop);
            }
        });
    });
}

/// The run that the form describes.
pub fn spec(state: &PanelState) -> TrainSpec {
    TrainSpec {
        epochs: state.epochs,
        batch_size: state.batch_size,
        ..TrainSpec::new(state.save_as.trim(), state.dataset.trim())
    }
}

/// How much of the run is done; while the dataset is read, how much of that; after a failure, why.
fn whole_run(ui: &mut Ui, progress: &Progress, language: Language, done: f32) {
    let width = ui.available_width();
    match (progress.phase, &progress.message) {
        (Phase::Failed, Some(message)) => {
            widgets::text(ui, &**message, size::SMALL, theme::CORAL, width, Align::Min).on_hover_text(&**message);
        }
        (phase, _) => {
            let is_reading = phase == Phase::Preparing && progress.files > 0;
            let (share, color) = match is_reading {
                true => (progress.files_read as f32 / progress.files as f32, theme::MIST),
                false => (done, theme::TEAL),
            };
            ui.horizontal(|ui| {
                ui.set_height(16.0);
                widgets::bar(ui, share, vec2(width - 64.0, 8.0), color).on_hover_text(labels::TRAINING.line(language));
                widgets::text(ui, format::percent(share), size::SMALL, theme::TEXT, 56.0, Align::Max);
            });
        }
    }
}

fn numbers(ui: &mut Ui, shown: &curve::ShownTraining, language: Language) {
    let progress = &shown.progress;
    let has_steps = progress.step > 0;
    let value = |text: String| if has_steps { text } else { "–".to_owned() };
    let gap = ui.spacing().item_spacing.x;
    let width = ((ui.available_width() - gap * 3.0) / 4.0).floor();
    let rows: [[(Label, String); 4]; 2] = [
        [
            (labels::EPOCH, format!("{} / {}", progress.epoch, progress.epochs)),
            (labels::STEP, format!("{} / {}", format::short_count(progress.step), format::short_count(progress.steps))),
            (labels::LOSS, value(format::loss(progress.loss))),
            (
                labels::VALIDATION,
                progress.validation_accuracy.map_or("–".to_owned(), |share| format::percent(share as f32)),
            ),
        ],
        [
            (labels::LEARNING_RATE, value(format::rate(progress.learning_rate))),
            (labels::SPEED, value(format!("{:.1} /s", progress.examples_per_sec))),
            (labels::ETA, value(format::clock(progress.eta_secs))),
            (labels::UPDATES, format::count(progress.updates)),
        ],
    ];
    for row in rows {
        ui.horizontal(|ui| {
            for (caption, value) in row {
                widgets::field(ui, caption, language, value, width);
            }
        });
    }
}

/// Refresh, and holding the display. Says whether the newest progress is to be taken now.
fn hold_row(ui: &mut Ui, state: &mut PanelState) -> bool {
    let language = state.language;
    let mut refreshes = false;
    ui.horizontal(|ui| {
        refreshes = widgets::small_button(ui, labels::REFRESH, language, Weight::Plain).clicked();
        ui.add_space(4.0);
        widgets::toggle(ui, &mut state.holds_progress, labels::HOLD_PROGRESS, language);
    });
    refreshes
}

/// The name and the colour of a phase.
pub fn phase(phase: Phase) -> (Label, Color32) {
    match phase {
        Phase::Idle => (labels::IDLE, theme::MUTED),
        Phase::Preparing => (labels::PREPARING, theme::MIST),
        Phase::Running => (labels::IS_TRAINING, theme::TEAL),
        Phase::Paused => (labels::IS_PAUSED, theme::AMBER),
        Phase::Stopping => (labels::STOPPING, theme::AMBER),
        Phase::Done => (labels::IS_DONE, theme::FOAM),
        Phase::Failed => (labels::HAS_FAILED, theme::CORAL),
    }
}
