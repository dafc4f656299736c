//! Streams: how they stand, recognition, sources, and the host's verbs on lanes.

use std::time::Instant;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Taken, object::Object, taken, whole};
use crate::{
    Error,
    engine::Engine,
    server::{Shared, access::Door, clients::Visit, error::ApiError},
    source::SourceSpec,
    status::StreamStatus,
    stream::{StreamCommand, StreamKey},
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(streams))
        .routes(routes!(stream, remove_stream))
        .routes(routes!(start_stream))
        .routes(routes!(stop_stream))
        .routes(routes!(open_stream))
        .routes(routes!(close_stream))
        .routes(routes!(set_source))
        .routes(routes!(name_stream))
        .routes(routes!(mute_stream))
        .routes(routes!(move_stream))
}

type Key = Result<Path<String>, PathRejection>;

/// Which stream it is about.
#[derive(Serialize, ToSchema)]
struct StreamReply {
    stream: StreamKey,
}

/// Every stream, in the order of the lanes.
#[utoipa::path(get, path = "/api/streams", tag = "streams", responses((status = 200, body = [StreamStatus])))]
async fn streams(State(shared): State<Shared>) -> Json<Vec<StreamStatus>> {
    Json(shared.engine.status(Instant::now()).streams)
}

/// One stream: its state and history, its counts, what was heard.
#[utoipa::path(
    get, path = "/api/streams/{key}", tag = "streams", params(("key" = String, Path)),
    responses((status = 200, body = StreamStatus))
)]
async fn stream(State(shared): State<Shared>, key: Key) -> Result<Json<StreamStatus>, ApiError> {
    let Path(key) = key?;
    let key = known_stream(&shared.engine, &key)?;
    let found = shared.engine.status(Instant::now()).streams.into_iter().find(|stream| stream.key == key);
    Ok(Json(found.ok_or_else(|| Error::not_found(format!("the stream \"{key}\" was just removed")))?))
}

/// Ends a stream: its lane, its history and its transcript go.
#[utoipa::path(
    delete, path = "/api/streams/{key}", tag = "streams", params(("key" = String, Path)),
    responses((status = 204, description = "It is gone."))
)]
async fn remove_stream(State(shared): State<Shared>, key: Key) -> Result<StatusCode, ApiError> {
    let _ = command_stream(&shared.engine, key, &[StreamCommand::Remove])?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is to fill a stream.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SourceRequest {
    /// `demo`, `mic`, `mic:ID`, `mic:ID#CHANNEL`, `file:PATH`, `loop:PATH` or `fast:PATH`.
    #[schema(value_type = String, pattern = "^(demo|mic|mic:[^#]+|(file|loop|fast):.+)$")]
    source: SourceSpec,
}

/// Fills the stream from another source from now on; files only where the program is asked from its own machine.
#[utoipa::path(
    post, path = "/api/streams/{key}/source", tag = "streams", params(("key" = String, Path)), request_body = SourceRequest,
    responses((status = 202, body = StreamReply))
)]
async fn set_source(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    key: Key,
    Object(SourceRequest { source }): Object<SourceRequest>,
) -> Taken<StreamReply> {
    if visit.door() == Door::Network && matches!(source, SourceSpec::File { .. }) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "files of this machine are not opened for other machines"));
    }
    command_stream(&shared.engine, key, &[StreamCommand::SetSource(source)])
}

/// What a lane is to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NameRequest {
    /// Nothing calls it by its key again.
    #[schema(max_length = 40)]
    name: String,
}

/// Names a lane.
#[utoipa::path(
    post, path = "/api/streams/{key}/name", tag = "lanes", params(("key" = String, Path)), request_body = NameRequest,
    responses((status = 202, body = StreamReply))
)]
async fn name_stream(
    State(shared): State<Shared>,
    key: Key,
    Object(NameRequest { name }): Object<NameRequest>,
) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::SetName(name.into())])
}

/// Whether a lane is to be muted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MuteRequest {
    is_muted: bool,
}

/// Gives nobody what arrives, or everybody again.
#[utoipa::path(
    post, path = "/api/streams/{key}/mute", tag = "lanes", params(("key" = String, Path)), request_body = MuteRequest,
    responses((status = 202, body = StreamReply))
)]
async fn mute_stream(
    State(shared): State<Shared>,
    key: Key,
    Object(MuteRequest { is_muted }): Object<MuteRequest>,
) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::SetMuted(is_muted)])
}

/// Where a lane is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MoveRequest {
    /// Its place from the top, counted from 0; the last one if there are fewer.
    #[schema(value_type = u64, maximum = 4294967295_u32)]
    #[serde(deserialize_with = "whole")]
    to: Option<u32>,
}

/// Shows a lane at another place.
#[utoipa::path(
    post, path = "/api/streams/{key}/move", tag = "lanes", params(("key" = String, Path)), request_body = MoveRequest,
    responses((status = 202, body = StreamReply))
)]
async fn move_stream(
    State(shared): State<Shared>,
    key: Key,
    Object(MoveRequest { to }): Object<MoveRequest>,
) -> Taken<StreamReply> {
    let to = to.ok_or_else(|| Error::invalid("to is null; it is a place, counted from 0"))?;
    command_stream(&shared.engine, key, &[StreamCommand::MoveTo(to as usize)])
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
