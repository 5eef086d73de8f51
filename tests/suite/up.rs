//! `up` and `down`: one command each.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::program::{Home, words};

#[test]
fn each_step_is_told_to_tools_and_the_last_line_is_the_next_command() {
    let home = Home::new();
    let server = home.serve(&["up", "--output", "json"]);
    let output = server.stop(Signal::SIGTERM);
    assert!(output.status.success(), "{}", words(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let steps: Vec<&str> = lines.iter().filter_map(|line| line["step"].as_str()).collect();
    for step in ["store", "certificates", "policies", "API server", "controllers", "kubeconfig"] {
        assert!(steps.contains(&step), "{step} in {steps:?}");
    }
    assert_eq!(lines.last().unwrap()["next"], "kubectl --context portcullis get namespaces");
}

#[test]
fn it_is_quiet_when_nobody_reads() {
    let home = Home::new();
    let output = home.serve(&["up"]).stop(Signal::SIGINT);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", words(&output));
}

#[test]
fn it_adds_a_context_and_keeps_what_was_there() {
    let home = Home::new();
    let path = home.kubeconfig();
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let old = "apiVersion: v1\nkind: Config\ncurrent-context: work\ncontexts:\n- name: work\n  context: {cluster: w, user: w}\n";
    std::fs::write(&path, old).unwrap();
    let server = home.serve(&["up"]);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("current-context: work") && text.contains("name: work"), "{text}");
    assert!(text.contains(server.state["server"].as_str().unwrap()));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let beside = std::fs::read_dir(path.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let backups: Vec<_> = beside.filter(|path| path.extension().is_some_and(|end| end == "bak")).collect();
    assert_eq!(backups.len(), 1);
    assert_eq!(std::fs::read_to_string(&backups[0]).unwrap(), old);
}

#[test]
fn it_leaves_the_kubeconfig_alone_when_asked_to() {
    let home = Home::new();
    let server = home.serve(&["up", "--no-kubeconfig", "--output", "json"]);
    let output = server.stop(Signal::SIGTERM);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("admin.kubeconfig get namespaces"),
        "{}",
        words(&output)
    );
    assert!(!home.kubeconfig().exists());
}

#[test]
fn down_stops_it_and_waits() {
    let home = Home::new();
    let server = home.serve(&["up", "--no-kubeconfig"]);
    let state = server.state_file();
    // The process stays a zombie until its parent, this test, looks at it.
    assert!(home.told_of_data(&["down"]).starts_with("✓ stopped https://127.0.0.1:"));
    assert!(!state.exists());
    assert!(server.ended().success());
    assert!(home.told_of_data(&["down"]).starts_with("nothing runs on "));
}

#[test]
fn controllers_keep_every_namespace_supplied() {
    let home = Home::new();
    let _server = home.serve(&["up", "--no-kubeconfig"]);
    let supplied = || {
        let status = home.told_of_data(&["status", "--output", "json"]);
        let status: Value = serde_json::from_str(&status).unwrap();
        let objects = &status["objects"];
        // One of each in each of the four namespaces; kube-system may hold more.
        ["serviceaccounts", "configmaps"].iter().all(|kind| objects[kind].as_u64() >= Some(4))
    };
    let begun = std::time::Instant::now();
    while !supplied() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "accounts and authorities are missing");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
