//! Streams: start and stop of recognition, opening and closing of the source.

use std::time::Instant;

use axum::extract::{Path, State, rejection::PathRejection};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Taken, taken};
use crate::{
    Error,
    engine::Engine,
    server::{Shared, error::ApiError},
    stream::{StreamCommand, StreamKey},
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(start_stream))
        .routes(routes!(stop_stream))
        .routes(routes!(open_stream))
        .routes(routes!(close_stream))
}

type Key = Result<Path<String>, PathRejection>;

/// Which stream it is about.
#[derive(Serialize, ToSchema)]
pub(super) struct StreamReply {
    stream: StreamKey,
}

/// Opens the source if it is not open, and recognises.
#[utoipa::path(
    post, path = "/api/streams/{key}/start", tag = "streams", params(("key" = String, Path)),
    responses((status = 202, body = StreamReply))
)]
async fn start_stream(State(shared): State<Shared>, key: Key) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::Open, StreamCommand::StartRecognition])
}

/// Ends recognition; the picture moves on.
#[utoipa::path(
    post, path = "/api/streams/{key}/stop", tag = "streams", params(("key" = String, Path)),
    responses((status = 202, body = StreamReply))
)]
async fn stop_stream(State(shared): State<Shared>, key: Key) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::StopRecognition])
}

/// Opens the source.
#[utoipa::path(
    post, path = "/api/streams/{key}/open", tag = "streams", params(("key" = String, Path)),
    responses((status = 202, body = StreamReply))
)]
async fn open_stream(State(shared): State<Shared>, key: Key) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::Open])
}

/// Closes the source; the lane and its history stay.
#[utoipa::path(
    post, path = "/api/streams/{key}/close", tag = "streams", params(("key" = String, Path)),
    responses((status = 202, body = StreamReply))
)]
async fn close_stream(State(shared): State<Shared>, key: Key) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::Close])
}

fn command_stream(engine: &Engine, key: Key, commands: &[StreamCommand]) -> Taken<StreamReply> {
    let Path(key) = key?;
    let stream = known_stream(engine, &key)?;
    commands.iter().try_for_each(|command| engine.command_stream(&stream, command.clone()))?;
    taken(StreamReply { stream })
}

/// The stream called `key`, if there is one.
fn known_stream(engine: &Engine, key: &str) -> Result<StreamKey, ApiError> {
    let known: Vec<_> = engine.status(Instant::now()).streams.into_iter().map(|stream| stream.key).collect();
    if let Some(found) = known.iter().find(|stream| stream.as_str() == key) {
        return Ok(found.clone());
    }
    let known: Vec<_> = known.iter().map(StreamKey::as_str).collect();
    let (key, known) = (key.escape_debug(), known.join(", "));
    Err(Error::not_found(format!("there is no stream \"{key}\"; there are: {known}")).into())
}
