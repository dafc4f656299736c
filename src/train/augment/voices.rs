//! The voices that scenes are composed of: clips as other speakers might have said them, and what sounds like speech and
//! is no word.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effects::{colour, played_faster, with_tempo};
use super::noise::{Noise, to_unit_power};
use super::pitch::with_pitch;
use super::takes::Takes;
use crate::train::dataset::{Clip, Dataset, Split};
use crate::train::hard_negatives::Stretch;
use crate::train::rng::Rng;

/// A label that is new is said so many times as often as one that is known.
const NEW_SHARES: usize = 3;

/// A label of at most so many clips is one that is taught, where any is new. So often its voice is joined of several clips, and never
/// are sounds that are no words made of them: whoever says the word otherwise sounds too much like those.
const TAUGHT_CLIPS: usize = 20;
const JOINED: f32 = 0.7;

/// Shares of what comes in a scene beside words: each set of background, but all together not more than so much, words
/// backwards, words in many pieces and in halves. More of them and it is silent where speakers differ from those it knows; less
/// and it hears words in any speech.
const BACKGROUND_SET: f32 = 0.08;
const MOST_BACKGROUND: f32 = 0.24;
const BACKWARDS: f32 = 0.12;
const SCRAMBLED: f32 = 0.04;
const SPLICED: f32 = 0.03;

/// Of the background, the share that is of its hardest stretches.
const HARD: f32 = 0.4;

/// Of the words, the share that are fillers, where there are any.
const FILLERS: f32 = 0.3;

/// Another size of the speaker, as the logarithm of all frequencies together: how often, and at most.
const SIZED: f32 = 0.8;
const MOST_SIZE: f32 = 0.2;

/// Another pitch alone, as a logarithm: how often, and the deepest and highest.
const PITCHED: f32 = 0.15;
const DEEPEST: f32 = -0.2;
const HIGHEST: f32 = 0.5;

/// Another pace alone, as a logarithm: how often, and the slowest and fastest.
const PACED: f32 = 0.5;
const SLOWEST: f32 = -0.2;
const FASTEST: f32 = 0.4;

/// Noise that begins and ends with the clip, as every recording brings its own: how often, and how far below the voice.
const NOISY: f32 = 0.3;
const LEAST_DB: f32 = 8.0;
const MOST_DB: f32 = 40.0;

/// Draws voices from the train split of a dataset.
pub struct Voices {
    dataset: Arc<Dataset>,
    /// Indices of the train clips, by label and set; labels without any are left out.
    by_label: Vec<Vec<Vec<usize>>>,
    /// The same of the fillers.
    fillers: Vec<Vec<Vec<usize>>>,
    /// The same of the labels that are not taught, or of all where there are no others: sounds that are no words are made of them.
    others: Vec<Vec<Vec<usize>>>,
    /// The labels that are taught.
    taught: BTreeMap<usize, Takes>,
    /// Stretches of the background that are heard more often than the rest.
    hard: Vec<Stretch>,
}

impl Voices {
    /// The voices of `dataset`.
    pub fn new(dataset: Arc<Dataset>) -> Self {
        let mut sets = vec![BTreeMap::<usize, Vec<usize>>::new(); dataset.labels.len() + dataset.fillers.len()];
        for (index, clip) in dataset.clips.iter().enumerate().filter(|(_, clip)| clip.split == Split::Train) {
            sets[clip.label].entry(clip.set).or_default().push(index);
        }
        let mut by_label: Vec<Vec<_>> = sets.into_iter().map(|sets| sets.into_values().collect()).collect();
        let takes = |clips: Vec<&usize>| {
            let clips = clips.into_iter().map(|&clip| &*dataset.clips[clip].samples);
            Takes::new(clips, dataset.sample_rate_hz).ok()
        };
        let mut taught = BTreeMap::new();
        if !dataset.new_labels.is_empty() {
            let of_label = by_label.iter().map(|sets| sets.iter().flatten().collect::<Vec<_>>()).enumerate();
            let few = of_label.filter(|(_, clips)| (2..=TAUGHT_CLIPS).contains(&clips.len()));
            taught.extend(few.filter_map(|(label, clips)| Some((label, takes(clips)?))));
        }
        let mut others = by_label.clone();
        taught.keys().for_each(|&label| others[label].clear());
        others.retain(|sets| !sets.is_empty());
        let mut fillers = by_label.split_off(dataset.labels.len());
        let said_more: Vec<_> = dataset.new_labels.iter().map(|&label| by_label[label].clone()).collect();
        by_label.extend((1..NEW_SHARES).flat_map(|_| said_more.iter().cloned()));
        by_label.retain(|sets| !sets.is_empty());
        fillers.retain(|sets| !sets.is_empty());
        if others.is_empty() {
            others.clone_from(&by_label);
        }
        Self { dataset, by_label, fillers, others, taught, hard: Vec::new() }
    }

