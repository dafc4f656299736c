//! What others see: machines on the network, clients of the original's protocol, and a stranger who has read the OpenAPI document.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use seseragi::{ErrorKind, config::ServerConfig, server::Server};

use crate::{
    client::{get, post_json, request},
    fixture::{Served, on_any_port, wait_for},
    python,
};

const DEMO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/demo/demo.flac");

fn lan() -> Served {
    Served::with_server(&ServerConfig { is_lan: true, lan_port: 0, ..on_any_port() })
}

#[test]
fn another_machine_needs_the_token_and_has_its_limits() {
    let served = lan();
    let places = served.server.info().load();
    let invitation = places.invitation();
    // Without a network there is nobody to invite; the door is there all the same.
    if let Some(invitation) = &invitation {
        assert!(invitation.starts_with("https://") && invitation.contains("/#token="), "{invitation}");
    }
    let kept = served.home.path().join("server");
    let token = std::fs::read_to_string(kept.join("token")).unwrap();
    assert!(!format!("{places:?}").contains(token.trim()), "what is logged does not hold it");
    let port = served.server.lan_addr().unwrap().port().to_string();
    let certificate = kept.join("certificate.pem");
    let args = ["localhost", &port, token.trim(), certificate.to_str().unwrap()];
    let Some(said) = python::run("lan_client.py", &args) else { return };
    let found: Value = serde_json::from_str(&said).unwrap();
    let expected = json!({
        "with the token": 200,
        "without it": 401,
        "the refusal is json": true,
        "the token is not told": true,
        "with a wrong one": 401,
        "in the query of events": 200,
        "in the query of the status": 401,
        "a file of the page": 200,
        "under another name": 403,
        "from another page": 403,
        "from its own page": 404,
        "a file of this machine": 403,
        "a folder of this machine": 403,
        "a large body": 413,
        "lanes of its own": [201, 201, 429],
        "the first of them again": 201,
        "without encryption": "refused",
        "connections of 40": 32,
        "of 300 requests at once some are": [200, 429],
    });
    assert_eq!(found, expected);
}

#[test]
fn a_certificate_that_cannot_be_used_is_refused_at_the_start() {
    let served = Served::without_streams();
    let file = |name: &str, text: &str| {
        let path = served.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        Some(path)
    };
    let cert = file("cert.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let key = file("key.pem", "nothing of the kind");
    let config = ServerConfig { is_lan: true, lan_port: 0, cert, key, ..on_any_port() };
    let error = Server::start(served.engine.clone(), &config).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Invalid);
    assert!(error.message.contains("certificate or its key"), "{error}");
}

#[test]
fn nobody_is_let_in_from_the_network_unasked() {
    let served = Served::without_streams();
    assert_eq!((served.server.lan_addr(), served.server.info().load().invitation()), (None, None));
    assert!(!served.home.path().join("server").exists(), "no certificate is made");
}

#[test]
fn a_client_of_the_original_s_protocol_gets_words() {
    let served = Served::without_streams();
    let url = format!("ws://{}/ws", served.addr());
    let Some(said) = python::run("ws_client.py", &[&url, DEMO, "12", "digits"]) else { return };
    let heard: Value = serde_json::from_str(&said).unwrap();
    let (messages, times) = (heard["messages"].as_array().unwrap(), heard["times"].as_array().unwrap());
    let of = |kind: &str| messages.iter().filter(|message| message["type"] == kind).collect::<Vec<_>>();
    assert_eq!(messages[0], json!({"v": 1, "type": "status", "payload": {"status": "ready"}}));
    assert_eq!(messages.last().unwrap()["payload"]["status"], "stopped");
    assert!(of("error").is_empty() && of("log").is_empty(), "{said}");
    let finals = of("final");
    let text = finals.iter().map(|message| message["payload"]["text"].as_str().unwrap()).collect::<Vec<_>>().join(" ");
    let tokens: Vec<_> = finals.iter().flat_map(|message| message["payload"]["tokens"].as_array().unwrap()).collect();
    assert!(tokens.len() >= 8, "{text}");
    assert!(tokens.windows(2).all(|pair| pair[0]["start_secs"].as_f64() <= pair[1]["start_secs"].as_f64()));
    let partials = of("partial");
    // How long after its end a word is first told of: sound comes in blocks of 100 ms, and messages at most as far apart again.
    let said_at = |word: &Value| {
        let is_it = |other: &Value| other["token"] == word["token"] && other["start_secs"] == word["start_secs"];
        let is_told =
            |message: &&Value| message["payload"]["tokens"].as_array().is_some_and(|told| told.iter().any(is_it));
        partials.iter().find(|message| is_told(message)).and_then(|message| {
            let at = messages.iter().position(|other| std::ptr::eq(other, *message))?;
            times[at].as_f64()
        })
    };
    let mut delays: Vec<f64> =
        tokens.iter().filter_map(|word| Some(said_at(word)? - word["end_secs"].as_f64()?)).collect();
    delays.sort_by(f64::total_cmp);
    let median = delays[delays.len() / 2];
    println!("a word is told {median:.3} s after its end, at most {:.3} s", delays[delays.len() - 1]);
    assert!(delays.len() * 2 > tokens.len() && median < 0.3, "{delays:?}");
    assert!(partials.iter().any(|message| message["payload"]["tokens"][0]["score"].is_number()), "{partials:?}");
    assert!(partials.len() >= tokens.len() / 2, "words are told while they are spoken: {said}");
    let last = times.last().unwrap().as_f64().unwrap();
    assert!((12.0..20.0).contains(&last), "the last words came {last} s after the first");
    wait_for("the lane's end", Duration::from_secs(5), || get(served.addr(), "/api/streams").json() == json!([]));
}

