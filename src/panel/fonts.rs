//! The fonts: egui's own, and behind them one with the Japanese signs.

use bevy_egui::egui::{Context, FontData, FontDefinitions, FontFamily};

/// A subset of Noto Sans JP; its licence lies beside it.
const JAPANESE: &[u8] = include_bytes!("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc");

/// Gives egui a font with Japanese signs, behind its own ones. Takes effect with the next pass.
pub fn install(ctx: &Context) {
    let mut fonts = FontDefinitions::default();
    fonts.font_data.insert("japanese".to_owned(), FontData::from_static(JAPANESE).into());
    for family in [FontFamily::Proportional, FontFamily::Monospace] {
        // After the first font, before the ones with emoji.
        let names = fonts.families.entry(family).or_default();
        names.insert(names.len().min(1), "japanese".to_owned());
    }
    ctx.set_fonts(fonts);
}
