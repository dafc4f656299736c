//! What others may ask of a stream. Keys, buttons and HTTP all end in these.

use bevy::ecs::message::Message;

use super::StreamKey;
use crate::source::SourceSpec;

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
}
