//! Sound files and label files of others as a session.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    LaneInfo, SessionFile, SessionWriter,
    annotate::{Annotations, Edit, Label},
    export::{Mark, file::write_whole, from_audacity, from_raven},
    records::{LaneRecord, ProgramRecord},
};
use crate::{
    Error, Result,
    dsp::stft::StftConfig,
    recognise::{
        card::Model,
        online::{Online, OnlineEvent},
        transcript::Segment,
    },
    source::{ChannelChoice, decode::Decoder},
    stream::{Converter, Samples, StreamKey},
};

/// What an import brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Lanes made of sound files.
    pub lanes: usize,
    /// Labels read.
    pub labels: usize,
    /// Blocks of sound files that did not decode and were left out.
    pub damaged_blocks: u64,
}

/// Makes the session `out` of sound files, a lane each, at their own rates, and puts the labels of Audacity's label tracks and
/// Raven's selection tables into its sidecar. Labels go to the lane that their file's name begins with, else to the first. Without
/// any sound file the labels are added to the session that `out` already is. With a `model` the words are recognised as well.
///
/// # Errors
/// [`Busy`](crate::ErrorKind::Busy) when `out` exists and there is sound; for a file that cannot be read; what the disk says. No half
/// session is left behind.
pub fn import(files: &[PathBuf], out: &Path, model: Option<&Arc<Model>>) -> Result<Imported> {
    let (labels, sounds): (Vec<&PathBuf>, Vec<&PathBuf>) = files.iter().partition(|path| is_label_file(path));
    // What cannot be read is known before anything is written.
    let tracks: Vec<(&PathBuf, Vec<Mark>)> =
        labels.into_iter().map(|path| read_labels(path).map(|marks| (path, marks))).collect::<Result<_>>()?;
    let mut imported = Imported::default();
    if !sounds.is_empty() {
        if out.exists() {
            return Err(Error::busy(format!("{} is there already: choose another --out", out.display())));
        }
        (imported.lanes, imported.damaged_blocks) = write_session(&sounds, out, model)?;
    }
    if tracks.is_empty() {
        return Ok(imported);
    }
    let session = SessionFile::open(out)?;
    let mut annotations = Annotations::open(out)?;
    for (path, marks) in tracks {
        let lane = lane_for(path, session.lanes())
            .ok_or_else(|| Error::invalid(format!("{} has no lane for labels to stand in", out.display())))?;
        for mark in marks {
            let Mark { start_secs, end_secs, band_hz, text, .. } = mark;
            annotations.edit(Edit::Add(Label { id: 0, lane: lane.clone(), start_secs, end_secs, band_hz, text }))?;
            imported.labels += 1;
        }
    }
    Ok(imported)
}

fn is_label_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["txt", "tsv"].iter().any(|known| extension.eq_ignore_ascii_case(known)))
}

fn read_labels(path: &Path) -> Result<Vec<Mark>> {
    let text =
        fs::read_to_string(path).map_err(|error| Error::io(format_args!("cannot read {}", path.display()), &error))?;
    let name = path.display().to_string();
    let is_raven = text.lines().next().is_some_and(|line| line.to_ascii_lowercase().contains("begin time (s)"));
    if is_raven { from_raven(&name, &text) } else { from_audacity(&name, &text) }
}

/// The lane whose key the file's name begins with, or that begins with it; else the first.
fn lane_for(path: &Path, lanes: &[LaneInfo]) -> Option<StreamKey> {
    let stem = key_of(path, 0).as_str().to_owned();
    let keys = || lanes.iter().map(|lane| &lane.record.key);
    keys().find(|key| stem.starts_with(key.as_str()) || key.as_str().starts_with(&stem)).or(keys().next()).cloned()
}

/// The file's name as a key: what a key cannot hold is a hyphen.
fn key_of(path: &Path, index: usize) -> StreamKey {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let key: String = stem.chars().map(fits).take(48).collect();
    let spare = || format!("lane-{}", index + 1).parse().expect("letters, a hyphen and digits are a key");
    if key.chars().all(|c| c == '-') { spare() } else { key.parse().unwrap_or_else(|_| spare()) }
}

