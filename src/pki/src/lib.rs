//! The cluster's certificates: who may be on the other end of a connection, and what we show them.
//!
//! Certificate profiles are data (`certs/`), embedded and read once. [`Pki`] keeps a directory in
//! kubeadm's layout, issues what is missing and renews what is due; a [`LiveCertificate`] is swapped
//! in a running server. The TLS handshake proves only that the peer holds its certificate's key; whether
//! an authority of ours stands behind it is decided by [`ClientTrust`] and travels as a
//! [`VerifiedChain`], which nothing outside this crate can make. An unverifiable certificate thus
//! gets the same 401 upstream gives, not a broken handshake.

mod bearer_key;
mod error;
mod files;
mod handed;
mod issue;
pub mod kubeconfig;
mod leaf;
mod peer;
mod profile;
mod renew;
mod secret;
mod store;
mod tls;
mod trust;

pub use bearer_key::{Algorithm, SigningKey, VerifyingKey};
pub use error::Error;
pub use handed::Seen;
pub use issue::{Issued, KeyPem, Overrides, Sites};
pub use leaf::{Leaf, MAX_GROUPS, MAX_NAME_BYTES};
pub use peer::{InProcessIdentity, Peer, PresentedChain, VerifiedChain};
pub use profile::{Profile, Subject, Usage};
pub use renew::{Renewer, due, renew_at};
pub use secret::secret_file;
pub use store::{Entry, Options, Pki};
pub use tls::{
    LimitError, LiveCertificate, MinVersion, ServerTrust, TlsLimits, client_config, client_config_for,
    server_config, server_config_within,
};
pub use trust::{ClientTrust, Mark, NothingRevoked, Purpose, Refusal, RevocationList, Revoked};

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;
