//! Links between tasks. Every one is bounded and of one of three kinds:
//!
//! * [`Kind::All`]: everything counts. When it is full the sender keeps the item, and says what it does with it.
//! * [`Kind::Recent`]: as much of the newest as fits. When it is full the oldest item is dropped and counted.
//! * [`Kind::Newest`]: one value, of which only the newest counts ([`Latest`]).

use std::sync::{
    Arc, Mutex, PoisonError, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, TrySendError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Text;

/// What a link does when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LinkKind)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Everything counts; a full link refuses.
    All,
    /// The newest items count; a full link drops its oldest.
    Recent,
    /// One value; a new one replaces it.
    Newest,
}

/// How full a link is, as the status shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct LinkStatus {
    /// What it carries, and for whom.
    pub name: Text,
    /// What it does when it is full.
    pub kind: Kind,
    /// Items in it.
    pub len: usize,
    /// Items that it can hold.
    pub capacity: usize,
    /// Items dropped or refused since it was made.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    dropped: AtomicU64,
}

type Gauge = Box<dyn Fn() -> Option<LinkStatus> + Send + Sync>;

/// The links there are, for the status. A link leaves when its last end is dropped.
#[derive(Clone, Default)]
pub struct LinkRegistry {
    gauges: Arc<Mutex<Vec<Gauge>>>,
}

impl LinkRegistry {
    /// A bounded link.
    pub fn bounded<T: Send + 'static>(
        &self,
        name: impl Into<Text>,
        kind: Kind,
        capacity: usize,
    ) -> (LinkSender<T>, LinkReceiver<T>) {
        let (sender, receiver) = crossbeam_channel::bounded(capacity.max(1));
        let counters = Arc::new(Counters::default());
        let name = name.into();
        let gauge_receiver = receiver.clone();
        let alive = Arc::downgrade(&counters);
        let gauge: Gauge = Box::new(move || {
            let counters: Arc<Counters> = Weak::upgrade(&alive)?;
            Some(LinkStatus {
                name: name.clone(),
                kind,
                len: gauge_receiver.len(),
                capacity,
                dropped: counters.dropped.load(Relaxed),
            })
        });
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).push(gauge);
        (
            LinkSender { sender, oldest: receiver.clone(), kind, counters: counters.clone() },
            LinkReceiver { receiver, _counters: counters },
        )
    }

    /// How full each link is.
    pub fn status(&self) -> Vec<LinkStatus> {
        let mut statuses = Vec::new();
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner).retain(|gauge| match gauge() {
            Some(status) => {
                statuses.push(status);
                true
            }
            None => false,
        });
        statuses
    }
}

/// The sending end of a bounded link. It never blocks.
#[derive(Debug)]
pub struct LinkSender<T> {
    sender: Sender<T>,
    oldest: Receiver<T>,
    kind: Kind,
    counters: Arc<Counters>,
}

impl<T> Clone for LinkSender<T> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            oldest: self.oldest.clone(),
            kind: self.kind,
            counters: self.counters.clone(),
        }
    }
}

impl<T> LinkSender<T> {
    /// Sends `item`. On a full [`Kind::Recent`] link the oldest item makes room; on a full [`Kind::All`] link the item
    /// comes back, counted.
    pub fn send(&self, mut item: T) -> Result<(), T> {
        loop {
            match self.sender.try_send(item) {
                Ok(()) => return Ok(()),
                Err(TrySendError::Full(back)) if self.kind == Kind::Recent => {
                    if self.oldest.try_recv().is_ok() {
                        self.counters.dropped.fetch_add(1, Relaxed);
                    }
                    item = back;
                }
                Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => {
                    self.counters.dropped.fetch_add(1, Relaxed);
                    return Err(back);
                }
            }
        }
    }

    /// Items in the link.
    pub fn len(&self) -> usize {
        self.sender.len()
    }

    /// Whether nothing waits in the link.
    pub fn is_empty(&self) -> bool {
        self.sender.is_empty()
    }

    /// Items that the link can hold.
    pub fn capacity(&self) -> usize {
        self.sender.capacity().unwrap_or(usize::MAX)
    }
}

/// The receiving end of a bounded link. It never blocks.
#[derive(Debug)]
pub struct LinkReceiver<T> {
    receiver: Receiver<T>,
    _counters: Arc<Counters>,
}

impl<T> LinkReceiver<T> {
    /// The oldest item, if there is one.
    pub fn try_recv(&self) -> Option<T> {
        self.receiver.try_recv().ok()
    }

    /// Items in the link.
    pub fn len(&self) -> usize {
        self.receiver.len()
    }

    /// Whether nothing waits in the link.
    pub fn is_empty(&self) -> bool {
        self.receiver.is_empty()
    }
}

/// A value of which only the newest counts. One owner publishes, anyone loads; neither ever waits.
#[derive(Debug)]
pub struct Latest<T> {
    cell: Arc<ArcSwap<T>>,
}

impl<T> Clone for Latest<T> {
    fn clone(&self) -> Self {
        Self { cell: self.cell.clone() }
    }
}

impl<T> Latest<T> {
    /// A cell that holds `value`.
    pub fn new(value: T) -> Self {
        Self { cell: Arc::new(ArcSwap::from_pointee(value)) }
    }

    /// Replaces the value.
    pub fn publish(&self, value: T) {
        self.cell.store(Arc::new(value));
    }

    /// The newest value.
    pub fn load(&self) -> Arc<T> {
        self.cell.load_full()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_full_all_link_gives_the_item_back_and_counts_it() {
        let links = LinkRegistry::default();
        let (sender, receiver) = links.bounded("sound", Kind::All, 2);
        assert_eq!([sender.send(1), sender.send(2), sender.send(3)], [Ok(()), Ok(()), Err(3)]);
        let status = &links.status()[0];
        assert_eq!((status.len, status.capacity, status.dropped), (2, 2, 1));
        assert_eq!([receiver.try_recv(), receiver.try_recv(), receiver.try_recv()], [Some(1), Some(2), None]);
        drop((sender, receiver));
        assert!(links.status().is_empty());
    }

    proptest! {
        #[test]
        fn links_keep_the_order_and_a_recent_link_keeps_the_newest(items in prop::collection::vec(any::<u32>(), 0..200), capacity in 1usize..50) {
            let links = LinkRegistry::default();
            let (sender, receiver) = links.bounded("columns", Kind::Recent, capacity);
            for item in &items {
                prop_assert_eq!(sender.send(*item), Ok(()));
            }
            let kept: Vec<_> = std::iter::from_fn(|| receiver.try_recv()).collect();
            prop_assert_eq!(&kept[..], &items[items.len().saturating_sub(capacity)..]);
            drop(receiver);
        }
    }
}
