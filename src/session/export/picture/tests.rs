//! One picture is kept; numbers are tested where they are made.

use std::{env, fs, path::PathBuf};

use super::*;
use crate::{draw::view::FrequencyAxis, session::export::from_memory};

/// A rising tone over a hum, two bursts, and a hole.
fn sound() -> Vec<i16> {
    let mut phase = 0.0f64;
    let sample = |i: u32| {
        let secs = f64::from(i) / 48_000.0;
        phase += std::f64::consts::TAU * (300.0 + 1700.0 * secs) / 48_000.0;
        let burst = if (secs * 2.0).fract() < 0.1 { 0.3 * (secs * 30_000.0).sin() } else { 0.0 };
        let hole = if (2.0..2.4).contains(&secs) { 0.0 } else { 1.0 };
        (hole * 9000.0 * (phase.sin() * 0.5 + burst + 0.05 * (secs * 700.0).sin())) as i16
    };
    (0..48_000 * 3).map(sample).collect()
}

fn picture(size: [u32; 2], marks: &[Mark]) -> Result<Canvas> {
    let sound = sound();
    let gaps = std::slice::from_ref(&(2.0..2.4));
    let picture = Picture {
        size,
        title: "main · 録音".to_owned(),
        sample_rate_hz: 48_000,
        stft: StftConfig::default(),
        secs: 0.0..3.0,
        origin_secs: 0.0,
        scale: Scale { floor_dbfs: -96.0, ceiling_dbfs: -22.0, axis: FrequencyAxis::Mel, top_hz: 10_000.0 },
        ramp: Ramp::Stream,
        marks,
        gaps,
    };
    picture.draw(&mut from_memory(&sound))
}

/// The kept picture; `SESERAGI_KEEP_PICTURES=1` makes it anew.
#[test]
fn the_picture_is_the_kept_one() {
    let marks = super::super::marks::tests::examples();
    let drawn = picture([720, 400], &marks).unwrap();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/pictures/export.png");
    if env::var_os("SESERAGI_KEEP_PICTURES").is_some() {
        drawn.save(&path).unwrap();
    }
    let decoder = png::Decoder::new(std::io::Cursor::new(fs::read(&path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut kept = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut kept).unwrap();
    assert_eq!((info.width, info.height), (drawn.width, drawn.height));
    // Processors with wider registers round the last bit of a transform differently: at most two steps of colour.
    let worst = drawn.rgb.iter().zip(&kept).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst.is_some_and(|worst| worst <= 2), "a pixel is {worst:?} steps away");
}

#[test]
fn any_size_has_its_parts_and_none_that_cannot_be_is_drawn() {
    for size in [[160, 160], [3000, 200], [200, 1500]] {
        let drawn = picture(size, &[]).unwrap();
        assert_eq!([drawn.width, drawn.height], size);
        let colors: std::collections::HashSet<&[u8]> = drawn.rgb.chunks_exact(3).collect();
        assert!(colors.len() > 100, "{size:?}: {}", colors.len());
    }
    for size in [[0, 400], [400, 100], [100_000, 400]] {
        assert_eq!(picture(size, &[]).unwrap_err().kind, crate::ErrorKind::Invalid);
    }
}
