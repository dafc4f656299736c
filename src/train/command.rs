//! The commands `seseragi train` and `seseragi evaluate`: a run and an evaluation without streams, at full speed.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::backend::Backend;
use super::batch::low_priority_pool;
use super::dataset::{Listing, Loader, Split, find};
use super::evaluate::{Background, Conditions, Evaluation, save_confusion};
use super::progress::Meter;
use super::run::{Outcome, Run};
use super::spec::TrainSpec;
use super::trainer::places;
use crate::models::ModelStore;
use crate::recognise::search_args::SearchArgs;
use crate::recognise::sizes::Size;
use crate::{Error, Result};

/// What `seseragi train` takes.
#[derive(Args, Clone, Debug)]
pub struct TrainArgs {
    /// Datasets to learn from: known names (such as demo) or folders with one sub-folder for each word
    #[arg(required = true, value_name = "DATASET")]
    pub datasets: Vec<String>,
    /// Name of the model to make
    #[arg(long, value_name = "NAME", default_value = "my-words")]
    pub out: String,
    /// A set or folder of sound in which none of the words is said, to learn to stay silent (may be given again)
    #[arg(long, value_name = "PATH")]
    pub background: Vec<String>,
    /// A set of other words, learnt to be told from those of the datasets and never shown (may be given again)
    #[arg(long, value_name = "DATASET")]
    pub fillers: Vec<String>,
    /// Learn words without the other speech that ships with the program
    #[arg(long)]
    pub no_other_speech: bool,
    /// Epochs to train
    #[arg(long, default_value_t = 20)]
    pub epochs: u32,
    /// Scenes of six seconds in a step
    #[arg(long, default_value_t = 16)]
    pub batch_size: u32,
    /// Highest learning rate
    #[arg(long)]
    pub learning_rate: Option<f64>,
    /// Decides the first weights and every scene: the same seed gives the same model
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// End early after so many epochs without a better validation
    #[arg(long, value_name = "EPOCHS")]
    pub patience: Option<u32>,
    /// Go on from the checkpoint of the same name
    #[arg(long)]
    pub resume: bool,
    /// Begin with the weights of this model; its features and sizes stay, words new to it are learnt
    #[arg(long, value_name = "MODEL", conflicts_with = "size")]
    pub from: Option<String>,
    /// Learn these words of the datasets only, separated by commas
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub words: Vec<String>,
    /// How large the network is
    #[arg(long, value_enum, default_value_t = Size::M)]
    pub size: Size,
    /// Rate in Hz that the model hears; else 8000 for recordings of at most that rate, and 16000 for others
    #[arg(long, value_name = "HZ", conflicts_with = "from")]
    pub sample_rate: Option<u32>,
    /// Learn from at most so many clips, of each word as many as of the others
    #[arg(long, value_name = "CLIPS")]
    pub limit: Option<usize>,
    /// What computes the steps: cpu, or wgpu and cuda where they are built in
    #[arg(long, value_enum, default_value_t = Backend::Cpu)]
    pub backend: Backend,
    /// Threads to compute on
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// One JSON object a progress update on standard output
    #[arg(long)]
    pub json: bool,
}

/// What `seseragi evaluate` takes.
#[derive(Args, Clone, Debug)]
pub struct EvaluateArgs {
    /// Dataset to read: a known name (such as demo) or a folder with one sub-folder for each word
    #[arg(value_name = "DATASET")]
    pub dataset: String,
    /// Model to read it with
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// Join the clips to continuous streams, and count false alarms on silence and noise, too
    #[arg(long)]
    pub stream: bool,
    /// Add noise so many dB below each word
    #[arg(long, value_name = "DB", allow_negative_numbers = true)]
    pub snr: Option<f32>,
    /// Leave the words of noisy streams at the levels of their recordings, and measure the noise against their mean
    #[arg(long, requires = "snr")]
    pub own_levels: bool,
    /// Minutes of each kind of sound without words (silence, noises, clicks, tones) that --stream reads
    #[arg(long, value_name = "MINUTES", default_value_t = 1.0)]
    pub wordless: f64,
    /// Count false alarms an hour, and what other thresholds would give, on a file or a folder of sound without the words
    #[arg(long, value_name = "PATH")]
    pub background: Option<PathBuf>,
    /// Of that, only what it keeps for its test: for a model that learnt from the rest
    #[arg(long, requires = "background")]
    pub held_out: bool,
    /// Save what was read as what as FILE.csv and FILE.png
    #[arg(long, value_name = "FILE")]
    pub confusion: Option<PathBuf>,
    #[command(flatten)]
    pub search: SearchArgs,
    /// Decides order, gaps and noise
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Read the clips of the test split, or all of them, which is fair only for a model that never learnt from them
    #[arg(long)]
    pub all: bool,
    /// Rate of the stream that the clips are played into, Hz
    #[arg(long, default_value_t = 48_000, value_parser = clap::value_parser!(u32).range(8_000..=96_000))]
    pub sample_rate: u32,
    /// Threads to compute on
    #[arg(long, default_value_t = 1)]
    pub threads: usize,
    /// One JSON object on standard output
    #[arg(long)]
    pub json: bool,
}

