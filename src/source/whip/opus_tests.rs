//! The reception against packets of libopus, which is also the oracle of the decoder.

use std::sync::Arc;

use super::*;
use crate::source::Delivery;

const FRAME: usize = 960;

/// A voice-like sound: a gliding tone with overtones that comes and goes.
fn sound(secs: usize) -> Vec<f32> {
    let mut phase = 0.0_f64;
    (0..secs * RATE_HZ as usize)
        .map(|i| {
            let t = i as f64 / f64::from(RATE_HZ);
            phase += std::f64::consts::TAU * (140.0 + 40.0 * (t * 2.1).sin()) / f64::from(RATE_HZ);
            let voice: f64 = (1..12).map(|n| (phase * f64::from(n)).sin() / f64::from(n)).sum();
            (0.2 * voice * (0.55 + 0.45 * (t * 9.0).sin())) as f32
        })
        .collect()
}

/// Packets of 20 ms with in-band FEC for a network that loses a tenth.
fn packets(sound: &[f32], bitrate: i32, start: Instant) -> Vec<OpusPacket> {
    let mut encoder = opus::Encoder::new(RATE_HZ, opus::Channels::Mono, opus::Application::Voip).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(bitrate)).unwrap();
    encoder.set_inband_fec(true).unwrap();
    encoder.set_packet_loss_perc(10).unwrap();
    let frames = sound.chunks_exact(FRAME).enumerate();
    frames
        .map(|(i, frame)| OpusPacket {
            seq: 1_000 + i as u64,
            timestamp: 77_000 + (i * FRAME) as u64,
            arrived: start + Duration::from_millis(20) * i as u32,
            data: encoder.encode_vec_float(frame, 1_500).unwrap().into(),
        })
        .collect()
}

