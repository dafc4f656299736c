//! The models of the store.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Taken, taken};
use crate::{
    models::ModelInfo,
    recognise::{card::Card, service::ModelIntent},
    server::{Shared, error::ApiError},
};

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(models)).routes(routes!(delete_model)).routes(routes!(use_model))
}

/// A model of the store.
#[derive(Serialize, ToSchema)]
struct ModelReply {
    name: String,
    is_shipped: bool,
    /// Its card.
    #[schema(value_type = Option<Object>)]
    card: Option<Card>,
    /// Why it has no card that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl From<ModelInfo> for ModelReply {
    fn from(info: ModelInfo) -> Self {
        let (card, problem) = match info.card {
            Ok(card) => (Some(card), None),
            Err(error) => (None, Some(error.message)),
        };
        Self { name: info.name, is_shipped: info.is_shipped, card, problem }
    }
}

/// All models.
#[utoipa::path(get, path = "/api/models", tag = "models", responses((status = 200, body = [ModelReply])))]
async fn models(State(shared): State<Shared>) -> Json<Vec<ModelReply>> {
    Json(shared.engine.models().list().into_iter().map(ModelReply::from).collect())
}

/// Which model it is about.
#[derive(Serialize, ToSchema)]
struct NameReply {
    model: String,
}

type Name = Result<Path<String>, PathRejection>;

/// Deletes a model of the user's. Those that ship with the program stay.
#[utoipa::path(
    delete, path = "/api/models/{name}", tag = "models", params(("name" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")),
    responses((status = 204, description = "It is gone."))
)]
async fn delete_model(State(shared): State<Shared>, name: Name) -> Result<StatusCode, ApiError> {
    let Path(name) = name?;
    shared.engine.models().delete(&name)?;
    shared.engine.command_models(ModelIntent::Refresh)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Recognises with it from the next block on.
#[utoipa::path(
    post, path = "/api/models/{name}/use", tag = "models", params(("name" = String, Path, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$")),
    responses((status = 202, body = NameReply))
)]
async fn use_model(State(shared): State<Shared>, name: Name) -> Taken<NameReply> {
    let Path(model) = name?;
    shared.engine.command_models(ModelIntent::Use(model.as_str().into()))?;
    taken(NameReply { model })
}
