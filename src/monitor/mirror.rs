//! The monitor as the ECS sees it, and what is asked of it.

use bevy::prelude::*;

use super::Monitor;
use crate::stream::{IntentSystems, ReceiveSystems};

/// The listener's end. Only the systems here see it.
#[derive(Resource)]
struct Listening(Monitor);

/// Hearing a file or the demo, as the panels see it.
#[derive(Resource, Clone, Debug, PartialEq)]
pub struct MonitorMirror {
    /// Whether it is heard.
    pub is_on: bool,
    /// How loud, dB.
    pub volume_db: f32,
}

/// Something asked of the monitor.
#[derive(Message, Clone, Copy, Debug, PartialEq)]
pub enum MonitorIntent {
    /// Be heard or not.
    SetOn(bool),
    /// How loud, dB.
    SetVolumeDb(f32),
}

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<MonitorIntent>()
        .add_systems(PreUpdate, receive_monitor.in_set(ReceiveSystems))
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

/// Hands the listener's end to the app, switched on or off as the settings say.
pub(crate) fn connect(app: &mut App, mut monitor: Monitor, is_on: bool) {
    monitor.set_on(is_on);
    app.insert_resource(mirror_of(&monitor)).insert_resource(Listening(monitor));
}

fn mirror_of(monitor: &Monitor) -> MonitorMirror {
    MonitorMirror { is_on: monitor.is_on(), volume_db: monitor.volume_db() }
}

fn receive_monitor(listening: Res<Listening>, mut mirror: ResMut<MonitorMirror>) {
    mirror.set_if_neq(mirror_of(&listening.0));
}

fn apply_intents(mut intents: MessageReader<MonitorIntent>, mut listening: ResMut<Listening>) {
    for intent in intents.read() {
        match *intent {
            MonitorIntent::SetOn(is_on) => listening.0.set_on(is_on),
            MonitorIntent::SetVolumeDb(volume_db) => listening.0.set_volume_db(volume_db),
        }
    }
}
