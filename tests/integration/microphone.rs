//! The microphone on a real sound server: what is played is captured bit for bit, and whatever happens to the server is
//! seen within a second and over within two of its return.

use std::{
    collections::HashMap,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use crate::pulse::{PulseServer, with_server};
use seseragi::{
    Error, ErrorKind,
    source::{
        ChannelChoice, Delivery, Format, Intake, Source, SourceState,
        microphone::{Microphone, devices, keeper_threads},
    },
    stream::GapCause,
};

/// How long a test may take at most.
const LIMIT: Duration = Duration::from_secs(25);
const SECOND: Duration = Duration::from_secs(1);

/// Polls a microphone as a pump does and keeps what it hears.
struct Listener {
    source: Microphone,
    intake: Intake,
    format: Option<Format>,
    samples: Vec<f32>,
    gap_frames: u64,
    /// When the last block came, and its capture time.
    last: Option<(Instant, Instant)>,
    first: Option<Instant>,
}

impl Listener {
    fn open(id: Option<&str>, channel: ChannelChoice) -> Self {
        let source = Microphone::open(id, channel).expect("a thread");
        Self {
            source,
            intake: Intake::default(),
            format: None,
            samples: Vec::new(),
            gap_frames: 0,
            last: None,
            first: None,
        }
    }

    fn poll(&mut self) -> SourceState {
        let now = Instant::now();
        self.intake.clear();
        let state = self.source.poll(now, &mut self.intake);
        for delivery in self.intake.deliveries() {
            match delivery {
                Delivery::Block { samples, format, captured } => {
                    self.format = Some(format);
                    self.samples.extend_from_slice(samples);
                    self.first.get_or_insert(now);
                    self.last = Some((now, captured));
                }
                Delivery::Gap { frames, cause } => {
                    assert_eq!(cause, GapCause::Overrun);
                    self.gap_frames += frames;
                }
            }
        }
        sleep(Duration::from_millis(2));
        state
    }

    fn run(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            if let SourceState::Failed(error) = self.poll() {
                panic!("{error}");
            }
        }
    }

    /// Polls until sound comes; how long that took.
    fn until_sound(&mut self) -> Duration {
        let (start, before) = (Instant::now(), self.samples.len());
        while self.samples.len() == before {
            if let SourceState::Failed(error) = self.poll() {
                panic!("{error}");
            }
            assert!(start.elapsed() < 10 * SECOND, "no sound");
        }
        start.elapsed()
    }

    /// Polls until it fails; how long that took, and why.
    fn until_failure(&mut self) -> (Duration, Error) {
        let start = Instant::now();
        loop {
            if let SourceState::Failed(error) = self.poll() {
                return (start.elapsed(), error);
            }
            assert!(start.elapsed() < 10 * SECOND, "it does not fail");
        }
    }

    /// Opens it anew until sound comes, with the pump's back-off at its longest; how long that took.
    fn until_back(&mut self, id: Option<&str>) -> Duration {
        let start = Instant::now();
        loop {
            *self = Self::open(id, ChannelChoice::Mix);
            loop {
                if let SourceState::Failed(_) = self.poll() {
                    break;
                }
                if self.last.is_some() {
                    return start.elapsed();
                }
                assert!(start.elapsed() < 10 * SECOND, "it does not come back");
            }
            sleep(SECOND.saturating_sub(Duration::from_millis(2)));
        }
    }

    /// One channel as 16-bit values.
    fn channel(&self, index: usize) -> Vec<i16> {
        let channels = usize::from(self.format.expect("sound came").channels);
        self.samples.iter().skip(index).step_by(channels).map(|sample| (sample * 32_768.0) as i16).collect()
    }
}

/// Noise in which every run of four samples occurs once, so that each piece can be found in what was captured.
fn noise(samples: usize) -> Vec<i16> {
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16 / 4
    };
    (0..samples).map(|_| next()).collect()
}

fn write_wav(path: &Path, rate_hz: u32, channels: u16, samples: &[i16]) {
    let spec =
        hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).expect("a writer");
    samples.iter().for_each(|&sample| writer.write_sample(sample).expect("written"));
    writer.finalize().expect("finished");
}

