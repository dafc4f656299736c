//! A browser as a microphone: WebRTC ingest (WHIP, RFC 9725). A lane's identity is its key, never the peer connection: pages may
//! come, fall silent, reload and come back, and the stream stays.
//!
//! `peer` is the protocol without a socket, `net` the socket, `opus` the sound, `source` what the stream's pump polls. This folder
//! is the one place that knows str0m.

mod net;
mod opus;
mod peer;
mod source;

use std::{
    collections::{BTreeMap, hash_map::RandomState},
    hash::BuildHasher,
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use str0m::{config::DtlsCert, crypto};

pub use opus::{RATE_HZ, Reception};
pub use peer::{Peer, Said, objection};
pub use source::WhipSource;

use crate::{
    Error, Result,
    link::{Kind, LinkReceiver, LinkRegistry, LinkSender},
    stream::StreamKey,
};
use net::{Net, Order, Serving};

/// Packets that may wait for a pump: 20 s of them.
const PACKETS: usize = 1_000;

/// One Opus packet as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpusPacket {
    /// Counts up; a number that is missing was lost.
    pub seq: u64,
    /// Time stamp of its first sample, at 48 kHz.
    pub timestamp: u64,
    /// When it came.
    pub arrived: Instant,
    /// The coded sound; nothing for a probe.
    pub data: Arc<[u8]>,
}

/// What a lane hears of its publishers.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// A page made an offer and was answered; it replaces any before it.
    Offered {
        /// Which session.
        session: u64,
    },
    /// Sound.
    Packet {
        /// Of which session.
        session: u64,
        /// What came.
        packet: OpusPacket,
    },
    /// The page said goodbye.
    Ended {
        /// Which session.
        session: u64,
    },
}

/// What a page is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The name of its session, which nobody can guess.
    pub session: String,
    /// The SDP answer, with all candidates.
    pub sdp: String,
}

/// Everybody who publishes. Cheap to clone.
#[derive(Clone)]
pub struct Whip {
    shared: Arc<Shared>,
}

struct Shared {
    links: LinkRegistry,
    state: Mutex<State>,
}

struct State {
    addresses: Vec<IpAddr>,
    /// The socket and the certificate, from the first offer on.
    open: Option<(Net, DtlsCert)>,
    next_session: u64,
    lanes: BTreeMap<StreamKey, LaneEnds>,
}

/// The link to one lane, and who feeds it.
struct LaneEnds {
    sender: LinkSender<PeerMessage>,
    receiver: Arc<LinkReceiver<PeerMessage>>,
    publisher: Option<(u64, String)>,
}

impl State {
    fn forget(&mut self, key: &StreamKey) {
        let publisher = self.lanes.remove(key).and_then(|lane| lane.publisher);
        if let (Some((session, _)), Some((net, _))) = (publisher, &self.open) {
            // A thread that does not answer serves nobody either.
            let _ = net.order(Order::End(session));
        }
    }
}

impl Whip {
    /// Nobody publishes yet, and no socket is open.
    pub fn new(links: LinkRegistry) -> Self {
        let addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let state = State { addresses, open: None, next_session: 1, lanes: BTreeMap::new() };
        Self { shared: Arc::new(Shared { links, state: Mutex::new(state) }) }
    }

    /// The addresses under which pages reach this machine; by default the loopback interface alone. Those who publish already
    /// are let go.
    pub fn set_addresses(&self, addresses: Vec<IpAddr>) {
        let mut state = self.state();
        if !addresses.is_empty() && state.addresses != addresses {
            (state.addresses, state.open) = (addresses, None);
        }
    }

