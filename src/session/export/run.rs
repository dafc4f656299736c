//! From a session file to files in the formats asked for.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use super::{
    Mark, MarkKind, ReadLower, Stretch, audio, file::write_text, npy, picture, picture::Picture, tables, to_audacity,
    to_raven, to_textgrid, video,
};
use crate::{
    Error, Result,
    draw::{
        theme::Ramp,
        view::{FrequencyAxis, View},
    },
    session::{ALL, LaneInfo, SessionFile, annotate::Label, clock::SessionClock, records::GapRecord},
    stream::StreamKey,
};

/// What a session can be exported to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// WAV, and its gaps beside it.
    Wav,
    /// FLAC, and its gaps beside it.
    Flac,
    /// Pictures of the spectrogram.
    Png,
    /// The spectrogram as numbers.
    Npy,
    /// Audacity's label track.
    Audacity,
    /// Raven's selection table.
    Raven,
    /// Praat's TextGrid.
    TextGrid,
    /// Captions.
    Vtt,
    /// A table.
    Csv,
    /// JSON, a line a mark.
    JsonLines,
    /// A film.
    Mp4,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Wav,
        Self::Flac,
        Self::Png,
        Self::Npy,
        Self::Audacity,
        Self::Raven,
        Self::TextGrid,
        Self::Vtt,
        Self::Csv,
        Self::JsonLines,
        Self::Mp4,
    ];

    /// Its name, as shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wav => "WAV",
            Self::Flac => "FLAC",
            Self::Png => "PNG",
            Self::Npy => "NPY",
            Self::Audacity => "Audacity",
            Self::Raven => "Raven",
            Self::TextGrid => "TextGrid",
            Self::Vtt => "WebVTT",
            Self::Csv => "CSV",
            Self::JsonLines => "JSON Lines",
            Self::Mp4 => "MP4",
        }
    }
}

/// What is to be exported, and where to.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Which formats.
    pub formats: Vec<Format>,
    /// The folder for the files; made where it is not there.
    pub out_dir: PathBuf,
    /// One lane, or all.
    pub lane: Option<StreamKey>,
    /// From here on, seconds of the session.
    pub from_secs: f64,
    /// Up to here; to the end without it.
    pub to_secs: Option<f64>,
    /// Pixels across and down of a picture.
    pub size: [u32; 2],
    /// Seconds on one picture; what is longer is tiled, and shown whole on one more.
    pub tile_secs: f64,
    /// Decibels and frequencies of a picture.
    pub scale: picture::Scale,
    /// Colours of a picture.
    pub ramp: Ramp,
}

impl Default for Request {
    fn default() -> Self {
        let view = View::default();
        Self {
            formats: Vec::new(),
            out_dir: PathBuf::from("."),
            lane: None,
            from_secs: 0.0,
            to_secs: None,
            size: [1600, 900],
            tile_secs: 60.0,
            scale: picture::Scale {
                floor_dbfs: view.floor_dbfs,
                ceiling_dbfs: view.ceiling_dbfs,
                axis: FrequencyAxis::Mel,
                top_hz: view.top_hz,
            },
            ramp: Ramp::default(),
        }
    }
}

/// Exports a session with its labels. Says what was written, in order.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) for a lane that is not there, [`Invalid`](crate::ErrorKind::Invalid) for a stretch that is
/// not, and those of the formats. What was written before stays.
pub fn export(session: &SessionFile, labels: &[Label], request: &Request) -> Result<Vec<PathBuf>> {
    let clock = SessionClock::of(session);
    let to_secs = request.to_secs.unwrap_or(clock.len_secs).min(clock.len_secs);
    // Not the other way round, so that what is no number is refused too.
    if !(request.from_secs >= 0.0 && to_secs > request.from_secs) {
        return Err(Error::invalid(format!(
            "nothing lies from {} s to {to_secs} s: the session has {:.3} s",
            request.from_secs, clock.len_secs
        )));
    }
    if let Some(key) = &request.lane
        && session.lane(key).is_none()
    {
        let keys: Vec<_> = session.lanes().iter().map(|lane| lane.record.key.as_str()).collect();
        return Err(Error::not_found(format!("the session has no lane \"{key}\"; it has: {}", keys.join(", "))));
    }
    std::fs::create_dir_all(&request.out_dir)
        .map_err(|error| Error::io(format_args!("cannot make the folder {}", request.out_dir.display()), &error))?;
    let mut written = Vec::new();
    for (index, lane) in session.lanes().iter().enumerate() {
        if request.lane.as_ref().is_some_and(|key| *key != lane.record.key) {
            continue;
        }
        let secs = request.from_secs..to_secs;
        let job = LaneExport { session, index, lane, clock: &clock, secs, request };
        let (marks, gaps) = (job.marks(labels)?, session.gaps(index)?);
        for &format in &request.formats {
            job.write(format, &marks, &gaps, &mut written)?;
        }
    }
    Ok(written)
}

