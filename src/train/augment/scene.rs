//! One training item: words in a row on one channel, as a stream would bring them.

use std::ops::Range;
use std::sync::Arc;

use super::effects::{colour, room, telephone};
use super::noise::{Noise, event, to_unit_power};
use super::voices::Voices;
use crate::train::dataset::Dataset;
use crate::train::hard_negatives::Stretch;
use crate::train::rng::Rng;

/// Of a word's energy so much must have been heard before it may be named: what is left is its last sound.
const HEARD_SHARE: f32 = 0.85;

/// A word may be named so long after its clip is over.
const LATEST_SECS: f32 = 0.1;

/// Kept free at a scene's end, since a network that hears no future names a word shortly after it.
const TAIL_SECS: f32 = 0.3;

/// Sound and what is said in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    /// Mono samples on the 16-bit grid, like those of every stream.
    pub samples: Vec<f32>,
    /// The classes of what is said in order: words, or the characters of texts.
    pub transcript: Vec<usize>,
    /// From which sample to which one each word may be named.
    pub spans: Vec<Range<usize>>,
}

/// Composes scenes from the train split of a dataset.
pub struct Composer {
    dataset: Arc<Dataset>,
    voices: Voices,
    scene_len: usize,
}

impl Composer {
    /// A composer of scenes of `scene_secs`.
    pub fn new(dataset: Arc<Dataset>, scene_secs: f32) -> Self {
        let scene_len = (scene_secs * dataset.sample_rate_hz as f32) as usize;
        Self { voices: Voices::new(dataset.clone()), dataset, scene_len }
    }

    /// From now on hears these stretches of the background more often than the rest.
    pub fn hear_more_of(&mut self, hard: Vec<Stretch>) {
        self.voices.hear_more_of(hard);
    }

    /// The length of every scene in samples.
    pub fn scene_len(&self) -> usize {
        self.scene_len
    }

    /// One scene; the same `rng` gives the same scene.
    pub fn compose(&self, rng: &mut Rng) -> Scene {
        let rate = self.dataset.sample_rate_hz as f32;
        let (mut samples, transcript, spans) =
            if rng.chance(0.1) { (self.wordless(rng), Vec::new(), Vec::new()) } else { self.words(rng) };
        if rng.chance(0.25) {
            samples = room(&samples, rate, rng);
        }
        if rng.chance(0.5) {
            colour(&mut samples, rate, rng);
        }
        if rng.chance(0.1) {
            telephone(&mut samples, rate);
        }
        // The level of speech, or of what a wordless scene has instead.
        let level_db = rng.between(-46.0, -12.0);
        let power = active_power(&samples);
        if power > 0.0 {
            let gain = 10f32.powf(level_db / 20.0) / power.sqrt();
            samples.iter_mut().for_each(|sample| *sample *= gain);
        }
        self.add_events(&mut samples, level_db, transcript.is_empty(), rng);
        self.add_noise(&mut samples, level_db, transcript.is_empty(), rng);
        to_16_bit_grid(&mut samples);
        Scene { samples, transcript, spans }
    }

    /// Words with gaps between them, their classes and when they may be named.
    fn words(&self, rng: &mut Rng) -> (Vec<f32>, Vec<usize>, Vec<Range<usize>>) {
        let rate = self.dataset.sample_rate_hz as f32;
        let usable = self.scene_len.saturating_sub((TAIL_SECS * rate) as usize);
        let mut samples = vec![0.0; self.scene_len];
        let (mut transcript, mut spans) = (Vec::new(), Vec::new());
        let is_dense = rng.chance(0.3);
        let mut place = (rng.between(0.0, 1.0) * rng.unit() * rate) as usize;
        while !self.voices.is_empty() {
            let (voice, label) = self.voices.next(rng);
            if place + voice.len() > usable {
                break;
            }
            // Words are about as loud as each other, other sounds as they may be.
            let quietest_db = if label.is_some() { -9.0 } else { -30.0 };
            let gain = 10f32.powf(rng.between(quietest_db, 5.0) / 20.0);
            samples[place..].iter_mut().zip(&voice).for_each(|(slot, sample)| *slot += gain * sample);
            if let Some(label) = label {
                let latest = place + voice.len() + (LATEST_SECS * rate) as usize;
                if let Some(space) = self.dataset.between().filter(|_| !transcript.is_empty()) {
                    transcript.push(space);
                    spans.push(place..latest);
                }
                // Where the letters of a text lie within its clip, nobody knows.
                let is_word = self.dataset.spelling.is_none();
                let heard = if is_word { heard_by(&voice, HEARD_SHARE, self.dataset.sample_rate_hz) } else { 0 };
                let classes = self.dataset.classes(label);
                spans.extend(classes.iter().map(|_| place + heard..latest));
                transcript.extend(classes);
            }
            let gap_secs = if is_dense || rng.chance(0.4) { rng.between(0.02, 0.25) } else { rng.between(0.2, 1.3) };
            place += voice.len() + (gap_secs * rate) as usize;
        }
        (samples, transcript, spans)
    }

