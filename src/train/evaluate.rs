//! How well a model reads clips that it never learnt from, heard exactly as a live stream is.

use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::augment::noise::Noise;
use super::augment::scene::{active_power, to_16_bit_grid};
use super::dataset::{Clip, Dataset, Split};
use super::rng::Rng;
use crate::recognise::card::Model;
use crate::recognise::transcribe::transcribe;
use crate::{Error, Result};

/// Silence before and after a clip that is read alone.
const LEAD_SECS: f32 = 0.3;

/// Words joined to one stream.
const WORDS_PER_STREAM: usize = 40;

/// What to evaluate, besides isolated clips.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Conditions {
    /// Whether the clips are joined to continuous streams with gaps of 0.1 to 1 s, too.
    pub is_stream: bool,
    /// Noise (white, pink and brown in turn) so far below the mean power of speech, dB; none when absent.
    pub snr_db: Option<f32>,
    /// Decides order, gaps and noise.
    pub seed: u64,
}

/// How often each label was read as what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Confusion {
    /// The labels.
    pub labels: Vec<String>,
    /// A row for each label; its columns are what was read, in the order of the labels, and last nothing at all.
    pub counts: Vec<Vec<u64>>,
}

/// The figures of a model on a dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Clips that were read.
    pub items: usize,
    /// Share of the clips that, read alone, gave exactly their word.
    pub accuracy: f64,
    /// Edit distance between what was said and what was read over the number of words said: on the joined streams if
    /// there are any, else over the clips read alone. Above 1 when much is read that was not said.
    pub token_error_rate: f64,
    /// The same on the clips read alone.
    pub confusion: Confusion,
    /// The model's name.
    pub model: String,
    /// The dataset's name.
    pub dataset: String,
    /// The split that was read.
    pub split: Split,
    /// Whether the token error rate is that of joined streams.
    pub stream: bool,
    /// Signal-to-noise ratio, dB; absent when no noise was added.
    pub snr_db: Option<f32>,
    /// Decided order, gaps and noise.
    pub seed: u64,
    /// Seconds of sound that were read.
    pub audio_secs: f64,
    /// Words read per hour of sound in which nobody speaks, when streams were read.
    pub false_alarms_per_hour: Option<f64>,
    /// Files that were left out as unusable.
    pub skipped: usize,
}

/// A sound, and the words said in it.
struct Spoken {
    samples: Vec<f32>,
    words: Vec<String>,
}

/// What a model made of a sound.
struct Heard {
    words: Vec<String>,
    /// The word with the highest score.
    surest: Option<String>,
    secs: f64,
}

/// Reads the clips of `split` in `dataset` (whose rate stands for the stream's) with `model`.
///
/// Fails when the model does not know a label, or the split has no clip. Computes on the rayon pool that it is called
/// in; `done` is told of clips and streams read, and of all.
pub fn evaluate(
    model: &Arc<Model>,
    dataset: &Dataset,
    split: Split,
    conditions: Conditions,
    done: &(dyn Fn(usize, usize) + Sync),
) -> Result<Evaluation> {
    let clips: Vec<&Clip> = dataset.split(split).collect();
    if clips.is_empty() {
        return Err(Error::invalid(format!("the dataset {} has no clip in its {split:?} split", dataset.name)));
    }
    let known = &model.card().tokens;
    if let Some(unknown) = dataset.labels.iter().find(|label| !known.contains(label)) {
        return Err(Error::invalid(format!(
            "the model \"{}\" does not know the label {unknown}: it knows {}",
            model.card().name,
            known.join(", ")
        )));
    }
    let alone: Vec<Spoken> = clips.iter().enumerate().map(|(at, clip)| alone(clip, dataset, conditions, at)).collect();
    let joined = if conditions.is_stream { joined(&clips, dataset, conditions) } else { Vec::new() };
    let wordless = if conditions.is_stream { wordless(dataset.sample_rate_hz, conditions.seed) } else { Vec::new() };

    let counter = std::sync::atomic::AtomicUsize::new(0);
    let total = alone.len() + joined.len() + wordless.len();
    let hear_all = |sounds: &[Spoken]| -> Result<Vec<Heard>> {
        let hear_one = |spoken: &Spoken| {
            let heard = hear(model, &spoken.samples, dataset.sample_rate_hz);
            done(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, total);
            heard
        };
        sounds.par_iter().map(hear_one).collect()
    };
    let (heard_alone, heard_joined, heard_wordless) = (hear_all(&alone)?, hear_all(&joined)?, hear_all(&wordless)?);

    let right = alone.iter().zip(&heard_alone).filter(|(said, heard)| said.words == heard.words).count();
    let (measured, measured_heard) =
        if conditions.is_stream { (&joined, &heard_joined) } else { (&alone, &heard_alone) };
    let errors: usize = measured.iter().zip(measured_heard).map(|(said, heard)| edits(&said.words, &heard.words)).sum();
    let words: usize = measured.iter().map(|said| said.words.len()).sum();
    let wordless_secs: f64 = heard_wordless.iter().map(|heard| heard.secs).sum();
    let alarms: usize = heard_wordless.iter().map(|heard| heard.words.len()).sum();
    Ok(Evaluation {
        items: clips.len(),
        accuracy: right as f64 / clips.len() as f64,
        token_error_rate: errors as f64 / words.max(1) as f64,
        confusion: confusion(&dataset.labels, &clips, &heard_alone),
        model: model.card().name.clone(),
        dataset: dataset.name.clone(),
        split,
        stream: conditions.is_stream,
        snr_db: conditions.snr_db,
        seed: conditions.seed,
        audio_secs: [&heard_alone, &heard_joined, &heard_wordless].into_iter().flatten().map(|heard| heard.secs).sum(),
        false_alarms_per_hour: conditions.is_stream.then(|| alarms as f64 * 3600.0 / wordless_secs.max(1.0)),
        skipped: dataset.skipped.len(),
    })
}

