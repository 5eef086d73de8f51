//! What is on record of what was done, how the server says it stands, and what it does not start with.

use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::wire::Client;
use crate::world::{Server, config_map, make_namespace, pod, secret, until, world};

#[test]
fn i023_a_delete_of_many_names_what_went_and_a_list_says_how_many_it_showed() {
    let world = world();
    make_namespace(&world.admin, "i023");
    let path = "/api/v1/namespaces/i023/secrets";
    let mut names: Vec<String> = (0..300).map(|at| format!("canary-name-{at:03}")).collect();
    for name in &names {
        world.admin.post(path, &secret(name, "Y2FuYXJ5LXZhbHVl")).is(&[201], name);
    }
    let listed = world.admin.get(path).is(&[200], "list");
    let event = world.server.event_of(listed.header("audit-id").unwrap());
    assert_eq!(event["annotations"]["portcullis.io/items"], "300", "{event}");
    let gone = world.admin.delete(path).is(&[200], "delete all");
    let event = world.server.event_of(gone.header("audit-id").unwrap());
    let told = event["annotations"]["portcullis.io/deleted"].as_str().unwrap();
    let mut told: Vec<String> = told.split(',').map(str::to_owned).collect();
    told.sort();
    names.sort();
    assert_eq!(told, names);
    assert!(!event.to_string().contains("Y2FuYXJ5LXZhbHVl"));
}

/// The fields of upstream's `audit.k8s.io/v1` Event, each with what it is.
fn fits_the_schema(event: &Value) -> Result<(), String> {
    let top = event.as_object().ok_or("no object")?;
    let text = |map: &Map<String, Value>, key: &str| match map.get(key) {
        None | Some(Value::String(_)) => Ok(()),
        Some(other) => Err(format!("{key}: {other}")),
    };
    let known = [
        "kind",
        "apiVersion",
        "level",
        "auditID",
        "stage",
        "requestURI",
        "verb",
        "user",
        "impersonatedUser",
        "authenticationMetadata",
        "sourceIPs",
        "userAgent",
        "objectRef",
        "responseStatus",
        "requestObject",
        "responseObject",
        "requestReceivedTimestamp",
        "stageTimestamp",
        "annotations",
    ];
    if let Some(strange) = top.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("unknown field {strange}"));
    }
    for key in ["kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "userAgent"] {
        text(top, key)?;
    }
    for key in ["level", "auditID", "stage", "requestURI", "verb", "user"] {
        top.get(key).ok_or(format!("{key} is missing"))?;
    }
    let words = |key: &str, all: &[&str]| {
        let word = top.get(key).and_then(Value::as_str).unwrap_or_default();
        if all.contains(&word) { Ok(()) } else { Err(format!("{key}: {word}")) }
    };
    words("level", &["Metadata", "Request", "RequestResponse"])?;
    words("stage", &["RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"])?;
    for person in ["user", "impersonatedUser"].iter().filter_map(|key| top.get(*key)) {
        let person = person.as_object().ok_or("a user is no object")?;
        let known = ["username", "uid", "groups", "extra"];
        if let Some(strange) = person.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("unknown field user.{strange}"));
        }
        text(person, "username").and(text(person, "uid"))?;
    }
    if let Some(object) = top.get("objectRef") {
        let object = object.as_object().ok_or("objectRef is no object")?;
        let known = [
            "resource",
            "namespace",
            "name",
            "uid",
            "apiGroup",
            "apiVersion",
            "resourceVersion",
            "subresource",
        ];
        if let Some(strange) = object.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("unknown field objectRef.{strange}"));
        }
        known.iter().try_for_each(|key| text(object, key))?;
    }
    for key in ["requestReceivedTimestamp", "stageTimestamp"] {
        let at = top.get(key).and_then(Value::as_str).unwrap_or_default();
        let shape: String = at.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        if shape != "0000-00-00T00:00:00.000000Z" {
            return Err(format!("{key}: {at}"));
        }
    }
    if let Some(code) = top.get("responseStatus").map(|status| &status["code"]) {
        code.as_u64().filter(|code| (100..600).contains(code)).ok_or(format!("code {code}"))?;
    }
    let notes = top.get("annotations").and_then(Value::as_object);
    notes.iter().flat_map(|notes| notes.keys()).try_for_each(|key| text(notes.unwrap(), key))
}

#[test]
fn i032_every_event_fits_upstreams_schema() {
    let world = world();
    world.low.get("/api/v1/secrets").is(&[403], "a refusal");
    world.anon.get("/apis/x").is(&[401], "nobody");
    world.admin.get("/api/v1/pods?watch=1&timeoutSeconds=1").is(&[200], "a stream");
    let last =
        world.admin.post("/api/v1/namespaces/a/configmaps", &config_map("i032")).is(&[201, 409], "a write");
    world.server.event_of(last.header("audit-id").unwrap());
    let log = world.server.audit();
    assert!(log.lines().count() > 10);
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        if let Err(why) = fits_the_schema(&event) {
            panic!("{why}: {line}");
        }
        // A line begins as upstream's lines begin.
        assert!(
            line.starts_with("{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\""),
            "{line}"
        );
    }
}

