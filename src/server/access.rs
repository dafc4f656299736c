//! Who may speak with the server. On the loopback interface: programs of this machine, and pages that it served itself. From the
//! network: whoever knows the token, under a name or an address at which this machine is really reached.
//!
//! A page from elsewhere that some browser shows may do nothing: neither through a name that it points here (DNS rebinding, told
//! by the `Host` header), nor by sending requests across origins (told by `Origin`, which browsers send then). The exception is
//! WHIP: which origins may publish sound is configuration.

use std::{fmt, net::IpAddr};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
};
use subtle::ConstantTimeEq;

use super::{error::ApiError, page};

/// Through which door a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// HTTP on the loopback interface.
    Loopback,
    /// HTTPS on all interfaces.
    Network,
}

impl Door {
    fn scheme(self) -> &'static str {
        match self {
            Self::Loopback => "http",
            Self::Network => "https",
        }
    }
}

/// The secret that callers from the network show. It is compared in constant time and never written to a log.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// The token `text`.
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// For the code on the screen, and nothing else.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }

    fn is(&self, given: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(given).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The rules.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    /// Lower-case names of this machine besides its addresses and the loopback names.
    pub(super) names: Vec<String>,
    /// What callers from the network must know; without one nobody is let in there.
    pub(super) token: Option<Token>,
    /// Lower-case origins, other than the server's own, whose pages may publish sound.
    pub(super) whip_origins: Vec<String>,
}

/// Where publishers post their offers.
const WHIP: &str = "/whip/";

/// Paths that a browser asks for in ways that can carry no header, so that the token may stand in their query.
const TOKEN_IN_QUERY: [&str; 2] = ["/api/events", "/ws"];

impl Access {
    /// Lets a request pass that came through `door` to this machine's address `local`; says the foreign origin that was admitted.
    pub(super) fn check(&self, request: &Request, door: Door, local: IpAddr) -> Result<Option<HeaderValue>, ApiError> {
        let path = request.uri().path();
        let is_whip = path.starts_with(WHIP);
        let host = self.check_host(request, local)?;
        let foreign = self.check_origin(request.headers(), door, &host, is_whip)?;
        // A browser asks whether it may send the token before it sends it.
        let is_preflight = is_whip && request.method() == Method::OPTIONS;
        if door == Door::Network && !page::is_file(path) && !is_preflight {
            self.check_token(request)?;
        }
        Ok(foreign)
    }

    fn check_host(&self, request: &Request, local: IpAddr) -> Result<String, ApiError> {
        // In HTTP/2 the host stands in the request's target.
        let of_target = request.uri().authority().map(|authority| authority.as_str().to_ascii_lowercase());
        let hosts: Vec<_> = request.headers().get_all(header::HOST).iter().map(lower).chain(of_target).collect();
        let Some((host, others)) = hosts.split_first() else {
            return Err(refuse("a request needs one Host header, such as localhost"));
        };
        if others.iter().any(|other| other != host) {
            return Err(refuse("a request needs one Host header, such as localhost"));
        }
        if !self.is_here(host, local) {
            return Err(refuse(format!("the host {host} is not this machine: ask for localhost, 127.0.0.1 or [::1]")));
        }
        Ok(host.clone())
    }

    /// Whether `host`, a lower-case name with or without a port, is this machine as it was reached at `local`.
    fn is_here(&self, host: &str, local: IpAddr) -> bool {
        let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
        let name = match host[end..].find(':') {
            None => host,
            Some(colon) => {
                let port = &host[end + colon + 1..];
                if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                    return false;
                }
                &host[..end + colon]
            }
        };
        let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().ok().map(IpAddr::V6),
            None => name.parse::<std::net::Ipv4Addr>().ok().map(IpAddr::V4),
        };
        match address {
            Some(address) => {
                ["127.0.0.1", "::1"].iter().any(|one| address.to_string() == *one)
                    || address.to_canonical() == local.to_canonical()
            }
            None => name == "localhost" || self.names.iter().any(|known| known == name),
        }
    }

    fn check_origin(
        &self,
        headers: &HeaderMap,
        door: Door,
        host: &str,
        is_whip: bool,
    ) -> Result<Option<HeaderValue>, ApiError> {
        let mut foreign = None;
        for value in headers.get_all(header::ORIGIN) {
            let origin = lower(value);
            let own = origin.strip_prefix(door.scheme()).and_then(|rest| rest.strip_prefix("://"));
            if own == Some(host) {
                continue;
            }
            if !is_whip || !self.whip_origins.contains(&origin) {
                return Err(refuse(format!("a page from {origin} may do nothing here")));
            }
            foreign = Some(value.clone());
        }
        Ok(foreign)
    }

    fn check_token(&self, request: &Request) -> Result<(), ApiError> {
        let bearer = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
        let bearer = bearer.and_then(|value| {
            let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
            scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
        });
        let may_ask = TOKEN_IN_QUERY.contains(&request.uri().path());
        let query = request.uri().query().filter(|_| may_ask).unwrap_or_default();
        let asked = query.split('&').find_map(|pair| pair.strip_prefix("token=")).map(str::as_bytes);
        let is_known = |given| self.token.as_ref().is_some_and(|token| token.is(given));
        if bearer.or(asked).is_some_and(is_known) {
            return Ok(());
        }
        let detail =
            "the token is missing or wrong: scan the code on the screen again, or send it as Authorization: Bearer";
        Err(ApiError::new(StatusCode::UNAUTHORIZED, detail).with_header(header::WWW_AUTHENTICATE, "Bearer"))
    }
}

