//! Values kept in immutable, shareable blocks and a growing tail, and a pyramid of such, each level a fourth as long.

use std::collections::VecDeque;
use std::iter::once;
use std::ops::Range;
use std::sync::Arc;

use crate::{Error, Result};

/// A run of consecutive items that never changes again.
#[derive(Debug, PartialEq)]
pub struct Block<T> {
    /// Index of its first item.
    pub first: u64,
    /// The items' values, one item after the other.
    pub values: Box<[T]>,
}

/// Items of `width` values each, by rising index, with holes where none were given.
#[derive(Clone, Debug)]
pub(super) struct Blocks<T> {
    width: usize,
    block_items: usize,
    sealed: VecDeque<Arc<Block<T>>>,
    tail_first: u64,
    tail: Vec<T>,
}

impl<T: Copy> Blocks<T> {
    /// Nothing yet; a block is sealed at `block_items` items. Neither argument may be 0.
    pub(super) fn new(width: usize, block_items: usize) -> Self {
        Self { width, block_items, sealed: VecDeque::new(), tail_first: 0, tail: Vec::new() }
    }

    /// Appends items, the first of them at index `first`, which must not be below [`end`](Self::end).
    pub(super) fn append(&mut self, first: u64, mut values: &[T]) {
        debug_assert!(first >= self.end(), "the caller checked that items rise");
        if first != self.end() {
            self.seal();
            self.tail_first = first;
        }
        let full = self.block_items * self.width;
        while !values.is_empty() {
            self.tail.reserve_exact(full - self.tail.len());
            let (now, later) = values.split_at((full - self.tail.len()).min(values.len()));
            self.tail.extend_from_slice(now);
            values = later;
            if self.tail.len() == full {
                self.seal();
            }
        }
    }

    /// One past the last item.
    pub(super) fn end(&self) -> u64 {
        self.tail_first + (self.tail.len() / self.width) as u64
    }

    /// The contiguous runs of items within `range`: index of the first, values. Holes are left out.
    pub(super) fn runs(&self, range: Range<u64>) -> impl Iterator<Item = (u64, &[T])> {
        let width = self.width;
        let end_of = move |first: u64, values: &[T]| first + (values.len() / width) as u64;
        let skipped = self.sealed.partition_point(|block| end_of(block.first, &block.values) <= range.start);
        let blocks = self.sealed.range(skipped..).map(|block| (block.first, &block.values[..]));
        blocks
            .chain(once((self.tail_first, &self.tail[..])))
            .take_while(move |&(first, _)| first < range.end)
            .filter_map(move |(first, values)| {
                let (start, end) = (first.max(range.start), end_of(first, values).min(range.end));
                let places = |index: u64| (index - first) as usize * width;
                (start < end).then(|| (start, &values[places(start)..places(end)]))
            })
    }

    /// The values of item `index`.
    pub(super) fn item(&self, index: u64) -> Option<&[T]> {
        self.runs(index..index.saturating_add(1)).next().map(|(_, values)| values)
    }

    /// The sealed blocks, oldest first, for those who want to hold them.
    pub(super) fn sealed(&self) -> impl ExactSizeIterator<Item = &Arc<Block<T>>> {
        self.sealed.iter()
    }

    /// Lets go of the blocks that lie wholly before item `index`.
    pub(super) fn evict_before(&mut self, index: u64) {
        let width = self.width;
        let gone = |block: &Arc<Block<T>>| block.first + (block.values.len() / width) as u64 <= index;
        while self.sealed.front().is_some_and(gone) {
            self.sealed.pop_front();
        }
    }

    /// Memory held, in bytes, tail included.
    pub(super) fn bytes(&self) -> usize {
        let values = self.sealed.iter().map(|block| block.values.len()).sum::<usize>() + self.tail.capacity();
        values * size_of::<T>() + self.sealed.len() * size_of::<Block<T>>()
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            let (first, next) = (self.tail_first, self.end());
            let values = std::mem::take(&mut self.tail).into_boxed_slice();
            self.sealed.push_back(Arc::new(Block { first, values }));
            self.tail_first = next;
        }
    }
}

/// Values of which four make one of the next coarser level.
pub(super) trait Summary: Copy {
    /// Takes `more` into `summary`, value by value.
    fn merge(summary: &mut [Self], more: &[Self]);
}

/// Level k item i sums up the base items [i*4^k, (i+1)*4^k), and is there only if all of these are.
#[derive(Clone, Debug)]
pub(super) struct Pyramid<T> {
    levels: Vec<Level<T>>,
}

