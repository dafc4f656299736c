//! Whether a session, heard again, gives the same words: the recorded sound goes to the recorded models, started, stopped and
//! exchanged at the recorded samples, as fast as they take it.

use std::{sync::Arc, time::Instant};

use super::{
    reader::{ALL, SessionFile},
    records::{ModelRecord, RecognitionChange, RecognitionRecord, to_json},
};
use crate::{
    Error, Result,
    models::ModelStore,
    recognise::{
        card::Model,
        online::{Online, OnlineEvent},
        transcript::Segment,
    },
};

/// Sound read at once, seconds.
const PIECE_SECS: u64 = 10;
/// A word that was under way when recording began may have begun before the sound that there is.
const WARM_UP_SECS: f64 = 2.0;

/// What hearing a lane again gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The lane.
    pub lane: String,
    /// Segments that were compared and are the same.
    pub same: usize,
    /// Segments at the ends that cannot be compared: under way when recording began, or cut off with the file.
    pub uncompared: usize,
    /// The first segment that differs: as recorded, as heard now.
    pub difference: Option<(Option<Segment>, Option<Segment>)>,
    /// Length of the sound, seconds.
    pub audio_secs: f64,
    /// How long it took, seconds.
    pub took_secs: f64,
}

impl Verified {
    /// Whether everything that was compared is the same.
    pub fn is_same(&self) -> bool {
        self.difference.is_none()
    }
}

/// Hears every lane of a session again.
///
/// # Errors
/// When the file cannot be read, or a model that it names is not there.
pub fn verify(file: &SessionFile, models: &ModelStore) -> Result<Vec<Verified>> {
    (0..file.lanes().len()).map(|lane| verify_lane(file, lane, models)).collect()
}

fn verify_lane(file: &SessionFile, lane: usize, models: &ModelStore) -> Result<Verified> {
    let begun = Instant::now();
    let info = file.lanes()[lane].clone();
    let (rate, range) = (info.record.sample_rate_hz, info.range());
    let mut listener = Listener { file, lane, at: range.start, online: Online::new(rate)?, heard: Vec::new() };
    for record in file.recognition(lane)? {
        listener.hear_to(record.heard_samples.clamp(range.start, range.end), rate)?;
        listener.apply(&record, models)?;
    }
    listener.hear_to(range.end, rate)?;
    let begin_secs = range.start as f64 / f64::from(rate);
    let end_secs = range.end as f64 / f64::from(rate);
    let found = compare(&file.segments(lane, ALL)?, &listener.heard, (begin_secs, end_secs), range.start == 0)?;
    let (same, uncompared, difference) = found;
    Ok(Verified {
        lane: info.record.key.to_string(),
        same,
        uncompared,
        difference,
        audio_secs: info.secs(),
        took_secs: begun.elapsed().as_secs_f64(),
    })
}

struct Listener<'a> {
    file: &'a SessionFile,
    lane: usize,
    at: u64,
    online: Online,
    heard: Vec<Segment>,
}

impl Listener<'_> {
    fn hear_to(&mut self, end: u64, rate: u32) -> Result<()> {
        let mut sound = Vec::new();
        while self.at < end {
            let until = end.min(self.at + PIECE_SECS * u64::from(rate));
            sound.clear();
            self.file.sound(self.lane, self.at..until, &mut sound)?;
            let mut events = Vec::new();
            self.online.accept(self.at, &sound, &mut events)?;
            self.keep(events);
            self.at = until;
        }
        Ok(())
    }

    fn apply(&mut self, record: &RecognitionRecord, models: &ModelStore) -> Result<()> {
        let mut events = Vec::new();
        match record.change {
            RecognitionChange::Found => {
                self.swap(record, models, &mut events)?;
                if record.is_running {
                    self.online.start(self.at, &mut events)?;
                }
            }
            RecognitionChange::Reset => (),
            RecognitionChange::Started { at_sample } => self.online.start(at_sample, &mut events)?,
            RecognitionChange::Stopped => self.online.stop(&mut events)?,
            RecognitionChange::Flushed => self.online.flush(&mut events)?,
            RecognitionChange::Swapped => self.swap(record, models, &mut events)?,
        }
        self.keep(events);
        Ok(())
    }

    fn swap(&mut self, record: &RecognitionRecord, models: &ModelStore, events: &mut Vec<OnlineEvent>) -> Result<()> {
        match &record.model {
            Some(model) => self.online.swap(find(model, models)?, events),
            None => Ok(()),
        }
    }

    fn keep(&mut self, events: Vec<OnlineEvent>) {
        self.heard.extend(events.into_iter().filter_map(|event| match event {
            OnlineEvent::Final(segment) => Some(segment),
            OnlineEvent::Partial(_) => None,
        }));
    }
}