fn hear(model: &Arc<Model>, samples: &[f32], rate: u32) -> Result<Heard> {
    let transcribed = transcribe(samples, rate, model)?;
    let tokens: Vec<_> = transcribed.transcript.tokens().into_iter().collect();
    let surest = tokens.iter().max_by(|a, b| a.score.total_cmp(&b.score)).map(|token| token.token.to_string());
    let words = tokens.iter().map(|token| token.token.to_string()).collect();
    Ok(Heard { words, surest, secs: transcribed.audio_secs })
}

fn to_float(samples: &[i16]) -> impl Iterator<Item = f32> + '_ {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0)
}

/// One clip with silence around it.
fn alone(clip: &Clip, dataset: &Dataset, conditions: Conditions, number: usize) -> Spoken {
    let silence = vec![0.0; (LEAD_SECS * dataset.sample_rate_hz as f32) as usize];
    let mut samples = silence.clone();
    samples.extend(to_float(&clip.samples));
    samples.extend(silence);
    let mut rng = Rng::at(conditions.seed, 0, number as u64);
    add_noise(&mut samples, dataset.sample_rate_hz, conditions.snr_db, number, &mut rng);
    Spoken { samples, words: vec![dataset.labels[clip.label].clone()] }
}

/// All clips in random order, in streams of some words with random gaps.
fn joined(clips: &[&Clip], dataset: &Dataset, conditions: Conditions) -> Vec<Spoken> {
    let rate = dataset.sample_rate_hz as f32;
    let mut order: Vec<usize> = (0..clips.len()).collect();
    let mut rng = Rng::at(conditions.seed, 1, 0);
    rng.shuffle(&mut order);
    let stream = |(number, members): (usize, &[usize])| {
        let mut samples = vec![0.0; (0.5 * rate) as usize];
        for &index in members {
            samples.extend(to_float(&clips[index].samples));
            samples.resize(samples.len() + (rng.between(0.1, 1.0) * rate) as usize, 0.0);
        }
        add_noise(&mut samples, dataset.sample_rate_hz, conditions.snr_db, number, &mut rng);
        let words = members.iter().map(|&index| dataset.labels[clips[index].label].clone()).collect();
        Spoken { samples, words }
    };
    order.chunks(WORDS_PER_STREAM).enumerate().map(stream).collect()
}

/// A minute each of silence and of each kind of noise, at 20 dB below full scale.
fn wordless(sample_rate_hz: u32, seed: u64) -> Vec<Spoken> {
    let len = 60 * sample_rate_hz as usize;
    let mut rng = Rng::at(seed, 2, 0);
    let noises = Noise::ALL.map(|kind| {
        let mut samples = kind.samples(len, sample_rate_hz as f32, &mut rng);
        samples.iter_mut().for_each(|sample| *sample *= 0.1);
        to_16_bit_grid(&mut samples);
        samples
    });
    std::iter::once(vec![0.0; len]).chain(noises).map(|samples| Spoken { samples, words: Vec::new() }).collect()
}

fn add_noise(samples: &mut [f32], sample_rate_hz: u32, snr_db: Option<f32>, number: usize, rng: &mut Rng) {
    let Some(snr_db) = snr_db else { return };
    let kind = [Noise::White, Noise::Pink, Noise::Brown][number % 3];
    let gain = active_power(samples).sqrt() * 10f32.powf(-snr_db / 20.0);
    let noise = kind.samples(samples.len(), sample_rate_hz as f32, rng);
    samples.iter_mut().zip(&noise).for_each(|(slot, sample)| *slot += gain * sample);
    to_16_bit_grid(samples);
}

fn confusion(labels: &[String], clips: &[&Clip], heard: &[Heard]) -> Confusion {
    let mut counts = vec![vec![0; labels.len() + 1]; labels.len()];
    for (clip, heard) in clips.iter().zip(heard) {
        let read = heard.surest.as_ref().and_then(|word| labels.iter().position(|label| label == word));
        counts[clip.label][read.unwrap_or(labels.len())] += 1;
    }
    Confusion { labels: labels.to_vec(), counts }
}

/// Fewest insertions, deletions and replacements that make `b` out of `a` (Levenshtein).
pub fn edits<T: PartialEq>(a: &[T], b: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            let fewest = replaced.min(row[j] + 1).min(row[j + 1] + 1);
            diagonal = std::mem::replace(&mut row[j + 1], fewest);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
