//! The columns that a stream keeps for display and recording, with coarser levels for zoomed-out pictures.

use std::ops::Range;
use std::sync::Arc;

use half::f16;

use super::blocks::{Block, Pyramid, Span, Summary};
use crate::{Error, Result};

/// Columns in a block.
const BLOCK_COLUMNS: usize = 64;

/// The last columns of a stream and their maxima over 4, 16, 64, ... columns.
///
/// Level 0 are the columns as appended; column i of level k holds, bin by bin, the largest value of columns
/// [i*4^k, (i+1)*4^k), so a picture that is zoomed out hides no peak. A coarser column is there only if all of its
/// columns were. Values are magnitudes: not negative, not NaN.
///
/// Columns lie in blocks of 64; a full block is immutable and shared by whoever holds it ([`sealed`](Self::sealed)).
/// Memory is bounded: `capacity_columns` columns and a third for the coarser levels, plus two blocks a level.
#[derive(Clone, Debug)]
pub struct ColumnHistory {
    bins: usize,
    span: Span,
    pyramid: Pyramid<f16>,
}

impl Summary for f16 {
    fn merge(summary: &mut [Self], more: &[Self]) {
        // f16 that are not negative compare like their bits. As signed numbers a stray negative never wins.
        for (summary, more) in summary.iter_mut().zip(more) {
            *summary = f16::from_bits((summary.to_bits() as i16).max(more.to_bits() as i16) as u16);
        }
    }
}

impl ColumnHistory {
    /// An empty history for columns of `bins` values that keeps the last `capacity_columns` (both at least 1).
    pub fn new(bins: usize, capacity_columns: usize) -> Self {
        let (bins, span) = (bins.max(1), Span::new(capacity_columns));
        Self { bins, pyramid: Pyramid::new(span.levels(), bins, BLOCK_COLUMNS), span }
    }

    /// Appends columns, `bins` values each, one after the other; the first is column `first_column` of the stream.
    ///
    /// If columns were missed before it, they stay a hole that reads as `None`.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid), with nothing changed, if a column is already there or was passed over,
    /// or if `columns` is not a whole number of columns.
    pub fn append(&mut self, first_column: u64, columns: &[f16]) -> Result<()> {
        let (len, bins) = (columns.len(), self.bins);
        if !len.is_multiple_of(bins) {
            return Err(Error::invalid(format!(
                "column {first_column}: {len} values are not a whole number of columns of {bins} bins"
            )));
        }
        self.span.advance("column", first_column, len / bins)?;
        if len > 0 {
            self.pyramid.append(first_column, columns);
            self.pyramid.evict_before(self.span.start());
        }
        Ok(())
    }

    /// Number of values in a column.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Number of levels, 0 included.
    pub fn levels(&self) -> usize {
        self.span.levels()
    }

    /// The columns of `level` that are complete and kept; empty for a level that does not exist. Holes may lie in it.
    pub fn range(&self, level: usize) -> Range<u64> {
        self.span.range(level)
    }

    /// The `bins` values of a column, or `None` where it is not kept, not complete or in a hole.
    pub fn column(&self, level: usize, column: u64) -> Option<&[f16]> {
        self.runs(level, column..column.saturating_add(1)).next().map(|(_, values)| values)
    }

    /// The columns of `level` within `range` as contiguous runs: index of the first column, values. Holes are left out.
    pub fn runs(&self, level: usize, range: Range<u64>) -> impl Iterator<Item = (u64, &[f16])> {
        let kept = self.range(level);
        let range = range.start.max(kept.start)..range.end.min(kept.end);
        self.pyramid.level(level).into_iter().flat_map(move |blocks| blocks.runs(range.clone()))
    }

    /// The full blocks of `level`, oldest first, to be held without copying. The first may begin before
    /// [`range`](Self::range) does.
    pub fn sealed(&self, level: usize) -> impl Iterator<Item = &Arc<Block<f16>>> {
        self.pyramid.level(level).into_iter().flat_map(|blocks| blocks.sealed())
    }

