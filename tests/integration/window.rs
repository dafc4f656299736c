//! The scenarios that broke the original, with the built program in a window, steered over HTTP by another process, this one.
//! Each of them: one stream that connects once, no sample lost, no pause in the progress, and the transcript of a run in which
//! nothing else happened.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use seseragi::config::{Config, LaneConfig, OnClose};
use tempfile::TempDir;

use crate::{
    client::{get, post, post_json},
    display::{Display, ShownWindow},
    load::OtherLoad,
    microphone_scenarios::edits,
    program::{key, project, tokens_of, write_speech},
    pulse::{PulseServer, with_server},
    whip::{self, Publisher},
};

/// Each test may take this long. Software rendering and training share the cores with the stream.
const LIMIT: Duration = Duration::from_secs(25);
/// About eight seconds.
const SPOKEN: usize = 7;
const SIZE: (u32, u32) = (640, 400);
/// All that may happen to the connection.
const PLAYED: [&str; 4] = ["idle", "opening", "connected", "closed"];

/// The program in a window, with one closed lane that will play a file of speech.
struct Windowed {
    child: Child,
    addr: SocketAddr,
    sound: Vec<i16>,
    home: TempDir,
    display: Display,
    others: OtherLoad,
    started: Instant,
}

impl Windowed {
    /// With a file as its source. None where there is no X server to be had.
    fn start(args: &[&str]) -> Option<Self> {
        Self::start_on(|path| format!("file:{}", path.display()), Vec::new(), args)
    }

    /// With the source that `source` makes of the path of the file of speech, and more variables.
    fn start_on(
        source: impl FnOnce(&Path) -> String,
        environment: Vec<(&'static str, String)>,
        args: &[&str],
    ) -> Option<Self> {
        let display = Display::start()?;
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("speech.wav");
        let sound = write_speech(&path, SPOKEN);
        let mut config = Config::default();
        let source = source(&path).parse().unwrap();
        config.lanes = vec![LaneConfig { key: key(), source, gain_db: 0.0, is_open: false, is_recognised: false }];
        (config.window.width, config.window.height) = SIZE;
        config.window.on_close = OnClose::Headless;
        let settings = home.path().join("settings.ron");
        fs::write(&settings, ron::to_string(&config).unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_seseragi"));
        command.args(["run", "--port", "0", "--exit-after", "60", "--config"]).arg(settings).args(args);
        command.current_dir(home.path()).env("DISPLAY", &display.name).env("WINIT_X11_SCALE_FACTOR", "1");
        command.env("SESERAGI_HOME", home.path().join("home")).env("SESERAGI_ASSETS", project("assets"));
        command.env("XDG_RUNTIME_DIR", home.path());
        for name in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "DBUS_SESSION_BUS_ADDRESS", "PULSE_SERVER", "RUST_LOG"] {
            command.env_remove(name);
        }
        command.envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(home.path().join("log")).unwrap());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line.split('/').nth(2).and_then(|addr| addr.parse().ok());
        let log = || fs::read_to_string(home.path().join("log")).unwrap_or_default();
        let addr = addr.unwrap_or_else(|| panic!("{line:?} names no address; {}", log()));
        let others = OtherLoad::since_now(child.id());
        let mut program = Self { child, addr, sound, home, display, others, started: Instant::now() };
        program.until("a drawn frame", |status| drawn(status) > 3);
        Some(program)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn window(&self) -> ShownWindow {
        self.display.window(LIMIT)
    }

    /// The status, with all that must hold at any time.
    fn status(&mut self) -> Value {
        assert_eq!(self.child.try_wait().unwrap(), None, "the program runs on");
        let status = get(self.addr, "/api/status").json();
        let streams = status["streams"].as_array().unwrap();
        assert_eq!((streams.len(), &streams[0]["key"]), (1, &json!("main")));
        let stream = &streams[0];
        let states: Vec<_> = stream["history"].as_array().unwrap().iter().map(|change| &change["state"]).collect();
        assert_eq!(states, PLAYED[..states.len().min(PLAYED.len())], "{stream}");
        assert_eq!((&stream["samples_lost"], &stream["xruns"], &stream["gaps"]), (&json!(0), &json!(0), &json!([])));
        for task in status["tasks"].as_array().unwrap() {
            assert_eq!(task["restarts"], 0, "{task}");
        }
        status
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let status = self.status();
            if is_so(&status) {
                return status;
            }
            assert!(self.started.elapsed() < LIMIT, "{what} did not come within {LIMIT:?}; {status:#}");
            sleep(Duration::from_millis(50));
        }
    }

