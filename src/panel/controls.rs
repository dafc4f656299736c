//! The bar on top: what fills the stream, whether it is connected, and the two switches as people know them.

use bevy_egui::egui::{
    Align, Color32, CornerRadius, Key, Layout, Popup, PopupCloseBehavior, Response, Sense, Slider, Stroke, StrokeKind,
    TextEdit, Ui, WidgetInfo, WidgetType, pos2, vec2,
};

use super::{
    format,
    labels::{self, Label},
    layout, recording,
    state::{Intent, LaneView, MonitorIntent, MonitorMirror, PanelState, Scene},
    widgets::{self, Weight, size},
};
use crate::{
    config::Language,
    draw::theme,
    stream::{ConnectionState, StreamCommand, StreamIntent},
};

/// Height of the bar, margins not counted.
pub const HEIGHT: f32 = 40.0;
/// Width of the menu of sources.
const MENU: f32 = 300.0;
/// Below this width the list of sessions is reached by its key only.
const ROOM_FOR_SESSIONS: f32 = 1340.0;
/// Below this width the name and the volume are left out.
const ROOM_FOR_VOLUME: f32 = 1180.0;

/// Draws the bar.
pub fn show(ui: &mut Ui, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) {
    let is_live = scene.is_live;
    let language = state.language;
    let has_room = ui.available_width() >= ROOM_FOR_VOLUME;
    let has_room_for_sessions = ui.available_width() >= ROOM_FOR_SESSIONS;
    ui.allocate_ui_with_layout(vec2(ui.available_width(), HEIGHT), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_height(HEIGHT);
        ui.spacing_mut().item_spacing.x = 9.0;
        if has_room {
            name(ui, language);
        }
        match scene.lane(state) {
            Some(lane) => {
                source(ui, state, scene.lanes, lane, intents);
                connection(ui, language, lane);
                switches(ui, language, lane, intents);
                if let Some(monitor) = scene.monitor {
                    listen(ui, language, lane, monitor, has_room, intents);
                }
            }
            // A session alone needs no stream.
            None if scene.has_session() => {}
            None => {
                widgets::plain(ui, labels::NO_LANE.line(language), size::BODY, theme::AMBER);
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if has_room_for_sessions && widgets::icon(ui, "≡", 28.0, labels::SESSIONS.line(language)).clicked() {
                state.shows_sessions = !state.shows_sessions;
            }
            let help = widgets::icon(ui, "?", 28.0, labels::KEYS.line(language));
            if help.clicked() {
                state.shows_keys = !state.shows_keys;
            }
            let invite = widgets::drawn_icon(ui, 28.0, labels::INVITATION.line(language), widgets::code_sign);
            if invite.clicked() {
                state.shows_invitation = !state.shows_invitation;
            }
            let lanes = widgets::drawn_icon(ui, 28.0, labels::LANES.line(language), widgets::lanes_sign);
            if lanes.clicked() {
                state.shows_lanes = !state.shows_lanes;
            }
            recording::button(ui, language, scene, intents);
            if live(ui, language, is_live).clicked() && !is_live {
                intents.push(Intent::GoLive);
            }
        });
    });
}

fn name(ui: &mut Ui, language: Language) {
    let (main, other) = labels::NAME.pair(language);
    widgets::plain(ui, main, 20.0, theme::FOAM);
    if let Some(other) = other {
        ui.add_space(-3.0);
        widgets::plain(ui, other, 11.5, theme::TEAL);
    }
    ui.add_space(4.0);
}

