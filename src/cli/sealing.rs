//! How values are sealed in the store: by `--encryption-provider-config`, or, in the embedded store, Secrets
//! by a key of this machine's own.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_apiserver::{Check, Health};
use portcullis_storage::{Codec, Encryption, LiveEncryption, OwnKey, Placed, Plain, Range, Store};
use tokio::sync::{mpsc, watch};
use zeroize::Zeroizing;

use super::Failure;
use super::options::ServeOptions;
use super::paths::DataDir;
use super::reload::Reloader;

const FLAG: &str = "--encryption-provider-config";
const KEY_BYTES: usize = 32;
/// How long a start waits for KMS plugins, and how often a new configuration's are asked again.
const PLUGINS_WITHIN: Duration = Duration::from_secs(60);
const PLUGINS_AGAIN: Duration = Duration::from_secs(10);
/// Keys that are looked at together, and at every start.
const LOOK_AT: usize = 1000;

/// What the flags and the data directory say about sealing; nothing is made or asked yet.
pub(crate) struct Plan {
    configured: Option<Encryption>,
    own: Option<Vec<OwnKey>>,
    /// Where the keys of this machine are.
    keys: PathBuf,
    on_etcd: bool,
    prefix: String,
}

/// What seals and opens values.
pub(crate) struct Sealing {
    codec: Arc<dyn Codec>,
    live: Option<Arc<LiveEncryption>>,
}

impl Plan {
    /// Reads them. A mistake ends here, before anything is touched.
    pub(crate) fn read(options: &ServeOptions, dir: &DataDir) -> Result<Self, Failure> {
        let reload = options.encryption_provider_config_automatic_reload == Some(true);
        let configured = match &options.encryption_provider_config {
            Some(file) => Some(parse(file)?),
            None if reload => {
                let what = format!("{FLAG}-automatic-reload must be set with {FLAG}");
                return Err(Failure::new(what).fix("name the file that is to be read again"));
            }
            None => None,
        };
        let keys = dir.encryption_keys();
        Ok(Self {
            configured,
            own: read_keys(&keys)?,
            keys,
            on_etcd: options.etcd_servers.as_ref().is_some_and(|servers| !servers.is_empty()),
            prefix: options.etcd_prefix.clone().unwrap_or_else(|| "/registry".to_owned()),
        })
    }

    /// What a server seals and opens values by. The machine's own key is made if it is needed and missing, unless
    /// there are values that it has sealed.
    pub(crate) async fn serving(self, engine: &dyn Store) -> Result<Sealing, Failure> {
        let sealing = self.sealing(engine, true).await?;
        sealing.wait_for_plugins().await?;
        Ok(sealing)
    }

    /// What opens values, for those who only look: no key is made, no plugin need be well.
    pub(crate) async fn looking(self, engine: &dyn Store) -> Result<Arc<dyn Codec>, Failure> {
        let sealing = self.sealing(engine, false).await?;
        if let Some(live) = &sealing.live
            && let Err(why) = live.current().prime().await
        {
            tracing::warn!(why, "What the KMS plugin would seal otherwise now is not known");
        }
        Ok(sealing.codec)
    }

    /// Whether a Secret that is stored now cannot be read in the store: it is sealed and looked at, unless a KMS
    /// plugin would have to be asked.
    pub(crate) fn seals_secrets(self) -> Result<bool, String> {
        let encryption = match (self.configured, self.own) {
            (Some(configured), own) => configured.reading(own.unwrap_or_default()),
            (None, _) if self.on_etcd => return Ok(false),
            (None, own) => Encryption::own(own.unwrap_or_default(), placed(), plain()),
        };
        let key = "/registry/secrets/default/x";
        if encryption.asks_plugin(key) {
            return Ok(true);
        }
        let plain = bytes::Bytes::from_static(br#"{"data":{"x":"cG9zdHVyZQ=="}}"#);
        let stored = encryption.seal(key, plain).map_err(|error| error.to_string())?;
        Ok(!stored.windows(10).any(|part| part == b"cG9zdHVyZQ"))
    }

    /// Makes the key that a first start would make.
    #[cfg(test)]
    pub(crate) fn prepare(self) {
        if self.configured.is_none() && !self.on_etcd && self.own.is_none() {
            make_key(&self.keys).unwrap();
        }
    }

    async fn sealing(self, engine: &dyn Store, make: bool) -> Result<Sealing, Failure> {
        let (lost, configured) = (self.own.is_none(), self.configured.is_some());
        let mut encryption = match (self.configured, self.own) {
            (Some(configured), own) => configured.reading(own.unwrap_or_default()),
            // In etcd others read too, so only a format of upstream's is written there, and only when asked for.
            (None, _) if self.on_etcd => return Ok(Sealing { codec: plain(), live: None }),
            (None, own) => Encryption::own(own.unwrap_or_default(), placed(), plain()),
        };
        if !self.on_etcd && make {
            refuse_unknown(engine, &encryption, lost).await?;
        }
        if lost && !configured && make {
            encryption = Encryption::own(make_key(&self.keys)?, placed(), plain());
        }
        let live = Arc::new(LiveEncryption::new(encryption.below(&self.prefix)));
        Ok(Sealing { codec: live.clone(), live: Some(live) })
    }
}

impl Sealing {
    /// Seals and opens values.
    pub(crate) fn codec(&self) -> Arc<dyn Codec> {
        self.codec.clone()
    }

