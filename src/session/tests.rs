//! What is written is read back, whole or damaged.

use std::{fs, path::PathBuf};

use super::{pyramid::GridStft, records::*, *};
use crate::{
    dsp::stft::StftConfig,
    recognise::transcript::{Segment, Token},
    stream::ConnectionState,
};

pub const RATE: u32 = 8_000;

/// A sound that is different everywhere.
pub fn sound(range: std::ops::Range<u64>) -> Vec<i16> {
    range.map(|i| ((i.wrapping_mul(2_654_435_761) >> 16) as i16) / 4 + (i % 200) as i16).collect()
}

pub fn lane(key: &str) -> LaneRecord {
    LaneRecord {
        key: key.parse().unwrap(),
        name: format!("lane {key}"),
        source: "demo".into(),
        sample_rate_hz: RATE,
        bit_depth: 16,
        zero_unix_nanos: 1_790_000_000_123_456_789,
        stft: StftConfig { fft_size: 256, hop: 64, ..StftConfig::default() },
    }
}

pub fn program() -> ProgramRecord {
    ProgramRecord { program: "seseragi test".into(), part: 1 }
}

pub fn segment(start_secs: f64) -> Segment {
    let token = Token { token: "one".into(), start_secs, end_secs: start_secs + 0.3, score: 0.75 };
    Segment::new(vec![token]).unwrap()
}

/// A session of two lanes, `secs` long, cut each second; the bytes, and where each cut ended.
pub fn session(secs: u64) -> (Vec<u8>, Vec<usize>) {
    let mut writer = SessionWriter::new(&program(), lane("a").zero_unix_nanos).unwrap();
    let lanes = ["a", "b"].map(|key| writer.add_lane(lane(key)).unwrap());
    let (mut bytes, mut cuts) = (Vec::new(), Vec::new());
    for second in 0..secs {
        let first = second * u64::from(RATE);
        for at in (first..first + u64::from(RATE)).step_by(160) {
            lanes.iter().for_each(|&lane| writer.sound(lane, at + lane as u64 * 37, &sound(at..at + 160)).unwrap());
        }
        writer.lane_record(lanes[0], first, &segment(second as f64)).unwrap();
        writer.cut().unwrap();
        bytes.extend(writer.take_bytes());
        cuts.push(bytes.len());
    }
    bytes.extend(writer.finish().unwrap());
    (bytes, cuts)
}

pub fn saved(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session.mcap");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn read(file: &SessionFile, lane: usize) -> Vec<i16> {
    let mut samples = Vec::new();
    file.sound(lane, file.lanes()[lane].range(), &mut samples).unwrap();
    samples
}

