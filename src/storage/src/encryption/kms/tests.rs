//! A plugin of our own that behaves, and then does not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tempfile::TempDir;

use super::Pace;
use super::envelope::{Envelope, Seed, Source};
use super::proto::EncryptedObject;
use crate::coded::Codec as _;
use crate::encryption::tests::{KEY, VALUE, config, placed, plain};
use crate::encryption::{Encryption, LiveEncryption};
use plugin::Plugin;

#[path = "../../../tests/support/kms_plugin.rs"]
#[allow(unreachable_pub, missing_docs, dead_code, clippy::unwrap_used, reason = "shared with other tests")]
mod plugin;

const PREFIX: &str = "k8s:enc:kms:v2:vault:";

fn pace() -> Pace {
    let millis = Duration::from_millis;
    Pace { well: millis(20), ill: millis(20), written_for: Duration::from_secs(60), heard: millis(5) }
}

struct Bench {
    plugin: Plugin,
    folder: TempDir,
}

impl Bench {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let plugin = Plugin::start(&folder.path().join("kms.sock"));
        Self { plugin, folder }
    }

    fn encryption(&self) -> Encryption {
        self.encryption_at(pace())
    }

    fn encryption_at(&self, pace: Pace) -> Encryption {
        let socket = self.folder.path().join("kms.sock");
        let kms = format!(
            "[{{kms: {{apiVersion: v2, name: vault, endpoint: 'unix://{}', timeout: 500ms}}}}]",
            socket.display()
        );
        Encryption::parse_at(&config("secrets", &kms), placed(), plain(), pace).unwrap()
    }

    async fn primed(&self) -> Encryption {
        let encryption = self.encryption();
        encryption.prime().await.unwrap();
        encryption
    }

    fn calls(&self, method: &str) -> usize {
        self.plugin.behaviour().calls.get(method).copied().unwrap_or_default()
    }
}

fn seal(encryption: &Encryption) -> Bytes {
    encryption.seal(KEY, Bytes::from_static(VALUE)).unwrap()
}

async fn open(encryption: &Encryption, sealed: &Bytes) -> Result<Bytes, String> {
    let unlocking = encryption.unlock(&mut std::iter::once((KEY, &**sealed)));
    if let Some(unlocking) = unlocking {
        unlocking.await;
    }
    encryption.open(KEY, sealed.clone()).map_err(|error| error.to_string())
}

