//! Servers beside each other on one etcd, and one after another on any store: as they are shipped, killed,
//! restarted, and beside an upstream kube-apiserver.
//!
//! etcd is looked for as in the tests of the store (`PORTCULLIS_ETCD`, then the `PATH`). What needs upstream's server
//! runs when `PORTCULLIS_KUBE_APISERVER` names its binary. What is missing is said, and the tests pass.
#![cfg(test)]

mod costs;
mod election;
mod histories;
mod moving;
mod rolling;
mod sealing;
mod together;
mod turns;
mod upstream;

#[path = "../../src/storage/tests/support/kms_plugin.rs"]
#[allow(unreachable_pub, missing_docs, dead_code, reason = "shared with the tests of the store")]
mod kms_plugin;
#[path = "../../src/storage/tests/etcd/members.rs"]
#[allow(dead_code, reason = "shared with the tests of the store")]
mod members;
#[path = "../../src/storage/tests/support/order.rs"]
mod order;
#[path = "../security/wire.rs"]
#[allow(dead_code, reason = "shared with the attacks")]
mod wire;
#[path = "../security/world.rs"]
#[allow(dead_code, reason = "shared with the attacks")]
mod world;
