//! Where a call goes, whom we believe there, and as whom we come.

use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use http::Uri;
use portcullis_pki::ServerTrust;
use zeroize::Zeroizing;

use crate::dial::{self, Route};
use crate::{AddressGuard, ConfigError};

/// One server and how it is called.
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) url: Uri,
    pub(crate) trust: ServerTrust,
    pub(crate) server_name: Option<String>,
    pub(crate) credential: Credential,
    pub(crate) guard: AddressGuard,
    pub(crate) route: Option<Route>,
    pub(crate) http1_only: bool,
}

/// As whom we come. Never printed.
#[derive(Clone, Default)]
pub struct Credential {
    pub(crate) authorization: Option<Authorization>,
    pub(crate) certificate: Option<CertificateSource>,
}

#[derive(Clone)]
pub(crate) enum Authorization {
    Fixed(HeaderValue),
    /// Read again when it may have changed.
    TokenFile(PathBuf),
}

#[derive(Clone)]
pub(crate) enum CertificateSource {
    Pem {
        chain: String,
        key: Zeroizing<String>,
    },
    /// Read again when they may have changed.
    Files {
        chain: PathBuf,
        key: PathBuf,
    },
}

impl Endpoint {
    /// The server at an `https` address, believed if the machine's authorities vouch for it. Plain
    /// `http` is for a loopback address only.
    pub fn new(url: &str) -> Result<Self, ConfigError> {
        Ok(Self {
            url: address(url)?,
            trust: ServerTrust::System,
            server_name: None,
            credential: Credential::default(),
            guard: AddressGuard::Operator,
            route: None,
            http1_only: false,
        })
    }

    /// Believes whom this bundle's authorities vouch for, and nobody else.
    pub fn with_authorities(mut self, pem: &str) -> Result<Self, ConfigError> {
        if !pem.contains("-----BEGIN CERTIFICATE-----") {
            return Err(ConfigError::NoAuthorities);
        }
        self.trust = ServerTrust::Authorities(pem.to_owned());
        Ok(self)
    }

    /// Believes as told.
    pub fn with_trust(mut self, trust: ServerTrust) -> Self {
        self.trust = trust;
        self
    }

    /// Expects this name in the server's certificate.
    pub fn with_server_name(mut self, name: impl Into<String>) -> Self {
        self.server_name = Some(name.into());
        self
    }

    /// Comes as somebody.
    pub fn with_credential(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }

    /// Keeps to the addresses this guard permits.
    pub fn with_guard(mut self, guard: AddressGuard) -> Self {
        self.guard = guard;
        self
    }

    /// The address.
    pub fn url(&self) -> &Uri {
        &self.url
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Credential {
    /// A bearer token.
    pub fn bearer(token: &str) -> Result<Self, ConfigError> {
        Ok(Self { authorization: Some(Authorization::Fixed(bearer(token)?)), certificate: None })
    }

    /// A bearer token in a file that may change.
    pub fn bearer_file(path: impl Into<PathBuf>) -> Self {
        Self { authorization: Some(Authorization::TokenFile(path.into())), certificate: None }
    }

    /// A user and a password.
    pub fn basic(user: &str, password: &str) -> Result<Self, ConfigError> {
        let text = Zeroizing::new(format!("{user}:{password}"));
        let header = sensitive(&Zeroizing::new(format!("Basic {}", STANDARD.encode(text.as_bytes()))))?;
        Ok(Self { authorization: Some(Authorization::Fixed(header)), certificate: None })
    }

    /// Adds a client certificate and its key, in PEM form.
    pub fn with_certificate(mut self, chain: &str, key: &str) -> Self {
        let key = Zeroizing::new(key.to_owned());
        self.certificate = Some(CertificateSource::Pem { chain: chain.to_owned(), key });
        self
    }

    /// Adds a client certificate and its key in files that may change.
    pub fn with_certificate_files(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.certificate = Some(CertificateSource::Files { chain: chain.into(), key: key.into() });
        self
    }

    /// Whether we come as nobody.
    pub fn is_none(&self) -> bool {
        self.authorization.is_none() && self.certificate.is_none()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_none() { "Credential(none)" } else { "Credential(***)" })
    }
}

/// A token as the header it is sent in.
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, ConfigError> {
    sensitive(&Zeroizing::new(format!("Bearer {}", token.trim())))
}

fn sensitive(text: &str) -> Result<HeaderValue, ConfigError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| ConfigError::Credential)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Reads an address that can be called.
pub(crate) fn address(text: &str) -> Result<Uri, ConfigError> {
    let refused = |why| ConfigError::Address { address: without_user(text), why };
    let url: Uri = text.parse().map_err(|_| refused("is no URL"))?;
    let authority = url.authority().ok_or_else(|| refused("has no host"))?;
    if authority.as_str().contains('@') {
        return Err(refused("has a user in it"));
    }
    if text.contains('#') {
        return Err(refused("has a fragment"));
    }
    match url.scheme_str() {
        Some("https") => Ok(url),
        Some("http") if is_local(dial::host(&url)) => Ok(url),
        Some("http") => Err(refused("is plain http: only a loopback address may be")),
        _ => Err(refused("must begin with https://")),
    }
}

/// Whether a host is this machine by its very name.
pub(crate) fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

fn without_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://{rest}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_that_keep_secrets_are_taken() {
        for good in [
            "https://a.example",
            "https://a:8443/x?y=z",
            "http://127.0.0.1:1/x",
            "http://[::1]:2/",
            "http://localhost/",
        ] {
            assert!(Endpoint::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "a.example",
            "ftp://a",
            "https://u:canary@a",
            "https://a/#f",
            "",
            "https://",
            "/x",
        ] {
            let error = Endpoint::new(bad).unwrap_err().to_string();
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn no_credential_is_printed() {
        let one = Credential::bearer("canary").unwrap().with_certificate("canary", "canary");
        let endpoint = Endpoint::new("https://a").unwrap().with_credential(one.clone());
        assert!(!format!("{one:?}{endpoint:?}").contains("canary"));
        assert!(matches!(Credential::bearer("a\nb"), Err(ConfigError::Credential)));
    }
}
