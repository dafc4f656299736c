//! How long sound takes from a browser's microphone to its column on the screen, by time stamps on both sides:
//!
//! `cargo nextest run --release --test integration --run-ignored only page_latency --no-capture`

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use seseragi::stream::{Spectrogram, Stream, Waveform};

use crate::stage::{Stage, write_wav};

/// What the way may take, 95 times in 100.
const LIMIT_MILLIS: f64 = 150.0;
/// How loud a chirp is at least; everything between two is silent.
const LOUD: f32 = 0.25;
const CHIRPS: usize = 40;

/// Tells when the browser captured each chirp, in milliseconds since 1970: by the capture's own time stamps, not by when a script
/// came to look.
const LISTEN: &str = "
    const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wish) => { const stream = await ask(wish); listen(stream); return stream; };
    window.chirps = [];
    async function listen(stream) {
        const track = stream.getAudioTracks()[0].clone();
        const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
        let quiet = 0;
        for (;;) {
            const { value, done } = await reader.read();
            if (done) return;
            const sound = new Float32Array(value.numberOfFrames);
            value.copyTo(sound, { planeIndex: 0, format: 'f32-planar' });
            sound.forEach((sample, i) => {
                quiet += 1;
                if (Math.abs(sample) < 0.25) return;
                const at = performance.timeOrigin + value.timestamp / 1e3 + 1e3 * i / value.sampleRate;
                if (quiet > value.sampleRate * 0.2) chirps.push(at);
                quiet = 0;
            });
            value.close();
        }
    }";

/// Ten milliseconds of rising tone, then silence, half a second in all; no multiple of a frame, so that every phase comes up.
fn chirp(path: &std::path::Path) -> Vec<i16> {
    let rate = 48_000.0;
    let tone = (0..480).map(|i| {
        let secs = f64::from(i) / rate;
        let phase = std::f64::consts::TAU * (1_000.0 * secs + 100_000.0 * secs * secs);
        (phase.sin() * 26_000.0) as i16
    });
    let sound: Vec<i16> = std::iter::repeat_n(0, 12_000).chain(tone).chain(std::iter::repeat_n(0, 11_933)).collect();
    write_wav(path, &sound);
    sound
}

fn now_millis() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1e3
}

/// The chirps on the screen: when the first frame was drawn that has the column in which each begins.
#[derive(Default)]
struct Seen {
    searched: u64,
    quiet: u64,
    waiting: Vec<u64>,
    at_millis: Vec<f64>,
}

impl Seen {
    fn look(&mut self, stage: &mut Stage) {
        let world = stage.screen.app.world_mut();
        let mut streams = world.query::<(&Stream, &Waveform, &Spectrogram)>();
        let Some((stream, waveform, spectrogram)) = streams.iter(world).next() else { return };
        let range = waveform.history().range(0);
        let new = self.searched.max(range.start)..range.end;
        for (_, block) in waveform.history().samples(new.clone()) {
            for &sample in block {
                self.quiet += 1;
                if f32::from(sample).abs() >= LOUD * 32768.0 {
                    if self.quiet > u64::from(stream.sample_rate_hz) / 5 {
                        self.waiting.push(self.searched);
                    }
                    self.quiet = 0;
                }
                self.searched += 1;
            }
        }
        self.searched = new.end;
        let hop = seseragi::config::Config::default().stream.hop as u64;
        let columns = spectrogram.history().range(0).end;
        let shown = now_millis();
        let ready = self.waiting.iter().take_while(|&&sample| columns * hop > sample).count();
        self.waiting.drain(..ready);
        self.at_millis.extend(std::iter::repeat_n(shown, ready));
    }
}

#[test]
#[ignore = "half a minute of measuring: a documented command"]
fn from_the_browsers_microphone_to_the_column_on_the_screen() {
    let Some(mut stage) = Stage::hearing(chirp) else { return };
    stage.open("phone", json!({ "script": LISTEN }));
    stage.click("phone", "#start");
    stage.until_phase("phone", "connected");
    // The jitter buffer and the pump settle.
    stage.screen.run_for(3.0);
    let mut seen = Seen::default();
    seen.look(&mut stage);
    (seen.waiting, seen.at_millis) = Default::default();
    let end = std::time::Instant::now() + Duration::from_secs_f64(CHIRPS as f64 * 0.51);
    while std::time::Instant::now() < end {
        if stage.screen.frame() {
            seen.look(&mut stage);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let captured: Vec<f64> = serde_json::from_value(stage.evaluate("phone", "chirps")).unwrap();
    // The capture that a chirp on the screen belongs to is the last one before it.
    let mut millis: Vec<f64> = seen
        .at_millis
        .iter()
        .map(|&shown| shown - captured.iter().copied().filter(|&at| at <= shown).fold(f64::MIN, f64::max))
        .collect();
    millis.sort_by(f64::total_cmp);
    assert!(millis.len() >= CHIRPS * 8 / 10, "only {} of {CHIRPS} chirps were seen", millis.len());
    let at = |share: f64| millis[((millis.len() - 1) as f64 * share).round() as usize];
    println!(
        "capture in the browser to column on the screen: p50 {:.0} ms, p95 {:.0} ms, most {:.0} ms, {} chirps",
        at(0.5),
        at(0.95),
        at(1.0),
        millis.len()
    );
    assert!(at(0.95) <= LIMIT_MILLIS, "{millis:?}");
}
