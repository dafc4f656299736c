//! `seseragi replay`: the window (or what it would show) with a session open in it.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    args::{secs, speed},
    output::Stop,
    run::RunArgs,
    sessions,
};
use crate::{
    Result,
    app::{self, RunOptions},
    session::{SessionFile, replay::ReplayCommand},
};

/// What `replay` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct ReplayArgs {
    /// The session
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Show nothing: hear the recorded sound with the recorded models as fast as they take it, and tell whether the words and their
    /// times are the same
    #[arg(long, conflicts_with_all = ["at", "speed", "paused", "mute", "span", "headless", "screenshot"])]
    verify: bool,
    /// Begin at this place, seconds of the session
    #[arg(long, value_name = "SECS", value_parser = secs, default_value = "0")]
    at: Duration,
    /// How fast, 0.25 to 16; pitch changes with it
    #[arg(long, value_name = "TIMES", value_parser = speed, default_value = "1")]
    speed: f64,
    /// Do not play yet
    #[arg(long)]
    paused: bool,
    /// Make no sound
    #[arg(long)]
    mute: bool,
    /// So many seconds across
    #[arg(long, value_name = "SECS", value_parser = secs)]
    span: Option<Duration>,
    #[command(flatten)]
    run: RunArgs,
}

/// Replays the session, or verifies it.
pub(super) fn run(args: ReplayArgs) -> Result<(), Stop> {
    if args.verify {
        return sessions::verify(&args.file);
    }
    Ok(app::run(args.into_options()?)?)
}

impl ReplayArgs {
    /// The settings with these flags over them. Without a `--source` no stream is opened beside the session.
    fn into_options(self) -> Result<RunOptions> {
        // What cannot be opened is told here, before a window comes up.
        SessionFile::open(&self.file)?;
        let has_source = self.run.has_source();
        let mut options = self.run.into_options()?;
        if !has_source {
            options.config.lanes.clear();
        }
        if let Some(span) = self.span {
            options.config.window.span_secs = span.as_secs_f32().max(0.25);
        }
        options.replay = vec![
            ReplayCommand::Open(self.file),
            ReplayCommand::SetAudible(!self.mute),
            ReplayCommand::Look(f64::from(options.config.window.span_secs)),
            ReplayCommand::Seek(self.at.as_secs_f64()),
            ReplayCommand::Speed(self.speed),
        ];
        if !self.paused {
            options.replay.push(ReplayCommand::Play);
        }
        Ok(options)
    }
}
