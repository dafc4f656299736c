//! An X server of one's own that shows nothing, and what a window manager says to a window on it.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use x11rb::{
    connection::Connection,
    protocol::xproto::{AtomEnum, ClientMessageEvent, ConnectionExt, EventMask, MapState, Window},
    rust_connection::RustConnection,
};

/// A running Xvfb, ended on drop.
pub struct Display {
    server: Child,
    pub name: String,
    /// Software rendering takes every core: one window at a time, over all tests and their processes.
    _turn: File,
}

impl Display {
    /// A server on a display that was free. None, and a line that says so, where Xvfb is not installed.
    pub fn start() -> Option<Self> {
        let turn = File::create(std::env::temp_dir().join("seseragi-window-tests.lock")).unwrap();
        turn.lock().unwrap();
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"]);
        let started = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut server) = started else {
            println!("skipped: Xvfb is not installed (apt-get install xvfb)");
            return None;
        };
        // The server writes its number once it can be reached.
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb found no free display");
        Some(Self { server, name: format!(":{}", number.trim()), _turn: turn })
    }

    /// The program's window, as soon as it is shown.
    pub fn window(&self, limit: Duration) -> ShownWindow {
        let (connection, screen) = RustConnection::connect(Some(&self.name)).unwrap();
        let (root, start) = (connection.setup().roots[screen].root, Instant::now());
        loop {
            for id in connection.query_tree(root).unwrap().reply().unwrap().children {
                if is_ours(&connection, id) {
                    return ShownWindow { connection, id };
                }
            }
            assert!(start.elapsed() < limit, "no window was shown within {limit:?}");
            sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn is_ours(connection: &RustConnection, id: Window) -> bool {
    let class = connection.get_property(false, id, AtomEnum::WM_CLASS, AtomEnum::STRING, 0, 64).unwrap().reply();
    // A window that is gone by now is none of ours.
    class.is_ok_and(|class| class.value.windows(8).any(|name| name == b"seseragi")) && is_shown(connection, id)
}

fn is_shown(connection: &RustConnection, id: Window) -> bool {
    let attributes = connection.get_window_attributes(id).unwrap().reply();
    attributes.is_ok_and(|attributes| attributes.map_state == MapState::VIEWABLE)
}

/// A window that was shown.
pub struct ShownWindow {
    connection: RustConnection,
    id: Window,
}

impl ShownWindow {
    /// Width and height in pixels.
    pub fn size(&self) -> (u32, u32) {
        let geometry = self.connection.get_geometry(self.id).unwrap().reply().unwrap();
        (geometry.width.into(), geometry.height.into())
    }

    /// Takes it off the screen, which is what a window manager does to a window that is minimised.
    pub fn minimise(&self) {
        self.connection.unmap_window(self.id).unwrap().check().unwrap();
    }

    /// Puts it back on the screen.
    pub fn restore(&self) {
        self.connection.map_window(self.id).unwrap().check().unwrap();
    }

    /// Presses its close button.
    pub fn close(&self) {
        let atom = |name: &[u8]| self.connection.intern_atom(false, name).unwrap().reply().unwrap().atom;
        let (protocols, delete) = (atom(b"WM_PROTOCOLS"), atom(b"WM_DELETE_WINDOW"));
        let event = ClientMessageEvent::new(32, self.id, protocols, [delete, 0, 0, 0, 0]);
        self.connection.send_event(false, self.id, EventMask::NO_EVENT, event).unwrap().check().unwrap();
    }

    /// Whether it is on the screen.
    pub fn is_shown(&self) -> bool {
        is_shown(&self.connection, self.id)
    }

    /// Whether it is still there, shown or not.
    pub fn is_open(&self) -> bool {
        self.connection.get_geometry(self.id).unwrap().reply().is_ok()
    }
}