    /// Tells when values can be opened, or are to be sealed, that were not before.
    pub(crate) fn changed(&self) -> Option<watch::Receiver<u64>> {
        self.live.as_ref().map(|live| live.changed())
    }

    /// Adds what `/readyz` asks of KMS plugins, if there may be any.
    pub(crate) fn checked_by(&self, health: Health, options: &ServeOptions) -> Health {
        let Some(live) = self.live.clone() else { return health };
        let reloads = options.encryption_provider_config_automatic_reload == Some(true);
        if !reloads && !live.current().uses_kms() {
            return health;
        }
        health.ready(Check::new("kms-providers", move || live.current().health()))
    }

    /// Reads the configuration again whenever it changes, if that is asked for.
    pub(crate) fn reload(&self, options: &ServeOptions, reloader: &mut Reloader) {
        let reloads = options.encryption_provider_config_automatic_reload == Some(true);
        let (Some(live), Some(file), true) = (&self.live, &options.encryption_provider_config, reloads)
        else {
            return;
        };
        let (send, next) = mpsc::unbounded_channel();
        let (prefix, path) = (options.etcd_prefix.clone(), file.clone());
        let keys = DataDir::resolve(options.data_dir.as_deref()).map(|dir| dir.encryption_keys());
        reloader.watch(FLAG, vec![file.clone()], move || {
            let own = keys.as_ref().ok().map(|keys| read_keys(keys)).transpose()?.flatten();
            let encryption = parse(&path)?.reading(own.unwrap_or_default());
            let encryption = encryption.below(prefix.as_deref().unwrap_or("/registry"));
            // Nobody receives it any more when the server ends.
            let _ = send.send(encryption);
            Ok(())
        });
        tokio::spawn(exchange(Arc::downgrade(live), next));
    }

