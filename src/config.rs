//! Settings: the shipped defaults (`assets/config/default.ron`, commented), over them the user's file. Every value is checked
//! while it is read, so that an error names its line, its column and what is allowed.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

use crate::{Error, Result, source::SourceSpec, stream::StreamKey, train::trainer::TrainSpec};

mod limits;

/// The shipped defaults, as text.
pub const DEFAULT: &str = include_str!("../assets/config/default.ron");

/// All settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The lanes on the screen at start.
    #[serde(deserialize_with = "limits::lanes")]
    pub lanes: Vec<LaneConfig>,
    /// What is kept and how it is analysed.
    pub stream: StreamConfig,
    /// Recognition.
    pub recognise: RecogniseConfig,
    /// Training.
    pub train: TrainConfig,
    /// The HTTP server.
    pub server: ServerConfig,
    /// The window and the picture.
    pub window: WindowConfig,
    /// Hearing a file or the demo.
    pub monitor: MonitorConfig,
    /// Recording.
    pub record: RecordConfig,
}

/// One lane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaneConfig {
    /// Its name, kept over restarts.
    pub key: StreamKey,
    /// What fills it: `demo`, `mic`, `mic:ID`, `file:PATH`.
    pub source: SourceSpec,
    /// Gain before everything else, dB.
    #[serde(default, deserialize_with = "limits::gain_db")]
    pub gain_db: f32,
    /// Whether the source is opened at start.
    pub is_open: bool,
    /// Whether recognition runs from the start.
    pub is_recognised: bool,
}

/// What is kept and how it is analysed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConfig {
    /// The rate of every stream, Hz.
    #[serde(deserialize_with = "limits::sample_rate_hz")]
    pub sample_rate_hz: u32,
    /// Bits of a recorded sample, 16 or 24. What is analysed, recognised and heard are the upper 16.
    #[serde(default = "sixteen", deserialize_with = "limits::bit_depth")]
    pub bit_depth: u16,
    /// FFT size, samples, a power of two.
    #[serde(deserialize_with = "limits::fft_size")]
    pub fft_size: usize,
    /// Distance between two columns, samples; at most the FFT size.
    #[serde(deserialize_with = "limits::hop")]
    pub hop: usize,
    /// How much of the past is kept for looking back, seconds.
    #[serde(deserialize_with = "limits::history_secs")]
    pub history_secs: u32,
    /// How much memory all histories may take together, MiB.
    #[serde(deserialize_with = "limits::history_mib")]
    pub history_mib: usize,
}

/// Recognition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecogniseConfig {
    /// The model to start with.
    pub model: String,
    /// Whether a better model from the trainer is swapped in by itself.
    pub swaps_by_itself: bool,
}

/// Training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// The name under which a run started from the screen saves its model.
    pub model: String,
    /// `demo`, or the path of a folder with one folder a label.
    pub dataset: String,
    /// Epochs of a run.
    #[serde(deserialize_with = "limits::epochs")]
    pub epochs: u32,
    /// Scenes in a batch.
    #[serde(deserialize_with = "limits::batch_size")]
    pub batch_size: u32,
    /// Threads that the trainer computes on, at low priority.
    #[serde(deserialize_with = "limits::threads")]
    pub threads: usize,
}

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerConfig {
    /// Whether it runs.
    pub is_on: bool,
    /// The port on the loopback interface; 0 takes any that is free.
    pub port: u16,
    /// Whether phones and other machines are served as well, over HTTPS.
    #[serde(default)]
    pub is_lan: bool,
    /// The port for them; 0 takes any that is free.
    #[serde(default = "lan_port")]
    pub lan_port: u16,
    /// Names under which other machines reach this one besides its addresses and its host name.
    #[serde(default)]
    pub names: Vec<String>,
    /// A certificate (PEM, with its chain) instead of the one that is made and kept.
    #[serde(default)]
    pub cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// Origins, such as `https://studio.example`, whose pages may publish sound over WHIP.
    #[serde(default)]
    pub whip_origins: Vec<String>,
}

fn sixteen() -> u16 {
    16
}

fn lan_port() -> u16 {
    8751
}

