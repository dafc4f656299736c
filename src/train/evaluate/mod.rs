//! How well a model reads clips that it never learnt from, heard exactly as a live stream is.

mod background;
mod choice;
mod figures;
mod hear;
mod picture;
mod said;
mod text;
mod wordless;

pub use background::Background;
pub use figures::{Confusion, DetPoint, Edits, Latency, WordFigures, edits};
pub use picture::save_confusion;
pub use wordless::AlarmRate;

use std::sync::Arc;

use rayon::prelude::*;
use serde::Serialize;

use super::augment::noise::Noise;
use super::augment::scene::{active_power, to_16_bit_grid};
use super::dataset::{Clip, Dataset, Split};
use super::rng::Rng;
use crate::recognise::card::Model;
use crate::{Error, Result};
use hear::{Heard, hear};
use wordless::{Wordless, kinds, rates};

/// Silence before and after a clip that is read alone.
const LEAD_SECS: f32 = 0.3;

/// Words joined to one stream.
const WORDS_PER_STREAM: usize = 40;

/// The lowest threshold of the trade-off between misses and false alarms.
const LOWEST_THRESHOLD: f32 = 0.1;

/// What to evaluate, besides isolated clips.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Conditions {
    /// Whether the clips are joined to continuous streams with gaps of 0.1 to 1 s, too.
    pub is_stream: bool,
    /// Noise (white, pink and brown in turn) so far below the power of each word, dB; none when absent.
    pub snr_db: Option<f32>,
    /// Whether the words of a noisy stream keep the levels of their recordings, and the noise lies below their mean: in
    /// a set whose speakers differ by 15 dB, as the spoken digits, the quiet one then drowns.
    pub has_own_levels: bool,
    /// Decides order, gaps and noise.
    pub seed: u64,
    /// How long each kind of sound without words is, when streams are read.
    pub wordless_secs: f64,
}

impl Default for Conditions {
    fn default() -> Self {
        Self { is_stream: false, snr_db: None, has_own_levels: false, seed: 0, wordless_secs: 60.0 }
    }
}

/// The figures of a model on a dataset.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Clips that were read.
    pub items: usize,
    /// Share of the clips that, read alone, gave exactly their word.
    pub accuracy: f64,
    /// Share of the clips in which their word was the likeliest of all: what a model would get right that is told that
    /// one word is said, so that no threshold keeps it silent. Absent for texts.
    pub choice_accuracy: Option<f64>,
    /// Edit distance between what was said and what was read over the number of words said: on the joined streams if
    /// there are any, else over the clips read alone. Above 1 when much is read that was not said.
    pub token_error_rate: f64,
    /// The same over characters, blanks between words included.
    pub char_error_rate: f64,
    /// What each clip, read alone, was taken for: its surest word.
    pub confusion: Confusion,
    /// Precision and recall of each word in that.
    pub words: Vec<WordFigures>,
    /// When right words were shown, counted from the end of their clips; absent when none was right.
    pub latency: Option<Latency>,
    /// Time of recognising to length of the sound: features, network and decoding on one thread each, in blocks of 20 ms.
    pub real_time_factor: f64,
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
    /// Words read per hour of silence, noise, hum and clicks, when streams were read.
    pub false_alarms_per_hour: Option<f64>,
    /// The same by the kind of sound, with tones and the clips played backwards.
    pub alarms: Vec<AlarmRate>,
    /// On background sound, when there was any.
    pub background: Option<BackgroundFigures>,
    /// Files that were left out as unusable.
    pub skipped: usize,
}

/// How a model did on sound in which none of its words is said.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BackgroundFigures {
    /// Seconds of it.
    pub secs: f64,
    /// Words read an hour, at the model's own thresholds.
    pub false_alarms_per_hour: f64,
    /// What other thresholds would give, against misses on the clips read alone.
    pub det: Vec<DetPoint>,
    /// Files that could not be read.
    pub skipped: usize,
}

