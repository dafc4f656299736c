//! Whether a word can be taught from five clips in two minutes while a stream is recognised, without the old words being forgotten.
//!
//! One of the spoken digits, or some, are held out: a base model learns the others, first among three hundred synthesised and some
//! people's words (for which `assets/datasets/words.sh` needs flite, espeak-ng and sox), then alone. Then the program runs with the
//! demo as its lane, and a held-out word is taught from five clips, one of each speaker or, with `--speaker NAME`, all of one; each
//! word to the base, not to what another one was taught to. What is measured: the time of the lesson, what the stream lost meanwhile,
//! the recall of the word on all its other clips, what the lesson did to the old words' official test clips, and how often the word
//! is heard where it is not said: an hour of the old words' test clips in random order and, as other speech, all clips of the wake
//! words, of which nothing is learnt.
//!
//! `cargo bench --bench teach -- [WORD]... [--speaker NAME] [--threads N] [--seed N]`

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
/// Epochs among many words, with nine about six thousand steps, and then of the old words alone, about thirteen hundred.
const BROAD_EPOCHS: u32 = 85;
const BASE_EPOCHS: u32 = 40;
/// Half of the usual rate, so that what many words taught is kept.
const BASE_RATE: f64 = 1e-3;
const RATE: u32 = 8_000;

struct Options {
    words: Vec<String>,
    speaker: Option<String>,
    threads: usize,
    seed: u64,
}

fn options() -> Options {
    let mut options = Options { words: Vec::new(), speaker: None, threads: 1, seed: 0 };
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match arg.as_str() {
            "--speaker" => options.speaker = Some(value()),
            "--threads" => options.threads = value().parse().expect("a number of threads"),
            "--seed" => options.seed = value().parse().expect("a seed"),
            "--bench" => {}
            word => options.words.push(word.to_owned()),
        }
    }
    if options.words.is_empty() {
        options.words.push("seven".into());
    }
    let stranger = options.words.iter().find(|word| !WORDS.contains(&word.as_str()));
    assert!(stranger.is_none(), "{stranger:?} is none of {WORDS:?}");
    assert!(options.words.len() <= WORDS.len() - 2, "two words at least must be old ones");
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
    let is_old = |word: &&str| !options.words.iter().any(|held_out| held_out == word);
    let old: Vec<String> = WORDS.iter().copied().filter(is_old).map(str::to_owned).collect();
    learn_old_words(&digits, home.path(), &old, options.seed, &models)?;

    let old_test = old_words(&digits, &old)?;
    let base = models.load("old")?;
    let (before, before_stream) = figures(&base, &old_test)?;
    println!(
        "the {} old words' test clips: {:.2} % right; token errors in streams {:.2} %",
        old.len(),
        100.0 * before,
        100.0 * before_stream
    );
    let among_old = hour_of(&old_test, options.seed);
    let other_speech = joined(&all_clips(data)?, &mut Rng::new(options.seed));
    let mut meets_all = true;
    for word in &options.words {
        let mine = five_clips(&digits.join(word), options.speaker.as_deref());
        let clips = TaughtClips::new(&places(models.clone())?)?;
        for path in &mine {
            clips.add_file(word, path)?;
        }
        let is_in_time = give_lesson(word, options.threads, models.clone())?;
        let taught = models.load("old-taught")?;
        let (after, after_stream) = figures(&taught, &old_test)?;
        println!(
            "the old words: {:.2} % right after it (at most one point worse); token errors in streams {:.2} %",
            100.0 * after,
            100.0 * after_stream
        );
        let others = other_clips(&digits, word, &old, &mine)?;
        let recall = evaluate(&taught, &others, Split::Test, Conditions::default(), None, &|_, _| {})?;
        println!(
            "\"{word}\" from {} clips: {:.2} % of its {} other clips are read as it alone (at least 90 %)",
            mine.len(),
            100.0 * recall.accuracy,
            recall.items
        );
        let [in_old, in_other] = [&among_old, &other_speech].map(|samples| alarms(&taught, word, samples, RATE));
        let (in_old, in_other) = (in_old?, in_other?);
        println!(
            "\"{word}\" heard an hour where it is not said: {in_old} among the old words, {in_other} in other speech"
        );
        let is_right = recall.accuracy >= 0.9 && in_old.per_hour <= 1.0 && in_other.per_hour <= 1.0;
        meets_all &= is_in_time && is_right && before - after <= 0.01;
    }
    Ok(meets_all)
}

