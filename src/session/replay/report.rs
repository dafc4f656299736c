//! How the replay stands.

use std::{path::PathBuf, sync::Arc};

use super::{Overview, PlayClock, ReplayCommand, Window};
use crate::{
    Error, Result, Text,
    link::{Latest, LinkSender},
    session::{LaneInfo, annotate::Label},
    stream::Gap,
};

/// A session file in the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEntry {
    /// Where it is.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Seconds since 1970 at which it was last written to.
    pub changed_unix_secs: u64,
}

/// The session that is open: what does not change while it is.
#[derive(Clone, Debug)]
pub struct OpenSession {
    /// Where it is.
    pub path: PathBuf,
    /// Its lanes.
    pub lanes: Vec<LaneInfo>,
    /// What each lane's own clock shows at 0 of the session, seconds.
    pub offsets_secs: Vec<f64>,
    /// Where sound is missing in each lane, on its own clock.
    pub gaps: Vec<Arc<[Gap]>>,
    /// Each lane whole, in few pixels.
    pub overviews: Vec<Arc<Overview>>,
    /// Wall-clock time of its 0, nanoseconds since 1970 (UTC).
    pub start_unix_nanos: u64,
}

/// How the replay stands. Kind of its link: newest wins.
#[derive(Clone, Debug, Default)]
pub struct ReplayReport {
    /// The session that is open.
    pub session: Option<Arc<OpenSession>>,
    /// Where it plays.
    pub clock: Option<PlayClock>,
    /// What is kept of each lane around what is visible.
    pub windows: Vec<Arc<Window>>,
    /// The lane that is heard.
    pub heard: usize,
    /// Whether it is heard.
    pub is_audible: bool,
    /// The labels.
    pub labels: Arc<Vec<Label>>,
    /// Whether a change of labels can be undone, and redone.
    pub can_undo_redo: (bool, bool),
    /// What was done last, or could not be.
    pub notice: Option<Result<Text>>,
    /// The sessions in the folder, newest first.
    pub sessions: Arc<Vec<SessionEntry>>,
}

impl ReplayReport {
    /// The error among the notices.
    pub fn failure(&self) -> Option<&Error> {
        self.notice.as_ref().and_then(|notice| notice.as_ref().err())
    }
}

/// What the replay is steered and seen through. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ReplayHandle {
    pub(super) commands: LinkSender<ReplayCommand>,
    pub(super) report: Latest<ReplayReport>,
}

impl ReplayHandle {
    /// Asks something of the replay.
    ///
    /// # Errors
    /// [`Busy`](crate::ErrorKind::Busy) when too much is waiting.
    pub fn command(&self, command: ReplayCommand) -> Result<()> {
        self.commands.send(command).map_err(|_| Error::busy("the replay has too many commands waiting"))
    }

    /// How it stands.
    pub fn report(&self) -> Arc<ReplayReport> {
        self.report.load()
    }
}
