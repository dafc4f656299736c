//! The certificate and the token for other machines: made once, kept beside the user's models, readable by the user alone.

use std::{
    fs,
    io::Write,
    net::IpAddr,
    path::{Path, PathBuf},
    time::SystemTime,
};

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::access::Token;
use crate::{Error, Result, recognise::card::civil_date};

/// Browsers refuse certificates that hold longer than 398 days.
const DAYS: u64 = 397;
/// It is renewed when fewer days than this are left.
const RENEWED_DAYS: u64 = 30;
const DAY_SECS: u64 = 86_400;

/// A certificate and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The certificate, with the chain behind it.
    pub(super) cert: Vec<u8>,
    /// The key.
    pub(super) key: Vec<u8>,
}

/// What is known of the certificate that was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    /// Names and addresses that it is for.
    names: Vec<String>,
    /// When it ends, seconds since 1970.
    ends_secs: u64,
}

/// Where certificate, key and token are kept.
#[derive(Clone, Debug)]
pub(super) struct Keep {
    folder: PathBuf,
}

impl Keep {
    /// The folder need not exist yet.
    pub(super) fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The token: the one kept, or a new one of 128 random bits. Deleting its file makes another.
    pub(super) fn token(&self) -> Result<Token> {
        let path = self.folder.join("token");
        match fs::read_to_string(&path) {
            Ok(text) if text.trim().len() >= 16 => return Ok(Token::new(text.trim())),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io(format_args!("cannot read the token {}", path.display()), &error)),
        }
        let mut bits = [0; 16];
        getrandom::fill(&mut bits)
            .map_err(|error| Error::internal(format!("the system has no randomness: {error}")))?;
        let text: String = bits.iter().map(|byte| format!("{byte:02x}")).collect();
        self.write("token", text.as_bytes())?;
        Ok(Token::new(text))
    }

    /// A certificate for `names`: the one kept, or a new one where that is for others or ends soon. The key stays the same.
    pub(super) fn identity(&self, names: &[String], now: SystemTime) -> Result<Identity> {
        // Before 1970 no certificate would hold anyway.
        let now_secs = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        self.kept(names, now_secs).map_or_else(|| self.make(names, now_secs), Ok)
    }

    fn kept(&self, names: &[String], now_secs: u64) -> Option<Identity> {
        let made: Made = ron::from_str(&fs::read_to_string(self.folder.join("certificate.ron")).ok()?).ok()?;
        let is_good = made.names == names && made.ends_secs > now_secs + RENEWED_DAYS * DAY_SECS;
        let read = |name| fs::read(self.folder.join(name)).ok();
        is_good.then(|| Some(Identity { cert: read("certificate.pem")?, key: read("key.pem")? }))?
    }

    fn make(&self, names: &[String], now_secs: u64) -> Result<Identity> {
        let failed = |error: rcgen::Error| Error::internal(format!("cannot make a certificate: {error}"));
        let kept = fs::read_to_string(self.folder.join("key.pem")).ok();
        let key = match kept.and_then(|pem| KeyPair::from_pem(&pem).ok()) {
            Some(key) => key,
            None => KeyPair::generate().map_err(failed)?,
        };
        let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
        params.distinguished_name.push(DnType::CommonName, "Seseragi on this network");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let ends_secs = now_secs + DAYS * DAY_SECS;
        // From yesterday on: clocks differ.
        params.not_before = day(now_secs.saturating_sub(DAY_SECS));
        params.not_after = day(ends_secs);
        let cert = params.self_signed(&key).map_err(failed)?;
        let identity = Identity { cert: cert.pem().into_bytes(), key: key.serialize_pem().into_bytes() };
        let made = ron::to_string(&Made { names: names.to_vec(), ends_secs })
            .map_err(|error| Error::internal(format!("cannot describe the certificate: {error}")))?;
        self.write("key.pem", &identity.key)?;
        self.write("certificate.pem", &identity.cert)?;
        self.write("certificate.ron", made.as_bytes())?;
        Ok(identity)
    }

    /// Writes a file that the user alone may read, at once or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(name);
        let fresh = self.folder.join(format!(".{name}.new"));
        let written = fs::create_dir_all(&self.folder).and_then(|()| {
            let mut options = fs::OpenOptions::new();
            options.write(true).create(true).truncate(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&fresh)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&fresh, &path)
        });
        written.map_err(|error| Error::io(format_args!("cannot write {}", path.display()), &error))
    }
}

