//! Keys. They end in the same intents as the buttons, and none acts while somebody writes into a box.

use bevy_egui::egui::{Align, Align2, Context, Event, FocusDirection, Key, Modifiers, Window, vec2};

use super::{
    controls::command,
    labels::{self, Label},
    layout, recording,
    state::{Intent, LaneView, MonitorIntent, PanelState, Scene, WindowIntent},
    training, widgets,
    widgets::size,
};
use crate::{
    draw::theme,
    session::SessionIntent,
    stream::StreamCommand,
    train::{progress::Phase, trainer::TrainingIntent},
};

/// What a key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deed {
    Panels,
    Keys,
    Status,
    Lanes,
    Invitation,
    Fullscreen,
    Escape,
    Open,
    Recognise,
    Listen,
    Train,
    Pause,
    Refresh,
    Sessions,
    Teach,
    Record,
    Keep,
}

/// All keys but the digits, which choose a stream, and the ones of the picture; with the names people see on them.
const KEYS: [(Deed, &[Key], &str, Label); 17] = [
    (Deed::Open, &[Key::O], "O", labels::KEY_OPEN),
    (Deed::Recognise, &[Key::R], "R", labels::KEY_RECOGNITION),
    (Deed::Listen, &[Key::M], "M", labels::KEY_LISTEN),
    (Deed::Train, &[Key::T], "T", labels::KEY_TRAINING),
    (Deed::Pause, &[Key::P], "P", labels::KEY_PAUSE),
    (Deed::Record, &[Key::C], "C", labels::KEY_RECORD),
    (Deed::Keep, &[Key::K], "K", labels::KEY_KEEP),
    (Deed::Refresh, &[Key::F5], "F5", labels::KEY_REFRESH),
    (Deed::Panels, &[Key::Tab], "Tab", labels::KEY_PANELS),
    (Deed::Lanes, &[Key::F2], "F2", labels::KEY_LANES),
    (Deed::Status, &[Key::F3], "F3", labels::KEY_STATUS),
    (Deed::Invitation, &[Key::F4], "F4", labels::KEY_INVITATION),
    (Deed::Sessions, &[Key::F6], "F6", labels::KEY_SESSIONS),
    (Deed::Teach, &[Key::F7], "F7", labels::TEACHING),
    (Deed::Fullscreen, &[Key::F11], "F11", labels::KEY_FULLSCREEN),
    (Deed::Keys, &[Key::F1, Key::Questionmark], "F1  ?", labels::KEY_HELP),
    (Deed::Escape, &[Key::Escape], "Esc", labels::KEY_ESCAPE),
];

const DIGITS: [Key; 9] =
    [Key::Num1, Key::Num2, Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];

/// Takes the keys pressed since the last frame. Says whether the newest progress is to be shown now.
pub fn apply(ctx: &Context, state: &mut PanelState, scene: &Scene, intents: &mut Vec<Intent>) -> bool {
    if ctx.text_edit_focused() {
        return false;
    }
    let mut refreshes = false;
    let lane = scene.lane(state);
    for (deed, keys, ..) in KEYS {
        if !keys.iter().any(|&key| is_pressed(ctx, key)) {
            continue;
        }
        match deed {
            Deed::Panels => {
                state.is_shown = !state.is_shown;
                // egui would move the focus with the same key.
                ctx.memory_mut(|memory| memory.move_focus(FocusDirection::None));
            }
            Deed::Keys => state.shows_keys = !state.shows_keys,
            Deed::Status => state.shows_status = !state.shows_status,
            Deed::Lanes => state.shows_lanes = !state.shows_lanes,
            Deed::Invitation => state.shows_invitation = !state.shows_invitation,
            Deed::Escape if state.shows_keys => state.shows_keys = false,
            Deed::Escape if state.shows_invitation => state.shows_invitation = false,
            Deed::Escape if state.shows_lanes => state.shows_lanes = false,
            Deed::Escape if state.shows_teaching => state.shows_teaching = false,
            Deed::Escape => state.shows_status = false,
            Deed::Fullscreen => intents.push(Intent::Window(WindowIntent::ToggleFullscreen)),
            Deed::Refresh => refreshes = true,
            Deed::Teach => state.shows_teaching = !state.shows_teaching,
            Deed::Sessions => state.shows_sessions = !state.shows_sessions,
            Deed::Record => intents.push(Intent::Session(recording::toggle(scene))),
            Deed::Keep => intents.push(Intent::Session(SessionIntent::Keep)),
            Deed::Listen => {
                if let (Some(monitor), Some(lane)) = (scene.monitor, lane)
                    && !lane.source.starts_with("mic")
                {
                    intents.push(Intent::Monitor(MonitorIntent::SetOn(!monitor.is_on)));
                }
            }
            Deed::Open | Deed::Recognise => intents.extend(lane.map(|lane| command(lane, of_stream(deed, lane)))),
            Deed::Train | Deed::Pause => {
                intents.extend(of_training(deed, scene.progress.phase, state).map(Intent::Training))
            }
        }
    }
    for (key, lane) in DIGITS.into_iter().zip(scene.lanes) {
        if is_pressed(ctx, key) {
            state.lane = Some(lane.key.clone());
        }
    }
    refreshes
}

