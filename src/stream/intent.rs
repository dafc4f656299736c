//! What others may ask of a stream. Keys, buttons and HTTP all end in these.

use bevy::ecs::message::Message;

use super::StreamKey;
use crate::{Error, Result, Text, source::SourceSpec};

/// How many characters a lane's name may have.
pub const MAX_NAME: usize = 40;

/// Something asked of one stream, from inside the ECS.
#[derive(Message, Clone, Debug, PartialEq)]
pub struct StreamIntent {
    /// Which stream.
    pub stream: StreamKey,
    /// What is asked.
    pub command: StreamCommand,
}

/// What can be asked of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum StreamCommand {
    /// Open the source: the picture moves.
    Open,
    /// Close the source. The lane, its history and its recognition switch stay.
    Close,
    /// Fill the stream from another source from now on; it is opened at once.
    SetSource(SourceSpec),
    /// Amplify by this much before everything else, dB.
    SetGainDb(f32),
    /// Recognise from here on.
    StartRecognition,
    /// End recognition; the picture moves on.
    StopRecognition,
    /// Give nobody what arrives from here on, or everybody again. What is kept back is a gap.
    SetMuted(bool),
    /// Call the lane this on the screen; nothing calls it by its key again. At most [`MAX_NAME`] characters.
    SetName(Text),
    /// Show it at this place from the top, counted from 0; the last one if there are fewer.
    MoveTo(usize),
    /// End the stream: its lane, its history and its transcript go.
    Remove,
}

/// `name` as it may stand on the screen: trimmed, in one line; nothing for an empty one.
///
/// # Errors
/// When it was given with more than [`MAX_NAME`] characters.
pub fn checked_name(name: &str) -> Result<Option<Text>> {
    let len = name.chars().count();
    let name: String = name.trim().chars().filter(|c| !c.is_control()).collect();
    if len > MAX_NAME {
        return Err(Error::invalid(format!("the name has {len} characters; allowed is up to {MAX_NAME}")));
    }
    Ok((!name.is_empty()).then(|| name.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(checked_name("  花子\n さん ").unwrap().as_deref(), Some("花子 さん"));
        assert_eq!(checked_name(" \t").unwrap(), None);
        assert!(checked_name(&"あ".repeat(MAX_NAME)).is_ok());
        assert!(checked_name(&"a".repeat(MAX_NAME + 1)).unwrap_err().message.contains("41 characters"));
    }
}
