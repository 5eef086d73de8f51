//! Mixed load for as long as one likes: nothing fails, every watch ends where the store does, and neither memory
//! nor files grow.
//!
//! Seconds in `PORTCULLIS_ENDURE`, requests a second in `PORTCULLIS_ENDURE_RATE`, further flags of the server in
//! `PORTCULLIS_ENDURE_FLAGS`; two hours are
//! `PORTCULLIS_ENDURE=7200 cargo test --release --test suite endure -- --nocapture`.

mod figures;
mod follower;
mod worker;

use std::time::{Duration, Instant};

use futures::future::join_all;
use nix::sys::signal::Signal;

use crate::program::{Home, words};

use worker::{Tally, Worker};

const WORKERS: u32 = 8;
const SHORT: u64 = 5;
const RATE: u64 = 160;
/// So many moments of a run are looked at.
const SAMPLES: u32 = 120;

#[test]
fn it_endures_mixed_load() {
    let (seconds, rate) = (number("PORTCULLIS_ENDURE", SHORT), number("PORTCULLIS_ENDURE_RATE", RATE));
    let home = Home::new();
    let flags = std::env::var("PORTCULLIS_ENDURE_FLAGS").unwrap_or_default();
    let server =
        ["up", "--no-kubeconfig", "--log-level", "error"].into_iter().chain(flags.split_whitespace());
    let server = home.serve(&server.collect::<Vec<_>>());
    let pid = u32::try_from(server.state["pid"].as_u64().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let length = Duration::from_secs(seconds);
    let pause = Duration::from_secs(1) * WORKERS / u32::try_from(rate).unwrap();
    let (tallies, figures) = runtime.block_on(async {
        let client = portcullis_client::kubeconfig(&server.admin_kubeconfig(), None).await.unwrap();
        let until = Instant::now() + length;
        let work = (0..WORKERS).map(|number| Worker::new(client.clone(), number).run(until, pause));
        tokio::join!(join_all(work), figures::watch(pid, server.dir.clone(), until, length / SAMPLES))
    });
    let total = Tally::sum(&tallies);
    println!("{total}\n{figures}");
    assert!(total.failures.is_empty(), "{:#?}", total.failures);
    assert!(total.requests > 0, "nothing was asked");
    figures.assert_flat(length);
    let output = server.stop(Signal::SIGTERM);
    assert!(output.status.success(), "{}", words(&output));
}

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().expect("a whole number"))
}
