//! The microphone on a real sound server: what is played is captured bit for bit, and whatever happens to the server is
//! seen within a second and over within two of its return.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use seseragi::{
    ErrorKind,
    source::{
        ChannelChoice, Format, SourceState,
        microphone::{devices, keeper_threads},
    },
};

use crate::{
    listener::{Listener, frames_by_the_clock, longest_stretch, noise, write_wav},
    pulse::{PulseServer, with_pipewire, with_server, without_server},
};

/// How long a test may take at most.
const LIMIT: Duration = Duration::from_secs(25);
const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_played_is_captured_bit_for_bit() {
    with_server("microphone::what_is_played_is_captured_bit_for_bit", LIMIT, |server| {
        let (listener, place, run) = play_noise(server);
        // The server may render the first tens of milliseconds before a player's sound is there, for everyone.
        assert!(place < 4800 && place + run == NOISE_SAMPLES, "the sound has a hole");
        let (frames, by_the_clock) = frames_by_the_clock(&listener);
        assert!((frames - by_the_clock).abs() < 0.15 * 48_000.0, "{frames} frames, {by_the_clock} by the clock");
        assert_eq!(listener.gap_frames, 0);
    });
}

#[test]
fn pipewire_hands_over_the_same_in_short_blocks() {
    with_pipewire("microphone::pipewire_hands_over_the_same_in_short_blocks", LIMIT, |server| {
        let (listener, _, run) = play_noise(server);
        let (frames, by_the_clock) = frames_by_the_clock(&listener);
        // Its buffer is 80 ms: a machine that is busy for longer loses sound, which must not go unseen.
        let gap = listener.gap_frames as f64;
        assert!(run == NOISE_SAMPLES || gap > 0.0, "the sound has a hole that was not noticed");
        assert!((frames + gap - by_the_clock).abs() < 0.15 * 48_000.0, "{frames} + {gap} of {by_the_clock} frames");
    });
}

const NOISE_SAMPLES: usize = 4 * 48_000;

/// Plays noise into `spk` and listens: the listener, and where the longest stretch of the noise starts that came in one
/// piece, and its length.
fn play_noise(server: &mut PulseServer) -> (Listener, usize, usize) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let (played, wav) = (noise(NOISE_SAMPLES), directory.path().join("noise.wav"));
    write_wav(&wav, 48_000, 1, &played);
    let mut listener = Listener::open(None, ChannelChoice::Mix);
    listener.until_sound();
    let player = server.play(&wav, "spk");
    // Longer than the noise by what it takes to find out that something is missing.
    listener.run(Duration::from_millis(6500));
    drop(player);
    let (place, run) = longest_stretch(&played, &listener.channel(0));
    let (frames, by_the_clock) = frames_by_the_clock(&listener);
    let (gap, pause) = (listener.gap_frames, listener.longest_pause);
    println!(
        "{run} of {NOISE_SAMPLES} samples in one piece, from {place} on; {frames} frames and {gap} missing, \
         {by_the_clock:.0} by the clock; longest pause between blocks {pause:?}"
    );
    (listener, place, run)
}

#[test]
fn without_server_and_card_the_error_says_so() {
    without_server("microphone::without_server_and_card_the_error_says_so", LIMIT, || {
        let cards = std::fs::read_to_string("/proc/asound/cards").unwrap_or_default();
        if !cards.is_empty() && !cards.contains("no soundcards") {
            eprintln!("skipped: this machine has a sound card");
            return;
        }
        let (_, error) = Listener::open(None, ChannelChoice::Mix).until_failure();
        assert_eq!(error.kind, ErrorKind::Unavailable);
        assert!(error.message.contains("there is no sound system"), "{error}");
        assert_eq!(devices(), Err(error));
    });
}

#[test]
fn hundreds_of_attempts_leave_nothing_behind() {
    with_server("microphone::hundreds_of_attempts_leave_nothing_behind", LIMIT, |server| {
        let count = |what: &str| server.pactl(&["list", "short", what]).lines().count();
        let threads = || std::fs::read_dir("/proc/self/task").expect("our threads").count();
        Listener::open(None, ChannelChoice::Mix).until_sound();
        no_thread_is_left();
        let before = (count("clients"), threads());
        for _ in 0..200 {
            let (_, error) = Listener::open(Some("pulseaudio:absent"), ChannelChoice::Mix).until_failure();
            assert_eq!(error.kind, ErrorKind::NotFound, "{error}");
        }
        for _ in 0..10 {
            Listener::open(None, ChannelChoice::Mix).until_sound();
        }
        no_thread_is_left();
        sleep(Duration::from_millis(200));
        let after = (count("clients"), threads());
        println!("connections and threads: {before:?} before, {after:?} after");
        assert!(after.0 <= before.0 + 1 && after.1 <= before.1 + 2, "{before:?} before, {after:?} after");
        assert_eq!(count("source-outputs"), 1, "only the one that keeps the sink awake");
    });
}

#[test]
fn every_rate_format_and_channel_count_comes_as_it_is() {
    with_server("microphone::every_rate_format_and_channel_count_comes_as_it_is", LIMIT, |server| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        // The places of the channels as cpal names them: the server would mix one into another.
        const SIX: &str = "s32le channel_map=front-left,front-right,front-center,lfe,rear-left,rear-right";
        for (name, rate_hz, format, channels) in
            [("a", 44_100, "s16le", 2_u16), ("b", 96_000, "float32le", 1), ("c", 48_000, SIX, 6)]
        {
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
            let run = longest_stretch(&wanted, &heard).1;
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
