//! An upstream kube-apiserver on the etcd of one of ours, with its authorities and keys.

use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::members::Cluster;
use crate::wire::Client;
use crate::world::Server;

/// The binary, if one is named.
pub(crate) fn binary() -> Option<PathBuf> {
    let named = std::env::var_os("PORTCULLIS_KUBE_APISERVER").filter(|path| !path.is_empty());
    if named.is_none() {
        // Past the harness, which keeps what a passing test prints.
        std::io::stderr().write_all(b"SKIPPED: PORTCULLIS_KUBE_APISERVER names no kube-apiserver\n").unwrap();
    }
    named.map(PathBuf::from)
}

/// A running one; it is killed when dropped.
pub(crate) struct Upstream {
    process: Child,
    pub(crate) admin: Client,
}

impl Upstream {
    /// Starts one beside a server of ours.
    pub(crate) fn start(etcd: &Cluster, ours: &Server, flags: &[&str]) -> Option<Self> {
        let binary = binary()?;
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        let log = std::fs::File::create(ours.dir.join("kube-apiserver.log")).unwrap();
        let process = Command::new(binary)
            .args(arguments(etcd, ours, address))
            .args(flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut upstream = Self { process, admin: ours.admin.at(address) };
        upstream.wait(ours);
        Some(upstream)
    }

    fn wait(&mut self, ours: &Server) {
        let begun = Instant::now();
        while self.admin.get("/readyz").code != 200 {
            let log = || std::fs::read_to_string(ours.dir.join("kube-apiserver.log")).unwrap();
            assert!(self.process.try_wait().unwrap().is_none(), "kube-apiserver ended: {}", log());
            assert!(begun.elapsed() < Duration::from_secs(180), "kube-apiserver is not ready: {}", log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn arguments(etcd: &Cluster, ours: &Server, address: SocketAddr) -> Vec<String> {
    let file = |name: &str| ours.data().join("pki").join(name).display().to_string();
    vec![
        format!("--etcd-servers={}", etcd.endpoints().join(",")),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", address.port()),
        "--advertise-address=10.9.0.9".to_owned(),
        format!("--tls-cert-file={}", file("apiserver.crt")),
        format!("--tls-private-key-file={}", file("apiserver.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--service-account-key-file={}", file("sa.pub")),
        format!("--service-account-signing-key-file={}", file("sa.key")),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
    ]
}
