//! Starting and killing etcd.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_storage::{Etcd, EtcdOptions};
use tempfile::TempDir;

/// The binaries to test with: those that are named, or `etcd` and `etcd-3.*` of the `PATH`.
pub(crate) fn binaries() -> Vec<PathBuf> {
    let named =
        std::env::var_os("PORTCULLIS_ETCD").map(|list| std::env::split_paths(&list).collect::<Vec<_>>());
    let binaries = named.unwrap_or_else(found);
    if binaries.is_empty() {
        // Past the harness, which keeps what a passing test prints.
        std::io::stderr().write_all(b"SKIPPED: there is no etcd on the PATH\n").unwrap();
    }
    binaries
}

fn found() -> Vec<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let files = std::env::split_paths(&folders)
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|files| files.filter_map(Result::ok).map(|file| file.path()));
    let is_etcd = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (name == "etcd" || name.starts_with("etcd-3.")) && path.is_file()
    };
    let mut found: Vec<PathBuf> = files.filter(is_etcd).filter_map(|path| path.canonicalize().ok()).collect();
    found.sort();
    found.dedup();
    found
}

/// A cluster on loopback; its members die with it.
pub(crate) struct Cluster {
    members: Vec<Member>,
    _folder: TempDir,
}

struct Member {
    arguments: Vec<String>,
    binary: PathBuf,
    client: u16,
    process: Option<Child>,
}

impl Cluster {
    /// Starts some members and waits until they have a leader.
    pub(crate) fn start(binary: &std::path::Path, size: usize, extra: &[&str]) -> Self {
        Self::start_at(binary, size, None, extra)
    }

    /// The same, with a given port for clients of the first.
    pub(crate) fn start_at(
        binary: &std::path::Path,
        size: usize,
        first: Option<u16>,
        extra: &[&str],
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut ports: Vec<(u16, u16)> = (0..size).map(|_| (free_port(), free_port())).collect();
        if let Some(first) = first {
            ports[0].0 = first;
        }
        let peer = |(at, (_, port)): (usize, &(u16, u16))| format!("m{at}=http://127.0.0.1:{port}");
        let all = ports.iter().enumerate().map(peer).collect::<Vec<_>>().join(",");
        let member = |(at, (client, peer)): (usize, &(u16, u16))| {
            let mut arguments = words(&format!(
                "--name m{at} --initial-cluster {all} --initial-cluster-token {client} \
                 --listen-client-urls http://127.0.0.1:{client} --advertise-client-urls http://127.0.0.1:{client} \
                 --listen-peer-urls http://127.0.0.1:{peer} --initial-advertise-peer-urls http://127.0.0.1:{peer} \
                 --heartbeat-interval 50 --election-timeout 500 --logger zap --log-level error --data-dir"
            ));
            if at > 0 {
                let token = arguments.iter().position(|word| word == "--initial-cluster-token").unwrap();
                arguments[token + 1] = ports[0].0.to_string();
            }
            arguments.push(folder.path().join(format!("m{at}")).display().to_string());
            arguments.extend(extra.iter().map(|word| (*word).to_owned()));
            Member { arguments, binary: binary.to_owned(), client: *client, process: None }
        };
        let members = ports.iter().enumerate().map(member).collect();
        let mut cluster = Self { members, _folder: folder };
        for at in 0..size {
            cluster.restart(at);
        }
        cluster.wait();
        cluster
    }

    /// Starts a member again.
    pub(crate) fn restart(&mut self, at: usize) {
        let member = &mut self.members[at];
        let mut command = Command::new(&member.binary);
        command.args(&member.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        member.process = Some(command.spawn().unwrap());
    }

    /// Kills a member at once.
    pub(crate) fn kill(&mut self, at: usize) {
        let mut process = self.members[at].process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Where clients reach the members.
    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| format!("http://127.0.0.1:{}", member.client)).collect()
    }

    /// The ports of the members.
    pub(crate) fn ports(&self) -> impl Iterator<Item = u16> {
        self.members.iter().map(|member| member.client)
    }

    /// Asks the first member something by its gateway for JSON.
    pub(crate) fn gateway(&self, path: &str, body: &str) -> String {
        let length = body.len();
        let answer = self.http(&format!(
            "POST {path} HTTP/1.0\r\nHost: etcd\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        assert!(answer.split(' ').nth(1) == Some("200"), "{path}: {answer}");
        answer
    }

    /// Takes back the alarms that stop it from writing. A member has to be named: one of 3.4 takes back nothing
    /// otherwise.
    pub(crate) fn disarm(&self) {
        let answer = self.gateway("/v3/maintenance/alarm", r#"{"action":"GET"}"#);
        let members = answer.split("\"memberID\":\"").skip(1).filter_map(|rest| rest.split('"').next());
        for member in members {
            let alarm = format!(r#"{{"action":"DEACTIVATE","alarm":"NOSPACE","memberID":"{member}"}}"#);
            self.gateway("/v3/maintenance/alarm", &alarm);
        }
    }

    /// How often the first member was called by a method, by its own account.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        let metrics = self.http("GET /metrics HTTP/1.0\r\nHost: etcd\r\n\r\n");
        let named = format!("grpc_method=\"{method}\"");
        let started = |line: &&str| line.starts_with("grpc_server_started_total{") && line.contains(&named);
        let line = metrics.lines().find(started);
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
    }

    fn http(&self, request: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.members[0].client)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        answer
    }

    /// Options for a store on it that does not wait long.
    pub(crate) fn options(&self) -> EtcdOptions {
        EtcdOptions { timeout: Duration::from_secs(10), ..EtcdOptions::new(self.endpoints()) }
    }

    /// A store on it.
    pub(crate) async fn open(&self) -> Etcd {
        self.open_with(self.options()).await
    }

    /// A store on it, once it has a leader.
    pub(crate) async fn open_with(&self, options: EtcdOptions) -> Etcd {
        let begun = Instant::now();
        loop {
            match Etcd::connect(options.clone()).await {
                Ok(store) => return store,
                Err(error) if begun.elapsed() > Duration::from_secs(60) => panic!("{error}"),
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// Waits until every member listens. One that could not have its port, because somebody's connection held it for
    /// a moment, is started again.
    fn wait(&mut self) {
        let begun = Instant::now();
        for at in 0..self.members.len() {
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.members[at].client)).is_err() {
                assert!(begun.elapsed() < Duration::from_secs(60), "etcd does not start");
                if self.has_ended(at) {
                    self.restart(at);
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn has_ended(&mut self, at: usize) -> bool {
        let process = self.members[at].process.as_mut();
        process.is_some_and(|process| process.try_wait().unwrap().is_some())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for process in self.members.iter_mut().filter_map(|member| member.process.as_mut()) {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
