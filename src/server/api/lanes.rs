//! Lanes: how each stands, and what the host or its own page does with one: name it, mute it, move it, remove it.

use std::time::Instant;

use axum::{
    Json,
    extract::{Path, State, rejection::JsonRejection},
};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Taken,
    streams::{Key, StreamReply, command_stream, known_stream},
};
use crate::{
    server::{Shared, error::ApiError},
    status::StreamStatus,
    stream::StreamCommand,
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(streams))
        .routes(routes!(stream, remove))
        .routes(routes!(name))
        .routes(routes!(mute))
        .routes(routes!(move_to))
}

/// Every stream, in their order on the screen.
#[utoipa::path(get, path = "/api/streams", tag = "streams", responses((status = 200, body = Vec<StreamStatus>)))]
async fn streams(State(shared): State<Shared>) -> Json<Vec<StreamStatus>> {
    Json(shared.engine.status(Instant::now()).streams)
}

/// One stream: its state, its history, its figures, its transcript.
#[utoipa::path(
    get, path = "/api/streams/{key}", tag = "streams", params(("key" = String, Path)),
    responses((status = 200, body = StreamStatus))
)]
async fn stream(State(shared): State<Shared>, key: Key) -> Result<Json<StreamStatus>, ApiError> {
    let Path(key) = key?;
    let key = known_stream(&shared.engine, &key)?;
    let streams = shared.engine.status(Instant::now()).streams;
    let found = streams.into_iter().find(|stream| stream.key == key);
    Ok(Json(found.ok_or_else(|| crate::Error::not_found(format!("the stream \"{key}\" was just removed")))?))
}

/// Removes a lane with its history and its transcript.
#[utoipa::path(
    delete, path = "/api/streams/{key}", tag = "streams", params(("key" = String, Path)),
    responses((status = 202, body = StreamReply))
)]
async fn remove(State(shared): State<Shared>, key: Key) -> Taken<StreamReply> {
    command_stream(&shared.engine, key, &[StreamCommand::Remove])
}

/// What a lane is to be called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NameRequest {
    /// At most 40 characters; none for the stream's key.
    name: String,
}

/// Calls a lane something else on the screen.
#[utoipa::path(
    post, path = "/api/streams/{key}/name", tag = "streams", params(("key" = String, Path)), request_body = NameRequest,
    responses((status = 202, body = StreamReply))
)]
async fn name(State(shared): State<Shared>, key: Key, request: Asked<NameRequest>) -> Taken<StreamReply> {
    let Json(NameRequest { name }) = request?;
    command_stream(&shared.engine, key, &[StreamCommand::SetName(name.into())])
}

/// Whether what a lane hears is kept from everybody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MuteRequest {
    is_muted: bool,
}

/// Mutes a lane, or no longer. What is kept back is a gap.
#[utoipa::path(
    post, path = "/api/streams/{key}/mute", tag = "streams", params(("key" = String, Path)), request_body = MuteRequest,
    responses((status = 202, body = StreamReply))
)]
async fn mute(State(shared): State<Shared>, key: Key, request: Asked<MuteRequest>) -> Taken<StreamReply> {
    let Json(MuteRequest { is_muted }) = request?;
    command_stream(&shared.engine, key, &[StreamCommand::SetMuted(is_muted)])
}

/// Where a lane is to stand.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MoveRequest {
    /// Its place from the top, counted from 0; the last one if there are fewer.
    to: u16,
}

/// Moves a lane on the screen.
#[utoipa::path(
    post, path = "/api/streams/{key}/move", tag = "streams", params(("key" = String, Path)), request_body = MoveRequest,
    responses((status = 202, body = StreamReply))
)]
async fn move_to(State(shared): State<Shared>, key: Key, request: Asked<MoveRequest>) -> Taken<StreamReply> {
    let Json(MoveRequest { to }) = request?;
    command_stream(&shared.engine, key, &[StreamCommand::MoveTo(usize::from(to))])
}

type Asked<T> = Result<Json<T>, JsonRejection>;
