//! What the panels themselves remember, what they are shown, and what they ask for.

use bevy::prelude::{Message, Resource};

use super::{curve::ShownTraining, invitation::Code, lanes::LanesState, teach::TeachState};
pub use crate::monitor::mirror::{MonitorIntent, MonitorMirror};
use crate::{
    config::{Config, Language},
    draw::view::Selection,
    recognise::{
        service::{ModelIntent, ModelOffer},
        transcript::Transcript,
    },
    session::{
        SessionIntent,
        replay::{ReplayCommand, ReplayReport},
    },
    status::Status,
    stream::{ConnectionState, StreamIntent, StreamKey},
    train::{
        progress::{LossPoint, Progress},
        teach::handle::{TeachIntent, TeachReport},
        trainer::TrainingIntent,
    },
};

/// What the panels remember between two frames. Nobody else needs it.
#[derive(Resource, Clone, Debug)]
pub struct PanelState {
    /// The language of the labels.
    pub language: Language,
    /// Whether the panels are drawn at all.
    pub is_shown: bool,
    /// Whether the status stands over the picture.
    pub shows_status: bool,
    /// Whether the keys are explained.
    pub shows_keys: bool,
    /// Whether the lanes are listed.
    pub shows_lanes: bool,
    /// What is being done to them.
    pub lanes: LanesState,
    /// Whether the invitation for phones is shown.
    pub shows_invitation: bool,
    /// Its code, once it was made.
    pub code: Option<Code>,
    /// The stream that the controls steer, while there is more than one.
    pub lane: Option<StreamKey>,
    /// The box for the path of a sound file.
    pub file_path: String,
    /// Why the last thing asked for in the panels could not be asked for.
    pub complaint: Option<String>,
    /// The box for the dataset.
    pub dataset: String,
    /// The box for the name of the model that a run saves.
    pub save_as: String,
    /// Epochs of the next run.
    pub epochs: u32,
    /// Scenes in a batch of the next run.
    pub batch_size: u32,
    /// Whether the display of progress is held on purpose. The training goes on.
    pub holds_progress: bool,
    /// The progress as shown: the newest, or the held one.
    pub training: ShownTraining,
    /// Whether the sessions are listed.
    pub shows_sessions: bool,
    /// Whether a word can be taught.
    pub shows_teaching: bool,
    /// What is being taught.
    pub teaching: TeachState,
    /// The box for the path of a session.
    pub session_path: String,
    /// The box for the text of a label.
    pub label_text: String,
    /// The label, and the start of the box, that the text is of.
    pub(super) edited: Option<(Option<u64>, u64)>,
    /// Whether the sessions were looked for since their list was opened.
    pub(super) listed: bool,
    pub(super) is_dressed: bool,
}

impl PanelState {
    /// What the settings ask for.
    pub fn new(config: &Config) -> Self {
        Self {
            language: config.window.language,
            is_shown: true,
            shows_status: false,
            shows_keys: false,
            shows_lanes: false,
            lanes: LanesState::default(),
            shows_invitation: false,
            code: None,
            lane: None,
            file_path: String::new(),
            complaint: None,
            dataset: config.train.dataset.clone(),
            save_as: config.train.model.clone(),
            epochs: config.train.epochs,
            batch_size: config.train.batch_size,
            holds_progress: false,
            training: ShownTraining::default(),
            shows_sessions: false,
            shows_teaching: false,
            teaching: TeachState::default(),
            session_path: String::new(),
            label_text: String::new(),
            edited: None,
            listed: false,
            is_dressed: false,
        }
    }
}

/// A stream as the panels see it.
#[derive(Clone, Copy, Debug)]
pub struct LaneView<'a> {
    /// Its key, which it keeps.
    pub key: &'a StreamKey,
    /// What it is called on the screen.
    pub name: &'a str,
    /// Whether the host keeps what arrives from everybody.
    pub is_muted: bool,
    /// What fills it, as the command line spells it.
    pub source: &'a str,
    /// How it stands with its source.
    pub connection: ConnectionState,
    /// Why, where there is something to say.
    pub reason: Option<&'a str>,
    /// Seconds since sound began to arrive, 0 while it does not.
    pub connected_secs: f64,
    /// Three seconds of exact zeros.
    pub is_silent: bool,
    /// Whether it is being recognised.
    pub is_recognised: bool,
    /// The model in use.
    pub model: Option<&'a str>,
    /// What was heard.
    pub transcript: &'a Transcript,
}

impl LaneView<'_> {
    /// Whether the source is open or being opened.
    pub fn is_open(&self) -> bool {
        !matches!(self.connection, ConnectionState::Idle | ConnectionState::Closed)
    }
}

/// Something asked of the window.
#[derive(Message, Clone, Copy, Debug, PartialEq, Eq)]
pub enum WindowIntent {
    /// Fill the screen, or no longer.
    ToggleFullscreen,
}

/// Everything that a panel or a key can ask for.
#[derive(Clone, Debug, PartialEq)]
pub enum Intent {
    /// Of a stream.
    Stream(StreamIntent),
    /// Of the trainer.
    Training(TrainingIntent),
    /// About models.
    Model(ModelIntent),
    /// Of the monitor.
    Monitor(MonitorIntent),
    /// Of the window.
    Window(WindowIntent),
    /// Of the replay.
    Replay(ReplayCommand),
    /// Let go of the box that was drawn over a replay.
    Deselect,
    /// Of the recorder.
    Session(SessionIntent),
    /// About teaching.
    Teach(TeachIntent),
    /// Show the present again.
    GoLive,
}

/// Everything that the panels show. They read it and change nothing of it.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// All streams, from top to bottom.
    pub lanes: &'a [LaneView<'a>],
    /// The models there are, and the better one on offer.
    pub models: &'a ModelOffer,
    /// How teaching stands.
    pub teaching: &'a TeachReport,
    /// How the training stands.
    pub progress: &'a Progress,
    /// The loss of every step of the newest run.
    pub curve: &'a [LossPoint],
    /// Hearing, where there is a way to hear.
    pub monitor: Option<&'a MonitorMirror>,
    /// How everything stands.
    pub status: Option<&'a Status>,
    /// The replay, where there can be one.
    pub replay: Option<&'a ReplayReport>,
    /// The box that was drawn over it.
    pub selection: Option<&'a Selection>,
    /// Seconds across a lane.
    pub span_secs: f64,
    /// When this frame is drawn.
    pub now: std::time::Instant,
    /// The URL that a phone opens to become a lane; none where the server serves this machine only.
    pub invitation: Option<&'a str>,
    /// Whether the picture shows the present.
    pub is_live: bool,
}

impl<'a> Scene<'a> {
    /// Whether a session is open.
    pub fn has_session(&self) -> bool {
        self.replay.is_some_and(|report| report.session.is_some())
    }

    /// The stream that the controls steer: the chosen one, else the first.
    pub fn lane(&self, state: &PanelState) -> Option<&'a LaneView<'a>> {
        let chosen = state.lane.as_ref().and_then(|key| self.lanes.iter().find(|lane| lane.key == key));
        chosen.or(self.lanes.first())
    }
}
