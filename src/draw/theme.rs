//! The colours of the whole program, in one place: night above, deep water, foam.
#![allow(clippy::disallowed_methods, reason = "this is the place where colours are made")]

use bevy::color::{Color, ColorToPacked, Oklcha, Srgba};
use bevy_egui::egui::{
    self, Color32, CornerRadius, Stroke,
    style::{Selection, WidgetVisuals},
};

/// Behind everything.
pub const NIGHT: Color32 = Color32::from_rgb(5, 9, 18);
/// Panels and the ground of a lane.
pub const DEEP: Color32 = Color32::from_rgb(9, 17, 31);
/// Raised surfaces: buttons, chips, text fields.
pub const SURFACE: Color32 = Color32::from_rgb(19, 33, 52);
/// Hairlines and borders.
pub const LINE: Color32 = Color32::from_rgb(33, 53, 77);
/// Axis labels and everything that explains rather than says.
pub const MUTED: Color32 = Color32::from_rgb(126, 152, 174);
/// Running text.
pub const TEXT: Color32 = Color32::from_rgb(214, 229, 236);
/// What matters most: the newest word, titles.
pub const FOAM: Color32 = Color32::from_rgb(240, 253, 247);
/// What is alive or chosen.
pub const TEAL: Color32 = Color32::from_rgb(53, 208, 186);
/// What is not final yet.
pub const MIST: Color32 = Color32::from_rgb(137, 190, 232);
/// Needs attention: stalled, quiet, waiting.
pub const AMBER: Color32 = Color32::from_rgb(245, 190, 92);
/// Wrong or missing: lost, gaps, clipping.
pub const CORAL: Color32 = Color32::from_rgb(255, 122, 94);

/// Multiplied with a picture, it leaves it as it is.
pub const WHOLE: Color32 = Color32::WHITE;

/// `color` at `opacity` (0 to 1).
pub fn faded(color: Color32, opacity: f32) -> Color32 {
    color.gamma_multiply(opacity.clamp(0.0, 1.0))
}

/// [`NIGHT`] for the renderer's clear colour.
pub fn clear_color() -> Color {
    Color::srgb_u8(NIGHT.r(), NIGHT.g(), NIGHT.b())
}

/// Sets egui's look: dark, quiet, generous, rounded.
pub fn apply(ctx: &egui::Context) {
    ctx.all_styles_mut(|style| {
        let visuals = &mut style.visuals;
        *visuals = egui::Visuals::dark();
        visuals.override_text_color = None;
        visuals.panel_fill = DEEP;
        visuals.window_fill = DEEP;
        visuals.window_stroke = Stroke::new(1.0, LINE);
        visuals.window_corner_radius = CornerRadius::same(10);
        visuals.menu_corner_radius = CornerRadius::same(8);
        visuals.extreme_bg_color = NIGHT;
        visuals.faint_bg_color = SURFACE;
        visuals.code_bg_color = SURFACE;
        visuals.hyperlink_color = TEAL;
        visuals.warn_fg_color = AMBER;
        visuals.error_fg_color = CORAL;
        visuals.selection = Selection { bg_fill: faded(TEAL, 0.35), stroke: Stroke::new(1.0, FOAM) };
        let widget = |fill: Color32, line: Color32, text: Color32, grow: f32| WidgetVisuals {
            bg_fill: fill,
            weak_bg_fill: fill,
            bg_stroke: Stroke::new(1.0, line),
            corner_radius: CornerRadius::same(7),
            fg_stroke: Stroke::new(1.0, text),
            expansion: grow,
        };
        visuals.widgets.noninteractive = widget(DEEP, faded(LINE, 0.7), TEXT, 0.0);
        visuals.widgets.inactive = widget(SURFACE, LINE, TEXT, 0.0);
        visuals.widgets.hovered = widget(LINE, TEAL, FOAM, 0.5);
        visuals.widgets.active = widget(faded(TEAL, 0.45), TEAL, FOAM, 0.0);
        visuals.widgets.open = widget(SURFACE, TEAL, FOAM, 0.0);
        style.spacing.item_spacing = egui::vec2(8.0, 8.0);
        style.spacing.button_padding = egui::vec2(12.0, 6.0);
        style.spacing.interact_size.y = 26.0;
        style.spacing.window_margin = egui::Margin::same(14);
    });
}

/// A colour map: from silence to full scale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ramp {
    /// Night blue, teal, foam.
    #[default]
    Stream,
    /// Night violet, ember, straw.
    Ember,
    /// Black to white.
    Grey,
}