/// The window and the picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowConfig {
    /// Width, logical pixels.
    #[serde(deserialize_with = "limits::window_side")]
    pub width: u32,
    /// Height, logical pixels.
    #[serde(deserialize_with = "limits::window_side")]
    pub height: u32,
    /// Whether it fills the screen.
    pub is_fullscreen: bool,
    /// Drawn frames a second.
    #[serde(deserialize_with = "limits::fps")]
    pub fps: u32,
    /// What closing the window does.
    pub on_close: OnClose,
    /// The language of the labels.
    pub language: Language,
    /// Seconds of sound across the screen at live.
    #[serde(deserialize_with = "limits::span_secs")]
    pub span_secs: f32,
    /// The level drawn darkest, dBFS.
    #[serde(deserialize_with = "limits::level_db")]
    pub floor_db: f32,
    /// The level drawn brightest, dBFS.
    #[serde(deserialize_with = "limits::level_db")]
    pub ceiling_db: f32,
}

/// What closing the window does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnClose {
    /// The program ends.
    Exit,
    /// The program goes on without a window, and is steered over HTTP.
    Headless,
}

/// The language of the labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Language {
    /// English.
    English,
    /// 日本語.
    Japanese,
    /// Both, one beside the other.
    Both,
}

/// Hearing a file or the demo. A microphone is never heard unless its lane asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonitorConfig {
    /// Whether it is heard at start.
    pub is_on: bool,
    /// Volume, dB.
    #[serde(deserialize_with = "limits::volume_db")]
    pub volume_db: f32,
}

/// Recording. Nothing is recorded unless it is asked for, here or later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordConfig {
    /// Whether everything is recorded from the start.
    pub is_always_on: bool,
    /// The folder for session files; empty takes `sessions` in the data folder.
    pub dir: PathBuf,
    /// How much of the past is held in memory, so that it can be kept afterwards, seconds; 0 holds none.
    #[serde(deserialize_with = "limits::past_secs")]
    pub past_secs: u32,
    /// A file is closed and the next begun after so long.
    #[serde(deserialize_with = "limits::segment_minutes")]
    pub segment_minutes: u32,
    /// Files older than this are deleted, days; 0 keeps them for ever.
    pub keep_days: u32,
    /// The oldest files are deleted while all are larger than this, GiB; 0 is no limit.
    pub keep_gib: u32,
    /// Lanes that are never recorded.
    pub excluded: Vec<StreamKey>,
}

impl StreamConfig {
    /// How many columns each of `lanes` lanes keeps: as long as asked for, as far as its share of the memory goes.
    pub fn history_columns(&self, lanes: usize) -> usize {
        let bins = self.fft_size / 2 + 1;
        // A third on top for the pyramid; the samples under a column and their peaks weigh about three bytes each.
        let column_bytes = bins * 2 * 4 / 3 + self.hop * 3;
        let asked = self.history_secs as usize * self.sample_rate_hz as usize / self.hop;
        asked.min((self.history_mib << 20) / column_bytes / lanes.max(1))
    }
}

impl Config {
    /// The settings in `text`, which came from `from`.
    pub fn parse(text: &str, from: &str) -> Result<Self> {
        let config: Self = ron::from_str(text).map_err(|error| {
            let at = error.span.start;
            Error::invalid(format!("{from}, line {}, column {}: {}", at.line, at.col, error.code))
        })?;
        let wrong = |message: String| Err(Error::invalid(format!("{from}: {message}")));
        if config.stream.hop > config.stream.fft_size {
            let (hop, fft_size) = (config.stream.hop, config.stream.fft_size);
            return wrong(format!("hop is {hop}; allowed is at most the fft_size, {fft_size} samples"));
        }
        if config.window.floor_db + 10.0 > config.window.ceiling_db {
            return wrong("floor_db must lie at least 10 dB below ceiling_db".to_owned());
        }
        Ok(config)
    }

    /// The settings in the file `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .map_err(|error| Error::io(format_args!("cannot read the settings {}", path.display()), &error))?;
        Self::parse(&text, &path.display().to_string())
    }

    /// The settings in the file named, else in the user's own file if there is one, else the shipped ones.
    pub fn load(named: Option<&Path>) -> Result<Self> {
        if let Some(path) = named {
            return Self::read(path);
        }
        match user_file() {
            Some(path) if path.exists() => Self::read(&path),
            _ => Ok(Self::default()),
        }
    }
}

