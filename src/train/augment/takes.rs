//! A word of several speakers: pieces of their clips, joined where they say the same sound. A few clips are many voices then.
//!
//! Where that is, dynamic time warping finds (Sakoe and Chiba, 1978): of all ways to walk through two clips at once, the one on which
//! they differ least.

use super::effects::crossfade;
use super::noise::to_unit_power;
use crate::dsp::mel::{FeatureConfig, LogMel};
use crate::train::rng::Rng;
use crate::{Error, Result};

/// Pieces of a joined word, at least and at most.
const FEWEST_PIECES: usize = 2;
const MOST_PIECES: usize = 4;

/// Pieces meet in this part of a word: too little of it lies before and behind.
const FIRST_CUT: f32 = 0.12;
const LAST_CUT: f32 = 0.88;

/// Two pieces lie over each other for so long.
const OVERLAP_SECS: f32 = 0.02;

/// The clips of one word.
#[derive(Debug)]
pub struct Takes {
    takes: Vec<Take>,
    config: FeatureConfig,
}

#[derive(Debug)]
struct Take {
    /// At unit power.
    samples: Vec<f32>,
    /// `[frames, bands]` in rows, each band less its mean: that is the microphone's and the speaker's.
    features: Vec<f32>,
}

impl Takes {
    /// The takes of a word. Fails where one is too short to be walked through, or there are none.
    pub fn new<'a>(clips: impl IntoIterator<Item = &'a [i16]>, sample_rate_hz: u32) -> Result<Self> {
        let config = FeatureConfig { dither: 0.0, ..FeatureConfig::speech(sample_rate_hz) };
        let takes = clips.into_iter().map(|clip| Take::new(clip, &config)).collect::<Result<Vec<_>>>()?;
        if takes.is_empty() || takes.iter().any(|take| take.features.len() < MOST_PIECES * config.bands) {
            return Err(Error::invalid("a word without clips, or one of some milliseconds"));
        }
        Ok(Self { takes, config })
    }

    /// The word once more, each piece of any of its takes.
    pub fn joined(&self, rng: &mut Rng) -> Vec<f32> {
        let bands = self.config.bands;
        let path = &self.takes[rng.below(self.takes.len())].features;
        let frames = path.len() / bands;
        let pieces = FEWEST_PIECES + rng.below(MOST_PIECES + 1 - FEWEST_PIECES);
        let mut cuts: Vec<usize> =
            (1..pieces).map(|_| (rng.between(FIRST_CUT, LAST_CUT) * frames as f32) as usize).collect();
        cuts.sort_unstable();
        let overlap = (OVERLAP_SECS * self.config.sample_rate_hz as f32) as usize;
        let mut samples = Vec::new();
        for piece in 0..pieces {
            let take = &self.takes[rng.below(self.takes.len())];
            let frame_of = aligned(path, &take.features, bands);
            let place = |cut: usize| {
                (frame_of[cut] * self.config.hop_samples + self.config.window_samples / 2).min(take.samples.len())
            };
            let start = piece.checked_sub(1).map_or(0, |before| place(cuts[before]));
            let end = cuts.get(piece).map_or(take.samples.len(), |&cut| (place(cut) + overlap).min(take.samples.len()));
            crossfade(&mut samples, &take.samples[start.min(end)..end], overlap);
        }
        samples
    }
}

impl Take {
    fn new(clip: &[i16], config: &FeatureConfig) -> Result<Self> {
        let mut samples: Vec<f32> = clip.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
        let mut features = LogMel::whole(config, &samples)?;
        to_unit_power(&mut samples);
        let bands = config.bands;
        for band in 0..bands {
            let values = || (band..features.len()).step_by(bands);
            let mean = values().map(|at| features[at]).sum::<f32>() / values().count().max(1) as f32;
            (band..features.len()).step_by(bands).for_each(|at| features[at] -= mean);
        }
        Ok(Self { samples, features })
    }
}