    /// No word: background sound, or nothing but what is added later.
    fn wordless(&self, rng: &mut Rng) -> Vec<f32> {
        let has_background = !self.dataset.background.is_empty() && rng.chance(0.5);
        if has_background { self.background(rng) } else { vec![0.0; self.scene_len] }
    }

    /// Sound without a label for a whole scene, one stretch after another.
    fn background(&self, rng: &mut Rng) -> Vec<f32> {
        let mut samples = Vec::with_capacity(self.scene_len);
        while samples.len() < self.scene_len {
            samples.extend(self.voices.stretch_of_background(rng));
            let gap_secs = rng.between(0.0, 0.6);
            samples.resize(samples.len() + (gap_secs * self.dataset.sample_rate_hz as f32) as usize + 1, 0.0);
        }
        samples.truncate(self.scene_len);
        samples
    }

    fn add_events(&self, samples: &mut [f32], level_db: f32, is_wordless: bool, rng: &mut Rng) {
        let (share, most) = if is_wordless { (0.8, 8) } else { (0.3, 4) };
        if samples.is_empty() || !rng.chance(share) {
            return;
        }
        for _ in 0..=rng.below(most) {
            let gain = 10f32.powf((level_db + rng.between(-25.0, 3.0)) / 20.0);
            let place = rng.below(samples.len());
            let event = event(self.dataset.sample_rate_hz as f32, rng);
            samples[place..].iter_mut().zip(&event).for_each(|(slot, sample)| *slot += gain * sample);
        }
    }

    fn add_noise(&self, samples: &mut [f32], level_db: f32, is_wordless: bool, rng: &mut Rng) {
        // Three in ten are clean; half of those without any floor, as speech synthesis and muted lines are.
        let noise_db = match rng.unit() {
            draw if draw < 0.15 => return,
            draw if draw < 0.3 => rng.between(-90.0, -65.0),
            _ if is_wordless => rng.between(-70.0, -15.0),
            _ => level_db - rng.between(0.0, 35.0),
        };
        let mut noise = if !self.dataset.background.is_empty() && rng.chance(0.25) {
            self.background(rng)
        } else {
            let kind = Noise::ALL[rng.below(Noise::ALL.len())];
            kind.samples(samples.len(), self.dataset.sample_rate_hz as f32, rng)
        };
        to_unit_power(&mut noise);
        let gain = 10f32.powf(noise_db / 20.0);
        samples.iter_mut().zip(&noise).for_each(|(slot, sample)| *slot += gain * sample);
    }
}

/// The sample by which `share` of a word's energy has been heard; what is about as quiet as its quietest tenth is taken
/// for the room's.
fn heard_by(voice: &[f32], share: f32, sample_rate_hz: u32) -> usize {
    let len = (sample_rate_hz as usize / 50).max(1);
    let powers: Vec<f32> = voice
        .chunks(len)
        .map(|part| part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32)
        .collect();
    let mut sorted = powers.clone();
    sorted.sort_unstable_by(f32::total_cmp);
    let floor = 2.0 * sorted.get(sorted.len() / 10).copied().unwrap_or(0.0);
    let energies: Vec<f32> = powers.iter().map(|power| (power - floor).max(0.0)).collect();
    let wanted = share * energies.iter().sum::<f32>();
    let mut heard = 0.0;
    let is_reached = |energy: &f32| {
        heard += energy;
        heard >= wanted
    };
    energies.iter().position(is_reached).map_or(0, |part| ((part + 1) * len).min(voice.len()))
}

/// The mean square of the samples that are not zero: the power of speech without its pauses.
pub fn active_power(samples: &[f32]) -> f32 {
    let active = samples.iter().filter(|sample| **sample != 0.0).count();
    samples.iter().map(|sample| sample * sample).sum::<f32>() / active.max(1) as f32
}

