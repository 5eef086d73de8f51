//! The front door: puts the stages in order and answers for what is no resource.
//!
//! ```text
//! listener    TCP, TLS, HTTP with ceilings and time limits        in_process   the same stack without a socket
//! stack       the gates, in order                                 dispatch     what is served where
//! discovery, openapi, health, metrics, version, oidc              what is no resource
//! server      builds it all and runs it
//! ```
//!
//! Resources come in as a [`Rest`] service, which gets what is authorized and no less.

mod arrival;
mod discovery;
mod dispatch;
mod health;
mod in_process;
mod listener;
mod metrics;
mod oidc;
mod openapi;
mod policy;
mod respond;
mod server;
mod stack;
mod version;

pub use discovery::{Discovery, Served, ServedSubresource};
pub use dispatch::{PUBLIC, Public, Rest};
pub use health::{Check, Health};
pub use in_process::InProcess;
pub use listener::{ConnectionCeilings, ListenerConfig};
pub use oidc::{Oidc, PublishedKeys};
pub use openapi::{CustomDocument, CustomVersion, ReadVersion};
pub use server::{Builder, Ready, Server, WithAuthentication, WithAuthorization, WithTls};
pub use stack::Ceilings;
