//! From numbered Opus packets to sound on the stream's timeline: what was lost is concealed and counted, what was silent stays
//! silent, and what was too long away is a gap.

use std::time::{Duration, Instant};

use opus_rs::OpusDecoder;

use super::OpusPacket;
use crate::{
    Error, Result,
    source::{Format, Intake, PacketCounts},
    stream::GapCause,
};

/// Opus always decodes to this rate, whatever it was coded at.
pub const RATE_HZ: u32 = 48_000;
const FORMAT: Format = Format { sample_rate_hz: RATE_HZ, channels: 1 };
/// The longest packet there is, 120 ms.
const LONGEST: usize = 5_760;
/// Concealment is computed in pieces of this length, 20 ms.
const PIECE: usize = 960;
/// A longer loss is not made up but a gap.
const CONCEALED_AT_MOST: u64 = LONGEST as u64;
/// Silence that the sender left out (DTX) is filled in up to this length; more is a gap.
const SILENCE_AT_MOST: u64 = RATE_HZ as u64 * 3 / 2;
/// After a pause in the arrivals of this length it is asked whether the sender had stopped or the network.
const PAUSE: Duration = Duration::from_millis(200);
/// For so long what comes after a pause is held back until that is known ...
const HELD: Duration = Duration::from_millis(60);
/// ... and what is then still late by this much will stay so: the sender's clock stood still.
const LATE: Duration = Duration::from_millis(60);

/// Sound that waits until it is known where on the timeline it belongs.
struct Held {
    since: Instant,
    /// The least that any of it was late.
    late: Duration,
    samples: Vec<f32>,
}

/// Decodes one publisher's packets. A new publisher gets a new one.
pub struct Reception {
    decoder: OpusDecoder,
    /// The number and the time stamp that the next packet has if nothing is missing.
    next: Option<(u64, u64)>,
    /// The length of the last packet, samples.
    frame: u64,
    /// When time stamp 0 was captured, as seen from the packet that was least late.
    base: Option<Base>,
    last_arrived: Option<Instant>,
    held: Option<Held>,
    counts: PacketCounts,
    pcm: Vec<f32>,
}

/// A capture time with its time stamp.
#[derive(Clone, Copy)]
struct Base {
    at: Instant,
    timestamp: u64,
}

impl Base {
    fn time_of(self, timestamp: u64) -> Instant {
        self.at + span(timestamp.saturating_sub(self.timestamp))
    }
}

impl Reception {
    /// A reception that has heard nothing; `counts` goes on from those of an earlier one.
    pub fn new(counts: PacketCounts) -> Result<Self> {
        let decoder = OpusDecoder::new(RATE_HZ as i32, 1)
            .map_err(|error| Error::internal(format!("the Opus decoder does not start: {error}")))?;
        let pcm = vec![0.0; LONGEST];
        Ok(Self { decoder, next: None, frame: PIECE as u64, base: None, last_arrived: None, held: None, counts, pcm })
    }

    /// Packets so far.
    pub fn counts(&self) -> PacketCounts {
        self.counts
    }

    /// Decodes a packet, the next one in order that arrived, into `intake`.
    pub fn accept(&mut self, packet: &OpusPacket, intake: &mut Intake) {
        let (seq, timestamp) = self.next.unwrap_or((packet.seq, packet.timestamp));
        if packet.seq < seq {
            return;
        }
        if packet.data.is_empty() {
            // A probe: it has a number, but no sound is missing for it.
            self.next = Some((packet.seq + 1, timestamp));
            return;
        }
        let missing = packet.timestamp.saturating_sub(timestamp);
        // Counted by time: a packet that redundancy brought back may carry the number of a neighbour that was lost.
        let lost = missing.div_ceil(self.frame);
        let skipped = packet.seq - seq;
        self.look_for_a_pause(packet.arrived, missing, intake);
        self.last_arrived = Some(packet.arrived);
        self.counts.received += 1;
        if missing > 0 && missing <= CONCEALED_AT_MOST {
            self.counts.lost += lost;
            self.counts.concealed += lost;
            self.conceal(missing as usize, &packet.data, timestamp, intake);
        } else if missing > 0 && skipped > 0 {
            self.counts.lost += lost;
            self.resolve(intake);
            intake.push_gap(missing, GapCause::Network);
        } else if missing > SILENCE_AT_MOST {
            self.resolve(intake);
            intake.push_gap(missing, GapCause::Stall);
        } else if missing > 0 {
            let captured = self.captured(packet.timestamp, packet.arrived);
            self.push(missing as usize, true, captured, intake);
        }
        let len = match self.decoder.decode(&packet.data, LONGEST, &mut self.pcm) {
            Ok(len) => len,
            Err(_) => {
                self.counts.damaged += 1;
                self.decoder.decode(&[], PIECE, &mut self.pcm).unwrap_or(0)
            }
        };
        self.frame = (len as u64).max(1);
        let end = packet.timestamp + len as u64;
        self.next = Some((packet.seq + 1, end));
        let captured = self.captured(end, packet.arrived);
        if let Some(held) = &mut self.held {
            held.late = held.late.min(packet.arrived.saturating_duration_since(captured));
        }
        self.push(len, false, captured, intake);
        if self.held.as_ref().is_some_and(|held| packet.arrived.saturating_duration_since(held.since) >= HELD) {
            self.resolve(intake);
        }
    }

