//! One lane's recogniser: sound in, tokens out, with the model exchangeable at any time.
//!
//! Features are made all the time and the newest are kept. The network goes over them in steps of fixed size on a fixed
//! grid, so that neither the cutting of the sound into blocks nor a start, a stop or a swap changes a bit of what it
//! computes. Whenever its state is missing (at a start, after a swap) it is primed with as much of the past as it can
//! hear, so no word is cut.

use std::sync::Arc;

use super::card::Model;
use super::decoder::{Decoder, EncoderFrame};
use super::lane_features::{FeatureLine, KeptSound};
use super::model::OnlineState;
use super::transcript::{Hypothesis, Segment, Transcript};
use crate::{Error, Result};

/// Encoder frames in a step of the network: 120 ms at the usual sizes, where a step is cheap enough and not yet late.
const STEP_ENCODER_FRAMES: usize = 3;
/// Sound and features kept for priming, at least; a model that hears further back is primed with what there is.
const KEPT_SECS: f64 = 4.0;
/// A hole in the samples up to this long is heard as silence; a longer one starts the lane anew.
const LONGEST_HOLE_SECS: f64 = 10.0;
/// Another model listens at most this much again when it takes over.
const LONGEST_OPEN_SECS: f64 = 1.2;
/// Silence put after the sound at a stop, so that the network answers for the word just spoken.
const FLUSH_SECS: f64 = 0.4;

/// What a lane has to say.
#[derive(Clone, Debug, PartialEq)]
pub enum OnlineEvent {
    /// What is being said has changed.
    Partial(Hypothesis),
    /// A segment is final.
    Final(Segment),
}

/// One lane: the features, the network's state, the decoder and the transcript.
pub struct Online {
    stream_rate_hz: u32,
    sound: KeptSound,
    ear: Option<Ear>,
    is_running: bool,
    /// Recognition begins with the step that hears this sample.
    start_sample: u64,
    transcript: Transcript,
}

/// What depends on the model.
struct Ear {
    model: Arc<Model>,
    line: FeatureLine,
    decoder: Decoder,
    /// `None` until recognition goes on and primes it.
    state: Option<OnlineState>,
    /// The feature frame that the next step begins with.
    next_frame: u64,
    /// Whether a step was taken since recognition began.
    has_stepped: bool,
    logits: Vec<f32>,
}

impl Online {
    /// A lane for a stream of this rate, without a model, stopped.
    pub fn new(stream_rate_hz: u32) -> Result<Self> {
        if !(1_000..=384_000).contains(&stream_rate_hz) {
            let message =
                format!("a stream of {stream_rate_hz} Hz cannot be recognised, allowed are 1000 to 384000 Hz");
            return Err(Error::invalid(message));
        }
        let sound = KeptSound::new((KEPT_SECS * f64::from(stream_rate_hz)) as usize);
        let transcript = Transcript::default();
        Ok(Self { stream_rate_hz, sound, ear: None, is_running: false, start_sample: 0, transcript })
    }

    /// The model, if one was given.
    pub fn model(&self) -> Option<&Arc<Model>> {
        self.ear.as_ref().map(|ear| &ear.model)
    }

    /// Whether recognition is started.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// Behind the newest sample heard.
    pub fn heard_samples(&self) -> u64 {
        self.sound.end()
    }

    /// What was heard so far.
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Starts recognition with the sound of sample `at_sample` of the stream: one just heard, the next, or a later one.
    /// What lies longer back than is kept is not recognised.
    pub fn start(&mut self, at_sample: u64, events: &mut Vec<OnlineEvent>) -> Result<()> {
        if self.is_running {
            return Ok(());
        }
        self.is_running = true;
        self.start_sample = at_sample;
        if let Some(ear) = &mut self.ear {
            (ear.state, ear.has_stepped) = (None, false);
            ear.next_frame = ear.step_of(at_sample);
        }
        self.go_on(events)
    }

    /// Stops recognition. What was spoken up to here is still recognised and becomes final; the sound goes on being kept.
    pub fn stop(&mut self, events: &mut Vec<OnlineEvent>) -> Result<()> {
        if !self.is_running {
            return Ok(());
        }
        self.is_running = false;
        let Some(ear) = &mut self.ear else { return Ok(()) };
        let mut segments = Vec::new();
        let flushed = ear.flush(&mut segments);
        segments.extend(ear.decoder.finish());
        self.report(segments, events);
        flushed
    }

    /// The sound is over for now: what was spoken becomes final. Recognition stays on for what may come.
    pub fn flush(&mut self, events: &mut Vec<OnlineEvent>) -> Result<()> {
        if self.is_running {
            self.stop(events)?;
            self.start(self.sound.end(), events)?;
        }
        Ok(())
    }

