//! The spectrogram as a picture of any size, in the colours and on the scale of the screen: waveform, spectrogram, axes, colour bar,
//! gaps, tokens and labels.

pub mod canvas;
mod raster;

use std::ops::Range;

use bevy_egui::egui::Color32;

use super::{Mark, MarkKind, ReadSound};
use crate::{
    Error, Result,
    draw::{
        axes::{khz_label, round_frequencies, round_step, time_label, time_step},
        spectrogram::ColumnClock,
        theme::{self, Ramp},
        waveform,
    },
    dsp::stft::StftConfig,
};
use canvas::{Align, Canvas, Type};
pub use raster::Scale;

/// The sizes that there are, pixels each way.
pub const SIZES: std::ops::RangeInclusive<u32> = 160..=16_384;

/// What a picture shows.
pub struct Picture<'a> {
    /// Pixels across and down, within [`SIZES`].
    pub size: [u32; 2],
    /// What stands above it.
    pub title: String,
    /// Samples a second.
    pub sample_rate_hz: u32,
    /// How columns are made.
    pub stft: StftConfig,
    /// The stretch, in seconds on the lane's clock.
    pub secs: Range<f64>,
    /// The time that the axis calls 0.
    pub origin_secs: f64,
    /// Decibels and frequencies.
    pub scale: Scale,
    /// The colour map.
    pub ramp: Ramp,
    /// Tokens and labels, on the lane's clock.
    pub marks: &'a [Mark],
    /// Where sound is missing: seconds on the lane's clock.
    pub gaps: &'a [Range<f64>],
}

/// Where things lie, in pixels.
struct Layout {
    /// Pixels a point of the screen's design.
    scale: f32,
    strip: [f32; 4],
    plot: [f32; 4],
    bar: [f32; 4],
}

