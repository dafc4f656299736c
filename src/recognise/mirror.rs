//! The recogniser as the ECS sees it: its task, its intents, and what it offers. What it heard is mirrored with each stream.

use std::sync::Arc;

use bevy::{prelude::*, tasks::Task};

use super::service::{ModelIntent, ModelOffer};
use crate::{
    engine::Engine,
    event::Event,
    stream::{IntentSystems, ReceiveSystems},
};

/// The recogniser of all lanes. Its task is a component of this entity: dropping it ends recognition.
#[derive(Component, Debug)]
pub struct Recogniser;

/// The running recogniser.
#[derive(Component, Debug)]
pub struct RecogniserTask {
    _task: Task<()>,
}

/// The models there are, and the better one that the trainer offers, if any.
#[derive(Component, Clone, Debug)]
pub struct Models(pub Arc<ModelOffer>);

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<ModelIntent>()
        .add_systems(PreUpdate, receive_models.in_set(ReceiveSystems))
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

/// Hands the recogniser's task to the app.
pub(crate) fn connect(app: &mut App, engine: &Engine, task: Task<()>) {
    let models = Models(engine.recogniser().offer().load());
    app.world_mut().spawn((Recogniser, RecogniserTask { _task: task }, models));
}

fn receive_models(engine: Res<Engine>, mut mirrors: Query<&mut Models>) {
    let offer = engine.recogniser().offer().load();
    for mut models in &mut mirrors {
        if !Arc::ptr_eq(&models.0, &offer) {
            models.0 = offer.clone();
        }
    }
}

fn apply_intents(mut intents: MessageReader<ModelIntent>, engine: Res<Engine>) {
    for intent in intents.read() {
        if let Err(error) = engine.command_models(intent.clone()) {
            engine.events().publish(Event::Failure { owner: "models".into(), message: error.message });
        }
    }
}
