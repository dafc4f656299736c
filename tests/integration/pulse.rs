//! A private PulseAudio or PipeWire server with null sinks, for tests that need a real sound server: nothing of the machine's
//! own sound is touched, and any number of them run side by side.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// A server in a directory of its own. Everything that it started ends with it.
pub struct PulseServer {
    directory: PathBuf,
    kind: Kind,
    server: Option<Child>,
    helpers: Vec<Child>,
}

/// A program that plays or records, ended on drop.
pub struct Player(Child);

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    PulseAudio,
    PipeWire,
}

impl Kind {
    /// Whether its programs are here; says so if not.
    fn is_installed(self) -> bool {
        let (programs, packages): (&[_], _) = match self {
            Self::PulseAudio => (&["pulseaudio", "pactl"], "pulseaudio pulseaudio-utils"),
            Self::PipeWire => (
                &["pipewire", "pipewire-pulse", "wireplumber", "dbus-run-session", "pactl"],
                "pipewire pipewire-pulse wireplumber dbus pulseaudio-utils",
            ),
        };
        let runs = |program: &&str| {
            Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success())
        };
        let is_there = programs.iter().all(runs);
        if !is_there {
            eprintln!("skipped: {self:?} is not installed (apt-get install {packages})");
        }
        is_there
    }
}

impl PulseServer {
    /// A server with one mono null sink at 48 kHz, `spk`, whose monitor is the default source.
    fn start(directory: PathBuf, kind: Kind) -> Self {
        let mut server = Self { directory, kind, server: None, helpers: Vec::new() };
        server.restart();
        server
    }

    /// The variables that lead a program to this server and to no other.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.directory)
    }

    /// A command that talks to this server.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_remove("DBUS_SESSION_BUS_ADDRESS").envs(self.environment()).stdin(Stdio::null());
        command
    }

    /// Runs `pactl` and returns what it says.
    pub fn pactl(&self, arguments: &[&str]) -> String {
        let output = self.command("pactl").args(arguments).output().expect("pactl runs");
        assert!(output.status.success(), "pactl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Starts the server, after [`PulseServer::kill`] again, and waits until it answers.
    pub fn restart(&mut self) {
        assert!(self.server.is_none(), "there is a server already");
        let socket = self.directory.join("native");
        let _ = std::fs::remove_file(&socket);
        let log = File::create(self.directory.join("log")).expect("a log file");
        let mut command = match self.kind {
            Kind::PulseAudio => {
                let mut command = self.command("pulseaudio");
                command.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--realtime=no"]);
                command.args(["--high-priority=no", "-L"]);
                command.arg(format!("module-native-protocol-unix socket={} auth-anonymous=1", socket.display()));
                command
            }
            Kind::PipeWire => {
                let mut command = self.command("dbus-run-session");
                command.args(["--", "sh", "-c", "pipewire & sleep 0.3; wireplumber & exec pipewire-pulse"]);
                command
            }
        };
        command.stdout(Stdio::null()).stderr(log);
        self.server = Some(command.spawn().expect("pulseaudio starts"));
        let start = Instant::now();
        while !self.command("pactl").arg("info").output().is_ok_and(|output| output.status.success()) {
            assert!(start.elapsed() < Duration::from_secs(10), "the server does not answer");
            sleep(Duration::from_millis(10));
        }
        if self.kind == Kind::PipeWire {
            // Its session manager comes a moment later than the server.
            sleep(Duration::from_secs(1));
        }
        self.pactl(&["load-module", "module-null-sink", "sink_name=spk", "rate=48000", "format=s16le", "channels=1"]);
        while !self.pactl(&["list", "short", "sources"]).contains("spk.monitor") {
            assert!(start.elapsed() < Duration::from_secs(10), "the server makes no sink");
            sleep(Duration::from_millis(10));
        }
        self.pactl(&["set-default-source", "spk.monitor"]);
        self.keep_awake("spk.monitor");
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.helpers.drain(..).for_each(end);
        self.server.take().into_iter().for_each(end);
    }

    /// Freezes the server, as a machine under load or a debugger does.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(server) = &self.server {
            kill_process(Pid::from_child(server), signal).expect("a signal to our own child");
        }
    }

    /// Adds a null sink; `format` may be followed by further arguments of the module. Its source is `NAME.monitor`; returns its module for [`PulseServer::unload`].
    pub fn add_sink(&mut self, name: &str, rate_hz: u32, format: &str, channels: u16) -> String {
        let arguments = [
            "load-module",
            "module-null-sink",
            &format!("sink_name={name}"),
            &format!("rate={rate_hz}"),
            &format!("format={format}"),
            &format!("channels={channels}"),
        ];
        let module = self.pactl(&arguments);
        self.keep_awake(&format!("{name}.monitor"));
        module
    }

    /// Removes a module and the devices that it made.
    pub fn unload(&self, module: &str) {
        self.pactl(&["unload-module", module]);
    }

    /// An idle null sink works in lumps of two seconds; with somebody listening at 10 ms it works like a real device. Waits
    /// until it does.
    fn keep_awake(&mut self, source: &str) {
        let heard = self.directory.join(format!("{source}.{}.raw", self.helpers.len()));
        // In the source's own form: the server changes the rate of an idle device to that of who comes first.
        self.helpers.push(self.recorder(source, &heard, &["--fix-rate", "--fix-format", "--fix-channels"]));
        let start = Instant::now();
        let size = || std::fs::metadata(&heard).map_or(0, |metadata| metadata.len());
        let mut growths = 0;
        while growths < 3 {
            let before = size();
            sleep(Duration::from_millis(30));
            growths = if size() > before { growths + 1 } else { 0 };
            assert!(start.elapsed() < Duration::from_secs(10), "{source} gives no sound");
        }
    }

    fn recorder(&self, source: &str, raw: &Path, form: &[&str]) -> Child {
        let file = File::create(raw).expect("a file to record to");
        let mut command = self.command("parec");
        command.args(["--latency-msec=10", "--raw", "-d", source]).args(form);
        command.stdout(file).stderr(Stdio::null()).spawn().expect("parec starts")
    }

    /// Plays a WAV into a sink, with the latency that players have by default.
    pub fn play(&self, wav: &Path, sink: &str) -> Player {
        let mut command = self.command("paplay");
        Player(command.arg(format!("--device={sink}")).arg(wav).spawn().expect("paplay starts"))
    }

    /// Records a source into a raw file of s16 mono samples at 48 kHz.
    pub fn record(&self, source: &str, raw: &Path) -> Player {
        Player(self.recorder(source, raw, &["--format=s16le", "--rate=48000", "--channels=1"]))
    }
}