    /// Answers a page's offer for the lane `key`. Any earlier publisher of that lane is let go.
    ///
    /// # Errors
    /// An offer that cannot be read or answered; no socket.
    pub fn offer(&self, key: &StreamKey, offer: &str, now: Instant) -> Result<Answer> {
        let mut state = self.state();
        if state.open.is_none() {
            let cert = crypto::from_feature_flags()
                .dtls_provider
                .generate_certificate()
                .ok_or_else(|| Error::internal("no certificate can be made for WebRTC"))?;
            state.open = Some((Net::start(&state.addresses)?, cert));
        }
        let session = state.next_session;
        state.next_session += 1;
        self.lane(&mut state, key);
        let State { open: Some((net, cert)), lanes, .. } = &mut *state else {
            return Err(Error::internal("the WebRTC socket was just opened"));
        };
        let (peer, sdp) = Peer::answer(offer, net.candidates(), cert, now)?;
        let lane = lanes.get_mut(key).ok_or_else(|| Error::internal("the lane was just made"))?;
        let name = random_name();
        lane.publisher = Some((session, name.clone()));
        // In the order of the lane's link: first that a page is there, then its sound.
        if lane.sender.send(PeerMessage::Offered { session }).is_err() {
            return Err(Error::busy(format!("the stream \"{key}\" is too busy to take a publisher; try again")));
        }
        net.order(Order::Serve(Box::new(Serving { key: key.clone(), session, peer, out: lane.sender.clone() })))?;
        Ok(Answer { session: name, sdp })
    }

    /// Whether `session` publishes to the lane `key` now.
    pub fn has_session(&self, key: &StreamKey, session: &str) -> bool {
        let state = self.state();
        let publisher = state.lanes.get(key).and_then(|lane| lane.publisher.as_ref());
        publisher.is_some_and(|(_, name)| name == session)
    }

    /// Ends a session: its page said goodbye.
    ///
    /// # Errors
    /// When there is no such session (any more).
    pub fn end(&self, key: &StreamKey, session: &str) -> Result<()> {
        let mut state = self.state();
        let lane = state.lanes.get_mut(key);
        let publisher = lane.as_ref().and_then(|lane| lane.publisher.clone()).filter(|(_, name)| name == session);
        let (Some(lane), Some((number, _))) = (lane, publisher) else {
            return Err(Error::not_found(format!(
                "there is no such session of \"{key}\": it ended, or another took over"
            )));
        };
        lane.publisher = None;
        // A full link means that the lane has sound enough to do; it notices the silence.
        let _ = lane.sender.send(PeerMessage::Ended { session: number });
        match &state.open {
            Some((net, _)) => net.order(Order::End(number)),
            None => Ok(()),
        }
    }

    /// What the pump of the lane `key` polls. Dropping it lets the publisher go.
    pub fn source(&self, key: &StreamKey, now: Instant) -> Result<WhipSource> {
        let mut state = self.state();
        let incoming = self.lane(&mut state, key).receiver.clone();
        WhipSource::new(self.clone(), key.clone(), incoming, now)
    }

    /// The lane of `key` could not be opened, or is gone: nothing waits for its publisher.
    pub fn forget(&self, key: &StreamKey) {
        self.state().forget(key);
    }

    /// The lane's source is gone. What came meanwhile is for the next one, and keeps the lane's link alive.
    fn leave(&self, key: &StreamKey) {
        let mut state = self.state();
        if state.lanes.get(key).is_some_and(|lane| lane.receiver.is_empty()) {
            state.forget(key);
        }
    }

    /// Gives a session up that never came or is away for good.
    fn give_up(&self, key: &StreamKey, session: u64) {
        let mut state = self.state();
        if let Some(lane) = state.lanes.get_mut(key)
            && lane.publisher.as_ref().is_some_and(|(number, _)| *number == session)
        {
            lane.publisher = None;
        }
        if let Some((net, _)) = &state.open {
            let _ = net.order(Order::End(session));
        }
    }

    fn lane<'a>(&self, state: &'a mut State, key: &StreamKey) -> &'a mut LaneEnds {
        state.lanes.entry(key.clone()).or_insert_with(|| {
            let (sender, receiver) = self.shared.links.bounded(format!("{key}: packets"), Kind::All, PACKETS);
            LaneEnds { sender, receiver: Arc::new(receiver), publisher: None }
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 128 bits from the system's randomness, which seeds every new hasher.
fn random_name() -> String {
    let part = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", part(), RandomState::new().hash_one(part()))
}
