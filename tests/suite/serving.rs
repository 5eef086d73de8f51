//! Starting, stopping, and what keeps a server from starting.

use nix::sys::signal::Signal;

use serde_json::json;

use crate::admin::Admin;
use crate::program::{Home, words};

#[test]
fn it_drains_at_sigterm_and_takes_its_state_away() {
    let home = Home::new();
    let server = home.serve(&["apiserver"]);
    assert!(server.admin_kubeconfig().exists() && server.dir.join("pki/ca.crt").exists());
    let state = server.state_file();
    let output = server.stop(Signal::SIGTERM);
    assert!(output.status.success(), "{}", words(&output));
    assert!(!state.exists());
}

#[test]
fn events_live_as_long_as_they_are_told() {
    let home = Home::new();
    let admin = Admin::of(home.serve(&["apiserver", "--event-ttl", "1s"]));
    let events = "/api/v1/namespaces/default/events";
    let event =
        json!({"metadata": {"name": "brief"}, "involvedObject": {"kind": "Pod", "namespace": "default"}});
    assert_eq!(admin.post(events, &event).status, 201);
    admin.wait("its end", || admin.get(&format!("{events}/brief")).is_none().then_some(()));
    let refused = home.run(&["apiserver", "--event-ttl", "1500ms"]);
    assert!(!refused.status.success() && words(&refused).contains("--event-ttl"), "{}", words(&refused));
}

#[test]
fn a_second_server_on_the_same_store_is_refused_with_the_fix() {
    let home = Home::new();
    let server = home.serve(&["apiserver"]);
    let dir = server.dir.to_str().unwrap();
    let output = home.run(&["apiserver", "--data-dir", dir, "--secure-port", "0"]);
    let said = words(&output);
    assert!(
        !output.status.success() && said.contains("is in use") && said.contains("fix: stop the other server"),
        "{said}"
    );
    assert!(server.state_file().exists(), "the first server's state stays");
}

#[test]
fn a_port_in_use_is_named_with_its_holder() {
    let home = Home::new();
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let dir = home.data_dir();
    let arguments =
        ["apiserver", "--data-dir", dir.to_str().unwrap(), "--secure-port", &port, "--output", "json"];
    let output = home.run(&arguments);
    let said = words(&output);
    assert!(!output.status.success() && said.contains(&format!("pid {}", std::process::id())), "{said}");
    let last = String::from_utf8_lossy(&output.stdout).lines().last().unwrap().to_owned();
    let failure: serde_json::Value = serde_json::from_str(&last).unwrap();
    assert!(failure["fix"].as_str().unwrap().contains("--secure-port"), "{failure}");
}

#[test]
fn a_data_directory_below_a_file_is_refused_with_the_fix() {
    let home = Home::new();
    std::fs::write(home.path().join("file"), "").unwrap();
    let output = home.run(&["apiserver", "--data-dir", home.path().join("file/below").to_str().unwrap()]);
    assert!(!output.status.success() && words(&output).contains("--data-dir"), "{}", words(&output));
}

#[test]
fn a_file_gives_flags_and_the_command_line_wins() {
    let home = Home::new();
    let file = home.path().join("flags.yaml");
    std::fs::write(&file, "secure-port: 1\nbind-address: 127.0.0.2\n").unwrap();
    let server = home.serve(&["apiserver", "--config", file.to_str().unwrap()]);
    assert!(server.state["server"].as_str().unwrap().starts_with("https://127.0.0.2:"));
    assert_ne!(server.port(), "1");
}

#[test]
fn a_killed_server_leaves_nothing_that_keeps_the_next_from_starting() {
    let home = Home::new();
    let server = home.serve(&["apiserver"]);
    let state = server.state_file();
    server.stop(Signal::SIGKILL);
    assert!(state.exists(), "a killed process tidies nothing");
    assert!(home.told_of_data(&["status"]).starts_with("not running"));
    assert!(home.told_of_data(&["down"]).starts_with("nothing runs on "));
    let next = home.serve(&["apiserver"]);
    assert!(home.told_of_data(&["status"]).starts_with("running"), "{}", next.state);
}

#[test]
fn status_tells_of_a_running_server() {
    let home = Home::new();
    let server = home.serve(&["apiserver"]);
    let status: serde_json::Value =
        serde_json::from_str(&home.told_of_data(&["status", "--output", "json"])).unwrap();
    assert_eq!(status["server"], server.state["server"]);
    assert_eq!((&status["running"], &status["ready"]), (&true.into(), &true.into()), "{status}");
    assert_eq!(status["objects"]["namespaces"], 4);
    assert_eq!(status["notEnforced"], serde_json::json!({}));
}

#[test]
fn secrets_of_the_data_directory_are_for_its_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let server = home.serve(&["apiserver"]);
    let mode = |name: &str| server.dir.join(name).metadata().unwrap().permissions().mode() & 0o077;
    for name in [
        "",
        "admin.kubeconfig",
        "pki",
        "pki/ca.key",
        "pki/sa.key",
        "pki/apiserver.key",
        "store.redb",
        "audit.log",
        "audit.log.chain",
        "audit",
        "audit/signing.key",
    ] {
        assert_eq!(mode(name), 0, "{name} can be read by others");
    }
}
