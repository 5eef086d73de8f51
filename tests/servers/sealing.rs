//! Sealing while a server runs: a KMS plugin that comes and goes, a configuration that changes, and values that are
//! sealed again in the background, by a server that is killed meanwhile.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portcullis_storage::{Etcd, EtcdOptions, Range, Store as _};
use serde_json::json;

use crate::kms_plugin::Plugin;
use crate::members::{Cluster, binaries};
use crate::wire::Client;
use crate::world::Server;

const SECRETS: &str = "/api/v1/namespaces/default/secrets";
const CANARY: &str = "dG9wLXNlY3JldC1jYW5hcnk=";
/// 32 bytes in base64.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A configuration file, its plugin and the etcd below.
struct Bench {
    etcd: Cluster,
    plugin: Plugin,
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
}

impl Bench {
    fn start(binary: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugin = Plugin::start(&folder.path().join("kms.sock"));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        Self { etcd: Cluster::start(binary, 1, &[]), plugin, folder, runtime }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("encryption.yaml")
    }

    fn kms(&self, timeout: &str) -> String {
        let socket = self.folder.path().join("kms.sock");
        format!(
            "{{kms: {{apiVersion: v2, name: vault, endpoint: 'unix://{}', timeout: {timeout}}}}}",
            socket.display()
        )
    }

    /// Puts a configuration in the place of the one before, as a whole.
    fn configure(&self, providers: &[&str]) {
        self.put(&format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n\
             - resources: [secrets]\n  providers: [{}]\n",
            providers.join(", ")
        ));
    }

    fn put(&self, text: &str) {
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, text).unwrap();
        std::fs::rename(fresh, self.file()).unwrap();
    }

    fn serve(&self, dir: PathBuf) -> Server {
        let (urls, file) = (self.etcd.endpoints().join(","), self.file());
        Server::start_in(
            dir,
            &[
                "--etcd-servers",
                &urls,
                "--encryption-provider-config",
                file.to_str().unwrap(),
                "--encryption-provider-config-automatic-reload",
            ],
        )
    }

    fn restart(&self, dir: &Path) -> Server {
        let back = dir.with_extension("again");
        std::fs::rename(dir, &back).unwrap();
        self.serve(back)
    }

    /// The Secrets as they lie in etcd.
    fn raw(&self) -> Vec<bytes::Bytes> {
        self.runtime.block_on(async {
            let store = Etcd::connect(EtcdOptions::new(self.etcd.endpoints())).await.unwrap();
            let found = store.range(Range::prefix("/registry/secrets/default/")).await.unwrap().kvs;
            found.into_iter().map(|kv| kv.value).collect()
        })
    }

    /// How many Secrets lie in etcd sealed so.
    fn sealed(&self, with: &str) -> usize {
        let has = |value: &bytes::Bytes| value.windows(with.len()).any(|part| part == with.as_bytes());
        self.raw().iter().filter(|value| has(value)).count()
    }

    #[track_caller]
    fn wait_until_sealed(&self, with: &str, count: usize) {
        let begun = Instant::now();
        while self.sealed(with) < count {
            assert!(begun.elapsed() < Duration::from_secs(120), "{} of {count} by {with}", self.sealed(with));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn create(client: &Client, name: &str) {
    let secret = json!({ "metadata": { "name": name }, "data": { "k": CANARY } });
    client.post(SECRETS, &secret).is(&[201], name);
}

#[track_caller]
fn all_are_read(client: &Client, count: usize) {
    let list = client.get(SECRETS).is(&[200], "the list").tree();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), count);
    assert!(items.iter().all(|item| item["data"]["k"] == CANARY));
}

fn folder() -> PathBuf {
    tempfile::Builder::new().prefix("portcullis-sealing-").tempdir().unwrap().keep()
}

