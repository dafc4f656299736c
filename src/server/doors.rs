//! The doors: HTTP on the loopback interface and, where asked for, HTTPS on all of them. Both lead to the same routes.

use std::{
    future::{Ready, ready},
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Extension, Router};
use axum_server::{
    Control, Handle,
    accept::Accept,
    tls_rustls::{RustlsAcceptor, RustlsConfig},
};
use tokio::net::TcpStream;
use tower_layer::Layer;

use super::{
    access::Door,
    clients::{Clients, Visit},
};
use crate::{Error, ErrorKind, Result};

/// How long a client may take for its first request, and for the head of any.
const HEAD: Duration = Duration::from_secs(10);

/// A port that is held, and not served yet.
#[derive(Debug)]
pub(super) struct Bound {
    listener: TcpListener,
    addr: SocketAddr,
}

impl Bound {
    /// Holds `port` of the loopback interface; 0 takes any that is free.
    pub(super) fn loopback(port: u16) -> Result<Self> {
        let bound = Self::bind(Ipv4Addr::LOCALHOST.into(), port);
        bound.map_err(|error| refused(port, "of 127.0.0.1", "--port", &error))
    }

    /// Holds `port` of all interfaces; 0 takes any that is free.
    pub(super) fn network(port: u16) -> Result<Self> {
        // Where there is no IPv6, IPv4 alone has to do.
        let bound = Self::bind(Ipv6Addr::UNSPECIFIED.into(), port).or_else(|error| match error.kind() {
            io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied => Err(error),
            _ => Self::bind(Ipv4Addr::UNSPECIFIED.into(), port),
        });
        bound.map_err(|error| refused(port, "of this machine", "--lan-port", &error))
    }

    fn bind(ip: IpAddr, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((ip, port))?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        Ok(Self { listener, addr })
    }

    /// Where it listens.
    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Serves `routes` without encryption, on the loopback interface.
    pub(super) async fn serve(self, routes: Router, clients: Clients, control: Control) -> io::Result<()> {
        let gate = Gate { clients, door: Door::Loopback };
        let server = axum_server::from_tcp(self.listener)?.acceptor(gate);
        let mut server = server.handle(Handle::with_control(control)).first_request_timeout(HEAD);
        server.http_builder().http1().header_read_timeout(HEAD);
        server.serve(routes.into_make_service()).await
    }

    /// Serves `routes` with the certificate of `tls`, on all interfaces.
    pub(super) async fn serve_tls(
        self,
        routes: Router,
        tls: RustlsConfig,
        clients: Clients,
        control: Control,
    ) -> io::Result<()> {
        let gate = RustlsAcceptor::new(tls).acceptor(Gate { clients, door: Door::Network });
        let server = axum_server::from_tcp(self.listener)?.acceptor(gate);
        let mut server = server.handle(Handle::with_control(control)).first_request_timeout(HEAD);
        server.http_builder().http1().header_read_timeout(HEAD);
        server.serve(routes.into_make_service()).await
    }
}

fn refused(port: u16, place: &str, flag: &str, error: &io::Error) -> Error {
    let failed = Error::io(format_args!("cannot serve on port {port} {place}"), error);
    match failed.kind {
        ErrorKind::Busy => Error::busy(format!(
            "port {port} {place} is taken by another program: end that one, or choose another port with {flag} (0 takes any \
             that is free)"
        )),
        ErrorKind::Permission => Error::new(failed.kind, format!("{failed}: choose a port above 1023 with {flag}")),
        _ => failed,
    }
}

/// Counts every connection in and gives its requests the [`Visit`]; one too many is closed unheard.
#[derive(Clone, Debug)]
struct Gate {
    clients: Clients,
    door: Door,
}

/// A service whose requests carry their visit.
type Visited<S> = <Extension<Visit> as Layer<S>>::Service;

impl<S> Accept<TcpStream, S> for Gate {
    type Stream = TcpStream;
    type Service = Visited<S>;
    type Future = Ready<io::Result<(TcpStream, Visited<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        ready(Visit::begin(&self.clients, &stream, self.door).and_then(|visit| {
            // Events are small and wanted now.
            stream.set_nodelay(true)?;
            Ok((stream, Extension(visit).layer(service)))
        }))
    }
}
