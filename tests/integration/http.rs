//! The HTTP interface: what it answers, what it refuses, and to whom.

use std::{io::Write, net::TcpStream, time::Duration};

use serde_json::{Value, json};
use seseragi::{ErrorKind, config::ServerConfig, server::Server, stream::ConnectionState};

use crate::{
    client::{get, post, post_json, request, send_raw},
    fixture::{Served, on_any_port, wait_for},
};

fn stream(served: &Served) -> Value {
    get(served.addr(), "/api/status").json()["streams"][0].clone()
}

#[test]
fn the_status_has_the_keys_of_the_contract() {
    let served = Served::start();
    let status = get(served.addr(), "/api/status").json();
    for key in
        ["version", "uptime_secs", "is_training", "realtime_running", "streams", "training", "frames", "tasks", "links"]
    {
        assert!(status.get(key).is_some(), "{key} is not in {status}");
    }
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["is_training"], &status["realtime_running"]), (&json!(false), &json!(false)));
    assert_eq!(status["training"], Value::Null);
    let stream = &status["streams"][0];
    for key in [
        "key",
        "source",
        "connection",
        "history",
        "sample_rate_hz",
        "samples_in",
        "samples_lost",
        "xruns",
        "gaps",
        "columns",
        "level_dbfs",
        "model",
        "partial",
        "tokens",
    ] {
        assert!(stream.get(key).is_some(), "{key} is not in {stream}");
    }
    assert_eq!(
        (&stream["key"], &stream["source"], &stream["connection"]),
        (&json!("main"), &json!("demo"), &json!("idle"))
    );
    for key in ["drawn", "fps", "p99_millis"] {
        assert!(status["frames"].get(key).is_some(), "{key}");
    }
    for key in ["name", "kind", "len", "capacity", "dropped"] {
        assert!(status["links"][0].get(key).is_some(), "{key}");
    }
}

#[test]
fn a_stream_is_opened_recognised_stopped_and_closed_while_no_frame_is_drawn() {
    let served = Served::start();
    let reply = post(served.addr(), "/api/streams/main/start");
    assert_eq!((reply.status, reply.json()), (202, json!({"stream": "main"})));
    let limit = Duration::from_secs(10);
    wait_for("recognition", limit, || get(served.addr(), "/api/status").json()["realtime_running"] == true);
    wait_for("sound", limit, || stream(&served)["samples_in"].as_u64() > Some(4_800));

    post(served.addr(), "/api/streams/main/start");
    assert_eq!(post(served.addr(), "/api/streams/main/stop").status, 202);
    wait_for("the end of recognition", limit, || stream(&served)["is_recognised"] == false);
    let after_stop = stream(&served);
    assert_eq!(after_stop["connection"], "connected", "Stop ends recognition only");
    let states: Vec<_> = after_stop["history"].as_array().unwrap().iter().map(|entry| entry["state"].clone()).collect();
    assert_eq!(states, ["idle", "opening", "connected"], "a second start changes nothing");

    assert_eq!(post(served.addr(), "/api/streams/main/close").status, 202);
    wait_for("the close", limit, || stream(&served)["connection"] == "closed");
    assert_eq!(post(served.addr(), "/api/streams/main/open").status, 202);
    wait_for("the source", limit, || stream(&served)["connection"] == json!(ConnectionState::Connected));
    assert_eq!(stream(&served)["is_recognised"], false);
    assert_eq!(stream(&served)["samples_lost"], 0);
}