/// What fills the stream, and a menu of what else could.
fn source(ui: &mut Ui, state: &mut PanelState, lanes: &[LaneView], lane: &LaneView, intents: &mut Vec<Intent>) {
    let language = state.language;
    let mut caption = labels::SOURCE.line(language).into_owned();
    if lanes.len() > 1 {
        caption = format!("{caption} · {}", lane.name);
    }
    let response = two_lines(ui, &caption, &source_name(lane.source, language), theme::TEXT, 158.0, true);
    response.widget_info(|| WidgetInfo::labeled(WidgetType::ComboBox, true, labels::SOURCE.en));
    let popup = Popup::menu(&response)
        .close_behavior(PopupCloseBehavior::CloseOnClickOutside)
        .gap(4.0)
        .frame(layout::overlay());
    popup.show(|ui| {
        ui.set_width(MENU);
        ui.spacing_mut().item_spacing = vec2(8.0, 4.0);
        let mut chosen = None;
        if lanes.len() > 1 {
            for other in lanes {
                let name = format!("{}   {}", other.name, source_name(other.source, language));
                if widgets::choice(ui, &name, other.key == lane.key).clicked() {
                    state.lane = Some(other.key.clone());
                    ui.close();
                }
            }
            ui.separator();
        }
        for (label, source) in [(labels::DEMO, "demo"), (labels::MICROPHONE, "mic")] {
            if widgets::choice(ui, &label.line(language), lane.source == source).clicked() {
                chosen = Some(source.to_owned());
            }
        }
        ui.add_space(6.0);
        widgets::plain(ui, labels::FILE.line(language), size::CAPTION, theme::MUTED);
        ui.horizontal(|ui| {
            let hint = labels::FILE_HINT.pair(language).0;
            let edit = TextEdit::singleline(&mut state.file_path).hint_text(hint).vertical_align(Align::Center);
            let edit = ui.add_sized(vec2(MENU - 92.0, 26.0), edit);
            let enters = edit.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
            let can_play = !state.file_path.trim().is_empty();
            let button = |ui: &mut Ui| widgets::small_button(ui, labels::PLAY_FILE, language, Weight::Plain);
            let is_clicked = ui.add_enabled_ui(can_play, button).inner.clicked();
            if can_play && (enters || is_clicked) {
                chosen = Some(format!("file:{}", state.file_path.trim()));
            }
        });
        if let Some(complaint) = &state.complaint {
            ui.colored_label(theme::CORAL, complaint);
        }
        if let Some(source) = chosen {
            set_source(state, lane, &source, intents);
            if state.complaint.is_none() {
                ui.close();
            }
        }
    });
}

/// Asks for another source, spelt as on the command line.
pub fn set_source(state: &mut PanelState, lane: &LaneView, source: &str, intents: &mut Vec<Intent>) {
    match source.parse() {
        Ok(spec) => {
            state.complaint = None;
            intents.push(command(lane, StreamCommand::SetSource(spec)));
        }
        Err(error) => state.complaint = Some(error.message),
    }
}

/// A source as people call it: a file by its name, a microphone by its id.
pub fn source_name(source: &str, language: Language) -> String {
    let main = |label: Label| label.line(language).into_owned();
    match source.split_once(':') {
        Some(("file" | "loop" | "fast", path)) => path.rsplit(['/', '\\']).next().unwrap_or(path).to_owned(),
        Some(("mic", id)) => id.to_owned(),
        _ if source == "demo" => main(labels::DEMO),
        _ if source == "mic" => main(labels::MICROPHONE),
        _ if source == "whip" => main(labels::BROWSER),
        _ => source.to_owned(),
    }
}

/// How the stream stands, as a dot and a text; under it since when, or why.
fn connection(ui: &mut Ui, language: Language, lane: &LaneView) {
    let color = state_color(lane.connection);
    let detail = match lane.connection {
        ConnectionState::Connected if lane.is_silent => labels::MUTED.pair(language).0.to_owned(),
        ConnectionState::Connected => format::clock(lane.connected_secs),
        _ => lane.reason.unwrap_or_default().to_owned(),
    };
    let detail_color =
        if lane.connection == ConnectionState::Connected && !lane.is_silent { theme::MUTED } else { theme::AMBER };
    let (rect, response) = ui.allocate_exact_size(vec2(138.0, HEIGHT), Sense::hover());
    let state = widgets::line(ui, labels::state(lane.connection).line(language), size::SMALL, color, 122.0);
    let below = widgets::line(ui, detail.as_str(), size::CAPTION, detail_color, 122.0);
    let is_cut = below.elided;
    let y = if detail.is_empty() { rect.center().y } else { rect.center().y - 8.0 };
    widgets::dot(ui, pos2(rect.left() + 6.0, y), color);
    ui.painter().galley(pos2(rect.left() + 16.0, y - state.size().y / 2.0), state, color);
    ui.painter().galley(pos2(rect.left() + 16.0, rect.center().y + 9.0 - below.size().y / 2.0), below, detail_color);
    if is_cut {
        response.on_hover_text(detail);
    }
}

/// The colour that a connection state has everywhere.
pub fn state_color(state: ConnectionState) -> Color32 {
    match state {
        ConnectionState::Connected => theme::TEAL,
        ConnectionState::Opening => theme::MIST,
        ConnectionState::Stalled => theme::AMBER,
        ConnectionState::Lost => theme::CORAL,
        ConnectionState::Idle | ConnectionState::Closed => theme::MUTED,
    }
}

fn switches(ui: &mut Ui, language: Language, lane: &LaneView, intents: &mut Vec<Intent>) {
    let (label, ask) =
        if lane.is_open() { (labels::CLOSE, StreamCommand::Close) } else { (labels::OPEN, StreamCommand::Open) };
    if widgets::button(ui, label, language, Weight::Plain, 66.0).clicked() {
        intents.push(command(lane, ask));
    }
    ui.add_space(4.0);
    ui.add_enabled_ui(!lane.is_recognised, |ui| {
        if widgets::button(ui, labels::START_RECOGNITION, language, Weight::Primary, 138.0).clicked() {
            intents.push(command(lane, StreamCommand::StartRecognition));
        }
    });
    ui.add_enabled_ui(lane.is_recognised, |ui| {
        if widgets::button(ui, labels::STOP_RECOGNITION, language, Weight::Ending, 62.0).clicked() {
            intents.push(command(lane, StreamCommand::StopRecognition));
        }
    });
    ui.add_space(4.0);
}