/// A sound, and the words said in it.
struct Spoken {
    samples: Vec<f32>,
    words: Vec<String>,
}

/// Reads the clips of `split` in `dataset` (whose rate stands for the stream's) with `model`.
///
/// Fails when the model does not know a label, or the split has no clip. `background` is counted for false alarms.
/// Computes on the rayon pool that it is called
/// in; `done` is told of clips and streams read, and of all.
pub fn evaluate(
    model: &Arc<Model>,
    dataset: &Dataset,
    split: Split,
    conditions: Conditions,
    background: Option<&Background>,
    done: &(dyn Fn(usize, usize) + Sync),
) -> Result<Evaluation> {
    let clips: Vec<&Clip> = dataset.split(split).collect();
    if clips.is_empty() {
        return Err(Error::invalid(format!("the dataset {} has no clip in its {split:?} split", dataset.name)));
    }
    let said = said::of(model.card(), dataset)?;
    let alone: Vec<Spoken> =
        clips.iter().enumerate().map(|(at, clip)| alone(clip, &said[clip.label], dataset, conditions, at)).collect();
    let (mut streams, mut wordless) = (Vec::new(), Vec::new());
    if conditions.is_stream {
        streams = joined(&clips, &said, dataset, conditions);
        wordless = kinds(conditions.wordless_secs, dataset.sample_rate_hz, conditions.seed);
        wordless.extend(reversed(&clips, dataset, conditions));
    }

    let rate = dataset.sample_rate_hz;
    let counter = std::sync::atomic::AtomicUsize::new(0);
    let sounds = background.map_or(&[][..], |background| &background.sounds);
    let again = if background.is_some() { alone.len() + 2 * sounds.len() } else { 0 };
    let total = alone.len() + streams.len() + wordless.len() + again;
    let hear_all = |model: &Arc<Model>, sounds: &[&[f32]]| -> Result<Vec<Heard>> {
        let hear_one = |samples: &&[f32]| {
            let heard = hear(model, samples, rate);
            done(counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1, total);
            heard
        };
        sounds.par_iter().map(hear_one).collect()
    };
    let alone_samples: Vec<&[f32]> = alone.iter().map(|sound| sound.samples.as_slice()).collect();
    let joined_samples: Vec<&[f32]> = streams.iter().map(|sound| sound.samples.as_slice()).collect();
    let wordless_samples: Vec<&[f32]> = wordless.iter().map(|sound| sound.samples.as_slice()).collect();
    let (heard_alone, heard_joined) = (hear_all(model, &alone_samples)?, hear_all(model, &joined_samples)?);
    let heard_wordless = hear_all(model, &wordless_samples)?;

    // Texts are not confused with each other.
    let has_labels = dataset.spelling.is_none();
    let mut confusion = Confusion::new(if has_labels { &dataset.labels } else { &[] });
    let chosen = |(clip, said): (&&Clip, &Spoken)| {
        let choice = choice::likeliest(model, &said.samples, rate)?;
        Ok(usize::from(choice.as_ref() == Some(&dataset.labels[clip.label])))
    };
    let chosen = has_labels.then(|| clips.par_iter().zip(&alone).map(chosen).sum::<Result<usize>>()).transpose()?;
    let (mut right, mut delays_secs) = (0, Vec::new());
    for ((clip, said), heard) in clips.iter().zip(&alone).zip(&heard_alone) {
        if has_labels {
            confusion.add(clip.label, heard.surest().map(|word| word.word.as_str()));
        }
        if said.words == heard.names() {
            right += 1;
            let end_secs = f64::from(LEAD_SECS) + clip.samples.len() as f64 / f64::from(rate);
            // When the words before the last one ended, nobody wrote down.
            delays_secs.extend(heard.words.last().map(|word| word.emitted_secs - end_secs));
        }
    }
    let (measured, measured_heard) =
        if conditions.is_stream { (&streams, &heard_joined) } else { (&alone, &heard_alone) };
    let mut wrong = Edits::default();
    for (said, heard) in measured.iter().zip(measured_heard) {
        wrong += Edits::between(&said.words, &heard.names());
    }
    let background = background
        .map(|background| on_background(model, &clips, dataset, &alone_samples, background, &hear_all))
        .transpose()?;
    let all = || [&heard_alone, &heard_joined, &heard_wordless].into_iter().flatten();
    let audio_secs: f64 = all().map(|heard| heard.secs).sum();
    let processing_secs: f64 = all().map(|heard| heard.processing.as_secs_f64()).sum();
    Ok(Evaluation {
        items: clips.len(),
        accuracy: f64::from(right) / clips.len() as f64,
        choice_accuracy: chosen.map(|chosen| chosen as f64 / clips.len() as f64),
        token_error_rate: wrong.word_error_rate(),
        char_error_rate: wrong.char_error_rate(),
        words: confusion.words(),
        confusion,
        latency: Latency::of(delays_secs),
        real_time_factor: processing_secs / audio_secs.max(1e-9),
        model: model.card().name.clone(),
        dataset: dataset.name.clone(),
        split,
        stream: conditions.is_stream,
        snr_db: conditions.snr_db,
        seed: conditions.seed,
        audio_secs,
        false_alarms_per_hour: conditions.is_stream.then(|| {
            let noises = wordless.iter().zip(&heard_wordless).filter(|(sound, _)| sound.is_noise);
            alarms_per_hour(noises.map(|(_, heard)| heard))
        }),
        alarms: rates(&wordless, &heard_wordless),
        background,
        skipped: dataset.skipped.len(),
    })
}

