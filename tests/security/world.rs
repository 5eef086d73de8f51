//! One running server, and everybody who asks it something.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::wire::{Client, PATIENCE};

const PROGRAM: &str = env!("CARGO_BIN_EXE_portcullis");

/// A shell that starts the server with no mask on file modes, ends it when the test process is gone, and
/// removes its directory.
const KEEPER: &str = r#"umask 000
"$PROGRAM" "$COMMAND" --data-dir "$DIR/data" --secure-port 0 "$@" >"$DIR/log" 2>&1 </dev/null &
server=$!
cat >/dev/null
kill "$server"; wait "$server"; rm -rf "$DIR""#;

/// How much the server may grow during all tests.
const GROWTH: u64 = 256 << 20;

/// A server of this process's own.
pub(crate) struct Server {
    pub(crate) dir: PathBuf,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    pub(crate) authority: Vec<u8>,
    pub(crate) admin: Client,
    /// Ends the server when it is dropped or the process ends.
    keeper: Child,
}

impl Server {
    /// Starts one in a new directory.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let dir = tempfile::Builder::new().prefix("portcullis-security-").tempdir().unwrap().keep();
        Self::start_in(dir, flags)
    }

    /// Starts one in a directory that may have been used before.
    pub(crate) fn start_in(dir: PathBuf, flags: &[&str]) -> Self {
        Self::start_as("apiserver", dir, flags)
    }

    /// Starts one by another command.
    pub(crate) fn start_as(command: &str, dir: PathBuf, flags: &[&str]) -> Self {
        let _ = std::fs::remove_file(dir.join("data/apiserver.json"));
        let keeper = Command::new("sh")
            .args(["-c", KEEPER, "sh"])
            .args(flags)
            .env("PROGRAM", PROGRAM)
            .env("COMMAND", command)
            .env("DIR", &dir)
            .env("KUBECONFIG", dir.join("kubeconfig"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let state = wait_for_state(&dir);
        let address = state["server"].as_str().unwrap().trim_start_matches("https://").parse().unwrap();
        let pid = u32::try_from(state["pid"].as_u64().unwrap()).unwrap();
        let kubeconfig = std::fs::read_to_string(dir.join("data/admin.kubeconfig")).unwrap();
        let authority = member(&kubeconfig, "certificate-authority-data");
        let admin = client(address, &kubeconfig);
        Self { dir, pid, address, authority, admin, keeper }
    }

    /// Ends it and keeps its directory, for a later start.
    pub(crate) fn stop_for_restart(self) -> PathBuf {
        let aside = self.dir.with_extension("kept");
        let _ = Command::new("kill").arg(self.pid.to_string()).status();
        until("the server stops", || {
            !Path::new(&format!("/proc/{}/stat", self.pid)).exists() || is_zombie(self.pid)
        });
        std::fs::rename(&self.dir, &aside).unwrap();
        aside
    }

    /// Kills it at once and keeps its directory, for a later start.
    #[allow(dead_code, reason = "only tests/servers asks for it")]
    pub(crate) fn kill(self) -> PathBuf {
        let aside = self.dir.with_extension("kept");
        let killed = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
        assert!(killed.unwrap().success());
        while Path::new(&format!("/proc/{}/stat", self.pid)).exists() && !is_zombie(self.pid) {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::fs::rename(&self.dir, &aside).unwrap();
        aside
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    pub(crate) fn anonymous(&self) -> Client {
        Client::anonymous(self.address, &self.authority)
    }

    /// Somebody with a certificate.
    pub(crate) fn user(&self, name: &str, groups: &[&str]) -> Client {
        client(self.address, &self.issue(name, groups))
    }

    /// A kubeconfig for somebody.
    pub(crate) fn issue(&self, name: &str, groups: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(["certs", "issue", "--data-dir"]).arg(self.data()).args(["--user", name]);
        for group in groups {
            command.args(["--group", group]);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the server wrote as its log.
    pub(crate) fn log(&self) -> String {
        read(&self.dir.join("log"))
    }

    /// The audit log, as lines; one that is just being written is none yet.
    pub(crate) fn audit(&self) -> String {
        let mut log = read(&self.data().join("audit.log"));
        log.truncate(log.rfind('\n').map_or(0, |end| end + 1));
        log
    }

    /// Waits until an audit event satisfies this.
    #[track_caller]
    pub(crate) fn event(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        self.event_with("", wanted)
    }

    /// The same of the events that have a text in them: a long log is not read as a whole for each.
    #[track_caller]
    fn event_with(&self, text: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait("such an event", || {
            let log = self.audit();
            let lines = log.lines().filter(|line| line.contains(text));
            lines.filter_map(|line| serde_json::from_str(line).ok()).find(&wanted)
        })
    }

    /// The completed event of a request, by its Audit-ID.
    #[track_caller]
    pub(crate) fn event_of(&self, audit_id: &str) -> Value {
        self.event_with(audit_id, |event| {
            event["auditID"] == audit_id && event["stage"] == "ResponseComplete"
        })
    }

    /// Resident memory.
    pub(crate) fn resident(&self) -> u64 {
        let status = read(Path::new(&format!("/proc/{}/status", self.pid)));
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(u64::MAX >> 10) << 10
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// The server all tests share, and its users.
pub(crate) struct World {
    pub(crate) server: Server,
    /// system:masters.
    pub(crate) admin: Client,
    /// A user without any right of their own.
    pub(crate) low: Client,
    /// ClusterRole admin in namespace `a`.
    pub(crate) nsadm: Client,
    /// The service account `default` of namespace `a`.
    pub(crate) sa: Client,
    /// A node.
    pub node1: Client,
    /// Nobody.
    pub(crate) anon: Client,
    first: u64,
}

/// The world; when the guard goes, the server must be well.
pub(crate) fn world() -> Guard {
    static WORLD: OnceLock<World> = OnceLock::new();
    Guard(WORLD.get_or_init(World::create))
}

/// Sees at the end of a test that the server is well.
pub(crate) struct Guard(&'static World);

impl std::ops::Deref for Guard {
    type Target = World;

    fn deref(&self) -> &World {
        self.0
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.alive();
        }
    }
}

impl World {
    fn create() -> Self {
        let server = Server::start(&[]);
        let admin = server.admin.clone();
        let anon = server.anonymous();
        for namespace in ["a", "b"] {
            make_namespace(&admin, namespace);
        }
        bind(&admin, "a", "nsadm", "admin");
        let token = admin
            .post(
                "/api/v1/namespaces/a/serviceaccounts/default/token",
                &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}),
            )
            .is(&[201], "a token");
        let sa = anon.bearer(token.tree()["status"]["token"].as_str().unwrap());
        admin.post("/api/v1/namespaces/a/pods", &pod("x")).is(&[201], "pod x");
        admin.post("/api/v1/namespaces/a/secrets", &secret("s", "dG9wLXNlY3JldC1jYW5hcnk=")).is(&[201], "s");
        let first = server.resident();
        Self {
            low: server.user("low", &[]),
            nsadm: server.user("nsadm", &[]),
            node1: server.user("system:node:node1", &["system:nodes"]),
            admin,
            sa,
            anon,
            server,
            first,
        }
    }

    /// Fails unless the server answers and has not grown.
    #[track_caller]
    pub(crate) fn alive(&self) {
        self.anon.get("/livez").is(&[200], "/livez");
        let grown = self.server.resident().saturating_sub(self.first);
        assert!(grown < GROWTH, "the server grew by {grown} bytes");
    }

    /// Gives a new user rules of their own, cluster-wide.
    pub(crate) fn user_with(&self, name: &str, rules: Value) -> Client {
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": format!("of-{name}")}, "rules": rules,
        });
        self.admin.post(&rbac("clusterroles"), &role).is(&[201], "role");
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": format!("of-{name}")},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": format!("of-{name}")},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
        });
        self.admin.post(&rbac("clusterrolebindings"), &binding).is(&[201], "binding");
        self.server.user(name, &[])
    }
}

