//! Every error of the server as JSON: `{"detail": "..."}` with the status that fits. This is the one place that maps them.

use axum::{
    Json,
    extract::{
        multipart::{MultipartError, MultipartRejection},
        rejection::{JsonRejection, PathRejection, QueryRejection},
        ws::rejection::WebSocketUpgradeRejection,
    },
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{Error, ErrorKind};

/// An error on its way to whoever asked.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    detail: String,
    header: Option<(HeaderName, &'static str)>,
}

/// What an error looks like.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorReply {
    /// What was wrong, where, and what to do.
    detail: String,
}

impl ApiError {
    /// An error with a status of its own.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), header: None }
    }

    /// The same with a header that belongs to its status.
    pub(super) fn with_header(self, name: HeaderName, value: &'static str) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// Its status.
    #[cfg(test)]
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorReply { detail: self.detail })).into_response();
        if let Some((name, value)) = self.header {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let status = match error.kind {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Busy => StatusCode::CONFLICT,
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Permission => StatusCode::FORBIDDEN,
            ErrorKind::Io | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.message)
    }
}

/// What axum says of a body, a path or a query that it cannot read, with axum's status.
macro_rules! from_rejection {
    ($($rejection:ty),*) => {
        $(impl From<$rejection> for ApiError {
            fn from(rejection: $rejection) -> Self {
                Self::new(rejection.status(), rejection.body_text())
            }
        })*
    };
}

from_rejection!(
    JsonRejection,
    PathRejection,
    QueryRejection,
    MultipartRejection,
    MultipartError,
    WebSocketUpgradeRejection
);

/// A path that is not served.
pub(super) async fn no_such_path(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::new(
        StatusCode::NOT_FOUND,
        format!("there is no {method} {path}; GET /api/status says how everything stands"),
    )
}

/// A path that is served, but not with this method.
pub(super) async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let path = uri.path();
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, format!("{path} does not answer to {method}; see the header Allow"))
}
