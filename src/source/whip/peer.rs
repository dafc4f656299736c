//! One publisher as a state machine without a socket: bytes and the time go in, bytes and Opus packets come out. This file and
//! `net.rs` are the ones that know str0m.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::SdpOffer,
    config::DtlsCert,
    media::{MediaKind, Mid},
    net::{Protocol, Receive},
};

use super::OpusPacket;
use crate::{Error, Result};

/// How many packets wait for one that is missing, and how long: until it has been asked for and sent again.
const REORDERED: usize = 10;
const REORDERED_FOR: Duration = Duration::from_millis(100);
/// So long without media is an outage and no loss.
const OUTAGE: Duration = Duration::from_millis(200);
/// So long after it str0m has forgotten what is missing: it knows the last hundred packets.
const FORGOTTEN_AFTER: Duration = Duration::from_millis(2_500);
/// What a browser is asked to code the voice with, bits a second; left alone, Chromium takes 32,000.
const BITRATE: u32 = 128_000;

/// How long a packet's sound is asked to be: half of what is usual, so that what a burst of losses takes is half as long, and all
/// sound comes so much sooner.
const FRAME_MILLIS: u32 = 10;

/// What a peer has to say.
#[derive(Debug)]
pub enum Said {
    /// Bytes for the network.
    Transmit(SocketAddr, Vec<u8>),
    /// Sound.
    Packet(OpusPacket),
}

/// One publisher.
pub struct Peer {
    rtc: Rtc,
    /// Whether the sender offered to send again what got lost (RFC 4585).
    sends_again: bool,
    /// The section that sound comes from.
    audio: Option<Mid>,
    /// When the last media came.
    heard_at: Option<Instant>,
    /// Nothing is asked for until then.
    is_patient_until: Option<Instant>,
}

impl Peer {
    /// Takes an offer and answers it, with one candidate for each of `addrs`.
    ///
    /// # Errors
    /// An offer that cannot be read, or that has no audio to send.
    pub fn answer(offer: &str, addrs: &[SocketAddr], cert: &DtlsCert, now: Instant) -> Result<(Self, String)> {
        let sdp = SdpOffer::from_sdp_string(offer)
            .map_err(|error| Error::invalid(format!("the SDP offer cannot be read: {error}")))?;
        let mut rtc = RtcConfig::new()
            .set_dtls_cert(cert.clone())
            .set_ice_lite(true)
            .clear_codecs()
            .enable_opus(true, true)
            .set_reordering_size_audio(REORDERED)
            .set_reordering_timeout_audio(Some(REORDERED_FOR))
            .build(now);
        for addr in addrs {
            let candidate = Candidate::host(*addr, Protocol::Udp)
                .map_err(|error| Error::internal(format!("{addr} is no address for WebRTC: {error}")))?;
            rtc.add_local_candidate(candidate);
        }
        let answer = rtc
            .sdp_api()
            .accept_offer(sdp)
            .map_err(|error| Error::invalid(format!("the SDP offer cannot be answered: {error}")))?;
        let sends_again = offer.lines().any(|line| line.trim_end().strip_prefix("a=rtcp-fb:").is_some_and(is_nack));
        let peer = Self { rtc, sends_again, audio: None, heard_at: None, is_patient_until: None };
        Ok((peer, with_wishes(&answer.to_sdp_string(), sends_again)))
    }

    /// Whether bytes that came from `source` for `local` are for this peer.
    pub fn accepts(&self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) -> bool {
        input(source, local, bytes, now).is_some_and(|input| self.rtc.accepts(&input))
    }

    /// Takes bytes. What the peer cannot make sense of ends it.
    pub fn receive(&mut self, source: SocketAddr, local: SocketAddr, bytes: &[u8], now: Instant) {
        if is_media(bytes) {
            self.ask_again(now);
        }
        if let Some(input) = input(source, local, bytes, now)
            && self.rtc.handle_input(input).is_err()
        {
            self.rtc.disconnect();
        }
    }