/// Hearing a file or the demo. A microphone is never heard here.
fn listen(
    ui: &mut Ui,
    language: Language,
    lane: &LaneView,
    monitor: &MonitorMirror,
    has_volume: bool,
    intents: &mut Vec<Intent>,
) {
    ui.add_enabled_ui(!lane.source.starts_with("mic"), |ui| {
        let weight = if monitor.is_on { Weight::Primary } else { Weight::Plain };
        if widgets::button(ui, labels::LISTEN, language, weight, 58.0).clicked() {
            intents.push(Intent::Monitor(MonitorIntent::SetOn(!monitor.is_on)));
        }
        if has_volume {
            let mut volume_db = monitor.volume_db;
            ui.spacing_mut().slider_width = 70.0;
            let slider = Slider::new(&mut volume_db, -60.0..=6.0).show_value(false).trailing_fill(true);
            let response = ui.add(slider).on_hover_text(format!("{volume_db:.0} dB"));
            if response.changed() {
                intents.push(Intent::Monitor(MonitorIntent::SetVolumeDb(volume_db.round())));
            }
        }
    });
}

/// Whether the picture shows the present; where it does not, a button back to it.
fn live(ui: &mut Ui, language: Language, is_live: bool) -> Response {
    let (label, color) = if is_live { (labels::LIVE, theme::TEAL) } else { (labels::LOOKING_BACK, theme::AMBER) };
    let width = 124.0;
    let (rect, response) = ui.allocate_exact_size(vec2(width, widgets::button_height(language)), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, labels::LIVE.en));
    let border = Stroke::new(1.0, if response.hovered() { color } else { theme::faded(color, 0.5) });
    ui.painter().rect(rect, CornerRadius::same(8), theme::faded(color, 0.12), border, StrokeKind::Inside);
    ui.painter().circle_filled(pos2(rect.left() + 14.0, rect.center().y), 4.0, color);
    let detail = if is_live { labels::LIVE.en } else { "L  End" };
    let detail = if is_live && language != Language::Both { "" } else { detail };
    let lines = [(label.pair(language).0, size::SMALL, color), (detail, 9.5, theme::MUTED)];
    let lines: Vec<_> = lines
        .into_iter()
        .filter(|line| !line.0.is_empty())
        .map(|(text, points, color)| (widgets::line(ui, text, points, color, width - 30.0), color))
        .collect();
    let height: f32 = lines.iter().map(|line| line.0.size().y).sum();
    let mut y = rect.center().y - height / 2.0;
    for (galley, color) in lines {
        let height = galley.size().y;
        ui.painter().galley(pos2(rect.left() + 25.0, y), galley, color);
        y += height;
    }
    if is_live { response } else { response.on_hover_text(labels::KEY_LIVE.line(language)) }
}

/// A button that shows a value under its caption.
fn two_lines(ui: &mut Ui, caption: &str, value: &str, color: Color32, width: f32, opens_menu: bool) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 36.0), Sense::click());
    let border = Stroke::new(1.0, if response.hovered() { theme::TEAL } else { theme::LINE });
    ui.painter().rect(rect, CornerRadius::same(8), theme::SURFACE, border, StrokeKind::Inside);
    let inner = width - if opens_menu { 32.0 } else { 20.0 };
    let top = widgets::line(ui, caption, 9.5, theme::MUTED, inner);
    let bottom = widgets::line(ui, value, size::BODY, color, inner);
    let y = rect.center().y - (top.size().y + bottom.size().y) / 2.0;
    let next = y + top.size().y;
    ui.painter().galley(pos2(rect.left() + 10.0, y), top, theme::MUTED);
    ui.painter().galley(pos2(rect.left() + 10.0, next), bottom, color);
    if opens_menu {
        let (x, y) = (rect.right() - 14.0, rect.center().y);
        let stroke = Stroke::new(1.5, theme::MUTED);
        ui.painter().line_segment([pos2(x - 4.0, y - 2.0), pos2(x, y + 2.0)], stroke);
        ui.painter().line_segment([pos2(x, y + 2.0), pos2(x + 4.0, y - 2.0)], stroke);
    }
    response
}

/// An intent for the stream of `lane`.
pub fn command(lane: &LaneView, command: StreamCommand) -> Intent {
    Intent::Stream(StreamIntent { stream: lane.key.clone(), command })
}