/// For each frame of `path` the first frame of `other` that goes with it; both `[frames, bands]` in rows and not empty.
fn aligned(path: &[f32], other: &[f32], bands: usize) -> Vec<usize> {
    let (rows, columns) = (path.len() / bands, other.len() / bands);
    // What the cheapest walk costs that ends at a row and a column.
    let mut costs = vec![f32::INFINITY; rows * columns];
    // The last step to there, of three: along both, along the path, along the other.
    let before = |costs: &[f32], row: usize, column: usize| {
        let at = |up: usize, left: usize| match (row.checked_sub(up), column.checked_sub(left)) {
            (Some(row), Some(column)) => costs[row * columns + column],
            _ => f32::INFINITY,
        };
        let steps = [(at(1, 1), (1, 1)), (at(1, 0), (1, 0)), (at(0, 1), (0, 1))];
        steps.into_iter().fold(steps[0], |best, step| if step.0 < best.0 { step } else { best })
    };
    for (row, frame) in path.chunks_exact(bands).enumerate() {
        for (column, of_other) in other.chunks_exact(bands).enumerate() {
            let difference: f32 = frame.iter().zip(of_other).map(|(a, b)| (a - b).abs()).sum();
            let so_far = if (row, column) == (0, 0) { 0.0 } else { before(&costs, row, column).0 };
            costs[row * columns + column] = so_far + difference;
        }
    }
    let mut frames = vec![0; rows];
    let (mut row, mut column) = (rows - 1, columns - 1);
    loop {
        frames[row] = column;
        if (row, column) == (0, 0) {
            return frames;
        }
        let (_, (up, left)) = before(&costs, row, column);
        (row, column) = (row - up, column - left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: u32 = 8_000;

    /// A low and then a high tone, the first `first` samples long and all 8,000.
    fn word(first: usize, gain: f32) -> Vec<i16> {
        let step = |at: usize| if at < first { 0.2 } else { 1.5 };
        (0..8_000).map(|at| (gain * (at as f32 * step(at)).sin()) as i16).collect()
    }

    #[test]
    fn frames_that_sound_alike_go_together() {
        let config = FeatureConfig::speech(RATE);
        let [slow, fast] = [4_600, 3_400].map(|first| Take::new(&word(first, 9_000.0), &config).unwrap());
        let frame_of = aligned(&slow.features, &fast.features, config.bands);
        assert_eq!((frame_of[0], frame_of.len()), (0, 98));
        assert!(frame_of.is_sorted());
        assert!(frame_of[53] <= 43 && frame_of[59] >= 40, "the tone changes at 57 and at 42: {frame_of:?}");
    }

    #[test]
    fn a_joined_word_says_every_sound_once() {
        let clips = [word(4_600, 9_000.0), word(3_400, 300.0), word(4_000, 2_000.0)];
        let takes = Takes::new(clips.iter().map(Vec::as_slice), RATE).unwrap();
        let mut rng = Rng::new(3);
        let mut lens = Vec::new();
        for _ in 0..40 {
            let samples = takes.joined(&mut rng);
            assert!((5_000..11_000).contains(&samples.len()), "{}", samples.len());
            let level = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len() as f32;
            assert!((0.7..1.3).contains(&level), "loud and quiet takes alike: {level}");
            // Sign changes a sample tell the tone: 0.06 of the low one and 0.48 of the high one.
            let is_high = |part: &[f32]| part.windows(2).filter(|pair| pair[0] * pair[1] < 0.0).count() > 50;
            let heights: Vec<bool> = samples.chunks_exact(200).map(is_high).collect();
            assert_eq!(heights.windows(2).filter(|pair| pair[0] != pair[1]).count(), 1, "{heights:?}");
            lens.push(samples.len());
        }
        lens.sort_unstable();
        lens.dedup();
        assert!(lens.len() >= 4, "some end sooner than others: {lens:?}");
    }

    #[test]
    fn what_cannot_be_walked_through_is_refused() {
        assert!(Takes::new([], RATE).is_err());
        assert!(Takes::new([&[100i16; 200][..]], RATE).is_err());
    }
}