fn envelope(sealed: &Bytes) -> EncryptedObject {
    EncryptedObject::decode(sealed.strip_prefix(PREFIX.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn values_are_upstreams_and_another_server_opens_them() {
    let bench = Bench::start();
    let (one, two) = (bench.primed().await, bench.primed().await);
    let sealed = seal(&one);
    let object = envelope(&sealed);
    assert_eq!((object.key_id.as_str(), object.encrypted_dek_source_type), ("key-1", 1));
    assert_eq!(object.annotations["test.portcullis.dev"], b"kept");
    assert_ne!(sealed, seal(&one), "every value has a key of its own");
    assert_ne!(object.encrypted_dek_source, envelope(&seal(&two)).encrypted_dek_source);

    assert_eq!(open(&one, &sealed).await.unwrap(), VALUE);
    assert_eq!(bench.calls("Decrypt"), 0, "its own are opened without the plugin");
    for _ in 0..10 {
        assert_eq!(open(&two, &sealed).await.unwrap(), VALUE);
    }
    assert_eq!(bench.calls("Decrypt"), 1, "asked once for each seed");
    assert!(!two.is_stale(KEY, &sealed) && two.is_stale(KEY, VALUE));
}

#[tokio::test]
async fn g004_relocated_cut_and_changed_values_are_not_opened() {
    let bench = Bench::start();
    let encryption = bench.primed().await;
    let sealed = seal(&encryption);
    let moved = encryption.open("/registry/secrets/ns/b", sealed.clone()).unwrap_err();
    assert_eq!(moved.to_string(), "it was changed, or sealed for another key");
    for end in PREFIX.len()..sealed.len() {
        assert!(open(&encryption, &sealed.slice(..end)).await.is_err(), "cut to {end}");
    }
    let mut object = envelope(&sealed);
    let last = object.encrypted_data.len() - 1;
    object.encrypted_data[last] ^= 1;
    let changed = [PREFIX.as_bytes(), &object.encode_to_vec()].concat().into();
    assert!(open(&encryption, &changed).await.is_err());
}

/// Sealed by upstream's own code (`k8s.io/apiserver`, v1.36.2) under `/registry/secrets/ns/a` with the seed
/// or key 00 01 … 1f.
#[test]
fn what_upstream_sealed_is_opened() {
    let bytes: Vec<u8> = (0..32).collect();
    for (kind, hex) in [(1, UPSTREAM_SEED), (0, UPSTREAM_KEY)] {
        let object = hex::decode(hex).unwrap();
        let seed = Seed::opened(bytes.clone(), kind).unwrap();
        let envelope = Envelope::decode(&object).unwrap();
        assert_eq!(envelope.source.key_id, "key-1");
        let opened = envelope.open(&seed, KEY).unwrap_or_default();
        assert_eq!(opened, VALUE);
        assert!(envelope.open(&seed, "/registry/secrets/ns/b").is_err());
    }
}

#[tokio::test]
async fn g034_another_key_of_the_plugin_is_written_with_and_the_old_one_still_read() {
    let bench = Bench::start();
    let encryption = bench.primed().await;
    let old = seal(&encryption);
    bench.plugin.behaviour().key_id = "key-2".to_owned();
    encryption.prime().await.unwrap();
    let new = seal(&encryption);
    assert_eq!(envelope(&new).key_id, "key-2");
    assert!(encryption.is_stale(KEY, &old) && !encryption.is_stale(KEY, &new));
    assert_eq!(open(&encryption, &old).await.unwrap(), VALUE);
    encryption.prime().await.unwrap();
    assert_eq!(bench.calls("Encrypt"), 2, "one seed a key");
}

#[tokio::test]
async fn a_plugin_that_claims_another_key_than_it_writes_with_is_not_believed() {
    let bench = Bench::start();
    let encryption = bench.primed().await;
    let before = envelope(&seal(&encryption));
    bench.plugin.behaviour().claims = Some("key-9".to_owned());
    let why = encryption.prime().await.unwrap_err();
    assert!(why.contains("Encrypt names another key than Status"), "{why}");
    assert_eq!(envelope(&seal(&encryption)).encrypted_dek_source, before.encrypted_dek_source, "coasts");
}

#[tokio::test]
async fn a_sick_plugin_is_coasted_on_for_a_while_and_then_nothing_is_written() {
    let mut bench = Bench::start();
    let pace = Pace { written_for: Duration::from_secs(2), ..pace() };
    let encryption = Arc::new(bench.encryption_at(pace));
    encryption.prime().await.unwrap();
    let (sealed, other) = (seal(&encryption), seal(&bench.primed().await));
    encryption.keep_probing();
    let (watching, socket) = (encryption.clone(), bench.folder.path().to_owned());
    bench.plugin.stop();
    let failed = |encryption: &Encryption| encryption.seal(KEY, Bytes::from_static(VALUE)).err();
    let begun = std::time::Instant::now();
    while failed(&watching).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it never expires");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(failed(&watching).unwrap().to_string().contains("expired"));
    assert!(encryption.health().unwrap_err().contains("kms-provider-0"));
    assert_eq!(open(&encryption, &sealed).await.unwrap(), VALUE, "what is at hand is still read");
    assert!(open(&encryption, &other).await.unwrap_err().contains("did not open its key"));

    let mut changed = encryption.changed.subscribe();
    bench.plugin = Plugin::start(&socket.join("kms.sock"));
    bench.plugin.behaviour().refuses = true;
    tokio::time::timeout(Duration::from_secs(60), changed.changed()).await.unwrap().unwrap();
    encryption.health().unwrap();
    seal(&encryption);
}

#[tokio::test]
async fn slow_answers_garbage_and_lies_are_refused_in_time() {
    let bench = Bench::start();
    let sealed = seal(&bench.primed().await);
    let refused = |change: fn(&mut plugin::Behaviour)| {
        change(&mut bench.plugin.behaviour());
        let encryption = bench.encryption();
        async move { encryption.prime().await.unwrap_err() }
    };
    bench.plugin.behaviour().lies = true;
    let lied = bench.primed().await;
    assert_eq!(open(&lied, &sealed).await.unwrap_err(), "it was changed, or sealed for another key");
    bench.plugin.behaviour().lies = false;

    let slow = refused(|plugin| plugin.delay = Duration::from_secs(3600)).await;
    assert!(slow.contains("no answer in 500ms"), "{slow}");
    bench.plugin.behaviour().delay = Duration::ZERO;
    refused(|plugin| plugin.garbage = true).await;
    bench.plugin.behaviour().garbage = false;
    let sick = refused(|plugin| plugin.healthz = "vault is sealed".to_owned()).await;
    assert_eq!(
        sick,
        "kms-provider-0: kmsv2 Provider vault is not healthy, error: got unexpected healthz status: vault is sealed"
    );
    bench.plugin.behaviour().healthz = "ok".to_owned();
    let version = refused(|plugin| plugin.version = "v3".to_owned()).await;
    assert!(version.ends_with("error: expected KMSv2 API version v2, got v3"), "{version}");
    bench.plugin.behaviour().version = "v2".to_owned();
    let large = refused(|plugin| plugin.padding = 2000).await;
    assert!(
        large.contains("encrypted DEK source is 2032 bytes, which exceeds the max size of 1024"),
        "{large}"
    );
    bench.plugin.behaviour().padding = 0;
    let odd = refused(|plugin| plugin.annotations = vec![("odd".to_owned(), vec![])]).await;
    assert!(odd.contains("failed to validate annotations"), "{odd}");
    bench.plugin.behaviour().annotations.clear();
    let none = refused(|plugin| plugin.key_id = String::new()).await;
    assert!(none.contains("keyID is empty"), "{none}");
}

#[tokio::test]
async fn a_version_that_changes_is_noticed() {
    let bench = Bench::start();
    let encryption = bench.primed().await;
    bench.plugin.behaviour().version = "v2beta1".to_owned();
    let why = encryption.prime().await.unwrap_err();
    assert!(why.ends_with("after the initial status response version v2, got v2beta1"), "{why}");
}

#[tokio::test]
async fn many_keys_are_opened_at_once_and_a_dead_plugin_is_asked_once() {
    let mut bench = Bench::start();
    let mut sealed = Vec::new();
    for number in 0..20 {
        bench.plugin.behaviour().key_id = format!("key-{number}");
        sealed.push(seal(&bench.primed().await));
    }
    let values = || sealed.iter().map(|sealed| (KEY, &**sealed));
    let reader = bench.encryption();
    reader.unlock(&mut values()).unwrap().await;
    assert!(sealed.iter().all(|sealed| reader.open(KEY, sealed.clone()).unwrap() == VALUE));
    assert!(reader.unlock(&mut values()).is_none());

    // Once it did not answer it is left alone, until a probe finds it well.
    let reader = bench.encryption_at(Pace { ill: Duration::from_secs(3600), ..pace() });
    bench.plugin.stop();
    reader.unlock(&mut values()).unwrap().await;
    let (socket, keys) = (bench.folder.path().join("kms.sock"), bench.plugin.keys());
    bench.plugin = Plugin::resume(&socket, keys);
    let asked = bench.calls("Decrypt");
    reader.unlock(&mut values()).unwrap().await;
    assert_eq!(bench.calls("Decrypt"), asked);
    assert!(sealed.iter().all(|sealed| reader.open(KEY, sealed.clone()).is_err()));
    reader.prime().await.unwrap();
    reader.unlock(&mut values()).unwrap().await;
    assert!(sealed.iter().all(|sealed| reader.open(KEY, sealed.clone()).unwrap() == VALUE));
}

#[tokio::test]
async fn another_encryption_is_put_into_use_whole() {
    let bench = Bench::start();
    let first = Encryption::parse(&config("secrets", "[{identity: {}}]"), placed(), plain()).unwrap();
    let live = LiveEncryption::new(first);
    let mut changed = live.changed();
    assert_eq!(live.seal(KEY, Bytes::from_static(VALUE)).unwrap(), VALUE);
    live.replace(bench.primed().await);
    assert!(changed.has_changed().unwrap());
    changed.mark_unchanged();
    let sealed = live.seal(KEY, Bytes::from_static(VALUE)).unwrap();
    assert!(sealed.starts_with(PREFIX.as_bytes()));
    // What its plugin makes readable later is told by the same channel.
    let other = seal(&bench.primed().await);
    bench.plugin.behaviour().refuses = true;
    assert!(live.open(KEY, other).is_err());
    tokio::time::timeout(Duration::from_secs(60), changed.changed()).await.unwrap().unwrap();
}

#[test]
fn a_source_is_told_from_others_whatever_is_in_it() {
    let source = |sealed: &[u8], key_id: &str| Source::derived(sealed.to_vec(), key_id.to_owned(), [].into());
    assert_ne!(source(b"ab", "c").id(), source(b"a", "bc").id());
    let mut annotated = source(b"ab", "c");
    annotated.annotations.insert("a.b".to_owned(), b"c".to_vec());
    assert_ne!(annotated.id(), source(b"ab", "c").id());
}

const UPSTREAM_SEED: &str = "0a4de5a274b025d45623830f873d6de653720ad9c7c7a8906c956532f303f756b64e156728e63277d9a63df8549dd668d606\
    a98fa2e1e5645c4aceaa89221ffb7308025aee8c4025d214eb9a1f008f12056b65792d311a067365616c6564221b0a137465\
    73742e706f727463756c6c69732e64657612046b6570742801";
const UPSTREAM_KEY: &str = "0a2db25dc63f16d4c08cb274bc83620f49ed6a03e069086031f96b5214908cb3c2f45d9bc729ce16f1cfaff2479b3612056b\
    65792d311a067365616c6564221b0a13746573742e706f727463756c6c69732e64657612046b657074";