/// What comes of `packets`: sound with zeros in the gaps, the gaps, the counts.
fn receive(packets: &[OpusPacket]) -> (Vec<f32>, Vec<(usize, u64, GapCause)>, PacketCounts) {
    let mut reception = Reception::new(PacketCounts::default()).unwrap();
    let (mut intake, mut heard, mut gaps) = (Intake::default(), Vec::new(), Vec::new());
    let last = packets.last().unwrap().arrived;
    let flush = |reception: &mut Reception, intake: &mut Intake| reception.flush(last + Duration::from_secs(1), intake);
    for packet in packets {
        reception.accept(packet, &mut intake);
    }
    flush(&mut reception, &mut intake);
    for delivery in intake.deliveries() {
        match delivery {
            Delivery::Block { samples, .. } => heard.extend_from_slice(samples),
            Delivery::Gap { frames, cause } => {
                gaps.push((heard.len(), frames, cause));
                heard.resize(heard.len() + frames as usize, 0.0);
            }
        }
    }
    (heard, gaps, reception.counts())
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn it_decodes_as_libopus_does() {
    for bitrate in [16_000, 32_000, 128_000] {
        let sent = packets(&sound(4), bitrate, Instant::now());
        let mut oracle = opus::Decoder::new(RATE_HZ, opus::Channels::Mono).unwrap();
        let mut expected = Vec::new();
        for packet in &sent {
            let mut pcm = [0.0; FRAME];
            assert_eq!(oracle.decode_float(&packet.data, &mut pcm, false).unwrap(), FRAME);
            expected.extend_from_slice(&pcm);
        }
        let (heard, gaps, counts) = receive(&sent);
        assert_eq!((heard.len(), gaps), (expected.len(), vec![]));
        assert_eq!((counts.received, counts.lost, counts.damaged), (200, 0, 0));
        let like = correlation(&heard, &expected);
        assert!(like > 0.9995, "{bitrate} b/s: {like}");
    }
}

#[test]
fn two_channels_are_heard_as_one_as_libopus_does() {
    let (sound, start) = (sound(4), Instant::now());
    let mut encoder = opus::Encoder::new(RATE_HZ, opus::Channels::Stereo, opus::Application::Audio).unwrap();
    encoder.set_bitrate(opus::Bitrate::Bits(128_000)).unwrap();
    let mut oracle = opus::Decoder::new(RATE_HZ, opus::Channels::Mono).unwrap();
    let (mut sent, mut expected) = (Vec::new(), Vec::new());
    for (i, frame) in sound.chunks_exact(FRAME).enumerate() {
        // The right channel is a little quieter, so that it matters which is heard.
        let both: Vec<f32> = frame.iter().flat_map(|sample| [*sample, 0.7 * sample]).collect();
        let data = encoder.encode_vec_float(&both, 1_500).unwrap();
        let mut pcm = [0.0; FRAME];
        assert_eq!(oracle.decode_float(&data, &mut pcm, false).unwrap(), FRAME);
        expected.extend_from_slice(&pcm);
        let (seq, timestamp) = (i as u64, (i * FRAME) as u64);
        sent.push(OpusPacket {
            seq,
            timestamp,
            arrived: start + Duration::from_millis(20) * i as u32,
            data: data.into(),
        });
    }
    let (heard, gaps, counts) = receive(&sent);
    assert_eq!((heard.len(), gaps, counts.damaged), (expected.len(), vec![], 0));
    let loudness = |sound: &[f32]| sound.iter().map(|sample| f64::from(sample * sample)).sum::<f64>();
    let (like, louder) = (correlation(&heard, &expected), loudness(&heard) / loudness(&expected));
    assert!(like > 0.9995 && (louder - 1.0).abs() < 0.01, "{like}, {louder} times as loud");
}

#[test]
fn lost_packets_are_made_up_and_counted_and_the_clock_stays_right() {
    let sound = sound(10);
    let sent = packets(&sound, 32_000, Instant::now());
    let (whole, ..) = receive(&sent);
    // Single losses and a burst of three: 5 % in all.
    let is_lost = |i: usize| i % 40 == 7 || (i > 100 && i % 100 < 3);
    let kept: Vec<_> = sent.iter().enumerate().filter(|(i, _)| !is_lost(*i)).map(|(_, p)| p.clone()).collect();
    let (heard, gaps, counts) = receive(&kept);
    let lost = (sent.len() - kept.len()) as u64;
    assert_eq!((counts.lost, counts.concealed), (lost, lost));
    assert_eq!((heard.len(), gaps), (whole.len(), vec![]));
    let like = correlation(&heard, &whole);
    assert!(like > 0.95, "{like}");
}

#[test]
fn a_long_loss_is_a_gap_of_the_right_length() {
    let sent = packets(&sound(4), 32_000, Instant::now());
    let kept: Vec<_> = sent.iter().enumerate().filter(|(i, _)| !(50..80).contains(i)).map(|(_, p)| p.clone()).collect();
    let (heard, gaps, counts) = receive(&kept);
    assert_eq!(gaps, [(50 * FRAME, 30 * FRAME as u64, GapCause::Network)]);
    assert_eq!((heard.len(), counts.lost, counts.concealed), (sent.len() * FRAME, 30, 0));
}

#[test]
fn silence_left_out_and_probes_are_no_loss() {
    let start = Instant::now();
    let mut sent = packets(&sound(2), 32_000, start);
    // DTX: 400 ms without a packet, the numbers go on and the time stamps jump.
    for packet in &mut sent[50..] {
        packet.timestamp += 20 * FRAME as u64;
        packet.arrived += Duration::from_millis(400);
    }
    // Probes: numbers without sound.
    let probe = |seq, at: &OpusPacket| OpusPacket { seq, data: Arc::new([]), ..at.clone() };
    let mut with_probes = Vec::new();
    for (i, packet) in sent.iter().enumerate() {
        let seq = packet.seq + (i / 10) as u64;
        with_probes.push(OpusPacket { seq, ..packet.clone() });
        if i % 10 == 9 {
            with_probes.push(probe(seq + 1, packet));
        }
    }
    let (heard, gaps, counts) = receive(&with_probes);
    assert_eq!(gaps, []);
    assert_eq!((heard.len(), counts.lost, counts.received), ((100 + 20) * FRAME, 0, 100));
    assert!(heard[51 * FRAME..69 * FRAME].iter().all(|sample| *sample == 0.0), "silence is silent");
}

#[test]
fn a_sender_that_stood_still_leaves_a_gap_and_a_network_that_did_leaves_none() {
    let start = Instant::now();
    let sent = packets(&sound(4), 32_000, start);
    let late = |by: &dyn Fn(usize) -> u64| -> Vec<OpusPacket> {
        let late = |(i, packet): (usize, &OpusPacket)| OpusPacket {
            arrived: packet.arrived + Duration::from_millis(by(i)),
            ..packet.clone()
        };
        sent.iter().enumerate().map(late).collect()
    };
    // The page froze for 800 ms: everything after it is late by that, for good.
    let (heard, gaps, _) = receive(&late(&|i| if i >= 100 { 800 } else { 0 }));
    let [(at, len, GapCause::Stall)] = gaps[..] else { panic!("{gaps:?}") };
    assert_eq!(at, 100 * FRAME);
    assert!((len as f64 / f64::from(RATE_HZ) - 0.8).abs() < 0.06, "{len}");
    assert_eq!(heard.len(), 200 * FRAME + len as usize);
    // The network held 800 ms back and then gave them all at once.
    let (heard, gaps, _) = receive(&late(&|i| if (100..140).contains(&i) { 20 * (140 - i as u64) } else { 0 }));
    assert_eq!((heard.len(), gaps), (200 * FRAME, vec![]));
}

proptest::proptest! {
    #[test]
    fn no_packet_makes_it_panic_or_grow(
        junk in proptest::collection::vec((0u64..40, 0u64..200_000, proptest::collection::vec(0u8.., 0..80)), 1..60),
    ) {
        let mut reception = Reception::new(PacketCounts::default()).unwrap();
        let (mut intake, now) = (Intake::default(), Instant::now());
        for (i, (seq, timestamp, data)) in junk.into_iter().enumerate() {
            intake.clear();
            let arrived = now + Duration::from_millis(20) * i as u32;
            reception.accept(&OpusPacket { seq, timestamp, arrived, data: data.into() }, &mut intake);
            reception.flush(arrived, &mut intake);
            let most = intake.deliveries().map(|delivery| match delivery {
                Delivery::Block { samples, .. } => samples.len(),
                Delivery::Gap { .. } => 0,
            }).sum::<usize>();
            proptest::prop_assert!(most <= 20 * LONGEST, "{} samples", most);
        }
    }
}
