//! The door for phones and other machines: its certificate, its token, its addresses, and what happens when those change.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime},
};

use axum::Router;
use axum_server::{Control, tls_rustls::RustlsConfig};

use super::{
    access::Token,
    clients::Clients,
    doors::Bound,
    info::ServerInfo,
    tls::{Identity, Keep, addresses, given},
};
use crate::{Error, Result, config::ServerConfig, engine::Engine, source::whip::Whip};

/// How often the addresses and the end of the certificate are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The door for other machines, not yet open.
pub(super) struct Lan {
    bound: Bound,
    token: Token,
    names: Vec<String>,
    keep: Keep,
    identity: Identity,
    is_given: bool,
    tls: RustlsConfig,
    whip: Whip,
}

impl Lan {
    /// Holds the port and reads or makes what is needed.
    pub(super) async fn prepare(engine: &Engine, config: &ServerConfig) -> Result<Self> {
        let user = engine.models().user_dir();
        let keep = Keep::new(user.parent().unwrap_or(user).join("server"));
        let names: Vec<_> =
            host_names().into_iter().chain(config.names.iter().map(|name| name.to_ascii_lowercase())).collect();
        let token = keep.token()?;
        let whip = engine.whip().clone();
        whip.set_addresses(published());
        let given = given(config.cert.as_deref(), config.key.as_deref())?;
        let is_given = given.is_some();
        let identity = match given {
            Some(identity) => identity,
            None => keep.identity(&certified(&names), SystemTime::now())?,
        };
        let tls = RustlsConfig::from_pem(identity.cert.clone(), identity.key.clone())
            .await
            .map_err(|error| Error::invalid(format!("the certificate or its key cannot be used: {error}")))?;
        Ok(Self { bound: Bound::network(config.lan_port)?, token, names, keep, identity, is_given, tls, whip })
    }

    /// Where it will listen.
    pub(super) fn addr(&self) -> SocketAddr {
        self.bound.addr()
    }

    /// What callers must know.
    pub(super) fn token(&self) -> Token {
        self.token.clone()
    }

    /// Names of this machine.
    pub(super) fn names(&self) -> Vec<String> {
        self.names.clone()
    }

    /// Where it is reached, the likeliest first. Who gave a certificate gave the names that it is for.
    pub(super) fn urls(&self) -> Vec<String> {
        urls(self.addr().port(), if self.is_given { &self.names } else { &[] })
    }

    /// Serves `routes` until `control` says stop. New addresses and new days make new certificates.
    pub(super) async fn serve(
        self,
        routes: Router,
        clients: Clients,
        control: Control,
        info: ServerInfo,
    ) -> io::Result<()> {
        let Self { bound, names, keep, identity, is_given, tls, whip, .. } = self;
        let port = bound.addr().port();
        let serving = bound.serve_tls(routes, tls.clone(), clients, control);
        let renewing = async {
            let mut served = identity;
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let fixed: &[String] = if is_given { &names } else { &[] };
                if *info.load().lan_urls != *urls(port, fixed) {
                    info.moved_to(urls(port, fixed));
                }
                whip.set_addresses(published());
                // What cannot be renewed now is tried again; the one in use goes on.
                if !is_given
                    && let Ok(fresh) = keep.identity(&certified(&names), SystemTime::now())
                    && fresh != served
                    && tls.reload_from_pem(fresh.cert.clone(), fresh.key.clone()).await.is_ok()
                {
                    served = fresh;
                }
            }
        };
        tokio::select! {
            served = serving => served,
            () = renewing => Ok(()),
        }
    }
}

/// Where sound is published to.
fn published() -> Vec<IpAddr> {
    std::iter::once(IpAddr::V4(Ipv4Addr::LOCALHOST)).chain(addresses()).collect()
}

/// What a certificate is made for.
fn certified(names: &[String]) -> Vec<String> {
    let here = ["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.iter().cloned().chain(addresses().iter().map(ToString::to_string)).chain(here).collect()
}

fn urls(port: u16, names: &[String]) -> Vec<String> {
    let named = names.iter().rev().map(|name| format!("https://{name}:{port}"));
    named.chain(addresses().into_iter().map(|ip| format!("https://{}", SocketAddr::new(ip, port)))).collect()
}

/// The name of this machine, and the one that it answers to on most networks; none where it is not Linux.
fn host_names() -> Vec<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_ascii_lowercase();
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if name.is_empty() || !name.chars().all(is_name) || name == "localhost" {
        return Vec::new();
    }
    if name.contains('.') { vec![name] } else { vec![format!("{name}.local"), name] }
}
