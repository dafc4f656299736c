//! Many listeners at once, some of which do not listen.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::json;
use seseragi::event::{Event, EventHub};

use crate::{
    client::{Listener, get, post, post_json},
    fixture::{Served, wait_for},
};

const LISTENERS: usize = 90;
const STALLED: usize = 10;

/// How often the ring is filled before one that never reads, once a second.
const FLOODS: usize = 20;

/// A connection that asked for events and reads none.
fn stalled(served: &Served) -> TcpStream {
    let mut stream = TcpStream::connect(served.addr()).unwrap();
    write!(stream, "GET /api/events HTTP/1.0\r\nHost: localhost\r\n\r\n").unwrap();
    stream
}

/// Memory of this process, MiB; none where the system does not say.
fn memory_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}

/// Listens until it is told to end; gives how many events it heard. Ids have no hole, and nothing is missed.
fn hear_all(mut listener: Listener) -> u64 {
    let mut last: Option<u64> = None;
    let mut heard = 0;
    loop {
        let sent = listener.next_event();
        assert_eq!(sent.name, None, "{sent:?}");
        let id = sent.id.unwrap();
        assert!(last.is_none_or(|last| id == last + 1), "{last:?}, then {id}");
        (last, heard) = (Some(id), heard + 1);
        if sent.json()["payload"]["message"] == "the end" {
            return heard;
        }
    }
}

/// Streams and trains before a crowd for `length`.
fn perform(length: Duration) {
    let served = Served::start();
    let listeners: Vec<_> = (0..LISTENERS).map(|_| Listener::open(served.addr(), "", None)).collect();
    let silent: Vec<_> = (0..STALLED).map(|_| stalled(&served)).collect();
    let threads: Vec<_> = listeners
        .into_iter()
        .map(|listener| seseragi::task::spawn_thread("listener", || hear_all(listener)).unwrap())
        .collect();
    assert_eq!(post(served.addr(), "/api/streams/main/start").status, 202);
    let dataset = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/words");
    let order = json!({"model_name": "crowd", "dataset_name": dataset, "epochs": 10_000, "batch_size": 1});
    assert_eq!(post_json(served.addr(), "/api/train/start", &order.to_string()).status, 202);
    wait_for("the training", Duration::from_secs(60), || {
        get(served.addr(), "/api/progress").json()["current_step"].as_u64() > Some(3)
    });
    let (before, first, begin) = (memory_mib(), served.engine.events().last_id(), Instant::now());
    while begin.elapsed() < length {
        // Partials as an eager recogniser would tell them.
        let partial = Event::Partial {
            stream: "main".parse().unwrap(),
            text: "one two three".into(),
            tokens: Vec::new(),
            heard_samples: 0,
        };
        served.engine.events().publish(partial);
        std::thread::sleep(Duration::from_millis(10));
    }
    let after = memory_mib();
    assert_eq!(post(served.addr(), "/api/train/stop").status, 202);
    served.engine.events().publish(Event::Failure { owner: "test".into(), message: "the end".into() });
    let heard: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
    let during = served.engine.events().last_id() - first;
    println!(
        "{LISTENERS} listeners heard {heard:?} events each, {during} of them in {length:?}; {before:?} to {after:?} MiB"
    );
    assert!(heard.iter().all(|count| *count > length.as_millis() as u64 / 20), "{heard:?}");
    if let (Some(before), Some(after)) = (before, after) {
        assert!(after < before + 100, "{before} MiB grew to {after} MiB");
    }
    let stream = &get(served.addr(), "/api/streams").json()[0];
    assert_eq!((&stream["connection"], &stream["samples_lost"]), (&json!("connected"), &json!(0)));
    drop(silent);
}

#[test]
fn a_hundred_listeners_ten_of_them_stalled_lose_nothing() {
    perform(Duration::from_secs(4));
}

#[test]
#[ignore = "half a minute: cargo nextest run --release --run-ignored only half_a_minute"]
fn a_hundred_listeners_ten_of_them_stalled_lose_nothing_in_half_a_minute() {
    perform(Duration::from_secs(30));
}

#[test]
fn whoever_never_reads_is_cut_off_and_told_when_it_comes_back() {
    let served = Served::without_streams();
    let known = served.engine.events().last_id();
    let mut silent = stalled(&served);
    silent.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It listens from where the events stood when it was answered.
    let mut status = [0; 12];
    silent.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.0 200", "{}", String::from_utf8_lossy(&status));
    // More than the sockets' buffers hold, which are some megabytes, and more than the ring does.
    let message = "x".repeat(16 << 10);
    let flood = || Event::Failure { owner: "test".into(), message: message.clone() };
    // Again and again: on a busy machine the buffers may be full only after the ring was filled more than once.
    for _ in 0..FLOODS {
        (0..EventHub::CAPACITY).for_each(|_| served.engine.events().publish(flood()));
        std::thread::sleep(Duration::from_secs(1));
    }
    let (mut bytes, mut heard, begin) = (vec![0; 1 << 16], 0, Instant::now());
    let ended = loop {
        assert!(begin.elapsed() < Duration::from_secs(60), "the connection still speaks after {heard} bytes");
        match silent.read(&mut bytes) {
            Ok(0) => break true,
            Ok(len) => heard += len,
            Err(error) => break !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        }
    };
    assert!(ended, "the connection is still open after {heard} bytes");
    let mut back = Listener::open(served.addr(), "", Some(known));
    let sent = back.next_event();
    assert_eq!(
        (sent.name.as_deref(), sent.json()),
        (Some("missed"), json!({"missed": (FLOODS - 1) * EventHub::CAPACITY}))
    );
}
