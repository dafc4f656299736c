//! How much one client may take: connections, requests a second, lanes. A client is an address; of IPv6 the first 64 bits, which
//! is what one household has.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::net::TcpStream;

use super::access::Door;

/// What one client may take.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Limits {
    connections: usize,
    lanes: usize,
    requests_per_sec: f64,
    burst: f64,
}

/// Programs of this machine.
const LOOPBACK: Limits = Limits { connections: 256, lanes: 16, requests_per_sec: 500.0, burst: 1000.0 };
/// A phone: a page, its events, its lane.
const NETWORK: Limits = Limits { connections: 32, lanes: 2, requests_per_sec: 25.0, burst: 100.0 };
/// Clients that are remembered; more only while each has a connection open.
const REMEMBERED: usize = 1024;
/// Connections of all clients together.
const CONNECTIONS: usize = 1024;

impl Door {
    fn limits(self) -> Limits {
        match self {
            Self::Loopback => LOOPBACK,
            Self::Network => NETWORK,
        }
    }
}

/// Who is here. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Clients {
    known: Arc<Mutex<HashMap<(IpAddr, bool), Client>>>,
}

/// What a client has taken.
#[derive(Debug)]
struct Client {
    connections: usize,
    lanes: usize,
    /// Requests that it may make at once; it fills up with time.
    requests: f64,
    filled: Instant,
}

impl Clients {
    fn with<T>(&self, who: Who, now: Instant, take: impl FnOnce(&mut Client, Limits) -> T) -> T {
        let limits = who.door.limits();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED {
            known.retain(|_, client| client.connections > 0 || client.lanes > 0);
        }
        let fresh = || Client { connections: 0, lanes: 0, requests: limits.burst, filled: now };
        let client = known.entry((who.ip, who.door == Door::Loopback)).or_insert_with(fresh);
        let since = now.saturating_duration_since(client.filled).as_secs_f64();
        client.requests = (client.requests + since * limits.requests_per_sec).min(limits.burst);
        client.filled = client.filled.max(now);
        take(client, limits)
    }

    fn connections(&self) -> usize {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).values().map(|client| client.connections).sum()
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Who {
    ip: IpAddr,
    door: Door,
}

impl Who {
    fn new(ip: IpAddr, door: Door) -> Self {
        let ip = match ip.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
            v4 => v4,
        };
        Self { ip, door }
    }
}

/// An open connection of a client, counted until it is dropped. Every request finds it among its extensions.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    open: Arc<Open>,
    local: IpAddr,
}

#[derive(Debug)]
struct Open {
    clients: Clients,
    who: Who,
}

impl Visit {
    /// Counts a new connection in.
    ///
    /// # Errors
    /// When its client, or all clients together, have as many as they may.
    pub(super) fn begin(clients: &Clients, stream: &TcpStream, door: Door) -> io::Result<Self> {
        Self::between(clients, stream.peer_addr()?.ip(), stream.local_addr()?.ip(), door, Instant::now())
            .ok_or_else(|| io::Error::from(io::ErrorKind::QuotaExceeded))
    }

    fn between(clients: &Clients, peer: IpAddr, local: IpAddr, door: Door, now: Instant) -> Option<Self> {
        let who = Who::new(peer, door);
        let is_full = clients.connections() >= CONNECTIONS;
        let is_in = clients.with(who, now, |client, limits| {
            let is_in = !is_full && client.connections < limits.connections;
            client.connections += usize::from(is_in);
            is_in
        });
        is_in.then(|| Self { open: Arc::new(Open { clients: clients.clone(), who }), local })
    }

    /// Through which door it came.
    pub(super) fn door(&self) -> Door {
        self.open.who.door
    }

    /// The address of this machine that it reached.
    pub(super) fn local(&self) -> IpAddr {
        self.local
    }

    /// Counts a request; false when there were too many of late.
    pub(super) fn may_ask(&self, now: Instant) -> bool {
        self.open.clients.with(self.open.who, now, |client, _| {
            let may = client.requests >= 1.0;
            client.requests -= f64::from(u8::from(may));
            may
        })
    }