#[test]
fn g034_a_plugin_comes_and_goes_and_turns_its_key_while_a_server_runs() {
    for binary in binaries().into_iter().take(1) {
        let mut bench = Bench::start(&binary);
        let kms = bench.kms("3s");
        bench.configure(&[&kms, "{identity: {}}"]);
        let server = bench.serve(folder());
        (0..5).for_each(|n| create(&server.admin, &format!("a{n}")));
        assert_eq!(bench.sealed("key-1"), 5);

        // Gone for a while: what is at hand is read, and written with.
        bench.plugin.stop();
        all_are_read(&server.admin, 5);
        create(&server.admin, "coasted");
        // A start waits for it.
        let dir = server.stop_for_restart();
        let (socket, behaviour) = (bench.folder.path().join("kms.sock"), bench.plugin.keys());
        let (plugin, server) = std::thread::scope(|scope| {
            let starting = scope.spawn(|| bench.restart(&dir));
            std::thread::sleep(Duration::from_millis(1500));
            assert!(!starting.is_finished(), "it starts without its plugin");
            (Plugin::resume(&socket, behaviour), starting.join().unwrap())
        });
        bench.plugin = plugin;
        all_are_read(&server.admin, 6);

        // Another key: what is written from now on has it, and what there is gets it.
        bench.plugin.behaviour().key_id = "key-2".to_owned();
        let slower = bench.kms("4s");
        bench.configure(&[&slower, "{identity: {}}"]);
        bench.wait_until_sealed("key-2", 6);
        create(&server.admin, "after");
        assert_eq!(bench.sealed("key-2"), 7);
        all_are_read(&server.admin, 7);
        server.admin.get("/readyz/kms-providers").is(&[200], "the plugin is well");
    }
}

#[test]
fn another_configuration_is_put_to_use_and_what_there_is_sealed_again_by_it_also_after_a_kill() {
    for binary in binaries().into_iter().take(1) {
        let bench = Bench::start(&binary);
        bench.configure(&["{identity: {}}"]);
        let server = bench.serve(folder());
        let count = 300;
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let client = &server.admin;
                scope.spawn(move || (0..count / 3).for_each(|n| create(client, &format!("s{thread}-{n}"))));
            }
        });
        assert_eq!(bench.sealed(CANARY), count);

        // A mistake changes nothing.
        bench.put("resources: [");
        let begun = Instant::now();
        while !server.log().contains("encryption-provider-config") {
            assert!(begun.elapsed() < Duration::from_secs(30), "{}", server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        create(&server.admin, "meanwhile");

        let aesgcm = format!("{{aesgcm: {{keys: [{{name: one, secret: {KEY}}}]}}}}");
        bench.configure(&[&aesgcm, "{identity: {}}"]);
        bench.wait_until_sealed("k8s:enc:aesgcm:v1:one:", 1);
        let dir = server.kill();
        let (before, all) = (bench.sealed("k8s:enc:aesgcm:v1:one:"), count + 1);
        println!("killed after {before} of {all}");
        let server = bench.restart(&dir);
        bench.wait_until_sealed("k8s:enc:aesgcm:v1:one:", all);
        assert_eq!(bench.sealed(CANARY), 0, "nothing lies open");
        all_are_read(&server.admin, all);

        // By the plugin from now on, the key of the file only to read with.
        let kms = bench.kms("3s");
        bench.configure(&[&kms, &aesgcm]);
        bench.wait_until_sealed("k8s:enc:kms:v2:vault:", all);
        all_are_read(&server.admin, all);
        let check = std::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["store", "check", "--output", "json", "--etcd-servers"])
            .arg(bench.etcd.endpoints().join(","))
            .arg("--encryption-provider-config")
            .arg(bench.file())
            .arg("--data-dir")
            .arg(server.data())
            .output()
            .unwrap();
        let told: serde_json::Value =
            serde_json::from_slice(&check.stdout).unwrap_or_else(|error| panic!("{error}: {check:?}"));
        assert_eq!((&told["sealedOtherwise"], &told["damaged"]), (&json!(0), &json!([])), "{told}");
    }
}
