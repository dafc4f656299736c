//! Where each lane's parts lie on the screen, and which stretch of its stream they show.

use bevy::prelude::{Entity, Resource};
use bevy_egui::egui::{Pos2, Rect, pos2, vec2};

use super::view::View;
use crate::stream::MAX_STREAMS;

/// One lane as it is drawn in this frame.
#[derive(Clone, Debug)]
pub struct Lane {
    /// The stream.
    pub entity: Entity,
    /// What the lane is called.
    pub name: String,
    /// Samples a second of the stream.
    pub sample_rate_hz: u32,
    /// Stream time at the left edge, in seconds; negative before its opening.
    pub left_secs: f64,
    /// Stream time at the right edge.
    pub right_secs: f64,
    /// Whether the right edge is the present.
    pub live: bool,
    /// Its places on the screen, in egui's points.
    pub places: Places,
}

impl Lane {
    /// The highest frequency drawn: what the view asks for, or all that the stream has.
    pub fn top_hz(&self, view: &View) -> f64 {
        view.top_hz.min(f64::from(self.sample_rate_hz) / 2.0)
    }

    /// Screen x of a stream time.
    pub fn x_of(&self, secs: f64) -> f32 {
        let plot = self.places.plot;
        let part = (secs - self.left_secs) / (self.right_secs - self.left_secs);
        (f64::from(plot.left()) + part * f64::from(plot.width())) as f32
    }

    /// Stream time at a screen x.
    pub fn secs_at(&self, x: f32) -> f64 {
        let plot = self.places.plot;
        let part = f64::from(x - plot.left()) / f64::from(plot.width());
        self.left_secs + part * (self.right_secs - self.left_secs)
    }
}

/// The places of one lane.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Places {
    /// Everything.
    pub frame: Rect,
    /// Name, state and the newest words.
    pub header: Rect,
    /// Waveform and spectrogram together.
    pub plot: Rect,
    /// The waveform strip.
    pub waveform: Rect,
    /// The spectrogram.
    pub spectrogram: Rect,
    /// The time axis under it; no height where lanes are small.
    pub time_axis: Rect,
    /// Frequency labels, left of the plot.
    pub left: Rect,
    /// Level meter and colour bar, right of the plot.
    pub right: Rect,
}

/// How much a lane can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Name only.
    Small,
    /// Axes as well.
    Medium,
    /// Large captions as well.
    Large,
}

impl Places {
    /// How much there is room for.
    pub fn detail(&self) -> Detail {
        match self.frame.height() {
            h if h >= 300.0 => Detail::Large,
            h if h >= 130.0 => Detail::Medium,
            _ => Detail::Small,
        }
    }

    /// Where it says that a lane is live, or how far back it looks; touching it there returns to the present.
    pub fn live_chip(&self) -> Rect {
        Rect::from_min_max(pos2(self.plot.right(), self.header.top()), self.header.max)
    }

    /// How much of the header belongs to name and state; the rest is for words.
    pub fn title_width(&self) -> f32 {
        (0.36 * self.plot.width()).min(330.0)
    }

    fn new(frame: Rect) -> Self {
        let height = frame.height();
        let large = height >= 300.0;
        let small = height < 130.0;
        let header_height = if large { 64.0 } else { 22.0f32.min(height * 0.28) };
        let axis_height = if small { 0.0 } else { 22.0 };
        let (left_width, right_width) = match frame.width() {
            _ if small => (16.0, 28.0),
            w if w >= 480.0 => (52.0, 70.0),
            _ => (36.0, 44.0),
        };
        let top = frame.top() + header_height;
        let bottom = frame.bottom() - axis_height;
        let plot = Rect::from_min_max(pos2(frame.left() + left_width, top), pos2(frame.right() - right_width, bottom));
        let strip = (plot.height() * if small { 0.32 } else { 0.24 }).min(150.0);
        let space = if small { 1.0 } else { 5.0 };
        let waveform = Rect::from_min_size(plot.min, vec2(plot.width(), strip));
        let spectrogram = Rect::from_min_max(pos2(plot.left(), waveform.bottom() + space), plot.max);
        let column = |from: Pos2, to: Pos2| Rect::from_min_max(from, to);
        Self {
            frame,
            header: column(frame.min, pos2(frame.right(), top)),
            plot,
            waveform,
            spectrogram,
            time_axis: column(pos2(plot.left(), bottom), pos2(plot.right(), frame.bottom())),
            left: column(pos2(frame.left(), top), pos2(plot.left(), bottom)),
            right: column(pos2(plot.right(), top), pos2(frame.right(), bottom)),
        }
    }
}

