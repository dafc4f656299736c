//! The pump: fills one stream, whatever happens to its source. It owns the connection's state machine, the clock and the gaps.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Connection, ConnectionState, Gap, GapCause, GapLedger, StreamCommand,
    analysis::Analysis,
    convert::Converter,
    grid::Samples,
    outage::Outage,
    report::{Opener, PumpOutputs, PumpReport, StreamSettings, StreamStats},
};
use crate::{
    Error, Result, Text,
    event::Event,
    link::LinkReceiver,
    recognise::lanes::LaneMessageKind,
    source::{Delivery, Format, Intake, PacketCounts, Source, SourceState},
    task::{Job, Next},
};

#[path = "hand_on.rs"]
mod hand_on;
#[path = "obey.rs"]
mod obey;
#[path = "watch.rs"]
mod watch;

/// A pump looks after its source this often.
const TICK: Duration = Duration::from_millis(5);
/// Back-off of the attempts to open a source: the first, doubled up to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(1)];
/// Exact zeros for this long say "muted?".
const SILENT_SECS: u64 = 3;

/// Fills one stream.
pub struct Pump {
    opener: Opener,
    settings: StreamSettings,
    orders: LinkReceiver<StreamCommand>,
    out: PumpOutputs,
    wants_source: bool,
    source: Option<Box<dyn Source>>,
    intake: Intake,
    converter: Option<Converter>,
    analysis: Analysis,
    connection: Connection,
    ledger: GapLedger,
    gaps: Arc<[Gap]>,
    outage: Option<Outage>,
    last_captured: Option<Instant>,
    last_delivery: Instant,
    retry_at: Instant,
    backoff: Duration,
    samples_in: u64,
    xruns: u64,
    /// Whether a source that is away is kept until it comes back.
    is_awaited: bool,
    is_muted: bool,
    /// How long it has been muted without a break of sound, samples.
    muted_samples: u64,
    is_removed: bool,
    /// Of the last source, so that the counts can be read after it ended.
    packets: Option<PacketCounts>,
    fresh: Samples,
    unsent: Vec<i16>,
    /// How much of the end of `unsent` the recorder has not been told yet, and the bits below it in a stream of 24.
    unrecorded: usize,
    unrecorded_lower: Option<Vec<u8>>,
    /// When the newest sample was captured, if it was.
    newest_captured: Option<Instant>,
    failure: Option<Error>,
}

impl Pump {
    /// A pump with a closed source, which `opener` will open.
    pub fn new(
        settings: StreamSettings,
        opener: Opener,
        orders: LinkReceiver<StreamCommand>,
        out: PumpOutputs,
    ) -> Result<Self> {
        let (started, bit_depth) = (settings.started, settings.bit_depth);
        Ok(Self {
            opener,
            analysis: Analysis::new(&settings.stft, settings.sample_rate_hz)?,
            connection: out.report.load().connection.clone(),
            settings,
            orders,
            out,
            wants_source: false,
            source: None,
            intake: Intake::default(),
            converter: None,
            ledger: GapLedger::default(),
            gaps: Arc::default(),
            outage: None,
            last_captured: None,
            last_delivery: started,
            retry_at: started,
            backoff: BACKOFF[0],
            samples_in: 0,
            xruns: 0,
            is_awaited: false,
            is_muted: false,
            muted_samples: 0,
            is_removed: false,
            packets: None,
            fresh: Samples::of_depth(bit_depth),
            unsent: Vec::new(),
            unrecorded: 0,
            unrecorded_lower: Samples::of_depth(bit_depth).lower,
            newest_captured: None,
            failure: None,
        })
    }

    /// Lets go of the source; what its converter still holds belongs to the stream.
    fn drop_source(&mut self) {
        if let Some(source) = self.source.take() {
            self.packets = source.packets();
        }
        if let Some(mut converter) = self.converter.take() {
            converter.finish(&mut self.fresh);
            self.take_fresh(None);
        }
    }

    fn open(&mut self, now: Instant) {
        match (self.opener)(&self.settings.source, now) {
            Ok(source) => (self.source, self.last_delivery) = (Some(source), now),
            Err(error) => self.lose(&error, now),
        }
    }

    fn lose(&mut self, error: &Error, now: Instant) {
        self.drop_source();
        self.outage = self.outage.or(self.last_captured.map(|since| Outage::new(since, GapCause::Lost)));
        self.retry_at = now + self.backoff;
        self.backoff = (self.backoff * 2).min(BACKOFF[1]);
        if self.connection.state() != ConnectionState::Lost {
            self.enter(ConnectionState::Lost, Some(&error.message), now);
        } else if self.connection.reason() != Some(&error.message) {
            self.connection = self.connection.because(&error.message);
        }
    }