    /// What the two buttons do: open the source, recognise.
    fn open_and_recognise(&mut self) {
        assert!(post(self.addr, "/api/streams/main/start").status < 300);
    }

    fn until_word(&mut self) {
        self.until("a word", |status| tokens(status) != &json!([]));
    }

    fn start_training(&mut self) {
        let body = r#"{"model_name": "from-outside", "dataset_name": "demo", "epochs": 1000, "batch_size": 4}"#;
        let reply = post_json(self.addr, "/api/train/start", body);
        assert!(reply.status < 300, "{}", reply.detail());
        assert_eq!(self.status()["is_training"], true, "progress shows at once");
    }

    fn until_steps(&mut self, more: u64) {
        let from = steps(&self.status());
        self.until("training", |status| steps(status) >= from + more);
    }

    /// Plays the rest of the file and compares everything with a run in which nothing else happened.
    fn play_out(&mut self) -> Value {
        let expected = tokens_of(&self.sound);
        assert!(expected.len() >= SPOKEN / 2, "the control run heard words: {expected:?}");
        // Through text, as the status came.
        let expected: Value = serde_json::from_str(&serde_json::to_string(&expected).unwrap()).unwrap();
        let played = self.sound.len();
        self.until("the end of the file", |status| status["streams"][0]["connection"] == "closed");
        self.until("the last word", |status| tokens(status) == &expected);
        sleep(Duration::from_millis(300));
        let status = self.status();
        assert_eq!(tokens(&status), &expected, "and no word after it");
        assert_eq!(status["streams"][0]["samples_in"], played);
        println!("frames {}, training {}", status["frames"], status["training"]);
        status
    }

    /// Progress came without a pause of more than a second or two steps, as far as others left the trainer a processor.
    fn assert_no_pause(&mut self) {
        let (status, others) = (self.status(), self.others.share());
        let Some(training) = status["training"].as_object() else { return };
        let number = |key: &str| training[key].as_f64().unwrap();
        let (pause, two_steps) = (number("longest_pause_secs"), 2.0 * 4.0 / number("examples_per_sec").max(1e-3));
        println!("longest pause {pause:.2} s; other programs took {:.0} % of the machine", others * 100.0);
        if others > 0.25 {
            return println!("the pause is not judged: the machine is busy with other things");
        }
        assert!(pause <= two_steps.max(1.0), "{training:?}");
    }

    /// Asks it to end, which it does at once and well.
    fn end(mut self) {
        self.assert_no_pause();
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let start = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(start.elapsed() < Duration::from_secs(5), "it does not end"),
            }
            sleep(Duration::from_millis(20));
        };
        assert!(status.success(), "{status}");
        println!("{:.1} s in all, of which {:?} to end", self.started.elapsed().as_secs_f64(), start.elapsed());
    }
}

impl Drop for Windowed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        println!("the program's log:\n{log}");
        assert!(std::thread::panicking() || !log.contains("panicked"), "something panicked");
    }
}

fn drawn(status: &Value) -> u64 {
    status["frames"]["drawn"].as_u64().unwrap()
}

fn steps(status: &Value) -> u64 {
    status["training"]["step"].as_u64().unwrap_or(0)
}

fn tokens(status: &Value) -> &Value {
    &status["streams"][0]["tokens"]
}

fn words(status: &Value) -> Vec<String> {
    tokens(status).as_array().unwrap().iter().map(|token| token["token"].as_str().unwrap().to_owned()).collect()
}

/// Width, height and the number of colours of a PNG.
fn picture(path: &Path) -> (u32, u32, usize) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let colours: std::collections::BTreeSet<_> = pixels.chunks_exact(3).collect();
    (info.width, info.height, colours.len())
}

#[test]
fn no_training_connects_once_words_appear_and_a_picture_is_taken() {
    let Some(mut program) = Windowed::start(&["--screenshot", "window.png", "--after", "6"]) else { return };
    assert_eq!(program.window().size(), SIZE);
    assert_eq!(program.status()["streams"][0]["connection"], "idle");
    program.open_and_recognise();
    program.until_word();
    let status = program.status();
    assert_eq!((&status["realtime_running"], &status["is_training"]), (&json!(true), &json!(false)));
    let before = drawn(&status);
    let after = drawn(&program.play_out());
    assert!(after > before + 20, "frames were drawn all the while: {before} to {after}");
    let (width, height, colours) = picture(&program.path("window.png"));
    println!("{width} x {height} pixels in {colours} colours");
    assert_eq!((width, height), SIZE);
    assert!(colours > 100, "a spectrogram has more than {colours} colours");
    program.end();
}