    /// The coarsest level that has at least one column a pixel, for pixels as wide as `columns_per_pixel` columns.
    pub fn level_for(&self, columns_per_pixel: f64) -> usize {
        self.span.level_for(columns_per_pixel)
    }

    /// Memory held, in bytes.
    pub fn bytes(&self) -> usize {
        self.pyramid.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// Columns whose values say which they are, scattered so that maxima come from everywhere.
    fn column(bins: usize, index: u64) -> Vec<f16> {
        (0..bins as u64).map(|bin| f16::from_f32(((index * 7919 + bin * 104_729) % 1009) as f32 / 64.0)).collect()
    }

    fn columns(bins: usize, range: Range<u64>) -> Vec<f16> {
        range.flat_map(|index| column(bins, index)).collect()
    }

    /// What a column must read, from all that was ever appended.
    fn expected(all: &BTreeMap<u64, Vec<f16>>, level: usize, index: u64) -> Option<Vec<f16>> {
        let span = 1u64 << (2 * level);
        let parts = (index * span..(index + 1) * span).map(|i| all.get(&i));
        parts.collect::<Option<Vec<_>>>().map(|parts| {
            let largest = |bin: usize| parts.iter().map(|part| part[bin]).max_by(f16::total_cmp);
            (0..parts[0].len()).filter_map(largest).collect()
        })
    }

    fn read(history: &ColumnHistory) -> Vec<Vec<Option<Vec<f16>>>> {
        let level = |k| history.range(k).map(|i| history.column(k, i).map(<[f16]>::to_vec)).collect();
        (0..history.levels()).map(level).collect()
    }

    #[test]
    fn a_new_history_is_empty_everywhere() {
        let history = ColumnHistory::new(5, 100);
        assert_eq!((history.levels(), history.bytes()), (4, 0));
        assert!((0..10).all(|level| history.range(level) == (0..0) && history.column(level, 0).is_none()));
    }

    #[test]
    fn going_backwards_or_part_of_a_column_is_an_error_and_changes_nothing() {
        let mut history = ColumnHistory::new(3, 100);
        history.append(10, &columns(3, 10..14)).unwrap();
        let before = read(&history);
        for (first, values) in [(13, 3), (0, 3), (14, 4), (u64::MAX, 3)] {
            let error = history.append(first, &vec![f16::ONE; values]).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid);
            assert!(error.message.contains(&format!("column {first}")), "{error}");
        }
        assert_eq!(read(&history), before);
        assert_eq!(history.range(0), 10..14);
        assert_eq!(history.range(1), 3..3, "columns 8 and 9 are missing");
    }

    #[test]
    fn missed_columns_read_as_none_even_when_all_that_is_kept_was_missed() {
        let mut history = ColumnHistory::new(2, 50);
        history.append(0, &columns(2, 0..10)).unwrap();
        history.append(20, &columns(2, 20..30)).unwrap();
        assert_eq!(history.range(0), 0..30);
        assert!((10..20).all(|i| history.column(0, i).is_none()));
        assert_eq!(history.column(0, 20).unwrap(), column(2, 20));
        let runs: Vec<_> = history.runs(0, 5..25).map(|(first, values)| (first, values.len() / 2)).collect();
        assert_eq!(runs, [(5, 5), (20, 5)]);
        assert_eq!((2..6).filter(|&i| history.column(1, i).is_some()).collect::<Vec<_>>(), [5]);
        history.append(1 << 40, &columns(2, 1 << 40..(1 << 40) + 1)).unwrap();
        assert_eq!(history.range(0), (1 << 40) - 49..(1 << 40) + 1);
        assert_eq!(history.runs(0, 0..u64::MAX).count(), 1);
        assert_eq!(history.sealed(0).count(), 0);
    }

