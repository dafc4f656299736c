//! Whether a word can be taught from five clips in two minutes while a stream is recognised, without the old words being forgotten.
//!
//! One of the spoken digits is held out: a base model learns the other nine, first among three hundred synthesised and some people's
//! words (for which `assets/datasets/words.sh` needs flite, espeak-ng and sox), then alone. Then the program runs with the demo as its
//! lane, and the held-out word is taught from five clips, one of each speaker or, with `--speaker NAME`, all of one. What is measured:
//! the time of the lesson, what the stream lost meanwhile, the recall of the word on all its other clips, what the lesson did
//! to the nine words' official test clips, and how often the word is heard where it is not said: an hour of the nine words'
//! test clips in random order and, as other speech, the test clips of the wake words.
//!
//! `cargo bench --bench teach -- [WORD] [--speaker NAME] [--threads N] [--seed N]`

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use seseragi::{
    Result,
    app::start_engine,
    config::{Config, LaneConfig},
    engine::Engine,
    models::ModelStore,
    recognise::{card::Model, transcribe::transcribe},
    stream::{StreamCommand, StreamKey},
    train::{
        batch::low_priority_pool,
        dataset::{Dataset, Listing, Loader, Split},
        evaluate::{Conditions, evaluate},
        rng::Rng,
        run::{Outcome, Run},
        teach::{Lesson, TaughtClips},
        throttle::Throttle,
        trainer::{TrainSpec, places},
    },
};

const WORDS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
/// Epochs among many words, about six thousand steps, and then of the nine alone, about thirteen hundred.
const BROAD_EPOCHS: u32 = 85;
const BASE_EPOCHS: u32 = 40;
/// Half of the usual rate, so that what many words taught is kept.
const BASE_RATE: f64 = 1e-3;
const RATE: u32 = 8_000;

struct Options {
    word: String,
    speaker: Option<String>,
    threads: usize,
    seed: u64,
}

fn options() -> Options {
    let mut options = Options { word: "seven".into(), speaker: None, threads: 1, seed: 0 };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match arg.as_str() {
            "--speaker" => options.speaker = Some(value()),
            "--threads" => options.threads = value().parse().expect("a number of threads"),
            "--seed" => options.seed = value().parse().expect("a seed"),
            "--bench" => {}
            word => options.word = word.to_owned(),
        }
    }
    assert!(WORDS.contains(&options.word.as_str()), "{} is none of {WORDS:?}", options.word);
    options
}