/// The longest stretch of `played` that stands in `captured` without a break: (where it starts in `played`, its length).
fn longest_stretch(played: &[i16], captured: &[i16]) -> (usize, usize) {
    let places: HashMap<[i16; 4], usize> =
        played.windows(4).enumerate().map(|(at, four)| ([four[0], four[1], four[2], four[3]], at)).collect();
    let (mut best, mut at) = ((0, 0), 0);
    while at + 4 <= captured.len() {
        let four = [captured[at], captured[at + 1], captured[at + 2], captured[at + 3]];
        match places.get(&four) {
            Some(&place) => {
                let run = played[place..].iter().zip(&captured[at..]).take_while(|(a, b)| a == b).count();
                best = if run > best.1 { (place, run) } else { best };
                at += run;
            }
            None => at += 1,
        }
    }
    best
}

fn frames_by_the_clock(listener: &Listener) -> (f64, f64) {
    let format = listener.format.expect("sound came");
    let frames = listener.samples.len() as f64 / f64::from(format.channels);
    let (first, last) = (listener.first.expect("sound came"), listener.last.expect("sound came").0);
    (frames, (last - first).as_secs_f64() * f64::from(format.sample_rate_hz))
}

#[test]
fn what_is_played_is_captured_bit_for_bit() {
    with_server("microphone::what_is_played_is_captured_bit_for_bit", LIMIT, |server| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (played, wav) = (noise(4 * 48_000), directory.path().join("noise.wav"));
        write_wav(&wav, 48_000, 1, &played);
        let mut listener = Listener::open(None, ChannelChoice::Mix);
        listener.until_sound();
        let player = server.play(&wav, "spk");
        listener.run(5 * SECOND);
        drop(player);
        let (place, run) = longest_stretch(&played, &listener.channel(0));
        let (frames, by_the_clock) = frames_by_the_clock(&listener);
        let delay = listener.last.map(|(seen, captured)| seen - captured);
        println!(
            "{run} of {} samples in one piece, from {place} on; {frames} frames, {by_the_clock:.0} by the clock; delay {delay:?}",
            played.len()
        );
        // The server may render the first tens of milliseconds before a player's sound is there, for everyone.
        assert!(place < 4800 && place + run == played.len(), "the sound has a hole");
        assert!((frames - by_the_clock).abs() < 0.15 * 48_000.0, "{frames} frames, {by_the_clock} by the clock");
        assert_eq!(listener.gap_frames, 0);
        assert!(delay.is_some_and(|delay| delay < Duration::from_millis(50)), "{delay:?}");
    });
}

#[test]
fn every_rate_format_and_channel_count_comes_as_it_is() {
    with_server("microphone::every_rate_format_and_channel_count_comes_as_it_is", LIMIT, |server| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // The places of the channels as cpal names them: the server would mix one into another.
        const SIX: &str = "s32le channel_map=front-left,front-right,front-center,lfe,rear-left,rear-right";
        for (name, rate_hz, format, channels) in [
            ("a", 44_100, "s16le", 2_u16),
            ("b", 96_000, "float32le", 1),
            ("c", 48_000, SIX, 6),
            ("d", 16_000, "u8", 1),
        ] {
            server.add_sink(name, rate_hz, format, channels);
            let (tones, wav) = (noise(rate_hz as usize), directory.path().join(name));
            let wide: Vec<i16> =
                tones.iter().flat_map(|&tone| (0..channels).map(move |n| tone / (n as i16 + 1))).collect();
            write_wav(&wav, rate_hz, channels, &wide);
            let id = format!("pulseaudio:{name}.monitor");
            let last = channels - 1;
            let mut listener = Listener::open(Some(&id), ChannelChoice::One(last));
            listener.until_sound();
            assert_eq!(listener.format, Some(Format { sample_rate_hz: rate_hz, channels }), "{name}");
            let player = server.play(&wav, name);
            listener.run(Duration::from_millis(1600));
            drop(player);
            let wanted: Vec<i16> = tones.iter().map(|&tone| tone / (last as i16 + 1)).collect();
            let heard = listener.channel(usize::from(last));
            let run = match format {
                // 8 bits keep the coarse shape only: compare the loudest stretch by its level.
                "u8" => heard.iter().filter(|&&sample| sample.unsigned_abs() > 4096).count() * 2,
                _ => longest_stretch(&wanted, &heard).1,
            };
            println!("{name}: {run} of {} samples", wanted.len());
            assert!(run > wanted.len() * 9 / 10, "{name}: {run} of {}", wanted.len());
        }
        let mut listener = Listener::open(Some("pulseaudio:a.monitor"), ChannelChoice::One(2));
        let (_, error) = listener.until_failure();
        assert_eq!(error.kind, ErrorKind::Invalid);
        assert!(error.message.contains("channel 3") && error.message.contains("1 to 2"), "{error}");
    });
}