#[test]
fn training_is_started_once_paused_resumed_and_stopped() {
    let served = Served::start();
    for path in ["stop", "pause", "resume"] {
        assert_eq!(post(served.addr(), &format!("/api/train/{path}")).status, 404, "{path}: none runs");
    }
    let idle = get(served.addr(), "/api/progress").json();
    assert_eq!((&idle["is_training"], &idle["total_steps"]), (&json!(false), &json!(0)));

    let dataset = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/words");
    let body = json!({"model_name": "words", "dataset_name": dataset, "epochs": 10_000, "batch_size": 2});
    let reply = post_json(served.addr(), "/api/train/start", &body.to_string());
    assert_eq!((reply.status, reply.json()), (202, json!({"run": "words"})));
    let second = post_json(served.addr(), "/api/train/start", &body.to_string());
    assert_eq!(second.status, 409, "{}", second.detail());

    let limit = Duration::from_secs(60);
    let progress = || get(served.addr(), "/api/progress").json();
    wait_for("a step", limit, || progress()["current_step"].as_u64() > Some(0));
    let running = progress();
    assert_eq!((&running["is_training"], &running["run"]), (&json!(true), &json!("words")));
    for key in [
        "current_epoch",
        "current_loss",
        "current_learning_rate",
        "progress",
        "total_epochs",
        "total_steps",
        "server_time",
    ] {
        assert!(running[key].as_f64().unwrap() > 0.0, "{key} in {running}");
    }

    assert_eq!(post(served.addr(), "/api/train/pause").status, 202);
    wait_for("the pause", limit, || progress()["phase"] == "paused");
    let paused = progress()["current_step"].as_u64();
    assert_eq!(post(served.addr(), "/api/train/resume").status, 202);
    wait_for("the next step", limit, || progress()["current_step"].as_u64() > paused);
    let throttle = |body: &str| post_json(served.addr(), "/api/train/throttle", body);
    assert_eq!(throttle(r#"{"duty": 0.5}"#).json(), json!({"threads": 1, "duty": 0.5}), "what is left out stays");
    assert_eq!(throttle(r#"{"threads": 0}"#).status, 422);
    let status = || get(served.addr(), "/api/status").json();
    wait_for("half the time", limit, || status()["training"]["throttle"]["duty"] == 0.5);
    assert_eq!(post(served.addr(), "/api/train/stop").status, 202);
    wait_for("the end", limit, || progress()["is_training"] == false);
    assert_eq!(post(served.addr(), "/api/train/stop").status, 404);
}

#[test]
fn a_run_that_cannot_be_is_refused_with_what_is_allowed() {
    let served = Served::start();
    let start = |body: &str| post_json(served.addr(), "/api/train/start", body);
    for (body, status, says) in [
        ("{", 400, "EOF"),
        (r#"{"epochs": "many"}"#, 422, "epochs"),
        (r#"{"model": "x"}"#, 422, "unknown field `model`"),
        (r#"{"epochs": 0}"#, 422, "epochs is 0; allowed is 1 to 10000"),
        (r#"{"batch_size": 100000}"#, 422, "batch_size is 100000"),
        (r#"{"learning_rate": -1}"#, 422, "learning_rate is -1"),
        (r#"{"model_name": "../../x"}"#, 422, "is no model name"),
        (r#"{"dataset_name": "/nonexistent/words"}"#, 404, "/nonexistent/words"),
    ] {
        let reply = start(body);
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
        assert!(reply.detail().contains(says), "{body}: {}", reply.detail());
    }
    let untyped =
        request(served.addr(), "POST", "/api/train/start", "Host: localhost\r\nContent-Type: text/plain\r\n", "{}");
    assert_eq!(untyped.status, 415, "{}", untyped.detail());
    let large = start(&format!("{{\"model_name\": \"{}\"}}", "x".repeat(64 * 1024)));
    assert_eq!(large.status, 413, "{}", large.detail());
    assert_eq!(get(served.addr(), "/api/progress").json()["is_training"], false);
}

#[test]
fn models_are_listed_and_an_unknown_one_is_not_used() {
    let served = Served::start();
    let names = |reply: Value| -> Vec<String> {
        reply.as_array().unwrap().iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect()
    };
    let listed = names(get(served.addr(), "/api/models").json());
    let stored: Vec<_> = served.engine.models().list().into_iter().map(|info| info.name).collect();
    assert_eq!(listed, stored);
    let folder = served.home.path().join("models/broken");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("card.ron"), "(version: ").unwrap();
    let models = get(served.addr(), "/api/models").json();
    let broken = models.as_array().unwrap().iter().find(|model| model["name"] == "broken").unwrap();
    assert!(broken["problem"].as_str().unwrap().contains("card.ron"), "{broken}");
    let unknown = post(served.addr(), "/api/models/nothing/use");
    assert_eq!(unknown.status, 404, "{}", unknown.body);
    assert!(unknown.detail().contains("there is no model \"nothing\""), "{}", unknown.detail());
}

#[test]
fn what_is_not_there_is_said_as_json() {
    let served = Served::start();
    let unknown = post(served.addr(), "/api/streams/nobody/start");
    assert_eq!((unknown.status, unknown.detail()), (404, "there is no stream \"nobody\"; there are: main".to_owned()));
    for key in ["a%20b", "%22", "%ff", "..%2fmain", &"x".repeat(200)] {
        let reply = post(served.addr(), &format!("/api/streams/{key}/start"));
        assert!([400, 404].contains(&reply.status), "{key}: {}", reply.detail());
    }
    for path in ["/nothing", "/api", "/api/nothing", "/api/status/"] {
        assert_eq!(get(served.addr(), path).status, 404, "{path}");
        assert!(get(served.addr(), path).detail().contains(path));
    }
    let wrong = get(served.addr(), "/api/train/start");
    assert_eq!(wrong.status, 405, "{}", wrong.detail());
    assert!(wrong.headers.contains("\r\nallow: post"), "{}", wrong.headers);
    assert_eq!(post(served.addr(), "/api/status").status, 405);
}

#[test]
fn a_name_that_is_pointed_at_this_machine_is_refused() {
    let served = Served::start();
    let port = served.addr().port();
    let status = |host: String| request(served.addr(), "GET", "/api/status", &format!("Host: {host}\r\n"), "").status;
    for host in ["localhost".to_owned(), format!("127.0.0.1:{port}"), format!("[::1]:{port}")] {
        assert_eq!(status(host), 200);
    }
    for host in ["evil.example", "localhost.evil.example", "192.168.1.2", "127.0.0.1@evil.example"] {
        let refused = request(served.addr(), "GET", "/api/status", &format!("Host: {host}\r\n"), "");
        assert_eq!(refused.status, 403, "{host}");
        assert!(refused.detail().contains("is not this machine"), "{}", refused.detail());
    }
    let without = request(served.addr(), "GET", "/api/status", "", "");
    assert!([400, 403].contains(&without.status), "{}", without.body);
    let unknown_path = request(served.addr(), "GET", "/nothing", "Host: evil.example\r\n", "");
    assert_eq!(unknown_path.status, 403, "not even what is not there is told");
}

#[test]
fn a_page_from_elsewhere_may_not_change_anything() {
    let served = Served::start();
    let port = served.addr().port();
    let start = |origin: &str| {
        let headers = format!("Host: localhost:{port}\r\nOrigin: {origin}\r\n");
        request(served.addr(), "POST", "/api/streams/main/open", &headers, "").status
    };
    for origin in
        ["http://evil.example", "null", "http://localhost:1", "https://localhost", "http://localhost.evil.example"]
    {
        assert_eq!(start(origin), 403, "{origin}");
    }
    assert_eq!(stream(&served)["connection"], "idle");
    assert_eq!(start(&format!("http://localhost:{port}")), 202);
}

#[test]
#[cfg(target_os = "linux")]
fn only_the_loopback_interface_is_served() {
    let served = Served::start();
    assert!(served.addr().ip().is_loopback() && served.addr().port() != 0);
    // A server on all interfaces would hold this port of every address, and Linux has many loopback addresses.
    std::net::TcpListener::bind(("127.0.0.2", served.addr().port())).unwrap();
}

#[test]
fn a_busy_port_is_named_with_what_to_do() {
    let served = Served::start();
    let port = served.addr().port();
    let error = Server::start(served.engine.clone(), &ServerConfig { port, ..on_any_port() }).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains(&format!("port {port}")) && error.message.contains("--port"), "{error}");
    assert_eq!(get(served.addr(), "/api/status").status, 200, "the first one goes on");
}

#[test]
fn garbage_and_half_requests_hold_up_nobody() {
    let served = Served::start();
    let halves: Vec<_> = (0..50)
        .map(|_| {
            let mut half = TcpStream::connect(served.addr()).unwrap();
            half.write_all(b"POST /api/train/start HTTP/1.1\r\nHost: loc").unwrap();
            half
        })
        .collect();
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", &[0; 4_096]] {
        if let Some(reply) = send_raw(served.addr(), garbage) {
            assert_eq!(reply.status, 400);
        }
    }
    assert_eq!(get(served.addr(), "/api/status").status, 200);
    drop(halves);
}