    /// A start waits for KMS plugins, which may be started beside this server.
    async fn wait_for_plugins(&self) -> Result<(), Failure> {
        let Some(live) = &self.live else { return Ok(()) };
        let begun = Instant::now();
        while let Err(why) = live.current().prime().await {
            if begun.elapsed() > PLUGINS_WITHIN {
                return Err(Failure::because("a KMS plugin gives no key", why)
                    .fix("start the plugin that the configuration names, or mend it"));
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        live.current().keep_probing();
        Ok(())
    }
}

/// Puts each new configuration into use once its plugins are well; until then the old one stays.
async fn exchange(live: Weak<LiveEncryption>, mut configurations: mpsc::UnboundedReceiver<Encryption>) {
    let Some(mut next) = configurations.recv().await else { return };
    loop {
        let primed = next.prime().await;
        let Some(live) = live.upgrade() else { return };
        let newer = match primed {
            Ok(()) => {
                live.replace(next);
                tracing::info!("Values are sealed by the new configuration");
                drop(live);
                configurations.recv().await
            }
            Err(why) => {
                drop(live);
                tracing::error!(
                    why,
                    "The new configuration's KMS plugin is not well; the old one stays in use"
                );
                tokio::select! {
                    newer = configurations.recv() => newer,
                    () = tokio::time::sleep(PLUGINS_AGAIN) => Some(next),
                }
            }
        };
        match newer {
            Some(newer) => next = newer,
            None => return,
        }
    }
}

fn plain() -> Arc<dyn Codec> {
    Arc::new(Plain::new(Arc::new(foreign)))
}

fn parse(file: &Path) -> Result<Encryption, Failure> {
    let text = Zeroizing::new(
        std::fs::read_to_string(file)
            .map_err(|error| Failure::caused(format!("{FLAG} {} cannot be read", file.display()), &error))?,
    );
    let parsed = Encryption::parse(&text, placed(), plain());
    parsed.map_err(|why| Failure::because(format!("{FLAG} {} cannot be used", file.display()), why))
}

/// Refuses a store with values that nothing here can have sealed. Where the machine's own keys are there only
/// the first Secrets are looked at.
async fn refuse_unknown(engine: &dyn Store, encryption: &Encryption, lost: bool) -> Result<(), Failure> {
    let unreadable = |error| Failure::caused("the store cannot be read", &error);
    let mut range = Range::prefix(if lost { "/registry/" } else { "/registry/secrets/" }).limit(LOOK_AT);
    loop {
        let page = engine.range(range.clone()).await.map_err(unreadable)?;
        if let Some(kv) = page.kvs.iter().find(|kv| !encryption.knows(&kv.key, &kv.value)) {
            return Err(unknown(&kv.key, &kv.value));
        }
        match page.kvs.last().filter(|_| page.more && lost) {
            Some(last) => range.start = format!("{}\0", last.key),
            None => return Ok(()),
        }
    }
}

fn unknown(key: &str, value: &[u8]) -> Failure {
    let mut parts = value.splitn(6, |byte| *byte == b':').skip(2);
    let mut part = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (scheme, _, name) = (part(), part(), part());
    if scheme == "portcullis" {
        Failure::new(format!(
            "{key} and perhaps others are sealed by the key {name:?} of encryption.key, which is not there"
        ))
        .fix("restore encryption.key from a backup: without it the Secrets in the store cannot be read")
    } else {
        Failure::new(format!(
            "{key} and perhaps others are sealed by the {scheme} key {name:?}, which is not configured"
        ))
        .fix(format!("name its configuration with {FLAG}"))
    }
}

/// The keys of this machine, the one that writes first; `None` if there is no file.
fn read_keys(path: &Path) -> Result<Option<Vec<OwnKey>>, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::because(format!("the encryption keys {} cannot be used", path.display()), why)
            .fix("restore the file from a backup: without it the Secrets in the store cannot be read")
    };
    let found = match std::fs::metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    if found.permissions().mode() & 0o077 != 0 {
        return Err(failed(&"others may read it").fix(format!("chmod 600 {}", path.display())));
    }
    let text = Zeroizing::new(std::fs::read_to_string(path).map_err(|error| failed(&error))?);
    let keys: Option<Vec<OwnKey>> =
        text.lines().filter(|line| !line.trim().is_empty()).map(own_key).collect();
    match keys {
        Some(keys) if !keys.is_empty() => Ok(Some(keys)),
        _ => Err(failed(&"its lines are not a name and a key of 32 bytes in base64")),
    }
}

fn own_key(line: &str) -> Option<OwnKey> {
    let (name, secret) = line.split_once(' ')?;
    let secret = Zeroizing::new(STANDARD.decode(secret.trim()).ok()?);
    let named = !name.is_empty() && !name.contains(':');
    (named && secret.len() == KEY_BYTES).then(|| OwnKey { name: name.to_owned(), secret })
}

/// Makes a first key, readable by its owner alone.
fn make_key(path: &Path) -> Result<Vec<OwnKey>, Failure> {
    let failed =
        |error: std::io::Error| Failure::caused(format!("{} cannot be written", path.display()), &error);
    let mut secret = Zeroizing::new(vec![0; KEY_BYTES]);
    aws_lc_rs::rand::fill(&mut secret).map_err(|_| Failure::new("the system gives no random numbers"))?;
    // Named at random, so that a key that was lost is not taken for another of its name.
    let name = uuid::Uuid::new_v4().simple().to_string();
    let line = Zeroizing::new(format!("{name} {}\n", STANDARD.encode(&*secret)));
    let fresh = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(failed)?;
    file.write_all(line.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
    std::fs::rename(&fresh, path).map_err(failed)?;
    Ok(vec![OwnKey { name, secret }])
}

/// Which resource a storage key belongs to.
pub(crate) fn placed() -> Placed {
    let mut places: Vec<(String, String, String)> = Vec::new();
    for row in portcullis_schema::rows() {
        let Some(store) = &row.store else { continue };
        let (group, resource) = (row.gvr.gv.group.to_string(), row.gvr.resource.to_string());
        places.push((format!("{}/", store.prefix), group, resource));
    }
    // Kinds that share a prefix are named by the older group, as upstream does; longer prefixes go first.
    places.sort_by(|one, other| other.0.len().cmp(&one.0.len()).then(one.1.len().cmp(&other.1.len())));
    Arc::new(move |key| {
        let built_in = places.iter().find(|(prefix, ..)| key.starts_with(prefix));
        built_in.map(|(_, group, resource)| (group.clone(), resource.clone())).or_else(|| custom(key))
    })
}

/// `/registry/<group>/<resource>/…`
fn custom(key: &str) -> Option<(String, String)> {
    let mut parts = key.strip_prefix("/registry/")?.split('/');
    let (group, resource) = (parts.next()?, parts.next()?);
    group.contains('.').then(|| (group.to_owned(), resource.to_owned()))
}

/// What upstream's servers store otherwise, as this server would.
fn foreign(key: &str, stored: &[u8]) -> Option<Result<Vec<u8>, String>> {
    let read = portcullis_schema::read_stored(key, stored)?;
    let object = read.map_err(|error| error.message().to_owned());
    Some(object.and_then(|object| serde_json::to_vec(object.map()).map_err(|error| error.to_string())))
}

#[cfg(test)]
mod tests {
    use portcullis_storage::{Embedded, Options, Txn};

    use super::*;

    #[test]
    fn keys_are_made_once_and_are_their_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("encryption.key");
        assert!(read_keys(&path).unwrap().is_none());
        let made = make_key(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let found = read_keys(&path).unwrap().unwrap();
        assert_eq!((&found[0].name, &found[0].secret), (&made[0].name, &made[0].secret));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(read_keys(&path).unwrap_err().to_string().contains("others may read it"));
    }

    fn plan(dir: &DataDir) -> Result<Plan, Failure> {
        Plan::read(&ServeOptions::default(), dir)
    }

    fn store(dir: &DataDir) -> Embedded {
        Embedded::open(Options::new(dir.store())).unwrap()
    }

    #[test]
    fn a_damaged_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        std::fs::write(dir.encryption_keys(), "key1 short\n").unwrap();
        std::fs::set_permissions(dir.encryption_keys(), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(plan(&dir).is_err());
    }

    #[tokio::test]
    async fn looking_makes_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        let store = store(&dir);
        plan(&dir).unwrap().looking(&store).await.unwrap();
        assert!(!dir.encryption_keys().exists());
        plan(&dir).unwrap().serving(&store).await.unwrap();
        assert!(dir.encryption_keys().exists());
    }

    #[tokio::test]
    async fn a021_a_lost_key_is_not_replaced_while_there_is_something_it_has_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        let store = store(&dir);
        let key: portcullis_storage::Key = "/registry/secrets/ns/a".into();
        let sealing = plan(&dir).unwrap().serving(&store).await.unwrap();
        let sealed = sealing.codec().seal(&key, "{}".into()).unwrap();
        store.commit(Txn::create(key, sealed)).await.unwrap();
        plan(&dir).unwrap().serving(&store).await.unwrap();

        let kept = std::fs::read(dir.encryption_keys()).unwrap();
        std::fs::remove_file(dir.encryption_keys()).unwrap();
        let refused = plan(&dir).unwrap().serving(&store).await.err().unwrap().to_string();
        assert!(
            refused.contains("encryption.key, which is not there") && refused.contains("fix: restore"),
            "{refused}"
        );
        assert!(!dir.encryption_keys().exists());
        // A key that another machine made is no better than none.
        make_key(&dir.encryption_keys()).unwrap();
        assert!(plan(&dir).unwrap().serving(&store).await.is_err());
        std::fs::write(dir.encryption_keys(), kept).unwrap();
        plan(&dir).unwrap().serving(&store).await.unwrap();
    }