    /// Hands over what waits when nothing more comes that would tell where it belongs.
    pub fn flush(&mut self, now: Instant, intake: &mut Intake) {
        if self.held.as_ref().is_some_and(|held| now.saturating_duration_since(held.since) >= 2 * HELD) {
            self.resolve(intake);
        }
    }

    /// A pause that the time stamps do not explain begins to hold back.
    fn look_for_a_pause(&mut self, arrived: Instant, missing: u64, intake: &mut Intake) {
        let Some(last) = self.last_arrived else { return };
        let pause = arrived.saturating_duration_since(last);
        if pause < PAUSE || span(missing) + LATE > pause {
            return;
        }
        self.resolve(intake);
        self.held = Some(Held { since: arrived, late: Duration::MAX, samples: Vec::new() });
    }

    /// Decides what waits: if all of it is late, time went by that the sender did not count.
    fn resolve(&mut self, intake: &mut Intake) {
        let (Some(held), Some(base)) = (self.held.take(), self.base.as_mut()) else { return };
        if held.late >= LATE && held.late < Duration::MAX {
            base.at += held.late;
            intake.push_gap((held.late.as_nanos() * u128::from(RATE_HZ) / 1_000_000_000) as u64, GapCause::Stall);
        }
        let end = self.next.map_or(base.timestamp, |(_, timestamp)| timestamp);
        intake.push_block(FORMAT, base.time_of(end), |out| out.extend_from_slice(&held.samples));
    }

    /// When the sample before `timestamp` was captured, as far as the arrival of its packet tells.
    fn captured(&mut self, timestamp: u64, arrived: Instant) -> Instant {
        let base = self.base.get_or_insert(Base { at: arrived, timestamp });
        let expected = base.time_of(timestamp);
        if arrived < expected {
            // The least late so far: from here on it is the measure.
            *base = Base { at: arrived, timestamp };
            return arrived;
        }
        // The clocks of two machines drift apart by some parts in a million: the measure follows slowly.
        base.at += (arrived - expected).min(Duration::from_micros(5));
        expected
    }

    /// Makes up `missing` samples from what was heard and from what the packet after them says of the one before it.
    fn conceal(&mut self, missing: usize, following: &[u8], timestamp: u64, intake: &mut Intake) {
        let mut done = 0;
        while done < missing {
            let left = missing - done;
            let result = if left <= PIECE {
                self.decoder.decode_fec(following, left, &mut self.pcm)
            } else {
                self.decoder.decode(&[], PIECE.min(left - PIECE).max(120), &mut self.pcm)
            };
            let len = match result {
                Ok(len) if len > 0 => len.min(left),
                _ => {
                    self.pcm[..left.min(LONGEST)].fill(0.0);
                    left.min(LONGEST)
                }
            };
            done += len;
            let captured = self.base.map_or_else(Instant::now, |base| base.time_of(timestamp + done as u64));
            self.push(len, false, captured, intake);
        }
    }

    fn push(&mut self, len: usize, is_silence: bool, captured: Instant, intake: &mut Intake) {
        let pcm = &self.pcm;
        let write = |out: &mut Vec<f32>| match is_silence {
            true => out.resize(out.len() + len, 0.0),
            false => out.extend_from_slice(&pcm[..len]),
        };
        match &mut self.held {
            Some(held) => write(&mut held.samples),
            None => intake.push_block(FORMAT, captured, write),
        }
    }
}

fn span(samples: u64) -> Duration {
    Duration::from_nanos(samples * 1_000_000_000 / u64::from(RATE_HZ))
}

#[cfg(test)]
#[path = "opus_tests.rs"]
mod tests;
