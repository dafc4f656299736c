//! What to send to the GPU: pure bookkeeping of a ring of entries (columns of a spectrogram, peaks of a waveform) that holds
//! what is visible. Only what became visible is sent, however long the history is.

use std::ops::Range;

/// Entries a ring keeps beyond the visible ones, so that a fraction of an entry at either edge is always there.
pub const MARGIN: u64 = 8;

/// Which entries a ring on the GPU holds, at which level of the history. Entry `i` lies in slot `i % capacity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    capacity: u64,
    level: usize,
    held: Range<u64>,
}

/// Entries to send: each part is contiguous in the history and in the ring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadPlan {
    /// Level of the history that the entries are of.
    pub level: usize,
    /// Entry ranges, at most four: two ends, each cut once where the ring wraps.
    pub parts: Vec<Range<u64>>,
}

impl UploadPlan {
    /// Entries in all parts.
    pub fn entries(&self) -> u64 {
        self.parts.iter().map(|part| part.end - part.start).sum()
    }
}

impl Ring {
    /// An empty ring of `capacity` entries (at least one).
    pub fn new(capacity: u64) -> Self {
        Self { capacity: capacity.max(1), level: 0, held: 0..0 }
    }

    /// How many entries fit.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// The entries that the GPU has, once every plan so far is carried out.
    pub fn held(&self) -> Range<u64> {
        self.held.clone()
    }

    /// Where entry `index` lies.
    pub fn slot(&self, index: u64) -> u32 {
        (index % self.capacity) as u32
    }

    /// Plans what to send so that `wanted` of `level` is held, and takes it as sent. Of a range longer than the ring only the
    /// newest part is kept. `wanted` must exist in the history.
    pub fn plan(&mut self, level: usize, wanted: Range<u64>) -> UploadPlan {
        let wanted = wanted.end.saturating_sub(self.capacity).max(wanted.start)..wanted.end;
        let mut plan = UploadPlan { level, parts: Vec::new() };
        if wanted.is_empty() {
            return plan;
        }
        let held = &self.held;
        let joins = level == self.level && !held.is_empty() && wanted.start <= held.end && held.start <= wanted.end;
        if joins {
            self.cut(wanted.start..held.start.min(wanted.end), &mut plan.parts);
            self.cut(held.end.max(wanted.start)..wanted.end, &mut plan.parts);
            let mut union = held.start.min(wanted.start)..held.end.max(wanted.end);
            // What was written last has overwritten the far side.
            if union.end - union.start > self.capacity {
                if wanted.end > held.end {
                    union.start = union.end - self.capacity;
                } else {
                    union.end = union.start + self.capacity;
                }
            }
            self.held = union;
        } else {
            self.cut(wanted.clone(), &mut plan.parts);
            self.held = wanted;
        }
        self.level = level;
        plan
    }

    /// Adds `range`, cut where the ring wraps.
    fn cut(&self, range: Range<u64>, parts: &mut Vec<Range<u64>>) {
        let mut start = range.start;
        while start < range.end {
            let end = range.end.min((start / self.capacity + 1) * self.capacity);
            parts.push(start..end);
            start = end;
        }
    }
}

/// The coarsest level that still has an entry a pixel when `entries` of level 0 fill `pixels`; coarser where the ring could not
/// hold that many. Each level joins [`JOIN`] entries of the one below.
pub fn level_for(entries: f64, pixels: f64, levels: usize, capacity: u64) -> usize {
    let room = capacity.saturating_sub(MARGIN).max(1) as f64;
    let mut level = 0;
    let mut left = entries;
    while level + 1 < levels && (left / JOIN as f64 >= pixels || left > room) {
        left /= JOIN as f64;
        level += 1;
    }
    level
}

/// The entries of a level that a lane shows, and where they lie in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Visible {
    /// Level of the history.
    pub level: usize,
    /// Entries that are there, a little beyond both edges.
    pub entries: Range<u64>,
    /// The lane's left edge in entries after the first one: small, so that it stays exact in f32 however long the stream runs.
    pub left: f32,
    /// Entries across the lane.
    pub span: f32,
}

impl Visible {
    /// What is seen between two positions, in entries of level 0, of a history that keeps `kept` at `level`.
    pub fn new(level: usize, kept: Range<u64>, left: f64, right: f64) -> Self {
        let joined = entries_joined(level) as f64;
        let (left, right) = (left / joined, right / joined);
        let from = (left.floor() - 1.0).max(0.0) as u64;
        let to = (right.ceil() + 1.0).max(0.0) as u64;
        let start = from.max(kept.start);
        let entries = if start < to.min(kept.end) { start..to.min(kept.end) } else { from..from };
        Self { level, left: (left - entries.start as f64) as f32, span: (right - left) as f32, entries }
    }
}

impl Visible {
    /// The same, of a history whose finest entries each stand for `joined` of the stream, named by the level that these have in the
    /// stream: a ring that holds entries of one level must not take those of another for them.
    pub fn of_stream(&self, joined: u64) -> Self {
        let levels = (0..).take_while(|&level| entries_joined(level) < joined).count();
        Self { level: self.level + levels, ..self.clone() }
    }
}

