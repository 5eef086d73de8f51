//! `portcullis store migrate`, killed in its middle and begun again, both ways.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use portcullis_storage::{Embedded, Op, Options, Store as _, Txn};
use serde_json::Value;

use crate::members::{Cluster, binaries};

/// Revisions of the store that is moved: enough for a move to take some seconds.
const REVISIONS: usize = 2500;

fn put(name: usize, value: usize) -> Op {
    let object = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"m{name}"}},"data":{{"v":"{value}"}}}}"#
    );
    Op::Put { key: format!("/registry/configmaps/ns/m{name}").into(), value: Bytes::from(object), ttl: None }
}

/// A data directory whose store has a past.
fn fill(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let store = std::sync::Arc::new(Embedded::open(Options::new(dir.join("store.redb"))).unwrap());
        let write = |round: usize| {
            let store = store.clone();
            async move {
                store.commit(Txn { ops: vec![put(round % 900, round)], ..Txn::default() }).await.unwrap()
            }
        };
        futures::StreamExt::collect::<Vec<_>>(futures::StreamExt::buffer_unordered(
            futures::stream::iter((0..REVISIONS).map(write)),
            64,
        ))
        .await;
        store.close().await.unwrap();
    });
}

fn command(arguments: &[&str], dir: &Path, etcd: &Cluster) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .arg("store")
        .args(arguments)
        .arg("--data-dir")
        .arg(dir)
        .arg("--etcd-servers")
        .arg(etcd.endpoints().join(","));
    command.stdin(Stdio::null());
    command
}

/// What a store holds.
fn held(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(all["damaged"], serde_json::json!([]));
    all
}

/// Begins again until it ends well; returns how often it was killed.
fn move_with_kills(from: &str, to: &str, dir: &Path, etcd: &Cluster, step: Duration) -> u32 {
    for kills in 0..200 {
        let mut child: Child = command(&["migrate", "--from", from, "--to", to], dir, etcd)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(step * (kills + 1));
        if let Some(status) = child.try_wait().unwrap() {
            let output = child.wait_with_output().unwrap();
            assert!(status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            return kills;
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("it never ends");
}

#[test]
fn a_move_that_is_killed_again_and_again_ends_well_both_ways() {
    for binary in binaries() {
        let folder = tempfile::tempdir().unwrap();
        let (from, back) = (folder.path().join("from"), folder.path().join("back"));
        fill(&from);
        let etcd = Cluster::start(&binary, 1, &[]);
        let before = held(
            Command::new(env!("CARGO_BIN_EXE_portcullis"))
                .args(["store", "check", "--output", "json", "--data-dir"])
                .arg(&from),
        );

        let there = move_with_kills("embedded", "etcd", &from, &etcd, Duration::from_millis(150));
        assert!(there > 1, "killed {there} times");
        assert_eq!(held(&mut command(&["check", "--output", "json"], &from, &etcd)), before);
        assert!(!from.join("migration.store").exists(), "what it went through is gone");

        std::fs::create_dir_all(&back).unwrap();
        let home = move_with_kills("etcd", "embedded", &back, &etcd, Duration::from_millis(15));
        println!("killed {there} times on the way there, {home} on the way back");
        assert!(home > 1, "killed {home} times");
        let after = held(
            Command::new(env!("CARGO_BIN_EXE_portcullis"))
                .args(["store", "check", "--output", "json", "--data-dir"])
                .arg(&back),
        );
        assert_eq!(after, before);
    }
}
