//! The app: the engine behind it, the schedules of a drawn frame before it, and the three ways to run: in a window, headless, or
//! headless with a picture.

mod frames;
mod gpuless;
mod run;

use std::time::Instant;

use bevy::{
    app::{MainScheduleOrder, ScheduleRunnerPlugin},
    ecs::schedule::ScheduleLabel,
    prelude::*,
};

pub use frames::FrameClock;
pub use gpuless::gpuless_app;
pub use run::{RunOptions, Screenshot, has_display, offscreen_app, run, windowed_app};

use crate::{
    Result,
    engine::{Engine, EngineTasks},
    status::Status,
    stream::{self, IntentSystems, ReceiveSystems},
};

/// Drawing, after `Update`. Its systems read; what they may write is a list by name in `tests/isolation`.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Draw;

/// How everything stood a moment ago, for the panels.
#[derive(Resource)]
pub struct StatusMirror {
    status: Status,
    due: Instant,
}

impl StatusMirror {
    /// The status.
    pub fn status(&self) -> &Status {
        &self.status
    }
}

/// How often the mirror of the status is renewed.
const STATUS_EVERY: std::time::Duration = std::time::Duration::from_millis(250);

/// Everything but drawing: the mirror of the engine in `PreUpdate`, the intents in `Update`.
pub fn core_plugin(app: &mut App, engine: Engine, tasks: EngineTasks) {
    app.configure_sets(PreUpdate, ReceiveSystems).configure_sets(Update, IntentSystems);
    let now = Instant::now();
    app.insert_resource(StatusMirror { status: engine.status(now), due: now });
    app.add_plugins((
        stream::plugin,
        crate::recognise::mirror::plugin,
        crate::train::mirror::plugin,
        crate::monitor::mirror::plugin,
    ));
    app.add_systems(PreUpdate, receive_status.in_set(ReceiveSystems));
    stream::connect(app, engine, tasks);
}

/// Adds the `Draw` schedule and the count of drawn frames.
pub fn draw_plugin(app: &mut App) {
    app.init_schedule(Draw);
    app.world_mut().resource_mut::<MainScheduleOrder>().insert_after(Update, Draw);
    app.add_plugins(frames::plugin);
}

fn receive_status(engine: Res<Engine>, mut mirror: ResMut<StatusMirror>) {
    let now = Instant::now();
    if now >= mirror.due {
        *mirror = StatusMirror { status: engine.status(now), due: now + STATUS_EVERY };
    }
}

/// An app without a window: the same program without `Draw`, looking at its links `ticks_per_sec` times a second.
pub fn headless_app(engine: Engine, tasks: EngineTasks, ticks_per_sec: f64) -> App {
    let mut app = App::new();
    let wait = std::time::Duration::from_secs_f64(1.0 / ticks_per_sec);
    app.add_plugins(MinimalPlugins.set(ScheduleRunnerPlugin::run_loop(wait)));
    core_plugin(&mut app, engine, tasks);
    app
}

/// Starts the engine with the lanes of its settings, opened and recognised as these say.
pub fn start_engine(config: crate::config::Config, models: crate::models::ModelStore) -> Result<(Engine, EngineTasks)> {
    use crate::stream::StreamCommand;
    let (engine, tasks) = Engine::start(config, models, Instant::now())?;
    for lane in engine.config().lanes.clone() {
        engine.add_stream(lane.key.clone(), lane.source, lane.gain_db)?;
        if lane.is_recognised {
            engine.command_stream(&lane.key, StreamCommand::StartRecognition)?;
        }
        if lane.is_open {
            engine.command_stream(&lane.key, StreamCommand::Open)?;
        }
    }
    Ok((engine, tasks))
}
