//! `seseragi run`: the flags over the settings.

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{args::secs, output::note};
use crate::{
    Error, Result,
    app::{RunOptions, Screenshot, has_display},
    config::{Config, LaneConfig},
    source::SourceSpec,
    stream::MAX_STREAMS,
    train::trainer::TrainSpec,
};

/// What `run` takes.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RunArgs {
    /// Run without a window; everything else works the same
    #[arg(long)]
    pub headless: bool,
    /// What to listen to: demo, mic, mic:ID (see `seseragi devices`), file:PATH, loop:PATH (over and over) or fast:PATH (as fast
    /// as possible); given several times, a lane each
    #[arg(long, value_name = "SOURCE")]
    source: Vec<SourceSpec>,
    /// Start training at once, on `demo` or a folder with one folder of recordings a word
    #[arg(long, value_name = "DATASET")]
    train: Option<String>,
    /// Save a picture of the window, or of what it would show where there is none, and go on
    #[arg(long, value_name = "PATH")]
    screenshot: Option<PathBuf>,
    /// When to take the picture, seconds after the start
    #[arg(long, value_name = "SECS", value_parser = secs, requires = "screenshot", default_value = "5")]
    after: Duration,
    /// End by itself after so many seconds
    #[arg(long, value_name = "SECS", value_parser = secs)]
    exit_after: Option<Duration>,
    /// Write the status to this file each second and at the end
    #[arg(long, value_name = "PATH")]
    status_json: Option<PathBuf>,
    /// Fill the screen
    #[arg(long, conflicts_with = "headless")]
    fullscreen: bool,
    /// The port of the HTTP server on this machine; 0 takes any that is free
    #[arg(long)]
    port: Option<u16>,
    /// Let phones and other machines in as well: over HTTPS, with the token of the code that is shown
    #[arg(long)]
    lan: bool,
    /// The port for them; 0 takes any that is free
    #[arg(long, value_name = "PORT", requires = "lan")]
    lan_port: Option<u16>,
    /// A certificate (PEM, with its chain) instead of the one that is made and kept
    #[arg(long, value_name = "PATH", requires_all = ["key", "lan"])]
    cert: Option<PathBuf>,
    /// The key of that certificate (PEM)
    #[arg(long, value_name = "PATH", requires = "cert")]
    key: Option<PathBuf>,
    /// Read the settings from this file
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
}

impl RunArgs {
    /// The settings with these flags over them.
    pub fn into_options(self) -> Result<RunOptions> {
        let config = Config::load(self.config.as_deref())?;
        let mut options = self.over(config)?;
        if !options.is_headless && !has_display() {
            options.is_headless = true;
            note(
                "there is no display, so it runs without a window; --screenshot PATH saves a picture of what it would show",
            );
        }
        Ok(options)
    }

    fn over(self, mut config: Config) -> Result<RunOptions> {
        if !self.source.is_empty() {
            config.lanes = lanes(&self.source, &config.lanes)?;
        }
        config.window.is_fullscreen |= self.fullscreen;
        if let Some(port) = self.port {
            (config.server.is_on, config.server.port) = (true, port);
        }
        let server = &mut config.server;
        if self.lan {
            (server.is_on, server.is_lan) = (true, true);
        }
        server.lan_port = self.lan_port.unwrap_or(server.lan_port);
        if self.cert.is_some() {
            (server.cert, server.key) = (self.cert, self.key);
        }
        let trains = self.train.is_some();
        config.train.dataset = self.train.unwrap_or(config.train.dataset);
        Ok(RunOptions {
            is_headless: self.headless,
            train: trains.then(|| TrainSpec::from(&config.train)),
            config,
            screenshot: self.screenshot.map(|path| Screenshot { path, after: self.after }),
            exit_after: self.exit_after,
            status_json: self.status_json,
        })
    }
}

