//! The replay as the ECS sees it: its lanes as entities with the components of a stream, and how it stands.

use std::{sync::Arc, time::Instant};

use bevy::{prelude::*, tasks::Task};

use super::{OpenSession, PlayClock, ReplayIntent, ReplayReport, Window};
use crate::{
    engine::Engine,
    event::Event,
    stream::{Gaps, IntentSystems, LaneInfo, LaneTranscript, Level, ReceiveSystems, Spectrogram, Stream, Waveform},
};

/// The job that replays. Its task is a component of this entity: dropping it ends the replay.
#[derive(Component, Debug)]
pub struct Replay {
    _task: Task<()>,
}

/// How the replay stands.
#[derive(Resource, Clone, Debug)]
pub struct ReplayMirror(pub Arc<ReplayReport>);

/// A lane of a session: where it plays.
#[derive(Component, Clone, Debug, PartialEq)]
pub struct Playhead {
    /// Its number in the session.
    pub lane: usize,
    /// Where the session plays.
    pub clock: PlayClock,
    /// What the lane's clock shows at 0 of the session.
    pub offset_secs: f64,
}

/// What a lane's components were made of. Only the systems here see it.
#[derive(Component)]
struct Shown {
    session: Arc<OpenSession>,
    window: Arc<Window>,
}

pub(crate) fn plugin(app: &mut App) {
    app.add_message::<ReplayIntent>()
        .add_systems(PreUpdate, (receive_session, receive_windows).chain().in_set(ReceiveSystems))
        .add_systems(Update, apply_intents.in_set(IntentSystems));
}

/// Hands the job to the app. What it has open already is seen in the first turn.
pub(crate) fn connect(app: &mut App, task: Task<()>) {
    app.insert_resource(ReplayMirror(Arc::default()));
    app.world_mut().spawn(Replay { _task: task });
}

/// Lanes come with a session and leave with it.
fn receive_session(
    engine: Res<Engine>,
    mut mirror: ResMut<ReplayMirror>,
    lanes: Query<(Entity, &Shown)>,
    mut commands: Commands,
) {
    let report = engine.replay().report();
    if Arc::ptr_eq(&report, &mirror.0) {
        return;
    }
    let is_same = |shown: &Shown| report.session.as_ref().is_some_and(|session| Arc::ptr_eq(session, &shown.session));
    lanes.iter().filter(|(_, shown)| !is_same(shown)).for_each(|(entity, _)| commands.entity(entity).despawn());
    if let (Some(session), Some(clock)) = (&report.session, &report.clock)
        && !lanes.iter().any(|(_, shown)| is_same(shown))
    {
        for (lane, info) in session.lanes.iter().enumerate() {
            let window = report.windows[lane].clone();
            let playhead = Playhead { lane, clock: clock.clone(), offset_secs: session.offsets_secs[lane] };
            commands.spawn((
                Stream { key: info.record.key.clone(), sample_rate_hz: info.record.sample_rate_hz },
                LaneInfo { name: info.record.name.as_str().into(), order: lane, is_muted: false },
                spectrogram(session, lane, &window),
                Waveform::of(window.sound.clone(), window.sound_joined),
                Level { dbfs: window.level_at(info, 0.0), is_silent: false, gain_db: 0.0 },
                Gaps::of(session.gaps[lane].clone()),
                LaneTranscript(window.report.clone()),
                playhead,
                Shown { session: session.clone(), window },
            ));
        }
    }
    mirror.0 = report;
}

type Lanes = (
    &'static mut Playhead,
    &'static mut Shown,
    &'static mut Spectrogram,
    &'static mut Waveform,
    &'static mut Level,
    &'static mut LaneTranscript,
);

fn receive_windows(mirror: Res<ReplayMirror>, mut lanes: Query<Lanes>, time: Res<Time<Real>>) {
    let report = &mirror.0;
    let now = time.last_update().unwrap_or_else(Instant::now);
    for (mut playhead, mut shown, mut spectrogram_of, mut waveform, mut level, mut transcript) in &mut lanes {
        let lane = playhead.lane;
        let (Some(clock), Some(window)) = (&report.clock, report.windows.get(lane)) else { continue };
        if playhead.clock != *clock {
            playhead.clock = clock.clone();
        }
        if !Arc::ptr_eq(&shown.window, window) {
            *spectrogram_of = spectrogram(&shown.session, lane, window);
            *waveform = Waveform::of(window.sound.clone(), window.sound_joined);
            transcript.0 = window.report.clone();
            shown.window = window.clone();
        }
        let heard = window.level_at(&shown.session.lanes[lane], clock.at(now) + playhead.offset_secs);
        level.set_if_neq(Level { dbfs: heard, is_silent: false, gain_db: 0.0 });
    }
}

fn spectrogram(session: &OpenSession, lane: usize, window: &Window) -> Spectrogram {
    let stft = session.lanes[lane].record.stft;
    Spectrogram::of(window.columns.clone(), stft.hop, stft.fft_size, window.columns_joined)
}

fn apply_intents(mut intents: MessageReader<ReplayIntent>, engine: Res<Engine>) {
    for ReplayIntent(command) in intents.read() {
        if let Err(error) = engine.replay().command(command.clone()) {
            engine.events().publish(Event::Failure { owner: "replay".into(), message: error.message });
        }
    }
}
