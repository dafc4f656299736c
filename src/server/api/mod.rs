//! What is asked and what is answered. Every handler forwards to the engine and waits for nothing but work that it ordered.

pub(super) mod health;
mod inference;
mod models;
mod object;
mod record;
mod status;
mod streams;
mod teach;
mod train;

pub(super) use inference::{INFERENCE, MAX_FILE};

use axum::{Json, Router, http::StatusCode, routing::get};
use serde::{Deserialize, Deserializer, Serialize, de};
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

/// A whole number, which JSON may write as 3 or 3.0; none where it is left out.
fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(deserializer)? else { return Ok(None) };
    if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
        return Ok(Some(number as u32));
    }
    Err(de::Error::custom(format_args!("{number} is no whole number from 0 to {}", u32::MAX)))
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
        .merge(health::routes())
        .merge(train::routes())
        .merge(teach::routes())
        .merge(streams::routes())
        .merge(models::routes())
        .merge(inference::routes())
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
