//! The trainer as the ECS sees it: its task, its intents, and the components that show the newest run.

use std::{sync::Arc, time::Instant};

use bevy::{prelude::*, tasks::Task};

use super::{
    progress::{CurveCursor, LossCurve, LossPoint, Phase, Progress},
    trainer::TrainingIntent,
};
use crate::{
    engine::Engine,
    event::Event,
    stream::{IntentSystems, ReceiveSystems},
};

/// The entity of the training. It is spawned once and shows one run after another; its task is a component of it, so that
/// dropping the entity ends the training.
#[derive(Component, Debug)]
pub struct TrainingRun;

/// The running trainer.
#[derive(Component, Debug)]
pub struct TrainingTask {
    _task: Task<()>,
}

/// Where the newest run is in its life. Immutable: another phase is inserted.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq)]
#[component(immutable)]
pub struct RunPhase(Phase);

impl RunPhase {
    /// The phase.
    pub fn phase(&self) -> Phase {
        self.0
    }
}

/// How the newest run stands.
#[derive(Component, Clone, Debug)]
pub struct RunProgress {
    progress: Arc<Progress>,
    seen_at: Instant,
}

impl RunProgress {
    /// The newest update.
    pub fn get(&self) -> &Progress {
        &self.progress
    }

    /// When it was seen first.
    pub fn seen_at(&self) -> Instant {
        self.seen_at
    }
}

/// The loss of every step of the newest run, as far back as it is kept.
#[derive(Component, Debug, Default)]
pub struct LossPoints {
    points: Vec<LossPoint>,
    cursor: CurveCursor,
}

impl LossPoints {
    /// The points, in the order of their steps.
    pub fn points(&self) -> &[LossPoint] {
        &self.points
    }
}

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<TrainingIntent>()
        .add_systems(PreUpdate, receive_progress.in_set(ReceiveSystems))
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

/// Hands the trainer's task to the app.
pub(crate) fn connect(app: &mut App, engine: &Engine, task: Task<()>) {
    let progress = engine.trainer().progress();
    let phase = RunPhase(progress.phase);
    let progress = RunProgress { progress, seen_at: Instant::now() };
    app.world_mut().spawn((TrainingRun, TrainingTask { _task: task }, phase, progress, LossPoints::default()));
}

fn receive_progress(
    engine: Res<Engine>,
    mut runs: Query<(Entity, &RunPhase, &mut RunProgress, &mut LossPoints)>,
    mut commands: Commands,
) {
    let newest = engine.trainer().progress();
    for (entity, phase, mut progress, mut loss) in &mut runs {
        if Arc::ptr_eq(&progress.progress, &newest) {
            continue;
        }
        if phase.0 != newest.phase {
            commands.entity(entity).insert(RunPhase(newest.phase));
        }
        *progress = RunProgress { progress: newest.clone(), seen_at: Instant::now() };
        let LossPoints { points, cursor } = &mut *loss;
        engine.trainer().loss_curve().read(cursor, points);
        let too_many = points.len().saturating_sub(LossCurve::CAPACITY);
        points.drain(..too_many);
    }
}

fn apply_intents(mut intents: MessageReader<TrainingIntent>, engine: Res<Engine>) {
    for intent in intents.read() {
        if let Err(error) = engine.command_training(intent.clone()) {
            engine.events().publish(Event::Failure { owner: "train".into(), message: error.message });
        }
    }
}
