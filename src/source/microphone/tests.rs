use super::*;
use crate::source::Delivery;
use callback::{CaptureInput, capture_link};

const FORMAT: Format = Format { sample_rate_hz: 1000, channels: 2 };

/// A capture without a device: blocks of 10 frames each 10 ms, whose samples count up.
struct Fake {
    input: CaptureInput,
    capture: Capture,
    start: Instant,
    next: i16,
}

impl Fake {
    fn new(seconds: f64) -> Self {
        let (input, link) = capture_link(FORMAT, seconds, 4096);
        let start = Instant::now();
        let capture = Capture {
            format: FORMAT,
            link,
            anchor: (start, 5_000_000_000),
            clock: CaptureClock::new(FORMAT.sample_rate_hz),
            xruns: Arc::default(),
            last_delivery: None,
            is_stalled: true,
            held: Vec::new(),
            held_since: None,
            latency: Duration::ZERO,
        };
        Self { input, capture, start, next: 0 }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// The callback runs at `millis`.
    fn block(&mut self, millis: u64) {
        let samples: Vec<i16> = (0..10).flat_map(|n| [self.next + n, -(self.next + n)]).collect();
        self.next += 10;
        self.input.write(&samples, 5_000_000_000 + millis * 1_000_000, 7_000_000);
    }

    /// The pump polls at `millis`: frames by number, gaps, and the capture time of the last frame in ms from the start.
    fn poll(&mut self, millis: u64) -> (Vec<i16>, Vec<u64>, Option<u64>) {
        let (mut intake, now) = (Intake::default(), self.at(millis));
        self.capture.poll(now, false, &mut intake);
        let (mut frames, mut gaps, mut last) = (Vec::new(), Vec::new(), None);
        for delivery in intake.deliveries() {
            match delivery {
                Delivery::Block { samples, captured, format } => {
                    assert_eq!(format, FORMAT);
                    for frame in samples.chunks(2) {
                        assert_eq!(frame[0], -frame[1]);
                        frames.push((frame[0] * 32_768.0) as i16);
                    }
                    last = Some(captured.saturating_duration_since(self.start).as_millis() as u64);
                }
                Delivery::Gap { frames, cause } => {
                    assert_eq!(cause, GapCause::Overrun);
                    gaps.push(frames);
                }
            }
        }
        (frames, gaps, last)
    }
}

#[test]
fn blocks_come_through_in_order_with_their_capture_times() {
    let mut fake = Fake::new(5.0);
    let mut heard = Vec::new();
    for millis in 1..=1000 {
        if millis % 10 == 0 {
            fake.block(millis);
        }
        let (frames, gaps, captured) = fake.poll(millis);
        assert!(gaps.is_empty());
        if let Some(captured) = captured {
            assert_eq!(captured, millis, "the last frame was captured when its block came");
        }
        heard.extend(frames);
    }
    assert_eq!(heard, (0..1000).collect::<Vec<_>>());
    assert_eq!(fake.capture.latency, Duration::from_millis(7));
}

#[test]
fn what_does_not_fit_is_a_gap_of_its_exact_place_and_length() {
    let mut fake = Fake::new(0.5);
    fake.block(10);
    assert_eq!(fake.poll(10), (vec![], vec![], None));
    let (frames, ..) = fake.poll(200);
    assert_eq!(frames, (0..10).collect::<Vec<_>>());
    // The pump does not come for 0.7 s; half a second fits.
    (2..=71).for_each(|n| fake.block(n * 10));
    let (frames, gaps, _) = fake.poll(710);
    assert_eq!((frames, gaps), ((10..510).collect(), vec![]));
    fake.block(720);
    let (frames, gaps, captured) = fake.poll(720);
    assert_eq!((frames, gaps, captured), ((710..720).collect(), vec![200], Some(720)));
}

#[test]
fn after_a_stall_the_capture_time_tells_what_is_missing() {
    for (is_kept, expected) in [(true, 0), (false, 2000)] {
        let mut fake = Fake::new(5.0);
        let mut last = 0;
        for millis in (10..=1000).step_by(10) {
            fake.block(millis);
            last = fake.poll(millis).2.unwrap_or(last);
        }
        for millis in (1010..3000).step_by(10) {
            assert_eq!(fake.poll(millis), (vec![], vec![], None));
        }
        if is_kept {
            // The server was only asleep, and hands over everything at once.
            (0..199).for_each(|_| fake.block(3000));
        }
        let mut first = None;
        for millis in (3000..4000).step_by(10) {
            fake.block(millis);
            let (frames, gaps, captured) = fake.poll(millis);
            assert!(gaps.is_empty(), "the pump fills the gap, and would do so twice");
            if let (None, Some(captured)) = (first, captured) {
                // The capture time of the frame before the first one.
                first = Some(captured - frames.len() as u64);
            }
        }
        let missing = first.expect("the sound came back") - last;
        assert!(missing.abs_diff(expected) <= 11, "{missing} ms are missing, not {expected}");
    }
}

#[test]
fn nothing_is_held_back_at_the_end() {
    let mut fake = Fake::new(5.0);
    fake.block(10);
    let (mut intake, now) = (Intake::default(), fake.at(11));
    assert!(fake.capture.poll(now, true, &mut intake));
    assert!(!intake.is_empty());
}
