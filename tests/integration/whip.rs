//! Pages and programs that publish sound: Chromium with a fake microphone, and aiortc.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use seseragi::{
    engine::Arrival,
    session::{ALL, RecordingState, SessionFile, SessionIntent, sessions_in},
    status::StreamStatus,
    stream::{ConnectionState, Gap, GapCause, StreamKey},
};

use crate::{
    client::request,
    fixture::{Served, wait_for},
    program::{Program, tokens_of},
};
use ConnectionState::{Closed, Connected, Idle, Lost, Opening, Stalled};

/// The Python with aiortc and playwright, if `.ci/test` named one.
pub fn python() -> Option<String> {
    let python = std::env::var("SESERAGI_PYTHON").ok();
    if python.is_none() {
        println!("skipped: SESERAGI_PYTHON names no Python with tests/requirements.txt; .ci/test sets it");
    }
    python
}

fn tool(python: &str, args: &[&str]) -> Command {
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/publish.py")).args(args);
    command.stdout(Stdio::piped());
    command
}

/// Runs the tool to its end; its last line.
fn run(python: &str, args: &[&str]) -> Value {
    let out = tool(python, args).output().unwrap();
    assert!(out.status.success(), "publish.py {args:?} failed");
    serde_json::from_str(String::from_utf8(out.stdout).unwrap().lines().last().unwrap()).unwrap()
}

/// A publisher under way.
pub struct Publisher {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Publisher {
    /// Starts one and waits until it says that it is connected.
    pub fn start(python: &str, args: &[&str]) -> Self {
        use std::os::unix::process::CommandExt;
        let mut child = tool(python, args).process_group(0).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut publisher = Self { child, lines };
        assert_eq!(publisher.said()["state"], "connected");
        publisher
    }

    fn said(&mut self) -> Value {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub fn finish(mut self) -> Value {
        let said = self.said();
        assert!(self.child.wait().unwrap().success());
        said
    }

    /// `kill -9` of it and of every process it started.
    fn kill(mut self) {
        let group = format!("-{}", self.child.id());
        assert!(Command::new("kill").args(["-9", "--", &group]).status().unwrap().success());
        self.child.wait().unwrap();
    }
}

/// A served engine and the sound of its lanes.
struct Scene {
    served: Served,
    python: String,
    file: PathBuf,
    lanes: Vec<(Arrival, Vec<i16>)>,
}

impl Scene {
    fn new(secs: &str) -> Option<Self> {
        let (served, python) = (Served::without_streams(), python()?);
        let file = served.home.path().join("digits.wav");
        run(&python, &["digits", file.to_str().unwrap(), secs]);
        Some(Self { served, python, file, lanes: Vec::new() })
    }

    fn publish(&self, kind: &str, key: &str, more: &[&str]) -> Publisher {
        let url = format!("http://{}/whip/{key}", self.served.addr());
        Publisher::start(&self.python, &[&[kind, &url, self.file.to_str().unwrap()], more].concat())
    }

    /// Takes what the lanes have heard so far.
    fn listen(&mut self) {
        while let Some(arrival) = self.served.arrival() {
            self.lanes.push((arrival, Vec::new()));
        }
        for (arrival, samples) in &mut self.lanes {
            while let Some(batch) = arrival.batches.try_recv() {
                assert_eq!(batch.first_sample, samples.len() as u64, "sound comes in order and without a hole");
                samples.extend_from_slice(&batch.samples);
            }
        }
    }

    fn heard(&mut self, key: &str) -> Vec<i16> {
        self.listen();
        // Nobody looked, and so the pump had kept the newest columns together; now it hands them over.
        std::thread::sleep(Duration::from_millis(200));
        self.listen();
        self.lanes.iter().find(|(arrival, _)| arrival.key.as_str() == key).unwrap().1.clone()
    }

    fn status(&self, key: &str) -> StreamStatus {
        let key: StreamKey = key.parse().unwrap();
        self.served.engine.status(Instant::now()).streams.into_iter().find(|stream| stream.key == key).unwrap()
    }

    fn states(&self, key: &str) -> Vec<ConnectionState> {
        self.status(key).history.iter().map(|transition| transition.state).collect()
    }

    fn wait_for_state(&mut self, key: &str, state: ConnectionState, limit: f64) {
        wait_for(&format!("{state}"), Duration::from_secs_f64(limit), || self.status(key).connection == state);
    }

