//! Sound that somebody else hands over: a socket, say. The giving end is a [`PushInput`], the taking end stands in the stream's
//! [`SourceSpec`](super::SourceSpec), so that a source that stalled can be opened anew and goes on where it was.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{Format, Intake, Source, SourceState, file::duration_of};
use crate::stream::GapCause;

/// At most this much sound a poll.
const MOST_PER_POLL_SECS: f64 = 1.0;

/// A link for mono sound. Kind: *all*; it holds so much sound that is not taken yet, and what does not fit is refused, so that
/// the giver can wait or count it as missing.
pub fn push_link(name: impl Into<Arc<str>>, sample_rate_hz: u32, holds: Duration) -> (PushInput, PushOutlet) {
    let capacity = (holds.as_secs_f64() * f64::from(sample_rate_hz)).ceil() as usize;
    let queue = Queue { samples: VecDeque::new(), gap: 0, captured: None, is_closed: false };
    let shared = Arc::new(Shared { name: name.into(), sample_rate_hz, capacity, queue: Mutex::new(queue) });
    (PushInput { shared: shared.clone() }, PushOutlet { shared })
}

#[derive(Debug)]
struct Shared {
    name: Arc<str>,
    sample_rate_hz: u32,
    capacity: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    samples: VecDeque<f32>,
    /// Samples that are missing behind those.
    gap: u64,
    /// When the newest was captured.
    captured: Option<Instant>,
    is_closed: bool,
}

/// The giving end. Dropping it ends the sound.
#[derive(Debug)]
pub struct PushInput {
    shared: Arc<Shared>,
}

impl PushInput {
    /// Hands over as many of `samples` (full scale ±1) as fit, and says how many; `captured` is when the last was heard.
    pub fn push(&self, samples: &[f32], captured: Instant) -> usize {
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.gap > 0 {
            return 0;
        }
        let fits = samples.len().min(self.shared.capacity - queue.samples.len());
        queue.samples.extend(&samples[..fits]);
        if fits > 0 {
            queue.captured = Some(captured);
        }
        fits
    }

    /// Says that so many samples are missing behind what was handed over. What follows is taken once this was heard.
    pub fn push_gap(&self, samples: u64) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).gap += samples;
    }
}

impl Drop for PushInput {
    fn drop(&mut self) {
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
    }
}

/// The taking end.
#[derive(Clone)]
pub struct PushOutlet {
    shared: Arc<Shared>,
}

impl PushOutlet {
    /// A source that takes what is handed over.
    pub fn open(&self) -> PushSource {
        PushSource { shared: self.shared.clone() }
    }
}

impl fmt::Display for PushOutlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shared.name)
    }
}

impl fmt::Debug for PushOutlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushOutlet({self})")
    }
}

impl PartialEq for PushOutlet {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl Eq for PushOutlet {}

/// What is handed over, as a source.
#[derive(Debug)]
pub struct PushSource {
    shared: Arc<Shared>,
}

impl Source for PushSource {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        let rate_hz = self.shared.sample_rate_hz;
        let mut queue = self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let most = (f64::from(rate_hz) * MOST_PER_POLL_SECS).ceil() as usize;
        let len = queue.samples.len().min(most);
        // What still waits was heard later than what is taken.
        let waits = duration_of((queue.samples.len() - len) as u64, rate_hz);
        let newest = queue.captured.unwrap_or(now);
        let captured = newest.checked_sub(waits).unwrap_or(newest);
        intake.push_block(Format { sample_rate_hz: rate_hz, channels: 1 }, captured, |out| {
            out.extend(queue.samples.drain(..len));
        });
        if queue.samples.is_empty() {
            intake.push_gap(std::mem::take(&mut queue.gap), GapCause::Overrun);
        }
        match queue.is_closed && queue.samples.is_empty() {
            true => SourceState::Ended,
            false => SourceState::Flowing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Delivery;

    fn take(source: &mut PushSource, now: Instant) -> (Vec<f32>, u64, SourceState) {
        let (mut intake, mut samples, mut missing) = (Intake::default(), Vec::new(), 0);
        let state = source.poll(now, &mut intake);
        for delivery in intake.deliveries() {
            match delivery {
                Delivery::Block { samples: block, .. } => samples.extend_from_slice(block),
                Delivery::Gap { frames, .. } => missing += frames,
            }
        }
        (samples, missing, state)
    }

    #[test]
    fn what_does_not_fit_is_refused_and_nothing_is_lost() {
        let now = Instant::now();
        let (input, outlet) = push_link("test", 10, Duration::from_secs(2));
        let sound: Vec<_> = (0..50).map(|n| n as f32).collect();
        assert_eq!(input.push(&sound, now), 20);
        assert_eq!(input.push(&sound[20..], now), 0);
        let mut source = outlet.open();
        assert_eq!(take(&mut source, now), (sound[..10].to_vec(), 0, SourceState::Flowing), "a second a poll");
        assert_eq!(input.push(&sound[20..], now), 10);
        // A stall opens it anew; it goes on where it was.
        let mut again = outlet.open();
        assert_eq!(take(&mut again, now).0, sound[10..20]);
        drop(input);
        assert_eq!(take(&mut again, now), (sound[20..30].to_vec(), 0, SourceState::Ended));
    }

    #[test]
    fn a_gap_keeps_its_place() {
        let now = Instant::now();
        let (input, outlet) = push_link("test", 10, Duration::from_secs(2));
        input.push(&[1.0, 2.0], now);
        input.push_gap(7);
        assert_eq!(input.push(&[3.0], now), 0, "not before the gap was heard");
        let mut source = outlet.open();
        assert_eq!(take(&mut source, now), (vec![1.0, 2.0], 7, SourceState::Flowing));
        assert_eq!(input.push(&[3.0], now), 1);
        assert_eq!(take(&mut source, now), (vec![3.0], 0, SourceState::Flowing));
    }
}
