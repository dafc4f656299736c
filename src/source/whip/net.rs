//! The one UDP socket of all publishers and the one thread that serves it. Nothing is decided here: bytes go to the peer that
//! knows their sender, and what peers say goes where it belongs.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::{
    PeerMessage,
    peer::{Peer, Said},
};
use crate::{Error, Result, link::LinkSender, stream::StreamKey, task::spawn_thread};

/// The socket keeps so much while this thread sleeps: 8 s of sixteen publishers.
const RECEIVE_BUFFER: usize = 4 << 20;
/// How long the thread sleeps at most before it looks for orders.
const NAP: Duration = Duration::from_millis(10);
/// A peer that says nothing for so long is given up, whatever its lane still hopes for.
const SILENT: Duration = Duration::from_secs(120);
/// A peer that was told to go has this long for its goodbye.
const GOODBYE: Duration = Duration::from_millis(500);
/// Orders that may wait. Kind: all; when it is full the thread hangs, and the offer is refused.
const ORDERS: usize = 64;
/// The largest datagram.
const DATAGRAM: usize = 2_000;

/// Something asked of the thread.
pub enum Order {
    /// Serve a new peer; an older one of the same lane goes.
    Serve(Box<Serving>),
    /// Let the peer of this session go.
    End(u64),
}

/// A peer, whose it is and where its sound goes.
pub struct Serving {
    /// Which lane.
    pub key: StreamKey,
    /// Which of its sessions.
    pub session: u64,
    /// The peer.
    pub peer: Peer,
    /// Its lane. Kind: all; what a full link refuses is lost like a packet on the way, and counted.
    pub out: LinkSender<PeerMessage>,
}

/// The running thread. It ends when this is dropped.
pub struct Net {
    orders: Sender<Order>,
    candidates: Vec<SocketAddr>,
}

impl Net {
    /// Opens the socket for `addresses` and starts the thread.
    pub fn start(addresses: &[IpAddr]) -> Result<Self> {
        let loopback = addresses.iter().all(|address| *address == IpAddr::V4(Ipv4Addr::LOCALHOST));
        let bound = if loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        let failed = |error: std::io::Error| Error::io("cannot open a UDP socket for WebRTC", &error);
        let socket = UdpSocket::bind((bound, 0)).map_err(failed)?;
        // The system may grant less; then a long sleep of this machine costs sound, which is counted.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER);
        let port = socket.local_addr().map_err(failed)?.port();
        let candidates: Vec<_> = addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
        let (orders, asked) = bounded(ORDERS);
        let own = candidates.clone();
        spawn_thread("whip", move || {
            Loop { socket, candidates: own, peers: Vec::new(), routes: HashMap::new() }.run(&asked)
        })?;
        Ok(Self { orders, candidates })
    }

    /// Where peers reach it.
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// Asks something of the thread.
    pub fn order(&self, order: Order) -> Result<()> {
        self.orders.try_send(order).map_err(|_| Error::unavailable("the WebRTC thread does not answer; try again"))
    }
}

struct Served {
    serving: Serving,
    due: Instant,
    heard: Instant,
    /// When a peer that was told to go is forgotten.
    leaves: Option<Instant>,
}

struct Loop {
    socket: UdpSocket,
    candidates: Vec<SocketAddr>,
    peers: Vec<Served>,
    /// By which of our addresses each other machine reaches us.
    routes: HashMap<IpAddr, SocketAddr>,
}

impl Loop {
    fn run(mut self, orders: &Receiver<Order>) {
        let mut buffer = [0; DATAGRAM];
        loop {
            // With nobody to serve the thread sleeps until it is asked.
            let first = if self.peers.is_empty() { orders.recv().ok() } else { None };
            if self.peers.is_empty() && first.is_none() {
                return;
            }
            first.into_iter().chain(orders.try_iter()).for_each(|order| self.obey(order, Instant::now()));
            let now = Instant::now();
            let due = self.peers.iter().map(|served| served.due).min().unwrap_or(now + NAP);
            let wait = due.saturating_duration_since(now).clamp(Duration::from_micros(100), NAP);
            // A refused time-out leaves the last one, which was as short.
            let _ = self.socket.set_read_timeout(Some(wait));
            if let Ok((len, source)) = self.socket.recv_from(&mut buffer) {
                self.receive(source, &buffer[..len], Instant::now());
            }
            self.turn(Instant::now());
        }
    }

    fn obey(&mut self, order: Order, now: Instant) {
        match order {
            Order::Serve(serving) => {
                self.dismiss(now, |served| served.serving.key == serving.key);
                self.peers.push(Served { serving: *serving, due: now, heard: now, leaves: None });
            }
            Order::End(session) => self.dismiss(now, |served| served.serving.session == session),
        }
    }

    fn dismiss(&mut self, now: Instant, which: impl Fn(&Served) -> bool) {
        for served in self.peers.iter_mut().filter(|served| served.leaves.is_none() && which(served)) {
            served.serving.peer.close();
            (served.leaves, served.due) = (Some(now + GOODBYE), now);
        }
    }

    fn receive(&mut self, source: SocketAddr, bytes: &[u8], now: Instant) {
        let local = self.local_for(source);
        // A new peer of the same page comes later and knows the sender better.
        let peers = self.peers.iter_mut().rev();
        if let Some(served) = peers.into_iter().find(|served| served.serving.peer.accepts(source, local, bytes, now)) {
            served.serving.peer.receive(source, local, bytes, now);
            (served.heard, served.due) = (now, now);
        }
    }

    /// Lets every peer do what is due and forgets those that are over.
    fn turn(&mut self, now: Instant) {
        let socket = &self.socket;
        self.peers.retain_mut(|served| {
            if served.due > now {
                return true;
            }
            let Serving { peer, out, session, .. } = &mut served.serving;
            let (session, is_leaving) = (*session, served.leaves.is_some());
            peer.advance(now);
            let next = peer.poll(|said| match said {
                // UDP may lose it as well.
                Said::Transmit(to, bytes) => drop(socket.send_to(&bytes, to)),
                Said::Packet(packet) if !is_leaving => drop(out.send(PeerMessage::Packet { session, packet })),
                Said::Packet(_) => {}
            });
            let is_silent = now.saturating_duration_since(served.heard) > SILENT;
            match next.filter(|_| !is_silent && served.leaves.is_none_or(|leaves| now < leaves)) {
                Some(due) => {
                    served.due = due;
                    true
                }
                None => {
                    if !is_leaving {
                        drop(out.send(PeerMessage::Ended { session }));
                    }
                    false
                }
            }
        });
    }

    /// Which of our addresses a datagram from `source` came to: the one that the system would answer from.
    fn local_for(&mut self, source: SocketAddr) -> SocketAddr {
        let first = self.candidates[0];
        if self.candidates.len() == 1 {
            return first;
        }
        if self.routes.len() > 256 {
            self.routes.clear();
        }
        let candidates = &self.candidates;
        *self.routes.entry(source.ip()).or_insert_with(|| {
            let probe = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|probe| {
                probe.connect(source)?;
                probe.local_addr()
            });
            let ip = probe.map(|addr| addr.ip());
            candidates
                .iter()
                .copied()
                .find(|candidate| ip.as_ref().is_ok_and(|ip| *ip == candidate.ip()))
                .unwrap_or(first)
        })
    }
}
