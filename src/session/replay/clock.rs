//! The clock of a playback: where it is at any time, from the last thing that was asked of it.

use std::{
    ops::{Range, RangeInclusive},
    time::Instant,
};

/// The speeds there are. Pitch goes with them: twice as fast is an octave higher.
pub const SPEEDS: RangeInclusive<f64> = 0.25..=16.0;

/// Where a playback is. Everybody who holds it (the job, the drawing, the loudspeaker) finds the same place for the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayClock {
    since: Instant,
    from_secs: f64,
    speed: f64,
    is_playing: bool,
    len_secs: f64,
    repeats: Option<Range<f64>>,
}

impl PlayClock {
    /// At the start of a session of `len_secs`, not playing.
    pub fn new(len_secs: f64, now: Instant) -> Self {
        Self { since: now, from_secs: 0.0, speed: 1.0, is_playing: false, len_secs, repeats: None }
    }

    /// The place at `now`, seconds of the session.
    pub fn at(&self, now: Instant) -> f64 {
        if !self.is_playing {
            return self.from_secs;
        }
        let place = self.from_secs + now.saturating_duration_since(self.since).as_secs_f64() * self.speed;
        match &self.repeats {
            // What lies behind the loop already plays on to the end.
            Some(part) if self.from_secs < part.end && place >= part.end => {
                part.start + (place - part.end) % (part.end - part.start)
            }
            _ => place.min(self.len_secs),
        }
    }

    /// Whether it moves at `now`: it plays and has not come to the end.
    pub fn is_moving(&self, now: Instant) -> bool {
        self.is_playing && self.at(now) < self.len_secs
    }

    /// How fast it plays, where 1 is as it was.
    pub fn speed(&self) -> f64 {
        self.speed
    }

    /// The length of the session, seconds.
    pub fn len_secs(&self) -> f64 {
        self.len_secs
    }

    /// The part that is played over and over.
    pub fn repeats(&self) -> Option<&Range<f64>> {
        self.repeats.as_ref()
    }

    /// Plays from where it is; from the start where it is at the end.
    pub fn play(&mut self, now: Instant) {
        let place = self.at(now);
        let is_over = place >= self.len_secs && self.repeats.is_none();
        self.go_on(if is_over { 0.0 } else { place }, now);
        self.is_playing = true;
    }

    /// Stays where it is.
    pub fn pause(&mut self, now: Instant) {
        self.go_on(self.at(now), now);
        self.is_playing = false;
    }

    /// Goes on at another place, playing or not as before.
    pub fn seek(&mut self, secs: f64, now: Instant) {
        self.go_on(if secs.is_finite() { secs } else { 0.0 }, now);
    }

    /// Plays at another speed from here on, within [`SPEEDS`].
    pub fn set_speed(&mut self, speed: f64, now: Instant) {
        self.go_on(self.at(now), now);
        self.speed = if speed.is_finite() { speed.clamp(*SPEEDS.start(), *SPEEDS.end()) } else { 1.0 };
    }

    /// Plays a part over and over, at least 50 ms of it, from its start; or no longer.
    pub fn repeat(&mut self, part: Option<Range<f64>>, now: Instant) {
        self.go_on(self.at(now), now);
        self.repeats = part.map(|part| {
            let start = part.start.clamp(0.0, (self.len_secs - 0.05).max(0.0));
            start..part.end.clamp(start + 0.05, self.len_secs.max(start + 0.05))
        });
        if let Some(part) = self.repeats.clone()
            && !part.contains(&self.from_secs)
        {
            self.from_secs = part.start;
        }
    }

    fn go_on(&mut self, secs: f64, now: Instant) {
        (self.from_secs, self.since) = (secs.clamp(0.0, self.len_secs), now);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn later(start: Instant, secs: f64) -> Instant {
        start + Duration::from_secs_f64(secs)
    }

    #[test]
    fn it_goes_as_fast_as_it_is_told_and_stops_at_the_end() {
        let start = Instant::now();
        let mut clock = PlayClock::new(10.0, start);
        assert_eq!(clock.at(later(start, 5.0)), 0.0, "nobody pressed play");
        clock.play(start);
        assert_eq!(clock.at(later(start, 2.0)), 2.0);
        clock.set_speed(4.0, later(start, 2.0));
        assert_eq!(clock.at(later(start, 3.0)), 6.0, "no jump where the speed changes");
        clock.pause(later(start, 3.0));
        assert_eq!(clock.at(later(start, 9.0)), 6.0);
        clock.seek(9.5, later(start, 9.0));
        clock.play(later(start, 9.0));
        assert_eq!((clock.at(later(start, 20.0)), clock.is_moving(later(start, 20.0))), (10.0, false));
        clock.play(later(start, 20.0));
        assert_eq!(clock.at(later(start, 20.5)), 2.0, "from the start again");
        clock.set_speed(1e9, start);
        assert_eq!(clock.speed(), 16.0);
        clock.seek(f64::NAN, start);
        assert_eq!(clock.at(start), 0.0);
    }

    #[test]
    fn a_loop_goes_round_without_losing_time() {
        let start = Instant::now();
        let mut clock = PlayClock::new(10.0, start);
        clock.repeat(Some(2.0..5.0), start);
        clock.play(start);
        let places: Vec<f64> = [0.0, 2.5, 3.0, 4.0, 31.0].map(|secs| clock.at(later(start, secs))).into();
        assert_eq!(places, [2.0, 4.5, 2.0, 3.0, 3.0]);
        clock.repeat(None, later(start, 31.0));
        assert_eq!(clock.at(later(start, 33.0)), 5.0);
        clock.repeat(Some(9.99..3.0), start);
        assert!(clock.repeats().is_some_and(|part| part.end - part.start >= 0.0499), "{:?}", clock.repeats());
    }
}
