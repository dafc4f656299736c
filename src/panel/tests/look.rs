//! What the panels look like, as far as numbers tell: nothing cut, nothing outside, nothing on top of another, nothing jumping.

use std::collections::{BTreeMap, BTreeSet};

use bevy_egui::egui::{Pos2, Rect, vec2};

use super::{Fake, Seen, Stage, fake::LONG_NAME};
use crate::{config::Language, panel::fonts, stream::ConnectionState, train::progress::Phase};

const LANGUAGES: [Language; 3] = [Language::English, Language::Japanese, Language::Both];
const SIZES: [(f32, f32); 2] = [(1280.0, 720.0), (1920.0, 1080.0)];

fn scenes() -> Vec<(&'static str, Fake)> {
    let mut lost = Fake::busy();
    lost.lanes[0].connection = ConnectionState::Lost;
    lost.lanes[0].reason = Some("a.wav is gone");
    lost.is_live = false;
    lost.progress.phase = Phase::Failed;
    lost.progress.message = Some("the dataset has one label only".into());
    let mut silent = Fake::busy();
    silent.lanes[0].source = "mic".to_owned();
    silent.lanes[0].is_silent = true;
    silent.progress.phase = Phase::Preparing;
    let mut paused = Fake::busy();
    paused.lanes[0].is_recognised = false;
    paused.lanes[0].connection = ConnectionState::Stalled;
    paused.progress.phase = Phase::Paused;
    vec![
        ("quiet", Fake::quiet()),
        ("busy", Fake::busy()),
        ("lost", lost),
        ("silent", silent),
        ("paused", paused),
        ("crowd", Fake::crowd()),
    ]
}

/// People's own names may be longer than their place; hovering shows the whole.
fn is_name(text: &str) -> bool {
    text.contains(LONG_NAME)
}

/// Calls `check` for every scene, language and size, and fails with all that it finds wrong.
fn for_all(check: impl Fn(&mut Stage) -> BTreeSet<String>) {
    let mut all = BTreeMap::new();
    for (name, _) in scenes() {
        for language in LANGUAGES {
            for size in SIZES {
                let fake = scenes().into_iter().find(|scene| scene.0 == name).unwrap().1;
                let mut stage = Stage::new(fake, language, size);
                let place = format!("{name}, {language:?}, {size:?}");
                all.extend(check(&mut stage).into_iter().map(|wrong| (wrong, place.clone())));
            }
        }
    }
    assert!(all.is_empty(), "faults, each with one of its places: {all:#?}");
}

#[test]
fn no_text_is_cut_outside_or_on_another() {
    for_all(|stage| {
        let mut wrong = BTreeSet::new();
        let seen = stage.frame(Vec::new());
        let screen = Rect::from_min_size(Pos2::ZERO, vec2(stage.size.0, stage.size.1));
        assert!(seen.len() > 20, "too few texts: {seen:?}");
        for text in &seen {
            let place = text.place.shrink(1.0);
            let is_inside = screen.contains_rect(place) && text.clip.contains_rect(place);
            if text.is_cut && !is_name(&text.text) || !is_inside {
                wrong.insert(format!("{:?} is cut or outside", text.text));
            }
        }
        for (i, a) in seen.iter().enumerate() {
            for b in &seen[i + 1..] {
                // Line heights are generous: letters are well inside.
                let (inner_a, inner_b) = (a.place.shrink2(vec2(0.5, 3.0)), b.place.shrink2(vec2(0.5, 3.0)));
                if inner_a.intersects(inner_b) {
                    wrong.insert(format!("{:?} lies on {:?}", a.text, b.text));
                }
            }
        }
        wrong
    });
}

#[test]
fn the_windows_over_the_picture_hold_their_text() {
    for_all(|stage| {
        let mut wrong = BTreeSet::new();
        for window in ["status", "keys", "lanes", "invitation"] {
            stage.state.shows_status = window == "status";
            stage.state.shows_keys = window == "keys";
            stage.state.shows_lanes = window == "lanes";
            stage.state.shows_invitation = window == "invitation";
            // They fade in and find their size.
            let mut seen = Vec::new();
            for _ in 0..30 {
                seen = stage.frame(Vec::new());
            }
            let screen = Rect::from_min_size(Pos2::ZERO, vec2(stage.size.0, stage.size.1)).x_range();
            for text in &seen {
                let is_long =
                    ["mic:pulseaudio", "the sound server is gone"].iter().any(|long| text.text.starts_with(long));
                let is_inside = screen.contains(text.place.left()) && screen.contains(text.place.right());
                if text.is_cut && !is_long && !is_name(&text.text) || !is_inside {
                    wrong.insert(format!("{:?} is cut or outside in {window}", text.text));
                }
            }
        }
        wrong
    });
}

#[test]
fn numbers_that_change_move_nothing() {
    let places = |seen: &[Seen]| -> BTreeSet<String> {
        let at = |seen: &Seen| format!("{} {:?}", seen.text, seen.place.min);
        let is_label = |seen: &&Seen| !seen.text.chars().any(|c| c.is_ascii_digit());
        seen.iter().filter(is_label).map(at).collect()
    };
    let mut stage = Stage::new(Fake::busy(), Language::Both, SIZES[0]);
    let before = places(&stage.frame(Vec::new()));
    let progress = &mut stage.fake.progress;
    (progress.step, progress.loss, progress.epoch, progress.eta_secs) = (7, 0.001, 1, 3.0);
    (progress.examples_per_sec, progress.learning_rate, progress.validation_accuracy) = (3.2, 1e-5, Some(1.0));
    progress.updates += 1;
    stage.fake.monitor.volume_db = -60.0;
    let after = places(&stage.frame(Vec::new()));
    let moved: Vec<_> = before.symmetric_difference(&after).collect();
    assert!(before.len() > 30 && moved.is_empty(), "{moved:#?}");
}

#[test]
fn digits_are_of_one_width_and_every_label_has_its_signs() {
    let stage = Stage::new(Fake::quiet(), Language::Both, SIZES[0]);
    stage.context.fonts_mut(|all| {
        for family in [bevy_egui::egui::FontFamily::Proportional, fonts::strong()] {
            let font = bevy_egui::egui::FontId::new(14.0, family);
            let widths: Vec<f32> = ('0'..='9').map(|digit| all.glyph_width(&font, digit)).collect();
            assert!(widths.iter().all(|width| (width - widths[0]).abs() < 0.05), "{widths:?}");
            let labels = crate::panel::labels::ALL.iter().flat_map(|label| [label.en, label.ja]);
            for sign in labels.chain(["–−∞…·←→↻\u{a0}"]).flat_map(str::chars) {
                assert!(all.has_glyph(&font, sign), "{sign:?}");
            }
        }
    });
}
