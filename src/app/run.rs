//! Running the program: from options to an exit.

use std::{
    env,
    io::Write,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    time::Duration,
};

use bevy::{
    app::ScheduleRunnerPlugin,
    log::LogPlugin,
    prelude::*,
    window::{ExitCondition, PresentMode, WindowMode, WindowResolution},
    winit::{UpdateMode, WinitPlugin, WinitSettings},
};
use bevy_egui::EguiPlugin;
use bevy_framepace::{FramepacePlugin, FramepaceSettings, Limiter};

use super::{Draw, core_plugin, draw_plugin, frames::publish_frames, headless_app, start_engine};
use crate::{
    Error, Result,
    config::{Config, OnClose},
    engine::{Engine, EngineTasks},
    models::ModelStore,
    server::Server,
    session::replay::ReplayCommand,
    status::FrameStatus,
    status_file::StatusFile,
    train::trainer::TrainSpec,
    welcome::welcome,
};

/// What a run of the program is asked to do.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The settings.
    pub config: Config,
    /// Whether there is no window.
    pub is_headless: bool,
    /// A picture to take.
    pub screenshot: Option<Screenshot>,
    /// When to end by itself.
    pub exit_after: Option<Duration>,
    /// Where the status is written each second.
    pub status_json: Option<PathBuf>,
    /// A training run to start with.
    pub train: Option<TrainSpec>,
    /// What to ask of the replay at the start.
    pub replay: Vec<ReplayCommand>,
}

/// A picture to take.
#[derive(Clone, Debug)]
pub struct Screenshot {
    /// Where it is written, PNG.
    pub path: PathBuf,
    /// How long after the start.
    pub after: Duration,
}

/// Drawn frames a second when there is no window and frames are drawn for a picture only.
const OFFSCREEN_FPS: f64 = 5.0;
/// How often a headless program looks at its links.
const HEADLESS_TICKS_PER_SEC: f64 = 60.0;

/// Set by SIGINT and SIGTERM.
static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// When the program ends by itself.
#[derive(Resource)]
struct ExitAt(Duration);

/// Runs the program until it is closed or told to stop.
pub fn run(options: RunOptions) -> Result<()> {
    let models = ModelStore::standard()?;
    let (engine, tasks) = start_engine(options.config.clone(), models)?;
    let server = match options.config.server.is_on {
        true => Some(Server::start(engine.clone(), &options.config.server)?),
        false => None,
    };
    let status_file = options.status_json.clone().map(|path| StatusFile::start(path, engine.clone())).transpose()?;
    if let Some(spec) = options.train.clone() {
        engine.start_training(spec)?;
    }
    for command in options.replay.clone() {
        engine.replay().command(command)?;
    }
    let recorder = engine.recorder().clone();
    if let Some(server) = &server {
        // Whoever closed the standard output does not want to know.
        let _ = write!(std::io::stdout(), "{}", welcome(&server.info().load(), options.is_headless));
    }
    // A second handler in one process is an error of tests only, where nobody sends signals.
    let _ = ctrlc::set_handler(|| IS_STOPPED.store(true, Relaxed));
    let mut app = build(&options, engine, tasks);
    if let Some(after) = options.exit_after {
        app.insert_resource(ExitAt(after));
    }
    if let Some(server) = &server {
        app.insert_resource(server.info().clone());
    }
    if let Some(status_file) = status_file {
        app.insert_resource(status_file);
    }
    app.add_systems(Last, (exit_when_told, write_last_status).chain());
    let exit = app.run();
    recorder.finish();
    drop(server);
    match exit {
        AppExit::Success => Ok(()),
        AppExit::Error(_) => Err(Error::internal("the window or the GPU failed; the log above says how")),
    }
}

/// Whether there is a display to open a window on.
pub fn has_display() -> bool {
    !cfg!(all(unix, not(target_os = "macos")))
        || ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"]
            .iter()
            .any(|name| env::var_os(name).is_some_and(|v| !v.is_empty()))
}

fn build(options: &RunOptions, engine: Engine, tasks: EngineTasks) -> App {
    match (&options.screenshot, options.is_headless) {
        (None, true) => headless_app(engine, tasks, HEADLESS_TICKS_PER_SEC),
        (Some(_), true) => offscreen_app(options, engine, tasks),
        (_, false) => windowed_app(options, engine, tasks),
    }
}

