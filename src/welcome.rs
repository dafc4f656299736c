//! What the terminal says at the start: where the program is reached, and the code that a phone scans.

use qrcode::{QrCode, render::unicode::Dense1x2};

use crate::server::Places;

/// Where the program is reached; where there is no window to show it, the code that a phone scans as well.
pub fn welcome(places: &Places, is_headless: bool) -> String {
    let mut text = format!("Status and control: {}/api/status\n", places.local_url);
    let Some(invitation) = places.invitation() else { return text };
    for url in &places.lan_urls {
        text.push_str(&format!("For phones: {url}\n"));
    }
    if !is_headless {
        return text;
    }
    match QrCode::new(&invitation) {
        // Light on dark, as most terminals are.
        Ok(code) => {
            let picture = code.render().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
            text.push_str(&format!("Scan this to take part:\n{picture}\n{invitation}\n"));
        }
        // Too long for a code.
        Err(_) => text.push_str(&format!("Open this to take part: {invitation}\n")),
    }
    text
}
