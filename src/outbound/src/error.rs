//! What can go wrong, in the words Go's client has for it: people and tools match on them.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use http::StatusCode;
use rustls::CertificateError;

use crate::dial::DialError;

/// Why an endpoint cannot be used as it is configured. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("unable to read {what} {}: {cause}", path.display())]
    Unreadable {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A kubeconfig says something it cannot mean, or what we do not do.
    #[error("kubeconfig: {0}")]
    Kubeconfig(String),
    /// An address is bad.
    #[error("address {address:?}: {why}")]
    Address {
        /// The address, without user and password.
        address: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A bearer token, user or password cannot be put into a header.
    #[error("the credential holds what no header may")]
    Credential,
    /// Authorities or a client certificate are bad.
    #[error("{0}")]
    Tls(#[from] portcullis_pki::Error),
    /// A bundle of authorities has none.
    #[error("unable to load root certificates: unable to parse bytes as PEM block")]
    NoAuthorities,
}

/// Why a call brought no answer that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{method} \"{url}\": {cause}")]
pub struct CallError {
    /// Go's word for the method: `Post`, `Get`.
    pub(crate) method: &'static str,
    /// The address, without user and password.
    pub(crate) url: String,
    /// What happened.
    #[source]
    pub(crate) cause: Cause,
}

impl CallError {
    /// What happened.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether the same call may succeed a little later, as upstream's webhooks judge it.
    pub fn may_pass(&self) -> bool {
        match &self.cause {
            Cause::Reset => true,
            Cause::Status { code, retry_after, .. } => {
                // 503 alone is no internal error to upstream.
                let busy = code.as_u16() == 429 || code.is_server_error() && code.as_u16() != 503;
                retry_after.is_some() || busy
            }
            _ => false,
        }
    }

    /// How long the other end asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.cause {
            Cause::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// What happened to a call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// There is no connection.
    #[error("{0}")]
    Connect(String),
    /// The other end is not who it should be, or speaks no TLS of ours.
    #[error("{0}")]
    Tls(String),
    /// Time is up.
    #[error("context deadline exceeded")]
    Deadline,
    /// The connection broke.
    #[error("EOF")]
    Reset,
    /// The answer is longer than allowed.
    #[error("the response is larger than {0} bytes")]
    TooLarge(usize),
    /// The answer sends us elsewhere; we do not go.
    #[error("the response is a redirect ({0}), which is not followed")]
    Redirect(StatusCode),
    /// The answer is packed, though we asked for it plain.
    #[error("the response has a content encoding that was not asked for")]
    Encoded,
    /// The answer is an error.
    #[error("{message}")]
    Status {
        /// Its status.
        code: StatusCode,
        /// What client-go says of it.
        message: String,
        /// How long it asked us to wait, if it did; at most a minute.
        retry_after: Option<Duration>,
    },
    /// The answer does not hold what it should.
    #[error("{0}")]
    Malformed(String),
    /// The call would have taken the endpoint's credential to another server.
    #[error("the address is not the endpoint's, and the endpoint has a credential")]
    Foreign,
    /// Anything else of the protocol.
    #[error("{0}")]
    Protocol(String),
}

/// The cause of what the HTTP client reports.
pub(crate) fn cause_of(error: &(dyn Error + 'static)) -> Cause {
    let mut link = Some(error);
    while let Some(error) = link {
        if let Some(cause) = known(error) {
            return cause;
        }
        // An I/O error that wraps another error hides it from `source`.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        link = match wrapped {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    Cause::Protocol(error.to_string())
}

fn known(error: &(dyn Error + 'static)) -> Option<Cause> {
    if let Some(error) = error.downcast_ref::<DialError>() {
        return Some(Cause::Connect(error.to_string()));
    }
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return Some(Cause::Tls(tls_words(error)));
    }
    if let Some(error) = error.downcast_ref::<hyper::Error>()
        && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
    {
        return Some(Cause::Reset);
    }
    let error = error.downcast_ref::<io::Error>()?;
    match error.kind() {
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::BrokenPipe
        | io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionAborted => Some(Cause::Reset),
        _ => None,
    }
}

fn tls_words(error: &rustls::Error) -> String {
    let rustls::Error::InvalidCertificate(why) = error else { return format!("tls: {error}") };
    let why = match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "certificate signed by unknown authority".to_owned()
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            format!("certificate is valid for {}, not {}", presented.join(", "), expected.to_str())
        }
        other if other.to_string().contains("CaUsedAsEndEntity") => {
            "certificate is an authority's and not itself trusted".to_owned()
        }
        other => other.to_string(),
    };
    format!("tls: failed to verify certificate: x509: {why}")
}
