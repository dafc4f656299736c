use proptest::prelude::*;

use super::super::card::{Card, tests::random_model};
use super::super::transcript::Token;
use super::*;
use crate::dsp::mel::FeatureConfig;

/// Bursts of tones and noise with pauses, at 8 kHz.
pub(crate) fn sound(secs: f64) -> Vec<i16> {
    let mut state = 5u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1u32 << 24)
    };
    let (mut samples, len) = (Vec::new(), (secs * 8_000.0) as usize);
    while samples.len() < len {
        let (hz, noise, level, on) =
            (150.0 + 2_500.0 * random(), random(), 12_000.0 * random(), 800.0 + 3_000.0 * random());
        for i in 0..on as usize {
            let tone = (std::f64::consts::TAU * hz * i as f64 / 8_000.0).sin();
            samples.push((level * (tone + noise * (random() - 0.5))) as i16);
        }
        let off = 400.0 + if random() < 0.2 { 8_000.0 } else { 3_000.0 * random() };
        samples.extend((0..off as usize).map(|_| (20.0 * random()) as i16));
    }
    samples.truncate(len);
    samples
}

/// A random network that says much about [`sound`], every word of it sure enough.
pub(crate) fn lively_model() -> Model {
    let lively = (1..200).map(lively_candidate).find(|model| {
        let tokens = whole(&Arc::new(Model::new(model.card().clone(), model.network()).unwrap()), &sound(8.0)).tokens();
        let words: std::collections::BTreeSet<_> = tokens.iter().map(|token| token.token.clone()).collect();
        tokens.len() >= 8 && words.len() >= 2
    });
    lively.expect("one of 200 networks is lively")
}

fn lively_candidate(seed: u64) -> Model {
    let model = random_model(seed);
    let mut card = model.card().clone();
    card.decoding.thresholds.fill(0.0);
    Model::new(card, model.network()).unwrap()
}

fn whole(model: &Arc<Model>, samples: &[i16]) -> Transcript {
    run(model, samples, &[samples.len()], |_, _, _| {})
}

/// Feeds blocks of the lengths `cuts`, again and again, with `between` before each; ends with a stop.
fn run(
    model: &Arc<Model>,
    samples: &[i16],
    cuts: &[usize],
    mut between: impl FnMut(&mut Online, usize, &mut Vec<OnlineEvent>),
) -> Transcript {
    let mut online = Online::new(8_000).unwrap();
    let mut events = Vec::new();
    online.swap(model.clone(), &mut events).unwrap();
    online.start(0, &mut events).unwrap();
    let mut at = 0;
    for &cut in cuts.iter().cycle() {
        if at == samples.len() {
            break;
        }
        between(&mut online, at, &mut events);
        let end = (at + cut).min(samples.len());
        online.accept(at as u64, &samples[at..end], &mut events).unwrap();
        at = end;
    }
    online.stop(&mut events).unwrap();
    let finals = events.iter().filter_map(|event| match event {
        OnlineEvent::Final(segment) => Some(segment),
        OnlineEvent::Partial(_) => None,
    });
    assert!(finals.eq(online.transcript().segments()), "events and transcript say the same");
    assert!(online.transcript().partial().tokens.is_empty());
    online.transcript().clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn neither_cutting_nor_swapping_changes_the_transcript(cuts in prop::collection::vec(1usize..3_000, 1..12), every in 1usize..9) {
        let (model, samples) = (Arc::new(lively_model()), sound(14.0));
        let expected = whole(&model, &samples);
        prop_assert!(expected.tokens().len() >= 8);
        prop_assert_eq!(&expected, &run(&model, &samples, &cuts, |_, _, _| {}));
        // A byte-identical copy, which shares nothing with the first.
        let copy = Arc::new(Model::from_bytes(model.card().clone(), model.to_bytes().unwrap()).unwrap());
        let (mut blocks, mut swaps) = (0, 0);
        let swapped = run(&model, &samples, &cuts, |online, _, events| {
            blocks += 1;
            if blocks % every == 0 {
                swaps += 1;
                let model = if swaps % 2 == 0 { &model } else { &copy };
                online.swap(model.clone(), events).unwrap();
            }
        });
        prop_assert_eq!(&expected, &swapped, "after {} swaps", swaps);
    }
}

#[test]
fn a_later_start_is_primed_with_the_past() {
    let (model, samples) = (Arc::new(lively_model()), sound(14.0));
    let expected = whole(&model, &samples).tokens();
    for at in [0, 30_000, 41_234, 60_001] {
        let mut online = Online::new(8_000).unwrap();
        let mut events = Vec::new();
        online.swap(model.clone(), &mut events).unwrap();
        // Heard up to a second beyond the place where recognition then begins.
        let heard = (at + 8_000).min(samples.len());
        online.accept(0, &samples[..heard], &mut events).unwrap();
        assert!(events.is_empty(), "not started");
        online.start(at as u64, &mut events).unwrap();
        online.accept(heard as u64, &samples[heard..], &mut events).unwrap();
        online.stop(&mut events).unwrap();
        let tokens = online.transcript().tokens();
        let settled = |tokens: &[Token]| -> Vec<Token> {
            let after = at as f64 / 8_000.0 + if at == 0 { 0.0 } else { 1.2 };
            tokens.iter().filter(|token| token.start_secs > after).cloned().collect()
        };
        assert!(settled(&expected).len() > 2);
        assert_eq!(settled(&tokens), settled(&expected), "started at {at}");
        assert!(tokens.iter().all(|token| token.end_secs >= at as f64 / 8_000.0 - 0.2));
    }
}

