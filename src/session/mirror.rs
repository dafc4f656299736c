//! Recording as the ECS sees it: its intents, and how it stands.

use std::sync::Arc;

use bevy::prelude::*;

use super::handle::{RecordingReport, SessionIntent};
use crate::{
    engine::Engine,
    event::Event,
    stream::{IntentSystems, ReceiveSystems},
};

/// How recording stands, for the panels.
#[derive(Resource, Clone, Debug, Default)]
pub struct Recording(pub Arc<RecordingReport>);

pub(crate) fn plugin(app: &mut App) {
    app.init_resource::<Recording>()
        .add_message::<SessionIntent>()
        .add_systems(PreUpdate, receive_recording.in_set(ReceiveSystems))
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

fn receive_recording(engine: Res<Engine>, mut recording: ResMut<Recording>) {
    let report = engine.recorder().report().load();
    if !Arc::ptr_eq(&recording.0, &report) {
        recording.0 = report;
    }
}

fn apply_intents(mut intents: MessageReader<SessionIntent>, engine: Res<Engine>) {
    for intent in intents.read() {
        if let Err(error) = engine.command_session(intent.clone()) {
            engine.events().publish(Event::Failure { owner: "record".into(), message: error.message });
        }
    }
}