impl Drop for PulseServer {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn environment(directory: &Path) -> Vec<(&'static str, String)> {
    let directory = directory.display();
    let socket = format!("unix:{directory}/native");
    vec![
        ("XDG_RUNTIME_DIR", directory.to_string()),
        ("HOME", directory.to_string()),
        ("PULSE_SERVER", socket),
        ("PULSE_RUNTIME_PATH", directory.to_string()),
        ("PULSE_STATE_PATH", directory.to_string()),
    ]
}

/// Runs a test inside a process whose environment leads to a private PulseAudio server, and passes it the server. `name` is
/// the test's own path (`module::test`).
pub fn with_server(name: &str, limit: Duration, test: impl FnOnce(&mut PulseServer)) {
    with_kind(Kind::PulseAudio, name, limit, test);
}

/// [`with_server`] with PipeWire. It can be neither killed nor frozen.
pub fn with_pipewire(name: &str, limit: Duration, test: impl FnOnce(&mut PulseServer)) {
    with_kind(Kind::PipeWire, name, limit, test);
}

fn with_kind(kind: Kind, name: &str, limit: Duration, test: impl FnOnce(&mut PulseServer)) {
    if kind.is_installed() {
        let variables = |directory: &Path| environment(directory);
        in_child(name, limit, variables, |directory| test(&mut PulseServer::start(directory, kind)));
    }
}

/// Runs a test inside a process that finds no sound server.
pub fn without_server(name: &str, limit: Duration, test: impl FnOnce()) {
    in_child(name, limit, |directory| vec![("XDG_RUNTIME_DIR", directory.display().to_string())], |_| test());
}

/// Runs a test in a process of its own, because the environment belongs to all threads; and because a test that hangs in
/// the sound system can then be ended.
fn in_child(
    name: &str,
    limit: Duration,
    variables: impl FnOnce(&Path) -> Vec<(&'static str, String)>,
    test: impl FnOnce(PathBuf),
) {
    const DIRECTORY: &str = "SESERAGI_TEST_PULSE";
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        return test(directory.into());
    }
    let directory = tempfile::Builder::new().prefix("pulse").tempdir().expect("a temporary directory");
    let mut command = Command::new(std::env::current_exe().expect("the test's program"));
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]);
    for variable in ["DBUS_SESSION_BUS_ADDRESS", "PULSE_SERVER", "PULSE_RUNTIME_PATH"] {
        command.env_remove(variable);
    }
    command.envs(variables(directory.path())).env(DIRECTORY, directory.path());
    // A group of its own, so that its servers end with it if it is ended.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.spawn().expect("the test's program starts again");
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child can be asked") {
            break status;
        }
        if start.elapsed() > limit {
            let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
            let _ = child.wait();
            panic!("{name} took longer than {limit:?}");
        }
        sleep(Duration::from_millis(10));
    };
    // Whatever it left behind, such as a frozen server.
    let _ = rustix::process::kill_process_group(Pid::from_child(&child), Signal::KILL);
    assert!(status.success(), "{name} failed: see above");
}