fn write_session(sounds: &[&PathBuf], out: &Path, model: Option<&Arc<Model>>) -> Result<(usize, u64)> {
    let changed = |path: &PathBuf| fs::metadata(path).and_then(|data| data.modified()).ok();
    let start = sounds.iter().filter_map(|path| changed(path)).min().unwrap_or_else(SystemTime::now);
    let zero_unix_nanos = start.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let program = ProgramRecord { program: format!("seseragi {} import", env!("CARGO_PKG_VERSION")), part: 1 };
    let mut damaged_blocks = 0;
    write_whole(out, |file| {
        let io = |error: std::io::Error| Error::io(format_args!("cannot write {}", out.display()), &error);
        let mut writer = SessionWriter::new(&program, zero_unix_nanos)?;
        let mut keys: Vec<StreamKey> = Vec::new();
        for (index, path) in sounds.iter().enumerate() {
            let mut key = key_of(path, index);
            for number in 2.. {
                if !keys.contains(&key) {
                    break;
                }
                key = format!("{}-{number}", key_of(path, index)).parse()?;
            }
            keys.push(key.clone());
            let mut decoder = Decoder::open(path)?;
            let (rate, channels) = (decoder.sample_rate_hz(), decoder.channels());
            let bit_depth = if decoder.bits_per_sample().is_some_and(|bits| bits > 16) { 24 } else { 16 };
            let lane = writer.add_lane(LaneRecord {
                key,
                name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                source: format!("file:{}", path.file_name().unwrap_or_default().to_string_lossy()),
                sample_rate_hz: rate,
                bit_depth,
                zero_unix_nanos,
                stft: StftConfig::default(),
            })?;
            let mut words = model.map(|model| Words::new(rate, model)).transpose()?;
            let mut converter = Converter::new(rate, rate, channels, ChannelChoice::Mix, 0.0)?;
            let (mut block, mut samples, mut at, mut second) = (Vec::new(), Samples::of_depth(bit_depth), 0, 0);
            let mut is_over = false;
            while !is_over {
                block.clear();
                samples.clear();
                if decoder.next_block(&mut block)? {
                    converter.convert(&block, &mut samples);
                } else {
                    is_over = true;
                    converter.finish(&mut samples);
                }
                writer.sound(lane, at, &samples.upper)?;
                writer.lower_bits(lane, at, samples.lower.as_deref().unwrap_or_default())?;
                if let Some(words) = &mut words {
                    for segment in words.hear(at, &samples.upper, is_over)? {
                        writer.lane_record(lane, at, &segment)?;
                    }
                }
                at += samples.upper.len() as u64;
                // A chunk a second, as in a recording, so that any place is found at once.
                if at / u64::from(rate) > second {
                    second = at / u64::from(rate);
                    writer.cut()?;
                    file.write_all(&writer.take_bytes()).map_err(io)?;
                }
            }
            damaged_blocks += decoder.damaged_blocks();
        }
        file.write_all(&writer.finish()?).map_err(io)
    })?;
    Ok((sounds.len(), damaged_blocks))
}

/// What is said in a lane.
struct Words {
    online: Online,
    rate: u32,
    events: Vec<OnlineEvent>,
}

impl Words {
    fn new(rate: u32, model: &Arc<Model>) -> Result<Self> {
        let (mut online, mut events) = (Online::new(rate)?, Vec::new());
        online.swap(model.clone(), &mut events)?;
        online.start(0, &mut events)?;
        Ok(Self { online, rate, events })
    }

