//! Who may speak with the server: programs on this machine, and pages that it served itself. A page from elsewhere that a
//! browser on this machine shows may not: neither through a name that it points at the loopback address (DNS rebinding, told by
//! the `Host` header), nor by sending requests across origins (told by the `Origin` header, which browsers always send then).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};

use super::error::ApiError;

/// Lets a request through if its headers say that it comes from this machine.
pub(super) async fn only_from_here(request: Request, next: Next) -> Result<Response, ApiError> {
    check(request.method().is_safe(), request.headers())?;
    Ok(next.run(request).await)
}

fn check(is_safe: bool, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let refuse = |detail: String| Err(ApiError::new(StatusCode::FORBIDDEN, detail));
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().map(text).collect();
    let [host] = &hosts[..] else {
        return refuse("a request needs one Host header, such as localhost".to_owned());
    };
    if !is_loopback(host) {
        return refuse(format!("the host {host} is not this machine: ask for localhost, 127.0.0.1 or [::1]"));
    }
    let is_own = |origin: &String| origin.strip_prefix("http://") == Some(host);
    match headers.get_all(header::ORIGIN).iter().map(text).find(|origin| !is_own(origin)) {
        Some(origin) if !is_safe => refuse(format!("a page from {origin} may not change anything here")),
        _ => Ok(()),
    }
}

/// Whether `host`, a lower-case name with or without a port, is the loopback interface.
fn is_loopback(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|name| match host.strip_prefix(name) {
        Some("") => true,
        Some(rest) => rest.strip_prefix(':').is_some_and(is_port),
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(is_safe: bool, given: &[(header::HeaderName, &'static str)]) -> bool {
        let headers = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        check(is_safe, &map).is_ok()
    }

    #[test]
    fn only_names_of_the_loopback_interface_are_hosts() {
        for host in ["localhost", "LocalHost:8750", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8750"] {
            assert!(passes(false, &[(header::HOST, host)]), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.1:80:x", "[::1]x", "", "::1"]
        {
            assert!(!passes(true, &[(header::HOST, host)]), "{host}");
        }
        assert!(!passes(true, &[]));
        assert!(!passes(true, &[(header::HOST, "localhost"), (header::HOST, "evil.example")]));
    }

    #[test]
    fn a_foreign_origin_may_read_but_not_change() {
        let host = (header::HOST, "localhost:8750");
        for (origin, may_change) in [
            ("http://localhost:8750", true),
            ("http://localhost:3000", false),
            ("https://localhost:8750", false),
            ("http://evil.example", false),
            ("null", false),
        ] {
            let headers = [host.clone(), (header::ORIGIN, origin)];
            assert_eq!(passes(false, &headers), may_change, "{origin}");
            assert!(
                passes(true, &headers),
                "{origin}: without a CORS header the browser keeps the answer from the page"
            );
        }
    }
}