#[derive(Clone, Debug)]
struct Level<T> {
    blocks: Blocks<T>,
    /// The summary of the last items, on the way to the next level, and the index that continues it.
    gathered: Vec<T>,
    next: u64,
}

impl<T: Summary> Pyramid<T> {
    /// `levels` (at least one) levels of items of `width` values.
    pub(super) fn new(levels: usize, width: usize, block_items: usize) -> Self {
        let level = || Level { blocks: Blocks::new(width, block_items), gathered: Vec::new(), next: 0 };
        Self { levels: std::iter::repeat_with(level).take(levels.max(1)).collect() }
    }

    /// Appends base items as [`Blocks::append`] does, and to the coarser levels what they complete.
    pub(super) fn append(&mut self, first: u64, values: &[T]) {
        let width = self.levels[0].blocks.width;
        self.levels[0].blocks.append(first, values);
        for (index, item) in (first..).zip(values.chunks_exact(width)) {
            sum_up(&mut self.levels, index, item);
        }
    }

    /// One level's blocks.
    pub(super) fn level(&self, level: usize) -> Option<&Blocks<T>> {
        self.levels.get(level).map(|level| &level.blocks)
    }

    /// Lets go of the blocks that lie wholly before base item `index`.
    pub(super) fn evict_before(&mut self, index: u64) {
        for (k, level) in self.levels.iter_mut().enumerate() {
            level.blocks.evict_before(index >> (2 * k));
        }
    }

    /// Memory held, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.levels.iter().map(|level| level.blocks.bytes() + level.gathered.capacity() * size_of::<T>()).sum()
    }
}

/// Takes `item`, which was appended at `index` to the first of `levels`, into the coarser ones.
fn sum_up<T: Summary>(levels: &mut [Level<T>], index: u64, item: &[T]) {
    let Some((finer, coarser)) = levels.split_first_mut() else { return };
    let Some(next_level) = coarser.first_mut() else { return };
    if index.is_multiple_of(4) {
        finer.gathered.clear();
        finer.gathered.extend_from_slice(item);
    } else if index == finer.next {
        T::merge(&mut finer.gathered, item);
    } else {
        return; // an earlier one of the four is missing
    }
    finer.next = index + 1;
    if finer.next.is_multiple_of(4) {
        next_level.blocks.append(index / 4, &finer.gathered);
        sum_up(coarser, index / 4, &finer.gathered);
    }
}

/// Which items of a stream are kept: the last `capacity` before its end.
#[derive(Clone, Debug)]
pub(super) struct Span {
    first: Option<u64>,
    end: u64,
    capacity: u64,
}

impl Span {
    pub(super) fn new(capacity: usize) -> Self {
        Self { first: None, end: 0, capacity: capacity.max(1) as u64 }
    }

    /// How many levels are worth having: one item of the coarsest fits into the capacity.
    pub(super) fn levels(&self) -> usize {
        self.capacity.ilog(4) as usize + 1
    }

    /// Moves the end behind `len` items (called `what`) from `first` on.
    ///
    /// # Errors
    /// [`Invalid`](crate::ErrorKind::Invalid) if that would be backwards or beyond the largest index.
    pub(super) fn advance(&mut self, what: &str, first: u64, len: usize) -> Result<()> {
        if first < self.end {
            let end = self.end;
            return Err(Error::invalid(format!("{what} {first} came again or late: {what} {end} was next")));
        }
        let end = first.checked_add(len as u64);
        let end =
            end.ok_or_else(|| Error::invalid(format!("{what} {first}: {len} more are beyond the largest index")))?;
        if len > 0 {
            self.first.get_or_insert(first);
            self.end = end;
        }
        Ok(())
    }

    /// The first item that is kept.
    pub(super) fn start(&self) -> u64 {
        self.first.unwrap_or(0).max(self.end.saturating_sub(self.capacity))
    }

    /// The items of a level that lie wholly within what is kept.
    pub(super) fn range(&self, level: usize) -> Range<u64> {
        if level >= self.levels() {
            return 0..0;
        }
        let end = self.end >> (2 * level);
        self.start().div_ceil(1 << (2 * level)).min(end)..end
    }

    /// The coarsest level of which at least one item falls on a pixel of `items_per_pixel` base items.
    pub(super) fn level_for(&self, items_per_pixel: f64) -> usize {
        let coarsest = self.levels() - 1;
        (1..=coarsest).take_while(|&level| (1u64 << (2 * level)) as f64 <= items_per_pixel).count()
    }
}
