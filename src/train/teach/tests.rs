use std::path::Path;

use super::*;
use crate::ErrorKind;
use crate::train::run::{Outcome, Run};
use crate::train::test_data::{places, tone, write_tones};
use crate::train::validate::best_path;
use burn::tensor::{Device, Tensor, TensorData};

/// A trained model of two tones, `low` and `middle`.
fn base(folder: &Path) -> Places {
    write_tones(&folder.join("datasets/tones"), &["low", "middle"], 24);
    let places = places(folder);
    let spec = TrainSpec { epochs: 6, batch_size: 4, ..TrainSpec::new("base", "tones") };
    run(spec, &places);
    places
}

fn run(spec: TrainSpec, places: &Places) {
    let mut run = Run::new(spec, places.clone()).unwrap();
    while !matches!(run.advance().unwrap(), Outcome::Finished) {}
}

/// What the model makes of the tone `number` of [`write_tones`]' row, in a version that it never heard.
fn read(places: &Places, model: &str, number: usize) -> Vec<String> {
    let model = places.models.load(model).unwrap();
    let card = model.card();
    let samples = [vec![0.0; 1_600], tone(number, 0.5), vec![0.0; 4_000]].concat();
    let features = crate::dsp::mel::LogMel::whole(&card.features, &samples).unwrap();
    let shape = [1, features.len() / card.features.bands, card.features.bands];
    let logits = model.network().forward(Tensor::<3>::from_data(TensorData::new(features, shape), &Device::flex()));
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    best_path(&logits, card.tokens.len() + 1).into_iter().map(|class| card.tokens[class - 1].clone()).collect()
}

#[test]
fn five_clips_teach_a_word_and_the_old_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    let places = base(folder.path());
    assert_eq!((read(&places, "base", 0), read(&places, "base", 1)), (vec!["low".into()], vec!["middle".into()]));
    assert_ne!(read(&places, "base", 2), ["高い"]);

    let clips = TaughtClips::new(&places).unwrap();
    (0..5).for_each(|clip| drop(clips.add("高い", 8_000, &tone(2, clip as f32)).unwrap()));
    let spec = Lesson::new("高い", "base").spec(&places).unwrap();
    assert_eq!((spec.datasets().collect::<Vec<_>>(), spec.words.len()), (vec!["tones", "taught"], 3));
    assert_eq!((&*spec.model_name, spec.base_model.as_deref(), spec.takes_over), ("base-taught", Some("base"), true));
    let mut lesson = Run::new(TrainSpec { epochs: 6, batch_size: 4, ..spec }, places.clone()).unwrap();
    loop {
        match lesson.advance().unwrap() {
            Outcome::Finished => break,
            Outcome::Saved(_) => assert!(5 * lesson.step() >= 4 * lesson.steps(), "step {}", lesson.step()),
            _ => {}
        }
    }
    for (number, word) in ["low", "middle", "高い"].into_iter().enumerate() {
        assert_eq!(read(&places, "base-taught", number), [word]);
    }
    let again = Lesson::new("高い", "base-taught").spec(&places).unwrap();
    assert_eq!(again.model_name, "base-taught", "what was taught goes on under its name");
    assert_eq!(again.datasets().collect::<Vec<_>>(), ["tones", "taught"]);
}

#[test]
fn lessons_that_cannot_be_given_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let error = |word: &str, model: &str| Lesson::new(word, model).spec(&places).unwrap_err();
    assert!(error("new", "base").message.contains("there are 0 clips of \"new\": give at least 3"));
    let clips = TaughtClips::new(&places).unwrap();
    (0..3).for_each(|clip| drop(clips.add("new", 8_000, &tone(2, clip as f32)).unwrap()));
    assert_eq!(error("new", "base").kind, ErrorKind::NotFound);
    assert!(error("../x", "base").message.contains("cannot be taught"));

    let model = crate::recognise::card::tests::random_model(1);
    places.models.save(Card { name: "alien".into(), ..model.card().clone() }, model.network()).unwrap();
    let unheard = error("new", "alien").message;
    assert!(unheard.contains("(a, b, c) are in no known dataset"), "{unheard}");
    write_tones(&folder.path().join("datasets/abc"), &["a", "b", "c", "d"], 9);
    write_tones(&folder.path().join("datasets/bc"), &["b", "c"], 9);
    write_tones(&folder.path().join("datasets/more"), &["a", "b", "c"], 9);
    let spec = Lesson::new("new", "alien").spec(&places).unwrap();
    assert_eq!(spec.datasets().collect::<Vec<_>>(), ["abc", "more", "taught"], "every set that has all its words");
}

#[test]
fn clips_are_kept_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let places = places(folder.path());
    let clips = TaughtClips::new(&places).unwrap();
    assert_eq!(clips.words().unwrap(), []);
    let names: Vec<String> = (0..3).map(|clip| clips.add("turn on", 16_000, &tone(1, clip as f32)).unwrap()).collect();
    assert_eq!(names, ["001.wav", "002.wav", "003.wav"]);
    let words = clips.words().unwrap();
    assert_eq!((words.len(), words[0].word.as_str(), words[0].clips.len()), (1, "turn on", 3));
    assert!((words[0].clips[0].secs - 0.15).abs() < 1e-3 && words[0].clips[0].peaks.iter().any(|peak| *peak > 0.3));
    clips.remove("turn on", "002.wav").unwrap();
    assert_eq!(clips.add("turn on", 16_000, &tone(1, 9.0)).unwrap(), "004.wav", "no name is given twice");
    assert_eq!(clips.remove("turn on", "../x").unwrap_err().kind, ErrorKind::NotFound);
    ["001.wav", "003.wav", "004.wav"].iter().for_each(|name| clips.remove("turn on", name).unwrap());
    assert_eq!(clips.words().unwrap(), [], "the folder goes with its last clip");

    let message = |samples: &[f32]| clips.add("x", 8_000, samples).unwrap_err().message;
    assert!(message(&[0.0; 8_000]).contains("silent"));
    assert!(message(&[0.5; 80]).contains("0.01 s"));
    assert!(message(&vec![0.5; 80_000]).contains("10.00 s"));
}