    /// From now on hears these stretches of the background more often than the rest.
    pub fn hear_more_of(&mut self, hard: Vec<Stretch>) {
        self.hard = hard;
    }

    /// Whether there is no clip to learn from.
    pub fn is_empty(&self) -> bool {
        self.by_label.is_empty()
    }

    /// What comes next in a scene, and its label: most often a word or text, now and then a voice that says none. There
    /// must be a clip.
    pub fn next(&self, rng: &mut Rng) -> (Vec<f32>, Option<usize>) {
        let kind = rng.unit();
        if kind < (BACKGROUND_SET * self.dataset.background.len() as f32).min(MOST_BACKGROUND) {
            return (self.stretch_of_background(rng), None);
        }
        if kind > 1.0 - SCRAMBLED {
            return (self.voice(&self.scrambled(rng), rng), None);
        }
        if kind > 1.0 - SCRAMBLED - SPLICED {
            return (self.voice(&self.spliced(rng), rng), None);
        }
        if kind > 1.0 - SCRAMBLED - SPLICED - BACKWARDS {
            let clip = self.any_clip(&self.others, rng);
            let backwards: Vec<i16> = clip.samples.iter().rev().copied().collect();
            return (self.voice(&backwards, rng), None);
        }
        let is_filler = !self.fillers.is_empty() && rng.chance(FILLERS);
        let clip = self.any_clip(if is_filler { &self.fillers } else { &self.by_label }, rng);
        let voice = match self.taught.get(&clip.label) {
            Some(takes) if rng.chance(JOINED) => self.varied(takes.joined(rng), rng),
            _ => self.voice(&clip.samples, rng),
        };
        (voice, Some(clip.label))
    }

    /// A clip of any of the labels, each label as likely as the others and, within it, each set: some clips of many speakers are not
    /// lost among many clips of a few.
    fn any_clip(&self, labels: &[Vec<Vec<usize>>], rng: &mut Rng) -> &Clip {
        let sets = &labels[rng.below(labels.len())];
        let clips = &sets[rng.below(sets.len())];
        &self.dataset.clips[clips[rng.below(clips.len())]]
    }

    /// Two to six pieces of words, each of another clip: the sounds of speech, and no word.
    fn scrambled(&self, rng: &mut Rng) -> Vec<i16> {
        let rate = self.dataset.sample_rate_hz as f32;
        let mut samples: Vec<i16> = Vec::new();
        for _ in 0..rng.below(5) + 2 {
            let clip = &self.any_clip(&self.others, rng).samples;
            let len = ((rng.between(0.05, 0.16) * rate) as usize).min(2 * clip.len() / 5);
            let start = rng.below(clip.len() - len + 1);
            let flank = len.min((0.005 * rate) as usize).max(1);
            samples.extend(clip[start..start + len].iter().enumerate().map(|(at, &sample)| {
                let edge = (at.min(len - 1 - at) as f32 / flank as f32).min(1.0);
                (edge * f32::from(sample)) as i16
            }));
        }
        samples
    }

    /// The beginning of one word and the end of another one, half a word each at most: no word, however much it begins or ends
    /// like one. (Half a word alone is too much like one that is spoken carelessly.)
    fn spliced(&self, rng: &mut Rng) -> Vec<i16> {
        let (first, second) = (self.any_clip(&self.others, rng), self.any_clip(&self.others, rng));
        if first.label == second.label {
            return self.scrambled(rng);
        }
        let mut part = |clip: &Clip| (rng.between(0.3, 0.5) * clip.samples.len() as f32) as usize;
        let (begin, end) = (part(first), second.samples.len() - part(second));
        let (begin, end) = (&first.samples[..begin], &second.samples[end..]);
        // The two lie over each other for 20 ms.
        let overlap = (self.dataset.sample_rate_hz as usize / 50).min(begin.len()).min(end.len());
        let mut samples = begin.to_vec();
        let join = samples.len() - overlap;
        for (at, (slot, &sample)) in samples[join..].iter_mut().zip(end).enumerate() {
            let share = (at as f32 + 0.5) / overlap as f32;
            *slot = (f32::from(*slot) * (1.0 - share) + f32::from(sample) * share) as i16;
        }
        samples.extend(&end[overlap..]);
        samples
    }

