//! Publishing sound (WHIP, RFC 9725): an offer is answered with a session, and the session is ended. Trickling candidates and
//! restarting ICE are left out, as the standard allows: the answer holds every candidate there is. Who may publish, from where and
//! with which token is the guard's matter, and so are the headers for pages of other origins.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use axum::{
    Extension, Router,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection, rejection::PathRejection},
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, post},
};

use super::{
    Shared,
    clients::{ClientLane, Visit},
    error::ApiError,
};
use crate::{
    Error, ErrorKind,
    engine::Engine,
    source::{SourceSpec, whip::objection},
    stream::{ConnectionState, StreamCommand, StreamKey},
};

/// The one media type of offers and answers.
const SDP: &str = "application/sdp";
const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
/// When a page that found no room should ask again, seconds.
const RETRY_AFTER_SECS: &str = "5";

/// Who fills which lane. A lane that its page said goodbye to counts for nobody.
#[derive(Debug, Default)]
pub(super) struct Published {
    lanes: Mutex<HashMap<StreamKey, ClientLane>>,
}

impl Published {
    /// Counts the lane `key` as one of the client's, unless somebody has it already.
    fn claim(&self, key: &StreamKey, visit: &Visit, engine: &Engine, now: Instant) -> Result<(), ApiError> {
        let streams = engine.status(now).streams;
        let is_open = |key: &StreamKey| {
            streams.iter().any(|stream| stream.key == *key && stream.connection != ConnectionState::Closed)
        };
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|key, _| is_open(key));
        if !lanes.contains_key(key) {
            let detail = "this client publishes as many lanes as it may: end one first";
            let lane = visit.lane(now).ok_or_else(|| ApiError::new(StatusCode::TOO_MANY_REQUESTS, detail))?;
            lanes.insert(key.clone(), lane);
        }
        Ok(())
    }

    fn give_up(&self, key: &StreamKey) {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

type Key = Result<Path<String>, PathRejection>;
type Session = Result<Path<(String, String)>, PathRejection>;

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/whip/{key}", post(publish).options(describe))
        .route("/whip/{key}/{session}", delete(end).patch(refuse_patch).options(describe))
}

/// `POST /whip/{key}`: the offer of whoever publishes to the stream `key`, which is made if it is not there.
async fn publish(
    State(shared): State<Shared>,
    Extension(visit): Extension<Visit>,
    key: Key,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let Path(key) = key?;
    let key: StreamKey = key.parse().map_err(bad_request)?;
    check_types(&headers)?;
    let body = body.map_err(|rejection| ApiError::new(rejection.status(), rejection.body_text()))?;
    let offer = std::str::from_utf8(&body)
        .map_err(|_| ApiError::new(StatusCode::BAD_REQUEST, "the offer is no text; SDP is"))?;
    if !offer.starts_with("v=") {
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "the offer is no SDP, which begins with v="));
    }
    if let Some(objection) = objection(offer) {
        return Err(ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, objection));
    }
    let engine = &shared.engine;
    if engine.source_of(&key).is_some_and(|source| source != SourceSpec::Whip) {
        let detail = format!("the stream \"{key}\" has a source of its own: publish under another key");
        return Err(ApiError::new(StatusCode::CONFLICT, detail));
    }
    let now = Instant::now();
    shared.published.claim(&key, &visit, engine, now)?;
    let answer = engine.whip().offer(&key, offer, now).map_err(|error| match error.kind {
        ErrorKind::Invalid => bad_request(error),
        _ => ApiError::from(error),
    })?;
    if let Err(error) = open(engine, &key) {
        // It was answered a moment ago, and nobody else knows its name.
        let _ = engine.whip().end(&key, &answer.session);
        engine.whip().forget(&key);
        shared.published.give_up(&key);
        return Err(match error.kind {
            ErrorKind::Busy => ApiError::new(StatusCode::SERVICE_UNAVAILABLE, error.message)
                .with_header(header::RETRY_AFTER, RETRY_AFTER_SECS),
            _ => error.into(),
        });
    }
    let location = format!("/whip/{key}/{}", answer.session);
    let headers = [(header::CONTENT_TYPE, SDP.to_owned()), (header::LOCATION, location)];
    Ok((StatusCode::CREATED, headers, answer.sdp).into_response())
}

/// Makes the stream if it is not there, recognised from the start, and opens it.
fn open(engine: &Engine, key: &StreamKey) -> Result<(), Error> {
    if !engine.has_stream(key) {
        engine.add_stream(key.clone(), SourceSpec::Whip, 0.0)?;
        engine.command_stream(key, StreamCommand::StartRecognition)?;
    }
    engine.command_stream(key, StreamCommand::Open)
}

/// `DELETE /whip/{key}/{session}`: whoever published says goodbye.
async fn end(State(shared): State<Shared>, session: Session) -> Result<StatusCode, ApiError> {
    let Path((key, session)) = session?;
    let key: StreamKey = key.parse().map_err(no_session)?;
    shared.engine.whip().end(&key, &session)?;
    Ok(StatusCode::OK)
}

/// `PATCH /whip/{key}/{session}`: there is nothing to trickle and nothing to restart.
async fn refuse_patch(State(shared): State<Shared>, session: Session) -> ApiError {
    let known = session.ok().and_then(|Path((key, session))| {
        let key: StreamKey = key.parse().ok()?;
        shared.engine.whip().has_session(&key, &session).then_some(())
    });
    match known {
        Some(()) => ApiError::new(
            StatusCode::NOT_IMPLEMENTED,
            "candidates are not trickled and ICE is not restarted here: the answer holds all candidates; for a new start POST a \
             new offer",
        ),
        None => ApiError::new(StatusCode::NOT_FOUND, "there is no such session"),
    }
}

/// `OPTIONS`: what may be posted.
async fn describe() -> impl IntoResponse {
    (StatusCode::NO_CONTENT, [(ACCEPT_POST, SDP)])
}

fn check_types(headers: &HeaderMap) -> Result<(), ApiError> {
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::CONTENT_TYPE).map(essence).as_deref() != Some(SDP) {
        let detail = format!("an offer is sent as {SDP}");
        return Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).with_header(ACCEPT_POST, SDP));
    }
    let takes =
        |accept: &str| accept.split(',').map(essence).any(|kind| matches!(&*kind, SDP | "application/*" | "*/*"));
    match text(header::ACCEPT) {
        Some(accept) if !takes(accept) => {
            Err(ApiError::new(StatusCode::NOT_ACCEPTABLE, format!("the answer is {SDP}, which Accept leaves out")))
        }
        _ => Ok(()),
    }
}

fn bad_request(error: Error) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, error.message)
}

fn no_session(error: Error) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, error.message)
}