#[test]
fn training_first_then_streaming_and_progress_goes_on() {
    let Some(mut program) = Windowed::start(&[]) else { return };
    program.start_training();
    program.until_steps(2);
    program.open_and_recognise();
    program.until_word();
    let status = program.status();
    assert_eq!((&status["realtime_running"], &status["is_training"]), (&json!(true), &json!(true)));
    program.until_steps(2);
    assert_eq!(program.status()["realtime_running"], true, "progress moved while streaming");
    program.play_out();
    assert!(post(program.addr, "/api/streams/main/stop").status < 300);
    program.until("the stop", |status| status["streams"][0]["is_recognised"] == false);
    program.until_steps(2);
    program.end();
}

#[test]
fn streaming_first_then_training_from_outside_leaves_the_stream_alone() {
    let Some(mut program) = Windowed::start(&[]) else { return };
    program.open_and_recognise();
    program.until_word();
    program.start_training();
    program.until_steps(3);
    assert_eq!(program.status()["realtime_running"], true);
    program.play_out();
    program.until_steps(1);
    program.end();
}

#[test]
fn a_minimised_window_loses_nothing_and_is_drawn_again() {
    let Some(mut program) = Windowed::start(&[]) else { return };
    let window = program.window();
    program.start_training();
    program.open_and_recognise();
    program.until_word();
    window.minimise();
    program.until_steps(2);
    sleep(Duration::from_secs(2));
    assert!(!window.is_shown() && window.is_open());
    let before = drawn(&program.status());
    window.restore();
    program.until("drawing", |status| drawn(status) > before + 5);
    assert!(window.is_shown());
    program.play_out();
    program.end();
}

fn close(window: ShownWindow) {
    window.close();
    let start = Instant::now();
    while window.is_open() {
        assert!(start.elapsed() < Duration::from_secs(3), "the window does not close");
        sleep(Duration::from_millis(20));
    }
    sleep(Duration::from_millis(300));
}

#[test]
fn a_page_stays_connected_when_the_window_closes() {
    let Some(python) = whip::python() else { return };
    let Some(mut program) = Windowed::start_on(|_| "whip".to_owned(), Vec::new(), &[]) else { return };
    let (window, speech) = (program.window(), program.path("speech.wav"));
    let url = format!("http://{}/whip/main", program.addr);
    let page = Publisher::start(&python, &["chromium", &url, speech.to_str().unwrap(), "8"]);
    program.open_and_recognise();
    program.until_word();
    close(window);
    let heard = tokens(&program.status()).as_array().unwrap().len();
    program.until("a word without the window", |status| words(status).len() > heard);
    assert_eq!(page.finish()["state"], "connected");
    program.until("its goodbye", |status| status["streams"][0]["connection"] == "closed");
    program.end();
}

#[test]
fn a_closed_window_leaves_the_program_running_without_it() {
    let Some(mut program) = Windowed::start(&[]) else { return };
    let window = program.window();
    program.start_training();
    program.open_and_recognise();
    program.until_word();
    close(window);
    let before = drawn(&program.status());
    program.until_steps(2);
    let status = program.play_out();
    assert_eq!((drawn(&status), &status["frames"]["fps"]), (before, &json!(0.0)), "nothing is drawn any more");
    // Which takes a turn of the app that no event of a window calls for.
    program.end();
}

#[test]
fn a_microphone_is_recognised_in_a_window_while_training() {
    let name = "window::a_microphone_is_recognised_in_a_window_while_training";
    with_server(name, 2 * LIMIT, is_recognised_in_a_window);
}

fn is_recognised_in_a_window(server: &mut PulseServer) {
    let Some(mut program) = Windowed::start_on(|_| "mic".to_owned(), server.environment(), &[]) else { return };
    program.start_training();
    program.open_and_recognise();
    program.until("the connection", |status| status["streams"][0]["connection"] == "connected");
    let player = server.play(&program.path("speech.wav"), "spk");
    program.until_word();
    program.until_steps(2);
    let expected: Vec<String> = tokens_of(&program.sound).iter().map(|token| token.token.to_string()).collect();
    program.until("all words", |status| words(status).len() >= expected.len());
    sleep(Duration::from_secs(1));
    drop(player);
    let status = program.status();
    println!("heard {:?}, the file alone {expected:?}; frames {}", words(&status), status["frames"]);
    assert!(edits(&words(&status), &expected) <= 1);
    assert_eq!((&status["realtime_running"], &status["is_training"]), (&json!(true), &json!(true)));
    program.end();
}