    /// A clip as another speaker might have said it.
    fn voice(&self, samples: &[i16], rng: &mut Rng) -> Vec<f32> {
        self.varied(samples.iter().map(|&sample| f32::from(sample) / 32_768.0).collect(), rng)
    }

    /// A voice as another speaker might have said the same, at unit power.
    fn varied(&self, mut voice: Vec<f32>, rng: &mut Rng) -> Vec<f32> {
        if rng.chance(SIZED) {
            voice = played_faster(&voice, rng.between(-MOST_SIZE, MOST_SIZE).exp());
        }
        let mut tempo = if rng.chance(PACED) { rng.between(SLOWEST, FASTEST).exp() } else { 1.0 };
        if rng.chance(PITCHED) {
            let factor = rng.between(DEEPEST, HIGHEST).exp();
            voice = with_pitch(&voice, factor, self.dataset.sample_rate_hz);
            tempo /= factor;
        }
        if tempo != 1.0 {
            voice = with_tempo(&voice, tempo, self.dataset.sample_rate_hz);
        }
        if rng.chance(0.3) {
            colour(&mut voice, self.dataset.sample_rate_hz as f32, rng);
        }
        to_unit_power(&mut voice);
        if rng.chance(NOISY) {
            self.add_noise(&mut voice, rng);
        }
        voice
    }

    /// Adds noise of some kind to a voice of unit power.
    fn add_noise(&self, voice: &mut [f32], rng: &mut Rng) {
        let gain = 10f32.powf(-rng.between(LEAST_DB, MOST_DB) / 20.0);
        let kind = Noise::ALL[rng.below(Noise::ALL.len())];
        let noise = kind.samples(voice.len(), self.dataset.sample_rate_hz as f32, rng);
        voice.iter_mut().zip(&noise).for_each(|(slot, sample)| *slot += gain * sample);
    }

