//! The attacks on record, tried against the program as it is shipped.
//!
//! One server is started for all of them; every test is named by the id of the attack it tries and ends by
//! seeing that the server still answers and has not grown. `docs/security/known-attacks.md` is the index.
#![cfg(test)]

mod access;
mod admission;
mod bodies;
mod credentials;
mod custom;
mod defaults;
mod events;
mod evidence;
mod gates;
mod identities;
mod installation;
mod lists;
mod memory;
mod nodes;
mod objects;
mod paths;
mod policies;
mod traces;
mod transport;
mod wire;
mod world;
