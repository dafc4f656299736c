//! Keeps the rings of all lanes filled with what is visible: asks the plan, copies from the history, queues the upload.

use std::{collections::HashMap, ops::Range};

use bevy::prelude::Entity;

use super::{
    plan::{Ring, Visible},
    plot::{PlotFrame, RingKind, Upload},
};

/// One kind of ring for every lane.
#[derive(Debug, Default)]
pub struct Feed {
    rings: HashMap<Entity, Ring>,
    generation: u32,
}

impl Feed {
    /// Starts a drawn frame: forgets lanes that are gone, and everything when the GPU's objects were made anew.
    pub fn begin(&mut self, generation: u32, alive: impl Fn(Entity) -> bool) {
        if self.generation != generation {
            self.generation = generation;
            self.rings.clear();
        }
        self.rings.retain(|&lane, _| alive(lane));
    }

    /// Queues what `visible` needs and the lane's ring of `capacity` lacks. `copy` writes whole entries of the history, little
    /// endian, into zeroed bytes; holes stay zero. Returns the slot of the first visible entry and how many entries were queued.
    pub fn show(
        &mut self,
        lane: Entity,
        kind: RingKind,
        capacity: u64,
        visible: &Visible,
        frame: &mut PlotFrame,
        copy: impl Fn(Range<u64>, &mut [u8]),
    ) -> (u32, u64) {
        let ring = self.rings.entry(lane).or_insert_with(|| Ring::new(capacity));
        if ring.capacity() != capacity {
            *ring = Ring::new(capacity);
        }
        let plan = ring.plan(visible.level, visible.entries.clone());
        for part in &plan.parts {
            let mut bytes = vec![0; (part.end - part.start) as usize * kind.entry_bytes() as usize];
            copy(part.clone(), &mut bytes);
            let slot = ring.slot(part.start);
            frame.uploads.push(Upload { lane, kind, capacity: capacity as u32, slot, bytes: bytes.into() });
        }
        (ring.slot(visible.entries.start), plan.entries())
    }
}
