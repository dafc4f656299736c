//! `seseragi transcribe`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::output::{Stop, complain, json_line, line};
use crate::{
    config::Config,
    models::ModelStore,
    source::decode::read_audio,
    recognise::{
        transcribe::{Transcribed, transcribe},
        transcript::Token,
    },
};

/// What `transcribe` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct TranscribeArgs {
    /// Sound files: WAV, FLAC, MP3, OGG or M4A
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The model to read them with (default: that of the settings)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Write one JSON object a file, with the time and the score of every word
    #[arg(long)]
    json: bool,
}

/// One line of `--json`; other programs rely on its form.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    text: &'a str,
    tokens: &'a [Token],
    audio_secs: f64,
    processing_secs: f64,
}

/// Writes down what is said in each file. One that cannot be read is told on the standard error, and the rest is done.
pub(super) fn run(args: &TranscribeArgs) -> Result<(), Stop> {
    let name = match &args.model {
        Some(name) => name.clone(),
        None => Config::load(None)?.recognise.model,
    };
    let model = ModelStore::standard()?.load(&name)?;
    let mut failed = None;
    for file in &args.files {
        let heard = read_audio(file).and_then(|audio| transcribe(&audio.samples, audio.sample_rate_hz, &model));
        match heard {
            Ok(heard) => write(args, file, &heard)?,
            Err(error) => {
                complain(&error);
                failed = Some(Stop::Told(error.kind));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn write(args: &TranscribeArgs, file: &Path, heard: &Transcribed) -> Result<(), Stop> {
    let file = file.display().to_string();
    let text = heard.transcript.text();
    match (args.json, args.files.len()) {
        (true, _) => json_line(&Line {
            file: &file,
            text: &text,
            tokens: &heard.transcript.tokens(),
            audio_secs: heard.audio_secs,
            processing_secs: heard.processing.as_secs_f64(),
        }),
        (false, 1) => line(&text),
        (false, _) => line(&format!("{file}: {text}")),
    }
}
