//! The command line.

mod args;
mod devices;
mod export;
mod latency;
mod learn;
mod models;
mod output;
mod replay;
mod run;
mod sessions;
mod transcribe;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::{
    ErrorKind, app,
    train::{
        command::{EvaluateArgs, TrainArgs},
        dataset::command::DatasetCommand,
        teach::command::TeachArgs,
    },
};
use output::{Stop, complain};

const AFTER_HELP: &str = "\
Examples:
  seseragi                                     the demo, drawn and recognised
  seseragi --source mic --train demo           the default microphone, and a model that learns meanwhile
  seseragi devices                             microphones and their ids
  seseragi dataset check recordings/           what is there to learn from, and what is wrong with it
  seseragi train recordings/ --out my-words    learn the words that the folders there are named after
  seseragi evaluate recordings/ --model my-words
  seseragi transcribe speech.wav --json
  seseragi latency --source mic                how late the picture is

Exit status:
  0  done
  1  failed
  2  the command line is wrong
  3  something named is not there
  4  something given cannot be used as it is
  5  something is held by another program (a port, a device)
  6  something was there and is gone (a sound server)
  7  the system does not permit it

Environment:
  SESERAGI_HOME    where models, checkpoints and datasets are kept; seseragi in the XDG data folder
                   without it
  SESERAGI_ASSETS  where the shipped models, sounds and shaders lie; beside the program without it

The settings are read from seseragi/config.ron in the XDG config folder, if that file exists.";

const RUN_HELP: &str = "\
Examples:
  seseragi run --source file:speech.flac       once, at the speed at which it was recorded
  seseragi run --source mic --source loop:speech.flac
  seseragi run --headless --port 8750 --status-json status.json
  seseragi run --headless --train demo --screenshot picture.png --after 20 --exit-after 25";

const TRAIN_HELP: &str = "\
A dataset is a folder with one folder of sound files for each word; folders whose names begin with _ are background noise.
ESC-50 and recordings with Audacity label tracks can be learnt from, too; `seseragi dataset check` tells what is found.

Examples:
  seseragi train recordings/ --out my-words
  seseragi train demo recordings/ --out my-words --epochs 40 --seed 7
  seseragi train recordings/ --out my-words --resume
  seseragi run --train recordings/             the same while listening, with its loss on the screen";

const TEACH_HELP: &str = "\
Examples:
  seseragi teach jarvis one.wav two.wav three.wav --model digits
  seseragi teach jarvis four.wav --model digits-taught        one clip more
  seseragi teach はい *.flac --model my-words --out both --rehearse recordings/

The clips are kept in the dataset taught, in the data folder. Of the words that the model knows some clips are heard again, so
that they are not forgotten.";

const EVALUATE_HELP: &str = "\
Examples:
  seseragi evaluate recordings/ --model my-words
  seseragi evaluate demo --model digits --stream --snr 10 --json
  seseragi evaluate recordings/ --model my-words --background talk/ --confusion matrix";

const TRANSCRIBE_HELP: &str = "\
Examples:
  seseragi transcribe speech.wav
  seseragi transcribe *.flac --model my-words --json > words.jsonl

A file that cannot be read is told on the standard error; the others are read all the same.";

const EXPORT_HELP: &str = "\
Examples:
  seseragi export walk.mcap --flac --png --csv --out walk/
  seseragi export walk.mcap --wav --textgrid --lane main --from 60 --to 90
  seseragi export walk.mcap --png --tile 0 --size 4000x1200

Missing sound is silence in the files, so that time is kept. Labels come from the file beside the session (walk.labels.json).";

const REPLAY_HELP: &str = "\
Examples:
  seseragi replay walk.mcap
  seseragi replay walk.mcap --at 3600 --speed 2 --source mic     a microphone goes on above it
  seseragi replay walk.mcap --verify             do the recorded models still hear the same?
  seseragi replay walk.mcap --at 12 --paused --headless --screenshot walk.png --after 3 --exit-after 4

Space plays and pauses, the arrows step, Home and End go to the ends, [ and ] to the previous and next word, label or gap.
Shift and the mouse draw a box to label.";

const IMPORT_HELP: &str = "\
Examples:
  seseragi import dawn.flac --out dawn.mcap --model digits     its words are recognised
  seseragi import left.wav right.wav left.txt --out pair.mcap
  seseragi import wrens.selections.txt --out dawn.mcap     its labels join the session";
const RECORD_HELP: &str = "\
Examples:
  seseragi record --source mic --out walks/
  seseragi record --source demo --source mic --out walks/ --headless --secs 600

Recording also begins and ends with the key C, and over HTTP. seseragi forget takes a lane out of what was recorded.";

const FORGET_HELP: &str = "\
Examples:
  seseragi forget lane-2                       out of every session in the folder of the settings
  seseragi forget lane-2 --session walks/seseragi-20261125T041000Z-000-1.mcap
  seseragi forget --marked                     every lane that was marked while the program ran
  seseragi forget --session walks/seseragi-20261125T041000Z-000-1.mcap";

