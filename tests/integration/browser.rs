//! A real browser with a microphone that plays a file, steered from a test. The page under test is the one that the program serves.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::program::project;

/// The Python that has what `tests/requirements.txt` names; one line says so where it is missing.
pub fn python() -> Option<PathBuf> {
    let python = std::env::var_os("SESERAGI_PYTHON").map(PathBuf::from);
    if python.is_none() {
        println!("SESERAGI_PYTHON is not set: this test needs a browser and does not run (see .ci/test)");
    }
    python.filter(|_| {
        let is_there = Path::new("/usr/bin/chromium").exists();
        if !is_there {
            println!("/usr/bin/chromium is not installed: this test does not run (see .ci/packages)");
        }
        is_there
    })
}

/// A running browser; it ends when this is dropped.
pub struct Browser {
    child: Child,
    /// Closing it ends the script, and with it the browser.
    commands: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// How often a test is turned while it waits for an answer.
const TURN: Duration = Duration::from_millis(16);

impl Browser {
    /// Starts a browser whose microphone plays `microphone`; none where the machine has none.
    pub fn start(microphone: &Path) -> Option<Self> {
        let mut child = Command::new(python()?)
            .arg(project("tests/tools/browser.py"))
            .arg(microphone)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = sync_channel(16);
        #[expect(clippy::disallowed_methods, reason = "a pipe of a test's own child is read on a thread of its own")]
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut browser = Self { child, commands: Some(commands), answers };
        let version = browser.answer(&mut || ());
        println!("browser: {version}");
        Some(browser)
    }

    /// Says `command` and turns `meanwhile` until the answer is there.
    pub fn ask(&mut self, command: &Value, meanwhile: &mut impl FnMut()) -> Value {
        writeln!(self.commands.as_ref().unwrap(), "{command}").unwrap();
        self.answer(meanwhile)
    }

    fn answer(&mut self, meanwhile: &mut impl FnMut()) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match self.answers.recv_timeout(TURN) {
                Ok(line) => {
                    let mut answer: Value = serde_json::from_str(&line).unwrap();
                    assert!(answer.get("error").is_none(), "{answer}");
                    return answer["ok"].take();
                }
                Err(RecvTimeoutError::Timeout) => assert!(Instant::now() < deadline, "the browser does not answer"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser is gone"),
            }
            meanwhile();
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.commands.take());
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(TURN);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
