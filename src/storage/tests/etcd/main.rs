//! The etcd store against real servers: one member, and three of which some are killed.
//!
//! `etcd` is looked for in `PORTCULLIS_ETCD`, a list of binaries like `PATH`, and on the `PATH`; each test runs
//! on every version named. Without one the tests say so and pass.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "the helpers of a test fail it"
)]

mod access;
mod faults;
mod history;
mod members;
mod moved;
#[path = "../support/order.rs"]
mod order;
#[path = "../support/proxy.rs"]
mod proxy;
mod single;
mod together;
