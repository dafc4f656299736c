//! A replay for the ears. The clock of the playback is the one that everybody has; the loudspeaker follows it, its own delay taken
//! into account, so that what is heard is what the cursor points at.

use std::{
    collections::VecDeque,
    convert::Infallible,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use crossbeam_channel::{Sender, bounded};
use kira::{
    Frame,
    info::Info,
    sound::{Sound, SoundData},
};

use super::{Order, Shared, VOLUMES_DB, output::Due, run};
use crate::{Error, Result, session::replay::PlayClock, task::spawn_thread};

/// Further away from the clock than this, the place is jumped to.
const JUMP_SECS: f64 = 0.03;
/// How far the speed is bent to stay with the clock.
const MOST_BEND: f64 = 0.005;
/// Of what it is away, a share of this is made up for each second.
const PULL: f64 = 0.7;
/// Sound comes and goes within this time, without a click.
const FADE_SECS: f64 = 0.005;
/// An excerpt that was replaced is kept for so long, so that it is never the device's callback that frees it.
const KEPT: Duration = Duration::from_secs(2);

/// A part of a lane around where it plays.
#[derive(Clone, Debug)]
pub struct Excerpt {
    /// Where it plays.
    pub clock: PlayClock,
    /// What the lane's clock shows at 0 of the session.
    pub offset_secs: f64,
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// The first of the samples, on the lane's clock.
    pub first_sample: u64,
    /// The samples.
    pub samples: Arc<[i16]>,
}

/// The job's end. Kind of its link: newest wins.
pub struct ReplayVoice {
    excerpt: Arc<ArcSwapOption<Excerpt>>,
    replaced: VecDeque<(Instant, Arc<Excerpt>)>,
    shared: Arc<Shared>,
    orders: Sender<Order>,
}

impl ReplayVoice {
    /// A voice that is off: no device is held.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn open(volume_db: f32) -> Result<Self> {
        let excerpt = Arc::new(ArcSwapOption::empty());
        let shared = Arc::new(Shared::default());
        // Kind: all; a full link means that the thread hangs in the sound system, where nothing is heard anyway.
        let (orders, obeyed) = bounded(64);
        let (heard, aside) = (excerpt.clone(), shared.clone());
        let volume_db = volume_db.clamp(*VOLUMES_DB.start(), *VOLUMES_DB.end());
        spawn_thread("replay voice", move || {
            let make = |due: Arc<Due>| ReplaySound { excerpt: heard.clone(), due, head: Head::default() };
            run(make, &obeyed, &aside, volume_db);
        })?;
        Ok(Self { excerpt, replaced: VecDeque::new(), shared, orders })
    }

    /// Switches it on or off. Off, no device is held.
    pub fn set_on(&mut self, is_on: bool) {
        if self.shared.is_on.swap(is_on, Relaxed) != is_on {
            let _ = self.orders.try_send(Order::On(is_on));
        }
    }

    /// Plays this from now on, or nothing.
    pub fn set(&mut self, excerpt: Option<Excerpt>, now: Instant) {
        let before = self.excerpt.swap(excerpt.map(Arc::new));
        self.replaced.extend(before.map(|before| (now, before)));
        while self.replaced.front().is_some_and(|(since, _)| now.saturating_duration_since(*since) > KEPT) {
            self.replaced.pop_front();
        }
    }

    /// Why nothing is heard although it is on.
    pub fn notice(&self) -> Option<Error> {
        self.shared.notice.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// Where the playing is. Its `process` runs in the device's callback: no allocation, no log, no lock.
#[derive(Default)]
struct Head {
    /// The place of the next frame, seconds of the session.
    secs: f64,
    fade: f32,
    /// The callback that was last heard of, and frames made in it so far.
    callback: u64,
    frames: u64,
}

struct ReplaySound {
    excerpt: Arc<ArcSwapOption<Excerpt>>,
    due: Arc<Due>,
    head: Head,
}

impl Sound for ReplaySound {
    fn process(&mut self, out: &mut [Frame], dt: f64, _info: &Info) {
        let (callback, due) = self.due.load();
        let head = &mut self.head;
        if callback != head.callback {
            (head.callback, head.frames) = (callback, 0);
        }
        let when = due + Duration::from_secs_f64(head.frames as f64 * dt);
        head.frames += out.len() as u64;
        match &*self.excerpt.load() {
            Some(excerpt) => head.fill(excerpt, when, out, dt),
            None => out.fill(Frame::ZERO),
        }
    }

    fn finished(&self) -> bool {
        false
    }
}

impl SoundData for ReplaySound {
    type Error = Infallible;
    type Handle = ();

    fn into_sound(self) -> Result<(Box<dyn Sound>, ()), Infallible> {
        Ok((Box::new(self), ()))
    }
}

impl Head {
    /// Makes the frames that are heard from `when` on.
    fn fill(&mut self, excerpt: &Excerpt, when: Instant, out: &mut [Frame], dt: f64) {
        let clock = &excerpt.clock;
        let (goal, speed) = (clock.at(when), clock.speed());
        let is_moving = clock.is_moving(when);
        let away = goal - self.secs;
        if is_moving && away.abs() > JUMP_SECS * speed.max(1.0) {
            (self.secs, self.fade) = (goal, 0.0);
        }
        let away = if is_moving { goal - self.secs } else { 0.0 };
        let bend = (away * PULL / speed).clamp(-MOST_BEND, MOST_BEND);
        let step_secs = dt * speed * (1.0 + bend);
        let fade_step = if is_moving { dt / FADE_SECS } else { -dt / FADE_SECS } as f32;
        let rate = f64::from(excerpt.sample_rate_hz);
        let step = step_secs * rate;
        for frame in out {
            self.fade = (self.fade + fade_step).clamp(0.0, 1.0);
            let at = (self.secs + excerpt.offset_secs) * rate - excerpt.first_sample as f64;
            *frame =
                Frame::from_mono(if self.fade > 0.0 { sample(&excerpt.samples, at, step) * self.fade } else { 0.0 });
            if is_moving || self.fade > 0.0 {
                self.secs += step_secs;
            }
        }
    }
}

/// The sound at a place between samples: a cubic through four (Catmull-Rom), or the mean of those that a step passes over.
fn sample(samples: &[i16], at: f64, step: f64) -> f32 {
    let get = |i: i64| usize::try_from(i).ok().and_then(|i| samples.get(i)).map_or(0.0, |&s| f32::from(s) / 32_768.0);
    let first = at.floor() as i64;
    if step >= 2.0 {
        let count = step as i64;
        return (first..first + count).map(get).sum::<f32>() / count as f32;
    }
    let x = (at - at.floor()) as f32;
    let [a, b, c, d] = [get(first - 1), get(first), get(first + 1), get(first + 2)];
    b + 0.5 * x * (c - a + x * (2.0 * a - 5.0 * b + 4.0 * c - d + x * (3.0 * (b - c) + d - a)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    /// A second of a sine of 200 Hz that plays from `start`, at `speed`.
    fn excerpt(start: Instant, speed: f64) -> Excerpt {
        let mut clock = PlayClock::new(60.0, start);
        clock.set_speed(speed, start);
        clock.play(start);
        let sine = |i: u32| ((f64::from(i) * 200.0 * std::f64::consts::TAU / f64::from(RATE)).sin() * 16_384.0) as i16;
        Excerpt {
            clock,
            offset_secs: 3.0,
            sample_rate_hz: RATE,
            first_sample: 144_000,
            samples: (0..RATE * 20).map(sine).collect(),
        }
    }

    /// What is heard in blocks of `frames` at `out_hz`, with each block's start off by what `jitter` says.
    fn heard(excerpt: &Excerpt, start: Instant, out_hz: f64, jitter: impl Fn(usize) -> f64) -> Vec<f32> {
        let (mut head, mut all) = (Head::default(), Vec::new());
        for block in 0..100 {
            let when = start + Duration::from_secs_f64((block as f64 * 0.01 + jitter(block)).max(0.0));
            let mut out = vec![Frame::ZERO; (out_hz / 100.0) as usize];
            head.fill(excerpt, when, &mut out, 1.0 / out_hz);
            all.extend(out.iter().map(|frame| frame.left));
        }
        all
    }

    #[test]
    fn what_is_heard_is_where_the_clock_is_at_any_speed_and_rate() {
        let start = Instant::now();
        for (speed, out_hz) in [(1.0, 48_000.0), (1.0, 44_100.0), (0.5, 48_000.0), (2.0, 96_000.0)] {
            let heard = heard(&excerpt(start, speed), start, out_hz, |_| 0.0);
            for i in (out_hz as usize / 50..heard.len()).step_by(997) {
                let place = i as f64 / out_hz * speed;
                let exact = 0.5 * (place * 200.0 * std::f64::consts::TAU).sin();
                assert!(
                    (f64::from(heard[i]) - exact).abs() < 0.02,
                    "{speed} at {out_hz}, frame {i}: {} {exact}",
                    heard[i]
                );
            }
        }
    }

    #[test]
    fn a_clock_that_trembles_is_followed_without_a_jump() {
        let start = Instant::now();
        let heard = heard(&excerpt(start, 1.0), start, 48_000.0, |block| if block % 2 == 0 { 0.004 } else { -0.004 });
        let steepest = heard.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f32::max);
        assert!(steepest < 0.5 * 200.0 * std::f32::consts::TAU / 48_000.0 * 1.1, "{steepest}");
    }

    #[test]
    fn a_pause_fades_and_a_seek_is_there_at_once() {
        let start = Instant::now();
        let mut part = excerpt(start, 1.0);
        let mut head = Head::default();
        let mut out = vec![Frame::ZERO; 4800];
        head.fill(&part, start, &mut out, 1.0 / 48_000.0);
        let later = start + Duration::from_millis(100);
        part.clock.pause(later);
        head.fill(&part, later, &mut out, 1.0 / 48_000.0);
        assert!(out[300..].iter().all(|frame| frame.left == 0.0));
        part.clock.seek(9.0, later);
        part.clock.play(later);
        head.fill(&part, later, &mut out, 1.0 / 48_000.0);
        assert!((head.secs - 9.1).abs() < 0.001, "{}", head.secs);
    }
}
