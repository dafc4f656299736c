//! The fonts: Inter for Latin letters, Noto Sans JP for Japanese, both under the SIL Open Font Licence.

use bevy_egui::egui::{Color32, Context, FontData, FontDefinitions, FontFamily, FontId, FontTweak};

use super::widgets::size;

const LATIN: &[u8] = include_bytes!("../../assets/fonts/Inter-Regular-subset.otf");
const LATIN_STRONG: &[u8] = include_bytes!("../../assets/fonts/Inter-SemiBold-subset.otf");
const JAPANESE: &[u8] = include_bytes!("../../assets/fonts/NotoSansCJKjp-Regular-subset.otf");

/// The family of titles and large words.
pub fn strong() -> FontFamily {
    FontFamily::Name("strong".into())
}

/// The fonts of the window: digits of one width, Japanese behind Latin, egui's own signs behind both.
pub fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::default();
    for (name, data) in [("latin", LATIN), ("latin strong", LATIN_STRONG), ("japanese", JAPANESE)] {
        // One picture a sign instead of four: a sign that is new on the screen costs a new texture and comes a frame late.
        let tweak = FontTweak { subpixel_binning: Some(false), ..FontTweak::default() };
        fonts.font_data.insert(name.to_owned(), FontData::from_static(data).tweak(tweak).into());
    }
    let own = fonts.families.get(&FontFamily::Proportional).cloned().unwrap_or_default();
    let behind =
        |first: &str| [first.to_owned(), "japanese".to_owned()].into_iter().chain(own.iter().cloned()).collect();
    fonts.families.insert(strong(), behind("latin strong"));
    fonts.families.insert(FontFamily::Proportional, behind("latin"));
    fonts.families.entry(FontFamily::Monospace).or_default().push("japanese".to_owned());
    fonts
}

/// Gives egui the fonts. They take effect with the next pass.
pub fn install(ctx: &Context) {
    ctx.set_fonts(definitions());
}

/// Whether the fonts are there.
pub fn are_installed(ctx: &Context) -> bool {
    ctx.fonts(|fonts| fonts.definitions().families.contains_key(&strong()))
}

/// Draws all Latin letters and digits once into egui's texture, so that a number that changes finds its digits there.
pub fn warm(ctx: &Context) {
    let signs: String = (' '..='~').chain("–−∞…·".chars()).collect();
    let small = [9.0, 9.5, size::CAPTION, size::SMALL, size::BODY, size::BODY + 0.5]
        .map(|points| (points, FontFamily::Proportional));
    let large = [size::TITLE, size::WORDS].map(|points| (points, strong()));
    ctx.fonts_mut(|fonts| {
        for (points, family) in small.into_iter().chain(large) {
            fonts.layout_no_wrap(signs.clone(), FontId::new(points, family), Color32::PLACEHOLDER);
        }
    });
}
