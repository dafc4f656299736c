//! The HTTP server. It speaks with the engine directly, so that it answers while no frame is drawn. This folder is the one place
//! that knows axum, and its thread the one place where tokio runs.
//!
//! Programs of this machine are served over HTTP on the loopback interface. Phones and other machines are served only where asked
//! for, over HTTPS, and must know a token. Every request of either passes one guard.

mod access;
mod api;
mod clients;
mod doors;
mod error;
mod events;
mod guard;
mod info;
mod lan;
mod page;
mod protocol;
mod socket;
mod tls;
mod whip;

use std::{net::SocketAddr, sync::Arc, thread::JoinHandle, time::Duration};

use axum::{Router, extract::DefaultBodyLimit, middleware, routing::get};
use axum_server::Control;
use bevy::ecs::resource::Resource;
use tokio::{
    runtime,
    sync::{Semaphore, watch},
};
use utoipa_axum::router::OpenApiRouter;

pub use info::{Places, ServerInfo};

use crate::{Error, Result, config::ServerConfig, engine::Engine, task::spawn_thread};
use access::Access;
use api::health::HealthWatch;
use clients::Clients;
use doors::Bound;
use lan::Lan;
use whip::Published;

/// The largest body of a request, bytes, where nothing else is said.
const MAX_BODY: usize = 64 * 1024;

/// How long requests under way may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// What every handler gets.
#[derive(Clone)]
struct Shared {
    engine: Engine,
    stop: watch::Receiver<bool>,
    health: Arc<HealthWatch>,
    /// Whose turn it is to have a file read.
    inference: Arc<Semaphore>,
    published: Arc<Published>,
}

impl Shared {
    fn new(engine: Engine, stop: watch::Receiver<bool>) -> Self {
        Self { engine, stop, health: Arc::default(), inference: Arc::new(Semaphore::new(1)), published: Arc::default() }
    }
}

/// The running server. It stops when this is dropped.
#[derive(Resource, Debug)]
pub struct Server {
    addr: SocketAddr,
    lan_addr: Option<SocketAddr>,
    info: ServerInfo,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `engine` as `config` says.
    ///
    /// # Errors
    /// When a port is taken, or the certificate or the token can be neither read nor made.
    pub fn start(engine: Engine, config: &ServerConfig) -> Result<Self> {
        let bound = Bound::loopback(config.port)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| Error::io("cannot start the HTTP server", &error))?;
        let lan = config.is_lan.then(|| runtime.block_on(Lan::prepare(&engine, config))).transpose()?;
        let (addr, lan_addr) = (bound.addr(), lan.as_ref().map(Lan::addr));
        let info = ServerInfo::new(
            format!("http://{addr}"),
            lan.as_ref().map(Lan::urls).unwrap_or_default(),
            lan.as_ref().map(Lan::token),
        );
        let access = Access {
            names: lan.as_ref().map(Lan::names).unwrap_or_default(),
            token: lan.as_ref().map(Lan::token),
            whip_origins: config.whip_origins.iter().map(|origin| origin.to_ascii_lowercase()).collect(),
        };
        let (stop, stopped) = watch::channel(false);
        let events = engine.events().clone();
        let routes = routes(Shared::new(engine, stopped.clone()), access);
        let moved = info.clone();
        let thread = spawn_thread("http", move || {
            if let Err(error) = runtime.block_on(serve(bound, lan, routes, moved, stopped)) {
                let message = format!("the HTTP server ended: {error}");
                events.publish(crate::event::Event::Failure { owner: "server".into(), message });
            }
        })?;
        Ok(Self { addr, lan_addr, info, stop, thread: Some(thread) })
    }

    /// Where it listens for programs of this machine.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Where it listens for other machines, if it does.
    pub fn lan_addr(&self) -> Option<SocketAddr> {
        self.lan_addr
    }

    /// Where it is reached, as far as people want to know.
    pub fn info(&self) -> &ServerInfo {
        &self.info
    }

    /// Stops: open event streams end, requests under way have a second to finish. Returns when the ports are free again.
    pub fn stop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has ended as well.
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn serve(
    bound: Bound,
    lan: Option<Lan>,
    routes: Router,
    info: ServerInfo,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let (clients, control) = (Clients::default(), Control::new());
    let loopback = bound.serve(routes.clone(), clients.clone(), control.clone());
    let network = async {
        match lan {
            Some(lan) => lan.serve(routes, clients, control.clone(), info).await,
            None => Ok(()),
        }
    };
    let stopped = async {
        // An error says that the sender is gone, and with it the server's owner.
        let _ = stop.wait_for(|is_stopped| *is_stopped).await;
        control.graceful_shutdown(Some(GRACE));
    };
    let ((), loopback, network) = tokio::join!(stopped, loopback, network);
    loopback.and(network)
}

/// Everything that is served. What is registered as `routes!` stands in `/api/openapi.json` as well.
fn routes(shared: Shared, access: Access) -> Router {
    let (router, openapi) =
        OpenApiRouter::with_openapi(api::description()).merge(api::routes()).merge(events::routes()).split_for_parts();
    let openapi = api::finish(openapi);
    router
        .merge(api::document(openapi))
        .route("/ws", get(socket::open))
        .merge(page::routes())
        .merge(whip::routes())
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state(Arc::new(access), guard::guard))
        .with_state(shared)
}
