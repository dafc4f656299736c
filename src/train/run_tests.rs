use super::*;
use crate::train::dataset::Split;
use crate::train::test_data::{places, tone, write_tones, write_wav};

fn spec(epochs: u32) -> TrainSpec {
    TrainSpec { epochs, batch_size: 2, seed: 5, ..TrainSpec::new("tones", "tones") }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_tones(&folder.path().join("datasets/tones"), &["low", "middle one", "高い"], 24);
    folder
}

/// Drives a run to its end or to `stop_after` steps; gives the losses.
fn drive(run: &mut Run, stop_after: u64) -> Vec<f32> {
    let mut losses = Vec::new();
    while run.step() < stop_after || run.steps() == 0 {
        match run.advance().unwrap() {
            Outcome::Step(point) => losses.push(point.loss),
            Outcome::Finished => break,
            _ => {}
        }
    }
    losses
}

#[test]
fn a_run_learns_saves_its_best_model_and_ends() {
    let folder = folder();
    let mut run = Run::new(spec(2), places(folder.path())).unwrap();
    let losses = drive(&mut run, u64::MAX);
    assert_eq!(losses.len(), 50, "two epochs of 25 steps");
    assert!(losses[45..].iter().sum::<f32>() < 0.7 * losses[..5].iter().sum::<f32>(), "{losses:?}");
    assert_eq!((run.step(), run.steps(), run.epoch()), (50, 50, 2));
    let model = places(folder.path()).models.load("tones").unwrap();
    assert_eq!(model.card().tokens, ["low", "middle one", "高い"]);
    assert_eq!(model.card().features.sample_rate_hz, 8_000);
    assert_eq!(run.best().map(|best| best.accuracy), model.card().metrics.get("validation_accuracy").copied());
}

#[test]
fn a_resumed_run_goes_on_to_the_bit() {
    let folder = folder();
    let whole = drive(&mut Run::new(spec(2), places(folder.path())).unwrap(), 33);
    std::fs::remove_dir_all(folder.path().join("runs")).unwrap();

    let mut first = Run::new(spec(2), places(folder.path())).unwrap();
    let mut losses = drive(&mut first, 28);
    first.write_checkpoint().unwrap();
    drop(first);
    let resumed = TrainSpec { resume_from_checkpoint: true, ..spec(2) };
    let mut second = Run::new(resumed, places(folder.path())).unwrap();
    losses.extend(drive(&mut second, 33));
    assert_eq!(losses, whole);
    assert_eq!(second.step(), 33);
}

#[test]
fn a_new_word_is_learnt_among_what_it_was_heard_in_and_goes_on_to_the_bit() {
    let folder = folder();
    drive(&mut Run::new(spec(1), places(folder.path())).unwrap(), u64::MAX);
    // The other speech sounds like the new word, so much that a network that has hardly begun takes it for that.
    write_tones(&folder.path().join("datasets/more"), &["low", "middle one", "高い", "new"], 12);
    let other = folder.path().join("datasets").join(OTHER_SPEECH);
    (0..20).for_each(|at| write_wav(&other.join(format!("{at:03}-en-hello.wav")), 8_000, &tone(3, at as f32)));
    let lesson =
        TrainSpec { base_model: Some("tones".into()), epochs: 6, batch_size: 2, ..TrainSpec::new("m", "more") };
    let hard = |run: &Run| run.training.as_ref().unwrap().position.hard_negatives.clone();

    let mut run = Run::new(lesson.clone(), places(folder.path())).unwrap();
    drive(&mut run, 124);
    assert_eq!(hard(&run), []);
    let whole = drive(&mut run, 133);
    let found = hard(&run);
    assert!(!found.is_empty(), "after five epochs of 25 steps");
    std::fs::remove_dir_all(folder.path().join("runs/m")).unwrap();

    let mut first = Run::new(lesson.clone(), places(folder.path())).unwrap();
    drive(&mut first, 129);
    first.write_checkpoint().unwrap();
    let mut second = Run::new(TrainSpec { resume_from_checkpoint: true, ..lesson }, places(folder.path())).unwrap();
    let losses = drive(&mut second, 133);
    assert_eq!(losses, whole[whole.len() - losses.len()..]);
    assert_eq!((losses.len(), hard(&second)), (4, found));
}

#[test]
fn words_are_learnt_among_other_speech_that_says_none_of_them() {
    let folder = folder();
    let other = folder.path().join("datasets").join(OTHER_SPEECH);
    // Numbers whose names fall into no test split.
    let numbers = (0..40).filter(|at| Split::of_name(&format!("{at:03}-en-hello.wav")) != Split::Test);
    for at in numbers.take(6) {
        write_wav(&other.join(format!("{at:03}-en-hello.wav")), 8_000, &tone(3, at as f32));
        write_wav(&other.join(format!("{at:03}-en-far-too-low.wav")), 8_000, &tone(3, at as f32));
    }
    let heard = |spec: TrainSpec| {
        let mut run = Run::new(spec, places(folder.path())).unwrap();
        loop {
            if let Outcome::Ready(summary) = run.advance().unwrap() {
                return summary.background;
            }
        }
    };
    assert_eq!(heard(spec(1)), 6, "what says \"low\" is left out");
    assert_eq!(heard(TrainSpec { no_other_speech: true, ..spec(1) }), 0);
}

