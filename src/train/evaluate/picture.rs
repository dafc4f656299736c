//! A confusion matrix as a table and as a picture.

use std::path::Path;

use ab_glyph::{Font, FontVec, Glyph, PxScale, ScaleFont, point};

use super::Confusion;
use crate::config::assets_dir;
use crate::train::checkpoint::write_atomically;
use crate::{Error, Result};

/// Side of a cell, pixels.
const CELL: usize = 36;
/// Height of the letters, pixels.
const LETTERS: f32 = 15.0;
/// Room for the labels at the left and above, pixels.
const MARGIN: usize = 120;
/// What a clip in which no word was read is called.
const NOTHING: &str = "–";

/// Saves `confusion` as `path` with the endings `.csv` and `.png`. A row is what was said, a column what was read.
pub fn save_confusion(confusion: &Confusion, path: &Path) -> Result<()> {
    for (ending, bytes) in [("csv", csv(confusion)?), ("png", Picture::of(confusion)?.png()?)] {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{ending}"));
        let file = path.with_file_name(name);
        write_atomically(&file, &bytes)
            .map_err(|error| Error::io(format_args!("cannot write the confusion matrix {}", file.display()), &error))?;
    }
    Ok(())
}

fn csv(confusion: &Confusion) -> Result<Vec<u8>> {
    let failed = |error: String| Error::internal(format!("cannot write a confusion matrix: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let labels = confusion.labels.iter().map(String::as_str);
    let header = std::iter::once("said \\ read").chain(labels.clone()).chain(["(nothing)"]);
    writer.write_record(header).map_err(|error| failed(error.to_string()))?;
    for (label, row) in labels.zip(&confusion.counts) {
        let counts = row.iter().map(u64::to_string);
        writer
            .write_record(std::iter::once(label.to_owned()).chain(counts))
            .map_err(|error| failed(error.to_string()))?;
    }
    writer.into_inner().map_err(|error| failed(error.to_string()))
}

/// Grey levels in rows, dark ink on white.
struct Picture {
    width: usize,
    height: usize,
    grey: Vec<u8>,
    fonts: Vec<FontVec>,
}

impl Picture {
    fn of(confusion: &Confusion) -> Result<Self> {
        let (rows, columns) = (confusion.labels.len(), confusion.labels.len() + 1);
        let (width, height) = (MARGIN + columns * CELL + 8, MARGIN + rows * CELL + 8);
        let mut picture = Self { width, height, grey: vec![255; width * height], fonts: fonts()? };
        for (row, (label, counts)) in confusion.labels.iter().zip(&confusion.counts).enumerate() {
            let top = MARGIN + row * CELL;
            picture.text(label, MARGIN as f32 - 8.0, (top + CELL / 2) as f32, Direction::LeftOf, 0);
            let said: u64 = counts.iter().sum();
            for (column, &count) in counts.iter().enumerate() {
                let share = count as f32 / said.max(1) as f32;
                // The root, so that a few errors among many right clips are seen.
                let shade = 255 - (200.0 * share.sqrt()) as u8;
                let left = MARGIN + column * CELL;
                picture.fill(left, top, shade);
                if count > 0 {
                    let ink = if shade < 140 { 255 } else { 0 };
                    let (x, y) = ((left + CELL / 2) as f32, (top + CELL / 2) as f32);
                    picture.text(&count.to_string(), x, y, Direction::Around, ink);
                }
            }
        }
        for (column, label) in confusion.labels.iter().map(String::as_str).chain([NOTHING]).enumerate() {
            let x = (MARGIN + column * CELL + CELL / 2) as f32;
            picture.text(label, x, MARGIN as f32 - 8.0, Direction::Upwards, 0);
        }
        Ok(picture)
    }

    fn fill(&mut self, left: usize, top: usize, shade: u8) {
        for y in top..top + CELL - 1 {
            self.grey[y * self.width + left..y * self.width + left + CELL - 1].fill(shade);
        }
    }

    /// Writes `text` at the anchor `(x, y)`; what does not fit is cut off.
    fn text(&mut self, text: &str, x: f32, y: f32, direction: Direction, ink: u8) {
        let scale = PxScale::from(LETTERS);
        let mut glyphs: Vec<(usize, Glyph)> = Vec::new();
        let mut advance = 0.0;
        for c in text.chars() {
            let font = self.fonts.iter().position(|font| font.glyph_id(c).0 != 0).unwrap_or(0);
            let scaled = self.fonts[font].as_scaled(scale);
            let id = scaled.glyph_id(c);
            glyphs.push((font, id.with_scale_and_position(scale, point(advance, 0.0))));
            advance += scaled.h_advance(id);
        }
        // The middle of small letters lies a third of their height above the line.
        let middle = LETTERS / 3.0;
        let (shift, is_upright) = match direction {
            Direction::LeftOf => (-advance, false),
            Direction::Around => (-advance / 2.0, false),
            Direction::Upwards => (0.0, true),
        };
        let (width, height) = (self.width as f32, self.height as f32);
        for (font, glyph) in glyphs {
            let Some(outline) = self.fonts[font].outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            let mut dots = Vec::new();
            outline
                .draw(|dx, dy, cover| dots.push((corner.x + dx as f32 + shift, corner.y + dy as f32 + middle, cover)));
            for (along, across, cover) in dots {
                let (px, py) = if is_upright { (x + across, y - along) } else { (x + along, y + across) };
                if px < 0.0 || py < 0.0 || px >= width || py >= height {
                    continue;
                }
                let dot = &mut self.grey[py as usize * self.width + px as usize];
                *dot = (f32::from(*dot) + cover.min(1.0) * (f32::from(ink) - f32::from(*dot))) as u8;
            }
        }
    }

    fn png(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, self.width as u32, self.height as u32);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&self.grey)?;
            writer.finish()
        });
        written.map_err(|error| Error::internal(format!("cannot write a picture: {error}")))?;
        Ok(bytes)
    }
}