    #[test]
    fn a_held_block_outlives_its_eviction_unchanged() {
        let mut history = ColumnHistory::new(2, 128);
        history.append(0, &columns(2, 0..100)).unwrap();
        let held = Arc::clone(history.sealed(0).next().unwrap());
        assert!(std::ptr::eq(history.column(0, 3).unwrap(), &held.values[6..8]), "reading does not copy");
        history.append(100, &columns(2, 100..1000)).unwrap();
        assert!(history.sealed(0).all(|block| block.first > 63));
        assert_eq!(*held, Block { first: 0, values: columns(2, 0..64).into() });
    }

    #[test]
    fn the_level_for_a_zoom_has_at_least_one_column_a_pixel() {
        let history = ColumnHistory::new(1, 60_000);
        assert_eq!(history.levels(), 8);
        let cases = [(f64::NAN, 0), (0.0, 0), (3.99, 0), (4.0, 1), (15.9, 1), (16.0, 2), (1e4, 6), (1e300, 7)];
        for (columns_per_pixel, level) in cases {
            assert_eq!(history.level_for(columns_per_pixel), level, "{columns_per_pixel}");
        }
    }

    #[test]
    fn memory_stops_growing_at_the_stated_bound() {
        let (bins, capacity) = (16, 2000);
        let mut history = ColumnHistory::new(bins, capacity);
        let column_bytes = bins * 2;
        let values = (capacity + capacity / 3 + history.levels() * 2 * BLOCK_COLUMNS) * column_bytes;
        let blocks = (capacity / BLOCK_COLUMNS + 2) * 2 * size_of::<Block<f16>>();
        for first in (0..20_000).step_by(37) {
            history.append(first, &columns(bins, first..first + 37)).unwrap();
            assert!(history.bytes() <= values + blocks, "{} bytes at {first}", history.bytes());
        }
        assert!(history.bytes() >= capacity * column_bytes);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_level_equals_brute_force(
            capacity in 1usize..600,
            start in 0u64..100,
            parts in proptest::collection::vec((prop_oneof![6 => Just(0u64), 1 => 1u64..80], 0u64..90), 0..20),
        ) {
            let mut history = ColumnHistory::new(3, capacity);
            let mut all = BTreeMap::new();
            let mut next = start;
            for (missed, len) in parts {
                next += missed;
                history.append(next, &columns(3, next..next + len)).unwrap();
                all.extend((next..next + len).map(|i| (i, column(3, i))));
                next += len;
                let kept = history.range(0);
                prop_assert!(kept.end - kept.start <= capacity as u64);
                for level in 0..history.levels() + 1 {
                    let range = history.range(level);
                    let span = 1u64 << (2 * level);
                    if level < history.levels() {
                        prop_assert_eq!(&range, &(kept.start.div_ceil(span).min(kept.end / span)..kept.end / span));
                    }
                    for i in range.clone() {
                        prop_assert_eq!(history.column(level, i).map(<[f16]>::to_vec), expected(&all, level, i));
                    }
                    prop_assert!(history.column(level, range.end).is_none());
                    prop_assert!(range.start == 0 || history.column(level, range.start - 1).is_none());
                    let in_runs: Vec<f16> = history.runs(level, 0..u64::MAX).flat_map(|(_, v)| v.to_vec()).collect();
                    let one_by_one = range.filter_map(|i| history.column(level, i)).flatten().copied();
                    prop_assert!(in_runs.into_iter().eq(one_by_one));
                }
            }
        }

        #[test]
        fn any_cutting_gives_equal_levels(cuts in proptest::collection::vec(0u64..200, 0..12)) {
            let mut whole = ColumnHistory::new(2, 300);
            let mut cut = whole.clone();
            let total = cuts.iter().sum();
            whole.append(0, &columns(2, 0..total)).unwrap();
            let mut next = 0;
            for len in cuts {
                cut.append(next, &columns(2, next..next + len)).unwrap();
                next += len;
            }
            prop_assert_eq!(read(&cut), read(&whole));
        }
    }
}
