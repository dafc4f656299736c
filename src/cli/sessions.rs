//! `seseragi record`, `recover`, `forget`, and the verification of `replay`.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;

use super::{
    args::secs,
    output::{Stop, complain, line, note},
    run::RunArgs,
};
use crate::{
    Error, ErrorKind, app,
    config::{Config, data_dir},
    models::ModelStore,
    session::{self, SessionFile},
    stream::StreamKey,
};

/// What `record` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct RecordArgs {
    /// The folder for the session files (default: that of the settings)
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// End after so many seconds
    #[arg(long, value_name = "SECS", value_parser = secs, conflicts_with = "exit_after")]
    secs: Option<Duration>,
    #[command(flatten)]
    run: RunArgs,
}

/// What `recover` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct RecoverArgs {
    /// Session files that were not closed, or are damaged
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

/// What `forget` takes.
#[derive(Clone, Debug, Args)]
pub(super) struct ForgetArgs {
    /// The lane that is to be forgotten, in every session of the folder or in the one that is named
    #[arg(value_name = "KEY", required_unless_present_any = ["session", "marked"])]
    key: Option<StreamKey>,
    /// This session only; without a lane all of it
    #[arg(long, value_name = "FILE")]
    session: Option<PathBuf>,
    /// Every lane that was marked for removal while the program ran
    #[arg(long, conflicts_with_all = ["session", "key"])]
    marked: bool,
    /// The folder of the sessions (default: that of the settings)
    #[arg(long, value_name = "DIR", conflicts_with = "session")]
    dir: Option<PathBuf>,
}

/// Runs the program and records everything that it hears.
pub(super) fn record(args: RecordArgs) -> Result<(), Stop> {
    let mut options = args.run.into_options()?;
    let record = &mut options.config.record;
    record.is_always_on = true;
    record.dir = args.out.unwrap_or_else(|| record.dir.clone());
    options.exit_after = args.secs.or(options.exit_after);
    let dir = folder(&options.config)?;
    fs::create_dir_all(&dir).map_err(|error| Error::io(format_args!("cannot record to {}", dir.display()), &error))?;
    let before = newest(&dir);
    app::run(options)?;
    match newest(&dir).filter(|path| Some(path) != before.as_ref()) {
        Some(path) => line(&format!("recorded {}", path.display())),
        None => Err(Error::new(ErrorKind::Io, format!("nothing was recorded to {}", dir.display())).into()),
    }
}

/// Repairs files. One that cannot be repaired is told on the standard error, and the rest is done.
pub(super) fn recover(args: &RecoverArgs) -> Result<(), Stop> {
    each(&args.files, |file| match session::recover(file)? {
        Some(recovered) => line(&recovered.to_string()),
        None => line(&format!("{} is whole: there is nothing to repair", file.display())),
    })
}

/// Takes a lane, or a whole session, out of what was recorded.
pub(super) fn forget(args: &ForgetArgs) -> Result<(), Stop> {
    let dir = || args.dir.clone().map_or_else(|| folder(&Config::load(None)?), Ok);
    if args.marked {
        for file in session::forget_marked(&dir()?)? {
            line(&format!("{}: what was marked is taken out", file.display()))?;
        }
        return Ok(());
    }
    let files = match &args.session {
        Some(file) => vec![file.clone()],
        None => session::sessions_in(&dir()?).into_iter().map(|(path, ..)| path).collect(),
    };
    let Some(key) = &args.key else {
        return each(&files, |file| {
            // It must be a session, so that a slip of the pen deletes nothing else.
            SessionFile::open(file)?;
            session::delete(file)?;
            line(&format!("{} is deleted", file.display()))
        });
    };
    let mut count = 0;
    each(&files, |file| {
        if session::forget(file, key)?.is_some() {
            count += 1;
            line(&format!("{}: {key} is taken out", file.display()))?;
        }
        Ok(())
    })?;
    if count == 0 {
        return Err(Error::not_found(format!("{key} is in none of {} sessions", files.len())).into());
    }
    Ok(())
}

/// Hears a session again and tells whether the words are the same.
pub(super) fn verify(file: &Path) -> Result<(), Stop> {
    let session = SessionFile::open(file)?;
    let lanes = session::verify(&session, &ModelStore::standard()?)?;
    let mut is_same = true;
    for lane in &lanes {
        let speed = lane.audio_secs / lane.took_secs.max(1e-9);
        let verdict = match &lane.difference {
            None => "the same".to_owned(),
            Some((was, is)) => {
                let text = |segment: &Option<crate::recognise::transcript::Segment>| match segment {
                    Some(segment) => format!("\"{}\" at {:.3} s", segment.text, segment.start_secs),
                    None => "nothing".to_owned(),
                };
                format!("then DIFFERENT: {} was recorded, {} is heard now", text(was), text(is))
            }
        };
        line(&format!(
            "{}: {} segments {verdict}, {} at the ends not compared; {:.1} s of sound in {:.2} s ({speed:.0} times real time)",
            lane.lane, lane.same, lane.uncompared, lane.audio_secs, lane.took_secs
        ))?;
        is_same &= lane.is_same();
    }
    for damage in session.damage() {
        note(&format!("{}: {damage}", file.display()));
    }
    match is_same {
        true => Ok(()),
        false => Err(Stop::Told(ErrorKind::Invalid)),
    }
}

fn each(files: &[PathBuf], mut done: impl FnMut(&Path) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut failed = None;
    for file in files {
        match done(file) {
            Ok(()) => (),
            Err(Stop::Error(error)) => {
                complain(&error);
                failed = Some(Stop::Told(error.kind));
            }
            Err(stop) => return Err(stop),
        }
    }
    failed.map_or(Ok(()), Err)
}

fn folder(config: &Config) -> crate::Result<PathBuf> {
    match config.record.dir.as_os_str().is_empty() {
        true => Ok(data_dir()?.join("sessions")),
        false => Ok(config.record.dir.clone()),
    }
}

fn newest(dir: &Path) -> Option<PathBuf> {
    session::sessions_in(dir).pop().map(|(path, ..)| path)
}
