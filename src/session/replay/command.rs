//! What can be asked of the replay. Keys, buttons and the mouse all end in these.

use std::{ops::Range, path::PathBuf};

use bevy::ecs::message::Message;

use crate::session::{annotate::Edit, export::Request};

/// Something asked of the replay, from inside the ECS.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct ReplayIntent(pub ReplayCommand);

/// What to jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JumpTo {
    /// Whatever comes first.
    Anything,
    /// A recognised token.
    Token,
    /// A label.
    Label,
    /// A gap.
    Gap,
}

/// What can be asked of the replay.
#[derive(Clone, Debug, PartialEq)]
pub enum ReplayCommand {
    /// Open a session, in place of the one that is open.
    Open(PathBuf),
    /// Close it; its lanes leave.
    Close,
    /// Look for sessions in the folder again.
    List,
    /// Play, or pause.
    Toggle,
    /// Play.
    Play,
    /// Pause.
    Pause,
    /// Go to this place, seconds of the session.
    Seek(f64),
    /// Go so many seconds further.
    Step(f64),
    /// Play this fast.
    Speed(f64),
    /// Play a part over and over, or no longer.
    Repeat(Option<Range<f64>>),
    /// So many seconds are visible.
    Look(f64),
    /// This lane is heard.
    Hear(usize),
    /// Be heard or not.
    SetAudible(bool),
    /// Go to the next, or the previous one.
    Jump {
        /// Which way.
        is_forward: bool,
        /// To what.
        to: JumpTo,
    },
    /// Change the labels.
    Label(Edit),
    /// Write the session to files.
    Export(Request),
    /// Put the labelled sounds into a training dataset: a folder a label.
    SendToDataset(PathBuf),
}