#[test]
fn an_unknown_model_is_an_error_that_names_those_there_are() {
    let served = Served::without_streams();
    let url = format!("ws://{}/ws", served.addr());
    let Some(said) = python::run("ws_client.py", &[&url, DEMO, "1", "klingon"]) else { return };
    let heard: Value = serde_json::from_str(&said).unwrap();
    let message = heard["messages"][0]["payload"]["message"].as_str().unwrap();
    assert!(
        heard["messages"][0]["type"] == "error" && message.contains("klingon") && message.contains("digits"),
        "{said}"
    );
    assert_eq!(get(served.addr(), "/api/streams").json(), json!([]));
}

#[test]
fn a_foreign_page_gets_no_socket() {
    let served = Served::start();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (host, origin) in
        [("localhost", "http://evil.example"), ("evil.example", "http://evil.example"), ("localhost", "null")]
    {
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\n{upgrade}");
        assert_eq!(request(served.addr(), "GET", "/ws", &headers, "").status, 403, "{host} from {origin}");
        let headers = format!("Host: {host}\r\nOrigin: {origin}\r\n");
        assert_eq!(request(served.addr(), "POST", "/whip/x", &headers, "").status, 403, "{host} from {origin}");
        assert_eq!(request(served.addr(), "GET", "/api/events", &headers, "").status, 403, "{host} from {origin}");
    }
}

/// A multipart body with one file.
fn form(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut body =
        format!("--cut\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").into_bytes();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--cut--\r\n");
    body
}

