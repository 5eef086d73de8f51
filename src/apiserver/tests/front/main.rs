//! The front as a whole: a server in the test's process, asked over real TLS.
#![cfg(test)]

mod abuse;
mod budgets;
mod gates;
mod raw;
mod routes;
mod world;
