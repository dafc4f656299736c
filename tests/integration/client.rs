//! A small HTTP client that can also send what no proper client would.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde_json::Value;

/// A reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub body: String,
}

impl Reply {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// What an error says; every error has this form.
    pub fn detail(&self) -> String {
        let json = self.json();
        let object = json.as_object().unwrap();
        assert_eq!(object.len(), 1, "{json}");
        object["detail"].as_str().unwrap().to_owned()
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Sends exactly `text` and reads until the server closes.
pub fn send_raw(addr: SocketAddr, text: &[u8]) -> Option<Reply> {
    let mut stream = connect(addr);
    stream.write_all(text).unwrap();
    let mut bytes = Vec::new();
    // A server that hangs up on garbage may reset the connection after what it had to say.
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    let (headers, body) = text.split_once("\r\n\r\n")?;
    let status = headers.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, headers: headers.to_ascii_lowercase(), body: body.to_owned() })
}

/// A request with headers of one's own choice (`Name: value\r\n`) and a body.
pub fn request(addr: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let text =
        format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}");
    send_raw(addr, text.as_bytes()).unwrap_or_else(|| panic!("no reply to {method} {path}"))
}

pub fn get(addr: SocketAddr, path: &str) -> Reply {
    request(addr, "GET", path, "Host: localhost\r\n", "")
}

pub fn post(addr: SocketAddr, path: &str) -> Reply {
    request(addr, "POST", path, "Host: localhost\r\n", "")
}

pub fn post_json(addr: SocketAddr, path: &str, body: &str) -> Reply {
    request(addr, "POST", path, "Host: localhost\r\nContent-Type: application/json\r\n", body)
}

/// One server-sent event; a comment is one as well.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sent {
    pub id: Option<u64>,
    pub name: Option<String>,
    pub data: String,
    pub comment: Option<String>,
}

impl Sent {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A listener to server-sent events.
pub struct Listener {
    lines: std::io::Lines<BufReader<TcpStream>>,
}

impl Listener {
    /// Listens from now on, or from after the event `last_id`. Events published after this returned are heard.
    pub fn open(addr: SocketAddr, query: &str, last_id: Option<u64>) -> Self {
        let last = last_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let mut stream = connect(addr);
        // HTTP/1.0 has no chunks, so that the events come as they are.
        write!(stream, "GET /api/events{query} HTTP/1.0\r\nHost: localhost\r\n{last}\r\n").unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next().unwrap().unwrap();
        assert!(status.contains(" 200 "), "{status}");
        let headers: Vec<_> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        assert!(headers.iter().any(|line| line == "content-type: text/event-stream"), "{headers:?}");
        let mut listener = Self { lines };
        assert_eq!(listener.next(), Some(Sent::default()), "first comes the time after which to come back");
        listener
    }

    /// The next event that is no comment.
    pub fn next_event(&mut self) -> Sent {
        self.find(|sent| sent.comment.is_none()).expect("the stream goes on")
    }
}

impl Iterator for Listener {
    type Item = Sent;

    /// The next event or comment, none once the server has ended the stream.
    fn next(&mut self) -> Option<Sent> {
        let mut sent = Sent::default();
        loop {
            let line = self.lines.next()?.unwrap();
            match line.split_once(": ") {
                Some(("id", id)) => sent.id = Some(id.parse().unwrap()),
                Some(("event", name)) => sent.name = Some(name.to_owned()),
                Some(("data", data)) => sent.data.push_str(data),
                Some(("", comment)) => sent.comment = Some(comment.to_owned()),
                Some(("retry", millis)) => assert_eq!(millis, "1000"),
                None if line.is_empty() => return Some(sent),
                _ => panic!("{line:?} is no line of an event stream"),
            }
        }
    }
}
