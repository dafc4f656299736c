//! How many frames are drawn, and how evenly.

use std::time::{Duration, Instant};

use bevy::prelude::*;

use super::Draw;
use crate::{engine::Engine, status::FrameStatus};

/// Frame times that the percentile looks back over.
const WINDOW: usize = 600;

/// The times of the newest drawn frames. Written by drawing, about drawing.
#[derive(Resource, Debug, Default)]
pub struct FrameClock {
    drawn: u64,
    last: Option<Instant>,
    times: Vec<Duration>,
    /// Bytes of columns and peaks sent to the GPU for the last frame.
    pub uploaded_bytes: u64,
}

impl FrameClock {
    fn tick(&mut self, now: Instant) {
        if let Some(last) = self.last {
            let slot = self.drawn as usize % WINDOW;
            let time = now.saturating_duration_since(last);
            if slot < self.times.len() { self.times[slot] = time } else { self.times.push(time) }
        }
        self.drawn += 1;
        self.last = Some(now);
    }

    /// The figures for the status.
    pub fn status(&self) -> FrameStatus {
        let mut times = self.times.clone();
        times.sort_unstable();
        let p99 = times.get((times.len() * 99).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default();
        let mean = times.iter().sum::<Duration>().as_secs_f64() / times.len().max(1) as f64;
        FrameStatus {
            drawn: self.drawn,
            fps: if mean > 0.0 { 1.0 / mean } else { 0.0 },
            p99_millis: p99.as_secs_f64() * 1e3,
            uploaded_bytes: self.uploaded_bytes,
        }
    }
}

pub(super) fn plugin(app: &mut App) {
    app.init_resource::<FrameClock>().add_systems(Draw, draw_clock).add_systems(Last, publish_frames);
}

fn draw_clock(mut clock: ResMut<FrameClock>) {
    clock.tick(Instant::now());
}

pub(super) fn publish_frames(clock: Res<FrameClock>, engine: Res<Engine>) {
    // Ten times a second are enough for every reader; the first frame is told at once.
    if clock.is_changed() && clock.drawn % 6 == 1 {
        engine.frames().publish(clock.status());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_those_of_the_newest_frames() {
        let (mut clock, start) = (FrameClock::default(), Instant::now());
        for frame in 0..2000u64 {
            let late = if frame % 100 == 50 { 8 } else { 0 };
            clock.tick(start + Duration::from_millis(frame * 10 + late));
        }
        let status = clock.status();
        assert_eq!(status.drawn, 2000);
        assert!((status.fps - 100.0).abs() < 0.5, "{status:?}");
        assert!((10.0..=18.0).contains(&status.p99_millis), "{status:?}");
    }
}
