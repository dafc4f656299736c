//! Live sound for kira: takes the newest samples of a link, and plays them at the loudspeaker's own rate and clock.
//!
//! Its `process` runs in the device's callback: no allocation, no log, no system call, and no lock that anybody waits for.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use kira::{
    Frame,
    info::Info,
    sound::{Sound, SoundData},
};
use rtrb::Consumer;

/// The delay that is kept between the pump and the loudspeaker: several polls of the pump.
pub const DELAY_SECS: f64 = 0.1;
/// Further behind than this, the oldest sound is skipped.
const MOST_BEHIND_SECS: f64 = 0.25;
/// How far the speed is bent to keep the delay, against the drift of two clocks: a tenth of a semitone is 0.6 %.
const MOST_BEND: f64 = 0.004;
/// Sound comes and goes within this time, without a click.
const FADE_SECS: f64 = 0.005;

/// The samples' end of the link, which outlives each device that plays them.
#[derive(Clone)]
pub struct Tap {
    /// One sound at a time holds it, and only tries to: nobody waits for it.
    waiting: Arc<Mutex<Consumer<i16>>>,
    rate_hz: f64,
}

impl Tap {
    pub fn new(waiting: Consumer<i16>, rate_hz: u32) -> Self {
        Self { waiting: Arc::new(Mutex::new(waiting)), rate_hz: f64::from(rate_hz) }
    }
}

/// A link as a sound that never ends.
pub struct LiveSound {
    tap: Tap,
    /// The last four samples, between the middle two of which the play head is.
    history: [f32; 4],
    /// Where between them, 0 to 1.
    position: f64,
    /// 0 while it waits for enough sound, 1 while it plays.
    fade: f32,
    is_playing: bool,
}

impl LiveSound {
    pub fn new(tap: Tap) -> Self {
        Self { tap, history: [0.0; 4], position: 0.0, fade: 0.0, is_playing: false }
    }

    /// The sample at the play head, by a cubic through four samples (Catmull-Rom).
    fn here(&self) -> f32 {
        let [a, b, c, d] = self.history;
        let x = self.position as f32;
        b + 0.5 * x * (c - a + x * (2.0 * a - 5.0 * b + 4.0 * c - d + x * (3.0 * (b - c) + d - a)))
    }
}

impl Sound for LiveSound {
    fn process(&mut self, out: &mut [Frame], dt: f64, _info: &Info) {
        out.fill(Frame::ZERO);
        let Self { tap, .. } = self;
        let shared = tap.waiting.clone();
        // Held only while an older device is closed: a moment of silence.
        let Ok(mut waiting) = shared.try_lock() else { return };
        let rate_hz = tap.rate_hz;
        let behind = waiting.slots() as f64 / rate_hz;
        if behind > MOST_BEHIND_SECS {
            let skipped = ((behind - DELAY_SECS) * rate_hz) as usize;
            if let Ok(old) = waiting.read_chunk(skipped) {
                old.commit_all();
            }
        }
        let behind = waiting.slots() as f64 / rate_hz;
        self.is_playing = if self.is_playing { behind > 0.0 } else { behind >= DELAY_SECS };
        let bend = ((behind - DELAY_SECS) * 0.1).clamp(-MOST_BEND, MOST_BEND);
        let step = rate_hz * dt * (1.0 + bend);
        let fade_step = (dt / FADE_SECS) as f32;
        for frame in out {
            self.position += step;
            while self.position >= 1.0 {
                self.position -= 1.0;
                let next = if self.is_playing { waiting.pop().ok() } else { None };
                self.is_playing = next.is_some();
                self.history.rotate_left(1);
                // Where the sound breaks off the last sample is held while it fades.
                self.history[3] = next.map_or(self.history[2], |sample| f32::from(sample) / 32_768.0);
            }
            self.fade = (self.fade + if self.is_playing { fade_step } else { -fade_step }).clamp(0.0, 1.0);
            *frame = Frame::from_mono(self.here() * self.fade);
        }
    }

    fn finished(&self) -> bool {
        false
    }
}

impl SoundData for LiveSound {
    type Error = Infallible;
    type Handle = ();

    fn into_sound(self) -> Result<(Box<dyn Sound>, ()), Infallible> {
        Ok((Box::new(self), ()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kira::info::MockInfoBuilder;
    use rtrb::RingBuffer;

    const RATE_HZ: u32 = 48_000;

    /// Plays `blocks` of 10 ms through a link at `out_hz`, where block n is given `fill(n)` samples of a sine beforehand.
    fn play(out_hz: f64, blocks: usize, fill: impl Fn(usize) -> usize) -> Vec<f32> {
        let (mut pump, waiting) = RingBuffer::new(RATE_HZ as usize / 2);
        let mut sound = LiveSound::new(Tap::new(waiting, RATE_HZ));
        let info = MockInfoBuilder::new().build();
        let (mut heard, mut next) = (Vec::new(), 0);
        for block in 0..blocks {
            for _ in 0..fill(block) {
                let phase = std::f64::consts::TAU * 440.0 * f64::from(next) / f64::from(RATE_HZ);
                let _ = pump.push((phase.sin() * 16_384.0) as i16);
                next += 1;
            }
            let mut out = vec![Frame::ZERO; (out_hz / 100.0) as usize];
            sound.process(&mut out, 1.0 / out_hz, &info);
            heard.extend(out.iter().map(|frame| frame.left));
        }
        heard
    }

    fn level(samples: &[f32]) -> f32 {
        (samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32).sqrt()
    }

    #[test]
    fn steady_sound_is_played_whole_at_any_rate() {
        for out_hz in [44_100.0, 48_000.0, 96_000.0] {
            let heard = play(out_hz, 300, |_| 480);
            let steady = &heard[(out_hz * 0.5) as usize..];
            // A sine at half of full scale, whole.
            assert!((level(steady) - 0.3535).abs() < 0.004, "{out_hz}: {}", level(steady));
            let steepest = steady.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            let sine = (0.5 * std::f64::consts::TAU * 440.0 / out_hz) as f32;
            assert!(steepest < sine * 1.1, "{out_hz}: a jump of {steepest}");
        }
    }

    #[test]
    fn a_clock_that_is_off_is_followed() {
        // The pump gives 0.2 % more, or less, than the loudspeaker's clock asks for.
        for per_second in [48_096, 47_904] {
            let heard = play(48_000.0, 3000, |block| per_second * (block + 1) / 100 - per_second * block / 100);
            let steady = &heard[48_000..];
            let steepest = steady.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
            assert!(steepest < 0.5 * 440.0 * 6.2832 / 48_000.0 * 1.1, "{per_second}: a jump of {steepest}");
            assert!((level(steady) - 0.3535).abs() < 0.004, "{per_second}: {}", level(steady));
        }
    }

    #[test]
    fn a_break_fades_and_a_lump_is_cut_to_the_newest() {
        // Half a second, nothing for half a second, then half a second at once and 10 ms each.
        let heard = play(48_000.0, 200, |block| match block {
            0..50 => 480,
            50..100 => 0,
            100 => 24_000,
            _ => 480,
        });
        assert!(level(&heard[70 * 480..95 * 480]) < 1e-6, "silence while nothing comes");
        assert!(level(&heard[105 * 480..]) > 0.34, "sound again");
        let steepest = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.05, "no click, but a jump of {steepest}");
    }
}
