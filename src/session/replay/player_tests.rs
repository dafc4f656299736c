//! The job on a clock that the tests turn.

use std::fs;

use half::f16;

use super::*;
use crate::{
    dsp::stft::StftConfig,
    recognise::transcript::{Segment, Token},
    session::{
        SessionWriter,
        annotate::{Edit, Label},
        records::{LaneRecord, ProgramRecord},
        replay::JumpTo,
    },
    stream::Analysis,
};

const RATE: u32 = 16_000;

fn sound(secs: u32) -> Vec<i16> {
    (0..secs * RATE).map(|i| (i.wrapping_mul(2_654_435_761) >> 18) as i16 / 4 + ((i / 7) % 900) as i16).collect()
}

/// A session of one lane that begins at its stream's sample `first`, with a word at 20.5 s and a gap at 30 s of the session.
fn session(folder: &Path, secs: u32, first: u64) -> PathBuf {
    let zero_unix_nanos = 1_790_000_000_000_000_000;
    let mut writer = SessionWriter::new(&ProgramRecord { program: "a test".into(), part: 1 }, zero_unix_nanos).unwrap();
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
    let mut bytes = Vec::new();
    for (second, block) in sound(secs).chunks(RATE as usize).enumerate() {
        writer.sound(lane, first + second as u64 * u64::from(RATE), block).unwrap();
        writer.cut().unwrap();
        bytes.extend(writer.take_bytes());
    }
    let begun_secs = first as f64 / f64::from(RATE);
    let token = Token { token: "seven".into(), start_secs: begun_secs + 20.5, end_secs: begun_secs + 21.0, score: 0.9 };
    writer.lane_record(lane, first + 21 * u64::from(RATE), &Segment::new(vec![token]).unwrap()).unwrap();
    let gap = GapRecord { at_sample: first + 30 * u64::from(RATE), len_samples: 800, cause: "stall".into() };
    writer.lane_record(lane, gap.at_sample, &gap).unwrap();
    bytes.extend(writer.finish().unwrap());
    let path = folder.join("walk.mcap");
    fs::write(&path, bytes).unwrap();
    path
}

/// The job, and the clock.
struct Rig {
    player: Player,
    handle: ReplayHandle,
    now: Instant,
    _links: LinkRegistry,
}

impl Rig {
    fn new(folder: &Path) -> Self {
        let links = LinkRegistry::default();
        let (commands, orders) = links.bounded("replay", Kind::All, COMMANDS);
        let report = Latest::new(ReplayReport::default());
        let voice = ReplayVoice::open(0.0).unwrap();
        let player = Player::new(folder.to_owned(), orders, report.clone(), EventHub::default(), voice);
        let mut rig = Self { player, handle: ReplayHandle { commands, report }, now: Instant::now(), _links: links };
        // No loudspeaker in these.
        rig.ask(ReplayCommand::SetAudible(false));
        rig
    }

    fn ask(&mut self, command: ReplayCommand) -> Arc<ReplayReport> {
        self.handle.command(command).unwrap();
        self.pass(0.015)
    }

    fn pass(&mut self, secs: f64) -> Arc<ReplayReport> {
        self.now += Duration::from_secs_f64(secs);
        self.player.tick(self.now);
        self.handle.report()
    }

    fn place(&self) -> f64 {
        self.handle.report().clock.as_ref().unwrap().at(self.now)
    }
}

#[test]
fn what_is_replayed_is_bit_for_bit_what_was_live() {
    let home = tempfile::tempdir().unwrap();
    let mut live = Analysis::new(&StftConfig::default(), RATE).unwrap();
    let all = sound(40);
    live.push(&all, None);
    let live = live.take().unwrap();
    let bins = StftConfig::default().bins();
    let mut rig = Rig::new(home.path());
    rig.ask(ReplayCommand::Open(session(home.path(), 40, 0)));
    for place in [0.0, 20.0, 13.37, 39.9] {
        let report = rig.ask(ReplayCommand::Seek(place));
        let window = &report.windows[0];
        let range = window.columns.range(0);
        assert!(range.end - range.start > 150, "{range:?}");
        for column in range {
            let live: &[f16] = &live.columns[column as usize * bins..][..bins];
            assert!(window.columns.column(0, column).unwrap() == live, "column {column} at {place}");
        }
        for (first, samples) in window.sound.samples(window.sound.range(0)) {
            assert!(samples == &all[first as usize..][..samples.len()], "samples from {first}");
        }
    }
    assert!(rig.handle.report().failure().is_none());
}