/// From so many lanes on they stand in two columns, where these are at least this wide: sixteen rows would be too low to read.
const TWO_COLUMNS: usize = 7;
const COLUMN_WIDTH: f32 = 320.0;

/// Stacks `count` lanes in `area`, at most [`MAX_STREAMS`], from top to bottom and then in a second column; none where there is no
/// room to see anything.
pub fn stack(area: Rect, count: usize) -> Vec<Places> {
    let count = count.min(MAX_STREAMS);
    let (side, space) = if area.height() >= 400.0 { (16.0, if count > 6 { 6.0 } else { 12.0 }) } else { (4.0, 2.0) };
    let inner = area.shrink2(vec2(side, side * 0.75));
    let columns = if count >= TWO_COLUMNS && inner.width() >= 2.0 * COLUMN_WIDTH { 2 } else { 1 };
    let rows = count.div_ceil(columns).max(1);
    let height = (inner.height() - space * (rows - 1) as f32) / rows as f32;
    let width = inner.width() / columns as f32;
    if height < 16.0 || inner.width() < 160.0 {
        return Vec::new();
    }
    let corner = |i: usize| inner.min + vec2((i / rows) as f32 * width, (i % rows) as f32 * (height + space));
    (0..count).map(|i| Places::new(Rect::from_min_size(corner(i), vec2(width, height)))).collect()
}

/// All lanes of this drawn frame, and the screen they are on.
#[derive(Resource, Clone, Debug)]
pub struct Lanes {
    /// Top to bottom.
    pub lanes: Vec<Lane>,
    /// Where all of them lie.
    pub area: Rect,
    /// Physical pixels a point.
    pub pixels_per_point: f32,
    /// The screen in physical pixels.
    pub target_px: [f32; 2],
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: Vec::new(), area: Rect::ZERO, pixels_per_point: 1.0, target_px: [1280.0, 720.0] }
    }
}

impl Lanes {
    /// The lane of a stream.
    pub fn get(&self, entity: Entity) -> Option<&Lane> {
        self.lanes.iter().find(|lane| lane.entity == entity)
    }

    /// A place in physical pixels, on whole pixels: left, top, width, height.
    pub fn pixels(&self, rect: Rect) -> [f32; 4] {
        let scaled = (rect.min.to_vec2() * self.pixels_per_point, rect.max.to_vec2() * self.pixels_per_point);
        let (min, max) = (scaled.0.round(), scaled.1.round());
        [min.x, min.y, (max.x - min.x).max(1.0), (max.y - min.y).max(1.0)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_never_overlap_and_stay_inside() {
        for (width, height) in [(1280.0, 720.0), (1920.0, 1080.0), (640.0, 360.0), (500.0, 900.0)] {
            let area = Rect::from_min_size(pos2(10.0, 20.0), vec2(width, height));
            for count in 1..=MAX_STREAMS {
                let places = stack(area, count);
                assert_eq!(places.len(), count, "{width}x{height}");
                for (i, a) in places.iter().enumerate() {
                    assert!(places[i + 1..].iter().all(|b| !a.frame.shrink(0.01).intersects(b.frame)), "{count} lanes");
                }
                assert!(width < 700.0 || places[0].frame.height() > 40.0, "{count} lanes can be told apart");
                for place in &places {
                    for part in
                        [place.header, place.waveform, place.spectrogram, place.time_axis, place.left, place.right]
                    {
                        assert!(part.width() >= 0.0 && part.height() >= 0.0, "{place:?}");
                        assert!(place.frame.expand(0.01).contains_rect(part), "{place:?}");
                    }
                    assert!(area.expand(0.01).contains_rect(place.frame));
                    assert!(place.spectrogram.height() > place.waveform.height());
                    assert!(place.waveform.bottom() <= place.spectrogram.top());
                }
            }
        }
        assert!(stack(Rect::from_min_size(pos2(0.0, 0.0), vec2(100.0, 10.0)), 1).is_empty());
    }

    #[test]
    fn screen_and_stream_time_agree() {
        let places = stack(Rect::from_min_size(pos2(0.0, 0.0), vec2(1280.0, 720.0)), 1)[0];
        let lane = Lane {
            entity: Entity::PLACEHOLDER,
            name: "demo".into(),
            sample_rate_hz: 48_000,
            left_secs: 36_000.0,
            right_secs: 36_010.0,
            live: true,
            places,
        };
        assert!((lane.secs_at(lane.x_of(36_004.25)) - 36_004.25).abs() < 1e-3);
        assert_eq!(lane.x_of(36_010.0), places.plot.right());
    }
}
