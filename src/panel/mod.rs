//! The panels: egui over the picture. They read what the streams, the recogniser and the trainer mirror, and write nothing but
//! intents and their own state.

pub mod controls;
pub mod curve;
pub mod fonts;
pub mod format;
pub mod invitation;
pub mod keys;
pub mod labels;
pub mod lanes;
pub mod layout;
pub mod models;
pub mod recognition;
pub mod recording;
pub mod replay;
pub mod state;
pub mod status;
pub mod teach;
pub mod training;
pub mod widgets;

#[cfg(test)]
mod tests;

use bevy::{
    ecs::system::SystemParam,
    prelude::*,
    window::{PrimaryWindow, WindowMode},
};
use bevy_egui::{
    EguiContext, EguiPrimaryContextPass, PrimaryEguiContext,
    egui::{Id, LayerId, Ui, UiBuilder},
};

pub use state::{Intent, MonitorIntent, MonitorMirror, PanelState, WindowIntent};

use crate::{
    app::StatusMirror,
    config::Config,
    draw::{
        OverlaySystems, theme,
        view::{PlotArea, View},
    },
    recognise::{
        mirror::Models,
        service::{ModelIntent, ModelOffer},
    },
    server::ServerInfo,
    session::{
        SessionIntent,
        replay::{ReplayIntent, mirror::ReplayMirror},
    },
    stream::{IntentSystems, StreamIntent, StreamView, StreamViewItem},
    train::{
        mirror::{LossPoints, RunProgress},
        progress::Progress,
        teach::{
            handle::{TeachIntent, TeachReport},
            mirror::Teaching,
        },
        trainer::TrainingIntent,
    },
};
use state::{LaneView, Scene};

/// Where the panels are drawn, in egui's pass, before what is painted over the picture.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PanelSystems;

/// Adds the panels.
pub fn plugin(app: &mut App, config: &Config) {
    app.insert_resource(PanelState::new(config))
        .add_message::<WindowIntent>()
        .configure_sets(EguiPrimaryContextPass, PanelSystems.before(OverlaySystems))
        .add_systems(EguiPrimaryContextPass, draw_panels.in_set(PanelSystems))
        .add_systems(Update, apply_window_intents.in_set(IntentSystems));
}

/// The ways out of the panels.
#[derive(SystemParam)]
struct Intents<'w> {
    stream: MessageWriter<'w, StreamIntent>,
    training: MessageWriter<'w, TrainingIntent>,
    model: MessageWriter<'w, ModelIntent>,
    monitor: MessageWriter<'w, MonitorIntent>,
    replay: MessageWriter<'w, ReplayIntent>,
    window: MessageWriter<'w, WindowIntent>,
    session: MessageWriter<'w, SessionIntent>,
    teach: MessageWriter<'w, TeachIntent>,
}

impl Intents<'_> {
    fn write(&mut self, intent: Intent, view: &mut View) {
        match intent {
            Intent::Stream(intent) => drop(self.stream.write(intent)),
            Intent::Training(intent) => drop(self.training.write(intent)),
            Intent::Model(intent) => drop(self.model.write(intent)),
            Intent::Monitor(intent) => drop(self.monitor.write(intent)),
            Intent::Window(intent) => drop(self.window.write(intent)),
            Intent::Replay(command) => drop(self.replay.write(ReplayIntent(command))),
            Intent::Deselect => view.selection = None,
            Intent::Session(intent) => drop(self.session.write(intent)),
            Intent::Teach(intent) => drop(self.teach.write(intent)),
            Intent::GoLive => view.go_live(),
        }
    }
}

/// What the panels show.
#[derive(SystemParam)]
struct Mirrors<'w, 's> {
    streams: Query<'w, 's, StreamView>,
    training: Query<'w, 's, (&'static RunProgress, &'static LossPoints)>,
    models: Query<'w, 's, &'static Models>,
    teaching: Query<'w, 's, &'static Teaching>,
    monitor: Option<Res<'w, MonitorMirror>>,
    replay: Option<Res<'w, ReplayMirror>>,
    time: Res<'w, Time<Real>>,
    server: Option<Res<'w, ServerInfo>>,
    status: Option<Res<'w, StatusMirror>>,
}

