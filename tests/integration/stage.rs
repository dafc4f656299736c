//! A screen, and a real browser whose pages look at it: what the tests of the page stand on.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use seseragi::stream::ConnectionState::{Connected, Opening};

use crate::{
    browser::Browser,
    program::{tokens_of, write_speech},
    screen::Screen,
};

const LIMIT: Duration = Duration::from_secs(20);
/// Writes down every phase that the page goes through.
const WATCH: &str = "window.phases = []; new MutationObserver(() => { const phase = document.body?.dataset.phase; \
                     if (phase && phase !== phases.at(-1)) phases.push(phase); }).observe(document, \
                     { subtree: true, childList: true, attributes: true, attributeFilter: ['data-phase'] });";

/// A screen, and phones that look at it.
pub struct Stage {
    browser: Browser,
    pub screen: Screen,
    /// What every microphone hears, over and over.
    pub sound: Vec<i16>,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// With `words` spoken into every microphone; none where the machine has no browser.
    pub fn start(words: usize) -> Option<Self> {
        Self::hearing(|path| speech_after_silence(path, words))
    }

    /// With the sound that `write` writes into a file.
    pub fn hearing(write: impl FnOnce(&Path) -> Vec<i16>) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sound.wav");
        let sound = write(&path);
        let browser = Browser::start(&path)?;
        Some(Self { browser, screen: Screen::start(), sound, _folder: folder })
    }

    pub fn ask(&mut self, page: &str, what: &str, more: Value) -> Value {
        let mut command = json!({ "do": what, "page": page });
        command.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let Self { browser, screen, .. } = self;
        browser.ask(&command, &mut || {
            screen.frame();
        })
    }

    pub fn open(&mut self, page: &str, more: Value) {
        let mut how = json!({ "url": self.screen.url(), "script": WATCH });
        how.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask(page, "open", how);
    }

    pub fn click(&mut self, page: &str, on: &str) {
        self.ask(page, "click", json!({ "on": on }));
    }

    pub fn text(&mut self, page: &str, on: &str) -> String {
        self.ask(page, "text", json!({ "on": on })).as_str().unwrap().to_owned()
    }

    pub fn evaluate(&mut self, page: &str, script: &str) -> Value {
        self.ask(page, "evaluate", json!({ "script": script }))
    }

    /// Draws until `script` is true on the page.
    pub fn until(&mut self, page: &str, what: &str, script: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.evaluate(page, &format!("Boolean({script})")) != true {
            if Instant::now() >= deadline {
                let shown = self.text(page, "body");
                panic!("{what} did not come; the page shows {shown}\n{:#?}", self.screen.status().streams);
            }
            self.screen.run_for(0.05);
        }
    }

    pub fn until_phase(&mut self, page: &str, phase: &str) {
        self.until(page, phase, &format!("document.body.dataset.phase === '{phase}'"));
    }

    /// START, as a visitor presses it; a new lane is recognised from its first sound on.
    pub fn join(&mut self, page: &str) {
        self.click(page, "#start");
        self.until_phase(page, "connected");
        self.until(page, "recognition", "!document.getElementById('stop').disabled");
    }

    pub fn until_words(&mut self, page: &str, count: usize) {
        self.until(
            page,
            "words",
            &format!("document.getElementById('finals').textContent.split(' ').length >= {count}"),
        );
    }

    /// What the page's display of the training says: steps shown so far, and its longest pause.
    pub fn shown_progress(&mut self, page: &str) -> (u64, u64) {
        let shown = self.evaluate(page, "({ ...document.getElementById('training').dataset })");
        let number = |name: &str| shown[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        (number("step"), number("longestPauseMillis"))
    }

    /// The display of the training moves on by `steps`.
    pub fn until_progress(&mut self, page: &str, steps: u64) {
        let until = self.shown_progress(page).0 + steps;
        self.until(page, "progress", &format!("document.getElementById('training').dataset.step >= {until}"));
    }

    /// One connection since START, on the page and on the server, and not a sample lost.
    pub fn assert_connected_once(&mut self, page: &str) {
        assert_eq!(self.evaluate(page, "phases"), json!(["idle", "asking", "opening", "connected"]));
        assert_eq!(self.evaluate(page, "document.body.dataset.connects"), "1");
        let lane = self.screen.lane();
        let states: Vec<_> = lane.history.iter().map(|change| change.state).collect();
        assert_eq!(states[states.len() - 2..], [Opening, Connected], "{:?}", lane.history);
        assert_eq!(states.iter().filter(|&&state| state == Connected).count(), 1, "{:?}", lane.history);
        // A browser that gets no processor sends late; where other programs take the machine that says nothing of ours.
        let (lost, others) = (lane.samples_lost, self.screen.others());
        println!("{lost} samples lost; other programs, the browser among them, took {:.0} %", others * 100.0);
        assert!(lost == 0 || others > 0.5, "{:?}", lane.gaps);
    }

    /// The words on the page are those that the model reads in the file itself; the microphone repeats it.
    pub fn assert_words(&mut self, page: &str) {
        let expected: Vec<_> = tokens_of(&self.sound).iter().map(|token| token.token.to_string()).collect();
        self.until_words(page, expected.len());
        let shown = self.text(page, "#finals");
        let shown: Vec<_> = shown.split_whitespace().map(str::to_owned).collect();
        println!("in the file {expected:?}\non the page {shown:?}");
        let same = expected.iter().zip(&shown).filter(|(a, b)| a == b).count();
        assert!(same + 1 >= expected.len(), "in the file {expected:?}, on the page {shown:?}");
    }

    /// The longest pause of the page's own display, unless other programs took the machine.
    pub fn assert_no_pause(&mut self, page: &str) {
        let (pause, others) = (self.shown_progress(page).1, self.screen.others());
        println!("longest pause on the page: {pause} ms; other programs took {:.0} %", others * 100.0);
        assert!(pause > 0 && (pause <= 1_000 || others > 0.5), "{pause} ms");
    }
}

/// Words behind three seconds of silence, so that the first of them is heard however long a page takes to connect.
fn speech_after_silence(path: &Path, words: usize) -> Vec<i16> {
    let mut sound = vec![0i16; 3 * 48_000];
    sound.extend(write_speech(path, words));
    write_wav(path, &sound);
    sound
}

/// Writes mono sound at 48 kHz.
pub fn write_wav(path: &Path, sound: &[i16]) {
    let format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels: 1, sample_rate: 48_000, bits_per_sample: 16, sample_format: format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    sound.iter().for_each(|&sample| writer.write_sample(sample).unwrap());
    writer.finalize().unwrap();
}