/// Listens, shows and learns at once: sound moves across the screen, words appear over it, and a model learns meanwhile.
#[derive(Debug, Parser)]
#[command(name = "seseragi", version, after_help = AFTER_HELP, args_conflicts_with_subcommands = true, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::RunArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Listen, show, recognise and learn (the default)
    #[command(after_help = RUN_HELP)]
    Run(Box<run::RunArgs>),
    /// List the microphones
    Devices,
    /// Look into datasets before they are learnt from
    #[command(subcommand)]
    Dataset(DatasetCommand),
    /// Train a model and save it
    #[command(after_help = TRAIN_HELP)]
    Train(TrainArgs),
    /// Teach a model a new word from a few clips
    #[command(after_help = TEACH_HELP)]
    Teach(TeachArgs),
    /// Tell how well a model does on a dataset
    #[command(after_help = EVALUATE_HELP)]
    Evaluate(EvaluateArgs),
    /// Write down what is said in sound files
    #[command(after_help = TRANSCRIBE_HELP)]
    Transcribe(transcribe::TranscribeArgs),
    /// Listen and record to session files
    #[command(after_help = RECORD_HELP)]
    Record(Box<sessions::RecordArgs>),
    /// Replay a session: see it, hear it, label it, or verify its words
    #[command(after_help = REPLAY_HELP)]
    Replay(Box<replay::ReplayArgs>),
    /// Export a session to WAV, FLAC, PNG, NPY, Audacity, Raven, Praat, WebVTT, CSV, JSON Lines or MP4
    #[command(after_help = EXPORT_HELP)]
    Export(export::ExportArgs),
    /// Make a session of sound files and labels
    #[command(after_help = IMPORT_HELP)]
    Import(export::ImportArgs),
    /// Repair session files that were not closed, or are damaged
    Recover(sessions::RecoverArgs),
    /// Take a lane, or a whole session, out of what was recorded
    #[command(after_help = FORGET_HELP)]
    Forget(sessions::ForgetArgs),
    /// List the models; rename, delete, export or import one
    Models(models::ModelsArgs),
    /// List the checkpoints that runs can go on from
    Checkpoints(models::CheckpointsArgs),
    /// Measure how long sound takes from its capture to the screen
    Latency(latency::LatencyArgs),
}

/// The program: reads the command line and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command.unwrap_or_else(|| Command::Run(Box::new(cli.run))) {
        Command::Run(args) => args.into_options().and_then(app::run).map_err(Stop::from),
        Command::Devices => devices::list(),
        Command::Dataset(command) => learn::dataset(&command),
        Command::Train(args) => learn::train(&args),
        Command::Teach(args) => learn::teach(&args),
        Command::Evaluate(args) => learn::evaluate(&args),
        Command::Transcribe(args) => transcribe::run(&args),
        Command::Record(args) => sessions::record(*args),
        Command::Replay(args) => replay::run(*args),
        Command::Export(args) => export::run_export(&args),
        Command::Import(args) => export::run_import(&args),
        Command::Recover(args) => sessions::recover(&args),
        Command::Forget(args) => sessions::forget(&args),
        Command::Models(args) => models::models(&args),
        Command::Checkpoints(args) => models::checkpoints(&args),
        Command::Latency(args) => latency::run(&args),
    };
    match done {
        // Whoever closed the pipe has seen enough.
        Ok(()) | Err(Stop::PipeClosed) => ExitCode::SUCCESS,
        Err(Stop::Told(kind)) => ExitCode::from(status(kind)),
        Err(Stop::Error(error)) => {
            complain(&error);
            ExitCode::from(status(error.kind))
        }
    }
}

/// The exit status for an error of `kind`. 2 is clap's, for a command line that is wrong.
fn status(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Io | ErrorKind::Internal => 1,
        ErrorKind::NotFound => 3,
        ErrorKind::Invalid => 4,
        ErrorKind::Busy => 5,
        ErrorKind::Unavailable => 6,
        ErrorKind::Permission => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn run_is_the_default_and_takes_the_same_flags() {
        for line in [&["seseragi", "--headless"][..], &["seseragi", "run", "--headless"]] {
            let cli = Cli::try_parse_from(line).unwrap();
            let args = match cli.command {
                Some(Command::Run(args)) => *args,
                None => cli.run,
                other => panic!("{other:?}"),
            };
            assert!(args.headless, "{line:?}");
        }
        assert!(Cli::try_parse_from(["seseragi", "--headless", "models"]).is_err());
        assert!(Cli::try_parse_from(["seseragi", "transcribe"]).is_err(), "nothing to transcribe");
    }

    #[test]
    fn every_example_of_the_help_is_understood() {
        let helps = [
            AFTER_HELP,
            RUN_HELP,
            RECORD_HELP,
            REPLAY_HELP,
            EXPORT_HELP,
            IMPORT_HELP,
            FORGET_HELP,
            TRAIN_HELP,
            TEACH_HELP,
            EVALUATE_HELP,
            TRANSCRIBE_HELP,
        ];
        let lines = helps.iter().flat_map(|help| help.lines());
        let examples: Vec<_> = lines.filter_map(|line| line.strip_prefix("  seseragi")).collect();
        assert!(examples.len() >= 15, "{examples:?}");
        for example in examples {
            let command = example.split("  ").flat_map(|part| part.split(" > ")).next().unwrap_or_default();
            let line = std::iter::once("seseragi").chain(command.split_whitespace());
            assert!(Cli::try_parse_from(line).is_ok(), "{command}");
        }
    }
}