/// A lane for each source, open from the start: the lanes of the settings in their order, and more like the last one.
fn lanes(sources: &[SourceSpec], configured: &[LaneConfig]) -> Result<Vec<LaneConfig>> {
    if sources.len() > MAX_STREAMS {
        return Err(Error::invalid(format!("{} sources are given; allowed is 1 to {MAX_STREAMS}", sources.len())));
    }
    let mut lanes: Vec<LaneConfig> = Vec::new();
    for (i, source) in sources.iter().enumerate() {
        let like =
            configured.get(i).or(configured.last()).ok_or_else(|| Error::internal("the settings have no lane"))?;
        let mut lane = LaneConfig { source: source.clone(), is_open: true, ..like.clone() };
        if i >= configured.len() {
            let taken = |key: &str| configured.iter().chain(&lanes).any(|lane| lane.key.as_str() == key);
            let free = (i + 1..).map(|n| format!("lane-{n}")).find(|key| !taken(key)).unwrap_or_default();
            lane.key = free.parse()?;
        }
        lanes.push(lane);
    }
    Ok(lanes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: RunArgs,
    }

    fn options(flags: &[&str]) -> RunOptions {
        let line = Line::try_parse_from([&["run"], flags].concat()).unwrap_or_else(|error| panic!("{error}"));
        line.args.over(Config::default()).unwrap()
    }

    #[test]
    fn without_flags_the_settings_hold() {
        let plain = options(&[]);
        assert_eq!(plain.config, Config::default());
        assert!(!plain.is_headless && plain.train.is_none() && plain.screenshot.is_none());
    }

    #[test]
    fn flags_win_over_the_settings() {
        let all = options(&[
            "--headless",
            "--train",
            "words",
            "--screenshot",
            "x.png",
            "--after",
            "2.5",
            "--exit-after",
            "9",
            "--port",
            "0",
            "--status-json",
            "s.json",
            "--source",
            "mic:pulseaudio:desk",
        ]);
        assert!(all.is_headless);
        let spec = all.train.unwrap();
        assert_eq!((&*spec.dataset_name, spec.epochs), ("words", Config::default().train.epochs));
        let screenshot = all.screenshot.unwrap();
        assert_eq!((screenshot.path, screenshot.after), ("x.png".into(), Duration::from_millis(2500)));
        assert_eq!((all.exit_after, all.config.server.port), (Some(Duration::from_secs(9)), 0));
        assert_eq!(all.status_json, Some("s.json".into()));
        assert_eq!(all.config.lanes[0].source.to_string(), "mic:pulseaudio:desk");
        assert!(options(&["--fullscreen"]).config.window.is_fullscreen);
        let server = options(&["--lan", "--lan-port", "7", "--cert", "c.pem", "--key", "k.pem"]).config.server;
        assert_eq!((server.is_lan, server.lan_port), (true, 7));
        assert_eq!((server.cert, server.key), (Some("c.pem".into()), Some("k.pem".into())));
    }

    #[test]
    fn each_source_gets_a_lane_of_its_own() {
        let many = options(&["--source", "demo", "--source", "mic", "--source", "file:a b.wav"]);
        let keys: Vec<_> = many.config.lanes.iter().map(|lane| lane.key.as_str()).collect();
        assert_eq!(keys, ["main", "lane-2", "lane-3"]);
        assert!(many.config.lanes.iter().all(|lane| lane.is_open && lane.is_recognised));
        let too_many: Vec<_> = std::iter::repeat_n("--source=demo", MAX_STREAMS + 1).collect();
        let line = Line::try_parse_from([&["run"], &too_many[..]].concat()).unwrap_or_else(|error| panic!("{error}"));
        assert!(line.args.over(Config::default()).unwrap_err().message.contains("17 sources"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_the_command_line() {
        let bad: [&[&str]; 8] = [
            &["--lan", "--cert", "chain.pem"],
            &["--lan-port", "1"],
            &["--source", "radio"],
            &["--after", "3"],
            &["--exit-after", "-1"],
            &["--port", "65536"],
            &["--headless", "--fullscreen"],
            &["--train"],
        ];
        for flags in bad {
            assert!(Line::try_parse_from([&["run"], flags].concat()).is_err(), "{flags:?}");
        }
    }
}
