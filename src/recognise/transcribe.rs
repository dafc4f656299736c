//! Whole sounds, recognised through the same path as a stream.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::card::Model;
use super::online::Online;
use super::transcript::Transcript;
use crate::Result;

/// Silence heard after the sound, so that the last segment ends.
const TAIL_SECS: f64 = 1.0;

/// What a whole sound was recognised as.
#[derive(Clone, Debug)]
pub struct Transcribed {
    /// All that was heard; nothing of it is partial.
    pub transcript: Transcript,
    /// Length of the sound.
    pub audio_secs: f64,
    /// How long recognising it took.
    pub processing: Duration,
}

/// Recognises a mono sound at any rate. The samples are rounded to the 16-bit grid first, as those of a stream are.
pub fn transcribe(samples: &[f32], sample_rate_hz: u32, model: &Arc<Model>) -> Result<Transcribed> {
    let begin = Instant::now();
    let mut online = Online::new(sample_rate_hz)?;
    let mut events = Vec::new();
    online.swap(model.clone(), &mut events)?;
    online.start(0, &mut events)?;
    let block = (sample_rate_hz as usize / 10).max(1);
    let mut at = 0;
    for samples in samples.chunks(block) {
        let samples: Vec<i16> = samples.iter().map(|&sample| (sample * 32_768.0).round() as i16).collect();
        online.accept(at, &samples, &mut events)?;
        at += samples.len() as u64;
        events.clear(); // The transcript holds what they say.
    }
    let silence = vec![0; (TAIL_SECS * f64::from(sample_rate_hz)) as usize];
    online.accept(at, &silence, &mut events)?;
    online.stop(&mut events)?;
    let audio_secs = samples.len() as f64 / f64::from(sample_rate_hz);
    Ok(Transcribed { transcript: online.transcript().clone(), audio_secs, processing: begin.elapsed() })
}