/// Trains the model "old" in `home`: of the words `old`, first among many others and then alone.
fn learn_old_words(digits: &Path, home: &Path, old: &[String], seed: u64, models: &ModelStore) -> Result<()> {
    // Datasets that do not have the held-out words at all, so that nothing of them is heard again in a lesson.
    let datasets = home.join("datasets");
    link(digits, &datasets.join("old"), old);
    let ships = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/datasets");
    link(&ships.join("people"), &datasets.join("old-people"), old);
    let others = folders(&ships.join("_other_speech"));
    link(&ships.join("_other_speech"), &datasets.join("other-people"), &others);
    let made = Command::new("bash").arg(ships.join("words.sh")).arg(datasets.join("words")).arg("300").status();
    assert!(made.is_ok_and(|status| status.success()), "words.sh said what it needs");
    let begun = Instant::now();
    let spec = |name: &str, more: &[&str]| TrainSpec {
        more_datasets: more.iter().map(|&name| name.to_owned()).collect(),
        seed,
        ..TrainSpec::new(name, "old")
    };
    let broad = spec("broad", &["old-people", "words", "other-people"]);
    train(TrainSpec { epochs: BROAD_EPOCHS, no_other_speech: true, ..broad }, models.clone())?;
    let broad_secs = begun.elapsed().as_secs_f64();
    let base_model = Some("broad".to_owned());
    let alone = spec("old", &["old-people"]);
    train(TrainSpec { epochs: BASE_EPOCHS, learning_rate: Some(BASE_RATE), base_model, ..alone }, models.clone())?;
    let alone_secs = begun.elapsed().as_secs_f64() - broad_secs;
    println!(
        "the base model: {broad_secs:.0} s among many words, {alone_secs:.0} s of the old ones alone, on two threads"
    );
    Ok(())
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
fn give_lesson(word: &str, threads: usize, models: ModelStore) -> Result<bool> {
    let key: StreamKey = "main".parse()?;
    let lane =
        LaneConfig { key: key.clone(), source: "demo".parse()?, gain_db: 0.0, is_open: false, is_recognised: false };
    let mut config = Config { lanes: vec![lane], ..Config::default() };
    config.recognise.model = "old".into();
    let (engine, _tasks) = start_engine(config, models)?;
    engine.command_stream(&key, StreamCommand::Open)?;
    engine.command_stream(&key, StreamCommand::StartRecognition)?;
    engine.trainer().throttle(Throttle::full(threads))?;
    let heard = |engine: &Engine| {
        let stream = engine.status(Instant::now()).streams.remove(0);
        (stream.samples_in, stream.samples_lost, stream.tokens.len(), stream.model)
    };
    thread::sleep(Duration::from_secs(1));
    let (before, begun) = (heard(&engine), Instant::now());
    engine.teacher().teach(&engine, &Lesson::new(word, "old"))?;
    while engine.trainer().progress().phase.is_active() {
        thread::sleep(Duration::from_millis(50));
    }
    let progress = engine.trainer().progress();
    // The lane takes the model by itself.
    while heard(&engine).3.as_deref() != Some("old-taught") && begun.elapsed() < Duration::from_secs(300) {
        thread::sleep(Duration::from_millis(50));
    }
    let (took, after) = (begun.elapsed().as_secs_f64(), heard(&engine));
    let lost = after.1 - before.1;
    println!(
        "\"{word}\", the lesson: {took:.1} s on {} thread(s) until the lane listens with {} ({} steps; at most 120 s); meanwhile {:.1} s were \
         heard, {} words in them, {lost} samples lost",
        threads,
        after.3.as_deref().unwrap_or("nothing"),
        progress.step,
        (after.0 - before.0) as f64 / 48_000.0,
        after.2 - before.2
    );
    Ok(took <= 120.0 && lost == 0 && after.3.as_deref() == Some("old-taught"))
}

/// The official test clips of the old words, with these labels only.
fn old_words(digits: &Path, old: &[String]) -> Result<Dataset> {
    let mut listing = Listing::scan(&[digits.to_path_buf()])?;
    listing.keep(old)?;
    Loader::of_split(listing, RATE, Split::Test).finish()
}

/// All clips of the word but those that were taught, with the labels that a model knows which was taught it.
fn other_clips(digits: &Path, word: &str, old: &[String], taught: &[PathBuf]) -> Result<Dataset> {
    let mut listing = Listing::scan(&[digits.to_path_buf()])?;
    listing.keep(&[old, &[word.to_owned()]].concat())?;
    let label = listing.labels.iter().position(|label| label == word);
    listing.files.retain(|file| file.label == label && !taught.contains(&file.path));
    listing.files.iter_mut().for_each(|file| file.split = Split::Test);
    Loader::of_split(listing, RATE, Split::Test).finish()
}

/// All clips of the wake words.
fn all_clips(data: &Path) -> Result<Dataset> {
    let mut listing = Listing::scan(&[data.join("wake-words")])?;
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