fn infer(served: &Served, name: &str, bytes: &[u8]) -> crate::client::Reply {
    let body = form(name, bytes);
    let head = format!(
        "POST /api/inference HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; \
         boundary=cut\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    crate::client::send_raw(served.addr(), &[head.as_bytes(), &body].concat()).unwrap()
}

#[test]
fn a_sound_file_is_read_over_http() {
    let served = Served::without_streams();
    let reply = infer(&served, "demo.flac", &std::fs::read(DEMO).unwrap());
    assert_eq!(reply.status, 200, "{}", reply.body);
    let heard = reply.json();
    let tokens = heard["tokens"].as_array().unwrap();
    assert!(tokens.len() >= 47, "{heard}");
    assert_eq!(heard["transcription"].as_str().unwrap().split(' ').count(), tokens.len());
    let millis = |key: &str| heard[key].as_f64().unwrap();
    assert!(
        0.0 < millis("first_token_time_ms") && millis("first_token_time_ms") < millis("inference_time_ms"),
        "{heard}"
    );
    assert!(millis("inference_time_ms") <= millis("total_time_ms"), "{heard}");

    let broken = infer(&served, "x.wav", b"RIFF, they said");
    assert_eq!(broken.status, 422);
    assert!(broken.detail().contains("x.wav") && broken.detail().contains("FLAC"), "{}", broken.detail());
    assert_eq!(infer(&served, "", b"").status, 422);
}

/// The demo as other programs write it.
#[test]
fn sound_files_of_every_kind_are_read_over_http() {
    let (served, folder) = (Served::without_streams(), tempfile::tempdir().unwrap());
    let flac = infer(&served, "demo.flac", &std::fs::read(DEMO).unwrap()).json();
    let words = |heard: &Value| heard["tokens"].as_array().unwrap().len();
    for (name, coder) in [("x.wav", "pcm_s16le"), ("x.mp3", "libmp3lame"), ("x.ogg", "libvorbis"), ("x.m4a", "aac")] {
        let file = folder.path().join(name);
        let mut ffmpeg = std::process::Command::new("ffmpeg");
        ffmpeg.args(["-loglevel", "error", "-i", DEMO, "-c:a", coder, "-b:a", "128k"]).arg(&file);
        match ffmpeg.status() {
            Ok(status) => assert!(status.success(), "ffmpeg makes {name}"),
            Err(error) => return println!("skipped: there is no ffmpeg to write {name} with ({error})"),
        }
        let reply = infer(&served, name, &std::fs::read(file).unwrap());
        assert_eq!(reply.status, 200, "{name}: {}", reply.body);
        let (heard, of_flac) = (words(&reply.json()), words(&flac));
        println!("{name}: {heard} words, the original {of_flac}");
        assert!(heard.abs_diff(of_flac) <= if name == "x.wav" { 0 } else { 2 }, "{name}: {heard}");
    }
}

#[test]
fn everything_that_can_be_asked_is_answered() {
    let served = Served::start();
    let json = |path: &str| get(served.addr(), path).json();
    let config = json("/api/config");
    assert!(config["available_models"].as_array().unwrap().contains(&json!("digits")), "{config}");
    assert!(config["available_datasets"].as_array().unwrap().contains(&json!("demo")), "{config}");
    for key in ["model_name", "dataset_name", "epochs", "batch_size", "learning_rate"] {
        assert!(config["training_config"].get(key).is_some(), "{key} is not in {config}");
    }
    assert_eq!(json("/api/datasets"), config["available_datasets"]);
    assert_eq!(json("/api/checkpoints"), json!([]));
    assert_eq!(json("/api/streams")[0]["key"], "main");
    let one = json("/api/streams/main");
    for key in ["connection", "history", "samples_in", "gaps", "tokens", "partial"] {
        assert!(one.get(key).is_some(), "{key} is not in {one}");
    }
    assert_eq!(get(served.addr(), "/api/streams/nobody").status, 404);
    assert_eq!(json("/api/health")["status"], "ok");
    let metrics = get(served.addr(), "/api/metrics");
    assert!(
        metrics.headers.contains("text/plain")
            && metrics.body.contains("seseragi_stream_samples_total{stream=\"main\"} ")
    );
    let paths = json("/api/openapi.json")["paths"].as_object().unwrap().len();
    assert!(paths >= 20, "{paths} paths are documented");
    let gone = request(served.addr(), "DELETE", "/api/models/digits", "Host: localhost\r\n", "");
    assert_eq!(gone.status, 403, "{}", gone.detail());
    assert_eq!(request(served.addr(), "DELETE", "/api/models/none", "Host: localhost\r\n", "").status, 404);
}

#[test]
fn a_lost_source_is_no_good_health_and_another_source_cures_it() {
    let served = Served::start();
    let source =
        |source: &str| post_json(served.addr(), "/api/streams/main/source", &json!({ "source": source }).to_string());
    assert_eq!(source("radio").status, 422);
    assert_eq!(source("file:/nowhere/x.wav").status, 202);
    let health = || get(served.addr(), "/api/health").json();
    let limit = Duration::from_secs(10);
    wait_for("the loss", limit, || health()["status"] == "degraded");
    assert!(health()["reasons"][0].as_str().unwrap().contains("/nowhere/x.wav"), "{}", health());
    assert_eq!(source("demo").status, 202);
    wait_for("the cure", limit, || health()["status"] == "ok");
    let stream = || get(served.addr(), "/api/streams/main").json();
    wait_for("sound", limit, || stream()["connection"] == "connected");
    assert_eq!(stream()["source"], "demo");
}

#[test]
fn lanes_are_named_muted_moved_and_removed_over_http() {
    let served = Served::start();
    let post = |verb: &str, body: Value| {
        post_json(served.addr(), &format!("/api/streams/main/{verb}"), &body.to_string()).status
    };
    let stream = || get(served.addr(), "/api/streams/main").json();
    assert_eq!(post("name", json!({"name": "Aki"})), 202);
    assert_eq!(post("mute", json!({"is_muted": true})), 202);
    assert_eq!(post("move", json!({"to": 3})), 202);
    let limit = Duration::from_secs(5);
    wait_for("the name", limit, || stream()["name"] == "Aki" && stream()["is_muted"] == true);
    assert_eq!(post("name", json!({"name": "x".repeat(41)})), 422);
    assert_eq!(post("move", json!({"to": -1})), 422);
    assert_eq!(request(served.addr(), "DELETE", "/api/streams/main", "Host: localhost\r\n", "").status, 204);
    assert_eq!(get(served.addr(), "/api/streams/main").status, 404);
}

#[test]
fn a_stranger_who_read_the_document_finds_no_fault() {
    let served = Served::start();
    let begin = Instant::now();
    let url = format!("http://{}", served.addr());
    if python::run("openapi.py", &[&url, "2", "60"]).is_some() {
        println!("schemathesis took {:?}", begin.elapsed());
    }
    assert_eq!(get(served.addr(), "/api/health").status, 200, "it serves on");
}