/// A line of `train --json`.
#[derive(Serialize)]
struct Line<'a> {
    done: bool,
    epoch: u32,
    epochs: u32,
    step: u64,
    steps: u64,
    loss: f32,
    learning_rate: f64,
    examples_per_sec: f64,
    eta_secs: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    validation_loss: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
}

/// Trains to the end, or until `is_interrupted` turns true; then a checkpoint is written, which `--resume` goes on from.
pub fn train(args: &TrainArgs, models: ModelStore, is_interrupted: &Arc<AtomicBool>) -> Result<()> {
    let Some((first, more)) = args.datasets.split_first() else {
        return Err(Error::invalid("name a dataset to learn from"));
    };
    let spec = TrainSpec {
        more_datasets: more.to_vec(),
        background: args.background.clone(),
        fillers: args.fillers.clone(),
        no_other_speech: args.no_other_speech,
        sample_rate_hz: args.sample_rate,
        epochs: args.epochs,
        batch_size: args.batch_size,
        learning_rate: args.learning_rate,
        seed: args.seed,
        resume_from_checkpoint: args.resume,
        patience_epochs: args.patience,
        base_model: args.from.clone(),
        words: args.words.clone(),
        size: args.size,
        backend: args.backend,
        limit_samples: args.limit,
        ..TrainSpec::new(&args.out, first)
    };
    drive(spec, models, args.threads, args.json, is_interrupted)
}

/// Drives a run of `spec` to its end, or until it is interrupted, and shows how it goes.
pub fn drive(
    spec: TrainSpec,
    models: ModelStore,
    threads: usize,
    is_json: bool,
    is_interrupted: &Arc<AtomicBool>,
) -> Result<()> {
    let name = spec.model_name.clone();
    let mut run = Run::new(spec, places(models.clone())?)?;
    let pool = low_priority_pool("train", threads)?;
    let mut show = Show::new(is_json);
    loop {
        if is_interrupted.load(Relaxed) {
            run.write_checkpoint()?;
            show.note(&format!("stopped at step {}; --resume goes on from there", run.step()));
            return Ok(());
        }
        match pool.install(|| run.advance())? {
            Outcome::Finished => break,
            outcome => show.outcome(&run, outcome),
        }
    }
    let path = models.list().into_iter().find(|info| info.name == name).map(|info| info.path);
    show.end(&run, &path.unwrap_or_default().display().to_string());
    Ok(())
}

/// Evaluates a model on the test split of a dataset and prints the figures.
pub fn evaluate(args: &EvaluateArgs, models: ModelStore) -> Result<()> {
    if args.snr.is_some_and(|snr| !(-20.0..=100.0).contains(&snr)) {
        return Err(Error::invalid("--snr must lie between -20 and 100 dB"));
    }
    if !(0.0..=600.0).contains(&args.wordless) {
        return Err(Error::invalid("--wordless must lie between 0 and 600 minutes"));
    }
    let model = args.search.apply(models.load(&args.model)?)?;
    let mut listing = Listing::scan(&[find(&args.dataset, &places(models)?.datasets)?])?;
    listing.files.retain(|file| file.label.is_some());
    if args.all {
        listing.files.iter_mut().for_each(|file| file.split = Split::Test);
    }
    let dataset = Loader::of_split(listing, args.sample_rate, Split::Test).finish()?;
    let background =
        args.background.as_deref().map(|path| Background::read(path, args.sample_rate, args.held_out)).transpose()?;
    let conditions = Conditions {
        is_stream: args.stream,
        snr_db: args.snr,
        has_own_levels: args.own_levels,
        seed: args.seed,
        wordless_secs: 60.0 * args.wordless,
    };
    let bar = bar(args.json);
    let done = |done: usize, total: usize| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let pool = low_priority_pool("evaluate", args.threads)?;
    let evaluation = pool
        .install(|| super::evaluate::evaluate(&model, &dataset, Split::Test, conditions, background.as_ref(), &done))?;
    bar.finish_and_clear();
    if let Some(path) = &args.confusion {
        save_confusion(&evaluation.confusion, path)?;
    }
    if args.json {
        print_json(&evaluation);
    } else {
        print_text(&evaluation);
    }
    Ok(())
}

