//! The fonts: Inter for Latin letters, Noto Sans JP for Japanese, both under the SIL Open Font Licence.

use bevy_egui::egui::{Context, FontData, FontDefinitions, FontFamily};

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
        fonts.font_data.insert(name.to_owned(), FontData::from_static(data).into());
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
