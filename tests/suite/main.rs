//! The program as people meet it: the binary is started, asked, and stopped.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail it"
)]

mod admin;
mod arrows;
mod certs;
mod credentials;
mod documents;
mod endure;
mod foreign_operator;
mod help;
mod identity_provider;
mod kubectl;
mod operator;
mod program;
mod serving;
mod subresources;
mod up;
mod walkthrough;
