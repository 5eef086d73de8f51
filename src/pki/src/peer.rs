//! Who is on the other end of a connection, as evidence.

use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use portcullis_api::UserInfo;
use rustls::ServerConnection;
use rustls_pki_types::CertificateDer;

use crate::Leaf;
use crate::tls::within_bounds;
use crate::trust::{ClientTrust, Purpose, Refusal};

/// The other end of a connection. Cheap to clone: every request of a connection has one.
#[derive(Clone, Debug)]
pub enum Peer {
    /// It presented a certificate and proved to hold its key. Nobody has vouched for it yet.
    Certificate(Arc<PresentedChain>),
    /// It presented no certificate.
    NoCertificate,
    /// It is a part of this process.
    InProcess(InProcessIdentity),
}

impl Peer {
    /// The peer of a TLS connection whose handshake is over; of an unfinished one nothing is believed.
    pub fn of_connection(connection: &ServerConnection, trust: &Arc<ClientTrust>) -> Self {
        if connection.is_handshaking() {
            return Self::NoCertificate;
        }
        match connection.peer_certificates() {
            None | Some([]) => Self::NoCertificate,
            Some(chain) => Self::Certificate(Arc::new(PresentedChain::assertion(chain, trust.clone()))),
        }
    }
}

/// A certificate chain whose leaf's key the peer holds; whether it is to be believed is asked per
/// request, and answered from memory until the authorities change or a certificate's time is up.
pub struct PresentedChain {
    certificates: Vec<CertificateDer<'static>>,
    leaf: Result<Arc<Leaf>, String>,
    /// By what the certificates above the leaf are named where they are revoked.
    above: Vec<Named>,
    trust: Arc<ClientTrust>,
    users: Memory,
    front_proxies: Memory,
}

struct Named {
    fingerprint: String,
    serial: String,
}

#[derive(Default)]
struct Memory(ArcSwapOption<Verdict>);

struct Verdict {
    generation: u64,
    believed_until: Timestamp,
    outcome: Result<Arc<VerifiedChain>, Refusal>,
}

/// Evidence that an authority of ours vouches for the peer's certificate. Made only by
/// [`PresentedChain::verified`]; there is no other way to obtain one:
///
/// ```compile_fail
/// let forged = portcullis_pki::VerifiedChain { leaf: todo!(), user: Default::default() };
/// ```
/// ```compile_fail
/// let forged = portcullis_pki::VerifiedChain::assertion(todo!());
/// ```
pub struct VerifiedChain {
    leaf: Arc<Leaf>,
    user: OnceLock<Result<UserInfo, String>>,
}

impl PresentedChain {
    /// Sound because the only caller has a finished handshake, in which rustls checked a signature
    /// by the leaf's key.
    fn assertion(chain: &[CertificateDer<'_>], trust: Arc<ClientTrust>) -> Self {
        let certificates: Vec<_> = chain.iter().map(|c| c.clone().into_owned()).collect();
        let leaf = match certificates.first() {
            Some(first) if within_bounds(&certificates) => Leaf::parse(first).map(Arc::new),
            _ => Err("the chain is too long".to_owned()),
        };
        let above =
            if leaf.is_ok() { certificates.iter().skip(1).filter_map(named).collect() } else { Vec::new() };
        Self { certificates, leaf, above, trust, users: Memory::default(), front_proxies: Memory::default() }
    }

    /// What the leaf says, believed or not; `Err` says why it cannot be read.
    pub fn claimed(&self) -> Result<&Leaf, &str> {
        self.leaf.as_deref().map_err(String::as_str)
    }

    /// The chain as evidence for a purpose, if it holds now.
    pub fn verified(&self, purpose: Purpose, now: Timestamp) -> Result<Arc<VerifiedChain>, Refusal> {
        let leaf = self.leaf.as_ref().map_err(|why| Refusal::Invalid(why.clone()))?;
        if now > leaf.not_after {
            return Err(Refusal::Expired(leaf.not_after));
        }
        // Whoever is revoked vouches for nobody any more.
        if self.trust.is_revoked(&leaf.fingerprint, &leaf.serial)
            || self.above.iter().any(|one| self.trust.is_revoked(&one.fingerprint, &one.serial))
        {
            return Err(Refusal::Revoked);
        }
        let memory = match purpose {
            Purpose::User => &self.users,
            Purpose::FrontProxy => &self.front_proxies,
        };
        let anchors = self.trust.anchors();
        if let Some(verdict) = &*memory.0.load()
            && verdict.generation == anchors.generation
            && now <= verdict.believed_until
        {
            return verdict.outcome.clone();
        }
        let outcome = anchors
            .verify(purpose, &self.certificates, leaf, now)
            .map(|()| Arc::new(VerifiedChain { leaf: leaf.clone(), user: OnceLock::new() }));
        // A chain that becomes valid later must be asked again, so that verdict is not kept.
        if !matches!(outcome, Err(Refusal::NotYetValid(_))) {
            let believed_until = anchors
                .next_change(now)
                .map_or(self.next_change(now), |change| change.min(self.next_change(now)));
            memory.0.store(Some(Arc::new(Verdict {
                generation: anchors.generation,
                believed_until,
                outcome: outcome.clone(),
            })));
        }
        outcome
    }

    /// When the next certificate of the chain expires.
    fn next_change(&self, now: Timestamp) -> Timestamp {
        let ends = self.certificates.iter().filter_map(|der| {
            let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
            Timestamp::from_second(parsed.validity().not_after.timestamp()).ok()
        });
        ends.filter(|end| *end >= now).min().unwrap_or(now)
    }
}

/// What cannot be read has no name, and verifies nothing.
fn named(der: &CertificateDer<'_>) -> Option<Named> {
    let (_, parsed) = x509_parser::parse_x509_certificate(der).ok()?;
    Some(Named { fingerprint: crate::leaf::fingerprint(der), serial: hex::encode(parsed.raw_serial()) })
}

impl fmt::Debug for PresentedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.leaf.as_ref().map(|leaf| leaf.common_name.as_str());
        f.debug_struct("PresentedChain").field("claimed", &name).finish_non_exhaustive()
    }
}

impl VerifiedChain {
    /// What the certificate says.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// The user the certificate stands for, made on the first call and kept for the connection.
    pub fn user(&self, make: impl FnOnce(&Leaf) -> Result<UserInfo, String>) -> Result<&UserInfo, &str> {
        self.user.get_or_init(|| make(&self.leaf)).as_ref().map_err(String::as_str)
    }
}

impl fmt::Debug for VerifiedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedChain").field("name", &self.leaf.common_name).finish_non_exhaustive()
    }
}

/// The identity of a part of this process, granted by the [`Pki`](crate::Pki): whoever holds the
/// authority's key could issue a certificate for it just as well.
///
/// ```compile_fail
/// let forged = portcullis_pki::InProcessIdentity::assertion(portcullis_api::UserInfo::new("x", ["y"]));
/// ```
#[derive(Clone)]
pub struct InProcessIdentity(UserInfo);

impl InProcessIdentity {
    pub(crate) fn assertion(user: UserInfo) -> Self {
        Self(user)
    }

    /// The user it is.
    pub fn user(&self) -> &UserInfo {
        &self.0
    }
}

impl fmt::Debug for InProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcessIdentity").field(&self.0.name).finish()
    }
}
