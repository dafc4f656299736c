//! A sound file as a source: in real time, over and over, or as fast as it is taken.
//!
//! Samples are decoded when they are due, in the pump's own turn: a second of FLAC or MP3 costs about a millisecond. What
//! can hang is the disk, so a file is opened and (up to 256 MiB) read whole on a thread of its own; only a
//! larger one is read from the disk as it plays.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::{Format, Intake, PlayMode, Source, SourceState, decode::Decoder};
use crate::{Error, Result, task::spawn_thread};

/// Files up to this size are held in memory while they play.
const IN_MEMORY_BYTES: u64 = 256 << 20;
/// At most this much sound a poll: a file that is late catches up over several polls, and other lanes have their turn.
const MOST_PER_POLL_SECS: f64 = 1.0;
/// How much sound a poll gives when a file is played as fast as possible.
const FAST_BLOCK_SECS: f64 = 0.1;

/// A file that is being opened or played.
pub struct FileSource {
    stage: Stage,
    mode: PlayMode,
}

enum Stage {
    /// Kind: all (one answer).
    Opening(Receiver<Result<Decoder>>),
    Playing(Box<Player>),
    Broken(Error),
}

impl FileSource {
    /// Begins to open `path`; what is wrong with it is told by the first polls.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn open(path: &Path, mode: PlayMode) -> Result<Self> {
        let (answer, opening) = bounded(1);
        let path = path.to_owned();
        // Nobody waits any more if the send fails.
        spawn_thread("open-file", move || drop(answer.send(open_decoder(path))))?;
        Ok(Self { stage: Stage::Opening(opening), mode })
    }

    /// Plays what `decoder` reads.
    pub fn play(decoder: Decoder, mode: PlayMode) -> Self {
        Self { stage: Stage::Playing(Box::new(Player::new(decoder, mode))), mode }
    }
}

fn open_decoder(path: PathBuf) -> Result<Decoder> {
    let is_small =
        std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() <= IN_MEMORY_BYTES);
    if !is_small {
        return Decoder::open(&path);
    }
    let bytes: Arc<[u8]> = std::fs::read(&path)
        .map_err(|error| Error::io(format_args!("cannot read the sound file {}", path.display()), &error))?
        .into();
    Decoder::from_bytes(&path.display().to_string(), bytes)
}

impl Source for FileSource {
    fn poll(&mut self, now: Instant, intake: &mut Intake) -> SourceState {
        if let Stage::Opening(opening) = &self.stage {
            self.stage = match opening.try_recv() {
                Ok(Ok(decoder)) => Stage::Playing(Box::new(Player::new(decoder, self.mode))),
                Ok(Err(error)) => Stage::Broken(error),
                Err(TryRecvError::Empty) => return SourceState::Opening,
                Err(TryRecvError::Disconnected) => Stage::Broken(Error::internal("the thread that opens files died")),
            };
        }
        match &mut self.stage {
            Stage::Playing(player) => match player.poll(now, intake) {
                Ok(state) => state,
                Err(error) => {
                    self.stage = Stage::Broken(error.clone());
                    SourceState::Failed(error)
                }
            },
            Stage::Broken(error) => SourceState::Failed(error.clone()),
            Stage::Opening(_) => SourceState::Opening,
        }
    }
}

/// A decoder on a clock.
struct Player {
    decoder: Decoder,
    mode: PlayMode,
    format: Format,
    /// When it was first polled.
    started: Option<Instant>,
    /// Frames handed over since then.
    played_frames: u64,
    /// Decoded samples; those before `taken` were handed over.
    decoded: Vec<f32>,
    taken: usize,
    is_over: bool,
}

impl Player {
    fn new(decoder: Decoder, mode: PlayMode) -> Self {
        let format = Format { sample_rate_hz: decoder.sample_rate_hz(), channels: decoder.channels() };
        Self { decoder, mode, format, started: None, played_frames: 0, decoded: Vec::new(), taken: 0, is_over: false }
    }

