//! What part of the sound is looked at, and how: owned by the user interface, never by a stream.

use std::{collections::HashMap, ops::RangeInclusive};

use bevy::prelude::{Entity, Resource};
use bevy_egui::egui::Rect;

use super::theme::Ramp;
use crate::config::WindowConfig;

/// How far one can zoom: seconds across a lane.
pub const SPAN_SECS: RangeInclusive<f64> = 0.25..=43_200.0;

/// Where lanes are drawn, in egui's points. The panels write it each frame after they have taken their room; without one the whole
/// window is used.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub struct PlotArea {
    /// The room left by the panels.
    pub rect: Option<Rect>,
}

/// How frequency runs up a spectrogram.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FrequencyAxis {
    /// Evenly in hertz.
    Linear,
    /// Evenly in mel (O'Shaughnessy 1987, 2595 log10(1 + f/700)): as ears hear it.
    #[default]
    Mel,
    /// Evenly in octaves, from [`FrequencyAxis::LOW_HZ`] on.
    Log,
}

impl FrequencyAxis {
    /// Where the logarithmic axis begins.
    pub const LOW_HZ: f64 = 50.0;

    /// All of them.
    pub const ALL: [Self; 3] = [Self::Linear, Self::Mel, Self::Log];

    /// Its name, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Mel => "mel",
            Self::Log => "logarithmic",
        }
    }

    fn scale(self, hz: f64) -> f64 {
        match self {
            Self::Linear => hz,
            Self::Mel => 2595.0 * (1.0 + hz / 700.0).log10(),
            Self::Log => hz.max(1e-3).log2(),
        }
    }

    fn low(self) -> f64 {
        self.scale(if self == Self::Log { Self::LOW_HZ } else { 0.0 })
    }

    /// Height of `hz` on an axis that ends at `top_hz`: 0 at the bottom, 1 at the top.
    pub fn height(self, hz: f64, top_hz: f64) -> f64 {
        (self.scale(hz) - self.low()) / (self.scale(top_hz) - self.low())
    }

    /// The frequency at a height: the way back from [`height`](Self::height).
    pub fn hz_at(self, height: f64, top_hz: f64) -> f64 {
        let scaled = self.low() + height * (self.scale(top_hz) - self.low());
        match self {
            Self::Linear => scaled,
            Self::Mel => 700.0 * (10f64.powf(scaled / 2595.0) - 1.0),
            Self::Log => scaled.exp2(),
        }
    }
}

/// Follows the newest sample of one lane smoothly: sound arrives in blocks, the picture must not move in blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DisplayClock {
    now_secs: Option<f64>,
}

impl DisplayClock {
    /// How far the picture runs behind the newest sample, so that a late block and half an analysis window do not show as a
    /// ragged edge: a column at the edge is there 27 ms after its place in time, and blocks of up to 20 ms come late by that.
    pub const DELAY_SECS: f64 = 0.045;
    /// Further off than this (a stall, a gap, a file read as fast as possible) it jumps.
    const JUMP_SECS: f64 = 0.5;
    /// How fast it corrects itself, per second.
    const PULL: f64 = 2.5;

    /// The stream time at the live edge, in seconds since the stream's opening.
    pub fn now_secs(&self) -> f64 {
        self.now_secs.unwrap_or(0.0)
    }

    /// Lets `elapsed_secs` pass, with sound up to `newest_secs`. Never goes back, unless the stream began anew, and never shows
    /// what has not come yet.
    pub fn advance(&mut self, elapsed_secs: f64, newest_secs: f64) {
        let goal = (newest_secs - Self::DELAY_SECS).max(0.0);
        self.now_secs = Some(match self.now_secs {
            Some(now) if now <= newest_secs + Self::JUMP_SECS => {
                let ahead = now + elapsed_secs;
                let error = goal - ahead;
                if error.abs() > Self::JUMP_SECS && goal > now {
                    goal
                } else {
                    let pulled = ahead + error * (1.0 - (-elapsed_secs * Self::PULL).exp());
                    pulled.min(newest_secs).max(now)
                }
            }
            _ => goal,
        });
    }
}

/// What is looked at. One time span for all lanes; each lane has its own clock and may be held in the past.
#[derive(Resource, Clone, Debug)]
pub struct View {
    /// Seconds across a lane.
    pub span_secs: f64,
    /// Silence on the colour map, in dBFS.
    pub floor_dbfs: f32,
    /// Full colour, in dBFS.
    pub ceiling_dbfs: f32,
    /// How frequency runs.
    pub frequency_axis: FrequencyAxis,
    /// The highest frequency drawn, in hertz; half the stream's rate where that is lower.
    pub top_hz: f64,
    /// The colour map.
    pub ramp: Ramp,
    /// Whether the newest words stand large above a lane.
    pub captions: bool,
    /// The box that was drawn over a replay.
    pub selection: Option<Selection>,
    clocks: HashMap<Entity, DisplayClock>,
    held: HashMap<Entity, f64>,
}