#[test]
fn fillers_are_learnt_and_kept_by_what_begins_with_the_model() {
    let folder = folder();
    write_tones(&folder.path().join("datasets/others"), &["low", "whistle", "hum"], 24);
    let spec = TrainSpec { fillers: vec!["others".into()], ..spec(1) };
    drive(&mut Run::new(spec.clone(), places(folder.path())).unwrap(), u64::MAX);
    let model = places(folder.path()).models.load("tones").unwrap();
    let card = model.card();
    assert_eq!((card.tokens.len(), &card.fillers[..]), (3, &["hum", "whistle"].map(String::from)[..]));
    assert_eq!((card.model.tokens, card.decoding.thresholds.len()), (5, 3));

    let next = TrainSpec { base_model: Some("tones".into()), model_name: "next".into(), ..spec.clone() };
    let mut run = Run::new(next, places(folder.path())).unwrap();
    drive(&mut run, 1);
    let training = run.training.as_ref().unwrap();
    assert_eq!((&training.dataset.new_labels[..], &training.dataset.fillers), (&[][..], &card.fillers));
    run.write_checkpoint().unwrap();
    // Of the speech that ships it takes the fillers that it knows.
    let lesson =
        TrainSpec { fillers: Vec::new(), base_model: Some("tones".into()), model_name: "m".into(), ..spec.clone() };
    write_tones(&folder.path().join("datasets").join(OTHER_SPEECH), &["hum", "rustle"], 24);
    let mut taught = Run::new(lesson, places(folder.path())).unwrap();
    drive(&mut taught, 1);
    assert_eq!(taught.training.as_ref().unwrap().dataset.fillers, ["hum"]);
    let without = TrainSpec { fillers: Vec::new(), model_name: "next".into(), resume_from_checkpoint: true, ..spec };
    let error = Run::new(without, places(folder.path())).unwrap().advance().unwrap_err();
    assert!(error.message.contains("knows the labels low, middle one, 高い, hum, whistle"), "{error}");
}

#[test]
fn a_checkpoint_of_other_labels_is_refused() {
    let folder = folder();
    let mut run = Run::new(spec(1), places(folder.path())).unwrap();
    drive(&mut run, 1);
    run.write_checkpoint().unwrap();
    write_tones(&folder.path().join("datasets/tones"), &["new"], 9);
    let resumed = TrainSpec { resume_from_checkpoint: true, ..spec(1) };
    let error = Run::new(resumed, places(folder.path())).unwrap().advance().unwrap_err();
    assert!(error.message.contains("knows the labels low, middle one, 高い"), "{error}");
}

#[test]
fn bad_orders_are_refused_before_anything_is_read() {
    let folder = folder();
    let error = |spec| Run::new(spec, places(folder.path())).expect_err("refused").message;
    assert!(error(TrainSpec::new("x", "nothing")).contains("known names: tones"));
    assert!(error(TrainSpec { epochs: 0, ..spec(1) }).contains("epochs is 0"));
    let one = folder.path().join("one");
    write_tones(&one, &["only"], 3);
    assert!(error(TrainSpec::new("x", one.display().to_string())).contains("one label only (only)"));
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    assert!(error(TrainSpec::new("x", folder.path().join("empty").display().to_string())).contains("make one folder"));
}

#[test]
fn a_place_that_cannot_be_written_fails_the_run_with_its_name() {
    let folder = folder();
    std::fs::write(folder.path().join("models"), b"a file in the way").unwrap();
    let mut run = Run::new(spec(1), places(folder.path())).unwrap();
    let error = loop {
        match run.advance() {
            Ok(Outcome::Finished) => panic!("the model cannot have been saved"),
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(error.message.contains("cannot save model \"tones\""), "{error}");
}

#[test]
fn a_run_ends_early_when_validation_gets_no_better() {
    let folder = folder();
    // So high a rate throws the weights about.
    let spec = TrainSpec { patience_epochs: Some(2), learning_rate: Some(0.5), ..spec(50) };
    let mut run = Run::new(spec, places(folder.path())).unwrap();
    let steps = drive(&mut run, u64::MAX).len() as u64;
    assert!(steps < run.steps() && steps.is_multiple_of(25), "{steps} of {}", run.steps());
    assert!(run.checkpoint_path().is_file());
}
