//! The one layer that every request passes: how often a client asks, whether it may ask, and the headers that every answer has.

use std::{sync::Arc, time::Instant};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{
    MAX_BODY,
    access::Access,
    api::{INFERENCE, MAX_FILE},
    clients::Visit,
    error::ApiError,
};

/// Passes a request on, or refuses it.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    Extension(visit): Extension<Visit>,
    request: Request,
    next: Next,
) -> Response {
    let is_preflight = request.method() == Method::OPTIONS;
    let checked = match visit.may_ask(Instant::now()) {
        true => access.check(&request, visit.door(), visit.local()),
        false => {
            let detail = "too many requests: wait a second";
            Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, detail).with_header(header::RETRY_AFTER, "1"))
        }
    };
    let foreign = match checked.and_then(|foreign| told_length(&request).map(|()| foreign)) {
        Ok(foreign) => foreign,
        Err(error) => return error.into_response(),
    };
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if let Some(origin) = foreign {
        admit(headers, origin, is_preflight);
    }
    response
}

/// Refuses a body by the length that is told, before any of it is waited for.
fn told_length(request: &Request) -> Result<(), ApiError> {
    let most = if request.uri().path() == INFERENCE { MAX_FILE } else { MAX_BODY };
    let told =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    match told {
        Some(len) if len > most => {
            let detail = format!("the body has {len} bytes; here at most {most} are taken");
            Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, detail))
        }
        _ => Ok(()),
    }
}

/// Tells the browser that pages from `origin` may read the answer (CORS).
fn admit(headers: &mut HeaderMap, origin: HeaderValue, is_preflight: bool) {
    let mut say = |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    say(header::VARY, "origin");
    say(header::ACCESS_CONTROL_EXPOSE_HEADERS, "location, etag, accept-post, accept-patch, retry-after");
    if is_preflight {
        say(header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH, DELETE, OPTIONS");
        say(header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match");
        say(header::ACCESS_CONTROL_MAX_AGE, "600");
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}
