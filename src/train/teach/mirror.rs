//! Teaching as the ECS sees it: its intents, and the component that shows how it stands.

use std::sync::Arc;

use bevy::prelude::*;

use super::handle::{TeachIntent, TeachReport};
use crate::engine::Engine;
use crate::stream::{IntentSystems, ReceiveSystems};

/// How teaching stands.
#[derive(Component, Clone, Debug)]
pub struct Teaching(pub Arc<TeachReport>);

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<TeachIntent>()
        .add_systems(PreUpdate, receive_report.in_set(ReceiveSystems))
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

/// Spawns what shows it.
pub(crate) fn connect(app: &mut App, engine: &Engine) {
    app.world_mut().spawn(Teaching(engine.teacher().report().load()));
}

fn receive_report(engine: Res<Engine>, mut mirrors: Query<&mut Teaching>) {
    let report = engine.teacher().report().load();
    for mut teaching in &mut mirrors {
        if !Arc::ptr_eq(&teaching.0, &report) {
            teaching.0 = report.clone();
        }
    }
}

fn apply_intents(mut intents: MessageReader<TeachIntent>, engine: Res<Engine>) {
    for intent in intents.read() {
        engine.teacher().command(&engine, intent.clone());
    }
}
