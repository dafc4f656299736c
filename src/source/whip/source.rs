//! The publishers of one lane as a source for its pump. The state machine of the connection is here and in the pump: here what
//! the page does, there what the stream makes of it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{PeerMessage, Reception, Whip};
use crate::{
    Error, Result,
    link::LinkReceiver,
    source::{Intake, PacketCounts, Source, SourceState},
    stream::StreamKey,
};

/// A page that was answered has this long to send sound.
const OPENS_WITHIN: Duration = Duration::from_secs(10);
/// Without sound for this long a stream has stalled ...
const STALLED_AFTER: Duration = Duration::from_millis(1_500);
/// ... and after this long its page is away.
const AWAY_AFTER: Duration = Duration::from_secs(5);

/// How the page stands.
#[derive(Clone, Debug)]
enum Page {
    /// It is awaited, or was answered and has sent nothing yet.
    Opening { since: Instant },
    /// It sends.
    Flowing { last: Instant },
    /// It is away, and may come back.
    Away(Error),
}

/// What the pump polls.
pub struct WhipSource {
    whip: Whip,
    key: StreamKey,
    incoming: Arc<LinkReceiver<PeerMessage>>,
    session: Option<u64>,
    page: Page,
    reception: Reception,
    /// What came in the last poll, for the recording.
    packets: Vec<Arc<[u8]>>,
}

impl WhipSource {
    pub(super) fn new(
        whip: Whip,
        key: StreamKey,
        incoming: Arc<LinkReceiver<PeerMessage>>,
        now: Instant,
    ) -> Result<Self> {
        let reception = Reception::new(PacketCounts::default())?;
        Ok(Self {
            whip,
            key,
            incoming,
            session: None,
            page: Page::Opening { since: now },
            reception,
            packets: Vec::new(),
        })
    }

    fn look_at_the_clock(&mut self, now: Instant) {
        match self.page {
            Page::Opening { since } if now.saturating_duration_since(since) >= OPENS_WITHIN => {
                if let Some(session) = self.session.take() {
                    self.whip.give_up(&self.key, session);
                    self.page = Page::Away(Error::unavailable("the page sent no sound within 10 s; press START there"));
                } else {
                    self.page = Page::Away(Error::unavailable("no page has come yet"));
                }
            }
            Page::Flowing { last } if now.saturating_duration_since(last) >= AWAY_AFTER => {
                self.page = Page::Away(Error::unavailable("nothing comes from the page; it is awaited"));
            }
            _ => {}
        }
    }
}

impl Source for WhipSource {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        let mut is_ended = false;
        self.packets.clear();
        while let Some(message) = self.incoming.try_recv() {
            match message {
                PeerMessage::Offered { session } => {
                    (self.session, self.page, is_ended) = (Some(session), Page::Opening { since: now }, false);
                    match Reception::new(self.reception.counts()) {
                        Ok(reception) => self.reception = reception,
                        Err(error) => return SourceState::Failed(error),
                    }
                }
                PeerMessage::Packet { session, packet } if Some(session) == self.session => {
                    // A probe without sound shows that the way is free, and nothing more.
                    if !packet.data.is_empty() {
                        self.page = Page::Flowing { last: packet.arrived };
                        self.packets.push(packet.data.clone());
                    }
                    self.reception.accept(&packet, intake);
                }
                PeerMessage::Ended { session } if Some(session) == self.session => {
                    (self.session, is_ended) = (None, true);
                }
                // Of a page that another has taken over from.
                PeerMessage::Packet { .. } | PeerMessage::Ended { .. } => {}
            }
        }
        self.reception.flush(now, intake);
        if is_ended {
            return SourceState::Ended;
        }
        self.look_at_the_clock(now);
        match &self.page {
            Page::Opening { .. } => SourceState::Opening,
            Page::Flowing { .. } => SourceState::Flowing,
            Page::Away(error) => SourceState::Away(error.clone()),
        }
    }

    fn stalled_after(&self) -> Duration {
        STALLED_AFTER
    }

    fn reopened_after(&self) -> Option<Duration> {
        None
    }

    fn take_packets(&mut self, packets: &mut Vec<Arc<[u8]>>) {
        packets.append(&mut self.packets);
    }

    fn packets(&self) -> Option<PacketCounts> {
        Some(self.reception.counts())
    }
}

impl Drop for WhipSource {
    fn drop(&mut self) {
        self.whip.leave(&self.key);
    }
}
