//! `seseragi transcribe`.

use std::{
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::output::{Stop, complain, json_line, line, note};
use crate::{
    Result,
    config::Config,
    models::ModelStore,
    recognise::{
        card::Model,
        online::{Online, OnlineEvent},
        search_args::SearchArgs,
        transcript::{Segment, Token},
    },
    source::{ChannelChoice, decode::Decoder},
    stream::Converter,
};

/// Silence after the end of a file, so that its last word is heard out.
const TAIL_SECS: u32 = 1;

/// What `transcribe` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct TranscribeArgs {
    /// Sound files: WAV, FLAC, MP3, OGG or M4A
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The model to read them with (default: that of the settings)
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    search: SearchArgs,
    /// Write one JSON object a file, with the time and the score of every word
    #[arg(long)]
    json: bool,
}

/// What is said in a file, as a line of `--json`; other programs rely on its form.
#[derive(Serialize)]
struct Heard {
    file: String,
    text: String,
    tokens: Vec<Token>,
    audio_secs: f64,
    processing_secs: f64,
}

/// Writes down what is said in each file. One that cannot be read is told on the standard error, and the rest is done.
pub(super) fn run(args: &TranscribeArgs) -> Result<(), Stop> {
    let config = Config::load(None)?;
    let model = ModelStore::standard()?.load(args.model.as_ref().unwrap_or(&config.recognise.model))?;
    let model = args.search.apply(model)?;
    let mut failed = None;
    for file in &args.files {
        match hear(file, &model, config.stream.sample_rate_hz) {
            Ok(heard) if args.json => json_line(&heard)?,
            Ok(heard) if args.files.len() == 1 => line(&heard.text)?,
            Ok(heard) => line(&format!("{}: {}", heard.file, heard.text))?,
            Err(error) => {
                complain(&error);
                failed = Some(Stop::Told(error.kind));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Recognises a file block by block, as a stream would: the same samples, the same words.
fn hear(file: &Path, model: &Arc<Model>, stream_hz: u32) -> Result<Heard> {
    let begin = Instant::now();
    let mut decoder = Decoder::open(file)?;
    let (rate, channels) = (decoder.sample_rate_hz(), decoder.channels());
    let mut converter = Converter::new(stream_hz, rate, channels, ChannelChoice::Mix, 0.0)?;
    let mut online = Online::new(stream_hz)?;
    let mut events = Vec::new();
    online.swap(model.clone(), &mut events)?;
    online.start(0, &mut events)?;

    let bar = progress(file);
    let (mut frames, mut at_sample, mut is_over) = (0, 0, false);
    let (mut block, mut samples, mut segments) = (Vec::new(), Vec::new(), Vec::new());
    while !is_over {
        block.clear();
        samples.clear();
        if decoder.next_block(&mut block)? {
            frames += block.len() / usize::from(channels);
            converter.convert(&block, &mut samples);
        } else {
            is_over = true;
            converter.finish(&mut samples);
            samples.resize(samples.len() + (TAIL_SECS * stream_hz) as usize, 0);
        }
        online.accept(at_sample, &samples, &mut events)?;
        at_sample += samples.len() as u64;
        keep_final(&mut events, &mut segments);
        bar.set_position(at_sample / u64::from(stream_hz));
    }
    online.stop(&mut events)?;
    keep_final(&mut events, &mut segments);
    bar.finish_and_clear();
    if decoder.damaged_blocks() > 0 {
        note(&format!("{}: {} damaged blocks were left out", file.display(), decoder.damaged_blocks()));
    }

    let texts: Vec<_> = segments.iter().map(|segment| segment.text.as_str()).collect();
    Ok(Heard {
        file: file.display().to_string(),
        text: texts.join(" "),
        tokens: segments.into_iter().flat_map(|segment| segment.tokens).collect(),
        audio_secs: frames as f64 / f64::from(rate),
        processing_secs: begin.elapsed().as_secs_f64(),
    })
}

/// Moves what is final out of the events; the transcript of a stream forgets, a file is written down whole.
fn keep_final(events: &mut Vec<OnlineEvent>, segments: &mut Vec<Segment>) {
    segments.extend(events.drain(..).filter_map(|event| match event {
        OnlineEvent::Final(segment) => Some(segment),
        OnlineEvent::Partial(_) => None,
    }));
}

/// Seconds heard so far, for people at a terminal.
fn progress(file: &Path) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner().with_message(file.display().to_string());
    match ProgressStyle::with_template("{spinner} {msg}: {pos} s heard") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
