//! What drawing does to a stream: nothing. The same scripted source, with the draw schedule run 0, 1 and 100 times a turn, gives
//! the same log of events, the same sound and the same changes of components at the same turns.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use bevy::{
    ecs::{change_detection::Tick, schedule::SingleThreadedExecutor, world::EntityRef},
    prelude::*,
};
use half::f16;

use super::*;
use crate::{
    Error,
    app::{Draw, FrameClock},
    config::Config,
    engine::{Arrival, Engine, EngineTasks},
    models::ModelStore,
    recognise::service::LaneReport,
    source::{Format, Intake, Source, SourceSpec, SourceState},
    task::{Job, Pool, pool},
};

const RATE_HZ: u32 = 8000;
const TURN: Duration = Duration::from_millis(20);
const TURNS: u32 = 400;
const BLOCK: u32 = RATE_HZ / 50;

/// What the source does at a turn: everything that can happen to one, several times over.
fn deliver(turn: u32, now: Instant, intake: &mut Intake) -> SourceState {
    match turn {
        50 => intake.push_gap(7, GapCause::Overrun),
        // Silent until it counts as stalled, then again until it is opened anew.
        60..100 | 220..360 => {}
        120 => return SourceState::Failed(Error::unavailable("unplugged")),
        390 => return SourceState::Ended,
        _ => intake.push_block(Format { sample_rate_hz: RATE_HZ, channels: 1 }, now, |samples| {
            let noise = |i: u32| (i.wrapping_mul(2_654_435_761) >> 17) as f32 / 65536.0 - 0.25;
            samples.extend((turn * BLOCK..(turn + 1) * BLOCK).map(noise));
        }),
    }
    SourceState::Flowing
}

/// Whether the source can be opened at a turn.
fn is_there(turn: u32) -> bool {
    !(120..160).contains(&turn)
}

/// What people ask at a turn.
fn asked(turn: u32) -> Option<StreamCommand> {
    Some(match turn {
        5 => StreamCommand::Open,
        10 => StreamCommand::StartRecognition,
        110 => StreamCommand::SetGainDb(-3.0),
        190 => StreamCommand::StopRecognition,
        200 => StreamCommand::SetSource(SourceSpec::Demo),
        380 => StreamCommand::StartRecognition,
        395 => StreamCommand::Open,
        398 => StreamCommand::Close,
        _ => return None,
    })
}

/// The script as a source; the turn is told by whoever turns the clock.
struct Scripted(Arc<Mutex<u32>>);

impl Source for Scripted {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        deliver(*self.0.lock().unwrap(), now, intake)
    }
}

/// All that can be known of a stream from outside.
#[derive(Debug, Default, PartialEq)]
struct Log {
    /// The connection's history at the end.
    states: Vec<ConnectionState>,
    events: Vec<String>,
    /// What the recogniser was told.
    told: Vec<String>,
    /// The turns at which a component changed, and to what.
    changes: BTreeMap<&'static str, Vec<(u32, String)>>,
    samples: Vec<i16>,
    columns: Vec<f16>,
}

/// Notes changes by their ticks. The ticks themselves are no part of the log: every system that runs moves them on.
#[derive(Default)]
struct Noter {
    log: Log,
    ticks: BTreeMap<&'static str, Tick>,
}

impl Noter {
    fn note<C: Component>(&mut self, name: &'static str, stream: EntityRef, turn: u32, show: impl Fn(&C) -> String) {
        let component = stream.get_ref::<C>().expect("a stream has it from the start");
        if self.ticks.insert(name, component.last_changed()) != Some(component.last_changed()) {
            self.log.changes.entry(name).or_default().push((turn, show(&component)));
        }
    }

    fn note_all(&mut self, world: &mut World, turn: u32) {
        let stream = world.query_filtered::<EntityRef, With<Stream>>().single(world).unwrap();
        self.note::<Connection>("connection", stream, turn, |connection| format!("{:?}", connection.history().last()));
        self.note::<StreamStats>("stats", stream, turn, |stats| format!("{stats:?}"));
        self.note::<StreamSource>("source", stream, turn, |source| format!("{source:?}"));
        self.note::<Level>("level", stream, turn, |level| format!("{level:?}"));
        self.note::<Gaps>("gaps", stream, turn, |gaps| format!("{gaps:?}"));
        self.note::<Spectrogram>("columns", stream, turn, |columns| format!("{:?}", columns.history().range(0)));
        self.note::<Waveform>("samples", stream, turn, |samples| format!("{:?}", samples.history().range(0)));
        self.note::<LaneTranscript>("transcript", stream, turn, |_| String::new());
    }
}

