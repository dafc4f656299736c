//! A screen without lanes of its own, with its server, for those who come to it over the network.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bevy::prelude::*;
use seseragi::{
    app::{Draw, draw_plugin, headless_app, start_engine},
    config::Config,
    engine::Engine,
    models::ModelStore,
    server::Server,
    status::{Status, StreamStatus},
    stream::{Stream, StreamView},
};
use tempfile::TempDir;

use crate::{load::OtherLoad, program::project};

const FPS: f64 = 60.0;
const LIMIT: Duration = Duration::from_secs(20);

/// A running program whose frames a test draws.
pub struct Screen {
    pub app: App,
    pub engine: Engine,
    server: Server,
    others: OtherLoad,
    due: Instant,
    _home: TempDir,
}

impl Screen {
    pub fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut config = Config { lanes: Vec::new(), ..Config::default() };
        config.server.port = 0;
        let store = ModelStore::new(project("assets/models"), home.path().join("models"));
        let (engine, tasks) = start_engine(config.clone(), store).unwrap();
        let server = Server::start(engine.clone(), &config.server).unwrap();
        let mut app = headless_app(engine.clone(), tasks, FPS);
        draw_plugin(&mut app);
        app.add_systems(Draw, draw_nothing);
        app.finish();
        app.cleanup();
        let others = OtherLoad::since_now(std::process::id());
        Self { app, engine, server, others, due: Instant::now(), _home: home }
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.addr())
    }

    /// The next drawn frame, when it is due; says whether it was.
    pub fn frame(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.due;
        if is_due {
            self.app.update();
            self.due = now + Duration::from_secs_f64(1.0 / FPS);
        }
        is_due
    }

    pub fn run_for(&mut self, secs: f64) {
        let end = Instant::now() + Duration::from_secs_f64(secs);
        while Instant::now() < end {
            self.frame();
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Draws until `is_so`, or fails.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + LIMIT;
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what} did not come; {:#?}", self.status().streams);
            self.run_for(0.02);
        }
    }

    pub fn status(&self) -> Status {
        self.engine.status(Instant::now())
    }

    /// The only lane.
    pub fn lane(&self) -> StreamStatus {
        let streams = self.status().streams;
        assert_eq!(streams.len(), 1, "{streams:#?}");
        streams.into_iter().next().unwrap()
    }

    /// The entity of the stream called `key`.
    pub fn entity(&mut self, key: &str) -> Option<Entity> {
        let world = self.app.world_mut();
        let mut streams = world.query::<(Entity, &Stream)>();
        streams.iter(world).find(|(_, stream)| stream.key.as_str() == key).map(|(entity, _)| entity)
    }

    /// The share of the machine that other programs took.
    pub fn others(&self) -> f64 {
        self.others.share()
    }
}

fn draw_nothing(streams: Query<StreamView>) {
    for stream in &streams {
        std::hint::black_box((stream.connection.state(), stream.stats, stream.level));
    }
}
