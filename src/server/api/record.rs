//! Recording: start, stop, keep the last minute.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Taken, object::Object, taken};
use crate::{server::Shared, session::SessionIntent, stream::StreamKey};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(start_recording))
        .routes(routes!(stop_recording))
        .routes(routes!(keep_past))
        .routes(routes!(forget_lane))
}

/// What is to be recorded.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RecordRequest {
    /// These lanes; all that the settings do not exclude, when absent or empty.
    #[serde(default)]
    lanes: Vec<StreamKey>,
}

/// What was asked for. How it goes on is told by `recording` in the status.
#[derive(Serialize, ToSchema)]
struct RecordReply {
    asked: &'static str,
}

/// Records from now on.
#[utoipa::path(
    post, path = "/api/record/start", tag = "record", request_body = Option<RecordRequest>,
    responses((status = 202, body = RecordReply))
)]
async fn start_recording(State(shared): State<Shared>, request: Option<Object<RecordRequest>>) -> Taken<RecordReply> {
    let lanes = request.map(|Object(request)| request).unwrap_or_default().lanes;
    shared.engine.command_session(SessionIntent::Start { lanes })?;
    taken(RecordReply { asked: "start" })
}

/// Ends the recording.
#[utoipa::path(
    post, path = "/api/record/stop", tag = "record", responses((status = 202, body = RecordReply))
)]
async fn stop_recording(State(shared): State<Shared>) -> Taken<RecordReply> {
    shared.engine.command_session(SessionIntent::Stop)?;
    taken(RecordReply { asked: "stop" })
}

/// Which lane is to be forgotten.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ForgetRequest {
    lane: StreamKey,
}

/// Forgets a lane: what is in memory of it and in the file under way, at once; other files are marked, and
/// `seseragi forget --marked` takes it out of these.
#[utoipa::path(
    post, path = "/api/record/forget", tag = "record", request_body = ForgetRequest,
    responses((status = 202, body = RecordReply))
)]
async fn forget_lane(State(shared): State<Shared>, Object(request): Object<ForgetRequest>) -> Taken<RecordReply> {
    let ForgetRequest { lane } = request;
    shared.engine.recorder().forget(lane)?;
    taken(RecordReply { asked: "forget" })
}

/// Saves what was heard in the last minute to a file of its own.
#[utoipa::path(
    post, path = "/api/record/keep", tag = "record", responses((status = 202, body = RecordReply))
)]
async fn keep_past(State(shared): State<Shared>) -> Taken<RecordReply> {
    shared.engine.command_session(SessionIntent::Keep)?;
    taken(RecordReply { asked: "keep" })
}