    /// Decides whether lost packets are asked for. Without RTX, which audio never has, str0m asks only where it is told to. What an
    /// outage took is a gap: to send it again would burden a network that has just come back.
    fn ask_again(&mut self, now: Instant) {
        let Some(audio) = self.audio.filter(|_| self.sends_again) else { return };
        if self.heard_at.replace(now).is_some_and(|before| now.saturating_duration_since(before) >= OUTAGE) {
            self.is_patient_until = Some(now + FORGOTTEN_AFTER);
        }
        if let Some(stream) = self.rtc.direct_api().stream_rx_by_mid(audio, None) {
            stream.suppress_nack(self.is_patient_until.is_some_and(|until| now < until));
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: Instant) {
        if self.rtc.handle_input(Input::Timeout(now)).is_err() {
            self.rtc.disconnect();
        }
    }

    /// Says what there is to say, and when it wants [`Peer::advance`]; nothing once it is over.
    pub fn poll(&mut self, mut say: impl FnMut(Said)) -> Option<Instant> {
        while self.rtc.is_alive() {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return Some(at),
                Ok(Output::Transmit(out)) => say(Said::Transmit(out.destination, out.contents.to_vec())),
                Ok(Output::Event(Event::MediaData(media))) if media.params.spec().codec.kind() == MediaKind::Audio => {
                    self.audio = Some(media.mid);
                    say(Said::Packet(OpusPacket {
                        seq: **media.seq_range.start(),
                        timestamp: media.time.numer(),
                        arrived: media.network_time,
                        data: media.data,
                    }));
                }
                Ok(Output::Event(_)) => {}
                Err(_) => self.rtc.disconnect(),
            }
        }
        None
    }

    /// Says goodbye; what there is to send for that comes out of [`Peer::poll`].
    pub fn close(&mut self) {
        if self.rtc.close().is_err() {
            self.rtc.disconnect();
        }
    }
}

fn input(source: SocketAddr, destination: SocketAddr, bytes: &[u8], now: Instant) -> Option<Input<'_>> {
    Some(Input::Receive(now, Receive::new(Protocol::Udp, source, destination, bytes).ok()?))
}

/// Whether a datagram is RTP and not RTCP, STUN or DTLS (RFC 7983, RFC 5761).
fn is_media(bytes: &[u8]) -> bool {
    matches!(bytes, [128..=191, kind, ..] if !(192..=223).contains(kind))
}

/// Whether a line of feedback is `TYPE nack`, for any packet.
fn is_nack(line: &str) -> bool {
    line.split_once(' ').is_some_and(|(_, feedback)| feedback == "nack")
}

/// The answer with what is wished of the sender: redundancy first, which Chromium only uses then, and a bit rate worth listening
/// to. Two channels, of which one is heard: for one, Chromium codes as for a telephone call, with a high-pass that bends the lows.
fn with_wishes(answer: &str, sends_again: bool) -> String {
    let type_of = |codec: &str| {
        answer.lines().find_map(|line| {
            let (number, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
            name.to_ascii_lowercase().starts_with(codec).then_some(number)
        })
    };
    let (opus, red) = (type_of("opus/"), type_of("red/"));
    let mut out = String::with_capacity(answer.len() + 64);
    for line in answer.lines() {
        match (opus, red) {
            (Some(opus), Some(red)) if line.starts_with("m=audio ") => {
                out.push_str(&line.replacen(&format!(" {opus} {red}"), &format!(" {red} {opus}"), 1));
            }
            _ => out.push_str(line),
        }
        if opus.is_some_and(|opus| line.starts_with(&format!("a=fmtp:{opus} "))) {
            out.push_str(&format!(";maxaveragebitrate={BITRATE};stereo=1\r\na=ptime:{FRAME_MILLIS}"));
            if sends_again {
                let types = [opus, red].into_iter().flatten();
                types.for_each(|number| out.push_str(&format!("\r\na=rtcp-fb:{number} nack")));
            }
        }
        out.push_str("\r\n");
    }
    out
}

/// Why an offer is none that sound comes from, if so.
pub fn objection(offer: &str) -> Option<&'static str> {
    // A section is everything from one `m=` to the next; a direction above all of them holds where a section has none.
    let mut sections = vec![(false, None)];
    for line in offer.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            let session = sections[0].1;
            sections.push((media.starts_with("audio "), session));
        }
        if let (Some(direction), Some(section)) = (line.strip_prefix("a="), sections.last_mut())
            && matches!(direction, "sendrecv" | "sendonly" | "recvonly" | "inactive")
        {
            section.1 = Some(direction.starts_with("send"));
        }
    }
    let audio: Vec<_> = sections[1..].iter().filter(|(is_audio, _)| *is_audio).collect();
    if audio.is_empty() {
        return Some("the offer has no audio: offer one audio track, sendonly");
    }
    let sends = |(_, sends): &&(bool, Option<bool>)| sends.unwrap_or(true);
    (!audio.iter().any(sends)).then_some("the offer only wants to receive: this is for publishing")
}

#[cfg(test)]
#[path = "peer_tests.rs"]
mod tests;