#[test]
fn a_server_that_dies_and_returns() {
    with_server("microphone::a_server_that_dies_and_returns", LIMIT, |server| {
        let mut listener = Listener::open(None, ChannelChoice::Mix);
        listener.until_sound();
        for round in 0..3 {
            listener.run(Duration::from_millis(300));
            server.kill();
            let (seen, error) = listener.until_failure();
            assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
            let (still, why) = Listener::open(None, ChannelChoice::Mix).until_failure();
            assert_eq!(why.kind, ErrorKind::Unavailable, "{why}");
            server.restart();
            let back = listener.until_back(None);
            println!(
                "round {round}: death seen after {seen:?} ({error}), refused after {still:?} ({why}), back after {back:?}"
            );
            assert!(seen < SECOND && back < 2 * SECOND, "seen after {seen:?}, back after {back:?}");
        }
        drop(listener);
        no_thread_is_left();
    });
}

#[test]
fn a_device_that_is_pulled_out_and_put_back() {
    with_server("microphone::a_device_that_is_pulled_out_and_put_back", LIMIT, |server| {
        let module = server.add_sink("usb", 48_000, "s16le", 1);
        let id = Some("pulseaudio:usb.monitor");
        let mut listener = Listener::open(id, ChannelChoice::Mix);
        listener.until_sound();
        server.unload(&module);
        let (seen, error) = listener.until_failure();
        let (_, absent) = Listener::open(id, ChannelChoice::Mix).until_failure();
        assert_eq!(absent.kind, ErrorKind::NotFound, "{absent}");
        assert!(absent.message.contains("usb.monitor"), "{absent}");
        server.add_sink("usb", 48_000, "s16le", 1);
        let back = listener.until_back(id);
        println!("seen after {seen:?} ({error}), back after {back:?}; without it: {absent}");
        assert!(seen < SECOND && back < 2 * SECOND, "seen after {seen:?}, back after {back:?}");
    });
}

#[test]
fn the_default_is_followed() {
    with_server("microphone::the_default_is_followed", LIMIT, |server| {
        server.add_sink("other", 44_100, "s16le", 2);
        let mut listener = Listener::open(None, ChannelChoice::Mix);
        listener.until_sound();
        assert_eq!(listener.format.map(|format| format.channels), Some(1));
        server.pactl(&["set-default-source", "other.monitor"]);
        let start = Instant::now();
        let (seen, error) = listener.until_failure();
        listener.until_back(None);
        println!("seen after {seen:?} ({error}), on the other after {:?}", start.elapsed());
        assert_eq!(listener.format, Some(Format { sample_rate_hz: 44_100, channels: 2 }));
        assert!(start.elapsed() < 2 * SECOND, "{:?}", start.elapsed());
        // A device that was named does not follow.
        let mut named = Listener::open(Some("pulseaudio:spk.monitor"), ChannelChoice::Mix);
        named.until_sound();
        server.pactl(&["set-default-source", "spk.monitor"]);
        server.pactl(&["set-default-source", "other.monitor"]);
        named.run(SECOND);
        assert_eq!(named.format.map(|format| format.channels), Some(1));
    });
}

