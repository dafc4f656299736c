//! `seseragi export` and `seseragi import`.

use std::path::PathBuf;

use clap::Args;

use super::{
    args::secs,
    output::{Stop, line, note},
};
use crate::{
    models::ModelStore,
    session::{
        SessionFile,
        annotate::Annotations,
        export::{Format, Request, export},
        import,
    },
    stream::StreamKey,
};

/// What `export` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct ExportArgs {
    /// The session
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    formats: FormatArgs,
    /// The folder for the files
    #[arg(long, value_name = "DIR", default_value = ".")]
    out: PathBuf,
    /// Only this lane
    #[arg(long, value_name = "KEY")]
    lane: Option<StreamKey>,
    /// From here on, seconds of the session
    #[arg(long, value_name = "SECS", value_parser = secs, default_value = "0")]
    from: std::time::Duration,
    /// Up to here, seconds of the session (default: its end)
    #[arg(long, value_name = "SECS", value_parser = secs)]
    to: Option<std::time::Duration>,
    /// The size of a picture, pixels
    #[arg(long, value_name = "WxH", value_parser = size, default_value = "1600x900")]
    size: [u32; 2],
    /// Seconds on one picture; what is longer is tiled, and shown whole on one more. 0 makes one picture of all
    #[arg(long, value_name = "SECS", value_parser = secs, default_value = "60")]
    tile: std::time::Duration,
}

/// The formats; any number of them.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = true)]
struct FormatArgs {
    /// WAV, of 16 or 24 bits as it was recorded; missing sound is silence, listed in a table beside it
    #[arg(long)]
    wav: bool,
    /// FLAC, likewise
    #[arg(long)]
    flac: bool,
    /// The spectrogram as pictures with axes, colour bar and labels
    #[arg(long)]
    png: bool,
    /// The spectrogram as numbers for NumPy, with its times and frequencies
    #[arg(long)]
    npy: bool,
    /// Tokens and labels as an Audacity label track
    #[arg(long)]
    audacity: bool,
    /// Tokens and labels as a Raven selection table
    #[arg(long)]
    raven: bool,
    /// Tokens and labels as a Praat TextGrid
    #[arg(long)]
    textgrid: bool,
    /// Tokens and labels as WebVTT captions
    #[arg(long)]
    vtt: bool,
    /// Tokens and labels as a table
    #[arg(long)]
    csv: bool,
    /// Tokens and labels as JSON, a line each
    #[arg(long)]
    jsonl: bool,
    /// A film, through ffmpeg
    #[arg(long)]
    mp4: bool,
}

impl FormatArgs {
    fn formats(&self) -> Vec<Format> {
        let asked = [
            self.wav,
            self.flac,
            self.png,
            self.npy,
            self.audacity,
            self.raven,
            self.textgrid,
            self.vtt,
            self.csv,
            self.jsonl,
            self.mp4,
        ];
        Format::ALL.into_iter().zip(asked).filter(|(_, is_asked)| *is_asked).map(|(format, _)| format).collect()
    }
}

/// What `import` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct ImportArgs {
    /// Sound files (WAV, FLAC, MP3, OGG or M4A), a lane each, and label files (Audacity's or Raven's, .txt)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The session to make; one that is there gets the labels
    #[arg(long, value_name = "SESSION")]
    out: PathBuf,
    /// Recognise the words with this model
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
}

/// Writes the formats and says which files they are.
pub(super) fn run_export(args: &ExportArgs) -> Result<(), Stop> {
    let session = SessionFile::open(&args.file)?;
    let labels = Annotations::open(&args.file)?;
    let request = Request {
        formats: args.formats.formats(),
        out_dir: args.out.clone(),
        lane: args.lane.clone(),
        from_secs: args.from.as_secs_f64(),
        to_secs: args.to.map(|to| to.as_secs_f64()),
        size: args.size,
        tile_secs: args.tile.as_secs_f64(),
        ..Request::default()
    };
    let written = export(&session, labels.labels(), &request)?;
    for damage in session.damage() {
        note(&format!("{}: {damage}", args.file.display()));
    }
    written.iter().try_for_each(|path| line(&path.display().to_string()))
}

/// Makes a session of the files.
pub(super) fn run_import(args: &ImportArgs) -> Result<(), Stop> {
    let model = args.model.as_ref().map(|name| ModelStore::standard()?.load(name)).transpose()?;
    let imported = import(&args.files, &args.out, model.as_ref())?;
    if imported.damaged_blocks > 0 {
        note(&format!("{} damaged blocks were left out", imported.damaged_blocks));
    }
    line(&format!("{}: {} lanes, {} labels", args.out.display(), imported.lanes, imported.labels))
}

/// A size such as `1600x900`.
fn size(text: &str) -> Result<[u32; 2], String> {
    let (width, height) = text.split_once('x').unwrap_or_default();
    match (width.parse(), height.parse()) {
        (Ok(width), Ok(height)) => Ok([width, height]),
        _ => Err("allowed is WIDTHxHEIGHT in pixels, such as 1600x900".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: ExportArgs,
    }

    #[test]
    fn the_formats_are_those_that_were_asked_for() {
        let line = ["export", "walk.mcap", "--csv", "--wav", "--textgrid", "--size", "640x360", "--from", "1.5"];
        let args = Line::try_parse_from(line).unwrap().args;
        assert_eq!(args.formats.formats(), [Format::Wav, Format::TextGrid, Format::Csv]);
        assert_eq!((args.size, args.from.as_secs_f64()), ([640, 360], 1.5));
    }

    #[test]
    fn a_line_without_a_format_or_with_a_bad_size_is_refused() {
        for bad in [&["walk.mcap"][..], &["--wav"], &["w", "--png", "--size", "640"], &["w", "--png", "--lane", "a b"]]
        {
            assert!(Line::try_parse_from([&["export"], bad].concat()).is_err(), "{bad:?}");
        }
    }
}