fn day(secs: u64) -> OffsetDateTime {
    let date = civil_date(secs);
    let mut parts = date.split('-').map(|part| part.parse().unwrap_or(1));
    let mut next = || parts.next().unwrap_or(1);
    let (year, month, day) = (next(), next(), next());
    rcgen::date_time_ymd(year, month as u8, day as u8)
}

/// A certificate that somebody else made.
///
/// # Errors
/// When a file cannot be read, or one is named without the other.
pub(super) fn given(cert: Option<&Path>, key: Option<&Path>) -> Result<Option<Identity>> {
    let read = |what: &str, path: &Path| {
        fs::read(path).map_err(|error| Error::io(format_args!("cannot read the {what} {}", path.display()), &error))
    };
    match (cert, key) {
        (None, None) => Ok(None),
        (Some(cert), Some(key)) => Ok(Some(Identity { cert: read("certificate", cert)?, key: read("key", key)? })),
        _ => Err(Error::invalid("a certificate and its key belong together: give both --cert and --key, or neither")),
    }
}

/// The addresses under which other machines may reach this one, the likeliest first.
pub(super) fn addresses() -> Vec<IpAddr> {
    let mut found: Vec<_> = if_addrs::get_if_addrs()
        .unwrap_or_default()
        .into_iter()
        .map(|interface| interface.ip())
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
        .filter(|ip| !matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect();
    let rank = |ip: &IpAddr| match ip {
        IpAddr::V4(v4) if v4.is_private() => 0,
        IpAddr::V4(v4) if !v4.is_link_local() => 1,
        IpAddr::V4(_) => 3,
        IpAddr::V6(_) => 2,
    };
    found.sort_by_key(|ip| (rank(ip), *ip));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn days(days: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs((20_000 + days) * DAY_SECS)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_certificate_is_kept_until_names_change_or_its_end_is_near() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::new(folder.path().join("server"));
        let home = names(&["192.168.1.5", "kiosk.local"]);
        let first = keep.identity(&home, days(0)).unwrap();
        assert!(String::from_utf8_lossy(&first.cert).starts_with("-----BEGIN CERTIFICATE-----"));
        assert_eq!(Keep::new(folder.path().join("server")).identity(&home, days(300)).unwrap(), first);
        let renewed = keep.identity(&home, days(DAYS - RENEWED_DAYS)).unwrap();
        assert_ne!(renewed.cert, first.cert);
        assert_eq!(renewed.key, first.key, "the key stays");
        let moved = keep.identity(&names(&["10.0.0.7"]), days(DAYS - RENEWED_DAYS)).unwrap();
        assert_ne!(moved.cert, renewed.cert);
        fs::write(folder.path().join("server/certificate.ron"), "(").unwrap();
        assert!(keep.identity(&home, days(0)).is_ok(), "what is damaged is made anew");
    }

    #[test]
    fn a_token_is_kept_and_long_and_nobody_elses_business() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::new(folder.path());
        let token = keep.token().unwrap();
        assert_eq!(token.reveal().len(), 32);
        assert_eq!(keep.token().unwrap().reveal(), token.reveal());
        assert_ne!(Keep::new(folder.path().join("other")).token().unwrap().reveal(), token.reveal());
        #[cfg(unix)]
        for file in fs::read_dir(folder.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
            let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
            assert_eq!(mode & 0o077, 0, "{:?}", file.path());
        }
    }

    #[test]
    fn half_a_certificate_is_refused() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
        assert!(given(Some(&here), None).unwrap_err().message.contains("--key"));
        assert!(
            given(Some(&here), Some(Path::new("/nowhere/key.pem"))).unwrap_err().message.contains("/nowhere/key.pem")
        );
        assert!(given(None, None).unwrap().is_none());
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day(0), rcgen::date_time_ymd(1970, 1, 1));
        assert_eq!(day(19_782 * DAY_SECS), rcgen::date_time_ymd(2024, 2, 29));
    }
}