impl From<&TrainConfig> for TrainSpec {
    fn from(config: &TrainConfig) -> Self {
        Self { epochs: config.epochs, batch_size: config.batch_size, ..Self::new(&*config.model, &*config.dataset) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::parse(DEFAULT, "assets/config/default.ron").expect("the shipped settings are read by a test of this file")
    }
}

/// Where the user's settings are looked for: `seseragi/config.ron` under the XDG config directory.
pub fn user_file() -> Option<PathBuf> {
    Some(etcetera::choose_base_strategy().ok()?.config_dir().join("seseragi/config.ron"))
}

/// Where the user's models, checkpoints and pictures are kept: `seseragi` under the XDG data directory, or what
/// `SESERAGI_HOME` names.
pub fn data_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("SESERAGI_HOME") {
        return Ok(dir.into());
    }
    let base = etcetera::choose_base_strategy()
        .map_err(|_| Error::not_found("there is no home directory: set SESERAGI_HOME to a folder for models"))?;
    Ok(base.data_dir().join("seseragi"))
}

/// Where the shipped assets lie: what `SESERAGI_ASSETS` names, else `assets` beside the program or above it, else in the
/// working directory, else where the program was built.
pub fn assets_dir() -> Result<PathBuf> {
    if let Some(dir) = env::var_os("SESERAGI_ASSETS") {
        return Ok(dir.into());
    }
    let beside = env::current_exe().ok();
    let above = beside.iter().flat_map(|exe| exe.ancestors().skip(1).take(4)).map(|dir| dir.join("assets"));
    let others = [PathBuf::from("assets"), Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")];
    above.chain(others).find(|dir| dir.join("config/default.ron").is_file()).ok_or_else(|| {
        let missing = Error::io("cannot find the folder assets", &io::Error::from(io::ErrorKind::NotFound));
        Error::new(missing.kind, format!("{missing}: set SESERAGI_ASSETS to it"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(from: &str, to: &str) -> String {
        let text = DEFAULT.replacen(from, to, 1);
        assert_ne!(text, DEFAULT, "{from} is not in the defaults");
        Config::parse(&text, "config.ron").unwrap_err().message
    }

    #[test]
    fn the_shipped_settings_are_valid_and_survive_a_round_trip() {
        let config = Config::default();
        let again = ron::ser::to_string_pretty(&config, ron::ser::PrettyConfig::default()).unwrap();
        assert_eq!(Config::parse(&again, "again").unwrap(), config);
    }

    #[test]
    fn an_error_names_file_line_column_and_what_is_allowed() {
        let line = 1 + DEFAULT.lines().position(|line| line.contains("fft_size:")).unwrap();
        let message = error_of("fft_size: 2048", "fft_size: 2000");
        assert!(message.starts_with(&format!("config.ron, line {line}, column ")), "{message}");
        assert!(message.ends_with("fft_size is 2000; allowed is a power of two from 256 to 8192 samples"), "{message}");
        assert!(error_of("fps: 60", "fps: 0").contains("fps is 0; allowed is 1 to 240 frames a second"));
        assert!(error_of("bit_depth: 16", "bit_depth: 20").contains("bit_depth is 20; allowed is 16 or 24"));
        assert!(error_of("hop: 512", "hop: 4096").contains("at most the fft_size"));
        assert!(error_of("floor_db: -90.0", "floor_db: -2.0").contains("at least 10 dB below"));
        assert!(error_of("fps: 60", "fpz: 60").contains("fpz"));
        assert!(error_of("fps: 60", "fps: \"fast\"").contains("line "));
        assert!(error_of("source: \"demo\"", "source: \"radio\"").contains("radio"));
    }

    #[test]
    fn a_missing_settings_file_is_an_error_that_names_it() {
        let error = Config::load(Some(Path::new("/nonexistent/x.ron"))).unwrap_err();
        assert!(error.message.contains("/nonexistent/x.ron"), "{error}");
    }
}
