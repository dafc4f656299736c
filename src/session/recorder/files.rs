//! What the recorder does with its files: begin, cut, close, keep, forget, and give up.

use std::{
    path::Path,
    time::{Instant, SystemTime},
};

use bevy::tasks::{AsyncComputeTaskPool, TaskPool};

use super::{RETRY_AFTER, Recorder, Segment};
use crate::{
    Error, Result,
    event::Event,
    session::{
        disk::{Storage, session_name},
        program_name,
        records::ProgramRecord,
        rewrite::mark,
        track::{Moment, write_block, write_event},
        writer::SessionWriter,
    },
    stream::StreamKey,
};

impl Recorder {
    pub(super) fn begin_segment(&mut self, moment: Moment) {
        self.part.0 += 1;
        let name = format!("{}-{}.mcap", self.part.1, self.part.0);
        let path = self.settings.folder.join(name);
        let program = ProgramRecord { program: program_name(), part: self.part.0 };
        let begun = SessionWriter::new(&program, moment.unix_nanos).and_then(|writer| {
            let storage = (self.create)(&path)
                .map_err(|error| Error::io(format_args!("cannot record to {}", path.display()), &error))?;
            let (begun, cut) = (moment.now, moment.now);
            Ok(Segment { writer, storage, path, begun, cut, bytes: 0 })
        });
        match begun {
            Ok(segment) => {
                (self.segment, self.failure, self.stopping, self.retry_at) = (Some(segment), None, None, None);
                self.told_of_loss = false;
                if let Err(error) = self.settings.retention.apply(&self.settings.folder, SystemTime::now()) {
                    self.complain(&error);
                }
            }
            Err(error) => self.fail(&error, moment.now),
        }
    }

    /// Closes the chunks and takes them to the disk.
    pub(super) fn cut(&mut self, moment: Moment) -> Result<()> {
        let Some(segment) = &mut self.segment else { return Ok(()) };
        for track in self.tracks.values_mut() {
            track.write_settings(&mut segment.writer)?;
        }
        segment.cut = moment.now;
        segment.writer.cut()?;
        let bytes = segment.writer.take_bytes();
        append(&mut *segment.storage, &segment.path, &bytes)?;
        segment.bytes += bytes.len() as u64;
        self.told_of_loss = false;
        Ok(())
    }

    /// Ends the file, if there is one.
    pub(super) fn close(&mut self, moment: Moment) {
        self.stopping = None;
        self.tracks.values_mut().for_each(|track| track.slot = None);
        let Some(Segment { writer, mut storage, path, .. }) = self.segment.take() else { return };
        let done = writer.finish().and_then(|bytes| append(&mut *storage, &path, &bytes));
        match done {
            Ok(()) => self.tell(format!("saved {}", path.display())),
            Err(error) => self.fail(&error, moment.now),
        }
    }

    /// Saves the last minute of every lane that is not excluded.
    pub(super) fn keep(&mut self, moment: Moment) -> Result<()> {
        let mut writer = SessionWriter::new(&ProgramRecord { program: program_name(), part: 1 }, moment.unix_nanos)?;
        let mut is_empty = true;
        for track in self.tracks.values_mut().filter(|track| !self.settings.excluded.contains(&track.key)) {
            let (blocks, events, recognition) = track.past();
            let Some(first) = blocks.first().map(|block| block.first_sample) else { continue };
            is_empty = false;
            let mut slot = track.enter(&mut writer, first, recognition)?;
            for (i, block) in blocks.iter().enumerate() {
                write_block(&mut writer, &mut slot, block)?;
                if i % 50 == 49 {
                    writer.cut()?;
                }
            }
            for event in &events {
                write_event(&mut writer, slot.lane, track.next_sample, event)?;
            }
        }
        if is_empty {
            return Err(Error::not_found("there is no past to keep: nothing was heard, or the settings keep none"));
        }
        let path = self.settings.folder.join(format!("{}-kept.mcap", session_name(moment.unix_nanos)));
        let failed = |error| Error::io(format_args!("cannot save {}", path.display()), &error);
        let mut storage = (self.create)(&path).map_err(failed)?;
        append(&mut *storage, &path, &writer.finish()?)?;
        self.tell(format!("kept {}", path.display()));
        Ok(())
    }

    pub(super) fn forget(&mut self, key: &StreamKey, moment: Moment) {
        let Some(track) = self.tracks.get_mut(key) else { return };
        track.forget();
        track.is_wanted = false;
        if let Err(error) = mark(&self.settings.folder, key, moment.unix_nanos) {
            self.complain(&error);
        }
        let Some(track) = self.tracks.get_mut(key) else { return };
        if track.slot.take().is_none() {
            return;
        }
        // What is on the disk can be taken out only of a file that is closed. The others go on in the next one meanwhile: making an
        // hour anew takes its time. Should the program end before, the mark is there.
        let path = self.segment.as_ref().map(|segment| segment.path.clone());
        self.close(moment);
        if self.tracks.values().any(|track| track.is_wanted) {
            self.begin_segment(moment);
        }
        let (key, events) = (key.clone(), self.events.clone());
        let forget = async move {
            if let Some(Err(error)) = path.map(|path| crate::session::forget(&path, &key)) {
                events.publish(Event::Failure { owner: "record".into(), message: error.message });
            }
        };
        AsyncComputeTaskPool::get_or_init(TaskPool::default).spawn(forget).detach();
    }

    /// The disk failed: what is written stays as it is, the streams go on.
    pub(super) fn fail(&mut self, error: &Error, now: Instant) {
        self.segment = None;
        self.stopping = None;
        self.tracks.values_mut().for_each(|track| track.slot = None);
        if self.failure.as_ref() != Some(error) {
            self.complain(error);
        }
        self.failure = Some(error.clone());
        self.retry_at = self.settings.is_always_on.then(|| now + RETRY_AFTER);
    }
}

fn append(storage: &mut dyn Storage, path: &Path, bytes: &[u8]) -> Result<()> {
    let what = "recording ended, what is written stays whole";
    storage.append(bytes).map_err(|error| Error::io(format_args!("cannot write {}, {what}", path.display()), &error))
}
