//! The life of lanes: they come, are named, moved, muted and go, while the program runs on.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use bevy::prelude::{App, Entity};
use seseragi::{
    ErrorKind,
    app::headless_app,
    config::Config,
    engine::Engine,
    models::ModelStore,
    source::SourceSpec,
    stream::{LaneInfo, MAX_STREAMS, Stream, StreamCommand, StreamIntent, StreamKey},
};

struct Bench {
    app: App,
    engine: Engine,
    _home: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
        let store = ModelStore::new(shipped, home.path().join("models"));
        let (engine, tasks) = Engine::start(Config::default(), store, Instant::now()).unwrap();
        let mut app = headless_app(engine.clone(), tasks, 60.0);
        app.finish();
        app.cleanup();
        Self { app, engine, _home: home }
    }

    fn add(&self, key: &str) -> seseragi::Result<()> {
        self.engine.add_stream(stream(key), SourceSpec::Demo, 0.0)
    }

    /// Turns the app until `is_so`.
    fn turn_until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            self.app.update();
            if is_so(self) {
                return;
            }
            assert!(Instant::now() < deadline, "{what} did not come");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Entities with their lanes, from top to bottom.
    fn lanes(&mut self) -> Vec<(Entity, String, String)> {
        let world = self.app.world_mut();
        let mut lanes: Vec<_> =
            world.query::<(Entity, &Stream, &LaneInfo)>().iter(world).map(|(e, s, l)| (l.order, e, s, l)).collect();
        lanes.sort_by_key(|(order, ..)| *order);
        lanes.iter().map(|(_, e, s, l)| (*e, s.key.to_string(), l.name.to_string())).collect()
    }

    /// Links and tasks by name.
    fn names(&self) -> Vec<String> {
        let status = self.engine.status(Instant::now());
        let links = status.links.iter().map(|link| link.name.to_string());
        let mut names: Vec<_> = links.chain(status.tasks.iter().map(|task| task.name.to_string())).collect();
        names.sort();
        names
    }
}

fn stream(key: &str) -> StreamKey {
    key.parse().unwrap()
}

#[test]
fn a_hundred_lanes_come_and_go_and_leave_nothing_behind() {
    let mut bench = Bench::new();
    bench.add("stays").unwrap();
    bench.turn_until("the first lane", |bench| bench.lanes().len() == 1);
    let (before, stays) = (bench.names(), bench.lanes()[0].0);
    for round in 0..100 {
        // The same key again and again: a new lane, never the old one.
        bench.turn_until("room for the key", |bench| bench.add("guest").is_ok());
        bench.engine.command_stream(&stream("guest"), StreamCommand::StartRecognition).unwrap();
        bench.engine.command_stream(&stream("guest"), StreamCommand::Open).unwrap();
        bench.turn_until("the guest", |bench| bench.lanes().len() == 2);
        match round % 2 {
            0 => bench.engine.remove_stream(&stream("guest")).unwrap(),
            // Whatever drops the pump ends the lane.
            _ => {
                let guest = bench.lanes()[1].0;
                bench.app.world_mut().despawn(guest);
            }
        }
        bench.turn_until("the end of the guest", |bench| bench.lanes().len() == 1);
    }
    bench.turn_until("the last link", |bench| bench.names() == before);
    assert_eq!(bench.lanes()[0].0, stays, "a lane that nobody removed is still the same entity");
    let error = bench.engine.remove_stream(&stream("guest")).unwrap_err();
    assert_eq!(error.kind, ErrorKind::NotFound);
    let (records, _) = bench.engine.events().read_after(0, usize::MAX);
    let failures: Vec<_> =
        records.iter().filter(|record| matches!(record.event, seseragi::event::Event::Failure { .. })).collect();
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn lanes_are_named_moved_and_removed_by_intents_and_the_next_one_over_the_limit_is_told() {
    let mut bench = Bench::new();
    for i in 0..MAX_STREAMS {
        bench.add(&format!("lane-{i}")).unwrap();
    }
    let error = bench.add("one-more").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("16 streams"), "{error}");
    bench.turn_until("all lanes", |bench| bench.lanes().len() == MAX_STREAMS);
    let intend = |bench: &mut Bench, key: &str, command| {
        bench.app.world_mut().write_message(StreamIntent { stream: stream(key), command });
    };
    intend(&mut bench, "lane-5", StreamCommand::SetName(" 花子 ".into()));
    intend(&mut bench, "lane-5", StreamCommand::MoveTo(0));
    intend(&mut bench, "lane-0", StreamCommand::MoveTo(99));
    intend(&mut bench, "lane-7", StreamCommand::Remove);
    bench.turn_until("what was asked", |bench| {
        let lanes = bench.lanes();
        lanes.len() == MAX_STREAMS - 1
            && (&*lanes[0].1, &*lanes[0].2) == ("lane-5", "花子")
            && lanes.last().unwrap().1 == "lane-0"
    });
    let status = bench.engine.status(Instant::now());
    assert_eq!((&*status.streams[0].name, status.streams[0].order, status.streams[1].order), ("花子", 0, 1));
    assert!(status.streams.iter().all(|stream| stream.key.as_str() != "lane-7" && !stream.is_muted));
    bench.add("one-more").unwrap();
}
