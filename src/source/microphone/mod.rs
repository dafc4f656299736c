//! A microphone as a source: the device is opened, watched and closed on a thread of its own (`device`), its callback only
//! moves samples (`callback`), and the pump's turn reads them and keeps their time (`clock`).

pub mod callback;
mod clock;
mod device;
mod host;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use callback::{BlockMark, CaptureOutput};
use clock::CaptureClock;
use crossbeam_channel::TryRecvError;
pub use device::{DeviceInfo, devices, keeper_threads};
use device::{Keeper, Notice};
pub(crate) use host::sound_system;

use super::{ChannelChoice, Format, Intake, Source, SourceState};
use crate::{Error, Result, stream::GapCause};

/// After this long without sound the stream counts as stalled, here and in the pump.
const STALLED_AFTER: Duration = Duration::from_millis(500);
/// At the start and after a stall, blocks are held back this long, until it is known whether older ones come along.
const SETTLING: Duration = Duration::from_millis(100);
/// Opening that takes longer than this has failed. A suspended source is opening for as long as it is suspended, so the
/// limit only spares the lane a call that never returns.
const OPENING_LIMIT: Duration = Duration::from_secs(30);

/// A microphone that is being opened or is open.
pub struct Microphone {
    keeper: Keeper,
    channel: ChannelChoice,
    first_poll: Option<Instant>,
    capture: Option<Capture>,
    failure: Option<Error>,
}

/// An open device stream, as the pump sees it.
struct Capture {
    format: Format,
    link: CaptureOutput,
    /// The same moment on this machine's clock and on the device stream's, nanoseconds.
    anchor: (Instant, u64),
    clock: CaptureClock,
    xruns: Arc<AtomicU64>,
    /// When the last block was handed over.
    last_delivery: Option<Instant>,
    /// Nothing came for so long that the pump has noticed; true at the start.
    is_stalled: bool,
    /// Blocks held back, and when the first of them was seen.
    held: Vec<(BlockMark, Instant)>,
    held_since: Option<Instant>,
    latency: Duration,
}

impl Microphone {
    /// Begins to open the device `id`, or the default one; what is wrong with it is told by the polls.
    ///
    /// # Errors
    /// When the system has no thread left, or too many earlier attempts hang in the sound server.
    pub fn open(id: Option<&str>, channel: ChannelChoice) -> Result<Self> {
        Ok(Self { keeper: Keeper::start(id)?, channel, first_poll: None, capture: None, failure: None })
    }

    /// Times that the device itself said it had lost sound.
    pub fn xruns(&self) -> u64 {
        self.capture.as_ref().map_or(0, |capture| capture.xruns.load(Relaxed))
    }

    fn opened(&mut self, opened: device::Opened) {
        let channels = opened.format.channels;
        if let ChannelChoice::One(index) = self.channel
            && index >= channels
        {
            self.failure = Some(Error::invalid(format!(
                "channel {} of {} was asked for, which has {channels}: choose 1 to {channels}",
                u32::from(index) + 1,
                opened.name
            )));
            return;
        }
        self.capture = Some(Capture {
            format: opened.format,
            link: opened.link,
            anchor: opened.anchor,
            clock: CaptureClock::new(opened.format.sample_rate_hz),
            xruns: opened.xruns,
            last_delivery: None,
            is_stalled: true,
            held: Vec::new(),
            held_since: None,
            latency: Duration::ZERO,
        });
    }
}

impl Source for Microphone {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        let first_poll = *self.first_poll.get_or_insert(now);
        loop {
            match self.keeper.notices.try_recv() {
                Ok(Notice::Opened(opened)) => self.opened(*opened),
                Ok(Notice::Failed(error)) => self.failure = self.failure.take().or(Some(error)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => {
                    let gone = || Error::internal("the thread that looks after the microphone died");
                    self.failure.get_or_insert_with(gone);
                    break;
                }
            }
        }
        let is_flowing = self.capture.as_mut().is_some_and(|capture| capture.poll(now, self.failure.is_some(), intake));
        match &self.failure {
            // What came before the fault was handed over with this poll.
            Some(error) => SourceState::Failed(error.clone()),
            None if is_flowing => SourceState::Flowing,
            None if now.saturating_duration_since(first_poll) > OPENING_LIMIT => SourceState::Failed(
                Error::unavailable("the microphone gives no sound: is it suspended or in use elsewhere?"),
            ),
            None => SourceState::Opening,
        }
    }

    fn latency(&self) -> Option<Duration> {
        self.capture.as_ref().map(|capture| capture.latency)
    }
}

impl Capture {
    /// Hands over what came; whether anything ever came. At the end nothing is held back any more.
    fn poll(&mut self, now: Instant, is_end: bool, intake: &mut Intake) -> bool {
        if let Some(last) = self.last_delivery
            && self.link.is_empty()
            && now.saturating_duration_since(last) >= STALLED_AFTER
        {
            self.is_stalled = true;
        }
        while let Some(mark) = self.link.next_mark() {
            let at = self.instant(mark.called_nanos, now);
            if self.is_stalled {
                self.held.push((mark, at));
                self.held_since.get_or_insert(now);
            } else {
                self.deliver(mark, at, now, intake);
            }
        }
        if let Some(since) = self.held_since
            && (is_end || now.saturating_duration_since(since) >= SETTLING)
        {
            // The pump fills the gap itself, up to the capture time of the block that comes next.
            let missing = self.clock.missing_before(self.held.iter().map(|(mark, at)| (u64::from(mark.frames), *at)));
            self.clock.add_missing(missing);
            let mut held = std::mem::take(&mut self.held);
            for (mark, at) in held.drain(..) {
                self.deliver(mark, at, now, intake);
            }
            (self.held, self.held_since, self.is_stalled) = (held, None, false);
        }
        self.last_delivery.is_some()
    }

    fn deliver(&mut self, mark: BlockMark, at: Instant, now: Instant, intake: &mut Intake) {
        if mark.missing_frames > 0 {
            self.clock.add_missing(mark.missing_frames);
            intake.push_gap(mark.missing_frames, GapCause::Overrun);
        }
        // What the server dropped without a word is found out within two seconds: the gap stands that much too late.
        let missing = self.clock.add_block(u64::from(mark.frames), at);
        intake.push_gap(missing, GapCause::Overrun);
        let captured = self.clock.captured(now);
        intake.push_block(self.format, captured, |out| self.link.read(mark, out));
        self.last_delivery = Some(now);
        self.latency = Duration::from_nanos(mark.latency_nanos);
    }

    /// A moment on the device stream's clock as one on this machine's.
    fn instant(&self, nanos: u64, now: Instant) -> Instant {
        let (here, there) = self.anchor;
        let at = if nanos >= there {
            here.checked_add(Duration::from_nanos(nanos - there))
        } else {
            here.checked_sub(Duration::from_nanos(there - nanos))
        };
        at.map_or(now, |at| at.min(now))
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