    fn poll(&mut self, now: Instant, intake: &mut Intake) -> Result<SourceState> {
        let started = *self.started.get_or_insert(now);
        let rate_hz = f64::from(self.format.sample_rate_hz);
        let due_frames = if self.mode == PlayMode::AsFastAsPossible {
            (rate_hz * FAST_BLOCK_SECS).ceil() as u64
        } else {
            let elapsed = now.saturating_duration_since(started).as_nanos();
            let until_now = (elapsed * u128::from(self.format.sample_rate_hz) / 1_000_000_000) as u64;
            until_now.saturating_sub(self.played_frames).min((rate_hz * MOST_PER_POLL_SECS).ceil() as u64)
        };
        let channels = usize::from(self.format.channels);
        self.decode_until(due_frames as usize * channels)?;
        let samples = (due_frames as usize * channels).min(self.decoded.len() - self.taken);
        if samples == 0 {
            return Ok(if self.is_over && due_frames > 0 { SourceState::Ended } else { SourceState::Flowing });
        }
        self.played_frames += (samples / channels) as u64;
        let captured = match self.mode {
            PlayMode::AsFastAsPossible => now,
            _ => started + duration_of(self.played_frames, self.format.sample_rate_hz),
        };
        let block = &self.decoded[self.taken..self.taken + samples];
        intake.push_block(self.format, captured, |out| out.extend_from_slice(block));
        self.taken += samples;
        Ok(SourceState::Flowing)
    }

    /// Decodes until `samples` are at hand or the file is over.
    fn decode_until(&mut self, samples: usize) -> Result<()> {
        if self.decoded.len() - self.taken >= samples || self.is_over {
            return Ok(());
        }
        self.decoded.drain(..self.taken);
        self.taken = 0;
        while self.decoded.len() < samples {
            if !self.decoder.next_block(&mut self.decoded)? {
                if self.mode != PlayMode::Loop {
                    self.is_over = true;
                    break;
                }
                self.decoder.rewind()?;
                let format =
                    Format { sample_rate_hz: self.decoder.sample_rate_hz(), channels: self.decoder.channels() };
                if format != self.format {
                    return Err(Error::invalid("the file was replaced by one of another format while it was looped"));
                }
            }
        }
        Ok(())
    }
}