fn alarms_per_hour<'a>(heard: impl Iterator<Item = &'a Heard>) -> f64 {
    let (secs, alarms) = heard.fold((0.0, 0), |(secs, alarms), heard| (secs + heard.secs, alarms + heard.words.len()));
    alarms as f64 * 3_600.0 / f64::max(secs, 1.0)
}

/// Hears sounds with a model.
type HearAll<'a> = dyn Fn(&Arc<Model>, &[&[f32]]) -> Result<Vec<Heard>> + 'a;

/// The clips again and the background, with thresholds so low that the words which others would keep out are seen.
fn on_background(
    model: &Arc<Model>,
    clips: &[&Clip],
    dataset: &Dataset,
    alone: &[&[f32]],
    background: &Background,
    hear_all: &HearAll<'_>,
) -> Result<BackgroundFigures> {
    let sounds: Vec<&[f32]> = background.sounds.iter().map(Vec::as_slice).collect();
    let heard = hear_all(model, &sounds)?;
    let open = Arc::new(model.with_thresholds(LOWEST_THRESHOLD)?);
    let (clips_heard, open_heard) = (hear_all(&open, alone)?, hear_all(&open, &sounds)?);
    let hit = |(clip, heard): (&&Clip, &Heard)| {
        let own = heard.words.iter().filter(|word| word.word == dataset.labels[clip.label]);
        own.map(|word| word.score).max_by(f32::total_cmp)
    };
    let hits: Vec<Option<f32>> = clips.iter().zip(&clips_heard).map(hit).collect();
    let alarms: Vec<f32> = open_heard.iter().flat_map(|heard| &heard.words).map(|word| word.score).collect();
    let secs = heard.iter().map(|heard| heard.secs).sum();
    Ok(BackgroundFigures {
        secs,
        false_alarms_per_hour: alarms_per_hour(heard.iter()),
        det: figures::det(&hits, &alarms, secs),
        skipped: background.skipped.len(),
    })
}

fn to_float(samples: &[i16]) -> impl DoubleEndedIterator<Item = f32> + '_ {
    samples.iter().map(|&sample| f32::from(sample) / 32_768.0)
}

