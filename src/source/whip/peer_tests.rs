//! Two peers over a network without sockets, on a clock that the test turns.

use std::{collections::VecDeque, sync::Arc};

use str0m::{
    change::{SdpAnswer, SdpPendingOffer},
    crypto,
    media::{Direction, MediaKind, MediaTime, Mid},
};

use super::*;

const STEP: Duration = Duration::from_millis(5);

/// A page, played by str0m's other side.
struct Page {
    rtc: Rtc,
    mid: Mid,
    addr: SocketAddr,
}

struct Network {
    page: Page,
    peer: Peer,
    server: SocketAddr,
    now: Instant,
    to_page: VecDeque<Vec<u8>>,
    to_server: VecDeque<Vec<u8>>,
    /// Media packets from the page so far, and which of them are lost.
    sent: usize,
    is_lost: fn(usize) -> bool,
    heard: Vec<OpusPacket>,
    is_over: bool,
}

fn offer(direction: Direction) -> (Rtc, Mid, SdpPendingOffer, String, SocketAddr) {
    let addr: SocketAddr = "10.0.0.2:4000".parse().unwrap();
    let mut rtc = RtcConfig::new().clear_codecs().enable_opus(true, true).build(Instant::now());
    rtc.add_local_candidate(Candidate::host(addr, Protocol::Udp).unwrap());
    let mut api = rtc.sdp_api();
    let mid = api.add_media(MediaKind::Audio, direction, None, None, None);
    let (offer, pending) = api.apply().unwrap();
    (rtc, mid, pending, offer.to_sdp_string(), addr)
}

fn cert() -> DtlsCert {
    crypto::from_feature_flags().dtls_provider.generate_certificate().unwrap()
}

impl Network {
    fn new(is_lost: fn(usize) -> bool) -> Self {
        let (mut rtc, mid, pending, offer, addr) = offer(Direction::SendOnly);
        let (server, now) = ("10.0.0.1:5000".parse().unwrap(), Instant::now());
        let (peer, answer) = Peer::answer(&offer, &[server], &cert(), now).unwrap();
        assert!(answer.contains("a=ice-lite") && answer.contains("maxaveragebitrate=128000"), "{answer}");
        assert!(answer.contains(" red/48000") && answer.contains("useinbandfec=1"), "{answer}");
        assert_eq!(answer.matches("a=candidate:").count(), 1, "{answer}");
        rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();
        let page = Page { rtc, mid, addr };
        let (to_page, to_server, heard) = (VecDeque::new(), VecDeque::new(), Vec::new());
        Self { page, peer, server, now, to_page, to_server, sent: 0, is_lost, heard, is_over: false }
    }

    /// 5 ms go by on both sides.
    fn step(&mut self) {
        self.now += STEP;
        let (now, server, addr) = (self.now, self.server, self.page.addr);
        while let Some(bytes) = self.to_page.pop_front() {
            if let Some(input) = input(server, addr, &bytes, now) {
                self.page.rtc.handle_input(input).unwrap();
            }
        }
        self.page.rtc.handle_input(Input::Timeout(now)).unwrap();
        while let Ok(output) = self.page.rtc.poll_output() {
            match output {
                Output::Timeout(_) => break,
                Output::Transmit(out) => {
                    // Media, not RTCP, STUN or DTLS.
                    let is_media = matches!(out.contents[0], 128..=191) && !matches!(out.contents[1], 192..=223);
                    self.sent += usize::from(is_media);
                    if !is_media || !(self.is_lost)(self.sent) {
                        self.to_server.push_back(out.contents.to_vec());
                    }
                }
                Output::Event(_) => {}
            }
        }
        while let Some(bytes) = self.to_server.pop_front() {
            assert!(self.peer.accepts(addr, server, &bytes, now) || !self.is_connected());
            self.peer.receive(addr, server, &bytes, now);
        }
        self.peer.advance(now);
        let (to_page, heard) = (&mut self.to_page, &mut self.heard);
        let next = self.peer.poll(|said| match said {
            Said::Transmit(to, bytes) => {
                assert_eq!(to, addr);
                to_page.push_back(bytes);
            }
            Said::Packet(packet) => heard.push(packet),
        });
        self.is_over = next.is_none();
    }

    fn is_connected(&self) -> bool {
        self.page.rtc.is_connected()
    }