    /// Whether the source has more to give at once.
    fn poll_source(&mut self, now: Instant) -> bool {
        let Some(source) = &mut self.source else { return false };
        let is_behind = self.out.sound.len() > self.out.sound.capacity() / 2
            || self.out.recorder.as_ref().is_some_and(|recorder| recorder.len() > recorder.capacity() / 2);
        if self.settings.source.is_as_fast_as_possible() && is_behind {
            // Nobody hears this live: it waits for the recogniser and the recorder, and so loses nothing.
            self.last_delivery = now;
            return false;
        }
        let mut intake = mem::take(&mut self.intake);
        intake.clear();
        let state = source.poll(now, &mut intake);
        for delivery in intake.deliveries() {
            match delivery {
                Delivery::Block { samples, format, captured } => self.take_block(samples, format, captured, now),
                Delivery::Gap { frames, cause } => self.take_gap(frames, cause),
            }
        }
        self.take_packets();
        let had_sound = !intake.is_empty();
        self.intake = intake;
        match state {
            SourceState::Failed(error) => self.lose(&error, now),
            SourceState::Ended => {
                self.drop_source();
                (self.wants_source, self.last_captured) = (false, None);
                self.tell_recogniser(LaneMessageKind::Flush);
                self.enter(ConnectionState::Closed, Some("the sound is over"), now);
            }
            SourceState::Opening => self.await_first_sound(now),
            SourceState::Away(error) => self.await_return(&error, now),
            SourceState::Flowing => self.watch_for_stall(now),
        }
        had_sound && self.settings.source.is_as_fast_as_possible()
    }

    fn take_block(&mut self, samples: &[f32], format: Format, captured: Instant, now: Instant) {
        if !self.converter.as_ref().is_some_and(|converter| converter.fits(format.sample_rate_hz, format.channels)) {
            if let Some(mut old) = self.converter.take() {
                old.finish(&mut self.fresh);
                self.take_fresh(None);
            }
            let choice = self.settings.source.channel();
            let (stream_hz, gain_db) = (self.settings.sample_rate_hz, self.settings.gain_db);
            match Converter::new(stream_hz, format.sample_rate_hz, format.channels, choice, gain_db) {
                Ok(converter) => self.converter = Some(converter),
                Err(error) => return self.lose(&error, now),
            }
        }
        if let Some(outage) = self.outage.take() {
            let frames = samples.len() / usize::from(format.channels.max(1));
            let length = Duration::from_secs_f64(frames as f64 / f64::from(format.sample_rate_hz.max(1)));
            let start = captured.checked_sub(length).unwrap_or(captured);
            let missing = outage.missing_before(start, self.settings.sample_rate_hz);
            self.fill(missing, outage.cause());
            self.announce_gap(outage.filled_samples() + missing, outage.cause());
        }
        (self.last_captured, self.last_delivery, self.backoff) = (Some(captured), now, BACKOFF[0]);
        if self.connection.state() != ConnectionState::Connected {
            self.enter(ConnectionState::Connected, None, now);
        }
        let Some(converter) = &mut self.converter else { return };
        converter.convert(samples, &mut self.fresh);
        // The newest sample of the stream is older than the source's by what the resampler holds.
        let newest = captured.checked_sub(converter.held());
        self.take_fresh(newest);
    }

    fn take_gap(&mut self, frames: u64, cause: GapCause) {
        self.xruns += 1;
        if self.outage.is_some() {
            // The time away is measured as a whole when sound comes again.
            return;
        }
        let Some(converter) = &mut self.converter else { return };
        let len = converter.samples_for(frames);
        converter.finish(&mut self.fresh);
        self.take_fresh(None);
        self.fill(len, cause);
        self.announce_gap(len, cause);
    }

    fn take_fresh(&mut self, captured: Option<Instant>) {
        let len = self.fresh.upper.len();
        self.samples_in += len as u64;
        if self.is_muted {
            self.fresh.clear();
            self.muted_samples += len as u64;
            return self.fill(len as u64, GapCause::Muted);
        }
        if let Some(monitor) = self.out.monitor.as_mut().filter(|_| self.settings.source.may_be_heard()) {
            monitor.push(&self.fresh.upper);
        }
        self.analysis.push(&self.fresh.upper, captured);
        if len > 0 {
            self.newest_captured = captured;
        }
        self.unrecorded += len;
        self.unsent.append(&mut self.fresh.upper);
        if let (Some(lower), Some(fresh)) = (&mut self.unrecorded_lower, &mut self.fresh.lower) {
            lower.append(fresh);
        }
    }

