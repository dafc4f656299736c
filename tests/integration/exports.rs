//! What is exported is read by programs that others wrote: soundfile, numpy, praatio, ffprobe, and Python's readers of tables.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use seseragi::{
    dsp::stft::StftConfig,
    recognise::transcript::{Segment, Token},
    session::{
        SessionFile, SessionWriter,
        annotate::{Annotations, Edit, Label},
        export::{Format, Request, export, from_audacity, from_raven},
        records::{GapRecord, LaneRecord, ProgramRecord},
    },
};

const RATE: u32 = 48_000;
/// No whole number of blocks, seconds or columns.
const SAMPLES: u64 = 4 * RATE as u64 + 1234;

/// A tone of 3 kHz with a hole from 1.5 s to 2 s.
fn sound() -> Vec<i16> {
    let sample = |i: u64| match i {
        72_000..96_000 => 0,
        _ => ((std::f64::consts::TAU * 3000.0 * i as f64 / f64::from(RATE)).sin() * 9000.0) as i16 + (i % 7) as i16,
    };
    (0..SAMPLES).map(sample).collect()
}

/// A session that began when the stream had run for ten seconds, with two words, a gap and two labels.
fn session(folder: &Path) -> PathBuf {
    let zero_unix_nanos = 1_790_000_000_000_000_000;
    let begun = 10 * u64::from(RATE);
    let program = ProgramRecord { program: "a test".into(), part: 1 };
    let mut writer = SessionWriter::new(&program, zero_unix_nanos).unwrap();
    let record = LaneRecord {
        key: "main".parse().unwrap(),
        name: "main".into(),
        source: "demo".into(),
        sample_rate_hz: RATE,
        bit_depth: 16,
        zero_unix_nanos,
        stft: StftConfig::default(),
    };
    let lane = writer.add_lane(record).unwrap();
    let token =
        |token: &str, start_secs| Token { token: token.into(), start_secs, end_secs: start_secs + 0.25, score: 0.5 };
    let segment = Segment::new(vec![token("seven", 10.5), token("three", 11.0)]).unwrap();
    writer.sound(lane, begun, &sound()).unwrap();
    writer.lane_record(lane, begun + 50_000, &segment).unwrap();
    let gap = GapRecord { at_sample: begun + 72_000, len_samples: 24_000, cause: "stall".into() };
    writer.lane_record(lane, gap.at_sample, &gap).unwrap();
    let path = folder.join("walk.mcap");
    fs::write(&path, writer.finish().unwrap()).unwrap();
    let mut labels = Annotations::open(&path).unwrap();
    let label = |start_secs, end_secs, band_hz, text: &str| Label {
        id: 0,
        lane: "main".parse().unwrap(),
        start_secs,
        end_secs,
        band_hz,
        text: text.into(),
    };
    labels.edit(Edit::Add(label(0.25, 1.125, None, "川の音 \"brook\""))).unwrap();
    labels.edit(Edit::Add(label(1.0, 1.5, Some([2500.0, 3500.0]), "tone"))).unwrap();
    path
}

#[test]
fn others_read_what_is_exported() {
    let Some(python) = env::var_os("SESERAGI_PYTHON") else {
        eprintln!("skipped: SESERAGI_PYTHON names no Python with soundfile, numpy and praatio (.ci/python makes one)");
        return;
    };
    let home = tempfile::tempdir().unwrap();
    let path = session(home.path());
    let out = home.path().join("out");
    let file = SessionFile::open(&path).unwrap();
    let labels = Annotations::open(&path).unwrap();
    let formats = Format::ALL.into_iter().filter(|format| *format != Format::Mp4).collect();
    let request = Request { formats, out_dir: out.clone(), size: [640, 360], tile_secs: 3.0, ..Request::default() };
    let written = export(&file, labels.labels(), &request).unwrap();
    // A tile of three seconds, one of the rest, and the whole; sound twice with its gaps; numbers with two axes; six kinds of text.
    assert_eq!(written.len(), 3 + 3 + 3 + 6, "{written:?}");
    assert!(written.iter().all(|path| path.is_file()));

    let tool = crate::program::project("tests/tools/read_exports.py");
    let output = Command::new(python).arg(tool).arg(&out).arg("walk-main").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();

    let sound = sound();
    let sum: i64 = sound.iter().map(|&sample| i64::from(sample)).sum();
    let squares: i64 = sound.iter().map(|&sample| i64::from(sample).pow(2)).sum();
    let expected = serde_json::json!({"samples": SAMPLES, "rate": RATE, "sum": sum, "squares": squares});
    assert_eq!((&found["wav"], &found["flac"]), (&expected, &expected), "soundfile");
    assert_eq!(found["flac_info"], "PCM_16");

    let columns = StftConfig::default().columns_in(SAMPLES);
    let numbers = serde_json::json!({"shape": [columns, 1025], "dtype": "float16", "times": [columns], "frequencies": [1025],
        "first_time": 1024.0 / 48_000.0, "loudest_hz": 3000.0});
    assert_eq!(found["npy"], numbers, "numpy");

    let grid = serde_json::json!({"tokens": [[0.5, 0.75, "seven"], [1.0, 1.25, "three"]],
        "labels": [[0.25, 1.125, "川の音 \"brook\""]], "labels 2": [[1.0, 1.5, "tone"]]});
    assert_eq!(found["textgrid"], grid, "praatio");
    assert!((found["textgrid_end"].as_f64().unwrap() - SAMPLES as f64 / 48_000.0).abs() < 1e-6);
    if found["vtt"].is_null() {
        eprintln!("skipped: there is no ffprobe to read WebVTT with (apt install ffmpeg)");
    } else {
        assert_eq!(found["vtt"], serde_json::json!([[0.25, 0.875], [0.5, 0.25], [1.0, 0.25], [1.0, 0.5]]), "ffprobe");
    }
    assert_eq!(found["gaps"][1], serde_json::json!(["72000", "24000", "1.500000", "0.500000", "stall"]));
    assert_eq!(found["audacity"][4], serde_json::json!(["\\", "2500.000000", "3500.000000"]));
    assert_eq!(found["raven"][3]["Low Freq (Hz)"], "2500.000000");
    assert_eq!(found["raven"][0]["Annotation"], "川の音 \"brook\"");
    assert_eq!(found["csv"][1][3], "川の音 \"brook\"");
    assert_eq!(found["jsonl"][3]["band_hz"], serde_json::json!([2500.0, 3500.0]));
    // And back through our own readers.
    let text = |ending: &str| fs::read_to_string(out.join(format!("walk-main{ending}"))).unwrap();
    assert_eq!(from_audacity("a", &text(".txt")).unwrap()[3].band_hz, Some([2500.0, 3500.0]));
    assert_eq!(from_raven("a", &text(".selections.txt")).unwrap().len(), 4);
}

