//! The HTTP server on the loopback interface. It speaks with the engine directly, so that it answers while no frame is drawn.
//! This folder is the one place that knows axum, and its thread the one place where tokio runs.

mod api;
mod error;
mod events;
mod guard;

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    thread::JoinHandle,
    time::Duration,
};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{get, post},
};
use bevy::ecs::resource::Resource;
use tokio::{runtime, sync::watch};

use crate::{Error, ErrorKind, Result, engine::Engine, task::spawn_thread};

/// The largest body of a request, bytes.
const MAX_BODY: usize = 64 * 1024;

/// How long requests under way may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(1);

/// What every handler gets.
#[derive(Clone)]
struct Shared {
    engine: Engine,
    stop: watch::Receiver<bool>,
}

/// The running server. It stops when this is dropped.
#[derive(Resource, Debug)]
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves `engine` on `port` of the loopback interface; 0 takes any port that is free, and [`Server::addr`] says which.
    pub fn start(engine: Engine, port: u16) -> Result<Self> {
        let (listener, addr) = bind(port).map_err(|error| refused(port, &error))?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|error| Error::io("cannot start the HTTP server", &error))?;
        let (stop, stopped) = watch::channel(false);
        let events = engine.events().clone();
        let thread = spawn_thread("http", move || {
            if let Err(error) = runtime.block_on(serve(listener, Shared { engine, stop: stopped })) {
                let message = format!("the HTTP server ended: {error}");
                events.publish(crate::event::Event::Failure { owner: "server".into(), message });
            }
        })?;
        Ok(Self { addr, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops: open event streams end, requests under way have a second to finish. Returns when the port is free again.
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

fn bind(port: u16) -> std::io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

fn refused(port: u16, error: &std::io::Error) -> Error {
    let failed = Error::io(format_args!("cannot serve on port {port} of 127.0.0.1"), error);
    match failed.kind {
        ErrorKind::Busy => Error::busy(format!(
            "port {port} of 127.0.0.1 is taken by another program: end that one, or choose another port with --port (0 takes \
             any that is free)"
        )),
        ErrorKind::Permission => Error::new(failed.kind, format!("{failed}: choose a port above 1023 with --port")),
        _ => failed,
    }
}

async fn serve(listener: TcpListener, shared: Shared) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let stopped = async |mut stop: watch::Receiver<bool>| {
        // An error says that the sender is gone, and with it the server's owner.
        let _ = stop.wait_for(|is_stopped| *is_stopped).await;
    };
    let (stop, deadline) = (shared.stop.clone(), shared.stop.clone());
    let serving = axum::serve(listener, routes(shared)).with_graceful_shutdown(async move { stopped(stop).await });
    tokio::select! {
        result = serving => result,
        () = async move { stopped(deadline).await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

fn routes(shared: Shared) -> Router {
    Router::new()
        .route("/api/status", get(api::status))
        .route("/api/progress", get(api::progress))
        .route("/api/events", get(events::listen))
        .route("/api/train/start", post(api::start_training))
        .route("/api/train/stop", post(api::stop_training))
        .route("/api/train/pause", post(api::pause_training))
        .route("/api/train/resume", post(api::resume_training))
        .route("/api/streams/{key}/start", post(api::start_stream))
        .route("/api/streams/{key}/stop", post(api::stop_stream))
        .route("/api/streams/{key}/open", post(api::open_stream))
        .route("/api/streams/{key}/close", post(api::close_stream))
        .route("/api/models", get(api::models))
        .route("/api/models/{name}/use", post(api::use_model))
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(guard::only_from_here))
        .with_state(shared)
}