/// Plays the script; each turn the pump ticks once, then, at every `app_every`th, the app, then drawing `draws` times.
fn play(draws: usize, app_every: u32, add_drawing: impl Fn(&mut App)) -> Log {
    let started = Instant::now();
    let (turn, links) = (Arc::new(Mutex::new(0)), LinkRegistry::default());
    let mut config = Config::default();
    (config.stream.sample_rate_hz, config.stream.fft_size, config.stream.hop) = (RATE_HZ, 256, 64);
    let nowhere = std::env::temp_dir().join("seseragi-no-models");
    let (engine, tasks) = Engine::start(config.clone(), ModelStore::new(nowhere.clone(), nowhere), started).unwrap();

    // The pump with links of its own, so that nothing but the script can write its log.
    let (commands, orders) = links.bounded("commands", Kind::All, 16);
    let (sound, told) = links.bounded("sound", Kind::All, 10_000);
    let (batches_in, batches) = links.bounded("columns", Kind::Recent, 1000);
    let settings = StreamSettings::new(&config, "test".parse().unwrap(), "file:script".parse().unwrap(), 0.0, started);
    let idle = PumpReport { connection: Connection::idle(0.0), ..PumpReport::new(&settings) };
    let (report, events) = (Latest::new(idle), EventHub::default());
    let out = PumpOutputs {
        batches: batches_in,
        sound,
        report: report.clone(),
        events: events.clone(),
        recorder: None,
        monitor: None,
    };
    let opener_turn = turn.clone();
    let opener: Opener = Box::new(move |_, _| match is_there(*opener_turn.lock().unwrap()) {
        true => Ok(Box::new(Scripted(opener_turn.clone()))),
        false => Err(Error::unavailable("no such device")),
    });
    let mut pump = Pump::new(settings, opener, orders, out).unwrap();

    let mut app = App::new();
    app.add_plugins(MinimalPlugins).add_plugins(plugin).init_schedule(Draw).init_resource::<FrameClock>();
    add_drawing(&mut app);
    app.edit_schedule(Draw, |schedule| {
        schedule.set_executor(SingleThreadedExecutor::new());
    });
    let (arrivals, arrived) = links.bounded("new streams", Kind::All, 1);
    let task = pool(Pool::Stream).spawn(async {});
    let lane = Latest::new(LaneReport::default());
    // A lane of the engine, with the pump of the script in the place of its own.
    engine.add_stream("test".parse().unwrap(), SourceSpec::Demo, 0.0).unwrap();
    let added = tasks.arrived.try_recv().unwrap();
    assert!(arrivals.send(Arrival { task, batches, pump: report, lane, ..added }).is_ok());
    connect(&mut app, engine, EngineTasks { arrived, ..tasks });
    app.finish();
    app.cleanup();

    let mut noter = Noter::default();
    for n in 0..TURNS {
        *turn.lock().unwrap() = n;
        if let Some(command) = asked(n) {
            assert!(commands.send(command).is_ok());
        }
        pump.tick(started + TURN * n);
        if n % app_every == app_every - 1 {
            app.update();
            noter.note_all(app.world_mut(), n);
            (0..draws).for_each(|_| app.world_mut().run_schedule(Draw));
            noter.note_all(app.world_mut(), n);
        }
    }
    let mut log = noter.log;
    let text = |record: &Arc<crate::event::Record>| serde_json::to_string(&**record).unwrap();
    log.events = events.read_after(0, usize::MAX).0.iter().map(text).collect();
    log.told = std::iter::from_fn(|| told.try_recv()).map(|message| format!("{message:?}")).collect();
    let world = app.world_mut();
    let (connection, columns, samples) = world.query::<(&Connection, &Spectrogram, &Waveform)>().single(world).unwrap();
    log.states = connection.history().iter().map(|transition| transition.state).collect();
    let (columns, samples) = (columns.history(), samples.history());
    log.columns = columns.runs(0, columns.range(0)).flat_map(|(_, run)| run.to_vec()).collect();
    log.samples = samples.samples(samples.range(0)).flat_map(|(_, run)| run.to_vec()).collect();
    log
}

/// What is drawn for real, as far as it needs no GPU: lanes, columns, peaks, counts.
fn real_drawing(app: &mut App) {
    crate::draw::plugin(app, &Config::default().window);
    app.add_systems(Draw, |streams: Query<StreamView>, changed: Query<&Connection, Changed<Connection>>| {
        for stream in &streams {
            std::hint::black_box((stream.connection.state(), stream.stats, stream.level, changed.iter().count()));
        }
    });
}

#[test]
fn drawing_never_once_or_a_hundred_times_a_turn_gives_the_same_log() {
    let never = play(0, 1, real_drawing);
    // The script did what it is for.
    use ConnectionState::{Closed, Connected, Idle, Lost, Opening, Stalled};
    let expected = [
        Idle, Opening, Connected, Stalled, Connected, Lost, Connected, Opening, Connected, Stalled, Lost, Connected,
        Closed, Opening, Connected, Closed,
    ];
    assert_eq!(never.states, expected);
    assert!(never.told.len() > 200 && never.samples.len() > 6 * RATE_HZ as usize && never.changes["level"].len() > 100);
    for draws in [1, 100] {
        let log = play(draws, 1, real_drawing);
        assert!(log == never, "{draws} draws a turn are noticed: {:#?}", first_difference(&never, &log));
    }
}

#[test]
fn a_screen_that_hardly_ever_turns_gives_the_same_events_and_sound() {
    let (every, rarely) = (play(1, 1, real_drawing), play(1, 50, real_drawing));
    assert_eq!(every.events, rarely.events);
    assert_eq!(every.told, rarely.told);
    assert!(every.samples.starts_with(&rarely.samples) && every.columns.starts_with(&rarely.columns));
    assert!(every.samples.len() - rarely.samples.len() < 2 * BLOCK as usize * 50, "the screen caught up");
}

#[test]
fn a_drawing_system_that_writes_is_noticed() {
    let honest = play(1, 1, real_drawing);
    for draws in [1, 100] {
        let log = play(draws, 1, |app| {
            real_drawing(app);
            app.add_systems(Draw, |mut levels: Query<&mut Level>| levels.iter_mut().for_each(|mut l| l.set_changed()));
        });
        assert!(log != honest);
    }
}

/// Where two logs part, for the message.
fn first_difference(a: &Log, b: &Log) -> Option<(String, String)> {
    let lines = |log: &Log| -> Vec<String> {
        let changes =
            log.changes.iter().flat_map(|(name, all)| all.iter().map(move |change| format!("{name} {change:?}")));
        changes.chain(log.events.iter().cloned()).chain(log.told.iter().cloned()).collect()
    };
    lines(a).into_iter().zip(lines(b)).find(|(a, b)| a != b)
}