/// Where a text lies as seen from its anchor.
enum Direction {
    LeftOf,
    Around,
    Upwards,
}

/// The shipped fonts, the one for Latin first.
fn fonts() -> Result<Vec<FontVec>> {
    let folder = assets_dir()?.join("fonts");
    let read = |name: &&str| {
        let path = folder.join(name);
        let bytes =
            std::fs::read(&path).map_err(|error| Error::io(format_args!("cannot read {}", path.display()), &error))?;
        FontVec::try_from_vec(bytes)
            .map_err(|_| Error::invalid(format!("{} is no font: install it anew", path.display())))
    };
    ["Inter-Regular-subset.otf", "NotoSansCJKjp-Regular-subset.otf"].iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_picture_hold_what_was_counted() {
        let mut confusion = Confusion::new(&["yes, please".into(), "はい".into(), "no".into()]);
        (0..9).for_each(|_| confusion.add(0, Some("yes, please")));
        confusion.add(0, None);
        confusion.add(1, Some("no"));
        let folder = tempfile::tempdir().unwrap();
        save_confusion(&confusion, &folder.path().join("some/matrix.v1")).unwrap();
        let table = std::fs::read_to_string(folder.path().join("some/matrix.v1.csv")).unwrap();
        assert_eq!(
            table,
            "said \\ read,\"yes, please\",はい,no,(nothing)\n\"yes, please\",9,0,0,1\nはい,0,0,1,0\nno,0,0,0,0\n"
        );
        let file = std::fs::File::open(folder.path().join("some/matrix.v1.png")).unwrap();
        let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().unwrap();
        let mut grey = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut grey).unwrap();
        let (width, _) = (MARGIN + 4 * CELL + 8, 0);
        let corner = |row: usize, column: usize| grey[(MARGIN + row * CELL + 1) * width + MARGIN + column * CELL + 1];
        assert!(corner(0, 0) < 80 && corner(1, 2) < 80 && corner(0, 1) == 255);
        assert!(corner(0, 3) < 255 && corner(0, 3) > corner(0, 0), "one of ten is seen");
        // Letters stand in the margins.
        let dark = |pixels: &[u8]| pixels.iter().filter(|&&pixel| pixel < 128).count();
        assert!(dark(&grey[..width * MARGIN]) > 50);
        assert!((0..3).all(|row| dark(&grey[(MARGIN + row * CELL + CELL / 2) * width..][..MARGIN]) > 0));
    }
}
