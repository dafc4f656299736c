//! A picture in memory: rectangles, lines and text in the fonts of the window.

use std::{io::Write, path::Path, sync::LazyLock};

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use bevy_egui::egui::Color32;

use crate::{Error, Result, session::export::file::write_whole};

static LATIN: LazyLock<FontRef> =
    LazyLock::new(|| font(include_bytes!("../../../../assets/fonts/Inter-Regular-subset.otf")));
static STRONG: LazyLock<FontRef> =
    LazyLock::new(|| font(include_bytes!("../../../../assets/fonts/Inter-SemiBold-subset.otf")));
static JAPANESE: LazyLock<FontRef> =
    LazyLock::new(|| font(include_bytes!("../../../../assets/fonts/NotoSansCJKjp-Regular-subset.otf")));

fn font(bytes: &'static [u8]) -> FontRef<'static> {
    FontRef::try_from_slice(bytes).expect("the shipped fonts are fonts")
}

/// Where a text stands beside the point that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// It begins there.
    Left,
    /// Its middle is there.
    Middle,
    /// It ends there.
    Right,
}

/// How a text looks.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// Height of its line in pixels.
    pub px: f32,
    /// Its colour.
    pub color: Color32,
    /// Whether it is a title.
    pub is_strong: bool,
}

/// Pixels, 8-bit sRGB, row by row from the top.
#[derive(Clone, Debug, PartialEq)]
pub struct Canvas {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Red, green and blue of each pixel.
    pub rgb: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: u32, height: u32, color: Color32) -> Self {
        let rgb = [color.r(), color.g(), color.b()].repeat(width as usize * height as usize);
        Self { width, height, rgb }
    }

    /// Puts `color` over a pixel, as far as `coverage` (0 to 1) and the colour's own opacity say. Outside nothing happens.
    pub fn blend(&mut self, x: i64, y: i64, color: Color32, coverage: f32) {
        if x < 0 || y < 0 || x >= i64::from(self.width) || y >= i64::from(self.height) {
            return;
        }
        let at = 3 * (y as usize * self.width as usize + x as usize);
        // egui's colours are premultiplied.
        let keep = 1.0 - f32::from(color.a()) / 255.0 * coverage;
        for (pixel, ink) in self.rgb[at..at + 3].iter_mut().zip([color.r(), color.g(), color.b()]) {
            *pixel = (f32::from(*pixel) * keep + f32::from(ink) * coverage).round().clamp(0.0, 255.0) as u8;
        }
    }

    /// Fills the rectangle from `(left, top)` to before `(right, bottom)`; edges between pixels cover them in part.
    pub fn fill(&mut self, [left, top, right, bottom]: [f32; 4], color: Color32) {
        let part =
            |from: f32, to: f32, pixel: i64| (to.min(pixel as f32 + 1.0) - from.max(pixel as f32)).clamp(0.0, 1.0);
        let rows = (top.floor().max(0.0) as i64)..(bottom.ceil().min(self.height as f32) as i64);
        for y in rows {
            let columns = (left.floor().max(0.0) as i64)..(right.ceil().min(self.width as f32) as i64);
            for x in columns {
                self.blend(x, y, color, part(left, right, x) * part(top, bottom, y));
            }
        }
    }

    /// The outline of a rectangle, `width` pixels thick, inside of it.
    pub fn frame(&mut self, [left, top, right, bottom]: [f32; 4], width: f32, color: Color32) {
        self.fill([left, top, right, top + width], color);
        self.fill([left, bottom - width, right, bottom], color);
        self.fill([left, top + width, left + width, bottom - width], color);
        self.fill([right - width, top + width, right, bottom - width], color);
    }

    /// Writes `text` on one line whose middle is at height `y`; says how wide it is.
    pub fn text(&mut self, x: f32, y: f32, align: Align, text: &str, look: Type) -> f32 {
        let width = width_of(text, look);
        let mut at = match align {
            Align::Left => x,
            Align::Middle => x - width / 2.0,
            Align::Right => x - width,
        };
        let baseline = y + look.px * 0.26;
        for c in text.chars() {
            let (font, scale) = face(c, look);
            let glyph = font.glyph_id(c).with_scale_and_position(scale, point(at, baseline));
            at += font.as_scaled(scale).h_advance(glyph.id);
            if let Some(outline) = font.outline_glyph(glyph) {
                let corner = outline.px_bounds().min;
                outline.draw(|dx, dy, coverage| {
                    self.blend(
                        corner.x as i64 + i64::from(dx),
                        corner.y as i64 + i64::from(dy),
                        look.color,
                        coverage.min(1.0),
                    );
                });
            }
        }
        width
    }

    /// Writes the picture as an RGB PNG.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.to_png()?;
        write_whole(path, |file| {
            file.write_all(&bytes).map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))
        })
    }

    /// The picture as an RGB PNG in memory.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) for a picture without pixels.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let fail = |error: png::EncodingError| Error::invalid(format!("no picture can be written: {error}"));
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(fail)?;
        writer.write_image_data(&self.rgb).map_err(fail)?;
        writer.finish().map_err(fail)?;
        Ok(bytes)
    }
}

/// How many pixels wide a text is.
pub fn width_of(text: &str, look: Type) -> f32 {
    let advance = |c| {
        let (font, scale) = face(c, look);
        font.as_scaled(scale).h_advance(font.glyph_id(c))
    };
    text.chars().map(advance).sum()
}

/// The font that has the letter: Inter, or Noto Sans JP behind it, which is drawn a little smaller beside it.
fn face(c: char, look: Type) -> (&'static FontRef<'static>, PxScale) {
    let latin: &FontRef = if look.is_strong { &STRONG } else { &LATIN };
    // ab_glyph's scale is the height from descender to ascender; the type's size is the em.
    let scale = |font: &FontRef, px: f32| {
        let em = font.units_per_em().unwrap_or(1000.0);
        PxScale::from(px * font.height_unscaled() / em)
    };
    if latin.glyph_id(c).0 != 0 {
        (latin, scale(latin, look.px))
    } else {
        (&JAPANESE, scale(&JAPANESE, look.px * 0.94))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::theme;

    #[test]
    fn text_in_both_scripts_leaves_ink_where_it_is_asked_to() {
        let look = Type { px: 16.0, color: theme::FOAM, is_strong: false };
        let mut canvas = Canvas::new(200, 40, theme::NIGHT);
        let width = canvas.text(10.0, 20.0, Align::Left, "Hz 川", look);
        let inked = |canvas: &Canvas, x: u32| (0..40).any(|y| canvas.rgb[3 * (y * 200 + x as usize)] > 60);
        assert!((30.0..50.0).contains(&width), "{width}");
        assert!((10..24).any(|x| inked(&canvas, x)) && (34..50).any(|x| inked(&canvas, x)), "both letters and 川");
        assert!((0..9).chain(60..200).all(|x| !inked(&canvas, x)));
        canvas.text(-500.0, 900.0, Align::Right, "outside", look);
    }

    #[test]
    fn a_rectangle_between_pixels_covers_them_in_part() {
        let mut canvas = Canvas::new(4, 1, theme::NIGHT);
        canvas.fill([0.5, 0.0, 2.0, 1.0], theme::FOAM);
        let red: Vec<u8> = canvas.rgb.chunks(3).map(|pixel| pixel[0]).collect();
        assert_eq!(red, [123, 240, 5, 5]);
    }
}