#[test]
fn it_plays_seeks_loops_and_jumps() {
    let home = tempfile::tempdir().unwrap();
    // The stream had run for a while when the recording began.
    let path = session(home.path(), 60, 123_456);
    let mut rig = Rig::new(home.path());
    let report = rig.ask(ReplayCommand::Open(path));
    assert!((report.clock.as_ref().unwrap().len_secs() - 60.0).abs() < 1e-6);
    assert_eq!(report.session.as_ref().unwrap().overviews.len(), 1);
    rig.ask(ReplayCommand::Toggle);
    rig.pass(2.0);
    assert!((rig.place() - 2.0).abs() < 1e-6, "{}", rig.place());
    rig.ask(ReplayCommand::Speed(8.0));
    let before = rig.place();
    rig.pass(1.0);
    assert!((rig.place() - before - 8.0).abs() < 1e-6, "{}", rig.place());
    rig.ask(ReplayCommand::Toggle);
    let paused = rig.place();
    rig.pass(5.0);
    assert_eq!(rig.place(), paused);
    rig.ask(ReplayCommand::Seek(0.0));
    let label = Label {
        id: 0,
        lane: "main".parse().unwrap(),
        start_secs: 10.0,
        end_secs: 11.0,
        band_hz: None,
        text: "wren".into(),
    };
    rig.ask(ReplayCommand::Label(Edit::Add(label)));
    for (is_forward, to, place) in [
        (true, JumpTo::Anything, 10.0),
        (true, JumpTo::Anything, 20.5),
        (true, JumpTo::Anything, 30.0),
        (true, JumpTo::Anything, 30.0),
        (false, JumpTo::Label, 10.0),
        (true, JumpTo::Gap, 30.0),
        (false, JumpTo::Token, 20.5),
    ] {
        rig.ask(ReplayCommand::Jump { is_forward, to });
        assert!((rig.place() - place).abs() < 1e-6, "{to:?} {is_forward}: {} is not {place}", rig.place());
    }
    rig.ask(ReplayCommand::Repeat(Some(5.0..6.0)));
    rig.ask(ReplayCommand::Speed(1.0));
    rig.ask(ReplayCommand::Play);
    rig.pass(10.4);
    assert!((rig.place() - 5.4).abs() < 0.05, "{}", rig.place());
    let report = rig.ask(ReplayCommand::Close);
    assert!(report.session.is_none() && report.windows.is_empty());
    let report = rig.ask(ReplayCommand::Play);
    assert_eq!(report.failure().unwrap().message, "no session is open");
}

#[test]
fn the_picture_reaches_around_the_cursor_at_any_zoom_and_stays_small() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(home.path());
    rig.ask(ReplayCommand::Open(session(home.path(), 240, 0)));
    for span in [0.5, 10.0, 60.0, 100.0, 240.0, 3_600.0] {
        rig.ask(ReplayCommand::Look(span));
        let report = rig.ask(ReplayCommand::Seek(120.0));
        let window = &report.windows[0];
        let seen = (120.0 - span / 2.0).max(0.0)..(120.0 + span / 2.0).min(240.0);
        assert!(window.secs.start <= seen.start && window.secs.end >= seen.end, "{span}: {:?}", window.secs);
        let a_column = window.columns_joined as f64 * 512.0 / f64::from(RATE);
        let columns = window.columns.range(0);
        let (from, to) = (columns.start as f64 * a_column, columns.end as f64 * a_column);
        assert!(from <= seen.start + a_column && to >= seen.end - a_column - 0.2, "{span}: {from} to {to}");
        let sound = window.sound.range(0);
        let a_sample = window.sound_joined as f64 / f64::from(RATE);
        assert!(sound.start as f64 * a_sample <= seen.start + 0.2, "{span}");
        assert!(sound.end as f64 * a_sample >= seen.end - 0.4, "{span}: {}", sound.end as f64 * a_sample);
        assert!(window.columns.bytes() + window.sound.bytes() < 24 << 20, "{span} s: {}", window.columns.bytes());
    }
}

#[test]
fn what_cannot_be_opened_is_told_and_leaves_what_is_open() {
    let home = tempfile::tempdir().unwrap();
    let path = session(home.path(), 20, 0);
    let mut rig = Rig::new(home.path());
    rig.ask(ReplayCommand::Open(path.clone()));
    fs::write(home.path().join("bad.mcap"), b"no session").unwrap();
    for bad in ["bad.mcap", "missing.mcap"] {
        let report = rig.ask(ReplayCommand::Open(home.path().join(bad)));
        assert!(report.failure().unwrap().message.contains(bad), "{:?}", report.notice);
        assert_eq!(report.session.as_ref().unwrap().path, path);
    }
    let report = rig.ask(ReplayCommand::List);
    let names: Vec<_> = report.sessions.iter().map(|entry| entry.path.file_name().unwrap().to_owned()).collect();
    assert!(names.len() == 2 && names.contains(&"walk.mcap".into()), "{names:?}");
}

#[test]
fn labelled_sound_becomes_a_dataset() {
    let home = tempfile::tempdir().unwrap();
    let mut rig = Rig::new(home.path());
    rig.ask(ReplayCommand::Open(session(home.path(), 20, 4_000)));
    let folder = home.path().join("words");
    let report = rig.ask(ReplayCommand::SendToDataset(folder.clone()));
    assert!(report.failure().is_some_and(|error| error.message.contains("no label")), "{:?}", report.notice);
    for (start_secs, text) in [(2.0, "wren"), (5.0, "wren"), (7.0, "川"), (9.0, "")] {
        let lane = "main".parse().unwrap();
        let label = Label { id: 0, lane, start_secs, end_secs: start_secs + 0.5, band_hz: None, text: text.into() };
        rig.ask(ReplayCommand::Label(Edit::Add(label)));
    }
    let report = rig.ask(ReplayCommand::SendToDataset(folder.clone()));
    assert!(report.failure().is_none(), "{:?}", report.notice);
    let mut labels: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    labels.sort();
    assert_eq!(labels, ["wren", "川"]);
    let audio = crate::source::decode::read_audio(folder.join("wren/walk-main_1.wav")).unwrap();
    assert_eq!(audio.samples.len(), (0.6 * f64::from(RATE)) as usize);
    let exact: Vec<f32> = sound(20)[(1.95 * f64::from(RATE)) as usize..][..audio.samples.len()]
        .iter()
        .map(|&sample| f32::from(sample) / 32_768.0)
        .collect();
    assert!(audio.samples == exact, "the clip is the sound of the session, bit for bit");
}
