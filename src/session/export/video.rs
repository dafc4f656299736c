//! MP4 through ffmpeg: pages of the spectrogram with a line that runs over them, and the sound.

use std::{
    io::{ErrorKind as IoKind, Read, Write},
    path::Path,
    process::{Command, Stdio},
};

use super::{
    ReadSound, Stretch,
    file::part_of,
    picture::{Picture, canvas::Canvas},
    write_wav,
};
use crate::{Error, Result, draw::theme};

/// Drawn frames a second.
const FPS: u32 = 25;

/// Writes the stretch of `picture` as a film, `page_secs` of it on the screen at a time.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) where ffmpeg is not installed; what it complained of where it failed; what the disk says.
pub fn write_video(path: &Path, picture: &Picture, page_secs: f64, read: &mut ReadSound) -> Result<()> {
    // The encoder halves the colours' resolution, so it wants even sizes.
    let [width, height] = picture.size.map(|side| side & !1);
    let rate = f64::from(picture.sample_rate_hz);
    let sound_path = path.with_extension("part.wav");
    let sample = |secs: f64| (secs * rate).round().max(0.0) as u64;
    let range = sample(picture.secs.start)..sample(picture.secs.end);
    let part = part_of(path);
    let done = {
        let mut sound = Stretch { sample_rate_hz: picture.sample_rate_hz, range, read: &mut *read, lower: None };
        write_wav(&sound_path, &mut sound)
            .and_then(|()| film(&part, &sound_path, picture, [width, height], page_secs, read))
    };
    let done = done.and_then(|()| {
        std::fs::rename(&part, path).map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))
    });
    let _ = std::fs::remove_file(&sound_path);
    if done.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    done
}

fn film(
    part: &Path,
    sound: &Path,
    picture: &Picture,
    [width, height]: [u32; 2],
    page_secs: f64,
    read: &mut ReadSound,
) -> Result<()> {
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", &format!("{width}x{height}"), "-r", &FPS.to_string(), "-i", "-", "-i"])
        .arg(sound)
        .args(["-c:v", "libx264", "-preset", "veryfast", "-crf", "20", "-pix_fmt", "yuv420p", "-c:a", "aac", "-b:a", "160k"])
        .args(["-movflags", "+faststart", "-f", "mp4"])
        .arg(part)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            IoKind::NotFound => Error::not_found(
                "an MP4 needs ffmpeg, which is not installed: install it (apt install ffmpeg), or export --png and --flac",
            ),
            _ => Error::io("cannot start ffmpeg", &error),
        })?;
    let mut input = ffmpeg.stdin.take().ok_or_else(|| Error::internal("ffmpeg has no input"))?;
    let piped = pages(picture, [width, height], page_secs, read, |frame| {
        input.write_all(frame).map_err(|error| Error::io("ffmpeg takes no more pictures", &error))
    });
    drop(input);
    let mut said = String::new();
    if let Some(mut stderr) = ffmpeg.stderr.take() {
        // What it cannot say it does not say.
        let _ = stderr.read_to_string(&mut said);
    }
    let status = ffmpeg.wait().map_err(|error| Error::io("cannot wait for ffmpeg", &error))?;
    if !status.success() {
        let why = said.lines().last().unwrap_or("it does not say why");
        return Err(Error::new(crate::ErrorKind::Io, format!("ffmpeg made no MP4: {why}")));
    }
    piped
}

/// Draws each page once, and on it the line of each frame.
fn pages(
    picture: &Picture,
    size: [u32; 2],
    page_secs: f64,
    read: &mut ReadSound,
    mut show: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let len_secs = picture.secs.end - picture.secs.start;
    let frames = (len_secs * f64::from(FPS)).ceil() as u64;
    let mut page: Option<(u64, Canvas)> = None;
    for frame in 0..frames {
        let secs = frame as f64 / f64::from(FPS);
        let number = (secs / page_secs) as u64;
        if page.as_ref().is_none_or(|(drawn, _)| *drawn != number) {
            let start = picture.secs.start + number as f64 * page_secs;
            let secs = start..(start + page_secs).min(picture.secs.end).max(start + 0.5);
            let drawn = Picture { size, secs, title: picture.title.clone(), ..*picture }.draw(read)?;
            page = Some((number, drawn));
        }
        let Some((_, canvas)) = &page else { continue };
        let start = number as f64 * page_secs;
        let shown_secs = (start + page_secs).min(len_secs).max(start + 0.5) - start;
        let mut canvas = canvas.clone();
        let [left, top, right, bottom] = Picture::plot(size);
        let x = left + ((secs - start) / shown_secs) as f32 * (right - left);
        canvas.fill([x - 1.0, top, x + 1.0, bottom], theme::FOAM);
        show(&canvas.rgb)?;
    }
    Ok(())
}
