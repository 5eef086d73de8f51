//! What is on the machine: ports, files, the process, damage, restarts.

use std::collections::HashSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::world::{Server, config_map, make_namespace, rbac, secret, world};

#[test]
fn a020_a023_c010_c025_only_one_port_listens() {
    let world = world();
    let pid = world.server.pid;
    let sockets: HashSet<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|target| {
            Some(target.to_str()?.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())
        })
        .collect();
    let mut listening = Vec::new();
    for table in ["tcp", "tcp6", "udp", "udp6"] {
        let text = std::fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap_or_default();
        for line in text.lines().skip(1) {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let open = columns.get(3) == Some(&"0A") || table.starts_with("udp");
            if open && columns.get(9).is_some_and(|inode| sockets.contains(*inode)) {
                listening.push(columns[1].to_owned());
            }
        }
    }
    assert_eq!(listening, [format!("0100007F:{:04X}", world.server.address.port())]);
}

#[test]
fn b024_g038_files_are_their_owners() {
    let world = world();
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    let data = world.server.data();
    assert_eq!(mode(&data), 0o700);
    let mut loose = Vec::new();
    for dir in [data.clone(), data.join("pki")] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let open = path.extension().is_some_and(|kind| kind == "crt" || kind == "pub")
                && mode(&path) & 0o022 == 0;
            if path.is_file() && mode(&path) & 0o077 != 0 && !open {
                loose.push(format!("{} {:o}", path.display(), mode(&path)));
            }
        }
    }
    assert!(loose.is_empty(), "{loose:?}");
}

#[test]
fn b025_no_secret_is_in_the_process_list() {
    let world = world();
    for part in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{part}", world.server.pid)).unwrap();
        let text = String::from_utf8_lossy(&text);
        for word in ["PRIVATE KEY", "eyJ", "top-secret-canary", "BEGIN"] {
            assert!(!text.contains(word), "{word} in {part}");
        }
    }
}

#[test]
fn a065_damage_is_named_and_not_served() {
    for damage in ["truncate", "flip", "empty"] {
        let server = Server::start(&[]);
        make_namespace(&server.admin, "kept");
        let dir = server.stop_for_restart();
        let store = dir.join("data/store.redb");
        let mut bytes = std::fs::read(&store).unwrap();
        match damage {
            "truncate" => bytes.truncate(bytes.len() / 3),
            "flip" => bytes.iter_mut().take(4096).for_each(|byte| *byte ^= 0x5a),
            _ => bytes.clear(),
        }
        std::fs::write(&store, bytes).unwrap();
        let output = Command::new("timeout")
            .args(["20", env!("CARGO_BIN_EXE_portcullis"), "apiserver", "--secure-port", "0", "--data-dir"])
            .arg(dir.join("data"))
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && output.status.code() != Some(124), "{damage}: {said}");
        assert!(said.contains("store"), "{damage}: {said}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn a021_b010_secrets_lie_sealed_in_the_stores_file() {
    let server = Server::start(&[]);
    let path = "/api/v1/namespaces/default";
    server.admin.post(&format!("{path}/secrets"), &secret("hidden", "Vm9sbGRhbXBm")).is(&[201], "secret");
    server.admin.post(&format!("{path}/configmaps"), &config_map("volldampf")).is(&[201], "config map");
    let backup = server.data().parent().unwrap().join("backup");
    let arguments = ["store", "backup", "--data-dir"].map(std::ffi::OsStr::new);
    let taken = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(arguments)
        .arg(server.data())
        .arg("--to")
        .arg(&backup)
        .output()
        .unwrap();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let dir = server.stop_for_restart();
    let holds = |file: &std::path::Path, text: &str| {
        std::fs::read(file).unwrap().windows(text.len()).any(|bytes| bytes == text.as_bytes())
    };
    for file in [dir.join("data/store.redb"), dir.join("backup")] {
        assert!(holds(&file, "volldampf"), "what is not sealed is found");
        assert!(!holds(&file, "Vm9sbGRhbXBm"), "{}", file.display());
    }
    let server = Server::start_in(dir, &[]);
    let read = server.admin.get(&format!("{path}/secrets/hidden")).is(&[200], "read").tree();
    assert!(read["data"].to_string().contains("Vm9sbGRhbXBm"));
}

#[test]
fn e080_a_restart_puts_the_default_roles_right() {
    let server = Server::start(&[]);
    let role = rbac("clusterroles/system:discovery");
    let paths = |server: &Server| {
        let rules = server.admin.get(&role).is(&[200], "role").tree()["rules"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let paths =
            rules.iter().flat_map(|rule| rule["nonResourceURLs"].as_array().cloned().unwrap_or_default());
        paths.map(|path| path.to_string()).collect::<HashSet<_>>()
    };
    let before = paths(&server);
    server.admin.delete(&rbac("clusterroles/view")).is(&[200], "delete");
    server.admin.patch("merge", &role, &json!({"rules": []})).is(&[200], "emptied");
    let respected = rbac("clusterroles/system:basic-user");
    let alone = json!({"metadata": {"annotations": {"rbac.authorization.kubernetes.io/autoupdate": "false"}}, "rules": []});
    server.admin.patch("merge", &respected, &alone).is(&[200], "left alone");
    make_namespace(&server.admin, "kept");
    server.admin.post("/api/v1/namespaces/kept/secrets", &secret("s", "eA==")).is(&[201], "secret");
    let dir = server.stop_for_restart();
    let server = Server::start_in(dir, &[]);
    assert_eq!(paths(&server), before, "mended");
    server.admin.get(&rbac("clusterroles/view")).is(&[200], "made again");
    assert!(
        server.admin.get(&respected).is(&[200], "respected").tree()["rules"]
            .as_array()
            .is_none_or(Vec::is_empty)
    );
    server.admin.get("/api/v1/namespaces/kept/secrets/s").is(&[200], "kept");
    let bindings = server.admin.get(&rbac("clusterrolebindings")).is(&[200], "bindings").tree();
    for binding in bindings["items"].as_array().unwrap() {
        let subjects = binding["subjects"].as_array().cloned().unwrap_or_default();
        let anonymous =
            subjects.iter().any(|s| s["name"] == "system:unauthenticated" || s["name"] == "system:anonymous");
        assert!(!anonymous || binding["metadata"]["name"] == "system:public-info-viewer", "{binding}");
    }
}

#[test]
fn i021_what_was_answered_survives_a_kill() {
    let server = Server::start(&[]);
    make_namespace(&server.admin, "k");
    for n in 0..20 {
        server.admin.post("/api/v1/namespaces/k/secrets", &secret(&format!("s{n}"), "eA==")).is(&[201], n);
    }
    let _ = Command::new("kill").args(["-9", &server.pid.to_string()]).status();
    let dir = server.stop_for_restart();
    let audit = std::fs::read_to_string(dir.join("data/audit.log")).unwrap();
    for line in audit.lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|error| panic!("a torn line: {error}: {line}"));
    }
    let server = Server::start_in(dir, &[]);
    let kept = server.admin.get("/api/v1/namespaces/k/secrets").is(&[200], "list").tree();
    assert_eq!(kept["items"].as_array().unwrap().len(), 20);
}
