//! Which versions and suites the server speaks: by default all of ours, by flags fewer, never others.

use std::fmt;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedCipherSuite, SupportedProtocolVersion};

use super::provider;

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MinVersion {
    /// TLS 1.2, with AEAD suites and ephemeral keys only.
    #[default]
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

/// Why a version or suite cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Nobody knows it; upstream's words.
    #[error("unknown tls version {0:?}")]
    UnknownVersion(String),
    /// It is known to be weak.
    #[error("{0} is too old to be spoken")]
    WeakVersion(String),
    /// Nobody knows it, or it is weak; upstream's words.
    #[error("Cipher suite {0} not supported or doesn't exist")]
    Suite(String),
    /// Nothing is left to speak.
    #[error("no cipher suite is left for TLS 1.2, and TLS 1.3 is not the least version")]
    Nothing,
}

/// What a server speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsLimits {
    min: MinVersion,
    /// The suites of TLS 1.2 by name; all of ours if none are named. Those of 1.3 are all on, as upstream's.
    suites: Option<Vec<String>>,
}

static BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
static NEWEST: &[&SupportedProtocolVersion] = &[&TLS13];
/// Upstream's names of suites of TLS 1.3, which its flag takes and which change nothing.
const ALWAYS: [&str; 3] =
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];
/// Upstream's other names for two of the suites.
const ALIASES: [(&str, &str); 2] = [
    ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
    ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
];

impl TlsLimits {
    /// Reads upstream's `--tls-min-version` and `--tls-cipher-suites`.
    pub fn parse(version: Option<&str>, suites: Option<&[String]>) -> Result<Self, LimitError> {
        let min = version.map_or(Ok(MinVersion::default()), MinVersion::parse)?;
        let Some(named) = suites.filter(|named| !named.is_empty()) else {
            return Ok(Self { min, suites: None });
        };
        let mut chosen = Vec::new();
        for name in named {
            let name =
                ALIASES.iter().find(|(alias, _)| alias == name).map_or(name.as_str(), |(_, name)| name);
            if ALWAYS.contains(&name) {
                continue;
            }
            if !of_tls12().any(|suite| shown(suite) == name) {
                return Err(LimitError::Suite(name.to_owned()));
            }
            chosen.push(name.to_owned());
        }
        if chosen.is_empty() && min < MinVersion::Tls13 {
            return Err(LimitError::Nothing);
        }
        Ok(Self { min, suites: Some(chosen) })
    }

    /// The oldest version.
    pub fn min(&self) -> MinVersion {
        self.min
    }

    /// All suites that may be agreed on, by their registered names.
    pub fn suites(&self) -> Vec<String> {
        self.provider().cipher_suites.iter().map(|suite| shown(*suite)).collect()
    }

    pub(super) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.min {
            MinVersion::Tls12 => BOTH,
            MinVersion::Tls13 => NEWEST,
        }
    }

    pub(super) fn provider(&self) -> Arc<CryptoProvider> {
        let fewer = self.suites.is_some() || self.min == MinVersion::Tls13;
        if !fewer {
            return provider();
        }
        let mut limited = provider().as_ref().clone();
        limited.cipher_suites.retain(|suite| match suite.version().version {
            ProtocolVersion::TLSv1_3 => true,
            _ => {
                self.min == MinVersion::Tls12
                    && self.suites.as_ref().is_none_or(|named| named.contains(&shown(*suite)))
            }
        });
        Arc::new(limited)
    }
}

impl MinVersion {
    fn parse(name: &str) -> Result<Self, LimitError> {
        match name {
            "VersionTLS12" => Ok(Self::Tls12),
            "VersionTLS13" => Ok(Self::Tls13),
            "VersionTLS10" | "VersionTLS11" => Err(LimitError::WeakVersion(name.to_owned())),
            _ => Err(LimitError::UnknownVersion(name.to_owned())),
        }
    }
}

impl fmt::Display for MinVersion {
    /// Upstream's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "VersionTLS12",
            Self::Tls13 => "VersionTLS13",
        })
    }
}

fn of_tls12() -> impl Iterator<Item = SupportedCipherSuite> {
    let suites = provider().cipher_suites.clone();
    suites.into_iter().filter(|suite| suite.version().version != ProtocolVersion::TLSv1_3)
}

/// The registered name: rustls' own differs for 1.3.
fn shown(suite: SupportedCipherSuite) -> String {
    suite.suite().as_str().map_or_else(String::new, |name| name.replace("TLS13_", "TLS_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suites(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn flags_are_read_as_upstreams_and_never_weaken() {
        let parse = |version, names: &[&str]| TlsLimits::parse(version, Some(&suites(names)));
        assert_eq!(TlsLimits::parse(None, None).unwrap(), TlsLimits::default());
        assert_eq!(parse(Some("VersionTLS13"), &[]).unwrap().min(), MinVersion::Tls13);
        for old in ["VersionTLS10", "VersionTLS11"] {
            assert_eq!(parse(Some(old), &[]), Err(LimitError::WeakVersion(old.into())));
        }
        let words = parse(Some("TLS1.3"), &[]).unwrap_err().to_string();
        assert_eq!(words, "unknown tls version \"TLS1.3\"");
        for weak in [
            "TLS_RSA_WITH_AES_128_GCM_SHA256",
            "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
            "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
            "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
            "nonsense",
        ] {
            let words = format!("Cipher suite {weak} not supported or doesn't exist");
            assert_eq!(parse(None, &[weak]).unwrap_err().to_string(), words);
        }
    }

    #[test]
    fn suites_named_for_1_2_are_those_and_1_3_is_left_alone() {
        let one = TlsLimits::parse(None, Some(&suites(&["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305"]))).unwrap();
        let mut left = one.suites();
        left.sort();
        let mut expected = suites(&ALWAYS);
        expected.push("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256".into());
        expected.sort();
        assert_eq!(left, expected);
        assert_eq!(TlsLimits::default().suites().len(), 9);
        assert_eq!(TlsLimits::parse(None, Some(&suites(&ALWAYS))), Err(LimitError::Nothing));
        let alone = TlsLimits::parse(Some("VersionTLS13"), Some(&suites(&ALWAYS))).unwrap();
        assert_eq!(alone.suites().len(), 3);
    }
}