    #[tokio::test]
    async fn values_of_a_provider_that_is_not_configured_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        let store = store(&dir);
        let sealed = "k8s:enc:aescbc:v1:key7:whatever".into();
        store.commit(Txn::create("/registry/configmaps/ns/a".into(), sealed)).await.unwrap();
        let refused = plan(&dir).unwrap().serving(&store).await.err().unwrap().to_string();
        assert!(refused.contains("sealed by the aescbc key \"key7\", which is not configured"), "{refused}");
    }

    #[test]
    fn reloading_needs_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        let options = ServeOptions {
            encryption_provider_config_automatic_reload: Some(true),
            ..ServeOptions::default()
        };
        let refused = Plan::read(&options, &dir).err().unwrap().to_string();
        assert!(refused.starts_with(
            "--encryption-provider-config-automatic-reload must be set with --encryption-provider-config"
        ));
    }

    #[test]
    fn storage_keys_are_placed_in_their_resource() {
        let placed = placed();
        let place = |key: &str| placed(key).unwrap();
        assert_eq!(place("/registry/secrets/ns/a"), (String::new(), "secrets".to_owned()));
        assert_eq!(place("/registry/services/specs/ns/a"), (String::new(), "services".to_owned()));
        assert_eq!(place("/registry/minions/n"), (String::new(), "nodes".to_owned()));
        assert_eq!(place("/registry/events/ns/e"), (String::new(), "events".to_owned()));
        assert_eq!(place("/registry/deployments/ns/a"), ("apps".to_owned(), "deployments".to_owned()));
        assert_eq!(
            place("/registry/example.com/pandas/ns/a"),
            ("example.com".to_owned(), "pandas".to_owned())
        );
    }
}