/// One lane on its way out.
struct LaneExport<'a> {
    session: &'a SessionFile,
    index: usize,
    lane: &'a LaneInfo,
    clock: &'a SessionClock,
    /// Of the session.
    secs: Range<f64>,
    request: &'a Request,
}

impl LaneExport<'_> {
    fn path(&self, ending: &str) -> PathBuf {
        let stem = self.session.path().file_stem().unwrap_or_default().to_string_lossy();
        self.request.out_dir.join(format!("{stem}-{}{ending}", self.lane.record.key))
    }

    fn rate(&self) -> u32 {
        self.lane.record.sample_rate_hz
    }

    /// Tokens and labels of the stretch, on the session's clock.
    fn marks(&self, labels: &[Label]) -> Result<Vec<Mark>> {
        let offset = self.clock.offset_secs(self.lane);
        let tokens = self.session.segments(self.index, ALL)?;
        let token = |token: crate::recognise::transcript::Token| Mark {
            kind: MarkKind::Token,
            start_secs: token.start_secs - offset,
            end_secs: token.end_secs - offset,
            text: token.token,
            score: Some(token.score),
            band_hz: None,
        };
        let mut marks: Vec<Mark> = tokens.into_iter().flat_map(|segment| segment.tokens).map(token).collect();
        marks.extend(labels.iter().filter(|label| label.lane == self.lane.record.key).map(Label::mark));
        super::marks::sort(&mut marks);
        marks.retain(|mark| mark.end_secs >= self.secs.start && mark.start_secs < self.secs.end);
        Ok(marks)
    }

    fn write(&self, format: Format, marks: &[Mark], gaps: &[GapRecord], written: &mut Vec<PathBuf>) -> Result<()> {
        let range = self.clock.samples(self.lane, &self.secs);
        let mut read = |range: Range<u64>, out: &mut Vec<i16>| self.session.sound(self.index, range, out);
        let mut lower = |range: Range<u64>, out: &mut Vec<u8>| self.session.lower_bits(self.index, range, out);
        let lower: Option<&mut ReadLower> = if self.lane.record.bit_depth > 16 { Some(&mut lower) } else { None };
        let mut sound = Stretch { sample_rate_hz: self.rate(), range, read: &mut read, lower };
        let len_secs = self.secs.end - self.secs.start;
        let shifted =
            || -> Vec<Mark> { marks.iter().filter_map(|mark| mark.shifted(self.secs.start, len_secs)).collect() };
        let mut text = |ending: &str, text: String| {
            let path = self.path(ending);
            write_text(&path, &text).map(|()| written.push(path))
        };
        match format {
            Format::Audacity => return text(".txt", to_audacity(&shifted())),
            Format::Raven => return text(".selections.txt", to_raven(&shifted(), f64::from(self.rate()) / 2.0)),
            Format::TextGrid => return text(".TextGrid", to_textgrid(&shifted(), len_secs)),
            Format::Vtt => return text(".vtt", tables::to_vtt(&shifted())),
            Format::Csv => return text(".csv", tables::to_csv(&shifted())?),
            Format::JsonLines => return text(".jsonl", tables::to_json_lines(&shifted())?),
            Format::Wav | Format::Flac => {
                let (ending, write): (_, fn(&Path, &mut Stretch) -> Result<()>) =
                    if format == Format::Wav { (".wav", audio::write_wav) } else { (".flac", audio::write_flac) };
                let (path, listing) = (self.path(ending), self.path("-gaps.csv"));
                write(&path, &mut sound)?;
                write_text(&listing, &audio::gaps_csv(gaps, &sound))?;
                written.push(path);
                // Both kinds of sound have the same gaps.
                if !written.contains(&listing) {
                    written.push(listing);
                }
            }
            Format::Npy => {
                // On the grid of the lane, so that the columns are those of the screen.
                let hop = self.lane.record.stft.hop as u64;
                sound.range.start = sound.range.start / hop * hop;
                let paths = ["-spectrogram.npy", "-times.npy", "-frequencies.npy"].map(|ending| self.path(ending));
                npy::write_spectrogram(&paths[0], &paths[1], &paths[2], &mut sound, &self.lane.record.stft)?;
                written.extend(paths);
            }
            Format::Png => self.pictures(marks, gaps, written)?,
            Format::Mp4 => {
                let (marks, gaps) = self.on_lane(marks, gaps);
                let path = self.path(".mp4");
                let picture = self.picture(self.secs.clone(), &marks, &gaps);
                video::write_video(&path, &picture, self.request.tile_secs.min(20.0), &mut read)?;
                written.push(path);
            }
        }
        Ok(())
    }

    /// One picture, or a tile for each stretch and one of the whole.
    fn pictures(&self, marks: &[Mark], gaps: &[GapRecord], written: &mut Vec<PathBuf>) -> Result<()> {
        let (marks, gaps) = self.on_lane(marks, gaps);
        let tile_secs = if self.request.tile_secs > 0.0 { self.request.tile_secs.max(0.05) } else { f64::INFINITY };
        let len_secs = self.secs.end - self.secs.start;
        let mut draw = |secs: Range<f64>, ending: &str, marks: &[Mark]| {
            let path = self.path(ending);
            let mut read = |range: Range<u64>, out: &mut Vec<i16>| self.session.sound(self.index, range, out);
            self.picture(secs, marks, &gaps).draw(&mut read)?.save(&path).map(|()| written.push(path))
        };
        // A picture more for a rest of a few milliseconds helps nobody.
        let tiles = ((len_secs - 0.01) / tile_secs).ceil().max(1.0) as u64;
        if tiles == 1 {
            return draw(self.secs.clone(), ".png", &marks);
        }
        draw(self.secs.clone(), "-overview.png", &[])?;
        let digits = tiles.to_string().len().max(3);
        for tile in 0..tiles {
            let start = self.secs.start + tile as f64 * tile_secs;
            let end = if tile + 1 == tiles { self.secs.end } else { start + tile_secs };
            draw(start..end, &format!("-{:0digits$}.png", tile + 1), &marks)?;
        }
        Ok(())
    }

    /// Marks and gaps on the lane's own clock.
    fn on_lane(&self, marks: &[Mark], gaps: &[GapRecord]) -> (Vec<Mark>, Vec<Range<f64>>) {
        let (offset, rate) = (self.clock.offset_secs(self.lane), f64::from(self.rate()));
        let mark = |mark: &Mark| Mark {
            start_secs: mark.start_secs + offset,
            end_secs: mark.end_secs + offset,
            ..mark.clone()
        };
        let gap = |gap: &GapRecord| gap.at_sample as f64 / rate..(gap.at_sample + gap.len_samples) as f64 / rate;
        (marks.iter().map(mark).collect(), gaps.iter().map(gap).collect())
    }

    /// A picture of `secs` of the session.
    fn picture<'a>(&self, secs: Range<f64>, marks: &'a [Mark], gaps: &'a [Range<f64>]) -> Picture<'a> {
        let offset = self.clock.offset_secs(self.lane);
        let scale = self.request.scale;
        Picture {
            size: self.request.size,
            title: self.lane.record.key.to_string(),
            sample_rate_hz: self.rate(),
            stft: self.lane.record.stft,
            secs: secs.start + offset..secs.end + offset,
            origin_secs: offset,
            scale: picture::Scale { top_hz: scale.top_hz.min(f64::from(self.rate()) / 2.0), ..scale },
            ramp: self.request.ramp,
            marks,
            gaps,
        }
    }
}