    /// Up to two seconds of sound without a label, at unit power.
    pub fn stretch_of_background(&self, rng: &mut Rng) -> Vec<f32> {
        if !self.hard.is_empty() && rng.chance(HARD) {
            let stretch = self.hard[rng.below(self.hard.len())];
            return self.voice(stretch.samples(&self.dataset).unwrap_or_default(), rng);
        }
        let set = &self.dataset.background[rng.below(self.dataset.background.len())];
        // A long recording counts as its length, else sentences are lost among single words.
        let mut place = rng.below(set.iter().map(|sound| sound.len()).sum::<usize>().max(1));
        let found = set.iter().find(|sound| {
            let is_in_it = place < sound.len();
            place = place.saturating_sub(sound.len());
            is_in_it
        });
        let Some(whole) = found else { return Vec::new() };
        let len = whole.len().min(2 * self.dataset.sample_rate_hz as usize);
        let start = rng.below(whole.len() - len + 1);
        self.voice(&whole[start..start + len], rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Clips of one value each: what a voice is made of can be read off it.
    fn voices() -> Voices {
        let clip = |label, value: i16| Clip {
            path: "x.wav".into(),
            label,
            set: 0,
            split: Split::Train,
            samples: vec![value; 4_000].into(),
        };
        let labels = vec!["a".into(), "b".into()];
        let clips = vec![clip(0, 1_000), clip(1, 2_000)];
        Voices::new(Arc::new(Dataset { labels, sample_rate_hz: 8_000, clips, ..Dataset::default() }))
    }

    #[test]
    fn hard_stretches_are_heard_more_often_than_the_rest() {
        // A long recording and half a second.
        let background = vec![vec![vec![900; 800_000].into(), vec![900; 4_000].into()]];
        let dataset = Dataset { sample_rate_hz: 8_000, background, ..Dataset::default() };
        let mut voices = Voices::new(Arc::new(dataset));
        let short = |voices: &Voices| {
            let mut rng = Rng::new(5);
            (0..200).filter(|_| voices.stretch_of_background(&mut rng).len() < 8_000).count()
        };
        assert!(short(&voices) < 10);
        voices.hear_more_of(vec![Stretch { set: 0, sound: 1, from: 0, len: 4_000 }]);
        assert!((60..100).contains(&short(&voices)), "{}", short(&voices));
    }

    #[test]
    fn each_set_is_said_as_often_as_the_others() {
        let clip = |set, value: i16| Clip {
            path: "x.wav".into(),
            label: 0,
            set,
            split: Split::Train,
            samples: vec![value; 10].into(),
        };
        let clips = [vec![clip(0, 1); 90], vec![clip(1, 2); 5]].concat();
        let voices = Voices::new(Arc::new(Dataset { labels: vec!["a".into()], clips, ..Dataset::default() }));
        let mut rng = Rng::new(1);
        let small = (0..400).filter(|_| voices.any_clip(&voices.by_label, &mut rng).set == 1).count();
        assert!((150..250).contains(&small), "{small} of 400 are of the small set");
    }

    #[test]
    fn a_taught_label_is_joined_of_its_clips_and_never_part_of_what_is_no_word() {
        let clip = |label, value: i16| Clip {
            path: "x.wav".into(),
            label,
            set: 0,
            split: Split::Train,
            samples: (0..4_000).map(|at| if at % 2 == 0 { value } else { -value }).collect(),
        };
        let clips = [vec![clip(0, 900); 21], vec![clip(1, 10_000); 3]].concat();
        let labels = vec!["known".into(), "new".into()];
        let dataset = Dataset { labels, sample_rate_hz: 8_000, clips, new_labels: vec![1], ..Dataset::default() };
        let voices = Voices::new(Arc::new(dataset.clone()));
        assert_eq!(voices.taught.keys().collect::<Vec<_>>(), [&1]);
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            for samples in [voices.scrambled(&mut rng), voices.spliced(&mut rng)] {
                assert!(samples.iter().all(|sample| sample.abs() <= 900));
            }
        }
        let said = (0..200).filter(|_| voices.next(&mut rng).1 == Some(1)).count();
        assert!((90..180).contains(&said), "three of four words: {said} of 200 sounds");

        let nothing_new = Voices::new(Arc::new(Dataset { new_labels: Vec::new(), ..dataset.clone() }));
        assert!(nothing_new.taught.is_empty() && nothing_new.others.len() == 2);
        let clips = dataset.clips[21..].to_vec();
        let alone = Voices::new(Arc::new(Dataset { clips, ..dataset }));
        assert!(
            !alone.others.is_empty() && !alone.next(&mut rng).0.is_empty(),
            "there is nothing else to make them of"
        );
    }

    #[test]
    fn three_of_ten_words_are_fillers() {
        let Voices { dataset, .. } = voices();
        let clip = |label| Clip { label, ..dataset.clips[0].clone() };
        let clips = [dataset.clips.clone(), (2..40).map(clip).collect()].concat();
        let fillers = (2..40).map(|word| word.to_string()).collect();
        let voices = Voices::new(Arc::new(Dataset { clips, fillers, ..(*dataset).clone() }));
        let mut rng = Rng::new(1);
        let said: Vec<usize> = (0..1_000).filter_map(|_| voices.next(&mut rng).1).collect();
        let share = said.iter().filter(|&&label| label > 1).count() as f32 / said.len() as f32;
        assert!((0.24..0.36).contains(&share), "{share}");
    }

    #[test]
    fn background_is_heard_as_long_as_it_is() {
        let sound = |len: usize| vec![1_000; len].into_boxed_slice();
        let background = vec![[vec![sound(16_000)], vec![sound(400); 40]].concat()];
        let voices = Voices::new(Arc::new(Dataset { sample_rate_hz: 8_000, background, ..Dataset::default() }));
        let mut rng = Rng::new(1);
        let long = (0..400).filter(|_| voices.stretch_of_background(&mut rng).len() > 4_000).count();
        assert!((150..250).contains(&long), "{long} of 400 are of the one sentence among forty words");
        let empty = Voices::new(Arc::new(Dataset { background: vec![vec![sound(0)]], ..Dataset::default() }));
        assert!(empty.stretch_of_background(&mut rng).is_empty());
    }

    #[test]
    fn a_splice_is_at_most_half_of_each_word() {
        let (voices, mut rng) = (voices(), Rng::new(1));
        let mut of_halves = 0;
        for _ in 0..300 {
            let splice = voices.spliced(&mut rng);
            let share = |value| splice.iter().filter(|&&sample| sample == value).count() as f32 / 4_000.0;
            let (a, b) = (share(1_000), share(2_000));
            // Clips of one label are scrambled instead.
            if splice.first() != splice.last() && (0.55..=1.0).contains(&(a + b)) && a > 0.25 && b > 0.25 {
                assert!(a <= 0.5 && b <= 0.5, "{a} {b}");
                of_halves += 1;
            }
        }
        assert!((100..200).contains(&of_halves), "{of_halves} of 300");
    }

    #[test]
    fn scrambles_are_of_short_pieces() {
        let (voices, mut rng) = (voices(), Rng::new(1));
        for _ in 0..100 {
            assert!((800..=6 * 1_280).contains(&voices.scrambled(&mut rng).len()));
        }
    }
}