#[test]
fn i043_the_posture_is_for_those_who_may_ask() {
    let world = world();
    let path = "/portcullis/posture";
    world.anon.get(path).is(&[401], "nobody");
    world.low.get(path).is(&[403], "anybody");
    let told = world.admin.get(path).is(&[200], "the administrator").tree();
    assert_eq!(told["fail"], 0, "{told:#}");
    world.admin.json("POST", path, &json!({})).is(&[405], "it is only read");
    let auditor = world.user_with("auditor-i043", json!([{"nonResourceURLs": [path], "verbs": ["get"]}]));
    auditor.get(path).is(&[200], "whoever is given it");
}

#[test]
fn c012_c013_c015_options_of_the_benchmark_are_in_force_when_chosen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("admission.yaml");
    let limits = "apiVersion: apiserver.config.k8s.io/v1\nkind: AdmissionConfiguration\nplugins:\n- name: EventRateLimit\n  configuration:\n    apiVersion: eventratelimit.admission.k8s.io/v1alpha1\n    kind: Configuration\n    limits: [{type: User, qps: 1, burst: 5}]\n";
    std::fs::write(&file, limits).unwrap();
    let plugins = "DenyServiceExternalIPs,EventRateLimit,AlwaysPullImages";
    let flags =
        ["--enable-admission-plugins", plugins, "--admission-control-config-file", file.to_str().unwrap()];
    let server = Server::start(&flags);
    make_namespace(&server.admin, "c");
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"externalIPs": ["10.0.0.53"], "ports": [{"port": 80}]}});
    let refused = server.admin.post("/api/v1/namespaces/c/services", &service).is(&[403], "c012");
    assert!(
        refused.text().contains("Use of external IPs is denied by admission control"),
        "{}",
        refused.text()
    );
    let made = server.admin.post("/api/v1/namespaces/c/pods", &pod("c015")).is(&[201], "c015").tree();
    assert_eq!(made["spec"]["containers"][0]["imagePullPolicy"], "Always");
    let event = |at: usize| json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("e{at}"), "namespace": "c"}, "involvedObject": {"kind": "Pod", "namespace": "c", "name": "p"}});
    let path = "/api/v1/namespaces/c/events";
    let refused = (0..60).map(|at| server.admin.post(path, &event(at))).find(|answer| answer.code == 429);
    let refused = refused.expect("c013: a flood of events is stopped");
    assert!(refused.text().contains("limit reached on type User for key"), "{}", refused.text());
    assert!(refused.header("retry-after").is_some());
    let other = server.user("other", &["system:masters"]);
    other.post(path, &event(1000)).is(&[201], "others are fine");
}

/// Runs the program to its end, which must be a bad one, and tells what it said.
#[track_caller]
fn does_not_start(flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["apiserver", "--secure-port", &port.to_string(), "--data-dir"])
        .arg(folder.path().join("data"))
        .args(flags)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!output.status.success(), "{flags:?} started: {said}");
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err(), "{flags:?} listens");
    said
}

#[test]
fn j042_a_server_without_its_files_does_not_listen() {
    for flag in [
        "--audit-policy-file",
        "--authorization-config",
        "--authentication-config",
        "--encryption-provider-config",
        "--token-auth-file",
        "--client-ca-file",
        "--audit-webhook-config-file",
        "--admission-control-config-file",
        "--config",
    ] {
        let said = does_not_start(&[flag, "/none/there"]);
        assert!(said.contains("/none/there"), "{flag}: {said}");
    }
}

#[test]
fn j044_a_configuration_that_others_may_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("flags.yaml");
    std::fs::write(&file, "log-level: info\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = does_not_start(&["--config", file.to_str().unwrap()]);
    assert!(said.contains("others may change it"), "{said}");
}

#[test]
fn j043_nothing_of_tests_or_of_debugging_is_served() {
    let world = world();
    for path in [
        "/debug",
        "/debug/pprof/",
        "/debug/flags/v",
        "/debug/api_priority_and_fairness",
        "/console",
        "/ui",
        "/admin",
        "/test",
        "/fault",
        "/logs/",
        "/configz",
        "/flagz",
        "/statusz",
        "/portcullis",
        "/portcullis/debug",
    ] {
        world.admin.get(path).is(&[404], path);
    }
    let help = Command::new(env!("CARGO_BIN_EXE_portcullis")).args(["apiserver", "--help"]).output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for word in [" fault", "inject", "debug-", "backdoor", "--test"] {
        assert!(!help.contains(word), "{word} in --help");
    }
}

