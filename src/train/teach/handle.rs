//! Teaching in the running program: clips are taken from a lane's recent sound, and a lesson is given when it is the trainer's turn.

use std::time::Duration;

use bevy::ecs::message::Message;
use bevy::tasks::{AsyncComputeTaskPool, TaskPool};

use super::{Lesson, TaughtClips, TaughtWord, utterances};
use crate::engine::Engine;
use crate::event::Event;
use crate::link::Latest;
use crate::stream::StreamKey;
use crate::train::trainer::Turn;
use crate::{Error, Result, Text};

/// The longest stretch of sound that words are looked for in.
pub const LONGEST_TAKE_SECS: u32 = 60;

/// Something asked about teaching, from inside the ECS.
#[derive(Message, Clone, Debug, PartialEq)]
pub enum TeachIntent {
    /// Look again at what was taught.
    List,
    /// Take the words said in a lane's last seconds as clips of a word.
    Take {
        /// Which lane.
        stream: StreamKey,
        /// What was said.
        word: String,
        /// How far back it is looked for.
        secs: u32,
    },
    /// Delete a clip.
    Remove {
        /// Of this word.
        word: String,
        /// The name of its file.
        clip: String,
    },
    /// Teach a word.
    Teach(Lesson),
}

/// How teaching stands. Kind of its link: newest wins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TeachReport {
    /// The words with their clips.
    pub words: Vec<TaughtWord>,
    /// What was done last, or why it could not be done.
    pub message: Option<Text>,
    /// Whether it could not be done.
    pub is_refused: bool,
}

/// Teaches in the running program. It keeps nothing but the newest report: clips are files.
#[derive(Clone, Debug)]
pub struct Teacher {
    report: Latest<TeachReport>,
}

impl Default for Teacher {
    fn default() -> Self {
        Self { report: Latest::new(TeachReport::default()) }
    }
}

impl Teacher {
    /// How teaching stands.
    pub fn report(&self) -> &Latest<TeachReport> {
        &self.report
    }

    /// Does what is asked, elsewhere; what comes of it is in the report, and what fails is an event as well.
    pub fn command(&self, engine: &Engine, intent: TeachIntent) {
        let (this, engine) = (self.clone(), engine.clone());
        let pool = AsyncComputeTaskPool::get_or_init(TaskPool::default);
        pool.spawn(async move {
            if let Err(error) = this.obey(&engine, intent) {
                engine.events().publish(Event::Failure { owner: "teach".into(), message: error.message });
            }
        })
        .detach();
    }

    fn obey(&self, engine: &Engine, intent: TeachIntent) -> Result<()> {
        match intent {
            TeachIntent::List => self.tell(engine, Ok(None)),
            TeachIntent::Take { stream, word, secs } => self.take(engine, &stream, &word, secs).map(drop),
            TeachIntent::Remove { word, clip } => self.remove(engine, &word, &clip),
            TeachIntent::Teach(lesson) => self.teach(engine, &lesson).map(drop),
        }
    }

    /// Takes the words said in the last `secs` of a lane as clips of `word`, and says how many. Waits for the recorder, which keeps
    /// that sound: not to be called while a frame is drawn.
    ///
    /// # Errors
    /// Where nothing was said, the word cannot be taught, or there is no such lane.
    pub fn take(&self, engine: &Engine, stream: &StreamKey, word: &str, secs: u32) -> Result<usize> {
        let taken = take(engine, stream, word, secs);
        let message = taken.as_ref().map(|count| Some(format!("{count} clips of \"{word}\" were taken from {stream}")));
        self.tell(engine, message.map_err(Clone::clone))?;
        taken
    }

    /// Deletes a clip.
    ///
    /// # Errors
    /// Where there is none.
    pub fn remove(&self, engine: &Engine, word: &str, clip: &str) -> Result<()> {
        let removed = clips(engine).and_then(|clips| clips.remove(word, clip));
        self.tell(engine, removed.map(|()| None))
    }

    /// Gives a lesson, at once or when the run under way has ended, and says which. The model that comes of it is taken by every
    /// lane when it is done.
    ///
    /// # Errors
    /// As [`Lesson::spec`], and where too many runs wait already.
    pub fn teach(&self, engine: &Engine, lesson: &Lesson) -> Result<Turn> {
        let turn = lesson.spec(engine.trainer().places()).and_then(|spec| engine.trainer().start_in_turn(spec));
        let message = turn.as_ref().map(|Turn { run, waits_for }| {
            let word = &lesson.word;
            Some(match waits_for {
                None => format!("\"{word}\" is being taught; \"{run}\" listens by itself when it is done"),
                Some(other) => format!("\"{word}\" waits for its turn: \"{other}\" is being trained"),
            })
        });
        self.tell(engine, message.map_err(Clone::clone))?;
        turn
    }

    /// Publishes what was done, with the words as they are now. An error is published and handed back.
    fn tell(&self, engine: &Engine, done: Result<Option<String>>) -> Result<()> {
        let words = clips(engine).and_then(|clips| clips.words()).unwrap_or_default();
        let (message, is_refused) = match &done {
            Ok(message) => (message.as_deref().map(Into::into), false),
            Err(error) => (Some(error.message.as_str().into()), true),
        };
        self.report.publish(TeachReport { words, message, is_refused });
        done.map(drop)
    }
}

/// The clips of the running program.
pub fn clips(engine: &Engine) -> Result<TaughtClips> {
    TaughtClips::new(engine.trainer().places())
}

fn take(engine: &Engine, stream: &StreamKey, word: &str, secs: u32) -> Result<usize> {
    if !(1..=LONGEST_TAKE_SECS).contains(&secs) {
        return Err(Error::invalid(format!("secs is {secs}; allowed are 1 to {LONGEST_TAKE_SECS}")));
    }
    if !engine.has_stream(stream) {
        return Err(Error::not_found(format!("there is no stream \"{stream}\"")));
    }
    let clips = clips(engine)?;
    clips.count(word)?;
    let (rate, sound) = engine.recorder().recent(stream, Duration::from_secs(u64::from(secs)))?;
    let samples: Vec<f32> = sound.iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    let found = utterances(&samples, rate);
    if found.is_empty() {
        return Err(Error::invalid(format!(
            "no word was found in the last {secs} s of {stream}: say it some times, with half a second of quiet between"
        )));
    }
    for range in &found {
        clips.add(word, rate, &samples[range.clone()])?;
    }
    Ok(found.len())
}