#[test]
fn a_stop_makes_final_what_was_said_and_a_start_goes_on() {
    let (model, samples) = (Arc::new(lively_model()), sound(14.0));
    let mut online = Online::new(8_000).unwrap();
    let mut events = Vec::new();
    online.swap(model, &mut events).unwrap();
    online.start(0, &mut events).unwrap();
    online.accept(0, &samples[..40_000], &mut events).unwrap();
    online.stop(&mut events).unwrap();
    let before = online.transcript().tokens();
    online.accept(40_000, &samples[40_000..80_000], &mut events).unwrap();
    assert_eq!(online.transcript().tokens(), before, "stopped");
    online.start(80_000, &mut events).unwrap();
    online.accept(80_000, &samples[80_000..], &mut events).unwrap();
    online.stop(&mut events).unwrap();
    let after = online.transcript().tokens();
    assert!(after.len() > before.len() && after.starts_with(&before));
    assert!(after[before.len()].end_secs > 9.8);
}

#[test]
fn a_swap_just_before_the_stop_costs_nothing() {
    let (model, samples) = (Arc::new(lively_model()), sound(3.0));
    let mut online = Online::new(8_000).unwrap();
    let mut events = Vec::new();
    online.swap(model.clone(), &mut events).unwrap();
    online.start(0, &mut events).unwrap();
    online.stop(&mut events).unwrap();
    assert!(events.is_empty(), "nothing was heard");
    online.start(0, &mut events).unwrap();
    online.accept(0, &samples, &mut events).unwrap();
    online.swap(model.clone(), &mut events).unwrap();
    online.stop(&mut events).unwrap();
    assert_eq!(online.transcript(), &whole(&model, &samples));
}

#[test]
fn a_model_with_other_tokens_or_features_takes_over() {
    let (model, samples) = (Arc::new(lively_model()), sound(14.0));
    let renamed = |features: Option<FeatureConfig>| {
        let mut card = Card { tokens: ["x", "y", "z"].map(String::from).to_vec(), ..model.card().clone() };
        card.features = features.unwrap_or(card.features);
        Arc::new(Model::new(card, model.network()).unwrap())
    };
    let shifted = FeatureConfig { log_mean: -14.5, hop_samples: 60, ..FeatureConfig::speech(6_000) };
    for other in [renamed(None), renamed(Some(shifted))] {
        let transcript = run(&model, &samples, &[800], |online, at, events| {
            if at == 56_000 {
                online.swap(other.clone(), events).unwrap();
            }
        });
        let tokens = transcript.tokens();
        let is_new = |token: &Token| ["x", "y", "z"].contains(&&*token.token);
        let (old, new): (Vec<_>, Vec<_>) = tokens.iter().partition(|token| !is_new(token));
        assert!(old.len() > 2 && new.len() > 2, "{} and {}", old.len(), new.len());
        assert!(old.iter().all(|token| token.end_secs <= 7.1) && new.iter().all(|token| token.end_secs > 6.8));
    }
}

#[test]
fn a_lane_without_a_model_catches_up_with_the_kept_sound() {
    let (model, samples) = (Arc::new(lively_model()), sound(8.0));
    let mut online = Online::new(8_000).unwrap();
    let mut events = Vec::new();
    online.start(0, &mut events).unwrap();
    online.accept(0, &samples[..30_000], &mut events).unwrap();
    assert!(online.model().is_none() && online.is_running() && events.is_empty());
    online.swap(model.clone(), &mut events).unwrap();
    online.accept(30_000, &samples[30_000..], &mut events).unwrap();
    online.stop(&mut events).unwrap();
    assert_eq!(online.transcript(), &whole(&model, &samples));
}

#[test]
fn repeated_samples_are_passed_over_and_holes_are_silence() {
    let (model, samples) = (Arc::new(lively_model()), sound(8.0));
    let feed = |blocks: &[(u64, &[i16])]| {
        let mut online = Online::new(8_000).unwrap();
        let mut events = Vec::new();
        online.swap(model.clone(), &mut events).unwrap();
        online.start(0, &mut events).unwrap();
        blocks.iter().for_each(|(at, block)| online.accept(*at, block, &mut events).unwrap());
        online.stop(&mut events).unwrap();
        online.transcript().clone()
    };
    let overlapping =
        feed(&[(0, &samples[..20_000]), (12_000, &samples[12_000..15_000]), (15_000, &samples[15_000..])]);
    assert_eq!(overlapping, whole(&model, &samples));
    let mut muted = samples.clone();
    muted[20_000..28_000].fill(0);
    assert_eq!(feed(&[(0, &samples[..20_000]), (28_000, &samples[28_000..])]), whole(&model, &muted));
    // An hour later the lane begins anew, on the stream's clock.
    let late = 3_600 * 8_000;
    let tokens = feed(&[(0, &samples[..20_000]), (late, &samples)]).tokens();
    assert!(tokens.iter().filter(|token| token.start_secs >= 3_600.0).count() > 2);
    assert!(tokens.iter().all(|token| token.start_secs < 4.0 || token.start_secs >= 3_600.0));
}

#[test]
fn transcribing_a_whole_sound_gives_what_the_stream_gives() {
    let (model, samples) = (Arc::new(lively_model()), sound(8.0));
    let floats: Vec<f32> = samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let transcribed = super::super::transcribe::transcribe(&floats, 8_000, &model).unwrap();
    let streamed = whole(&model, &[samples, vec![0; 8_000]].concat());
    assert_eq!((transcribed.transcript, transcribed.audio_secs), (streamed, 8.0));
    let nothing = super::super::transcribe::transcribe(&[], 48_000, &model).unwrap();
    assert_eq!(nothing.audio_secs, 0.0);
}