/// Rounds to the 16-bit grid, turning down what would be louder than full scale.
pub fn to_16_bit_grid(samples: &mut [f32]) {
    let peak = samples.iter().fold(0f32, |peak, sample| peak.max(sample.abs()));
    let gain = if peak > 0.999 { 0.999 / peak } else { 1.0 };
    samples.iter_mut().for_each(|sample| *sample = (*sample * gain * 32_768.0).round() / 32_768.0);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::dataset::{Clip, Split};

    /// Three labels of tones; the validation clip is full scale, so that its use would be heard.
    fn dataset(with_background: bool) -> Arc<Dataset> {
        let tone = |step: f32, len: usize| (0..len).map(|at| (9_000.0 * (at as f32 * step).sin()) as i16).collect();
        let clip = |label, split, len| Clip {
            path: "x.wav".into(),
            label,
            set: 0,
            split,
            samples: tone(0.1 + label as f32, len),
        };
        Arc::new(Dataset {
            labels: vec!["a".into(), "b".into(), "c".into()],
            sample_rate_hz: 8_000,
            clips: vec![
                clip(0, Split::Train, 3_000),
                clip(1, Split::Train, 4_000),
                clip(2, Split::Test, 3_000),
                clip(2, Split::Validation, 3_000),
            ],
            background: if with_background { vec![vec![tone(0.7, 20_000)], vec![tone(0.3, 900)]] } else { Vec::new() },
            ..Dataset::default()
        })
    }

    #[test]
    fn scenes_are_repeatable_and_all_differ() {
        let composer = Composer::new(dataset(true), 6.0);
        let compose = |item| composer.compose(&mut Rng::at(1, 2, item));
        assert_eq!(compose(3), compose(3));
        assert_ne!(compose(3), compose(4));
    }

    #[test]
    fn scenes_have_their_length_and_lie_on_the_16_bit_grid() {
        for with_background in [false, true] {
            let composer = Composer::new(dataset(with_background), 6.0);
            let mut words = 0;
            for item in 0..60 {
                let scene = composer.compose(&mut Rng::at(1, 0, item));
                assert_eq!(scene.samples.len(), 48_000);
                assert!(scene.samples.iter().all(|sample| sample.abs() <= 1.0 && (sample * 32_768.0).fract() == 0.0));
                words += scene.transcript.len();
            }
            assert!((180..600).contains(&words), "{words} words in 60 scenes");
        }
    }

    #[test]
    fn a_word_may_be_named_from_its_last_sound_until_shortly_after_it() {
        let mut voice = vec![0.01; 16_000];
        voice[4_000..8_000].fill(1.0);
        assert_eq!(heard_by(&voice, 0.85, 8_000), 7_520, "the noise of the room before and after it does not count");
        assert_eq!((heard_by(&[], 0.9, 8_000), heard_by(&[0.0; 100], 0.9, 8_000)), (0, 100));
        let composer = Composer::new(dataset(false), 6.0);
        for item in 0..60 {
            let scene = composer.compose(&mut Rng::at(1, 0, item));
            assert_eq!(scene.spans.len(), scene.transcript.len());
            assert!(scene.spans.windows(2).all(|pair| pair[0].start < pair[1].start), "{:?}", scene.spans);
            assert!(scene.spans.iter().all(|span| span.end <= 48_000 && span.len() >= 800), "{:?}", scene.spans);
        }
    }

    #[test]
    fn only_train_clips_are_heard() {
        let composer = Composer::new(dataset(false), 6.0);
        for item in 0..60 {
            let scene = composer.compose(&mut Rng::at(1, 0, item));
            assert!(scene.transcript.iter().all(|class| [1, 2].contains(class)), "{:?}", scene.transcript);
        }
    }

    #[test]
    fn a_new_label_is_said_more_often() {
        let share = |new_labels: Vec<usize>| {
            let composer = Composer::new(Arc::new(Dataset { new_labels, ..(*dataset(false)).clone() }), 6.0);
            let said: Vec<usize> =
                (0..80).flat_map(|item| composer.compose(&mut Rng::at(3, 0, item)).transcript).collect();
            said.iter().filter(|&&class| class == 2).count() as f32 / said.len() as f32
        };
        let (usual, new) = (share(Vec::new()), share(vec![1]));
        assert!((usual - 0.5).abs() < 0.1 && (new - 0.75).abs() < 0.1, "{usual} and {new}");
    }

    #[test]
    fn some_scenes_are_wordless() {
        let composer = Composer::new(dataset(false), 6.0);
        let wordless =
            (0..300).filter(|&item| composer.compose(&mut Rng::at(1, 0, item)).transcript.is_empty()).count();
        assert!((5..40).contains(&wordless), "{wordless} of 300");
    }

    #[test]
    fn a_scene_shorter_than_every_clip_is_wordless() {
        let scene = Composer::new(dataset(false), 0.2).compose(&mut Rng::new(1));
        assert_eq!((scene.samples.len(), scene.transcript.len()), (1_600, 0));
    }
}
