//! The shaders on a software rasteriser, looked at pixel by pixel.

use std::{path::Path, time::Duration};

use bevy::{app::ScheduleRunnerPlugin, log::LogPlugin, math::vec2, window::ExitCondition, winit::WinitPlugin};
use half::f16;

use super::*;
use crate::{
    app::Screenshot,
    draw::{
        PictureSaved,
        plot::{self, Quad},
        screenshot,
    },
};

const SIZE: (u32, u32) = (320, 240);

/// What the pictures show: at the left half of the time a tone in bins 62 to 66 of 128, then silence; a waveform of half full scale.
fn fill(mut frame: ResMut<PlotFrame>) {
    let (bins, capacity, columns) = (128, 1024, 100u32);
    let quad = |top: f32, height: f32| Quad {
        rect: Vec4::new(10.0, top, 300.0, height),
        target_px: vec2(SIZE.0 as f32, SIZE.1 as f32),
        corners: Vec2::ZERO,
    };
    let lane = Entity::PLACEHOLDER;
    let kind = RingKind::Columns { bins };
    // Written in two parts over the ring's end, as scrolling does.
    for (first, slot) in [(0, capacity - 40), (40, 0)] {
        let count = if first == 0 { 40 } else { columns - 40 };
        let texel = |i: u32| {
            let (column, bin) = (first + i / bins, i % bins);
            if column < 50 && (62..=66).contains(&bin) { f16::ONE } else { f16::ZERO }
        };
        let values: Vec<f16> = (0..count * bins).map(texel).collect();
        frame.uploads.push(Upload { lane, kind, capacity, slot, bytes: bytemuck::cast_slice(&values).into() });
    }
    let peaks = [[-5807i16, 5807]; 300];
    let bytes: &[u8] = bytemuck::cast_slice(&peaks);
    frame.uploads.push(Upload { lane, kind: RingKind::Peaks, capacity, slot: 0, bytes: bytes.into() });
    let draw = frame.lane_mut(lane);
    draw.spectrogram = Some(SpectrogramUniform {
        quad: quad(100.0, 128.0),
        span: 100.0,
        first_row: capacity - 40,
        rows: capacity,
        columns,
        bins,
        hz_per_bin: 100.0,
        top_hz: 12_800.0,
        low_hz: 50.0,
        floor_db: -90.0,
        range_db: 90.0,
        pixels_per_point: 1.0,
        ..default()
    });
    draw.waveform = Some(WaveformUniform {
        quad: quad(10.0, 80.0),
        span: 300.0,
        texels: capacity,
        entries: 300,
        power: 0.4,
        pixels_per_point: 1.0,
        ground: Vec4::new(0.0, 0.0, 0.1, 1.0),
        edge: Vec4::new(0.0, 0.8, 0.0, 1.0),
        core: Vec4::ONE,
        ..default()
    });
}

fn picture(path: &Path) -> Vec<u8> {
    let mut app = App::new();
    let window = WindowPlugin { primary_window: None, exit_condition: ExitCondition::DontExit, ..default() };
    app.add_plugins(DefaultPlugins.build().set(window).disable::<WinitPlugin>().disable::<LogPlugin>())
        .add_plugins(ScheduleRunnerPlugin::run_loop(Duration::from_millis(5)))
        .insert_resource(ClearColor(Color::BLACK))
        .add_plugins((plot::plugin, plugin, screenshot::plugin))
        .add_systems(Update, fill)
        .add_systems(
            Last,
            |mut saved: MessageReader<PictureSaved>, mut exit: MessageWriter<AppExit>, time: Res<Time<Real>>| {
                if saved.read().count() > 0 || time.elapsed_secs() > 60.0 {
                    exit.write(AppExit::Success);
                }
            },
        );
    let shot = Screenshot { path: path.to_owned(), after: Duration::from_millis(1500) };
    screenshot::screenshot_offscreen(&mut app, shot, UVec2::from(SIZE));
    app.run();
    let mut reader =
        png::Decoder::new(std::io::BufReader::new(std::fs::File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (SIZE.0, SIZE.1, png::ColorType::Rgb));
    pixels
}

#[test]
fn the_shaders_draw_a_tone_where_it_sounds_and_a_waveform_as_high_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pixels = picture(&folder.path().join("lanes.png"));
    let light =
        |x: u32, y: u32| pixels[((y * SIZE.0 + x) * 3) as usize..][..3].iter().map(|&c| u32::from(c)).sum::<u32>();
    // Bin 64 of 128 on a linear axis 128 pixels high: row 64 from the bottom.
    let row = 100 + 128 - 64;
    assert!(light(80, row) > 500, "the tone: {}", light(80, row));
    assert!(
        light(155, row) > 500 && light(165, row) < 150,
        "it ends in the middle: {} {}",
        light(155, row),
        light(165, row)
    );
    assert!(light(80, row - 8) < 150 && light(80, row + 8) < 150, "it is a band");
    // (5807 / 32768)^0.4 is one half; the strip's half height is 40 pixels of which full scale takes 0.94.
    let reach = (0.5 * 0.94 * 40.0) as u32;
    assert!(light(160, 50) > 400, "the waveform's heart");
    assert!(light(160, 50 - reach + 3) > 150 && light(160, 50 + reach - 3) > 150, "its edge");
    assert!(light(160, 50 - reach - 12) < 120, "beyond it");
    assert_eq!(light(5, 120), 0, "nothing outside the lanes");
}
