//! `GET /api/events`.

use std::time::{Duration, Instant};

use serde_json::json;
use seseragi::event::{Event, EventHub};

use crate::{
    client::{self, Listener, get},
    fixture::Served,
};

fn failure(i: usize) -> Event {
    Event::Failure { owner: "test".into(), message: format!("m{i}") }
}

/// The messages of the next `count` failures.
fn messages(listener: &mut Listener, count: usize) -> Vec<String> {
    (0..count).map(|_| listener.next_event().json()["payload"]["message"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_event_comes_as_it_happens_with_its_id_and_record() {
    let served = Served::without_streams();
    served.engine.events().publish(failure(0));
    let before = served.engine.events().last_id();
    let mut listener = Listener::open(served.addr(), "", None);
    served.engine.events().publish(failure(1));
    let (sent, id) = (listener.next_event(), before + 1);
    assert_eq!((sent.id, sent.name.as_deref()), (Some(id), None));
    assert_eq!(
        sent.json(),
        json!({"v": 1, "id": id, "type": "failure", "payload": {"owner": "test", "message": "m1"}})
    );
}

#[test]
fn whoever_comes_back_is_told_what_it_missed() {
    let served = Served::without_streams();
    let before = served.engine.events().last_id();
    (0..5).for_each(|i| served.engine.events().publish(failure(i)));
    let mut listener = Listener::open(served.addr(), "", Some(before + 2));
    assert_eq!(messages(&mut listener, 3), ["m2", "m3", "m4"]);
    served.engine.events().publish(failure(5));
    assert_eq!(messages(&mut listener, 1), ["m5"]);

    let mut from_an_earlier_start = Listener::open(served.addr(), "", Some(1_000));
    assert_eq!(from_an_earlier_start.next_event().id, Some(1), "all is new to it");
}

#[test]
fn a_listener_behind_the_ring_is_told_how_many_events_are_gone() {
    let served = Served::without_streams();
    let known = served.engine.events().last_id();
    (0..EventHub::CAPACITY + 90).for_each(|i| served.engine.events().publish(failure(i)));
    let mut listener = Listener::open(served.addr(), "", Some(known));
    let sent = listener.next_event();
    assert_eq!((sent.name.as_deref(), sent.json()), (Some("missed"), json!({"missed": 90})));
    let ids: Vec<_> = (0..EventHub::CAPACITY).map(|_| listener.next_event().id.unwrap()).collect();
    let expected: Vec<_> = (known + 91..=known + 90 + EventHub::CAPACITY as u64).collect();
    assert_eq!(ids, expected, "the rest comes in order, without a hole");
}

#[test]
fn a_listener_that_does_not_read_holds_up_nobody() {
    let served = Served::without_streams();
    let mut idle = Listener::open(served.addr(), "", None);
    let mut busy = Listener::open(served.addr(), "", None);
    // More than the sockets' buffers hold, so that the idle one falls behind the ring.
    let message = "x".repeat(4_096);
    let first = served.engine.events().last_id();
    let newest = first + 4 * EventHub::CAPACITY as u64;
    while served.engine.events().last_id() < newest {
        served.engine.events().publish(Event::Failure { owner: "test".into(), message: message.clone() });
        busy.next_event();
    }
    let (mut missed, mut all_missed, mut last) = (0, 0, first);
    while last < newest {
        let sent = idle.next_event();
        match sent.id {
            Some(id) => {
                assert_eq!(id, last + 1 + std::mem::take(&mut missed), "every hole is told");
                last = id;
            }
            None => missed = sent.json()["missed"].as_u64().unwrap(),
        }
        all_missed += missed;
    }
    assert!(all_missed > 0, "it fell behind");
}

#[test]
fn events_of_one_stream_can_be_asked_for() {
    let served = Served::start();
    let mut listener = Listener::open(served.addr(), "?stream=main", None);
    served.engine.events().publish(failure(0));
    let partial =
        Event::Partial { stream: "main".parse().unwrap(), text: "two".into(), tokens: Vec::new(), heard_samples: 0 };
    served.engine.events().publish(Event::Partial {
        stream: "other".parse().unwrap(),
        text: "one".into(),
        tokens: Vec::new(),
        heard_samples: 0,
    });
    served.engine.events().publish(partial);
    // Its own beginning may be told before; what is about no stream is told to everybody.
    let mut heard = std::iter::repeat_with(|| listener.next_event().json()).map(|event| event["payload"].clone());
    assert!(heard.any(|payload| payload["message"] == "m0"));
    let first = heard.find(|payload| payload["text"].is_string() || payload["stream"] != "main").unwrap();
    assert_eq!(first, json!({"stream": "main", "text": "two"}));

    let mut early = Listener::open(served.addr(), "?stream=later", None);
    served.engine.events().publish(Event::Partial {
        stream: "later".parse().unwrap(),
        text: "three".into(),
        tokens: Vec::new(),
        heard_samples: 0,
    });
    let text =
        std::iter::repeat_with(|| early.next_event().json()["payload"]["text"].clone()).find(|text| text.is_string());
    assert_eq!(text, Some(json!("three")), "a stream may be waited for");
    assert_eq!(get(served.addr(), "/api/events?stream=no%20key").status, 422);
    assert_eq!(get(served.addr(), "/api/events?lane=main").status, 400);
    let headers = "Host: localhost\r\nLast-Event-ID: seven\r\n";
    assert_eq!(client::request(served.addr(), "GET", "/api/events", headers, "").status, 400);
}

#[test]
fn a_comment_keeps_a_silent_stream_alive() {
    let served = Served::without_streams();
    let mut listener = Listener::open(served.addr(), "", None);
    let since = Instant::now();
    assert!(listener.next().unwrap().comment.is_some());
    let waited = since.elapsed();
    assert!((9..13).contains(&waited.as_secs()), "{waited:?}");
}

#[test]
fn stopping_the_server_ends_open_streams_at_once_and_frees_the_port() {
    let mut served = Served::without_streams();
    let mut listeners: Vec<_> = (0..20).map(|_| Listener::open(served.addr(), "", None)).collect();
    let since = Instant::now();
    served.server.stop();
    assert!(since.elapsed() < Duration::from_millis(900), "it did not need its second of grace: {:?}", since.elapsed());
    assert!(listeners.iter_mut().all(|listener| listener.next().is_none()));
    std::net::TcpListener::bind(served.addr()).unwrap();
}