/// The stall of the server between `before` and `after`: how long sound stayed away, and the gap by the capture times.
fn pause(
    listener: &mut Listener,
    server: &PulseServer,
    time: Duration,
    stop: fn(&PulseServer),
    go: fn(&PulseServer),
) -> (Duration, f64, f64) {
    listener.run(Duration::from_millis(1500));
    stop(server);
    let start = Instant::now();
    while start.elapsed() < time {
        assert_eq!(listener.poll(), SourceState::Flowing, "a stall is no failure: the pump decides");
    }
    let (captured, heard) = (listener.last.expect("sound came").1, listener.samples.len());
    go(server);
    let back = listener.until_sound();
    listener.run(Duration::from_millis(500));
    let frames = (listener.samples.len() - heard) as f64 + listener.gap_frames as f64;
    let elapsed = (listener.last.expect("sound came").1 - captured).as_secs_f64();
    (back, elapsed, elapsed - frames / 48_000.0)
}

#[test]
fn a_suspended_device_resumes_on_the_same_stream_with_its_gap() {
    with_server("microphone::a_suspended_device_resumes_on_the_same_stream_with_its_gap", LIMIT, |server| {
        let mut listener = Listener::open(None, ChannelChoice::Mix);
        listener.until_sound();
        let suspend = |server: &PulseServer| drop(server.pactl(&["suspend-sink", "spk", "1"]));
        let resume = |server: &PulseServer| drop(server.pactl(&["suspend-sink", "spk", "0"]));
        let (back, elapsed, missing) = pause(&mut listener, server, 2 * SECOND, suspend, resume);
        println!("back after {back:?}; {missing:.3} s of {elapsed:.3} s are missing");
        assert!(back < 2 * SECOND);
        assert!((1.7..2.4).contains(&missing), "{missing}");
    });
}

#[test]
fn a_frozen_server_resumes_and_closing_never_waits_for_it() {
    with_server("microphone::a_frozen_server_resumes_and_closing_never_waits_for_it", LIMIT, |server| {
        let mut listener = Listener::open(None, ChannelChoice::Mix);
        listener.until_sound();
        let (back, elapsed, missing) = pause(&mut listener, server, 2 * SECOND, PulseServer::freeze, PulseServer::thaw);
        println!("back after {back:?}; {missing:.3} s of {elapsed:.3} s are missing");
        assert!(back < 2 * SECOND);
        // What the server makes up for is no gap, what it does not is one: both add up to the time that went by.
        let (frames, by_the_clock) = frames_by_the_clock(&listener);
        println!("{frames} frames, {by_the_clock:.0} by the clock");
        server.freeze();
        sleep(Duration::from_millis(700));
        let start = Instant::now();
        drop(listener);
        let other = Listener::open(None, ChannelChoice::Mix);
        drop(other);
        let took = start.elapsed();
        server.thaw();
        println!("closing and opening took {took:?}");
        assert!(took < Duration::from_millis(50), "{took:?}");
        no_thread_is_left();
    });
}

fn no_thread_is_left() {
    let start = Instant::now();
    while keeper_threads() > 0 {
        assert!(start.elapsed() < 8 * SECOND, "{} threads hang", keeper_threads());
        sleep(Duration::from_millis(10));
    }
    println!("no thread is left after {:?}", start.elapsed());
}

#[test]
fn the_devices_are_listed_with_ids_that_open_them() {
    with_server("microphone::the_devices_are_listed_with_ids_that_open_them", LIMIT, |server| {
        server.add_sink("second", 44_100, "s16le", 2);
        let list = devices().expect("a list");
        println!("{list:#?}");
        assert_eq!(list.len(), 2);
        assert!(list[0].is_default && list[0].is_monitor && list[0].id == "pulseaudio:spk.monitor");
        assert_eq!(list[1].format, "44100 Hz, 2 channels, i16");
        let mut listener = Listener::open(Some(&list[1].id), ChannelChoice::Mix);
        listener.until_sound();
        assert_eq!(listener.format, Some(Format { sample_rate_hz: 44_100, channels: 2 }));
        server.kill();
        let error = devices().expect_err("there is no server");
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("PulseAudio"), "{error}");
    });
}
