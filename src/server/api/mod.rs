//! What is asked and what is answered. Every handler forwards to the engine and waits for nothing but work that it ordered.

mod models;
mod record;
mod status;
mod streams;
mod train;

use axum::{Json, Router, http::StatusCode, routing::get};
use serde::Serialize;
use utoipa::{
    OpenApi,
    openapi::{
        RefOr,
        response::{Response, ResponseBuilder},
        schema::Ref,
    },
};
use utoipa_axum::router::OpenApiRouter;

use super::{
    Shared,
    error::{ApiError, ErrorReply},
};

/// A command was taken; what comes of it is told by the status and the events.
type Taken<T> = Result<(StatusCode, Json<T>), ApiError>;

fn taken<T: Serialize>(reply: T) -> Taken<T> {
    Ok((StatusCode::ACCEPTED, Json(reply)))
}

#[derive(OpenApi)]
#[openapi(
    info(title = "Seseragi", description = "Watch and steer a program that listens, shows and learns at once."),
    components(schemas(ErrorReply))
)]
struct Description;

/// The document before any path is in it.
pub(super) fn description() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

/// Everything under `/api` but the events.
pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .merge(status::routes())
        .merge(train::routes())
        .merge(streams::routes())
        .merge(models::routes())
        .merge(record::routes())
}

/// Every call may be refused in the same form, so that no handler has to say so.
pub(super) fn finish(mut openapi: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    let refused = |what: &str| -> RefOr<Response> {
        let body = utoipa::openapi::ContentBuilder::new().schema(Some(Ref::from_schema_name("ErrorReply"))).build();
        ResponseBuilder::new().description(what).content("application/json", body).build().into()
    };
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            let responses = &mut operation.responses.responses;
            responses.entry("4XX".to_owned()).or_insert_with(|| refused("Refused; the detail says why."));
            responses.entry("5XX".to_owned()).or_insert_with(|| refused("It failed here; the detail says how."));
        }
    }
    openapi
}

/// `GET /api/openapi.json`.
pub(super) fn document(openapi: utoipa::openapi::OpenApi) -> Router<Shared> {
    Router::new().route("/api/openapi.json", get(async move || Json(openapi)))
}
