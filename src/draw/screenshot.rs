//! The camera, on a window or on an image in memory, and pictures of what it sees as PNG files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use bevy::{
    camera::RenderTarget,
    image::Image,
    prelude::*,
    render::{
        render_resource::{TextureFormat, TextureUsages},
        view::{
            Msaa,
            screenshot::{Screenshot, ScreenshotCaptured},
        },
    },
};

use crate::{Error, Result};

/// Draw into an image of this size in pixels instead of a window.
#[derive(Resource, Clone, Copy, Debug)]
struct Offscreen(UVec2);

/// The picture that is still to be taken.
#[derive(Resource, Clone, Debug)]
struct PictureRequest(crate::app::Screenshot);

/// The picture that was asked for was written, or why it was not.
#[derive(Message, Clone, Debug)]
pub struct PictureSaved(pub Result<PathBuf>);

/// The image that the camera draws on, where it is not a window.
#[derive(Resource, Clone, Debug)]
struct Canvas(Option<Handle<Image>>);

/// Takes a picture of the window. [`PictureSaved`] tells what became of it.
pub fn screenshot_window(app: &mut App, screenshot: crate::app::Screenshot) {
    app.insert_resource(PictureRequest(screenshot));
}

/// Draws on an image of `size` pixels, which needs no window and no display, and takes a picture of it. Call it before the app
/// runs. [`PictureSaved`] tells what became of it.
pub fn screenshot_offscreen(app: &mut App, screenshot: crate::app::Screenshot, size: UVec2) {
    app.insert_resource(Offscreen(size)).insert_resource(PictureRequest(screenshot));
}

pub(super) fn plugin(app: &mut App) {
    app.add_message::<PictureSaved>().add_systems(Startup, spawn_camera).add_systems(Update, take_picture);
}

fn spawn_camera(mut commands: Commands, offscreen: Option<Res<Offscreen>>, mut images: ResMut<Assets<Image>>) {
    // Lanes and egui smooth their own edges.
    let camera = commands.spawn((Camera2d, Msaa::Off)).id();
    let canvas = offscreen.map(|offscreen| {
        let Offscreen(size) = *offscreen;
        let mut image = Image::new_target_texture(size.x, size.y, TextureFormat::Rgba8UnormSrgb, None);
        image.texture_descriptor.usage |= TextureUsages::COPY_SRC;
        images.add(image)
    });
    if let Some(image) = &canvas {
        commands.entity(camera).insert(RenderTarget::Image(image.clone().into()));
    }
    commands.insert_resource(Canvas(canvas));
}

fn take_picture(
    mut commands: Commands,
    request: Option<Res<PictureRequest>>,
    canvas: Option<Res<Canvas>>,
    time: Res<Time<Real>>,
) {
    let (Some(request), Some(canvas)) = (request, canvas) else { return };
    if time.elapsed() < request.0.after {
        return;
    }
    let path = request.0.path.clone();
    commands.remove_resource::<PictureRequest>();
    let shot = canvas.0.clone().map(Screenshot::image).unwrap_or_else(Screenshot::primary_window);
    commands.spawn(shot).observe(move |captured: On<ScreenshotCaptured>, mut saved: MessageWriter<PictureSaved>| {
        let result = save(&captured.image, &path).map(|()| path.clone());
        if let Err(error) = &result {
            error!("{error}");
        }
        saved.write(PictureSaved(result));
    });
}

/// Writes `image` as an RGB PNG, through a neighbouring file so that no half picture is ever seen.
///
/// # Errors
/// What the system says of the path; [`Internal`](crate::ErrorKind::Internal) for an image that is not 8-bit colour.
fn save(image: &Image, path: &Path) -> Result<()> {
    let (width, height) = (image.width(), image.height());
    let swap = match image.texture_descriptor.format {
        TextureFormat::Bgra8Unorm | TextureFormat::Bgra8UnormSrgb => true,
        TextureFormat::Rgba8Unorm | TextureFormat::Rgba8UnormSrgb => false,
        other => return Err(Error::internal(format!("cannot save a picture of format {other:?}"))),
    };
    let pixels = image.data.as_deref().unwrap_or_default();
    let rgb: Vec<u8> = pixels
        .chunks_exact(4)
        .flat_map(|pixel| if swap { [pixel[2], pixel[1], pixel[0]] } else { [pixel[0], pixel[1], pixel[2]] })
        .collect();
    let doing = || format!("cannot write the picture {}", path.display());
    let part = path.with_extension("png.part");
    let write = || -> io::Result<()> {
        let mut encoder = png::Encoder::new(io::BufWriter::new(fs::File::create(&part)?), width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(io::Error::other)?;
        writer.write_image_data(&rgb).map_err(io::Error::other)?;
        writer.finish().map_err(io::Error::other)?;
        fs::rename(&part, path)
    };
    write().map_err(|error| {
        // The part file is of no use; that it may not even exist is no second error.
        let _ = fs::remove_file(&part);
        Error::io(doing(), &error)
    })
}
