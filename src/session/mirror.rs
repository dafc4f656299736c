//! Recording as the ECS sees it: its intents. How it stands is in the status.

use bevy::prelude::*;

use super::handle::SessionIntent;
use crate::{engine::Engine, event::Event, stream::IntentSystems};

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<SessionIntent>().add_systems(Update, apply_intents.in_set(IntentSystems));
}

fn apply_intents(mut intents: MessageReader<SessionIntent>, engine: Res<Engine>) {
    for intent in intents.read() {
        if let Err(error) = engine.command_session(intent.clone()) {
            engine.events().publish(Event::Failure { owner: "record".into(), message: error.message });
        }
    }
}