    /// A lane for this client, counted until it is dropped; none when it has as many as it may.
    pub(super) fn lane(&self, now: Instant) -> Option<ClientLane> {
        let is_free = self.open.clients.with(self.open.who, now, |client, limits| {
            let is_free = client.lanes < limits.lanes;
            client.lanes += usize::from(is_free);
            is_free
        });
        is_free.then(|| ClientLane { clients: self.open.clients.clone(), who: self.open.who })
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.clients
            .with(self.who, Instant::now(), |client, _| client.connections = client.connections.saturating_sub(1));
    }
}

/// A lane that a client fills.
#[derive(Debug)]
pub(super) struct ClientLane {
    clients: Clients,
    who: Who,
}

impl Drop for ClientLane {
    fn drop(&mut self) {
        self.clients.with(self.who, Instant::now(), |client, _| client.lanes = client.lanes.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn visit(clients: &Clients, peer: &str, now: Instant) -> Option<Visit> {
        Visit::between(clients, ip(peer), ip("192.168.1.5"), Door::Network, now)
    }

    #[test]
    fn a_client_has_only_so_many_connections_and_others_have_their_own() {
        let (clients, now) = (Clients::default(), Instant::now());
        let mut open: Vec<_> = (0..NETWORK.connections).map(|_| visit(&clients, "192.168.1.9", now).unwrap()).collect();
        assert!(visit(&clients, "192.168.1.9", now).is_none());
        assert!(visit(&clients, "::ffff:192.168.1.9", now).is_none(), "the same client");
        assert!(visit(&clients, "192.168.1.10", now).is_some());
        let again = open.pop().unwrap();
        drop(again.clone());
        assert!(visit(&clients, "192.168.1.9", now).is_none(), "a request still holds it");
        drop(again);
        assert!(visit(&clients, "192.168.1.9", now).is_some());
        let _first = visit(&clients, "2001:db8::1", now).unwrap();
        let same = Who::new(ip("2001:db8::1"), Door::Network);
        assert_eq!(Who::new(ip("2001:db8::ffff:1"), Door::Network), same, "one household");
        assert_ne!(Who::new(ip("2001:db8:0:1::1"), Door::Network), same);
    }

    #[test]
    fn all_clients_together_have_only_so_many_connections() {
        let (clients, now) = (Clients::default(), Instant::now());
        let open: Vec<_> = (0..CONNECTIONS)
            .map(|i| visit(&clients, &format!("10.0.{}.{}", i / 32 / 256, i / 32 % 256), now).unwrap())
            .collect();
        assert!(visit(&clients, "10.1.0.0", now).is_none());
        drop(open);
        assert!(visit(&clients, "10.1.0.0", now).is_some());
    }

    #[test]
    fn requests_come_in_bursts_and_then_at_a_rate() {
        let (clients, now) = (Clients::default(), Instant::now());
        let one = visit(&clients, "192.168.1.9", now).unwrap();
        let count = |at| (0..10_000).filter(|_| one.may_ask(at)).count();
        assert_eq!(count(now), NETWORK.burst as usize);
        assert_eq!(count(now), 0);
        assert_eq!(count(now + Duration::from_secs(2)), 2 * NETWORK.requests_per_sec as usize);
        assert_eq!(count(now + Duration::from_secs(3600)), NETWORK.burst as usize);
        drop(one);
        let back = visit(&clients, "192.168.1.9", now + Duration::from_secs(3600)).unwrap();
        assert!(!back.may_ask(now + Duration::from_secs(3600)), "another connection is the same client");
    }

    #[test]
    fn a_client_has_only_so_many_lanes() {
        let (clients, now) = (Clients::default(), Instant::now());
        let one = visit(&clients, "192.168.1.9", now).unwrap();
        let lanes: Vec<_> = (0..NETWORK.lanes).map(|_| one.lane(now).unwrap()).collect();
        assert!(one.lane(now).is_none());
        drop(lanes);
        assert!(one.lane(now).is_some());
    }

    #[test]
    fn who_left_is_forgotten_when_many_come() {
        let (clients, now) = (Clients::default(), Instant::now());
        for i in 0..3 * REMEMBERED {
            drop(visit(&clients, &format!("10.0.{}.{}", i / 256, i % 256), now));
        }
        assert!(clients.known.lock().unwrap().len() <= REMEMBERED);
    }
}
