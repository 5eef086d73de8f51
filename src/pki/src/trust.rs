//! Which authorities vouch for clients, and which certificates they took back.
//!
//! The whole set is replaced at once and carries a generation; a connection that outlives a change
//! is verified again on its next request. So a removed authority, or a revocation, takes effect on
//! connections that are already open.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};

use crate::{Error, Leaf, Result, tls};

/// What a client certificate is to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Its holder is the user it names: the cluster's authority.
    User,
    /// Its holder may name users: the front proxy's authority.
    FrontProxy,
}

/// Why a presented chain does not prove anything. Its words are for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No authority is configured for the purpose.
    #[error("no authority is configured")]
    NoAuthority,
    /// The time of every authority for the purpose is over, or has not begun.
    #[error("no authority's own certificate is valid now")]
    AuthoritiesOver,
    /// No authority of ours signed it.
    #[error("the certificate is signed by no known authority")]
    UnknownAuthority,
    /// Its time is over.
    #[error("the certificate expired at {0}")]
    Expired(Timestamp),
    /// Its time has not begun.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(Timestamp),
    /// It is not meant for clients.
    #[error("the certificate is not for client authentication")]
    WrongUsage,
    /// It was taken back.
    #[error("the certificate is revoked")]
    Revoked,
    /// It cannot be read, or breaks a rule.
    #[error("the certificate is invalid: {0}")]
    Invalid(String),
}

/// Says which certificates are no longer to be believed. Asked on every request: it must be cheap.
pub trait Revoked: Send + Sync + 'static {
    /// Whether the certificate with this SHA-256 and serial number was revoked.
    fn is_revoked(&self, fingerprint: &str, serial: &str) -> bool;
}

/// Revokes nothing.
#[derive(Clone, Copy, Debug)]
pub struct NothingRevoked;

impl Revoked for NothingRevoked {
    fn is_revoked(&self, _fingerprint: &str, _serial: &str) -> bool {
        false
    }
}

/// What names a revoked certificate.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
    /// The SHA-256 of the whole certificate.
    Fingerprint(String),
    /// Its serial number, whoever issued it.
    Serial(String),
}

impl Mark {
    /// A fingerprint in hexadecimal digits; colons do not count.
    pub fn fingerprint(text: &str) -> Self {
        Self::Fingerprint(digits(text))
    }

    /// A serial number in hexadecimal digits; colons and leading zeros do not count.
    pub fn serial(text: &str) -> Self {
        Self::Serial(digits(text).trim_start_matches('0').to_owned())
    }
}

fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_hexdigit).map(|digit| digit.to_ascii_lowercase()).collect()
}

/// Revoked certificates, each under the name of whatever revokes it.
#[derive(Debug, Default)]
pub struct RevocationList(ArcSwap<Marks>);

#[derive(Clone, Debug, Default)]
struct Marks {
    by_name: HashMap<String, Mark>,
    all: HashSet<Mark>,
}

impl RevocationList {
    /// Replaces the list by these fingerprints.
    pub fn replace(&self, fingerprints: impl IntoIterator<Item = String>) {
        let marks = fingerprints.into_iter().map(|print| (print.clone(), Mark::fingerprint(&print)));
        self.0.store(Arc::new(Marks::of(marks.collect())));
    }

    /// Revokes a certificate, or takes back what was revoked under a name.
    pub fn set(&self, name: &str, mark: Option<Mark>) {
        self.0.rcu(|marks| {
            let mut by_name = marks.by_name.clone();
            match &mark {
                Some(mark) => by_name.insert(name.to_owned(), mark.clone()),
                None => by_name.remove(name),
            };
            Marks::of(by_name)
        });
    }
}

impl Marks {
    fn of(by_name: HashMap<String, Mark>) -> Self {
        Self { all: by_name.values().cloned().collect(), by_name }
    }
}

impl Revoked for RevocationList {
    fn is_revoked(&self, fingerprint: &str, serial: &str) -> bool {
        let marks = self.0.load();
        !marks.all.is_empty()
            && (marks.all.contains(&Mark::Fingerprint(fingerprint.to_owned()))
                || marks.all.contains(&Mark::serial(serial)))
    }
}

/// The authorities that vouch for clients.
pub struct ClientTrust {
    anchors: ArcSwap<Anchors>,
    revoked: Arc<dyn Revoked>,
}

pub(crate) struct Anchors {
    pub(crate) generation: u64,
    users: Option<Authorities>,
    front_proxies: Option<Authorities>,
}

struct Authorities {
    certificates: Vec<Authority>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    /// Believes all of them.
    verifier: Arc<dyn ClientCertVerifier>,
}

