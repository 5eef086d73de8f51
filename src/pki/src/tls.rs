//! TLS as we speak it: 1.3 and the AEAD suites of 1.2, on aws-lc.
//!
//! There is no session resumption: a resumed session would carry a client certificate past its
//! expiry, its revocation or its authority's removal. There is no 0-RTT either: it can be replayed.

mod believed;
mod limits;

use std::fmt;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use rustls::client::ResolvesClientCert;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use self::believed::Believed;
pub use limits::{LimitError, MinVersion, TlsLimits};

use crate::{Error, Result};

const MAX_CHAIN: usize = 8;
const MAX_CHAIN_BYTES: usize = 48 << 10;

/// The one cryptographic provider of the process.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// How the server speaks TLS. Client certificates are asked for, not required.
pub fn server_config(certificate: Arc<LiveCertificate>) -> Result<Arc<ServerConfig>> {
    server_config_within(certificate, &TlsLimits::default())
}

/// The same, with fewer versions or suites.
pub fn server_config_within(
    certificate: Arc<LiveCertificate>,
    limits: &TlsLimits,
) -> Result<Arc<ServerConfig>> {
    let algorithms = provider().signature_verification_algorithms;
    let mut config = ServerConfig::builder_with_provider(limits.provider())
        .with_protocol_versions(limits.versions())?
        .with_client_cert_verifier(Arc::new(Possession { algorithms }))
        .with_cert_resolver(certificate);
    config.alpn_protocols = alpn();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Whom we believe to be the server at the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerTrust {
    /// Whoever the authorities of a PEM bundle vouch for.
    Authorities(String),
    /// Whoever the machine's authorities vouch for.
    System,
    /// Anybody: a kubeconfig's `insecure-skip-tls-verify`.
    InsecureAnybody,
}

/// How we speak TLS as a client, trusting the authorities of a PEM bundle.
pub fn client_config(roots_pem: &str, identity: Option<Arc<LiveCertificate>>) -> Result<Arc<ClientConfig>> {
    client_config_for(&ServerTrust::Authorities(roots_pem.to_owned()), identity)
}

/// How we speak TLS as a client.
pub fn client_config_for(
    trust: &ServerTrust,
    identity: Option<Arc<LiveCertificate>>,
) -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let believed = match trust {
        ServerTrust::Authorities(pem) => Believed::trusting(authorities(pem)?)?,
        ServerTrust::System => Believed::trusting(native_certs())?,
        ServerTrust::InsecureAnybody => Believed::anybody(),
    };
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(believed));
    let mut config = match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn();
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

fn authorities(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    let malformed =
        |error: rustls_pki_types::pem::Error| Error::malformed("server authorities", error.to_string());
    CertificateDer::pem_slice_iter(pem.as_bytes()).map(|one| one.map_err(malformed)).collect()
}

/// The machine's authorities; one that cannot be read vouches for nobody.
fn native_certs() -> Vec<CertificateDer<'static>> {
    let mut readable = rustls_native_certs::load_native_certs().certs;
    readable.retain(|one| RootCertStore::empty().add(one.clone()).is_ok());
    readable
}

fn alpn() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

/// A certificate with its key that is replaced while it is in use; later handshakes see the new one.
pub struct LiveCertificate(ArcSwap<CertifiedKey>);

impl LiveCertificate {
    /// Reads a certificate chain and its key.
    pub fn from_pem(chain: &str, key: &str) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(ArcSwap::from_pointee(certified(chain, key)?))))
    }

    /// Replaces the certificate. On an error the old one stays.
    pub fn replace(&self, chain: &str, key: &str) -> Result<()> {
        self.0.store(Arc::new(certified(chain, key)?));
        Ok(())
    }
}

impl fmt::Debug for LiveCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCertificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for LiveCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

impl ResolvesClientCert for LiveCertificate {
    fn resolve(&self, _roots: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified(chain: &str, key: &str) -> Result<CertifiedKey> {
    let refused = |what: &str, why: String| Error::malformed(what, why);
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| refused("certificate", e.to_string()))?;
    // The parser's error is not shown: it could quote the key.
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|_| refused("private key", "is unreadable".into()))?;
    let certified = CertifiedKey::new(chain, provider().key_provider.load_private_key(key)?);
    certified.keys_match()?;
    Ok(certified)
}

pub(crate) fn within_bounds(chain: &[CertificateDer<'_>]) -> bool {
    chain.len() <= MAX_CHAIN && chain.iter().map(|c| c.len()).sum::<usize>() <= MAX_CHAIN_BYTES
}

/// Checks that the client holds the key of the certificate it shows, and nothing more.
///
/// Whether an authority stands behind the certificate is asked per request (see
/// [`PresentedChain::verified`](crate::PresentedChain::verified)), so that the answer to a bad one is
/// 401 as upstream's, and so that open connections feel a change of authorities. No authorities are
/// hinted: a client would hold back a certificate of an authority added after the hint was made.
#[derive(Debug)]
struct Possession {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for Possession {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        // Bounded here, before the chain is kept, and readable enough for its key to be used.
        let size = end_entity.len() + intermediates.iter().map(|c| c.len()).sum::<usize>();
        if intermediates.len() >= MAX_CHAIN || size > MAX_CHAIN_BYTES {
            return Err(rustls::Error::InvalidCertificate(CertificateError::BadEncoding));
        }
        ParsedCertificate::try_from(end_entity)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