/// A box that was drawn over a replay, or a label that was touched.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The lane, by its number in the session.
    pub lane: usize,
    /// Seconds of the session.
    pub secs: std::ops::Range<f64>,
    /// The lowest and highest frequency, where it does not span all of them.
    pub band_hz: Option<[f64; 2]>,
    /// The label that it is of.
    pub label: Option<u64>,
    /// Whether the mouse is still drawing it.
    pub is_drawn: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            span_secs: 10.0,
            floor_dbfs: -96.0,
            ceiling_dbfs: -22.0,
            frequency_axis: FrequencyAxis::default(),
            top_hz: 10_000.0,
            ramp: Ramp::default(),
            captions: true,
            selection: None,
            clocks: HashMap::new(),
            held: HashMap::new(),
        }
    }
}

impl View {
    /// The view that the settings ask for.
    pub fn new(window: &WindowConfig) -> Self {
        Self {
            span_secs: f64::from(window.span_secs),
            floor_dbfs: window.floor_db,
            ceiling_dbfs: window.ceiling_db,
            ..Self::default()
        }
    }

    /// Whether every lane shows the present.
    pub fn is_live(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether this lane shows the present.
    pub fn is_lane_live(&self, lane: Entity) -> bool {
        !self.held.contains_key(&lane)
    }

    /// Back to the present, in every lane.
    pub fn go_live(&mut self) {
        self.held.clear();
    }

    /// Stream time at a lane's right edge, in seconds.
    pub fn right_secs(&self, lane: Entity) -> f64 {
        self.held.get(&lane).copied().unwrap_or_else(|| self.live_secs(lane))
    }

    /// Stream time at a lane's live edge, in seconds.
    pub fn live_secs(&self, lane: Entity) -> f64 {
        self.clocks.get(&lane).map(DisplayClock::now_secs).unwrap_or(0.0)
    }

    /// Lets time pass for a lane whose sound reaches from `oldest_secs` to `newest_secs`; a lane held at what was forgotten moves on.
    pub fn advance(&mut self, lane: Entity, elapsed_secs: f64, oldest_secs: f64, newest_secs: f64) {
        self.clocks.entry(lane).or_default().advance(elapsed_secs, newest_secs);
        let live = self.live_secs(lane);
        let oldest_edge = (oldest_secs + self.span_secs * 0.5).min(live);
        if let Some(right) = self.held.get_mut(&lane) {
            *right = right.clamp(oldest_edge, live);
        }
    }

    /// Freezes the picture of one lane, or of all, where it is; one that is held is live again. No stream notices.
    pub fn freeze(&mut self, lane: Option<Entity>) {
        let lanes: Vec<Entity> = lane.map_or_else(|| self.clocks.keys().copied().collect(), |lane| vec![lane]);
        let is_held = lanes.iter().any(|lane| self.held.contains_key(lane));
        for lane in lanes {
            let right = self.right_secs(lane);
            if is_held {
                self.held.remove(&lane)
            } else {
                self.held.insert(lane, right)
            };
        }
    }

    /// Forgets the lanes that are no more.
    pub fn keep(&mut self, alive: impl Fn(Entity) -> bool) {
        self.clocks.retain(|&lane, _| alive(lane));
        self.held.retain(|&lane, _| alive(lane));
    }

    /// Looks `secs` further back (negative: forward) in one lane, or in all. Reaching the live edge is being live again.
    pub fn pan(&mut self, lane: Option<Entity>, secs: f64) {
        let lanes: Vec<Entity> = match lane {
            Some(lane) => vec![lane],
            None => self.clocks.keys().copied().collect(),
        };
        for lane in lanes {
            let right = self.right_secs(lane) - secs;
            if right >= self.live_secs(lane) {
                self.held.remove(&lane);
            } else {
                self.held.insert(lane, right);
            }
        }
    }

    /// Shows `factor` times as many seconds. What is under `anchor` (0 left edge, 1 right edge) stays; a live lane stays live.
    pub fn zoom(&mut self, factor: f64, anchor: f64) {
        let before = self.span_secs;
        self.span_secs = (before * factor).clamp(*SPAN_SECS.start(), *SPAN_SECS.end());
        let shift = (self.span_secs - before) * (1.0 - anchor);
        for right in self.held.values_mut() {
            *right += shift;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Entity {
        Entity::from_raw_u32(7).expect("7 is a valid index")
    }

    #[test]
    fn the_display_runs_evenly_over_sound_that_comes_in_blocks() {
        let mut clock = DisplayClock::default();
        let mut steps = Vec::new();
        for frame in 0..600 {
            let time = f64::from(frame) / 60.0;
            // Blocks of 42.7 ms: 2048 samples at 48 kHz.
            let newest = (time / 0.0427).floor() * 0.0427;
            let before = clock.now_secs();
            clock.advance(1.0 / 60.0, newest);
            assert!(clock.now_secs() <= newest.max(1e-9), "shows only what has come");
            if frame > 240 {
                steps.push(clock.now_secs() - before);
            }
        }
        let (min, max) = steps.iter().fold((f64::MAX, 0.0f64), |(min, max), &s| (min.min(s), max.max(s)));
        assert!(min > 0.9 / 60.0 && max < 1.1 / 60.0, "steps of {min} to {max} s");
    }

    #[test]
    fn the_display_waits_for_a_stalled_stream_and_jumps_over_a_gap() {
        let mut clock = DisplayClock::default();
        clock.advance(0.016, 5.0);
        for _ in 0..100 {
            clock.advance(0.016, 5.0);
        }
        assert!((4.9..=5.0).contains(&clock.now_secs()));
        clock.advance(0.016, 25.0);
        assert!((clock.now_secs() - (25.0 - DisplayClock::DELAY_SECS)).abs() < 1e-9);
        clock.advance(10.0, 35.0);
        assert!((34.9..=35.0).contains(&clock.now_secs()), "a window frozen for ten seconds is live at once");
        clock.advance(0.016, 0.1);
        assert!(clock.now_secs() < 0.1, "a stream that began anew");
    }

    #[test]
    fn panning_to_the_live_edge_is_being_live() {
        let mut view = View::default();
        view.advance(lane(), 0.016, 0.0, 100.0);
        let live = view.live_secs(lane());
        view.pan(None, 30.0);
        assert!(!view.is_live());
        view.advance(lane(), 0.016, 0.0, 100.016);
        assert!((view.right_secs(lane()) - (live - 30.0)).abs() < 1e-9, "a lane held in the past stands still");
        view.pan(None, -31.0);
        assert!(view.is_live());
        view.pan(Some(lane()), 1e9);
        view.advance(lane(), 0.016, 40.0, 100.032);
        assert!((view.right_secs(lane()) - 45.0).abs() < 1e-9, "half a screen of the oldest sound stays in view");
        view.go_live();
        assert!(view.is_live());
        view.freeze(None);
        let frozen = view.right_secs(lane());
        view.advance(lane(), 0.016, 40.0, 100.048);
        assert_eq!((view.right_secs(lane()), view.is_live()), (frozen, false), "frozen, and no stream notices");
        view.freeze(None);
        assert!(view.is_live());
        view.keep(|_| false);
        assert_eq!(view.right_secs(lane()), 0.0);
    }

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let mut view = View::default();
        view.advance(lane(), 0.016, 0.0, 100.0);
        view.pan(None, 20.0);
        let under = |view: &View| view.right_secs(lane()) - view.span_secs * (1.0 - 0.25);
        let before = under(&view);
        view.zoom(2.0, 0.25);
        assert_eq!(view.span_secs, 20.0);
        assert!((under(&view) - before).abs() < 1e-9);
        view.zoom(1e-9, 0.25);
        assert_eq!(view.span_secs, *SPAN_SECS.start());
    }

    #[test]
    fn every_frequency_axis_runs_from_bottom_to_top() {
        for axis in FrequencyAxis::ALL {
            assert!((axis.height(8000.0, 8000.0) - 1.0).abs() < 1e-12);
            let heights: Vec<f64> = [60.0, 500.0, 1000.0, 4000.0].map(|hz| axis.height(hz, 8000.0)).into();
            assert!(heights.windows(2).all(|pair| pair[0] < pair[1]) && heights[0] >= 0.0, "{axis:?}: {heights:?}");
            assert!((axis.hz_at(axis.height(1234.0, 8000.0), 8000.0) - 1234.0).abs() < 1e-6, "{axis:?}");
        }
        assert!((FrequencyAxis::Mel.height(1000.0, 8000.0) - 999.99 / 2840.02).abs() < 1e-4);
    }
}