impl Picture<'_> {
    /// Draws it.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a size or a stretch that cannot be; those of reading.
    pub fn draw(&self, read: &mut ReadSound) -> Result<Canvas> {
        let [width, height] = self.size;
        if !self.size.iter().all(|side| SIZES.contains(side)) {
            let (least, most) = (SIZES.start(), SIZES.end());
            return Err(Error::invalid(format!("{width}x{height}: a picture has {least} to {most} pixels each way")));
        }
        if self.secs.is_empty() {
            return Err(Error::invalid("a picture of no time cannot be: it ends before it begins"));
        }
        let layout = Layout::new(width as f32, height as f32);
        let mut canvas = Canvas::new(width, height, theme::NIGHT);
        let [left, top, right, bottom] = layout.plot;
        let size = [(right - left) as usize, (bottom - top) as usize];
        let clock = ColumnClock {
            hop: self.stft.hop as u32,
            fft_size: self.stft.fft_size as u32,
            sample_rate_hz: self.sample_rate_hz,
        };
        let passed = raster::rasterise(self.secs.clone(), clock, &self.stft, &self.scale, size, read)?;
        for (i, &loudness) in passed.raster.values.iter().enumerate() {
            let (x, y) = (i % passed.raster.width, i / passed.raster.width);
            canvas.blend(left as i64 + x as i64, top as i64 + y as i64, self.ramp.color(loudness), 1.0);
        }
        self.waveform(&mut canvas, &layout, &passed.peaks);
        self.frequency_axis(&mut canvas, &layout);
        self.time_axis(&mut canvas, &layout);
        self.gaps(&mut canvas, &layout);
        self.color_bar(&mut canvas, &layout);
        self.marks(&mut canvas, &layout);
        let title = Type { px: 15.0 * layout.scale, color: theme::FOAM, is_strong: true };
        canvas.text(left, 22.0 * layout.scale, Align::Left, &self.title, title);
        Ok(canvas)
    }

    /// Where waveform and spectrogram lie on a picture of that size: left, top, right, bottom.
    pub fn plot([width, height]: [u32; 2]) -> [f32; 4] {
        let layout = Layout::new(width as f32, height as f32);
        [layout.plot[0], layout.strip[1], layout.plot[2], layout.plot[3]]
    }

    /// The pixel column of a time.
    fn x_of(&self, layout: &Layout, secs: f64) -> f32 {
        let [left, _, right, _] = layout.plot;
        left + ((secs - self.secs.start) / (self.secs.end - self.secs.start)) as f32 * (right - left)
    }

    /// The pixel row of a frequency.
    fn y_of(&self, layout: &Layout, hz: f64) -> f32 {
        let [_, top, _, bottom] = layout.plot;
        bottom - self.scale.axis.height(hz, self.scale.top_hz).clamp(0.0, 1.0) as f32 * (bottom - top)
    }

    fn waveform(&self, canvas: &mut Canvas, layout: &Layout, peaks: &[(f32, f32)]) {
        let [left, top, right, bottom] = layout.strip;
        canvas.fill([left, top, right, bottom], theme::DEEP);
        let (middle, half) = ((top + bottom) / 2.0, (bottom - top) / 2.0 * waveform::FULL_SCALE);
        let high = |sample: f32| sample.signum() * sample.abs().powf(waveform::POWER) * half;
        for (x, &(least, most)) in peaks.iter().enumerate() {
            let (up, down) = (middle - high(most).max(0.6), middle - high(least).min(-0.6));
            let x = left + x as f32;
            canvas.fill([x, up, x + 1.0, down], theme::TEAL);
            // Lighter at its heart, as on the screen.
            let inner = |edge: f32| middle + (edge - middle) * 0.45;
            canvas.fill([x, inner(up), x + 1.0, inner(down)], theme::faded(theme::FOAM, 0.55));
        }
    }

    fn frequency_axis(&self, canvas: &mut Canvas, layout: &Layout) {
        let (s, [left, top, right, bottom]) = (layout.scale, layout.plot);
        let mut taken: Vec<f32> = Vec::new();
        for hz in round_frequencies() {
            let y = self.y_of(layout, hz).round();
            let is_inside = hz <= self.scale.top_hz && y >= top + 16.0 * s && y <= bottom - 4.0 * s;
            if !is_inside || taken.iter().any(|other| (other - y).abs() < 24.0 * s) {
                continue;
            }
            taken.push(y);
            canvas.fill([left, y, right, y + layout.line()], theme::faded(theme::FOAM, 0.06));
            canvas.fill([left - 5.0 * s, y, left - s, y + layout.line()], theme::LINE);
            canvas.text(left - 9.0 * s, y, Align::Right, &khz_label(hz), layout.small());
        }
        canvas.text(left - 9.0 * s, top + 5.0 * s, Align::Right, "kHz", layout.small());
    }

    fn time_axis(&self, canvas: &mut Canvas, layout: &Layout) {
        let (s, [left, _, right, bottom]) = (layout.scale, layout.plot);
        let (from, to) = (self.secs.start - self.origin_secs, self.secs.end - self.origin_secs);
        let step = time_step(to - from, f64::from((right - left) / (96.0 * s)));
        let mut tick = (from / step - 1e-9).ceil();
        while tick * step <= to + 1e-9 {
            // Zero has no sign on an axis.
            let secs = tick * step + 0.0;
            let x = self.x_of(layout, secs + self.origin_secs).round();
            canvas.fill([x, layout.strip[1], x + layout.line(), bottom], theme::faded(theme::FOAM, 0.05));
            canvas.fill([x, bottom + s, x + layout.line(), bottom + 5.0 * s], theme::LINE);
            let label = time_label(secs, step);
            let half = canvas::width_of(&label, layout.small()) / 2.0;
            if x - half >= 0.0 && x + half <= canvas.width as f32 {
                canvas.text(x, bottom + 14.0 * s, Align::Middle, &label, layout.small());
            }
            tick += 1.0;
        }
    }

    /// A gap is never hidden: hatched over waveform and spectrogram.
    fn gaps(&self, canvas: &mut Canvas, layout: &Layout) {
        let (s, [left, _, right, bottom]) = (layout.scale, layout.plot);
        let top = layout.strip[1];
        for gap in self.gaps {
            let from = self.x_of(layout, gap.start).max(left);
            let to = self.x_of(layout, gap.end).max(from + 2.0 * s).min(right);
            if from >= to {
                continue;
            }
            canvas.fill([from, top, to, bottom], theme::faded(theme::NIGHT, 0.72));
            let (step, thick) = (11.0 * s, 1.5 * s);
            for y in top as i64..bottom as i64 {
                for x in from as i64..to as i64 {
                    // Away from the nearest of the slanted lines.
                    let along = (x as f32 - from + y as f32 - bottom).rem_euclid(step);
                    let coverage =
                        (thick / 2.0 + 0.5 - along.min(step - along) * std::f32::consts::FRAC_1_SQRT_2).clamp(0.0, 1.0);
                    canvas.blend(x, y, theme::faded(theme::CORAL, 0.42), coverage);
                }
            }
            for x in [from, to - thick] {
                canvas.fill([x, top, x + thick, bottom], theme::faded(theme::CORAL, 0.75));
            }
        }
    }

    fn color_bar(&self, canvas: &mut Canvas, layout: &Layout) {
        let (s, [left, top, right, bottom]) = (layout.scale, layout.bar);
        for y in top as i64..bottom as i64 {
            let part = (bottom - y as f32 - 0.5) / (bottom - top);
            canvas.fill([left, y as f32, right, y as f32 + 1.0], self.ramp.color(part));
        }
        let (floor, ceiling) = (self.scale.floor_dbfs, self.scale.ceiling_dbfs);
        let step = round_step(f64::from(ceiling - floor), f64::from((bottom - top) / (34.0 * s))).max(5.0) as f32;
        let mut db = (ceiling / step).floor() * step;
        while db >= floor {
            let y = (bottom - (db - floor) / (ceiling - floor) * (bottom - top)).round();
            if y > top + 14.0 * s && y < bottom - 2.0 * s {
                canvas.fill([right + 2.0 * s, y, right + 5.0 * s, y + layout.line()], theme::LINE);
                let label = if db == 0.0 { "0".to_owned() } else { format!("−{}", -db) };
                canvas.text(right + 8.0 * s, y, Align::Left, &label, layout.small());
            }
            db -= step;
        }
        canvas.text(right + 8.0 * s, top + 5.0 * s, Align::Left, "dBFS", layout.small());
    }

    /// Tokens as words over their sound, labels as boxes with their text.
    fn marks(&self, canvas: &mut Canvas, layout: &Layout) {
        let (s, [left, top, right, bottom]) = (layout.scale, layout.plot);
        let mut rows = [f32::MIN; 3];
        for mark in self.marks {
            let (from, to) = (self.x_of(layout, mark.start_secs), self.x_of(layout, mark.end_secs));
            if to < left || from > right {
                continue;
            }
            let (from, to) = (from.max(left), to.min(right).max(from.max(left) + 2.0 * s).min(right));
            let color = if mark.kind == MarkKind::Token { theme::FOAM } else { theme::AMBER };
            let look = Type { px: 12.5 * s, color, is_strong: mark.kind == MarkKind::Token };
            let text = mark.line();
            let width = canvas::width_of(&text, look) + 10.0 * s;
            let chip = |canvas: &mut Canvas, x: f32, y: f32, ground: Color32| {
                let x = x.min(right - width).max(left);
                canvas.fill([x, y, x + width, y + 18.0 * s], theme::faded(ground, 0.82));
                canvas.text(x + 5.0 * s, y + 9.0 * s, Align::Left, &text, look);
            };
            if mark.kind == MarkKind::Token {
                let Some(row) = rows.iter().position(|&end| end + 2.0 * s <= from) else { continue };
                rows[row] = from + width;
                let y = top + 6.0 * s + row as f32 * 21.0 * s;
                chip(canvas, from, y, theme::NIGHT);
                canvas.fill([from, y + 18.0 * s, to, y + 20.0 * s], theme::TEAL);
            } else {
                let [low, high] = mark.band_hz.unwrap_or([0.0, self.scale.top_hz]);
                let bounds = [from, self.y_of(layout, high).max(top), to, self.y_of(layout, low).min(bottom)];
                canvas.fill(bounds, theme::faded(theme::AMBER, 0.08));
                canvas.frame(bounds, 1.5 * s, theme::faded(theme::AMBER, 0.9));
                if !text.trim().is_empty() {
                    chip(canvas, from + 3.0 * s, (bounds[3] - 21.0 * s).max(top), theme::NIGHT);
                }
            }
        }
    }
}

impl Layout {
    fn new(width: f32, height: f32) -> Self {
        let scale = (width / 1100.0).min(height / 560.0).clamp(0.7, 6.0);
        let at = |points: f32| (points * scale).round();
        let (left, right) = (at(54.0), width - at(78.0));
        let (top, bottom) = (at(40.0), height - at(30.0));
        let strip = ((bottom - top) * 0.2).round();
        let plot = [left, top + strip + at(5.0), right, bottom];
        Self {
            scale,
            strip: [left, top, right, top + strip],
            plot,
            bar: [right + at(12.0), plot[1], right + at(21.0), bottom],
        }
    }

    fn line(&self) -> f32 {
        self.scale.round().max(1.0)
    }

    fn small(&self) -> Type {
        Type { px: 11.5 * self.scale, color: theme::MUTED, is_strong: false }
    }
}

#[cfg(test)]
mod tests;