/// A key held down acts once; one with a modifier is somebody else's, but for Shift where a sign needs it.
fn is_pressed(ctx: &Context, key: Key) -> bool {
    ctx.input(|input| {
        input.events.iter().any(|event| match event {
            Event::Key { key: pressed, pressed: true, repeat: false, modifiers, .. } => {
                *pressed == key && (*modifiers == Modifiers::NONE || key == Key::Questionmark && modifiers.shift_only())
            }
            _ => false,
        })
    })
}

fn of_stream(deed: Deed, lane: &LaneView) -> StreamCommand {
    match (deed, lane.is_open(), lane.is_recognised) {
        (Deed::Open, true, _) => StreamCommand::Close,
        (Deed::Open, false, _) => StreamCommand::Open,
        (_, _, true) => StreamCommand::StopRecognition,
        (_, _, false) => StreamCommand::StartRecognition,
    }
}

fn of_training(deed: Deed, phase: Phase, state: &PanelState) -> Option<TrainingIntent> {
    match (deed, phase) {
        (Deed::Train, phase) if phase.is_active() => Some(TrainingIntent::Stop),
        (Deed::Train, _) => Some(TrainingIntent::Start(training::spec(state))),
        (_, Phase::Running) => Some(TrainingIntent::Pause),
        (_, Phase::Paused) => Some(TrainingIntent::Resume),
        _ => None,
    }
}

/// Explains the keys in a window over the picture.
pub fn show(ctx: &Context, state: &mut PanelState) {
    let language = state.language;
    let mut is_open = state.shows_keys;
    Window::new(labels::KEYS.line(language))
        .open(&mut is_open)
        .anchor(Align2::CENTER_CENTER, vec2(0.0, 0.0))
        .frame(layout::overlay())
        .collapsible(false)
        .resizable(false)
        .show(ctx, |ui| {
            ui.set_width(440.0);
            ui.spacing_mut().item_spacing = vec2(14.0, 7.0);
            let mouse = |label: Label, key: &str| format!("{}  {key}", label.pair(language).0);
            // The picture's own keys and the mouse over it.
            let of_picture = [
                ("1–9".to_owned(), labels::KEY_LANE),
                ("L  End".to_owned(), labels::KEY_LIVE),
                (mouse(labels::DRAG, "← →"), labels::KEY_BACK),
                (mouse(labels::WHEEL, "+ −"), labels::KEY_ZOOM),
                (labels::SPACE.pair(language).0.to_owned(), labels::KEY_SPACE),
                ("[  ]".to_owned(), labels::KEY_JUMP),
                (mouse(labels::DRAG, "Shift"), labels::KEY_BOX),
            ];
            for (name, label) in KEYS.iter().map(|key| (key.2.to_owned(), key.3)).chain(of_picture) {
                ui.horizontal(|ui| {
                    widgets::text(ui, name, size::BODY, theme::TEAL, 128.0, Align::Max);
                    widgets::label(ui, label, language, size::BODY, theme::TEXT);
                });
            }
        });
    state.shows_keys = is_open;
}