#[test]
fn what_is_written_is_read_back() {
    let (bytes, _) = session(5);
    let (_folder, path) = saved(&bytes);
    let file = SessionFile::open(&path).unwrap();
    assert!(file.is_finished() && file.check().is_empty() && file.faults().is_empty());
    assert_eq!(file.program().unwrap().unwrap(), program());
    let keys: Vec<_> = file.lanes().iter().map(|lane| lane.record.key.as_str()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(file.lanes()[1].range(), 37..5 * u64::from(RATE) + 37);
    assert_eq!(file.lanes()[0].start_unix_nanos(), lane("a").zero_unix_nanos);
    for lane in [0, 1] {
        assert_eq!(read(&file, lane), sound(0..5 * u64::from(RATE)));
    }
    let mut piece = Vec::new();
    file.sound(1, 7_990..8_010, &mut piece).unwrap();
    assert_eq!(piece, sound(7_953..7_973));
    assert_eq!(file.segments(0, ALL).unwrap(), (0..5).map(|i| segment(f64::from(i))).collect::<Vec<_>>());
    let second = u64::from(RATE);
    assert_eq!(file.segments(0, 2 * second..4 * second).unwrap(), [segment(2.0), segment(3.0)]);
    assert!(file.segments(1, ALL).unwrap().is_empty());
    assert!(file.sound(2, 0..1, &mut piece).unwrap_err().message.contains("has 2 lanes"));
}

#[test]
fn what_was_not_recorded_is_zeros_and_a_gap() {
    let mut writer = SessionWriter::new(&program(), 0).unwrap();
    let lane = writer.add_lane(lane("a")).unwrap();
    writer.sound(lane, 1_000, &sound(1_000..1_500)).unwrap();
    writer.sound(lane, 1_400, &sound(1_400..1_600)).unwrap();
    writer.sound(lane, 3_000, &sound(3_000..4_000)).unwrap();
    let state = ConnectionState::Lost;
    let connection = ConnectionRecord { at_sample: 1_600, state, reason: Some("unplugged".into()) };
    writer.lane_record(lane, 1_600, &connection).unwrap();
    let (_folder, path) = saved(&writer.finish().unwrap());
    let file = SessionFile::open(&path).unwrap();
    let gap = GapRecord { at_sample: 1_600, len_samples: 1_400, cause: GapRecord::NOT_RECORDED.into() };
    assert_eq!(file.gaps(0).unwrap(), [gap]);
    assert_eq!(file.connections(0).unwrap(), [connection]);
    assert_eq!(read(&file, 0), [sound(1_000..1_600), vec![0; 1_400], sound(3_000..4_000)].concat());
    let mut around = Vec::new();
    file.sound(0, 0..10_000, &mut around).unwrap();
    assert_eq!((around.len(), &around[..1_000], around[1_000]), (10_000, &vec![0; 1_000][..], sound(1_000..1_001)[0]));
}

#[test]
fn every_level_is_what_the_sound_makes_it() {
    let (bytes, cuts) = session(60);
    let (_folder, path) = saved(&bytes);
    // The same, cut off before the last records of the picture, which are then made from the sound.
    let (_other, unfinished) = saved(&bytes[..cuts[59]]);
    let end = 60 * u64::from(RATE);
    let stft = lane("a").stft;
    let mut columns = Vec::new();
    let mut grid = GridStft::new(&stft).unwrap();
    grid.push(0, &sound(0..end), |_, magnitudes| columns.push(magnitudes.to_vec()));
    for path in [path, unfinished] {
        let file = SessionFile::open(&path).unwrap();
        for level in [0, 1, 3, 4, 6, 7] {
            let span = 1usize << (2 * level);
            let mut expected = columns.chunks_exact(span).map(|group| {
                let largest = |bin: usize| group.iter().map(|column| column[bin]).fold(0.0, f32::max);
                (0..stft.bins()).map(|bin| pyramid::byte_of(largest(bin))).collect::<Vec<_>>()
            });
            let mut next = 0;
            for run in file.spectrogram(0, level, 0..u64::from(u32::MAX)).unwrap() {
                assert_eq!((run.first, run.level), (next, level));
                for column in run.values.chunks_exact(stft.bins()) {
                    assert_eq!(column, expected.next().unwrap(), "column {next} of level {level}");
                    next += 1;
                }
            }
            assert_eq!(next as usize, columns.len() / span, "level {level}");
        }
        for level in [0, 4, 5, 7, 9, 10] {
            let samples = sound(0..end);
            let groups = samples.chunks_exact(1 << (2 * level));
            let expected: Vec<_> =
                groups.map(|group| (*group.iter().min().unwrap(), *group.iter().max().unwrap())).collect();
            let runs = file.waveform(0, level, 0..u64::from(u32::MAX)).unwrap();
            let found: Vec<_> = runs.into_iter().flat_map(|run| run.values).collect();
            assert_eq!(found, expected, "level {level}");
        }
        let overview = file.overview(0, 100).unwrap();
        assert!(overview.spectrogram.iter().all(|run| run.level == 3), "75 columns a pixel");
        assert!(overview.waveform.iter().all(|run| run.level == 6), "4,800 samples a pixel");
    }
}

#[test]
fn a_file_cut_anywhere_is_read_up_to_there() {
    let (bytes, cuts) = session(6);
    for i in 0..200u64 {
        let cut = (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 20) as usize % bytes.len();
        check_cut(&bytes, &cuts, cut);
    }
    cuts.iter().for_each(|&cut| check_cut(&bytes, &cuts, cut));
}

fn check_cut(bytes: &[u8], cuts: &[usize], cut: usize) {
    let (_folder, path) = saved(&bytes[..cut]);
    let whole = cuts.iter().filter(|&&end| end <= cut).count() as u64;
    match SessionFile::open(&path) {
        Err(error) => assert!(cut < 8 && error.message.contains("no session file"), "cut at {cut}: {error}"),
        Ok(file) => {
            assert!(!file.is_finished());
            if whole > 0 {
                let samples = read(&file, 0);
                assert!(samples.len() as u64 >= whole * u64::from(RATE), "cut at {cut} after {whole} s");
                assert_eq!(samples, sound(0..samples.len() as u64), "cut at {cut}");
                assert!(file.segments(0, ALL).unwrap().len() as u64 >= whole);
            }
            if !cuts.contains(&cut) && cut > cuts[0] && cut < cuts[5] {
                let places: Vec<_> = file.damage().iter().map(|damage| damage.offset + damage.len).collect();
                let is_between = file.damage().is_empty();
                assert!(is_between || places == [cut as u64], "cut at {cut}: {:?}", file.damage());
            }
        }
    }
}

#[test]
fn a_flipped_byte_costs_its_chunk_at_most_and_is_named() {
    let (bytes, _) = session(6);
    for i in 0..200u64 {
        let at = (i.wrapping_mul(0xD134_2543_DE82_EF95) >> 20) as usize % (bytes.len() - 8) + 8;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (i % 8);
        let (_folder, path) = saved(&flipped);
        let file = SessionFile::open(&path).unwrap();
        let damage = file.check();
        for lane in 0..file.lanes().len() {
            let samples = read(&file, lane);
            let range = file.lanes()[lane].range();
            let shift = if file.lanes()[lane].record.key.as_str() == "b" { 37 } else { 0 };
            let true_sound = sound(range.start - shift..range.end - shift);
            let lost = samples.iter().zip(&true_sound).filter(|(a, b)| a != b && **a != 0).count();
            assert_eq!(lost, 0, "a damaged sample was handed out (byte {at})");
            let total = 6 * RATE as usize;
            let right = samples.iter().zip(&true_sound).filter(|(a, b)| a == b).count();
            assert!(right >= total - RATE as usize - RATE as usize / 5, "{right} of {total} (byte {at}): {damage:?}");
        }
        let unnamed = damage.is_empty() && file.faults().is_empty();
        assert!(!unnamed || file.lanes().len() == 2, "byte {at} went unnoticed");
    }
}

#[test]
fn what_is_no_session_is_refused() {
    for bytes in [&b""[..], b"RIFF....WAVE", b"\x89MCAP0\r"] {
        let (_folder, path) = saved(bytes);
        let error = SessionFile::open(&path).err().unwrap();
        assert!(error.message.contains("no session file"), "{error}");
    }
    let missing = SessionFile::open(std::path::Path::new("no/such.mcap")).err().unwrap();
    assert_eq!(missing.kind, crate::ErrorKind::NotFound);
}