    /// The segments that these samples make final; at the end a second of silence lets the last word be heard out.
    fn hear(&mut self, at_sample: u64, samples: &[i16], is_over: bool) -> Result<Vec<Segment>> {
        self.online.accept(at_sample, samples, &mut self.events)?;
        if is_over {
            let tail = vec![0; self.rate as usize];
            self.online.accept(at_sample + samples.len() as u64, &tail, &mut self.events)?;
            self.online.stop(&mut self.events)?;
        }
        let segments = self.events.drain(..).filter_map(|event| match event {
            OnlineEvent::Final(segment) => Some(segment),
            OnlineEvent::Partial(_) => None,
        });
        Ok(segments.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::export::{Stretch, from_memory, to_audacity, write_wav};

    fn wav(path: &Path, rate: u32, samples: &[i16]) {
        let mut read = from_memory(samples);
        write_wav(
            path,
            &mut Stretch { sample_rate_hz: rate, range: 0..samples.len() as u64, read: &mut read, lower: None },
        )
        .unwrap();
    }

    #[test]
    fn sound_files_and_labels_become_a_session() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let sound: Vec<i16> = (0..50_000u32).map(|i| (i.wrapping_mul(40_503) >> 3) as i16).collect();
        wav(&at("wren 1.wav"), 8_000, &sound);
        wav(&at("robin.wav"), 48_000, &sound[..30_000]);
        let label = Mark {
            kind: crate::session::export::MarkKind::Label,
            start_secs: 0.25,
            end_secs: 0.5,
            text: "song".into(),
            score: None,
            band_hz: Some([500.0, 900.0]),
        };
        fs::write(at("robin.txt"), to_audacity(&[label])).unwrap();
        let out = at("garden.mcap");
        let files = ["wren 1.wav", "robin.wav", "robin.txt"].map(at);
        let imported = import(&files, &out, None).unwrap();
        assert_eq!(imported, Imported { lanes: 2, labels: 1, damaged_blocks: 0 });
        let session = SessionFile::open(&out).unwrap();
        let keys: Vec<_> = session.lanes().iter().map(|lane| lane.record.key.as_str()).collect();
        assert_eq!(keys, ["wren-1", "robin"]);
        for (lane, len) in [(0, 50_000), (1, 30_000)] {
            let mut heard = Vec::new();
            session.sound(lane, 0..len as u64, &mut heard).unwrap();
            assert!(heard == sound[..len], "lane {lane} is bit-equal");
            assert_eq!(session.lanes()[lane].len_samples, len as u64);
        }
        let labels = Annotations::open(&out).unwrap().labels().clone();
        assert_eq!((labels[0].lane.as_str(), labels[0].band_hz), ("robin", Some([500.0, 900.0])));
        assert_eq!(import(&files[..1], &out, None).unwrap_err().kind, crate::ErrorKind::Busy, "nothing is overwritten");
        assert_eq!(import(&files[2..], &out, None).unwrap().labels, 1, "labels alone join the session that is there");
    }

    #[test]
    fn a_file_of_24_bits_comes_in_and_goes_out_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: 96_000,
            bits_per_sample: 24,
            sample_format: hound::SampleFormat::Int,
        };
        let samples: Vec<i32> =
            (0..20_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as i32 - 8_388_608).collect();
        let mut wav = hound::WavWriter::create(at("bat.wav"), spec).unwrap();
        samples.iter().for_each(|&sample| wav.write_sample(sample).unwrap());
        wav.finalize().unwrap();
        import(&[at("bat.wav")], &at("bat.mcap"), None).unwrap();
        let session = SessionFile::open(&at("bat.mcap")).unwrap();
        let mut found = Vec::new();
        session.sound_24(0, 0..20_000, &mut found).unwrap();
        assert!(found == samples);
        let formats = vec![crate::session::export::Format::Wav, crate::session::export::Format::Flac];
        let request = crate::session::export::Request {
            formats,
            out_dir: at("out"),
            ..crate::session::export::Request::default()
        };
        let written = crate::session::export::export(&session, &[], &request).unwrap();
        let mut back = hound::WavReader::open(&written[0]).unwrap();
        assert_eq!(back.spec(), spec);
        assert!(back.samples::<i32>().map(Result::unwrap).eq(samples.iter().copied()));
        let flac = crate::source::decode::read_audio(at("out/bat-bat.flac")).unwrap();
        assert!(flac.samples.iter().zip(&samples).all(|(&found, &sample)| found * 8_388_608.0 == sample as f32));
    }

    #[test]
    fn what_cannot_be_read_leaves_no_session() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("noise.wav"), b"no sound at all").unwrap();
        fs::write(at("bad.txt"), "no label").unwrap();
        wav(&at("good.wav"), 8_000, &[1; 9000]);
        for files in
            [vec![at("good.wav"), at("noise.wav")], vec![at("good.wav"), at("bad.txt")], vec![at("missing.wav")]]
        {
            assert!(import(&files, &at("out.mcap"), None).is_err());
            assert!(!at("out.mcap").exists() && !at("out.mcap.part").exists());
        }
    }
}