/// How many entries of a level one entry of the next covers.
pub const JOIN: u64 = 4;

/// Entries of level 0 that one entry of `level` covers.
pub fn entries_joined(level: usize) -> u64 {
    JOIN.saturating_pow(level as u32)
}

/// A ring for a lane `pixels` wide that holds every level's worst case (just under [`JOIN`] entries a pixel), as a power of two
/// so that resizing a window seldom makes a new one, within the device's `limit`.
pub fn ring_capacity(pixels: f64, limit: u32) -> u64 {
    let worst = pixels.max(1.0) * JOIN as f64 + MARGIN as f64;
    (worst.ceil() as u64).next_power_of_two().clamp(1024, u64::from(limit.max(1024)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scrolling_sends_each_entry_once() {
        let mut ring = Ring::new(100);
        assert_eq!(ring.plan(0, 0..60).parts, std::slice::from_ref(&(0..60)));
        assert_eq!(ring.plan(0, 0..60).entries(), 0);
        assert_eq!(ring.plan(0, 2..62).parts, std::slice::from_ref(&(60..62)));
        assert_eq!(ring.plan(0, 45..105).parts, [62..100, 100..105], "cut where the ring wraps");
        assert_eq!(ring.held(), 5..105);
        assert_eq!(ring.slot(103), 3);
    }

    #[test]
    fn looking_back_sends_only_what_was_overwritten() {
        let mut ring = Ring::new(100);
        ring.plan(0, 1000..1060);
        ring.plan(0, 1060..1120);
        assert_eq!(ring.held(), 1020..1120);
        assert_eq!(ring.plan(0, 1030..1090).entries(), 0, "still there");
        assert_eq!(ring.plan(0, 1000..1060).parts, std::slice::from_ref(&(1000..1020)));
        assert_eq!(ring.plan(0, 500..560).parts, std::slice::from_ref(&(500..560)));
    }

    #[test]
    fn another_level_starts_over() {
        let mut ring = Ring::new(100);
        ring.plan(0, 0..60);
        assert_eq!(ring.plan(1, 0..15).parts, std::slice::from_ref(&(0..15)));
        assert_eq!(ring.held(), 0..15);
    }

    #[test]
    fn a_level_has_an_entry_a_pixel_and_fits() {
        assert_eq!(level_for(900.0, 1000.0, 8, 8192), 0);
        assert_eq!(level_for(3999.0, 1000.0, 8, 8192), 0);
        assert_eq!(level_for(4000.0, 1000.0, 8, 8192), 1);
        assert_eq!(level_for(3999.0, 1000.0, 8, 1024), 1, "fits the ring before it fills the pixels");
        assert_eq!(level_for(1e12, 1000.0, 3, 8192), 2, "the history has no coarser one");
        assert_eq!(ring_capacity(1200.0, 8192), 8192);
        assert_eq!(ring_capacity(960.0, 8192), 4096);
        assert_eq!(ring_capacity(5000.0, 8192), 8192);
    }

    #[test]
    fn what_is_visible_keeps_its_place_after_a_day() {
        let day = 86_400.0 * 93.75;
        let visible = Visible::new(0, 0..10_000_000, day + 0.25, day + 937.25);
        assert_eq!(visible.entries, 8_099_999..8_100_939);
        assert_eq!((visible.left, visible.span), (1.25, 937.0));
        let young = Visible::new(0, 0..10, -900.0, 37.0);
        assert_eq!((young.entries, young.left), (0..10, -900.0));
        let coarse = Visible::new(2, 5..50, 160.0, 3200.0);
        assert_eq!((coarse.entries, coarse.left, coarse.span), (9..50, 1.0, 190.0));
        assert!(Visible::new(0, 0..10, 1e6, 2e6).entries.is_empty());
        assert!(Visible::new(0, 0..0, -10.0, 0.0).entries.is_empty());
    }

    proptest! {
        /// A model of the texture: carrying out the plans leaves every wanted entry in its slot, whatever was looked at before.
        #[test]
        fn the_ring_always_holds_what_is_wanted(
            views in prop::collection::vec((0usize..3, 0u64..400, 1u64..64), 1..60),
        ) {
            let mut ring = Ring::new(64);
            let mut slots = vec![None; 64];
            for (level, start, len) in views {
                let wanted = start..start + len;
                let plan = ring.plan(level, wanted.clone());
                for part in &plan.parts {
                    prop_assert!(ring.slot(part.start) as u64 + (part.end - part.start) <= 64, "wraps");
                    prop_assert!(wanted.start <= part.start && part.end <= wanted.end, "nothing beyond what is wanted");
                    for i in part.clone() {
                        slots[ring.slot(i) as usize] = Some((level, i));
                    }
                }
                for i in ring.held() {
                    prop_assert_eq!(slots[ring.slot(i) as usize], Some((level, i)));
                }
                prop_assert!(ring.held().start <= wanted.start && wanted.end <= ring.held().end);
            }
        }
    }
}
