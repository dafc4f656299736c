//! The app: the engine behind it, the schedules of a drawn frame before it, and the three ways to run: in a window, headless, or
//! headless with a picture.

mod frames;
mod gpuless;
mod run;

use std::time::Instant;

use bevy::{
    app::{MainScheduleOrder, ScheduleRunnerPlugin},
    ecs::schedule::ScheduleLabel,
    log::LogPlugin,
    prelude::*,
};

pub use frames::FrameClock;
pub use gpuless::gpuless_app;
pub use run::{RunOptions, Screenshot, has_display, offscreen_app, run, windowed_app};

use crate::{
    Result,
    engine::{Engine, EngineTasks},
    event::Event,
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
        crate::train::teach::mirror::plugin,
        crate::monitor::mirror::plugin,
        crate::session::replay::mirror::plugin,
        crate::session::mirror::plugin,
    ));
    app.add_systems(PreUpdate, (receive_status, receive_failures).in_set(ReceiveSystems));
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

/// What an owner could not mend alone stands in the log, also where there is no screen.
fn receive_failures(engine: Res<Engine>, mut seen: Local<u64>) {
    if engine.events().last_id() == *seen {
        return;
    }
    let (records, _missed) = engine.events().read_after(*seen, usize::MAX);
    for record in records {
        *seen = record.id;
        if let Event::Failure { owner, message } = &record.event {
            warn!("{owner}: {message}");
        }
    }
}

/// An app without a window: the same program without `Draw`, looking at its links `ticks_per_sec` times a second.
pub fn headless_app(engine: Engine, tasks: EngineTasks, ticks_per_sec: f64) -> App {
    let mut app = App::new();
    let wait = std::time::Duration::from_secs_f64(1.0 / ticks_per_sec);
    let log = LogPlugin { filter: "warn,seseragi=info".to_owned(), ..default() };
    app.add_plugins((MinimalPlugins.set(ScheduleRunnerPlugin::run_loop(wait)), log));
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
