//! Where the panels stand: a bar on top, a column at the right, windows over the picture.

use bevy_egui::egui::{CornerRadius, Frame, Margin, Panel, Rect, ScrollArea, Stroke, Ui, vec2};

use super::{
    controls, invitation, keys, labels, lanes, models, recognition, replay,
    state::{Intent, PanelState, Scene},
    status, teach, training, widgets,
};
use crate::draw::theme;

/// Width of the column: a share of the window within these.
const COLUMN: std::ops::RangeInclusive<f32> = 388.0..=430.0;
const GAP: f32 = 6.0;

/// Applies the keys and draws all panels into `ui`, the whole window. Says what room is left for the picture.
pub fn show(ui: &mut Ui, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) -> Rect {
    let mut refreshes = keys::apply(ui.ctx(), state, scene, intents);
    take_dropped_file(ui, state, scene, intents);
    if !state.holds_progress || refreshes {
        state.training.take(scene.progress, scene.curve);
        refreshes = false;
    }
    if state.is_shown {
        let margin = Margin::symmetric(14, 8);
        let bar = Frame::new().fill(theme::DEEP).inner_margin(margin);
        Panel::top("controls")
            .frame(bar)
            .exact_size(controls::HEIGHT + f32::from(margin.top) + f32::from(margin.bottom))
            .resizable(false)
            .show_separator_line(false)
            .show(ui, |ui| controls::show(ui, state, scene, intents));
        let width = (ui.available_width() * 0.22).clamp(*COLUMN.start(), *COLUMN.end()).round();
        let frame = Frame::new().fill(theme::DEEP).inner_margin(Margin { left: 10, right: 12, top: 2, bottom: 10 });
        Panel::right("column").frame(frame).exact_size(width).resizable(false).show_separator_line(false).show(
            ui,
            |ui| {
                refreshes |= column(ui, state, scene, intents);
            },
        );
        if scene.has_session() {
            Panel::bottom("replay")
                .frame(replay::frame())
                .exact_size(replay::HEIGHT + 18.0)
                .resizable(false)
                .show_separator_line(false)
                .show(ui, |ui| replay::show(ui, state, scene, intents));
        }
    }
    if refreshes {
        state.training.take(scene.progress, scene.curve);
    }
    let left = ui.available_rect_before_wrap();
    status::show(ui.ctx(), state, scene.status);
    lanes::show(ui.ctx(), state, scene, intents);
    teach::show(ui.ctx(), state, scene, intents);
    invitation::show(ui.ctx(), state, scene.invitation);
    keys::show(ui.ctx(), state);
    replay::show_selection(ui.ctx(), state, scene, intents);
    replay::show_sessions(ui.ctx(), state, scene, intents);
    left
}

/// Recognition, training and models, one card each. Says whether the newest progress was asked for.
fn column(ui: &mut Ui, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) -> bool {
    let mut refreshes = false;
    let room = ui.available_height();
    // What a tall window has to spare goes to longer lists before it goes to the curve.
    let (words, rows) = if room < 760.0 { (4, 2) } else { (8, 4) };
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        ui.spacing_mut().item_spacing = vec2(8.0, GAP);
        let top = ui.cursor().top();
        match scene.lane(state) {
            Some(lane) => widgets::card(ui, |ui| recognition::show(ui, state, lane, scene, words, intents)),
            // A session alone needs no stream.
            None if scene.has_session() => {}
            None => widgets::card(ui, |ui| widgets::empty(ui, labels::NO_LANE, state.language, 120.0)),
        }
        let used = ui.cursor().top() - top;
        let models_height = models::height(rows) + widgets::CARD_MARGIN * 2.0 + GAP;
        let height = room - used - models_height - widgets::CARD_MARGIN * 2.0 - GAP;
        widgets::card(ui, |ui| refreshes = training::show(ui, state, scene.progress, height, intents));
        widgets::card(ui, |ui| models::show(ui, state, scene.models, rows, intents));
    });
    refreshes
}

/// A sound file dropped onto the window fills the chosen stream.
fn take_dropped_file(ui: &Ui, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let path = ui.input(|input| input.raw.dropped_files.first().map(|file| file.path().to_owned()));
    if let (Some(path), Some(lane)) = (path, scene.lane(state)) {
        controls::set_source(state, lane, &format!("file:{}", path.display()), intents);
    }
}

/// The look of a window that stands over the picture.
pub fn overlay() -> Frame {
    Frame::new()
        .fill(theme::DEEP)
        .stroke(Stroke::new(1.0, theme::LINE))
        .corner_radius(CornerRadius::same(12))
        .inner_margin(Margin::same(16))
}
