//! The monitor on a real sound server: what the pump hands over is heard, as loud as it is set, and only when it is on.

use std::{
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use seseragi::{
    ErrorKind,
    monitor::{Monitor, MonitorInput},
};

use crate::pulse::with_server;

const RATE_HZ: u32 = 48_000;

/// Hands over a sine of 1 kHz at a quarter of full scale in real time, as a pump does.
fn play(input: &mut MonitorInput, time: Duration) {
    let (start, mut next) = (Instant::now(), 0);
    while start.elapsed() < time {
        let due = (start.elapsed().as_secs_f64() * f64::from(RATE_HZ)) as u32;
        let sine = |n: u32| (std::f64::consts::TAU * 1000.0 * f64::from(n) / f64::from(RATE_HZ)).sin();
        let block: Vec<i16> = (next..due).map(|n| (sine(n) * 8192.0) as i16).collect();
        input.push(&block);
        next = due;
        sleep(Duration::from_millis(5));
    }
}

/// The loudness of the last `secs` seconds of a recording, full-scale sine = 1, and how pure its 1 kHz is, 0 to 1: medians
/// over windows of 10 ms, because a busy machine lets a moment of sound fall out, and the speed is bent a little.
fn level(raw: &Path, secs: f64) -> (f64, f64) {
    let bytes = std::fs::read(raw).expect("the recording");
    let samples: Vec<f64> =
        bytes.chunks_exact(2).map(|pair| f64::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0).collect();
    let tail = &samples[samples.len().saturating_sub((secs * f64::from(RATE_HZ)) as usize)..];
    let mut windows: Vec<_> = tail
        .chunks_exact(480)
        .map(|window| {
            let power = window.iter().map(|sample| sample * sample).sum::<f64>() / 480.0;
            let (re, im) = window.iter().enumerate().fold((0.0, 0.0), |(re, im), (n, sample)| {
                let phase = std::f64::consts::TAU * 1000.0 * n as f64 / f64::from(RATE_HZ);
                (re + sample * phase.cos(), im + sample * phase.sin())
            });
            let pure = if power > 0.0 { 2.0 * (re * re + im * im) / (480.0 * 480.0) / power } else { 0.0 };
            ((2.0 * power).sqrt(), pure)
        })
        .collect();
    let middle = windows.len() / 2;
    windows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let loudness = windows.get(middle).map_or(0.0, |window| window.0);
    windows.sort_by(|a, b| a.1.total_cmp(&b.1));
    (loudness, windows.get(middle).map_or(0.0, |window| window.1))
}

#[test]
fn a_stream_is_heard_when_it_is_on_and_as_loud_as_it_is_set() {
    let name = "monitor::a_stream_is_heard_when_it_is_on_and_as_loud_as_it_is_set";
    with_server(name, Duration::from_secs(25), |server| {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let raw = directory.path().join("heard.raw");
        let recorder = server.record("spk.monitor", &raw);
        let (mut monitor, mut input) = Monitor::open(RATE_HZ, 0.0).expect("a thread");
        play(&mut input, Duration::from_millis(600));
        assert!(!monitor.is_on());
        assert_eq!(level(&raw, 0.5).0, 0.0, "nothing is heard before it is switched on");
        monitor.set_on(true);
        play(&mut input, Duration::from_millis(2000));
        let (loud, pure) = level(&raw, 1.0);
        println!("on: {loud:.4}, {:.2} % of it the sine", pure * 100.0);
        assert_eq!(monitor.notice(), None);
        assert!((loud - 0.25).abs() < 0.01 && pure > 0.98, "{loud}, {pure}");
        monitor.set_volume_db(-12.0);
        play(&mut input, Duration::from_millis(1500));
        let (quiet, _) = level(&raw, 0.5);
        println!("-12 dB: {quiet:.4}");
        assert!((quiet - 0.25 * 0.2512).abs() < 0.005, "{quiet}");
        monitor.set_on(false);
        play(&mut input, Duration::from_millis(1200));
        assert!(level(&raw, 0.5).0 < 1e-4, "off is silent");
        drop(recorder);
    });
}

#[test]
fn a_loudspeaker_that_goes_away_is_noticed_and_comes_back() {
    let name = "monitor::a_loudspeaker_that_goes_away_is_noticed_and_comes_back";
    with_server(name, Duration::from_secs(25), |server| {
        let (mut monitor, mut input) = Monitor::open(RATE_HZ, 0.0).expect("a thread");
        monitor.set_on(true);
        play(&mut input, Duration::from_millis(800));
        assert_eq!(monitor.notice(), None);
        server.kill();
        play(&mut input, Duration::from_millis(1500));
        let notice = monitor.notice().expect("a notice");
        println!("{notice}");
        assert_eq!(notice.kind, ErrorKind::Unavailable);
        server.restart();
        let directory = tempfile::tempdir().expect("a temporary directory");
        let raw = directory.path().join("heard.raw");
        let recorder = server.record("spk.monitor", &raw);
        play(&mut input, Duration::from_millis(6000));
        assert_eq!(monitor.notice(), None);
        assert!((level(&raw, 1.0).0 - 0.25).abs() < 0.01, "it is heard again");
        drop(recorder);
        // Without any server: one clear notice, and the pump is never held up.
        server.kill();
        let start = Instant::now();
        input.push(&[0; 48_000]);
        monitor.set_on(false);
        assert!(start.elapsed() < Duration::from_millis(20));
    });
}