/// What a drawing app is built of, with or without a window.
pub(super) fn drawing_plugins(window: Option<Window>, on_close: OnClose) -> bevy::app::PluginGroupBuilder {
    let exit_condition = match (&window, on_close) {
        (Some(_), OnClose::Exit) => ExitCondition::OnPrimaryClosed,
        _ => ExitCondition::DontExit,
    };
    DefaultPlugins
        .build()
        .set(WindowPlugin { primary_window: window, exit_condition, ..default() })
        .set(LogPlugin { filter: "warn,seseragi=info,wgpu=error,naga=warn".to_owned(), ..default() })
        .disable::<bevy::app::TerminalCtrlCHandlerPlugin>()
}

/// An app in a window.
pub fn windowed_app(options: &RunOptions, engine: Engine, tasks: EngineTasks) -> App {
    let settings = &options.config.window;
    let window = Window {
        title: "Seseragi せせらぎ".to_owned(),
        name: Some("seseragi".to_owned()),
        resolution: WindowResolution::new(settings.width, settings.height),
        mode: if settings.is_fullscreen {
            WindowMode::BorderlessFullscreen(MonitorSelection::Current)
        } else {
            WindowMode::Windowed
        },
        // Frames are paced by bevy_framepace; waiting for the display as well would only add latency.
        present_mode: PresentMode::AutoNoVsync,
        ..default()
    };
    let mut app = App::new();
    app.add_plugins(drawing_plugins(Some(window), settings.on_close)).insert_resource(WinitSettings {
        focused_mode: UpdateMode::Continuous,
        unfocused_mode: UpdateMode::Continuous,
    });
    add_drawing(&mut app, &options.config, engine, tasks);
    app.add_plugins(FramepacePlugin)
        .insert_resource(FramepaceSettings { limiter: Limiter::from_framerate(f64::from(settings.fps)) });
    if settings.on_close == OnClose::Headless {
        // After, or the last frame's figures would be told once more and stand for ever.
        app.add_systems(Last, go_headless.after(publish_frames));
    }
    if let Some(screenshot) = options.screenshot.clone() {
        crate::draw::screenshot_window(&mut app, screenshot);
    }
    app
}

/// An app without a window that draws into a picture.
pub fn offscreen_app(options: &RunOptions, engine: Engine, tasks: EngineTasks) -> App {
    let mut app = App::new();
    let wait = Duration::from_secs_f64(1.0 / OFFSCREEN_FPS);
    app.add_plugins(drawing_plugins(None, OnClose::Headless).disable::<WinitPlugin>())
        .add_plugins(ScheduleRunnerPlugin::run_loop(wait));
    add_drawing(&mut app, &options.config, engine, tasks);
    if let Some(screenshot) = options.screenshot.clone() {
        let size = UVec2::new(options.config.window.width, options.config.window.height);
        crate::draw::screenshot_offscreen(&mut app, screenshot, size);
    }
    app
}

pub(super) fn add_drawing(app: &mut App, config: &Config, engine: Engine, tasks: EngineTasks) {
    core_plugin(app, engine, tasks);
    draw_plugin(app);
    app.add_plugins(EguiPlugin::default());
    crate::draw::plugin(app, &config.window);
    crate::panel::plugin(app, config);
}

/// Once the window is closed: no more `Draw`, no camera for the GPU and egui to draw on, and turns by the clock, because without
/// a window no event of the window system wakes the loop any more.
fn go_headless(
    windows: Query<(), With<Window>>,
    cameras: Query<Entity, With<Camera>>,
    engine: Res<Engine>,
    mut schedules: ResMut<Schedules>,
    mut winit: ResMut<WinitSettings>,
    mut commands: Commands,
) {
    if !windows.is_empty() || schedules.remove(Draw).is_none() {
        return;
    }
    cameras.iter().for_each(|camera| commands.entity(camera).despawn());
    let turns = UpdateMode::reactive_low_power(Duration::from_secs_f64(1.0 / HEADLESS_TICKS_PER_SEC));
    *winit = WinitSettings { focused_mode: turns, unfocused_mode: turns };
    let frames = *engine.frames().load();
    engine.frames().publish(FrameStatus { drawn: frames.drawn, ..FrameStatus::default() });
    info!("the window is closed; the program goes on without it");
}

/// The last status is that of a program that still runs: with its tasks and its streams.
fn write_last_status(mut exits: MessageReader<AppExit>, file: Option<ResMut<StatusFile>>) {
    if let Some(mut file) = file
        && exits.read().next().is_some()
    {
        file.finish();
    }
}

fn exit_when_told(
    time: Res<Time<Real>>,
    at: Option<Res<ExitAt>>,
    engine: Res<Engine>,
    mut exit: MessageWriter<AppExit>,
) {
    if IS_STOPPED.load(Relaxed) || at.is_some_and(|at| time.elapsed() >= at.0) {
        // While the recogniser still runs, so that what it says of the last words is recorded too.
        engine.recorder().finish();
        exit.write(AppExit::Success);
    }
}