/// The figures for people, on standard output.
fn print_text(evaluation: &Evaluation) {
    // A reader that went away is no error of ours.
    writeln!(std::io::stdout(), "{evaluation}").ok();
}

/// A bar on a terminal, nothing elsewhere.
fn bar(is_quiet: bool) -> ProgressBar {
    let is_hidden = is_quiet || !std::io::stderr().is_terminal();
    let bar = if is_hidden { ProgressBar::hidden() } else { ProgressBar::new(0) };
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    bar
}

/// Shows a run: JSON lines, or a bar on a terminal, or a line an epoch.
struct Show {
    json: bool,
    bar: ProgressBar,
    meter: Meter,
    loss: f32,
}

impl Show {
    fn new(json: bool) -> Self {
        Self { json, bar: bar(json), meter: Meter::default(), loss: 0.0 }
    }

    fn outcome(&mut self, run: &Run, outcome: Outcome) {
        let now = Instant::now();
        match outcome {
            Outcome::Loading { read, total } => {
                self.bar.set_length(total as u64);
                self.bar.set_position(read as u64);
                self.bar.set_message("reading files");
            }
            Outcome::Ready(summary) => {
                self.note(&summary.to_string());
                self.bar.set_length(run.steps());
                self.bar.reset_eta();
            }
            Outcome::Step(point) => {
                self.meter.step(now);
                self.meter.update(now);
                self.loss = point.loss;
                self.bar.set_position(point.step);
                self.bar.set_message(format!("loss {:.3}", point.loss));
                self.line(run, false, None, None);
            }
            Outcome::Validated(score) => {
                self.line(run, false, score, None);
                let epochs = run.spec().epochs;
                // The step that ended the epoch has already begun the next one, unless it was the last.
                let epoch = if run.step() == run.steps() { epochs } else { run.epoch() - 1 };
                let figures = score.map_or_else(String::new, |score| {
                    format!(", validation {:.2} % right, loss {:.3}", 100.0 * score.accuracy, score.loss)
                });
                let speed = self.meter.examples_per_sec(run.spec().batch_size as usize);
                self.note(&format!("epoch {epoch}/{epochs}: loss {:.3}{figures}, {speed:.0} scenes/s", self.loss));
            }
            Outcome::Validating | Outcome::Saved(_) | Outcome::Checkpoint | Outcome::Finished => {}
        }
    }

    fn end(&mut self, run: &Run, model: &str) {
        self.bar.finish_and_clear();
        self.line(run, true, run.best(), Some(model));
        self.note(&format!("the model is in {model}"));
    }

    /// Tells people, on standard error.
    fn note(&self, text: &str) {
        if !self.json {
            self.bar.suspend(|| eprintln!("{text}"));
        }
    }

    /// Tells programs, on standard output.
    fn line(&self, run: &Run, done: bool, score: Option<super::checkpoint::Score>, model: Option<&str>) {
        if !self.json {
            return;
        }
        let line = Line {
            done,
            epoch: run.epoch(),
            epochs: run.spec().epochs,
            step: run.step(),
            steps: run.steps(),
            loss: self.loss,
            learning_rate: run.learning_rate(),
            examples_per_sec: self.meter.examples_per_sec(run.spec().batch_size as usize),
            eta_secs: self.meter.eta_secs(run.steps() - run.step()),
            validation_accuracy: score.map(|score| score.accuracy),
            validation_loss: score.map(|score| score.loss),
            model,
        };
        print_json(&line);
    }
}

/// One JSON object on one line of standard output; a reader that went away is no error of ours.
fn print_json(value: &impl Serialize) {
    if let Ok(text) = serde_json::to_string(value) {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).ok();
    }
}