/// How long `frames` last.
pub(super) fn duration_of(frames: u64, rate_hz: u32) -> Duration {
    let nanos = u128::from(frames) * 1_000_000_000 / u128::from(rate_hz.max(1));
    Duration::from_nanos(nanos.min(u128::from(u64::MAX)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ErrorKind, source::Delivery};

    /// A mono WAV at 1 kHz whose sample n is n, so that order and completeness can be read off.
    fn ramp(frames: i16) -> Arc<[u8]> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 1000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = std::io::Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a writer");
        (0..frames).for_each(|n| writer.write_sample(n).expect("written"));
        writer.finalize().expect("finished");
        bytes.into_inner().into()
    }

    fn player(frames: i16, mode: PlayMode) -> FileSource {
        FileSource::play(Decoder::from_bytes("ramp.wav", ramp(frames)).expect("a sound file"), mode)
    }

    /// What a poll gave, as the numbers that the ramp is made of, and the capture time of the last.
    fn take(source: &mut FileSource, now: Instant) -> (Vec<i16>, Option<Instant>, SourceState) {
        let mut intake = Intake::default();
        let state = source.poll(now, &mut intake);
        let (mut numbers, mut last) = (Vec::new(), None);
        for delivery in intake.deliveries() {
            match delivery {
                Delivery::Block { samples, format, captured } => {
                    assert_eq!(format, Format { sample_rate_hz: 1000, channels: 1 });
                    numbers.extend(samples.iter().map(|sample| (sample * 32_768.0) as i16));
                    last = Some(captured);
                }
                Delivery::Gap { .. } => panic!("a file has no gaps"),
            }
        }
        (numbers, last, state)
    }

    #[test]
    fn real_time_gives_what_is_due_and_catches_up_after_ten_seconds_of_silence() {
        let (start, mut source) = (Instant::now(), player(15_000, PlayMode::RealTime));
        assert_eq!(take(&mut source, start), (vec![], None, SourceState::Flowing));
        let at = start + Duration::from_millis(7);
        assert_eq!(take(&mut source, at), ((0..7).collect(), Some(at), SourceState::Flowing));
        let late = start + Duration::from_secs(10);
        let mut heard = 7..;
        let mut polls = 0;
        loop {
            let (numbers, _, state) = take(&mut source, late);
            assert_eq!(state, SourceState::Flowing);
            if numbers.is_empty() {
                break;
            }
            assert!(numbers.len() <= 1000, "a poll is bounded");
            numbers.iter().for_each(|&number| assert_eq!(Some(number), heard.next()));
            polls += 1;
        }
        assert_eq!(heard.next(), Some(10_000), "nothing was skipped");
        assert_eq!(polls, 10);
        let mut now = late;
        while take(&mut source, now).2 != SourceState::Ended {
            now += Duration::from_millis(500);
        }
        assert!(now > start + Duration::from_millis(15_000), "it ends when its time is over, not before");
    }

    #[test]
    fn a_loop_has_no_seam() {
        let (start, mut source) = (Instant::now(), player(70, PlayMode::Loop));
        let mut heard = Vec::new();
        for millis in (0..=1000).step_by(5) {
            heard.extend(take(&mut source, start + Duration::from_millis(millis)).0);
        }
        assert_eq!(heard, (0..1000).map(|n| n % 70).collect::<Vec<_>>());
    }

    #[test]
    fn as_fast_as_possible_ignores_the_clock() {
        let (now, mut source) = (Instant::now(), player(1234, PlayMode::AsFastAsPossible));
        let mut heard = Vec::new();
        loop {
            let (numbers, _, state) = take(&mut source, now);
            heard.extend(numbers);
            match state {
                SourceState::Flowing => {}
                SourceState::Ended => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(heard, (0..1234).collect::<Vec<_>>());
        assert_eq!(take(&mut source, now).2, SourceState::Ended);
    }

    #[test]
    fn the_way_it_is_polled_does_not_matter() {
        let (start, end) = (Instant::now(), Duration::from_millis(3000));
        for step_micros in [333, 5000, 123_456] {
            let (mut source, mut heard, mut at) = (player(700, PlayMode::Loop), Vec::new(), Duration::ZERO);
            while at < end {
                heard.extend(take(&mut source, start + at).0);
                at += Duration::from_micros(step_micros);
            }
            heard.extend(take(&mut source, start + end).0);
            assert_eq!(heard, (0..3000).map(|n| n % 700).collect::<Vec<_>>(), "polled each {step_micros} µs");
        }
    }

    #[test]
    fn what_cannot_be_opened_fails_soon_and_stays_failed() {
        let mut source = FileSource::open(Path::new("/nowhere/x.wav"), PlayMode::RealTime).expect("a thread");
        let (start, mut intake) = (Instant::now(), Intake::default());
        let error = loop {
            match source.poll(Instant::now(), &mut intake) {
                SourceState::Failed(error) => break error,
                state => assert_eq!(state, SourceState::Opening),
            }
            assert!(start.elapsed() < Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(2));
        };
        assert_eq!(error.kind, ErrorKind::NotFound);
        assert!(error.message.contains("/nowhere/x.wav"), "{error}");
        assert_eq!(source.poll(Instant::now(), &mut intake), SourceState::Failed(error));
    }

    #[test]
    fn a_file_is_opened_aside_and_then_plays() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("ramp.wav");
        std::fs::write(&path, ramp(50)).expect("written");
        let mut source = FileSource::open(&path, PlayMode::AsFastAsPossible).expect("a thread");
        let (start, mut heard) = (Instant::now(), Vec::new());
        loop {
            let (numbers, _, state) = take(&mut source, Instant::now());
            heard.extend(numbers);
            if state == SourceState::Ended {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "{state:?}");
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(heard, (0..50).collect::<Vec<_>>());
    }
}
