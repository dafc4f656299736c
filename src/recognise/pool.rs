//! The threads on which the recogniser computes.

use crate::{Error, Result};

/// burn's CPU backend computes on whichever rayon pool it is called in; the recogniser brings its own, so that it never
/// waits behind the trainer's work.
#[derive(Debug)]
pub struct ComputePool(rayon::ThreadPool);

impl ComputePool {
    /// A pool of `threads` (one is enough for sixteen lanes), whose threads are named after `name`.
    pub fn new(name: &'static str, threads: usize) -> Result<Self> {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(move |i| format!("{name} {i}"))
            .build()
            .map(Self)
            .map_err(|e| Error::unavailable(format!("cannot start the threads of \"{name}\": {e}")))
    }

    /// Runs `work` on the pool and waits for it.
    pub fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.0.install(work)
    }
}
