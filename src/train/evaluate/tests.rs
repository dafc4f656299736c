use super::*;
use crate::models::ModelStore;
use crate::recognise::transcribe::transcribe;
use crate::train::dataset::{Listing, Loader};
use std::path::{Path, PathBuf};

fn shipped() -> Arc<Model> {
    ModelStore::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/models"), "").load("digits").unwrap()
}

fn load(root: PathBuf, rate: u32) -> Dataset {
    Loader::of_split(Listing::scan(&[root]).unwrap(), rate, Split::Test).finish().unwrap()
}

/// The spoken digits where they are (true), else the shipped synthesised ones, in voices that training never heard.
fn digits(rate: u32) -> (Dataset, bool) {
    match std::env::var_os("SESERAGI_DATA") {
        Some(data) => (load(Path::new(&data).join("spoken-digits"), rate), true),
        None => {
            eprintln!("SESERAGI_DATA is not set: read are the synthesised digits of assets/datasets/demo");
            (load(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/datasets/demo"), rate), false)
        }
    }
}

fn figures(rate: u32, conditions: Conditions) -> Evaluation {
    let dataset = digits(rate).0;
    evaluate(&shipped(), &dataset, Split::Test, conditions, None, &|_, _| {}).unwrap()
}

#[test]
fn the_shipped_model_reads_the_official_test_split() {
    let evaluation = figures(48_000, Conditions::default());
    assert!(evaluation.accuracy >= 0.95, "{evaluation:?}");
    let chosen = evaluation.choice_accuracy.unwrap();
    // Almost every clip that is read exactly is one whose word is the likeliest.
    assert!(chosen < 1.0 + 1e-9 && chosen >= evaluation.accuracy - 0.01, "{evaluation:?}");
    let rows: u64 = evaluation.confusion.counts.iter().flatten().sum();
    assert_eq!(rows as usize, evaluation.items);
}

#[test]
fn the_shipped_model_reads_continuous_streams_and_stays_silent_on_noise() {
    for (snr_db, bar) in [(None, 0.05), (Some(20.0), 0.07), (Some(10.0), 0.15)] {
        let evaluation = figures(48_000, Conditions { is_stream: true, snr_db, seed: 7, ..Conditions::default() });
        assert!(evaluation.token_error_rate <= bar, "{snr_db:?}: {evaluation:?}");
        assert_eq!(evaluation.false_alarms_per_hour, Some(0.0));
    }
}

#[test]
fn the_same_seed_gives_the_same_figures() {
    let conditions =
        Conditions { is_stream: true, snr_db: Some(5.0), seed: 3, wordless_secs: 10.0, ..Conditions::default() };
    // How long it takes is no figure of the model's.
    let figures = || Evaluation { real_time_factor: 0.0, ..figures(8_000, conditions) };
    assert_eq!(figures(), figures());
}

#[test]
fn labels_that_the_model_does_not_know_are_named() {
    let mut dataset = digits(8_000).0;
    dataset.labels[0] = "turn on".into();
    let error = evaluate(&shipped(), &dataset, Split::Test, Conditions::default(), None, &|_, _| {}).unwrap_err();
    assert!(error.message.contains("does not know the label turn on"), "{error}");
    dataset.clips.clear();
    let error = evaluate(&shipped(), &dataset, Split::Test, Conditions::default(), None, &|_, _| {}).unwrap_err();
    assert!(error.message.contains("has no clip in its Test split"), "{error}");
}

/// Speech without a digit (by chance a word may sound like one), so that alarms are certain: the digits themselves.
#[test]
fn false_alarms_and_their_trade_off_are_counted_on_background() {
    let (mut dataset, _) = digits(8_000);
    dataset.clips.truncate(60);
    let said = dataset.clips[0].samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect::<Vec<f32>>();
    let sounds = vec![vec![0.0; 80_000], [vec![0.0; 4_000], said, vec![0.0; 4_000]].concat()];
    let background = Background { sounds, skipped: Vec::new() };
    let conditions = Conditions::default();
    let evaluation = evaluate(&shipped(), &dataset, Split::Test, conditions, Some(&background), &|_, _| {}).unwrap();
    let on_background = evaluation.background.unwrap();
    let expected = 3_600.0 / on_background.secs;
    assert!((on_background.false_alarms_per_hour - expected).abs() < 1e-6, "{on_background:?}");
    let det = &on_background.det;
    assert!(det.windows(2).all(|pair| pair[0].miss_rate <= pair[1].miss_rate));
    assert!(det.windows(2).all(|pair| pair[0].false_alarms_per_hour >= pair[1].false_alarms_per_hour));
    let latency = evaluation.latency.unwrap();
    assert!(latency.words >= 50 && latency.p50_secs <= latency.p95_secs && latency.p95_secs < 0.5, "{latency:?}");
    assert!(evaluation.real_time_factor > 0.0 && evaluation.real_time_factor < 0.1);
    let recall: f64 = evaluation.words.iter().filter_map(|word| word.recall).sum();
    assert!(evaluation.words.len() == 10 && recall > 0.0);
}

/// The words of the demo, as its script wrote them down.
#[derive(serde::Deserialize)]
struct Demo {
    words: Vec<DemoWord>,
}

#[derive(serde::Deserialize)]
struct DemoWord {
    word: String,
    start_secs: f64,
    end_secs: f64,
}

#[test]
fn the_shipped_model_reads_the_demo() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/demo");
    let demo: Demo = ron::from_str(&std::fs::read_to_string(folder.join("demo.ron")).unwrap()).unwrap();
    let audio = crate::source::decode::read_audio(folder.join("demo.flac")).unwrap();
    let heard = transcribe(&audio.samples, audio.sample_rate_hz, &shipped()).unwrap().transcript.tokens();
    let is_right = |word: &&DemoWord| {
        let near = |at: f64| at > word.start_secs && at < word.end_secs + 0.3;
        heard.iter().any(|token| *token.token == word.word && near(token.end_secs))
    };
    let right = demo.words.iter().filter(is_right).count();
    let said = demo.words.len();
    println!("{right} of {said} words are right; {} were heard in all", heard.len());
    assert!(right as f64 >= 0.95 * said as f64, "{heard:?}");
    // Bells and sweeps sound like words to it; more than one in ten would be too many.
    assert!(heard.len() <= said + said / 10, "{heard:?}");
}