impl Ramp {
    /// All of them, in the order of their rows in the shader's table.
    pub const ALL: [Self; 3] = [Self::Stream, Self::Ember, Self::Grey];

    /// Its name, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Ember => "ember",
            Self::Grey => "grey",
        }
    }

    /// Its row in the shader's table.
    pub fn row(self) -> u32 {
        self as u32
    }

    /// Stops of (position, lightness, chroma, hue in degrees) in Oklch. Lightness rises evenly with the position, so that
    /// equal steps in decibels look equal; hue and chroma tell the story.
    fn stops(self) -> &'static [[f32; 4]] {
        match self {
            Self::Stream => &[
                [0.00, 0.135, 0.026, 264.0],
                [0.22, 0.300, 0.075, 258.0],
                [0.45, 0.480, 0.092, 222.0],
                [0.65, 0.650, 0.118, 188.0],
                [0.82, 0.820, 0.108, 172.0],
                [0.93, 0.930, 0.062, 160.0],
                [1.00, 0.990, 0.018, 120.0],
            ],
            Self::Ember => &[
                [0.00, 0.130, 0.026, 280.0],
                [0.22, 0.300, 0.120, 298.0],
                [0.45, 0.470, 0.165, 345.0],
                [0.65, 0.640, 0.185, 382.0],
                [0.82, 0.800, 0.150, 418.0],
                [0.93, 0.920, 0.105, 452.0],
                [1.00, 0.985, 0.040, 462.0],
            ],
            Self::Grey => &[[0.0, 0.13, 0.0, 0.0], [1.0, 0.99, 0.0, 0.0]],
        }
    }

    /// Its colour at `position` (0 silence, 1 full).
    pub fn color(self, position: f32) -> Color32 {
        let [r, g, b, _] = self.packed(position);
        Color32::from_rgb(r, g, b)
    }

    fn packed(self, position: f32) -> [u8; 4] {
        let position = position.clamp(0.0, 1.0);
        let stops = self.stops();
        let after = stops.iter().position(|stop| stop[0] >= position).unwrap_or(stops.len() - 1).max(1);
        let (from, to) = (stops[after - 1], stops[after]);
        let part = (position - from[0]) / (to[0] - from[0]);
        let at = |i: usize| from[i] + (to[i] - from[i]) * part;
        let srgb = Srgba::from(Oklcha::new(at(1), at(2), at(3).rem_euclid(360.0), 1.0));
        srgb.to_u8_array()
    }

    /// The shader's table: [`Ramp::ALL`] as rows of `width` sRGB texels.
    pub fn table(width: u32) -> Vec<u8> {
        let last = width.max(2) - 1;
        let texel = |ramp: Self, i: u32| ramp.packed(i as f32 / last as f32);
        Self::ALL.iter().flat_map(|&ramp| (0..=last).flat_map(move |i| texel(ramp, i))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance of an sRGB colour (IEC 61966-2-1).
    fn luminance(color: Color32) -> f32 {
        let linear = |c: u8| {
            let c = f32::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(color.r()) + 0.7152 * linear(color.g()) + 0.0722 * linear(color.b())
    }

    #[test]
    fn every_ramp_gets_lighter_all_the_way() {
        for ramp in Ramp::ALL {
            let steps: Vec<f32> = (0..=64).map(|i| luminance(ramp.color(i as f32 / 64.0))).collect();
            assert!(steps.windows(2).all(|pair| pair[1] > pair[0]), "{ramp:?}: {steps:?}");
            assert!(steps[0] < 0.01 && steps[64] > 0.9, "{ramp:?}");
        }
    }

    #[test]
    fn the_table_has_a_row_a_ramp_and_ends_at_its_ends() {
        let table = Ramp::table(256);
        assert_eq!(table.len(), Ramp::ALL.len() * 256 * 4);
        for ramp in Ramp::ALL {
            let row = &table[ramp.row() as usize * 1024..][..1024];
            assert_eq!(&row[..3], &ramp.color(0.0).to_array()[..3]);
            assert_eq!(&row[1020..1023], &ramp.color(1.0).to_array()[..3]);
        }
    }

    #[test]
    fn text_can_be_read_on_every_ground() {
        for (text, ground) in
            [(TEXT, DEEP), (TEXT, SURFACE), (MUTED, NIGHT), (MUTED, DEEP), (CORAL, DEEP), (AMBER, DEEP)]
        {
            let contrast = (luminance(text) + 0.05) / (luminance(ground) + 0.05);
            assert!(contrast >= 4.5, "{text:?} on {ground:?}: {contrast}");
        }
    }
}
