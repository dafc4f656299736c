//! The engine and its server in this process, in a home of their own.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use seseragi::{
    config::{Config, ServerConfig},
    engine::{Arrival, Engine, EngineTasks},
    models::ModelStore,
    server::Server,
};
use tempfile::TempDir;

/// An engine that serves on a free port.
pub struct Served {
    pub engine: Engine,
    pub server: Server,
    pub home: TempDir,
    tasks: EngineTasks,
}

impl Served {
    /// With the lanes of the settings.
    pub fn start() -> Self {
        Self::with_server(&on_any_port())
    }

    /// Nothing happens in it but what a test does.
    pub fn without_streams() -> Self {
        Self::empty(&on_any_port())
    }

    /// With the lanes of the settings, and a server as `config` says.
    pub fn with_server(config: &ServerConfig) -> Self {
        let served = Self::empty(config);
        served.add_lanes();
        served
    }

    fn add_lanes(&self) {
        for lane in Config::default().lanes {
            self.engine.add_stream(lane.key, lane.source, lane.gain_db).unwrap();
        }
    }

    fn empty(config: &ServerConfig) -> Self {
        let home = tempfile::tempdir().unwrap();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
        let store = ModelStore::new(shipped, home.path().join("models"));
        let mut settings = Config::default();
        settings.record.dir = home.path().join("sessions");
        let (engine, tasks) = Engine::start(settings, store, Instant::now()).unwrap();
        let server = Server::start(engine.clone(), config).unwrap();
        Self { engine, server, home, tasks }
    }

    /// The next new stream, as the ECS would get it.
    pub fn arrival(&self) -> Option<Arrival> {
        self.tasks.arrived.try_recv()
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }
}

/// The settings of a server for this machine, on any port.
pub fn on_any_port() -> ServerConfig {
    ServerConfig { port: 0, ..Config::default().server }
}

/// Waits until `is_so`, or fails and says what did not come.
pub fn wait_for(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} did not come within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