fn main() -> ExitCode {
    let Some(data) = env::var_os("SESERAGI_DATA").map(PathBuf::from) else {
        println!("SESERAGI_DATA is not set: there are no spoken digits to teach with");
        return ExitCode::SUCCESS;
    };
    match measure(&data, &options()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(data: &Path, options: &Options) -> Result<bool> {
    let digits = data.join("spoken-digits");
    let home = tempfile::tempdir().expect("a folder");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models");
    let models = ModelStore::new(shipped, home.path().join("models"));
    let old: Vec<String> = WORDS.iter().filter(|word| **word != options.word).map(|word| (*word).to_owned()).collect();
    // A dataset that does not have the word at all, so that nothing of it is heard again in the lesson.
    let datasets = home.path().join("datasets");
    link(&digits, &datasets.join("nine"), &old);
    let ships = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/datasets");
    link(&ships.join("people"), &datasets.join("nine-people"), &old);
    let others = folders(&ships.join("_other_speech"));
    link(&ships.join("_other_speech"), &datasets.join("other-people"), &others);
    let made = Command::new("bash").arg(ships.join("words.sh")).arg(datasets.join("words")).arg("300").status();
    assert!(made.is_ok_and(|status| status.success()), "words.sh said what it needs");
    let begun = Instant::now();
    let spec = |name: &str, more: &[&str]| TrainSpec {
        more_datasets: more.iter().map(|&name| name.to_owned()).collect(),
        seed: options.seed,
        ..TrainSpec::new(name, "nine")
    };
    let broad = spec("broad", &["nine-people", "words", "other-people"]);
    train(TrainSpec { epochs: BROAD_EPOCHS, no_other_speech: true, ..broad }, models.clone())?;
    let broad_secs = begun.elapsed().as_secs_f64();
    let base_model = Some("broad".to_owned());
    let nine = spec("nine", &["nine-people"]);
    train(TrainSpec { epochs: BASE_EPOCHS, learning_rate: Some(BASE_RATE), base_model, ..nine }, models.clone())?;
    let nine_secs = begun.elapsed().as_secs_f64() - broad_secs;
    println!("the base model: {broad_secs:.0} s among many words, {nine_secs:.0} s of nine alone, on two threads");

    let mine = five_clips(&digits.join(&options.word), options.speaker.as_deref());
    let clips = TaughtClips::new(&places(models.clone())?)?;
    for path in &mine {
        clips.add_file(&options.word, path)?;
    }
    let is_in_time = give_lesson(options, models.clone())?;

    let (base, taught) = (models.load("nine")?, models.load("nine-taught")?);
    let old_test = old_words(&digits, &old)?;
    let [(before, before_stream), (after, after_stream)] = [figures(&base, &old_test)?, figures(&taught, &old_test)?];
    println!(
        "the nine words' test clips: {:.2} % right before, {:.2} % after (at most one point worse); token errors in streams \
         {:.2} % before, {:.2} % after",
        100.0 * before,
        100.0 * after,
        100.0 * before_stream,
        100.0 * after_stream
    );
    let others = other_clips(&digits, &options.word, &mine)?;
    let recall = evaluate(&taught, &others, Split::Test, Conditions::default(), None, &|_, _| {})?;
    println!(
        "\"{}\" from {} clips: {:.2} % of its {} other clips are read as it alone (at least 90 %)",
        options.word,
        mine.len(),
        100.0 * recall.accuracy,
        recall.items
    );
    let in_digits = alarms(&taught, &options.word, &hour_of(&old_test, options.seed), RATE)?;
    let wake = Loader::of_split(Listing::scan(&[data.join("wake-words")])?, RATE, Split::Test).finish()?;
    let in_speech = alarms(&taught, &options.word, &joined(&wake, &mut Rng::new(options.seed)), RATE)?;
    println!(
        "\"{}\" heard an hour where it is not said: {in_digits} among the nine words, {in_speech} in other speech",
        options.word
    );
    Ok(is_in_time
        && recall.accuracy >= 0.9
        && before - after <= 0.01
        && in_digits.per_hour <= 1.0
        && in_speech.per_hour <= 1.0)
}

/// The names of the folders in a folder.
fn folders(root: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(root).expect("a folder").map(|entry| entry.expect("an entry"));
    entries
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A folder of links to the words' folders in another one.
fn link(from: &Path, to: &Path, words: &[String]) {
    std::fs::create_dir_all(to).expect("a folder");
    words.iter().for_each(|word| std::os::unix::fs::symlink(from.join(word), to.join(word)).expect("a link"));
}

/// Drives a run to its end on two threads.
fn train(spec: TrainSpec, models: ModelStore) -> Result<()> {
    let mut run = Run::new(spec, places(models)?)?;
    let pool = low_priority_pool("base", 2)?;
    while !matches!(pool.install(|| run.advance())?, Outcome::Finished) {}
    Ok(())
}

/// Five clips that are learnt from: one of each speaker, or all of one.
fn five_clips(folder: &Path, speaker: Option<&str>) -> Vec<PathBuf> {
    match speaker {
        Some(speaker) => (20..25).map(|index| folder.join(format!("{speaker}_{index:02}.wav"))).collect(),
        None => {
            let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
                .expect("the word's clips")
                .map(|entry| entry.expect("a clip").path())
                .collect();
            files.retain(|path| path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_20")));
            files.sort();
            files.truncate(5);
            files
        }
    }
}

/// Teaches in the running program, while its lane is recognised. Says whether it took at most two minutes and the stream lost nothing.
fn give_lesson(options: &Options, models: ModelStore) -> Result<bool> {
    let key: StreamKey = "main".parse()?;
    let lane =
        LaneConfig { key: key.clone(), source: "demo".parse()?, gain_db: 0.0, is_open: false, is_recognised: false };
    let mut config = Config { lanes: vec![lane], ..Config::default() };
    config.recognise.model = "nine".into();
    let (engine, _tasks) = start_engine(config, models)?;
    engine.command_stream(&key, StreamCommand::Open)?;
    engine.command_stream(&key, StreamCommand::StartRecognition)?;
    engine.trainer().throttle(Throttle::full(options.threads))?;
    let heard = |engine: &Engine| {
        let stream = engine.status(Instant::now()).streams.remove(0);
        (stream.samples_in, stream.samples_lost, stream.tokens.len(), stream.model)
    };
    thread::sleep(Duration::from_secs(1));
    let (before, begun) = (heard(&engine), Instant::now());
    engine.teacher().teach(&engine, &Lesson::new(options.word.as_str(), "nine"))?;
    while engine.trainer().progress().phase.is_active() {
        thread::sleep(Duration::from_millis(50));
    }
    let progress = engine.trainer().progress();
    // The lane takes the model by itself.
    while heard(&engine).3.as_deref() != Some("nine-taught") && begun.elapsed() < Duration::from_secs(300) {
        thread::sleep(Duration::from_millis(50));
    }
    let (took, after) = (begun.elapsed().as_secs_f64(), heard(&engine));
    let lost = after.1 - before.1;
    println!(
        "the lesson: {took:.1} s on {} thread(s) until the lane listens with {} ({} steps; at most 120 s); meanwhile {:.1} s were \
         heard, {} words in them, {lost} samples lost",
        options.threads,
        after.3.as_deref().unwrap_or("nothing"),
        progress.step,
        (after.0 - before.0) as f64 / 48_000.0,
        after.2 - before.2
    );
    Ok(took <= 120.0 && lost == 0 && after.3.as_deref() == Some("nine-taught"))
}

/// The official test clips of the old words, with these labels only.
fn old_words(digits: &Path, old: &[String]) -> Result<Dataset> {
    let mut listing = Listing::scan(&[digits.to_path_buf()])?;
    listing.keep(old)?;
    Loader::of_split(listing, RATE, Split::Test).finish()
}

/// All clips of the word but those that were taught.
fn other_clips(digits: &Path, word: &str, taught: &[PathBuf]) -> Result<Dataset> {
    let mut listing = Listing::scan(&[digits.to_path_buf()])?;
    let label = listing.labels.iter().position(|label| label == word);
    listing.files.retain(|file| file.label == label && !taught.contains(&file.path));
    listing.files.iter_mut().for_each(|file| file.split = Split::Test);
    Loader::of_split(listing, RATE, Split::Test).finish()
}

/// The share of clips read right alone, and the token error rate of streams.
fn figures(model: &Arc<Model>, dataset: &Dataset) -> Result<(f64, f64)> {
    let conditions = Conditions { is_stream: true, seed: 7, ..Conditions::default() };
    let evaluation = evaluate(model, dataset, Split::Test, conditions, None, &|_, _| {})?;
    Ok((evaluation.accuracy, evaluation.token_error_rate))
}

/// All clips in random order with gaps of 0.1 to 1 s.
fn joined(dataset: &Dataset, rng: &mut Rng) -> Vec<f32> {
    let mut order: Vec<usize> = (0..dataset.clips.len()).collect();
    rng.shuffle(&mut order);
    let mut samples = Vec::new();
    for index in order {
        samples.extend(dataset.clips[index].samples.iter().map(|&sample| f32::from(sample) / 32_768.0));
        samples.resize(samples.len() + (rng.between(0.1, 1.0) * RATE as f32) as usize, 0.0);
    }
    samples
}

/// At least an hour of them, each round in another order.
fn hour_of(dataset: &Dataset, seed: u64) -> Vec<f32> {
    let (mut rng, mut samples) = (Rng::new(seed), Vec::new());
    while samples.len() < 3_600 * RATE as usize {
        samples.extend(joined(dataset, &mut rng));
    }
    samples
}

/// How often the word was heard.
struct Alarms {
    count: usize,
    per_hour: f64,
    secs: f64,
}

impl std::fmt::Display for Alarms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({} in {:.0} min)", self.per_hour, self.count, self.secs / 60.0)
    }
}

fn alarms(model: &Arc<Model>, word: &str, samples: &[f32], rate: u32) -> Result<Alarms> {
    // In parts, since a transcript forgets.
    let parts =
        samples.chunks(300 * rate as usize).map(|part| transcribe(part, rate, model)).collect::<Result<Vec<_>>>()?;
    let tokens = parts.iter().flat_map(|part| part.transcript.tokens());
    let (count, secs) = (tokens.filter(|token| *token.token == *word).count(), samples.len() as f64 / f64::from(rate));
    Ok(Alarms { count, per_hour: count as f64 * 3_600.0 / secs, secs })
}
