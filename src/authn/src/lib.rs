//! Who is asking: the gate from [`Attributed`] to [`Authenticated`].
//!
//! ```text
//! connection   in process | front proxy headers | client certificate     (no await; a connection's user is made once)
//! credential   Authorization: Bearer | WebSocket protocol token
//!              -> token file, service account JWT, bootstrap token, user token
//! nothing      anonymous, on the paths that allow it
//! ```
//!
//! Every scheme answers [`Attempt`]: not mine, verified, or rejected with a reason that only the log
//! sees. A rejection does not end the search, as upstream: another scheme may still verify. But once
//! something was rejected nobody becomes anonymous: the answer is 401. What each scheme calls a
//! rejection is written at its head.
//!
//! Credentials leave the request here: whatever comes after the gate sees neither `Authorization`
//! nor front proxy headers nor a WebSocket bearer token.

mod anonymous;
mod attempt;
mod authenticator;
mod bearer;
mod bootstrap;
mod config;
mod front_proxy;
mod gate;
mod issuer;
mod jwt;
mod keys;
mod life;
mod lookup;
mod mapping;
mod metrics;
mod oidc;
mod review;
mod revoked_tokens;
mod service_account;
mod signature_cache;
#[cfg(test)]
mod testing;
mod token_file;
mod user_token;
mod webhook;
mod websocket;
mod x509;

pub use anonymous::Anonymous;
pub use attempt::{Attempt, Identity, Method, Rejection};
pub use authenticator::{Authenticator, Schemes, TokenScheme};
pub use bearer::tokens_of_headers;
pub use bootstrap::BootstrapTokens;
pub use config::{AuthenticationConfiguration, ConfigError};
pub use front_proxy::{FrontProxy, FrontProxyHeaders};
pub use gate::{Attributed, Authenticate, AuthenticateLayer, Authenticated};
pub use issuer::{BoundObject, MintedToken, ServiceAccount, TokenIssuer};
pub use jwt::user_of_unverified_claims;
pub use keys::KeySet;
pub use life::{Life, StillGood};
pub use lookup::{Facts, Glance, Lookup, LookupError, Watched};
pub use oidc::config::{JwtIssuer, OidcFlags};
pub use oidc::{OidcTokens, claims_of_unverified_token, keys_address, usable_keys};
pub use portcullis_pki::{Leaf, Mark, RevocationList};
pub use revoked_tokens::{RevokedToken, RevokedTokens};
pub use service_account::ServiceAccountTokens;
pub use token_file::TokenFile;
pub use user_token::{IDENTITY_GROUP, MintedUserToken, Scope, TOKEN_EXTRA, TOKEN_KEY_BYTES, UserTokens};
pub use webhook::{DEFAULT_WEBHOOK_TTL, WebhookOptions, WebhookTokens};
pub use x509::X509;

/// Upstream's default issuer and audience of service account tokens.
pub const DEFAULT_ISSUER: &str = "https://kubernetes.default.svc";

pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// The group of those who came without a credential.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
pub(crate) const ANONYMOUS: &str = "system:anonymous";
pub(crate) const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
