//! Everything that a drawn frame costs short of the GPU, on machines that have none: for measuring.

use bevy::{
    app::ScheduleRunnerPlugin,
    camera::RenderTarget,
    image::Image,
    log::LogPlugin,
    prelude::*,
    render::{
        RenderPlugin,
        render_resource::TextureFormat,
        settings::{RenderCreation, WgpuSettings},
    },
    winit::WinitPlugin,
};

use super::run::{add_drawing, drawing_plugins};
use crate::{
    config::{Config, OnClose},
    engine::{Engine, EngineTasks},
};

/// The size of what would be drawn, pixels.
#[derive(Resource)]
struct Size(UVec2);

/// The app of the window without a window and without a renderer: every system of the main world runs, the draw list is
/// made, egui's pass runs and its shapes are turned into triangles, and nothing is sent anywhere. Run by itself it draws
/// `config.window.fps` frames a second.
pub fn gpuless_app(config: &Config, engine: Engine, tasks: EngineTasks) -> App {
    let mut app = App::new();
    let settings = WgpuSettings { backends: None, ..default() };
    let renderer = RenderPlugin { render_creation: RenderCreation::Automatic(Box::new(settings)), ..default() };
    let frame = std::time::Duration::from_secs_f64(1.0 / f64::from(config.window.fps.max(1)));
    // That there is no renderer is what is asked for, and need not be complained of.
    let log = LogPlugin { filter: "warn,seseragi=info,bevy_render=off".to_owned(), ..default() };
    app.add_plugins(drawing_plugins(None, OnClose::Headless).disable::<WinitPlugin>().set(renderer).set(log))
        .add_plugins(ScheduleRunnerPlugin::run_loop(frame))
        .insert_resource(Size(UVec2::new(config.window.width, config.window.height)))
        .add_systems(Startup, spawn_camera);
    add_drawing(&mut app, config, engine, tasks);
    app
}

fn spawn_camera(mut commands: Commands, size: Res<Size>, mut images: ResMut<Assets<Image>>) {
    let image = Image::new_target_texture(size.0.x, size.0.y, TextureFormat::Rgba8UnormSrgb, None);
    commands.spawn((Camera2d, RenderTarget::Image(images.add(image).into())));
}