/// One clip with silence around it.
fn alone(clip: &Clip, said: &[String], dataset: &Dataset, conditions: Conditions, number: usize) -> Spoken {
    let silence = vec![0.0; (LEAD_SECS * dataset.sample_rate_hz as f32) as usize];
    let mut samples = silence.clone();
    samples.extend(to_float(&clip.samples));
    samples.extend(silence);
    let mut rng = Rng::at(conditions.seed, 0, number as u64);
    add_noise(&mut samples, dataset.sample_rate_hz, conditions.snr_db, number, &mut rng);
    Spoken { samples, words: said.to_vec() }
}

/// All clips in random order, in streams of some words with random gaps.
fn joined(clips: &[&Clip], said: &[Vec<String>], dataset: &Dataset, conditions: Conditions) -> Vec<Spoken> {
    let mut sounds: Vec<Vec<f32>> = clips.iter().map(|clip| to_float(&clip.samples).collect()).collect();
    if conditions.snr_db.is_some() && !conditions.has_own_levels {
        to_one_level(&mut sounds);
    }
    let mut rng = Rng::at(conditions.seed, 1, 0);
    let streams = in_streams(&sounds, dataset.sample_rate_hz, &mut rng);
    let spoken = |(number, (mut samples, members)): (usize, (Vec<f32>, Vec<usize>))| {
        add_noise(&mut samples, dataset.sample_rate_hz, conditions.snr_db, number, &mut rng);
        let words = members.iter().flat_map(|&index| said[clips[index].label].iter().cloned()).collect();
        Spoken { samples, words }
    };
    streams.into_iter().enumerate().map(spoken).collect()
}

/// Sounds in random order with gaps of 0.1 to 1 s, each stream with the indices of those in it.
fn in_streams(sounds: &[Vec<f32>], sample_rate_hz: u32, rng: &mut Rng) -> Vec<(Vec<f32>, Vec<usize>)> {
    let rate = sample_rate_hz as f32;
    let mut order: Vec<usize> = (0..sounds.len()).collect();
    rng.shuffle(&mut order);
    let stream = |members: &[usize]| {
        let mut samples = vec![0.0; (0.5 * rate) as usize];
        for &index in members {
            samples.extend(&sounds[index]);
            samples.resize(samples.len() + (rng.between(0.1, 1.0) * rate) as usize, 0.0);
        }
        (samples, members.to_vec())
    };
    order.chunks(WORDS_PER_STREAM).map(stream).collect()
}

/// Brings all sounds to the mean of their powers.
fn to_one_level(sounds: &mut [Vec<f32>]) {
    let mean = sounds.iter().map(|sound| active_power(sound)).sum::<f32>() / sounds.len().max(1) as f32;
    for sound in sounds {
        let gain = (mean / active_power(sound).max(1e-12)).sqrt();
        sound.iter_mut().for_each(|sample| *sample *= gain);
    }
}

/// All clips played backwards: voices that say no word.
fn reversed(clips: &[&Clip], dataset: &Dataset, conditions: Conditions) -> Vec<Wordless> {
    let backwards = |clip: &&Clip| to_float(&clip.samples).rev().collect();
    let sounds: Vec<Vec<f32>> = clips.iter().map(backwards).collect();
    let streams = in_streams(&sounds, dataset.sample_rate_hz, &mut Rng::at(conditions.seed, 3, 0));
    let wordless = |(samples, _)| Wordless { sound: "reversed speech", samples, is_noise: false };
    streams.into_iter().map(wordless).collect()
}

fn add_noise(samples: &mut [f32], sample_rate_hz: u32, snr_db: Option<f32>, number: usize, rng: &mut Rng) {
    let Some(snr_db) = snr_db else { return };
    let kind = [Noise::White, Noise::Pink, Noise::Brown][number % 3];
    let gain = active_power(samples).sqrt() * 10f32.powf(-snr_db / 20.0);
    let noise = kind.samples(samples.len(), sample_rate_hz as f32, rng);
    samples.iter_mut().zip(&noise).for_each(|(slot, sample)| *slot += gain * sample);
    to_16_bit_grid(samples);
}

#[cfg(test)]
mod tests;