fn draw_panels(
    mut context: Single<&mut EguiContext, With<PrimaryEguiContext>>,
    mirrors: Mirrors,
    mut state: ResMut<PanelState>,
    mut area: ResMut<PlotArea>,
    mut view: ResMut<View>,
    mut intents: Intents,
) {
    let context = context.get_mut();
    if !state.is_dressed {
        if !fonts::are_installed(context) {
            // Fonts come with the next pass; drawing with them before would be an error of egui's.
            theme::apply(context);
            fonts::install(context);
            return;
        }
        fonts::warm(context);
        state.is_dressed = true;
    }
    let status = mirrors.status.as_ref().map(|mirror| mirror.status());
    let uptime_secs = status.map_or(0.0, |status| status.uptime_secs);
    let mut streams: Vec<_> = mirrors.streams.iter().collect();
    streams.sort_by_key(|stream| stream.lane.order);
    let sources: Vec<String> = streams.iter().map(|stream| stream.source.0.to_string()).collect();
    let lanes = streams.iter().zip(&sources).map(|(stream, source)| lane_view(stream, source, uptime_secs));
    let lanes: Vec<LaneView> = lanes.collect();
    let invitation = mirrors.server.as_ref().and_then(|server| server.load().invitation());
    let (no_progress, no_models, no_teaching) = (Progress::default(), ModelOffer::default(), TeachReport::default());
    let training = mirrors.training.iter().next();
    let selection = view.selection.clone();
    let scene = Scene {
        lanes: &lanes,
        models: mirrors.models.iter().next().map_or(&no_models, |models| &models.0),
        teaching: mirrors.teaching.iter().next().map_or(&no_teaching, |teaching| &teaching.0),
        progress: training.map_or(&no_progress, |(progress, _)| progress.get()),
        curve: training.map_or(&[], |(_, points)| points.points()),
        monitor: mirrors.monitor.as_deref(),
        status,
        replay: mirrors.replay.as_ref().map(|replay| &*replay.0),
        selection: selection.as_ref(),
        span_secs: view.span_secs,
        now: mirrors.time.last_update().unwrap_or_else(std::time::Instant::now),
        invitation: invitation.as_deref(),
        is_live: view.is_live(),
    };
    let whole = UiBuilder::new().layer_id(LayerId::background()).max_rect(context.viewport_rect());
    let mut ui = Ui::new(context.clone(), Id::new("panels"), whole);
    let mut asked = Vec::new();
    recording::complaint(context, &scene);
    if !state.is_shown {
        recording::badge(context, &scene);
    }
    area.rect = Some(layout::show(&mut ui, &mut state, &scene, &mut asked));
    for intent in asked {
        intents.write(intent, &mut view);
    }
}

fn lane_view<'a>(stream: &'a StreamViewItem, source: &'a str, uptime_secs: f64) -> LaneView<'a> {
    let report = &stream.transcript.0;
    LaneView {
        key: &stream.stream.key,
        name: &stream.lane.name,
        is_muted: stream.lane.is_muted,
        source,
        connection: stream.connection.state(),
        reason: stream.connection.reason(),
        connected_secs: stream.connection.connected_secs(uptime_secs),
        is_silent: stream.level.is_silent,
        is_recognised: report.is_running,
        model: report.model.as_deref(),
        transcript: &report.transcript,
    }
}

fn apply_window_intents(
    mut intents: MessageReader<WindowIntent>,
    mut window: Option<Single<&mut Window, With<PrimaryWindow>>>,
) {
    for WindowIntent::ToggleFullscreen in intents.read() {
        if let Some(window) = &mut window {
            window.mode = match window.mode {
                WindowMode::Windowed => WindowMode::BorderlessFullscreen(MonitorSelection::Current),
                _ => WindowMode::Windowed,
            };
        }
    }
}