    /// Lets the clock go on over missing sound.
    fn fill(&mut self, len_samples: u64, cause: GapCause) {
        if len_samples == 0 {
            return;
        }
        self.ledger.add(self.analysis.samples(), len_samples, cause);
        self.gaps = self.ledger.gaps().into();
        let mut left = len_samples;
        while left > 0 {
            let zeros = [0; 4096];
            let block = &zeros[..left.min(zeros.len() as u64) as usize];
            self.analysis.push(block, None);
            self.unsent.extend_from_slice(block);
            self.unrecorded += block.len();
            if let Some(lower) = &mut self.unrecorded_lower {
                lower.resize(lower.len() + block.len(), 0);
            }
            self.newest_captured = None;
            left -= block.len() as u64;
        }
    }

    /// Tells of a gap that ends here.
    fn announce_gap(&self, len_samples: u64, cause: GapCause) {
        if len_samples > 0 {
            let gap = Gap { at_sample: self.analysis.samples() - len_samples, len_samples, cause };
            self.out.events.publish(Event::Gap { stream: self.settings.key.clone(), gap });
        }
    }

    fn enter(&mut self, state: ConnectionState, reason: Option<&str>, now: Instant) {
        let at_secs = now.saturating_duration_since(self.settings.started).as_secs_f64();
        let reason: Option<Text> = reason.map(Into::into);
        self.connection = self.connection.moved_to(state, at_secs, reason.clone());
        let stream = self.settings.key.clone();
        self.out.events.publish(Event::Connection { stream, state, at_secs, reason });
    }

    fn report(&self) {
        let silent = SILENT_SECS * u64::from(self.settings.sample_rate_hz);
        let is_connected = self.connection.state() == ConnectionState::Connected;
        self.out.report.publish(PumpReport {
            source: self.settings.source.clone(),
            connection: self.connection.clone(),
            gaps: self.gaps.clone(),
            stats: StreamStats {
                samples_in: self.samples_in,
                samples_lost: self.ledger.lost_samples(),
                xruns: self.xruns,
                columns: self.analysis.columns(),
            },
            level: self.analysis.level(),
            is_silent: is_connected && !self.is_muted && self.analysis.zeros_samples() >= silent,
            sample_rate_hz: self.settings.sample_rate_hz,
            bit_depth: self.settings.bit_depth,
            gain_db: self.settings.gain_db,
            name: self.settings.name.clone(),
            is_muted: self.is_muted,
            source_latency: self.source.as_ref().and_then(|source| source.latency()),
            packets: self.source.as_ref().map_or(self.packets, |source| source.packets()),
            failure: self.failure.clone(),
        });
    }
}

impl Job for Pump {
    fn tick(&mut self, now: Instant) -> Next {
        while let Some(command) = self.orders.try_recv() {
            self.obey(command, now);
        }
        if self.is_removed {
            return Next::Done;
        }
        if self.wants_source && self.source.is_none() && now >= self.retry_at {
            self.open(now);
        }
        let has_more = self.poll_source(now);
        if self.connection.state() != ConnectionState::Stalled
            && let Some(outage) = &mut self.outage
        {
            // At most a second of zeros a tick: after hours of sleep the clock catches up in turns with the other lanes.
            let rate_hz = self.settings.sample_rate_hz;
            let (due, cause) = (outage.due(now, rate_hz, u64::from(rate_hz)), outage.cause());
            self.fill(due, cause);
        }
        self.send_sound(false);
        self.show();
        self.report();
        if has_more { Next::Now } else { Next::Sleep(TICK) }
    }

    fn recover(&mut self, now: Instant, failure: Error) {
        self.source = None;
        self.converter = None;
        self.fresh.clear();
        self.failure = Some(failure.clone());
        let owner = self.settings.key.as_str().into();
        self.out.events.publish(Event::Failure { owner, message: failure.message.clone() });
        if self.wants_source {
            self.lose(&failure, now);
        }
    }
}

impl Drop for Pump {
    /// However it ends, the recogniser gets the last of its sound and forgets the lane.
    fn drop(&mut self) {
        self.drop_source();
        self.tell_recogniser(LaneMessageKind::Closed);
    }
}

#[cfg(test)]
#[path = "pump_tests.rs"]
mod tests;
