//! A JSON object as a body.

use axum::{
    Json,
    extract::{FromRequest, OptionalFromRequest, Request, rejection::JsonRejection},
    http::StatusCode,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::server::error::ApiError;

/// What a JSON object says. An array of the same values, which serde takes for a record as well, is refused.
pub(super) struct Object<T>(pub(super) T);

impl<T: DeserializeOwned> Object<T> {
    fn of(map: Map<String, Value>) -> Result<Self, ApiError> {
        serde_path_to_error::deserialize(Value::Object(map)).map(Self).map_err(|error| {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, format!("the body is not understood: {error}"))
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Object<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Json(map) = <Json<_> as FromRequest<S>>::from_request(request, state).await?;
        Self::of(map)
    }
}

/// None without a body, and for `null`.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Object<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        let body: Result<Option<Json<Option<_>>>, JsonRejection> =
            <Json<_> as OptionalFromRequest<S>>::from_request(request, state).await;
        body?.and_then(|Json(map)| map).map(Self::of).transpose()
    }
}