    /// Exchanges the model. Words under way are not cut: the new network is primed with the kept past, and when the
    /// tokens are the same the open segment goes on. A byte-identical model changes nothing at all.
    pub fn swap(&mut self, model: Arc<Model>, events: &mut Vec<OnlineEvent>) -> Result<()> {
        let config = &model.card().features;
        let Some(ear) = self.ear.as_mut().filter(|ear| ear.line.config() == config) else {
            let line = FeatureLine::replay(config, self.stream_rate_hz, &self.sound)?;
            let mut fresh = Ear::new(model.clone(), line);
            fresh.next_frame = fresh.step_of(self.start_sample);
            let Some(old) = self.ear.take() else {
                self.ear = Some(fresh);
                return self.go_on(events);
            };
            fresh.next_frame = fresh.next_frame.max(fresh.step_floor((old.open_secs() / config.hop_secs()) as u64));
            (fresh.decoder, fresh.has_stepped) = (old.decoder, old.has_stepped);
            self.ear = Some(fresh);
            return self.settle(&model, events);
        };
        let is_same = ear.model.card().weights_blake3 == model.card().weights_blake3;
        ear.model = model.clone();
        ear.state = None;
        if !is_same {
            let open = ear.step_floor((ear.open_secs() / ear.line.config().hop_secs()).ceil() as u64 + ear.step() - 1);
            ear.next_frame = ear.step_floor(ear.next_frame.min(open));
        }
        self.settle(&model, events)
    }

    /// Hears samples of the stream, the first of which is number `first_sample`. What was heard before is passed over, a
    /// hole is heard as silence.
    pub fn accept(&mut self, first_sample: u64, samples: &[i16], events: &mut Vec<OnlineEvent>) -> Result<()> {
        let expected = self.sound.end();
        if first_sample > expected {
            let hole = first_sample - expected;
            if (self.sound.is_empty() && expected == 0)
                || hole as f64 > LONGEST_HOLE_SECS * f64::from(self.stream_rate_hz)
            {
                self.restart(first_sample, events)?;
            } else {
                self.hear(&vec![0; hole as usize], events)?;
            }
        }
        let known = (self.sound.end() - first_sample).min(samples.len() as u64) as usize;
        self.hear(&samples[known..], events)
    }

    fn hear(&mut self, samples: &[i16], events: &mut Vec<OnlineEvent>) -> Result<()> {
        self.sound.push(samples);
        if let Some(ear) = &mut self.ear {
            ear.line.push(samples);
        }
        self.go_on(events)
    }

    /// Begins anew at a sample that does not follow the last one.
    fn restart(&mut self, at_sample: u64, events: &mut Vec<OnlineEvent>) -> Result<()> {
        self.sound.restart(at_sample);
        if let Some(ear) = &mut self.ear {
            let segment = ear.decoder.finish();
            ear.line = FeatureLine::new(ear.line.config(), self.stream_rate_hz, at_sample)?;
            (ear.state, ear.has_stepped) = (None, false);
            ear.next_frame = ear.step_of(at_sample.max(self.start_sample));
            self.report(segment.into_iter().collect(), events);
        }
        Ok(())
    }

    /// After a swap: carries the open segment over to the new model, or closes it.
    fn settle(&mut self, model: &Model, events: &mut Vec<OnlineEvent>) -> Result<()> {
        if let Some(ear) = &mut self.ear
            && !ear.decoder.adopt(model.card())
        {
            let segment = ear.decoder.finish();
            ear.decoder = Decoder::new(model.card()).with_search(model.search());
            self.report(segment.into_iter().collect(), events);
        }
        self.go_on(events)
    }

    /// Takes all the steps that there are frames for.
    fn go_on(&mut self, events: &mut Vec<OnlineEvent>) -> Result<()> {
        let is_running = self.is_running;
        let Some(ear) = &mut self.ear else { return Ok(()) };
        let mut segments = Vec::new();
        let done = if is_running { ear.advance(&mut segments) } else { Ok(()) };
        ear.forget(is_running);
        self.report(segments, events);
        done
    }

    fn report(&mut self, segments: Vec<Segment>, events: &mut Vec<OnlineEvent>) {
        for segment in segments {
            self.transcript.push(segment.clone());
            events.push(OnlineEvent::Final(segment));
        }
        let partial = self.ear.as_ref().map(|ear| ear.decoder.partial()).unwrap_or_default();
        if partial != *self.transcript.partial() {
            self.transcript.set_partial(partial.clone());
            events.push(OnlineEvent::Partial(partial));
        }
    }
}

impl Ear {
    fn new(model: Arc<Model>, line: FeatureLine) -> Self {
        let decoder = Decoder::new(model.card()).with_search(model.search());
        Self { model, line, decoder, state: None, next_frame: 0, has_stepped: false, logits: Vec::new() }
    }

    /// Feature frames in a step.
    fn step(&self) -> u64 {
        (STEP_ENCODER_FRAMES * self.model.card().model.stride) as u64
    }