    /// How like a part of the file `samples` are, and where that part begins.
    fn compare(&self, samples: &[i16]) -> (f64, f64) {
        let raw = self.served.home.path().join("heard.raw");
        std::fs::write(&raw, samples.iter().flat_map(|sample| sample.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
        let said = run(&self.python, &["compare", raw.to_str().unwrap(), self.file.to_str().unwrap()]);
        println!("{said}");
        (said["by_piece"].as_f64().unwrap(), said["at_secs"].as_f64().unwrap())
    }
}

/// Words in which two transcripts differ: insertions, deletions and replacements.
fn differing(a: &[String], b: &[String]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, word) in a.iter().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in b.iter().enumerate() {
            let best = (row[j] + 1).min(row[j + 1] + 1).min(corner + usize::from(word != other));
            corner = std::mem::replace(&mut row[j + 1], best);
        }
    }
    row[b.len()]
}

/// How long each publishes: `SESERAGI_WHIP_SECS=60` for the whole minute.
fn secs() -> String {
    std::env::var("SESERAGI_WHIP_SECS").unwrap_or_else(|_| "12".to_owned())
}

#[test]
fn a_browser_and_a_program_publish_while_a_training_runs() {
    let Some(mut scene) = Scene::new("30") else { return };
    let secs = secs();
    scene.served.engine.start_training(Program::long_run()).unwrap();
    let chromium = scene.publish("chromium", "phone", &[&secs]);
    let aiortc = scene.publish("aiortc", "program", &[&secs]);
    let (chromium, aiortc) = (chromium.finish(), aiortc.finish());
    assert_eq!((&chromium["state"], &aiortc["state"]), (&"connected".into(), &"connected".into()));
    for key in ["phone", "program"] {
        scene.wait_for_state(key, Closed, 2.0);
        let status = scene.status(key);
        let packets = status.packets.unwrap();
        println!("{key}: {packets:?}, {:?}", status.gaps);
        assert_eq!(scene.states(key), [Idle, Opening, Connected, Closed], "it connects once: {:?}", status.history);
        assert_eq!((status.gaps.len(), packets.lost, packets.damaged), (0, 0, 0));
        let heard = scene.heard(key);
        assert!(heard.len() as f64 > 47_000.0 * secs.parse::<f64>().unwrap(), "{} samples", heard.len());
        // Without the first second, in which a coder and an echo of the device settle.
        let (like, at_secs) = scene.compare(&heard[48_000..]);
        println!("{key}: correlation {like:.5}");
        assert!(like >= 0.99, "{key}: {like}");
        // What the same part of the file gives, recognised by itself.
        let file: Vec<i16> = seseragi::source::decode::read_audio(&scene.file)
            .unwrap()
            .samples
            .iter()
            .map(|sample| (sample * 32768.0) as i16)
            .collect();
        let start = ((at_secs - 1.0).rem_euclid(file.len() as f64 / 48_000.0) * 48_000.0) as usize;
        let part: Vec<i16> = file.iter().cycle().skip(start).take(heard.len()).copied().collect();
        let words = |tokens: Vec<seseragi::recognise::transcript::Token>| -> Vec<String> {
            tokens.into_iter().map(|token| token.token.to_string()).collect()
        };
        let (of_lane, of_file) = (words(status.tokens), words(tokens_of(&part)));
        println!("{key}: {of_lane:?}\nfile: {of_file:?}");
        // The lane's first and last word may be cut where the file's are whole.
        assert!(differing(&of_lane, &of_file) <= 2, "{of_lane:?} {of_file:?}");
    }
}

fn the_gap(status: &StreamStatus) -> Gap {
    let [gap] = status.gaps[..] else { panic!("one gap: {:?}", status.gaps) };
    gap
}

#[test]
fn a_cut_of_the_network_is_a_gap_of_its_length_and_the_page_comes_back_by_itself() {
    let Some(mut scene) = Scene::new("30") else { return };
    let cuts = [("short", 3.0), ("long", 7.0)];
    let publishers = cuts.map(|(key, secs)| {
        scene.publish("chromium", key, &[&format!("{}", secs + 5.0), "--cut", &format!("2,{secs}")])
    });
    publishers.into_iter().for_each(|publisher| drop(publisher.finish()));
    for (key, secs) in cuts {
        scene.wait_for_state(key, Closed, 2.0);
        let (status, gap) = (scene.status(key), the_gap(&scene.status(key)));
        println!("{key}: {:?} {:?}", gap, status.history);
        let states = scene.states(key);
        match secs < 5.0 {
            true => assert_eq!(states, [Idle, Opening, Connected, Stalled, Connected, Closed]),
            false => assert_eq!(states, [Idle, Opening, Connected, Stalled, Lost, Connected, Closed]),
        }
        let length = gap.len_samples as f64 / 48_000.0;
        assert!((length - secs).abs() < 0.06, "{key}: {length}");
    }
}

#[test]
fn a_browser_that_is_killed_is_awaited_and_comes_back_to_the_same_lane() {
    let Some(mut scene) = Scene::new("30") else { return };
    let publisher = scene.publish("chromium", "phone", &["600", "--stay"]);
    scene.wait_for_state("phone", Connected, 5.0);
    std::thread::sleep(Duration::from_secs(2));
    publisher.kill();
    let killed = Instant::now();
    scene.wait_for_state("phone", Stalled, 3.0);
    let stalled = killed.elapsed().as_secs_f64();
    scene.wait_for_state("phone", Lost, 5.0);
    let lost = killed.elapsed().as_secs_f64();
    assert!((1.3..2.0).contains(&stalled) && (4.8..5.6).contains(&lost), "{stalled} s, {lost} s");
    let again = scene.publish("chromium", "phone", &["3"]);
    let connected = Instant::now();
    scene.wait_for_state("phone", Connected, 2.0);
    println!("sound {:?} after the connection", connected.elapsed());
    let away = killed.elapsed().as_secs_f64();
    again.finish();
    scene.wait_for_state("phone", Closed, 2.0);
    let (status, gap) = (scene.status("phone"), the_gap(&scene.status("phone")));
    println!("{gap:?} {:?}", status.history);
    assert_eq!(scene.states("phone"), [Idle, Opening, Connected, Stalled, Lost, Opening, Connected, Closed]);
    // It stalled 1.5 s after its last sound, and was connected again with its next.
    let at = |state| status.history.iter().rfind(|transition| transition.state == state).unwrap().at_secs;
    let (length, missing) = (gap.len_samples as f64 / 48_000.0, at(Connected) - at(Stalled) + 1.5);
    println!("a gap of {length:.3} s, {missing:.3} s by the history, {away:.3} s as seen from outside");
    assert!(gap.cause == GapCause::Lost && (length - missing).abs() < 0.06, "{length} s of {missing} s");
    assert!((length - away).abs() < 0.3, "{length} s of {away} s");
    scene.listen();
    assert_eq!(scene.lanes.len(), 1, "it is the same lane all the while");
}

#[test]
fn a_network_that_loses_packets_costs_little_and_every_loss_is_counted() {
    let Some(mut scene) = Scene::new("30") else { return };
    for (key, loss, least) in [("five", "0.05", 0.98), ("fifteen", "0.15", 0.95)] {
        let said = scene.publish("chromium", key, &["10", "--loss", loss]).finish();
        scene.wait_for_state(key, Closed, 2.0);
        let packets = scene.status(key).packets.unwrap();
        let (media, lost) = (said["media"].as_u64().unwrap(), said["lost"].as_u64().unwrap());
        let heard = scene.heard(key);
        let (like, _) = scene.compare(&heard[48_000..]);
        println!("{key}: {lost} of {media} lost, {packets:?}, correlation {like:.4}");
        assert!(lost as f64 / media as f64 > 0.6 * loss.parse::<f64>().unwrap(), "the relay loses what it should");
        assert!(packets.lost < lost / 4, "redundancy and asking again bring most of them back");
        assert!(packets.lost > 0 || key == "five", "of so many, some are lost twice");
        // Each packet is 10 ms, heard or made up: none is missing in the count.
        let counted = (packets.received + packets.lost) as f64 * 0.01;
        assert!((counted - heard.len() as f64 / 48_000.0).abs() < 0.1, "{counted} s");
        assert!(like >= least, "{key}: {like}");
    }
}

#[test]
fn what_is_published_is_recorded_with_its_packets() {
    let Some(mut scene) = Scene::new("30") else { return };
    let publisher = scene.publish("aiortc", "program", &["5"]);
    scene.wait_for_state("program", Connected, 5.0);
    let engine = scene.served.engine.clone();
    engine.command_session(SessionIntent::Start { lanes: Vec::new() }).unwrap();
    publisher.finish();
    scene.wait_for_state("program", Closed, 3.0);
    engine.command_session(SessionIntent::Stop).unwrap();
    let state = || engine.status(Instant::now()).recording.state;
    wait_for("the end of the file", Duration::from_secs(5), || state() == RecordingState::Off);
    let (path, ..) = sessions_in(&scene.served.home.path().join("sessions")).remove(0);
    let file = SessionFile::open(&path).unwrap();
    let mut sound = Vec::new();
    file.sound(0, file.lanes()[0].range(), &mut sound).unwrap();
    let packets = file.packets(0, ALL).unwrap();
    assert!(packets.iter().all(|(_, packet)| packet.format == "opus" && packet.timestamp.is_some()));
    let (heard, packed) = (sound.len() as f64 / 48_000.0, packets.len() as f64 * 0.02);
    println!("{heard:.2} s of sound, {} packets", packets.len());
    assert!(heard > 3.0 && (heard - packed).abs() < 0.15, "{heard} s of sound, {packed} s in packets");
    // Another decoder makes the recorded sound of the recorded packets.
    let raw = scene.served.home.path().join("decoded.raw");
    let said = run(&scene.python, &["packets", path.to_str().unwrap(), raw.to_str().unwrap()]);
    assert_eq!(said["packets"], packets.len());
    let decoded: Vec<f64> = std::fs::read(&raw)
        .unwrap()
        .chunks_exact(2)
        .map(|bytes| f64::from(i16::from_le_bytes([bytes[0], bytes[1]])))
        .collect();
    let (from, len, reach) = (48_000, 48_000, 12_000);
    let part: Vec<f64> = sound[from..from + len].iter().map(|&sample| f64::from(sample)).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let like = (from - reach..from + reach)
        .map(|at| &decoded[at..at + len])
        .map(|other| dot(&part, other) / (dot(&part, &part) * dot(other, other)).sqrt())
        .fold(f64::MIN, f64::max);
    println!("correlation {like:.5}");
    assert!(like > 0.99, "{like}");
}

/// An offer as a browser makes it, as far as it is read.
const OFFER: &str = include_str!("../data/offer.sdp");

#[test]
fn answers_are_those_of_the_standard() {
    let served = Served::without_streams();
    let sdp = "Host: localhost\r\nContent-Type: application/sdp\r\n";
    let ask = |method: &str, path: &str, headers: &str, body: &str| request(served.addr(), method, path, headers, body);
    let refused = |headers: &str, body: &str, status: u16| {
        let reply = ask("POST", "/whip/phone", headers, body);
        assert_eq!(reply.status, status, "{reply:?}");
        reply.detail()
    };
    refused("Host: localhost\r\nContent-Type: text/plain\r\n", OFFER, 415);
    refused("Host: localhost\r\n", OFFER, 415);
    refused(&format!("{sdp}Accept: text/html\r\n"), OFFER, 406);
    refused(sdp, "hello", 400);
    refused(sdp, "v=0\r\nm=audio 9 nonsense", 400);
    assert!(refused(sdp, &OFFER.replace("a=sendonly", "a=recvonly"), 422).contains("receive"));
    assert!(refused(sdp, &OFFER.replace("m=audio", "m=video"), 422).contains("audio"));
    refused(sdp, &"v".repeat(100_000), 413);
    assert!(served.engine.status(Instant::now()).streams.is_empty(), "what is refused makes no lane");
    assert_eq!(ask("POST", "/whip/a%20b", sdp, OFFER).status, 400);

    let options = ask("OPTIONS", "/whip/phone", "Host: localhost\r\n", "");
    assert_eq!(options.status, 204);
    assert!(options.headers.contains("accept-post: application/sdp"), "{}", options.headers);
    let made = ask("POST", "/whip/phone", &format!("{sdp}Accept: application/sdp\r\n"), OFFER);
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.headers.contains("content-type: application/sdp"), "{}", made.headers);
    assert!(made.body.contains("a=candidate:") && made.body.contains("a=recvonly"), "{}", made.body);
    let location =
        |headers: &str| headers.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().trim().to_owned();
    let first = location(&made.headers);
    assert!(first.starts_with("/whip/phone/"), "{first}");
    assert_eq!(ask("GET", &first, "Host: localhost\r\n", "").status, 405);
    assert_eq!(ask("PATCH", &first, "Host: localhost\r\n", "").status, 501);
    // A newer offer for the same key takes over, and what was before is gone.
    let second = location(&ask("POST", "/whip/phone", sdp, OFFER).headers);
    assert_ne!(first, second);
    assert_eq!(ask("DELETE", &first, "Host: localhost\r\n", "").status, 404);
    assert_eq!(ask("PATCH", &first, "Host: localhost\r\n", "").status, 404);
    assert_eq!(ask("DELETE", &second, "Host: localhost\r\n", "").status, 200);
    assert_eq!(ask("DELETE", &second, "Host: localhost\r\n", "").status, 404);
    // A lane with a source of its own is nobody else's, and where there is no room it is said when to come back.
    served.engine.add_stream("main".parse().unwrap(), "demo".parse().unwrap(), 0.0).unwrap();
    assert_eq!(ask("POST", "/whip/main", sdp, OFFER).status, 409);
    for i in 2..seseragi::stream::MAX_STREAMS {
        served.engine.add_stream(format!("lane-{i}").parse().unwrap(), "demo".parse().unwrap(), 0.0).unwrap();
    }
    let full = ask("POST", "/whip/one-more", sdp, OFFER);
    assert_eq!(full.status, 503);
    assert!(full.headers.contains("retry-after: 5") && full.detail().contains("16 streams"), "{full:?}");
    assert_eq!(ask("POST", "/whip/phone", sdp, OFFER).status, 201, "who has a lane keeps it");
}