fn lower(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase()
}

fn refuse(detail: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    const LOCAL: &str = "192.168.1.5";

    fn rules() -> Access {
        Access {
            names: vec!["kiosk.local".into()],
            token: Some(Token::new("0123456789abcdef")),
            whip_origins: vec!["https://studio.example".into()],
        }
    }

    fn check(door: Door, method: &str, target: &str, headers: &[(&str, &str)]) -> Result<bool, u16> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let local = if door == Door::Loopback { "127.0.0.1" } else { LOCAL };
        let checked = rules().check(&request, door, local.parse().unwrap());
        checked.map(|foreign| foreign.is_some()).map_err(|error| error.status().as_u16())
    }

    fn from_here(host: &str) -> bool {
        check(Door::Loopback, "GET", "/api/status", &[("host", host)]).is_ok()
    }

    #[test]
    fn only_names_and_addresses_of_this_machine_are_hosts() {
        for host in ["localhost", "LocalHost:8750", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8750", "kiosk.local:1"]
        {
            assert!(from_here(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:80:x",
            "127.0.0.1:",
            "[::1]x",
            "",
            "::1",
            LOCAL,
            "[::ffff:7f00:1%eth0]",
        ] {
            assert!(!from_here(host), "{host}");
        }
        assert_eq!(check(Door::Loopback, "GET", "/api/status", &[]), Err(403));
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(check(Door::Loopback, "GET", "/api/status", &two), Err(403));
        assert_eq!(check(Door::Loopback, "GET", "http://evil.example/", &[("host", "localhost")]), Err(403));
        assert_eq!(check(Door::Loopback, "GET", "http://localhost/", &[]), Ok(false), "as HTTP/2 has it");
        let known = ("authorization", "Bearer 0123456789abcdef");
        assert_eq!(check(Door::Network, "GET", "/api/status", &[("host", LOCAL), known]), Ok(false));
        assert_eq!(check(Door::Network, "GET", "/api/status", &[("host", "192.168.1.6"), known]), Err(403));
    }

    #[test]
    fn a_page_from_elsewhere_may_neither_steer_nor_listen() {
        let from = |method: &str, target: &str, origin: &str| {
            check(Door::Loopback, method, target, &[("host", "localhost:8750"), ("origin", origin)])
        };
        for target in ["/api/status", "/api/events", "/ws", "/whip/x", "/"] {
            for method in ["GET", "POST", "DELETE"] {
                assert_eq!(from(method, target, "http://localhost:8750"), Ok(false), "{method} {target}");
                for origin in ["http://localhost:3000", "https://localhost:8750", "http://evil.example", "null"] {
                    assert_eq!(from(method, target, origin), Err(403), "{method} {target} from {origin}");
                }
            }
        }
        assert_eq!(from("POST", "/whip/x", "https://studio.example"), Ok(true), "it is configured");
        assert_eq!(from("POST", "/api/train/stop", "https://studio.example"), Err(403), "for WHIP alone");
    }

    #[test]
    fn from_the_network_the_token_is_needed() {
        let ask = |method: &str, target: &str, authorization: &str| {
            check(Door::Network, method, target, &[("host", LOCAL), ("authorization", authorization)])
        };
        assert_eq!(ask("GET", "/api/status", "Bearer 0123456789abcdef"), Ok(false));
        assert_eq!(ask("GET", "/api/status", "bearer 0123456789abcdef"), Ok(false));
        for wrong in ["", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdefg", "Basic 0123456789abcdef"] {
            for target in ["/api/status", "/whip/x", "/ws", "/api/events", "/api/events?token=0123456789abcdee"] {
                assert_eq!(ask("GET", target, wrong), Err(401), "{target} with {wrong}");
            }
        }
        for (target, is_let_in) in [
            ("/api/events?stream=a&token=0123456789abcdef", true),
            ("/ws?token=0123456789abcdef", true),
            ("/api/status?token=0123456789abcdef", false),
            ("/whip/x?token=0123456789abcdef", false),
        ] {
            let asked = check(Door::Network, "GET", target, &[("host", LOCAL)]);
            assert_eq!(asked.is_ok(), is_let_in, "{target}");
        }
        let preflight = [("host", LOCAL), ("origin", "https://studio.example")];
        assert_eq!(check(Door::Network, "OPTIONS", "/whip/x", &preflight), Ok(true));
        assert_eq!(check(Door::Network, "POST", "/whip/x", &preflight), Err(401));
        let without = Access { token: None, ..rules() };
        let request = Request::builder().uri("/api/status").header("host", LOCAL).body(Body::empty()).unwrap();
        assert!(without.check(&request, Door::Network, LOCAL.parse().unwrap()).is_err(), "no token lets nobody in");
    }

    #[test]
    fn a_token_does_not_show_itself() {
        assert_eq!(format!("{:?}", rules().token), "Some(Token(..))");
    }
}