/// The very model: by its name if its weights are the same, else by its weights.
fn find(wanted: &ModelRecord, models: &ModelStore) -> Result<Arc<Model>> {
    let is_it = |hash: &str| *hash == *wanted.weights_blake3;
    let of_name = models.load(&wanted.name).ok().filter(|model| is_it(&model.card().weights_blake3));
    if let Some(model) = of_name {
        return Ok(model);
    }
    let mut others = models.list().into_iter();
    let twin = others.find(|info| info.card.as_ref().is_ok_and(|card| is_it(&card.weights_blake3)));
    match twin {
        Some(info) => models.load(&info.name),
        None => Err(Error::not_found(format!(
            "the model \"{}\" that was recorded with (weights {}) is not here: put it into {}",
            wanted.name,
            wanted.weights_blake3.get(..12).unwrap_or(&wanted.weights_blake3),
            models.user_dir().display()
        ))),
    }
}

type Compared = (usize, usize, Option<(Option<Segment>, Option<Segment>)>);

/// Compares segment by segment, to the last bit of times and scores, as they are written in a file.
fn compare(recorded: &[Segment], heard: &[Segment], secs: (f64, f64), is_from_start: bool) -> Result<Compared> {
    let warm = if is_from_start { f64::NEG_INFINITY } else { secs.0 + WARM_UP_SECS };
    // A segment under way at the beginning may last longer than that.
    let under_way = recorded.iter().chain(heard).filter(|segment| segment.start_secs < warm);
    let from = under_way.map(|segment| segment.end_secs).fold(warm, f64::max);
    let later = |segments: &[Segment]| -> Vec<Segment> {
        segments.iter().filter(|segment| segment.start_secs >= from).cloned().collect()
    };
    let (mut old, mut new) = (later(recorded), later(heard));
    let mut uncompared = recorded.len() - old.len();
    // The recogniser is a little behind the sound, and a power cut does not wait for it.
    uncompared += drop_cut_off(&mut old, new.len(), secs.1) + drop_cut_off(&mut new, old.len(), secs.1);
    let mut same = 0;
    for i in 0..old.len().max(new.len()) {
        let (was, is) = (old.get(i), new.get(i));
        let is_same = match (was, is) {
            (Some(was), Some(is)) => written(was)? == written(is)?,
            _ => false,
        };
        if !is_same {
            return Ok((same, uncompared, Some((was.cloned(), is.cloned()))));
        }
        same += 1;
    }
    Ok((same, uncompared, None))
}

/// Drops a last segment that the other list lacks, if it ends with the file.
fn drop_cut_off(segments: &mut Vec<Segment>, other_len: usize, end_secs: f64) -> usize {
    let is_cut_off = segments.len() == other_len + 1
        && segments.last().is_some_and(|segment| segment.end_secs > end_secs - WARM_UP_SECS);
    if is_cut_off {
        segments.pop();
    }
    usize::from(is_cut_off)
}

/// A segment as a file gives it back.
fn written(segment: &Segment) -> Result<Vec<u8>> {
    let back: Segment = super::records::from_json(&to_json(segment)?)?;
    to_json(&back)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recognise::transcript::Token;

    fn segment(start_secs: f64, score: f32) -> Segment {
        let token = Token { token: "one".into(), start_secs, end_secs: start_secs + 0.25, score };
        Segment::new(vec![token]).unwrap()
    }

    #[test]
    fn one_bit_is_a_difference_and_the_ends_are_fair() {
        let all = [segment(1.0, 0.5), segment(3.0, 0.5), segment(9.0, 0.5)];
        assert_eq!(compare(&all, &all, (0.0, 10.0), true).unwrap(), (3, 0, None));
        assert_eq!(compare(&all[..2], &all, (0.0, 10.0), true).unwrap(), (2, 1, None), "cut off with the file");
        let (same, _, difference) = compare(&all[..2], &all, (0.0, 60.0), true).unwrap();
        assert_eq!((same, difference), (2, Some((None, Some(all[2].clone())))), "missing in the middle");
        let other = [segment(1.0, 0.5), segment(3.0, f32::from_bits(0.5f32.to_bits() + 1)), segment(9.0, 0.5)];
        assert_eq!(compare(&all, &other, (0.0, 10.0), true).unwrap().0, 1);
        assert_eq!(compare(&all, &other[1..], (2.0, 10.0), false).unwrap(), (1, 2, None), "under way at the start");
    }
}