    /// From where on another model has to listen, in seconds of the stream: behind the last answer, since the word under way
    /// may be one that this model would have answered later and the other one earlier.
    fn open_secs(&self) -> f64 {
        let decoded_secs = self.next_frame as f64 * self.line.config().hop_secs();
        self.decoder.answered_secs().max(decoded_secs - LONGEST_OPEN_SECS).min(decoded_secs)
    }

    fn step_floor(&self, frame: u64) -> u64 {
        frame / self.step() * self.step()
    }

    /// The first frame of the step that hears sample `at_sample` of the stream.
    fn step_of(&self, at_sample: u64) -> u64 {
        self.step_floor(self.line.frame_of(at_sample))
    }

    fn advance(&mut self, segments: &mut Vec<Segment>) -> Result<()> {
        let step = self.step();
        if self.state.is_none() {
            // Frames that are no longer kept, or were never heard, cannot be recognised.
            self.next_frame = self.next_frame.max(self.line.first().div_ceil(step) * step);
        }
        while self.next_frame + step <= self.line.end() {
            let mut state = self.take_state()?;
            let frames = self.line.frames(self.next_frame, self.next_frame + step);
            self.logits.clear();
            self.model.network().step(&mut state, frames, &mut self.logits)?;
            segments.extend(decode(&self.model, &mut self.decoder, self.next_frame, frames, &self.logits));
            self.state = Some(state);
            self.has_stepped = true;
            self.next_frame += step;
        }
        Ok(())
    }

    /// The state before `next_frame`. Where there is none, the one the network would have, had it heard all that is kept.
    fn take_state(&mut self) -> Result<OnlineState> {
        if let Some(state) = self.state.take() {
            return Ok(state);
        }
        let step = self.step();
        let past = (self.model.card().model.receptive_frames() as u64).div_ceil(step) * step;
        let kept = self.line.first().div_ceil(step) * step;
        let mut state = self.model.network().online_state();
        let mut at = self.next_frame.saturating_sub(past).max(kept);
        // In the very steps that would have been taken, so that the state is the same to the bit.
        while at < self.next_frame {
            self.logits.clear();
            self.model.network().step(&mut state, self.line.frames(at, at + step), &mut self.logits)?;
            at += step;
        }
        Ok(state)
    }

    /// Recognises the frames that do not fill a step, with silence after them.
    fn flush(&mut self, segments: &mut Vec<Segment>) -> Result<()> {
        let is_idle = self.next_frame >= self.line.end() && !self.has_stepped;
        if is_idle || self.next_frame > self.line.end() {
            return Ok(());
        }
        let mut state = self.take_state()?;
        let config = self.line.config();
        let step = self.step() as usize * config.bands;
        let mut frames = self.line.frames(self.next_frame, self.line.end()).to_vec();
        let silence = (FLUSH_SECS / config.hop_secs()) as usize * config.bands;
        let missing = (frames.len() + silence).div_ceil(step) * step - frames.len();
        frames.extend(self.line.with_silence(missing / config.bands));
        for frames in frames.chunks(step) {
            self.logits.clear();
            self.model.network().step(&mut state, frames, &mut self.logits)?;
            segments.extend(decode(&self.model, &mut self.decoder, self.next_frame, frames, &self.logits));
            self.next_frame += self.step();
        }
        Ok(())
    }

    /// Drops features that neither the next step nor a priming needs.
    fn forget(&mut self, is_running: bool) {
        let config = self.line.config();
        let reach = self.model.card().model.receptive_frames() as u64 + 2 * self.step();
        let kept = reach.max((KEPT_SECS / config.hop_secs()) as u64);
        let needed = if is_running { self.next_frame.min(self.line.end()) } else { self.line.end() };
        // Dropping moves all that is kept, so it is done seldom.
        if self.line.first() + 2 * kept <= needed {
            self.line.forget_before(needed - kept);
        }
    }
}

/// Decodes the encoder frames of one step, which began with feature frame `first_frame`.
fn decode(model: &Model, decoder: &mut Decoder, first_frame: u64, frames: &[f32], logits: &[f32]) -> Vec<Segment> {
    let (config, sizes) = (&model.card().features, &model.card().model);
    let values = sizes.stride * sizes.bands;
    let encoder_frames = frames.chunks(values).zip(logits.chunks(sizes.classes())).enumerate();
    encoder_frames
        .filter_map(|(i, (features, logits))| {
            let first = first_frame + (i * sizes.stride) as u64;
            let start_secs = first as f64 * config.hop_secs();
            let end_secs = (first + sizes.stride as u64 - 1) as f64 * config.hop_secs() + config.window_secs();
            let loudness = features.iter().sum::<f32>() / values as f32;
            decoder.accept(EncoderFrame { start_secs, end_secs, loudness, logits })
        })
        .collect()
}

#[cfg(test)]
pub(crate) mod tests;