/// An etcd of this test's own, if there is one on this machine.
struct EtcdServer {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl EtcdServer {
    fn start() -> Option<Self> {
        let named = std::env::var("PORTCULLIS_ETCD").unwrap_or_default();
        let usual = ["/usr/bin/etcd", "/usr/local/bin/etcd"].map(PathBuf::from);
        let program = named.split(':').map(PathBuf::from).chain(usual).find(|path| path.is_file())?;
        let folder = tempfile::tempdir().unwrap();
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (url, peer) = (format!("http://127.0.0.1:{}", free()), format!("http://127.0.0.1:{}", free()));
        let child = Command::new(program)
            .args([
                "--name",
                "one",
                "--initial-cluster",
                &format!("one={peer}"),
                "--initial-advertise-peer-urls",
                &peer,
            ])
            .args([
                "--listen-peer-urls",
                &peer,
                "--listen-client-urls",
                &url,
                "--advertise-client-urls",
                &url,
            ])
            .arg("--data-dir")
            .arg(folder.path().join("etcd"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let started = Self { child, url, _folder: folder };
        let address = started.url.trim_start_matches("http://").to_owned();
        until("etcd listens", || std::net::TcpStream::connect(&address).is_ok());
        Some(started)
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes until the server is gone; the names that were acknowledged.
fn write_until_gone(admin: &Client, writer: usize, written: &AtomicUsize) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for at in 0..100_000 {
        let name = format!("w{writer}-{at}");
        let sent = std::panic::catch_unwind(AssertUnwindSafe(|| {
            admin.post("/api/v1/namespaces/k/configmaps", &config_map(&name))
        }));
        match sent {
            Ok(answer) if answer.code == 201 => {
                written.fetch_add(1, Ordering::Relaxed);
                acknowledged.push(name);
            }
            _ => break,
        }
    }
    acknowledged
}

/// Kills a server under load and starts it again; whatever was acknowledged has its event.
fn kill_and_compare(flags: &[&str]) {
    let server = Server::start(flags);
    make_namespace(&server.admin, "k");
    let admin = server.admin.clone();
    let written = AtomicUsize::new(0);
    let acknowledged: Vec<String> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (admin, written) = (admin.clone(), &written);
                scope.spawn(move || write_until_gone(&admin, writer, written))
            })
            .collect();
        while written.load(Ordering::Relaxed) < 200 && !writers.iter().all(|writer| writer.is_finished()) {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = Command::new("kill").args(["-9", &server.pid.to_string()]).status();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    assert!(!acknowledged.is_empty());
    let dir = server.stop_for_restart();
    let server = Server::start_in(dir, flags);
    let log = server.audit();
    let mut ended = std::collections::HashMap::<String, u32>::new();
    for line in log.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if event["stage"] == "ResponseComplete" && event["verb"] == "create" {
            *ended.entry(event["objectRef"]["name"].as_str().unwrap_or_default().to_owned()).or_default() +=
                1;
        }
    }
    let missing: Vec<&String> = acknowledged.iter().filter(|name| !ended.contains_key(*name)).collect();
    assert!(missing.is_empty(), "{} of {} have no event: {missing:?}", missing.len(), acknowledged.len());
    // What is stored and was not acknowledged has an event too.
    let stored = server.admin.get("/api/v1/namespaces/k/configmaps").is(&[200], "list").tree();
    for item in stored["items"].as_array().unwrap() {
        let name = item["metadata"]["name"].as_str().unwrap();
        assert!(ended.contains_key(name), "{name} is stored and not on record");
    }
    assert!(ended.iter().all(|(name, count)| !name.starts_with('w') || *count == 1), "each once");
    let verified = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["audit", "verify", "--data-dir"])
        .arg(server.data())
        .output()
        .unwrap();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn i021_a_kill_between_commit_and_log_loses_no_event() {
    kill_and_compare(&[]);
}

#[test]
fn i021_a_kill_loses_no_event_on_etcd_either() {
    let Some(etcd) = EtcdServer::start() else {
        eprintln!("no etcd on this machine: nothing was tried");
        return;
    };
    kill_and_compare(&["--etcd-servers", &etcd.url]);
}

/// The crates of the lock file.
fn locked() -> Vec<String> {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.lock");
    let text = std::fs::read_to_string(lock).unwrap();
    let names = text.lines().filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'));
    names.map(str::to_owned).collect()
}

#[test]
fn j030_j045_no_crate_that_is_known_to_be_bad_is_locked() {
    let locked = locked();
    assert!(locked.len() > 100);
    for (name, why) in [
        ("rsa", "its timing gives private keys away (RUSTSEC-2023-0071)"),
        ("openssl", "a second TLS stack"),
        ("native-tls", "a second TLS stack"),
        ("yaml-rust", "unmaintained"),
        ("serde_yaml", "unmaintained"),
        ("serde_yml", "unsound"),
        ("libyml", "unsound"),
        ("serde_cbor", "unmaintained"),
        ("tokio-tar", "entries that are two things at once"),
        ("atty", "unsound"),
        ("md5", "no digest for anything"),
    ] {
        assert!(!locked.iter().any(|one| one == name), "{name}: {why}");
    }
    let versions = |name: &str| locked.iter().filter(|one| *one == name).count();
    for name in ["rustls", "aws-lc-rs", "tokio", "hyper", "http"] {
        assert_eq!(versions(name), 1, "one {name}");
    }
}