    fn connect(&mut self) {
        for _ in 0..1_000 {
            if self.is_connected() {
                return;
            }
            self.step();
        }
        panic!("no connection within 5 s of the test's clock");
    }

    fn speak(&mut self, packets: u64) {
        for i in 0..packets {
            let (now, mid) = (self.now, self.page.mid);
            let writer = self.page.rtc.writer(mid).unwrap();
            let pt = writer.payload_params().next().unwrap().pt();
            let time = MediaTime::new(i * 960, str0m::media::Frequency::FORTY_EIGHT_KHZ);
            writer.write(pt, now, time, Arc::<[u8]>::from(vec![0x78, i as u8, 1, 2])).unwrap();
            (0..4).for_each(|_| self.step());
        }
        (0..40).for_each(|_| self.step());
    }
}

#[test]
fn a_page_connects_and_every_packet_arrives_in_order() {
    let mut network = Network::new(|_| false);
    network.connect();
    network.speak(100);
    let numbers: Vec<u8> = network.heard.iter().filter(|p| !p.data.is_empty()).map(|p| p.data[1]).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u8>>());
    let in_order = network.heard.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1);
    assert!(in_order && !network.is_over);
}

#[test]
fn what_single_losses_take_comes_back_by_redundancy() {
    let mut network = Network::new(|sent| sent % 10 == 5);
    network.connect();
    network.speak(100);
    let mut numbers: Vec<u8> = network.heard.iter().filter(|p| !p.data.is_empty()).map(|p| p.data[1]).collect();
    numbers.dedup();
    assert!(numbers.len() >= 98, "{} of 100: each packet carries the one before it", numbers.len());
    assert!(numbers.is_sorted(), "{numbers:?}");
}

#[test]
fn a_page_that_closes_its_connection_is_over_at_once() {
    let mut network = Network::new(|_| false);
    network.connect();
    network.speak(5);
    network.page.rtc.close().unwrap();
    for _ in 0..200 {
        if network.is_over {
            return;
        }
        network.step();
    }
    panic!("the goodbye was not heard within a second");
}

#[test]
fn offers_without_sound_are_refused() {
    let (.., sendonly, _) = offer(Direction::SendOnly);
    assert_eq!(objection(&sendonly), None);
    let (.., recvonly, _) = offer(Direction::RecvOnly);
    assert!(objection(&recvonly).unwrap().contains("receive"));
    assert!(objection("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n").unwrap().contains("no audio"));
    assert!(objection("v=0\r\na=recvonly\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n").is_some());
}

proptest::proptest! {
    #[test]
    fn no_offer_makes_it_panic(cut in 0usize..4_000, at in 0usize..4_000, junk in ".{0,40}") {
        let (.., good, _) = offer(Direction::SendOnly);
        let at = good.floor_char_boundary(at.min(good.len()));
        let end = good.floor_char_boundary((at + cut % 200).min(good.len()));
        let bad = format!("{}{junk}{}", &good[..at], &good[end..]);
        let _ = objection(&bad);
        let _ = Peer::answer(&bad, &["127.0.0.1:9".parse().unwrap()], &cert(), Instant::now());
    }

    #[test]
    fn no_datagram_makes_it_panic(datagrams in proptest::collection::vec(proptest::collection::vec(0u8.., 0..200), 0..30)) {
        let mut network = Network::new(|_| false);
        network.connect();
        let (source, local) = (network.page.addr, network.server);
        for bytes in datagrams {
            if network.peer.accepts(source, local, &bytes, network.now) {
                network.peer.receive(source, local, &bytes, network.now);
            }
            network.step();
        }
    }
}

#[test]
fn lost_packets_are_asked_for_where_the_sender_offers_that() {
    let (.., offer, _) = offer(Direction::SendOnly);
    let answer_to =
        |offer: &str| Peer::answer(offer, &["10.0.0.1:5000".parse().unwrap()], &cert(), Instant::now()).unwrap().1;
    assert!(!answer_to(&offer).contains("nack"));
    let line = offer.lines().find(|line| line.ends_with("opus/48000/2")).unwrap();
    let number = line["a=rtpmap:".len()..].split(' ').next().unwrap();
    let again = offer.replace(line, &format!("{line}\r\na=rtcp-fb:{number} nack"));
    let answer = answer_to(&again);
    assert!(answer.contains(&format!("a=rtcp-fb:{number} nack\r\n")), "{answer}");
}