struct Authority {
    der: CertificateDer<'static>,
    key: Vec<u8>,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl ClientTrust {
    /// Trusts the authorities of two PEM bundles; an absent front proxy bundle trusts no front proxy.
    ///
    /// A bundle may hold revocation lists (`X509 CRL`) beside the certificates. Authorities without a
    /// list are believed as they are; a list that has expired refuses every certificate of its authority.
    pub fn new(
        users_pem: &str,
        front_proxies_pem: Option<&str>,
        revoked: Arc<dyn Revoked>,
    ) -> Result<Arc<Self>> {
        let anchors = ArcSwap::from_pointee(Anchors::read(users_pem, front_proxies_pem)?);
        Ok(Arc::new(Self { anchors, revoked }))
    }

    /// Replaces the authorities, for open connections too. On an error the old ones stay.
    pub fn replace(&self, users_pem: &str, front_proxies_pem: Option<&str>) -> Result<()> {
        self.anchors.store(Arc::new(Anchors::read(users_pem, front_proxies_pem)?));
        Ok(())
    }

    /// Whether some authority vouches both for users and for front proxies: then any user's
    /// certificate may pass for the front proxy's.
    pub fn front_proxy_shares_authority(&self) -> bool {
        let anchors = self.anchors.load();
        let (Some(users), Some(proxies)) = (&anchors.users, &anchors.front_proxies) else { return false };
        let known: Vec<_> = users.certificates.iter().map(|one| &one.key).collect();
        proxies.certificates.iter().any(|one| known.contains(&&one.key))
    }

    pub(crate) fn anchors(&self) -> arc_swap::Guard<Arc<Anchors>> {
        self.anchors.load()
    }

    pub(crate) fn is_revoked(&self, fingerprint: &str, serial: &str) -> bool {
        self.revoked.is_revoked(fingerprint, serial)
    }
}

impl fmt::Debug for ClientTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTrust")
            .field("generation", &self.anchors.load().generation)
            .finish_non_exhaustive()
    }
}

impl Anchors {
    fn read(users: &str, front_proxies: Option<&str>) -> Result<Self> {
        // One count for the process: two sets never share a number, whoever replaces them at once.
        static GENERATIONS: AtomicU64 = AtomicU64::new(0);
        Ok(Self {
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
            users: Some(Authorities::read("client authorities", users)?),
            front_proxies: front_proxies
                .map(|p| Authorities::read("front proxy authorities", p))
                .transpose()?,
        })
    }

    /// When the time of some authority begins or ends next.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let all = [&self.users, &self.front_proxies].into_iter().flatten();
        let times = all.flat_map(|some| &some.certificates).flat_map(|one| [one.not_before, one.not_after]);
        times.filter(|time| *time >= now).min()
    }

    /// Verifies a chain as `now`, for client authentication.
    pub(crate) fn verify(
        &self,
        purpose: Purpose,
        chain: &[CertificateDer<'static>],
        leaf: &Leaf,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let authorities = match purpose {
            Purpose::User => &self.users,
            Purpose::FrontProxy => &self.front_proxies,
        };
        let authorities = authorities.as_ref().ok_or(Refusal::NoAuthority)?;
        let (first, rest) = chain.split_first().ok_or(Refusal::UnknownAuthority)?;
        let seconds = u64::try_from(now.as_second()).unwrap_or_default();
        let time = UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        match authorities.at(now)?.verify_client_cert(first, rest, time) {
            Ok(_verified) => Ok(()),
            Err(error) => Err(refusal(&error, leaf)),
        }
    }
}

impl Authorities {
    fn read(what: &str, pem: &str) -> Result<Self> {
        let refused = |why: String| Error::malformed(what, why);
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|e| refused(e.to_string()))?;
        let certificates: Vec<_> =
            certificates.into_iter().map(Authority::read).collect::<Result<_, _>>().map_err(&refused)?;
        let lists: Vec<_> = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<_, _>>()
            .map_err(|e| refused(e.to_string()))?;
        let verifier = verifier(certificates.iter(), &lists).map_err(refused)?;
        Ok(Self { certificates, lists, verifier })
    }

    /// What those believe whose own time it is: like upstream's, an authority whose time is over vouches for nobody.
    fn at(&self, now: Timestamp) -> Result<Arc<dyn ClientCertVerifier>, Refusal> {
        let is_valid = |one: &&Authority| one.not_before <= now && now <= one.not_after;
        if self.certificates.iter().all(|one| is_valid(&one)) {
            return Ok(self.verifier.clone());
        }
        if !self.certificates.iter().any(|one| is_valid(&one)) {
            return Err(Refusal::AuthoritiesOver);
        }
        verifier(self.certificates.iter().filter(is_valid), &self.lists).map_err(Refusal::Invalid)
    }
}

impl Authority {
    fn read(der: CertificateDer<'static>) -> Result<Self, String> {
        let (_, parsed) = x509_parser::parse_x509_certificate(&der).map_err(|e| e.to_string())?;
        let at = |seconds: i64| Timestamp::from_second(seconds).map_err(|e| e.to_string());
        let not_before = at(parsed.validity().not_before.timestamp())?;
        let not_after = at(parsed.validity().not_after.timestamp())?;
        let key = parsed.public_key().raw.to_vec();
        Ok(Self { der, key, not_before, not_after })
    }
}

/// Believes these authorities. Every certificate of a chain is looked up in the lists of whoever signed it.
fn verifier<'a>(
    authorities: impl Iterator<Item = &'a Authority>,
    lists: &[CertificateRevocationListDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.der.clone()).map_err(|e| e.to_string())?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider())
        .with_crls(lists.iter().cloned())
        .allow_unknown_revocation_status()
        .enforce_revocation_expiration()
        .build()
        .map_err(|e| e.to_string())
}

fn refusal(error: &rustls::Error, leaf: &Leaf) -> Refusal {
    let rustls::Error::InvalidCertificate(why) = error else { return Refusal::Invalid(error.to_string()) };
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Refusal::Expired(leaf.not_after)
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Refusal::NotYetValid(leaf.not_before)
        }
        CertificateError::Revoked => Refusal::Revoked,
        CertificateError::UnknownIssuer => Refusal::UnknownAuthority,
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Refusal::WrongUsage
        }
        other => Refusal::Invalid(other.to_string()),
    }
}
