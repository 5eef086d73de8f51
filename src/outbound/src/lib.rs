//! The one HTTPS client for the calls the server itself makes: webhooks and documents of identity providers.
//!
//! ```text
//! kubeconfig file | clientConfig {url | service, caBundle} | an address
//!      -> Endpoint     where, whom we believe there, and as whom we come
//!      -> Client       connections that are kept; each call has a deadline and a largest answer
//!      -> Reply        status, headers, body
//!      -> review       what is believed of the answer of a webhook for admission or conversion
//! ```
//!
//! No redirect is followed: it would carry a credential, or the server's own position in the network,
//! to an address that nobody configured. No proxy is taken from the environment. Answers are asked for
//! unpacked and an answer in a content encoding is refused. What the other end sends is shown to nobody
//! but by [`CallError`]'s words, which hold no credential and no more of the body than upstream's.

mod client;
mod dial;
mod endpoint;
mod error;
pub mod go_duration;
mod guard;
mod hook;
mod hook_client;
mod kubeconfig;
mod reply;
mod retry;
mod review;
#[cfg(test)]
mod testing;

pub use client::{Client, Limits, Request};
pub use dial::ServiceRoutes;
pub use endpoint::{Credential, Endpoint};
pub use error::{CallError, Cause, ConfigError};
pub use guard::{AddressGuard, is_never_a_target};
pub use hook::{HookAddress, HookIdentities};
pub use hook_client::{HookCaller, HookClient};
pub use kubeconfig::{endpoint as kubeconfig_endpoint, endpoint_of_text as kubeconfig_endpoint_of_text};
pub use portcullis_pki::ServerTrust;
pub use reply::Reply;
pub use retry::Backoff;
pub use review::{
    ADMISSION_REVIEW, AdmissionAnswer, CONVERSION_REVIEW, InvalidReview, ReviewKind, ReviewVersion,
    converted_objects,
};
