//! A pump's view of a microphone, for tests: polls it, keeps what it hears, and finds what was played in it.

use std::{
    collections::HashMap,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use seseragi::{
    Error,
    source::{ChannelChoice, Delivery, Format, Intake, Source, SourceState, microphone::Microphone},
    stream::GapCause,
};

const SECOND: Duration = Duration::from_secs(1);

/// Polls a microphone as a pump does and keeps what it hears.
pub struct Listener {
    source: Microphone,
    intake: Intake,
    /// The form of the last block.
    pub format: Option<Format>,
    /// Everything that came, interleaved.
    pub samples: Vec<f32>,
    /// Frames that were said to be missing.
    pub gap_frames: u64,
    /// When the last block came, and its capture time.
    pub last: Option<(Instant, Instant)>,
    first: Option<Instant>,
    /// The longest time between two blocks.
    pub longest_pause: Duration,
}

impl Listener {
    /// Opens the microphone `id`, or the default one.
    pub fn open(id: Option<&str>, channel: ChannelChoice) -> Self {
        let source = Microphone::open(id, channel).expect("a thread");
        Self {
            source,
            intake: Intake::default(),
            format: None,
            samples: Vec::new(),
            gap_frames: 0,
            last: None,
            first: None,
            longest_pause: Duration::ZERO,
        }
    }

    /// Polls once.
    pub fn poll(&mut self) -> SourceState {
        let now = Instant::now();
        self.intake.clear();
        let state = self.source.poll(now, &mut self.intake);
        for delivery in self.intake.deliveries() {
            match delivery {
                Delivery::Block { samples, format, captured } => {
                    self.format = Some(format);
                    self.samples.extend_from_slice(samples);
                    self.first.get_or_insert(now);
                    let pause = self.last.map_or(Duration::ZERO, |(last, _)| now - last);
                    self.longest_pause = self.longest_pause.max(pause);
                    self.last = Some((now, captured));
                }
                Delivery::Gap { frames, cause } => {
                    assert_eq!(cause, GapCause::Overrun);
                    self.gap_frames += frames;
                }
            }
        }
        sleep(Duration::from_millis(2));
        state
    }

    /// Polls for a while; a failure ends the test.
    pub fn run(&mut self, time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            if let SourceState::Failed(error) = self.poll() {
                panic!("{error}");
            }
        }
    }

    /// Polls until sound comes; how long that took.
    pub fn until_sound(&mut self) -> Duration {
        let (start, before) = (Instant::now(), self.samples.len());
        while self.samples.len() == before {
            if let SourceState::Failed(error) = self.poll() {
                panic!("{error}");
            }
            assert!(start.elapsed() < 10 * SECOND, "no sound");
        }
        start.elapsed()
    }

    /// Polls until it fails; how long that took, and why.
    pub fn until_failure(&mut self) -> (Duration, Error) {
        let start = Instant::now();
        loop {
            if let SourceState::Failed(error) = self.poll() {
                return (start.elapsed(), error);
            }
            assert!(start.elapsed() < 10 * SECOND, "it does not fail");
        }
    }

    /// Opens it anew until sound comes, with the pump's back-off at its longest; how long that took.
    pub fn until_back(&mut self, id: Option<&str>) -> Duration {
        let start = Instant::now();
        loop {
            *self = Self::open(id, ChannelChoice::Mix);
            loop {
                if let SourceState::Failed(_) = self.poll() {
                    break;
                }
                if self.last.is_some() {
                    return start.elapsed();
                }
                assert!(start.elapsed() < 10 * SECOND, "it does not come back");
            }
            sleep(SECOND.saturating_sub(Duration::from_millis(2)));
        }
    }

    /// One channel as 16-bit values.
    pub fn channel(&self, index: usize) -> Vec<i16> {
        let channels = usize::from(self.format.expect("sound came").channels);
        self.samples.iter().skip(index).step_by(channels).map(|sample| (sample * 32_768.0) as i16).collect()
    }
}

/// Noise in which every run of four samples occurs once, so that each piece can be found in what was captured.
pub fn noise(samples: usize) -> Vec<i16> {
    let mut state = 12_345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as i16 / 4
    };
    (0..samples).map(|_| next()).collect()
}

/// Writes interleaved samples as a WAV of 16 bits.
pub fn write_wav(path: &Path, rate_hz: u32, channels: u16, samples: &[i16]) {
    let spec =
        hound::WavSpec { channels, sample_rate: rate_hz, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, spec).expect("a writer");
    samples.iter().for_each(|&sample| writer.write_sample(sample).expect("written"));
    writer.finalize().expect("finished");
}

/// The longest stretch of `played` that stands in `captured` without a break: (where it starts in `played`, its length).
pub fn longest_stretch(played: &[i16], captured: &[i16]) -> (usize, usize) {
    let places: HashMap<[i16; 4], usize> =
        played.windows(4).enumerate().map(|(at, four)| ([four[0], four[1], four[2], four[3]], at)).collect();
    let (mut best, mut at) = ((0, 0), 0);
    while at + 4 <= captured.len() {
        let four = [captured[at], captured[at + 1], captured[at + 2], captured[at + 3]];
        match places.get(&four) {
            Some(&place) => {
                let run = played[place..].iter().zip(&captured[at..]).take_while(|(a, b)| a == b).count();
                best = if run > best.1 { (place, run) } else { best };
                at += run;
            }
            None => at += 1,
        }
    }
    best
}

/// How many frames came, and how many should have come between the first block and the last.
pub fn frames_by_the_clock(listener: &Listener) -> (f64, f64) {
    let format = listener.format.expect("sound came");
    let frames = listener.samples.len() as f64 / f64::from(format.channels);
    let (first, last) = (listener.first.expect("sound came"), listener.last.expect("sound came").0);
    (frames, (last - first).as_secs_f64() * f64::from(format.sample_rate_hz))
}
