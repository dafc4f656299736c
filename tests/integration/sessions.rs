//! Sessions as other programs, power cuts and full disks see them: the real program records, and is killed.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use seseragi::session::{ALL, SessionFile, recover, sessions_in};

use crate::{fixture::wait_for, program::project};

/// How often the program is killed here; `SESERAGI_KILLS=100` is the long version.
const KILLS: usize = 10;

fn seseragi(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seseragi"));
    command.env("SESERAGI_HOME", home).env("XDG_CONFIG_HOME", home).env_remove("DISPLAY").stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn record(home: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = seseragi(home);
    command.arg("record").arg("--headless").args(["--port", "0"]).arg("--out").arg(out).args(more);
    command
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn only(dir: &Path) -> PathBuf {
    let mut sessions = sessions_in(dir);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    sessions.remove(0).0
}

fn sound_of(file: &SessionFile, lane: usize) -> Vec<i16> {
    let mut sound = Vec::new();
    file.sound(lane, file.lanes()[lane].range(), &mut sound).unwrap();
    sound
}

#[test]
fn what_was_recorded_is_read_by_others_and_gives_the_same_words() {
    let home = tempfile::tempdir().unwrap();
    let fast = format!("fast:{}", project("assets/demo/demo.flac").display());
    let out = home.path().join("walks");
    let sources = ["--source", &fast, "--source", "demo", "--secs", "6"];
    let done = record(home.path(), &out, &sources).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let path = only(&out);
    let file = SessionFile::open(&path).unwrap();
    assert!(file.is_finished() && file.check().is_empty() && file.faults().is_empty());
    assert_eq!(file.lanes().len(), 2);
    // Lanes stand in the order in which they began, and either may be the first.
    let fast = file.lane(&"main".parse().unwrap()).unwrap();
    let words: usize = file.segments(fast, ALL).unwrap().iter().map(|segment| segment.tokens.len()).sum();
    assert!(words >= 10, "{words} words in the demo");
    assert!(!file.partials(fast, ALL).unwrap().is_empty() && !file.connections(fast).unwrap().is_empty());

    let verified = seseragi(home.path()).args(["replay", "--verify"]).arg(&path).output().unwrap();
    assert!(verified.status.success(), "{}", text(&verified));
    assert!(text(&verified).contains("the same"), "{}", text(&verified));
    println!("{}", text(&verified));

    let Some(python) = env::var_os("SESERAGI_PYTHON") else {
        return println!("SESERAGI_PYTHON is not set: what Python reads is not tested");
    };
    let read = Command::new(python).arg(project("tests/tools/read_session.py")).arg(&path).output().unwrap();
    assert!(read.status.success(), "{}", text(&read));
    let read: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(read["errors"], serde_json::json!([]));
    for (i, lane) in file.lanes().iter().enumerate() {
        let sound = sound_of(&file, i);
        let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        let key = lane.record.key.as_str();
        let expected = serde_json::json!({
            "samples": sound.len(), "crc32": crc32fast::hash(&bytes), "rate": lane.record.sample_rate_hz, "lower": 0
        });
        assert_eq!(read["lanes"][key], expected, "lane {key}");
        let finals = read["counts"][format!("/lane/{key}/final")].as_u64().unwrap_or(0);
        assert_eq!(finals, file.segments(i, ALL).unwrap().len() as u64);
    }
}

/// A number that is different each time, from 0 to 1.
fn chance() -> f64 {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    f64::from(nanos.wrapping_mul(2_654_435_761) >> 8) / f64::from(1 << 24)
}

fn started(home: &Path, out: &Path) -> Child {
    let child = record(home, out, &["--source", "demo", "--source", "demo"]).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while sessions_in(out).is_empty() {
        assert!(Instant::now() < deadline, "nothing is recorded");
        thread::sleep(Duration::from_millis(5));
    }
    child
}

#[test]
fn a_kill_at_any_moment_costs_less_than_a_second() {
    let kills = env::var("SESERAGI_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let mut losses: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for kill in 0..kills {
        let home = tempfile::tempdir().unwrap();
        let out = home.path().join("out");
        let mut child = started(home.path(), &out);
        thread::sleep(Duration::from_secs_f64(1.2 + 1.3 * chance()));
        child.kill().unwrap();
        let killed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        child.wait().unwrap();
        let path = only(&out);
        let cut = SessionFile::open(&path).unwrap();
        assert!(!cut.is_finished(), "it was killed");
        assert_eq!(cut.lanes().len(), 2, "kill {kill}");
        let sounds = [sound_of(&cut, 0), sound_of(&cut, 1)];
        for (lane, info) in cut.lanes().iter().enumerate() {
            assert!(!sounds[lane].is_empty(), "kill {kill}: lane {lane} is empty");
            let newest = info.start_unix_nanos() as f64 / 1e9 + info.secs();
            let lost = killed - newest;
            losses.entry(info.record.key.to_string()).or_default().push(lost);
            assert!(lost <= 1.0, "kill {kill}: {lost:.3} s of {} are lost", info.record.key);
        }
        drop(cut);
        recover(&path).unwrap().expect("there is something to repair");
        let whole = SessionFile::open(&path).unwrap();
        assert!(whole.is_finished() && whole.check().is_empty());
        assert!((0..2).all(|lane| sound_of(&whole, lane) == sounds[lane]), "kill {kill}: the repair changed the sound");
    }
    for (lane, losses) in losses {
        let (mean, most) =
            (losses.iter().sum::<f64>() / losses.len() as f64, losses.iter().fold(0.0f64, |a, b| a.max(*b)));
        println!("{lane}: {} kills, lost {mean:.2} s on average, {most:.2} s at most", losses.len());
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_a_whole_file() {
    let home = tempfile::tempdir().unwrap();
    let disk = home.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=300k", "none"]).arg(&disk).output();
    if !mounted.is_ok_and(|mounted| mounted.status.success()) {
        return println!("no disk can be mounted here (that takes root): a full one is not tested with the program");
    }
    let _mounted = Mounted(&disk);
    let done = record(home.path(), &disk, &["--source", "demo", "--secs", "6"]).output().unwrap();
    assert!(text(&done).contains("what is written stays whole"), "{}", text(&done));
    let (path, len, _) = sessions_in(&disk).into_iter().find(|(_, len, _)| *len > 0).unwrap();
    assert!(len > 50_000, "{len} bytes of 300 KiB were used");
    let file = SessionFile::open(&path).unwrap();
    assert!(file.check().is_empty() && file.lanes()[0].secs() > 0.5);
}

#[test]
fn a_folder_that_goes_away_or_may_not_be_written_to_is_told_and_the_stream_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let (gone, disk) = (home.path().join("gone"), home.path().join("disk"));
    fs::create_dir(&disk).unwrap();
    let options = ["-t", "tmpfs", "-o", "size=1m,ro", "none"];
    let mounted = Command::new("mount").args(options).arg(&disk).output().is_ok_and(|done| done.status.success());
    let _mounted = Mounted(&disk);
    let watch = |out: &Path, spoil: &dyn Fn()| {
        let status = home.path().join("status.json");
        let more = ["--source", "demo", "--secs", "4.5", "--status-json", status.to_str().unwrap()];
        let child = record(home.path(), out, &more).spawn().unwrap();
        spoil();
        let done = child.wait_with_output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&fs::read(&status).unwrap()).unwrap();
        let stream = &status["streams"][0];
        let heard = stream["samples_in"].as_f64().unwrap();
        assert!(heard > 3.5 * 48_000.0 && stream["samples_lost"] == 0, "{heard} samples; {}", text(&done));
        assert_eq!(status["recording"]["state"], "failed");
        text(&done)
    };
    let said = watch(&gone, &|| {
        wait_for("a file with sound in it", Duration::from_secs(30), || {
            sessions_in(&gone).first().is_some_and(|(_, len, _)| *len > 20_000)
        });
        fs::remove_dir_all(&gone).unwrap();
    });
    assert!(said.contains("recording ended, what is written stays whole") && said.contains("No such file"), "{said}");
    if !mounted {
        return println!("no disk can be mounted here (that takes root): a read-only one is not tested");
    }
    let said = watch(&disk, &|| ());
    assert!(said.contains("cannot record to") && said.contains("Read-only"), "{said}");
}

#[test]
fn what_comes_in_with_24_bits_is_recorded_with_24_bits() {
    let home = tempfile::tempdir().unwrap();
    let sound = home.path().join("deep.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 48_000,
        bits_per_sample: 24,
        sample_format: hound::SampleFormat::Int,
    };
    let sample = |i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as i32 - (1 << 23);
    let mut wav = hound::WavWriter::create(&sound, spec).unwrap();
    (0..150_000).for_each(|i| wav.write_sample(sample(i)).unwrap());
    wav.finalize().unwrap();
    let settings = home.path().join("config.ron");
    fs::write(&settings, seseragi::config::DEFAULT.replace("bit_depth: 16", "bit_depth: 24")).unwrap();
    let out = home.path().join("out");
    let source = format!("fast:{}", sound.display());
    let more = ["--source", &source, "--config", settings.to_str().unwrap(), "--secs", "4"];
    let done = record(home.path(), &out, &more).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let path = only(&out);
    let file = SessionFile::open(&path).unwrap();
    assert_eq!((file.lanes()[0].record.bit_depth, file.lanes()[0].range()), (24, 0..150_000));
    let mut found = Vec::new();
    file.sound_24(0, 0..150_000, &mut found).unwrap();
    assert!(found.iter().zip(0..).all(|(&found, i)| found == sample(i)));
    let done = seseragi(home.path()).args(["export", "--flac", "--out"]).arg(&out).arg(&path).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    let Some(python) = env::var_os("SESERAGI_PYTHON") else {
        return println!("SESERAGI_PYTHON is not set: what Python reads is not tested");
    };
    let flac = text(&done).lines().next().unwrap().to_owned();
    let code = "import soundfile,sys,zlib; f=soundfile.SoundFile(sys.argv[1]); s=f.read(dtype='int32'); \
                print(f.subtype, len(s), zlib.crc32(s.tobytes()))";
    let read = Command::new(&python).args(["-c", code, &flac]).output().unwrap();
    let bytes: Vec<u8> = (0..150_000).flat_map(|i| (sample(i) * 256).to_le_bytes()).collect();
    assert_eq!(text(&read).trim(), format!("PCM_24 150000 {}", crc32fast::hash(&bytes)));
    let read = Command::new(python).arg(project("tests/tools/read_session.py")).arg(&path).output().unwrap();
    let read: serde_json::Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!((&read["errors"], &read["lanes"]["main"]["lower"]), (&serde_json::json!([]), &150_000.into()));
}

/// A disk of the test's own, taken away again however the test ends.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn what_cannot_be_recorded_recovered_or_forgotten_says_why() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, b"no session").unwrap();
    let refused = record(home.path(), &file.join("x"), &["--secs", "1"]).output().unwrap();
    assert!(!refused.status.success() && text(&refused).contains("cannot record to"), "{}", text(&refused));
    for command in ["recover", "forget"] {
        let mut command_line = seseragi(home.path());
        command_line.arg(command);
        if command == "forget" {
            command_line.args(["main", "--session"]);
        }
        let refused = command_line.arg(&file).output().unwrap();
        assert_eq!(refused.status.code(), Some(4), "{}", text(&refused));
        assert!(text(&refused).contains("no session file"), "{}", text(&refused));
    }
}

#[test]
fn a_session_of_this_release_opens_and_gives_the_same_words() {
    let home = tempfile::tempdir().unwrap();
    let path = project("tests/data/sessions/0.1.0.mcap");
    let file = SessionFile::open(&path).unwrap();
    assert!(file.is_finished() && file.check().is_empty() && file.faults().is_empty());
    assert!(!file.segments(0, ALL).unwrap().is_empty());
    let verified = seseragi(home.path()).args(["replay", "--verify"]).arg(&path).output().unwrap();
    assert!(verified.status.success(), "{}", text(&verified));
}
