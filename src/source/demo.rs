//! The built-in loop of speech and sounds. It is part of the program, so that it plays wherever the program runs.

use std::sync::{Arc, OnceLock};

use super::{PlayMode, decode::Decoder, file::FileSource};
use crate::Result;

/// The loop, as `assets/demo/make.sh` made it.
const DEMO: &[u8] = include_bytes!("../../assets/demo/demo.flac");

/// Plays the demo over and over.
///
/// # Errors
/// None, unless the loop in the program was damaged.
pub fn open() -> Result<FileSource> {
    static BYTES: OnceLock<Arc<[u8]>> = OnceLock::new();
    let bytes = BYTES.get_or_init(|| DEMO.into());
    Ok(FileSource::play(Decoder::from_bytes("demo.flac", bytes.clone())?, PlayMode::Loop))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::source::{Delivery, Intake, Source, SourceState};

    #[test]
    fn the_demo_plays_in_real_time_and_is_not_silent() {
        let (mut source, mut intake, start) = (open().expect("the demo"), Intake::default(), Instant::now());
        let (mut frames, mut peak) = (0, 0.0_f32);
        for millis in (0..=5000).step_by(10) {
            intake.clear();
            assert_eq!(source.poll(start + Duration::from_millis(millis), &mut intake), SourceState::Flowing);
            for delivery in intake.deliveries() {
                let Delivery::Block { samples, format, .. } = delivery else { panic!("a gap in the demo") };
                assert_eq!((format.sample_rate_hz, format.channels), (48_000, 1));
                frames += samples.len();
                peak = samples.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
            }
        }
        assert_eq!(frames, 5 * 48_000);
        assert!(peak > 0.05, "the peak is {peak}");
    }
}
