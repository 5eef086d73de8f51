//! Whom a client of ours believes to be the server it calls.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate};

use super::provider;
use crate::{Error, Result};

type Verdict<T> = std::result::Result<T, rustls::Error>;

/// Whom a client believes. Whoever it is must hold the key of the certificate shown.
#[derive(Debug)]
pub(super) struct Believed {
    whom: Whom,
    algorithms: WebPkiSupportedAlgorithms,
}

#[derive(Debug)]
enum Whom {
    Anybody,
    /// As on a machine without authorities.
    Nobody,
    Trusted(Trusted),
}

/// Whom trusted authorities vouch for, and who shows one of the trusted certificates itself: operators
/// sign a webhook's certificate with its own key and name it as the authority, and Go's clients take it.
#[derive(Debug)]
struct Trusted {
    authorities: Arc<WebPkiServerVerifier>,
    certificates: Box<[CertificateDer<'static>]>,
}

impl Believed {
    /// Believes whom these certificates stand for.
    pub(super) fn trusting(certificates: Vec<CertificateDer<'static>>) -> Result<Self> {
        if certificates.is_empty() {
            return Ok(Self::new(Whom::Nobody));
        }
        let mut roots = RootCertStore::empty();
        for certificate in &certificates {
            roots.add(certificate.clone())?;
        }
        let authorities = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
            .build()
            .map_err(|error| Error::malformed("server authorities", error.to_string()))?;
        Ok(Self::new(Whom::Trusted(Trusted { authorities, certificates: certificates.into() })))
    }

    /// Believes every server.
    pub(super) fn anybody() -> Self {
        Self::new(Whom::Anybody)
    }

    fn new(whom: Whom) -> Self {
        Self { whom, algorithms: provider().signature_verification_algorithms }
    }
}

impl ServerCertVerifier for Believed {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Verdict<ServerCertVerified> {
        match &self.whom {
            Whom::Anybody => Ok(ServerCertVerified::assertion()),
            Whom::Nobody => Err(CertificateError::UnknownIssuer.into()),
            Whom::Trusted(trusted) if trusted.certificates.contains(end_entity) => {
                serves(end_entity, name, now).map(|()| ServerCertVerified::assertion())
            }
            Whom::Trusted(trusted) => {
                trusted.authorities.verify_server_cert(end_entity, intermediates, name, ocsp, now)
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Verdict<HandshakeSignatureValid> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Verdict<HandshakeSignatureValid> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a trusted certificate is good for this server now.
fn serves(certificate: &CertificateDer<'_>, name: &ServerName<'_>, now: UnixTime) -> Verdict<()> {
    let (_, read) = X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).ok().and_then(|now| ASN1Time::from_timestamp(now).ok());
    if !now.is_some_and(|now| read.validity().is_valid_at(now)) {
        return Err(CertificateError::Expired.into());
    }
    let usage = read.extended_key_usage().map_err(|_| CertificateError::BadEncoding)?;
    if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    verify_server_name(&ParsedCertificate::try_from(certificate)?, name)
}
