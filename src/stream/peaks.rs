//! The samples that a stream keeps for display and recording, with their minima and maxima for zoomed-out pictures.

use std::ops::Range;
use std::sync::Arc;

use super::blocks::{Block, Blocks, Pyramid, Span, Summary};
use crate::Result;

/// The smallest and the largest of some samples.
pub type Peaks = (i16, i16);

/// Samples in a block: 0.7 s at 48 kHz.
const BLOCK_SAMPLES: usize = 32_768;
/// Peaks in a block.
const BLOCK_PEAKS: usize = 4_096;
/// The finest level whose peaks are stored. Below it they are read off a few samples, which saves half of the sound's
/// own memory.
const STORED_LEVEL: usize = 2;
/// Samples that the finest stored peaks sum up.
const STORED_SAMPLES: u64 = 1 << (2 * STORED_LEVEL);

/// The last samples of a stream and their minima and maxima over 4, 16, 64, ... samples.
///
/// Peaks i of level k sum up samples [i*4^k, (i+1)*4^k) and are there only if all of these are.
///
/// Memory is bounded: `capacity_samples` samples and a sixth for the peaks, plus two blocks of each.
#[derive(Clone, Debug)]
pub struct SoundHistory {
    span: Span,
    samples: Blocks<i16>,
    peaks: Pyramid<Peaks>,
    /// The peaks of the last samples, on the way to the finest stored level, and the sample that continues them.
    gathered: Peaks,
    next: u64,
}

impl Summary for Peaks {
    fn merge(summary: &mut [Self], more: &[Self]) {
        for (summary, more) in summary.iter_mut().zip(more) {
            *summary = (summary.0.min(more.0), summary.1.max(more.1));
        }
    }
}

impl SoundHistory {
    /// An empty history that keeps the last `capacity_samples` samples (at least 1).
    pub fn new(capacity_samples: usize) -> Self {
        let span = Span::new(capacity_samples);
        let stored_levels = span.levels().saturating_sub(STORED_LEVEL);
        Self {
            samples: Blocks::new(1, BLOCK_SAMPLES),
            peaks: Pyramid::new(stored_levels, 1, BLOCK_PEAKS),
            gathered: (0, 0),
            next: 0,
            span,
        }
    }

    /// Appends samples, the first of which is sample `first_sample` of the stream.
    ///
    /// If samples were missed before it, they stay a hole that reads as `None`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), with nothing changed, if a sample is already there or was passed over.
    pub fn append(&mut self, first_sample: u64, samples: &[i16]) -> Result<()> {
        self.span.advance("sample", first_sample, samples.len())?;
        if !samples.is_empty() {
            self.samples.append(first_sample, samples);
            self.sum_up(first_sample, samples);
            let start = self.span.start();
            self.samples.evict_before(start);
            self.peaks.evict_before(start / STORED_SAMPLES);
        }
        Ok(())
    }

    /// Number of levels, 0 included.
    pub fn levels(&self) -> usize {
        self.span.levels()
    }

    /// The peaks of `level` (the samples, for level 0) that are complete and kept; empty for a level that does not
    /// exist. Holes may lie in it.
    pub fn range(&self, level: usize) -> Range<u64> {
        self.span.range(level)
    }

    /// The smallest and largest of samples [i*4^level, (i+1)*4^level), or `None` where one of them is not there.
    pub fn peaks(&self, level: usize, i: u64) -> Option<Peaks> {
        if !self.range(level).contains(&i) {
            return None;
        }
        if level >= STORED_LEVEL {
            let stored = self.peaks.level(level - STORED_LEVEL)?;
            return stored.item(i).map(|item| item[0]);
        }
        let len = 1 << (2 * level);
        let runs = self.samples.runs(i * len..(i + 1) * len);
        let (count, peaks) = runs.fold((0, (i16::MAX, i16::MIN)), |(count, (least, most)), (_, samples)| {
            let (l, m) = peaks_of(samples);
            (count + samples.len() as u64, (l.min(least), m.max(most)))
        });
        (count == len).then_some(peaks)
    }

    /// The samples within `range` as contiguous runs: index of the first sample, samples. Holes are left out.
    pub fn samples(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[i16])> {
        let kept = self.range(0);
        self.samples.runs(range.start.max(kept.start)..range.end.min(kept.end))
    }

    /// The full blocks of samples, oldest first, to be held without copying. The first may begin before
    /// [`range(0)`](Self::range) does.
    pub fn sealed(&self) -> impl Iterator<Item = &Arc<Block<i16>>> {
        self.samples.sealed()
    }

    /// The coarsest level that has at least one pair of peaks a pixel, for pixels `samples_per_pixel` samples wide.
    pub fn level_for(&self, samples_per_pixel: f64) -> usize {
        self.span.level_for(samples_per_pixel)
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.samples.bytes() + self.peaks.bytes()
    }