#[test]
fn a_part_of_a_session_begins_at_its_own_zero() {
    let home = tempfile::tempdir().unwrap();
    let path = session(home.path());
    let file = SessionFile::open(&path).unwrap();
    let request = Request {
        formats: vec![Format::Wav, Format::Csv],
        out_dir: home.path().join("part"),
        from_secs: 1.0,
        to_secs: Some(2.5),
        ..Request::default()
    };
    let written = export(&file, Annotations::open(&path).unwrap().labels(), &request).unwrap();
    let audio = seseragi::source::decode::read_audio(&written[0]).unwrap();
    let exact: Vec<f32> = sound()[48_000..120_000].iter().map(|&sample| f32::from(sample) / 32_768.0).collect();
    assert!(audio.samples == exact);
    let table = fs::read_to_string(&written[2]).unwrap();
    assert!(table.contains("token,0.0,0.25,three,0.5,,\n"), "{table}");
    assert!(table.contains("label,0.0,0.125,"), "a label that began earlier is cut: {table}");
    for (from_secs, to_secs) in [(5.0, None), (2.0, Some(1.0)), (f64::NAN, None)] {
        let request = Request { from_secs, to_secs, ..request.clone() };
        assert!(export(&file, &[], &request).unwrap_err().message.contains("the session has 4.026 s"));
    }
    let request = Request { lane: Some("other".parse().unwrap()), ..request };
    assert!(export(&file, &[], &request).unwrap_err().message.contains("it has: main"));
}

#[test]
fn a_film_has_picture_and_sound_of_the_whole_stretch() {
    let runs =
        |program: &str| Command::new(program).arg("-version").output().is_ok_and(|output| output.status.success());
    let home = tempfile::tempdir().unwrap();
    let path = session(home.path());
    let file = SessionFile::open(&path).unwrap();
    let out_dir = home.path().join("film");
    let request =
        Request { formats: vec![Format::Mp4], out_dir: out_dir.clone(), size: [481, 271], ..Request::default() };
    if !runs("ffmpeg") || !runs("ffprobe") {
        let error = export(&file, &[], &request).unwrap_err();
        assert!(error.message.contains("install"), "{error}");
        eprintln!("skipped: there is no ffmpeg to make a film with (apt install ffmpeg); it says: {error}");
        return;
    }
    let written = export(&file, &[], &request).unwrap();
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-show_entries", "stream=codec_name,width,height,duration", "-of", "json"])
        .arg(&written[0])
        .output()
        .unwrap();
    let found: serde_json::Value = serde_json::from_slice(&probe.stdout).unwrap();
    let streams = found["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 2, "{found}");
    assert_eq!((&streams[0]["codec_name"], &streams[0]["width"]), (&"h264".into(), &480.into()));
    for stream in streams {
        let secs: f64 = stream["duration"].as_str().unwrap().parse().unwrap();
        assert!((secs - 4.03).abs() < 0.1, "{found}");
    }
    assert_eq!(fs::read_dir(out_dir).unwrap().count(), 1, "nothing is left lying about");
}

/// The pixels of a picture.
fn pixels(path: &Path) -> (u32, u32, Vec<u8>) {
    let decoder = png::Decoder::new(std::io::Cursor::new(fs::read(path).unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    (info.width, info.height, pixels)
}

/// A session that was recorded by this release, drawn: the kept picture; `SESERAGI_KEEP_PICTURES=1` makes it anew.
#[test]
fn the_session_of_this_release_looks_as_it_did() {
    let home = tempfile::tempdir().unwrap();
    let file = SessionFile::open(&crate::program::project("tests/data/sessions/0.1.0.mcap")).unwrap();
    let request = Request {
        formats: vec![Format::Png],
        out_dir: home.path().to_owned(),
        size: [720, 400],
        tile_secs: 0.0,
        ..Request::default()
    };
    let drawn = export(&file, &[], &request).unwrap().remove(0);
    let kept = crate::program::project("tests/data/pictures/session.png");
    if env::var_os("SESERAGI_KEEP_PICTURES").is_some() {
        fs::copy(&drawn, &kept).unwrap();
    }
    let (drawn, kept) = (pixels(&drawn), pixels(&kept));
    assert_eq!((drawn.0, drawn.1), (kept.0, kept.1));
    // Processors with wider registers round the last bit of a transform differently: at most two steps of colour.
    let worst = drawn.2.iter().zip(&kept.2).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(worst.is_some_and(|worst| worst <= 2), "a pixel is {worst:?} steps away");
}