/// A path of the RBAC group.
pub(crate) fn rbac(rest: &str) -> String {
    format!("/apis/rbac.authorization.k8s.io/v1/{rest}")
}

/// Makes a namespace with its service account, which no controller does here.
pub(crate) fn make_namespace(admin: &Client, name: &str) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    admin.post("/api/v1/namespaces", &namespace).is(&[201], "namespace");
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    let path = format!("/api/v1/namespaces/{name}/serviceaccounts");
    admin.post(&path, &account).is(&[201, 409], "service account");
}

/// Binds a user to a ClusterRole in a namespace.
pub(crate) fn bind(admin: &Client, namespace: &str, user: &str, role: &str) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": format!("{user}-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    admin.post(&rbac(&format!("namespaces/{namespace}/rolebindings")), &binding).is(&[201], "binding");
}

/// A pod.
pub(crate) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    })
}

/// A secret with one value.
pub(crate) fn secret(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": {"k": value}})
}

/// A config map.
pub(crate) fn config_map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

/// The client a kubeconfig describes.
pub(crate) fn client(address: SocketAddr, kubeconfig: &str) -> Client {
    let part = |name| member(kubeconfig, name);
    Client::certified(
        address,
        &part("certificate-authority-data"),
        &part("client-certificate-data"),
        &part("client-key-data"),
    )
}

/// A base64 value of a kubeconfig, whose text folds over following lines.
pub(crate) fn member(kubeconfig: &str, name: &str) -> Vec<u8> {
    let mut lines = kubeconfig.lines().skip_while(|line| !line.trim_start().starts_with(name));
    let first = lines.next().unwrap().split_once(':').unwrap().1.trim().trim_start_matches(">-");
    let folded = lines.take_while(|line| !line.contains(':')).map(str::trim);
    let text: String = std::iter::once(first).chain(folded).collect();
    STANDARD.decode(text).unwrap()
}

fn wait_for_state(dir: &Path) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(state) = serde_json::from_str(&read(&dir.join("data/apiserver.json"))) {
            return state;
        }
        assert!(Instant::now() < deadline, "the server did not start: {}", read(&dir.join("log")));
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for what happens after an answer.
#[track_caller]
pub(crate) fn wait<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}: not yet");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until something holds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    wait(what, || holds().then_some(()));
}

fn is_zombie(pid: u32) -> bool {
    read(Path::new(&format!("/proc/{pid}/stat")))
        .rsplit(')')
        .next()
        .is_some_and(|rest| rest.starts_with(" Z"))
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = std::fs::File::open(path) {
        let _ = file.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
