//! The lanes over the picture: who they are, and what the host can do to each. Name it, mute it, move it, remove it.

use bevy_egui::egui::{Align, Align2, Context, Key, Layout, ScrollArea, TextEdit, Ui, Window, vec2};

use super::{
    controls::{command, source_name, state_color},
    labels, layout,
    state::{Intent, LaneView, PanelState, Scene},
    widgets::{self, Weight, size},
};
use crate::{
    draw::theme,
    stream::{MAX_NAME, MAX_STREAMS, StreamCommand, StreamKey},
};

const WIDTH: f32 = 880.0;
const ROW: f32 = 32.0;
const NAME: f32 = 190.0;

/// What the host is about to do in this window.
#[derive(Clone, Debug, Default)]
pub struct LanesState {
    /// The name being written, and whose it is to be.
    naming: Option<(StreamKey, String)>,
    /// The lane that was asked to be removed once; the second press removes it.
    removing: Option<StreamKey>,
}

/// Draws the window, if it is asked for.
pub fn show(ctx: &Context, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let mut is_open = state.shows_lanes;
    let room = ctx.content_rect().size();
    let count = format!("{} / {MAX_STREAMS}", scene.lanes.len());
    Window::new(format!("{}   {count}", labels::LANES.line(state.language)))
        .id("lanes".into())
        .open(&mut is_open)
        .frame(layout::overlay())
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 12.0))
        .fixed_size(vec2(WIDTH.min(room.x - 60.0), (room.y - 130.0).min(640.0)))
        .collapsible(false)
        .show(ctx, |ui| {
            if scene.lanes.is_empty() {
                return widgets::empty(ui, labels::NO_LANE, state.language, 80.0);
            }
            ScrollArea::vertical().auto_shrink([false, true]).show(ui, |ui| {
                ui.spacing_mut().item_spacing = vec2(8.0, 2.0);
                for (place, lane) in scene.lanes.iter().enumerate() {
                    row(ui, state, lane, place, scene.lanes.len(), intents);
                }
            });
        });
    state.shows_lanes = is_open;
    if !is_open {
        state.lanes = LanesState::default();
    }
}

fn row(ui: &mut Ui, state: &mut PanelState, lane: &LaneView, place: usize, count: usize, intents: &mut Vec<Intent>) {
    let language = state.language;
    ui.allocate_ui_with_layout(vec2(ui.available_width(), ROW), Layout::left_to_right(Align::Center), |ui| {
        widgets::text(ui, (place + 1).to_string(), size::SMALL, theme::MUTED, 18.0, Align::Max);
        name(ui, &mut state.lanes, lane, intents);
        let (color, said) = match lane.is_muted {
            true => (theme::AMBER, labels::IS_MUTED.pair(language).0),
            false => (state_color(lane.connection), labels::state(lane.connection).pair(language).0),
        };
        widgets::chip(ui, color, said, 92.0);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let is_sure = state.lanes.removing.as_ref() == Some(lane.key);
            let remove = if is_sure { labels::REALLY_REMOVE } else { labels::REMOVE };
            if widgets::small_button(ui, remove, language, Weight::Ending).clicked() {
                state.lanes.removing = (!is_sure).then(|| lane.key.clone());
                if is_sure {
                    intents.push(command(lane, StreamCommand::Remove));
                }
            }
            for (sign, label, to) in
                [("↓", labels::MOVE_DOWN, place + 1), ("↑", labels::MOVE_UP, place.wrapping_sub(1))]
            {
                ui.add_enabled_ui(to < count, |ui| {
                    if widgets::icon(ui, sign, 24.0, label.line(language)).clicked() {
                        intents.push(command(lane, StreamCommand::MoveTo(to)));
                    }
                });
            }
            let (mute, weight) =
                if lane.is_muted { (labels::UNMUTE, Weight::Primary) } else { (labels::MUTE, Weight::Plain) };
            if widgets::small_button(ui, mute, language, weight).clicked() {
                intents.push(command(lane, StreamCommand::SetMuted(!lane.is_muted)));
            }
            let source = source_name(lane.source, language);
            widgets::text(ui, source, size::SMALL, theme::MUTED, ui.available_width(), Align::Min);
        });
    });
}

/// The name, which becomes a box while somebody writes into it. Enter or leaving it gives the name, Escape leaves the old one.
fn name(ui: &mut Ui, state: &mut LanesState, lane: &LaneView, intents: &mut Vec<Intent>) {
    let written = state.naming.take_if(|(key, _)| key == lane.key).map(|(_, name)| name);
    let mut name = written.unwrap_or_else(|| lane.name.to_owned());
    let edit = TextEdit::singleline(&mut name)
        .id_salt(("name of a lane", lane.key))
        .char_limit(MAX_NAME)
        .text_color(theme::FOAM)
        .vertical_align(Align::Center);
    let edit = ui.add_sized(vec2(NAME, 26.0), edit);
    if edit.has_focus() {
        state.naming = Some((lane.key.clone(), name));
    } else if edit.lost_focus() && name != lane.name && !ui.input(|input| input.key_pressed(Key::Escape)) {
        intents.push(command(lane, StreamCommand::SetName(name.into())));
    }
}
