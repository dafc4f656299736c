//! What a publisher costs: five pages, each a real WebRTC peer that sends coded speech with redundancy, and the server's side of
//! them: decryption, reordering, redundancy, decoding. All is processor time of one thread; the pages' own is not counted.

#[path = "common/sound.rs"]
mod sound;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use seseragi::source::{
    Intake, PacketCounts,
    whip::{Peer, Reception, Said},
};
use str0m::{
    Candidate, Input, Output, Rtc, RtcConfig,
    change::SdpAnswer,
    config::DtlsCert,
    crypto,
    media::{Direction, Frequency, MediaKind, MediaTime, Mid},
    net::{Protocol, Receive},
};

/// How many publish at once.
const PUBLISHERS: usize = 5;
/// How long.
const SECS: usize = 60;
const FRAME: usize = 960;
const STEP: Duration = Duration::from_millis(5);

/// The processor time that `work` takes on this thread.
fn time_of(work: impl FnOnce()) -> Duration {
    let now = || clock_gettime(ClockId::ThreadCPUTime);
    let start = now();
    work();
    let spent = now() - start;
    Duration::new(spent.tv_sec as u64, spent.tv_nsec as u32)
}

struct Page {
    rtc: Rtc,
    mid: Mid,
    addr: SocketAddr,
    to_page: Vec<Vec<u8>>,
    to_server: VecDeque<Vec<u8>>,
    peer: Peer,
    reception: Reception,
    intake: Intake,
    heard: usize,
    cost: Duration,
}

impl Page {
    fn new(number: u8, server: SocketAddr, cert: &DtlsCert, now: Instant) -> Self {
        let addr = SocketAddr::from(([10, 0, 0, number + 2], 4_000));
        let mut rtc = RtcConfig::new().clear_codecs().enable_opus(true, true).build(now);
        rtc.add_local_candidate(Candidate::host(addr, Protocol::Udp).expect("an address"));
        let mut api = rtc.sdp_api();
        let mid = api.add_media(MediaKind::Audio, Direction::SendOnly, None, None, None);
        let (offer, pending) = api.apply().expect("an offer");
        let (peer, answer) = Peer::answer(&offer.to_sdp_string(), &[server], cert, now).expect("an answer");
        let answer = SdpAnswer::from_sdp_string(&answer).expect("a readable answer");
        rtc.sdp_api().accept_answer(pending, answer).expect("an answer that fits");
        let reception = Reception::new(PacketCounts::default()).expect("a decoder");
        Self {
            rtc,
            mid,
            addr,
            to_page: Vec::new(),
            to_server: VecDeque::new(),
            peer,
            reception,
            intake: Intake::default(),
            heard: 0,
            cost: Duration::ZERO,
        }
    }

    fn step(&mut self, server: SocketAddr, now: Instant) {
        for bytes in self.to_page.drain(..) {
            let input = Receive::new(Protocol::Udp, server, self.addr, &bytes).expect("a datagram of the server");
            self.rtc.handle_input(Input::Receive(now, input)).expect("a page that goes on");
        }
        self.rtc.handle_input(Input::Timeout(now)).expect("a page that goes on");
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => break,
                Output::Transmit(out) => self.to_server.push_back(out.contents.to_vec()),
                Output::Event(_) => {}
            }
        }
        let Self { peer, reception, intake, to_page, to_server, addr, .. } = self;
        let cost = time_of(|| {
            let mut say = |said| match said {
                Said::Transmit(_, bytes) => to_page.push(bytes),
                Said::Packet(packet) => reception.accept(&packet, intake),
            };
            for bytes in to_server.drain(..) {
                if peer.accepts(*addr, server, &bytes, now) {
                    peer.receive(*addr, server, &bytes, now);
                }
                peer.poll(&mut say);
            }
            peer.advance(now);
            peer.poll(&mut say);
        });
        self.cost += cost;
        self.heard += self
            .intake
            .deliveries()
            .map(|delivery| match delivery {
                seseragi::source::Delivery::Block { samples, .. } => samples.len(),
                seseragi::source::Delivery::Gap { .. } => 0,
            })
            .sum::<usize>();
        self.intake.clear();
    }
}

fn main() {
    let speech: Vec<f32> = sound::speech(48_000, 60).iter().map(|sample| f32::from(*sample) / 32768.0).collect();
    let mut encoder =
        opus::Encoder::new(48_000, opus::Channels::Mono, opus::Application::Voip).expect("libopus starts");
    encoder.set_bitrate(opus::Bitrate::Bits(128_000)).expect("a bit rate");
    let coded: Vec<Vec<u8>> = speech
        .chunks_exact(FRAME)
        .take(SECS * 50)
        .map(|frame| encoder.encode_vec_float(frame, 1_500).expect("a packet"))
        .collect();
    let cert = crypto::from_feature_flags().dtls_provider.generate_certificate().expect("a certificate");
    let (server, mut now) = (SocketAddr::from(([10, 0, 0, 1], 5_000)), Instant::now());
    let mut pages: Vec<_> = (0..PUBLISHERS as u8).map(|number| Page::new(number, server, &cert, now)).collect();
    while !pages.iter().all(|page| page.rtc.is_connected()) {
        now += STEP;
        pages.iter_mut().for_each(|page| page.step(server, now));
    }
    pages.iter_mut().for_each(|page| page.cost = Duration::ZERO);
    for i in 0..SECS * 50 {
        for page in &mut pages {
            let writer = page.rtc.writer(page.mid).expect("the one medium");
            let pt = writer.payload_params().next().expect("Opus").pt();
            let time = MediaTime::new((i * FRAME) as u64, Frequency::FORTY_EIGHT_KHZ);
            writer.write(pt, now, time, coded[i % coded.len()].clone()).expect("room in the queue");
        }
        for _ in 0..4 {
            now += STEP;
            pages.iter_mut().for_each(|page| page.step(server, now));
        }
    }
    for _ in 0..40 {
        now += STEP;
        pages.iter_mut().for_each(|page| page.step(server, now));
    }
    for (number, page) in pages.iter().enumerate() {
        let counts = page.reception.counts();
        let share = page.cost.as_secs_f64() / SECS as f64 * 100.0;
        println!(
            "publisher {number}: {:.2} s heard, {} packets, {} lost, {share:.2} % of a core",
            page.heard as f64 / 48_000.0,
            counts.received,
            counts.lost
        );
        assert_eq!((counts.received as usize, counts.lost), (SECS * 50, 0), "no loss");
    }
    let mean = pages.iter().map(|page| page.cost.as_secs_f64()).sum::<f64>() / (PUBLISHERS * SECS) as f64 * 100.0;
    println!("mean: {mean:.2} % of a core a publisher (the bar: 2 %)");
}