    /// Hands to the pyramid the peaks of each group of samples that has become whole.
    fn sum_up(&mut self, mut index: u64, mut samples: &[i16]) {
        while !samples.is_empty() {
            let place = index % STORED_SAMPLES;
            let (now, later) = samples.split_at(samples.len().min((STORED_SAMPLES - place) as usize));
            let end = index + now.len() as u64;
            let starts = place == 0;
            if starts || index == self.next {
                let (least, most) = peaks_of(now);
                let (l, m) = if starts { (least, most) } else { self.gathered };
                self.gathered = (least.min(l), most.max(m));
                self.next = end;
                if end.is_multiple_of(STORED_SAMPLES) {
                    self.peaks.append(index / STORED_SAMPLES, &[self.gathered]);
                }
            }
            (index, samples) = (end, later);
        }
    }
}

/// The smallest and largest of `samples`; (largest, smallest) i16 for none.
fn peaks_of(samples: &[i16]) -> Peaks {
    samples.iter().fold((i16::MAX, i16::MIN), |(least, most), &sample| (least.min(sample), most.max(sample)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn sample(index: u64) -> i16 {
        (index.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as u16 as i16
    }

    fn samples(range: Range<u64>) -> Vec<i16> {
        range.map(sample).collect()
    }

    fn expected(all: &BTreeMap<u64, i16>, level: usize, i: u64) -> Option<Peaks> {
        let len = 1u64 << (2 * level);
        let parts: Option<Vec<i16>> = (i * len..(i + 1) * len).map(|n| all.get(&n).copied()).collect();
        parts.and_then(|parts| Some((*parts.iter().min()?, *parts.iter().max()?)))
    }

    #[test]
    fn going_backwards_is_an_error_and_changes_nothing() {
        let mut history = SoundHistory::new(1000);
        history.append(100, &samples(100..200)).unwrap();
        for first in [0, 199, u64::MAX] {
            let error = history.append(first, &[1, 2]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(&format!("sample {first}")), "{error}");
        }
        assert_eq!((history.range(0), history.range(2)), (100..200, 7..12));
        history.append(200, &[1]).unwrap();
    }

    #[test]
    fn samples_come_as_slices_without_their_holes() {
        let mut history = SoundHistory::new(100_000);
        history.append(0, &samples(0..40_000)).unwrap();
        history.append(50_000, &samples(50_000..60_000)).unwrap();
        let runs: Vec<_> = history.samples(30_000..51_000).collect();
        let expected = [30_000..32_768, 32_768..40_000, 50_000..51_000];
        assert_eq!(runs.len(), 3);
        for ((first, run), range) in runs.into_iter().zip(expected) {
            assert_eq!((first, run), (range.start, &samples(range)[..]));
        }
        let held = Arc::clone(history.sealed().next().unwrap());
        history.append(60_000, &samples(60_000..200_000)).unwrap();
        assert_eq!(history.range(0), 100_000..200_000);
        assert_eq!(held.values[..], samples(0..32_768));
    }

    #[test]
    fn memory_stops_growing_at_the_stated_bound() {
        let capacity = 500_000;
        let mut history = SoundHistory::new(capacity);
        let stored_levels = history.levels() - STORED_LEVEL;
        let values = (capacity + 2 * BLOCK_SAMPLES) * 2 + (capacity / 12 + stored_levels * 2 * BLOCK_PEAKS) * 4;
        let some = samples(0..4_801);
        for n in 0..400 {
            history.append(n * 4_801, &some).unwrap();
            assert!(history.bytes() <= values + 100 * size_of::<Block<i16>>(), "{} bytes", history.bytes());
        }
        assert!(history.bytes() >= capacity * 2);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_level_equals_brute_force(
            capacity in 1usize..3000,
            start in 0u64..100,
            parts in proptest::collection::vec((prop_oneof![6 => Just(0u64), 1 => 1u64..200], 0u64..500), 0..12),
        ) {
            let mut history = SoundHistory::new(capacity);
            let mut all = BTreeMap::new();
            let mut next = start;
            for (missed, len) in parts {
                next += missed;
                history.append(next, &samples(next..next + len)).unwrap();
                all.extend((next..next + len).map(|i| (i, sample(i))));
                next += len;
                let kept = history.range(0);
                prop_assert!(kept.end - kept.start <= capacity as u64);
                for level in 0..history.levels() + 1 {
                    let range = history.range(level);
                    for i in range.clone() {
                        prop_assert_eq!(history.peaks(level, i), expected(&all, level, i), "level {} at {}", level, i);
                    }
                    prop_assert!(history.peaks(level, range.end).is_none());
                    prop_assert!(range.start == 0 || history.peaks(level, range.start - 1).is_none());
                }
                let in_runs: Vec<i16> = history.samples(0..u64::MAX).flat_map(|(_, run)| run.to_vec()).collect();
                prop_assert!(in_runs.into_iter().eq(all.range(kept).map(|(_, &s)| s)));
            }
        }

        #[test]
        fn any_cutting_gives_equal_levels(cuts in proptest::collection::vec(0u64..300, 0..12)) {
            let mut whole = SoundHistory::new(1500);
            let mut cut = whole.clone();
            let total = cuts.iter().sum();
            whole.append(0, &samples(0..total)).unwrap();
            let mut next = 0;
            for len in cuts {
                cut.append(next, &samples(next..next + len)).unwrap();
                next += len;
            }
            for level in 0..whole.levels() {
                prop_assert_eq!(cut.range(level), whole.range(level));
                for i in whole.range(level) {
                    prop_assert_eq!(cut.peaks(level, i), whole.peaks(level, i));
                }
            }
        }
    }
}
