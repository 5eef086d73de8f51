//! How values are sealed in the store: by `--encryption-provider-config`, or, in the embedded store, Secrets
//! by a key of this machine's own.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_storage::{Codec, Encryption, OwnKey, Placed, Plain};
use zeroize::Zeroizing;

use super::Failure;
use super::options::ServeOptions;
use super::paths::DataDir;

const FLAG: &str = "--encryption-provider-config";
const KEY_BYTES: usize = 32;

/// What seals and opens values. The machine's own key is made if it is needed and missing.
pub(crate) fn codec(options: &ServeOptions, dir: &DataDir) -> Result<Arc<dyn Codec>, Failure> {
    build(options, dir, make_key)
}

/// What opens values, for those who only look: no key is made.
pub(crate) fn opening(options: &ServeOptions, dir: &DataDir) -> Result<Arc<dyn Codec>, Failure> {
    build(options, dir, |_| Ok(Vec::new()))
}

fn build(
    options: &ServeOptions,
    dir: &DataDir,
    missing: fn(&Path) -> Result<Vec<OwnKey>, Failure>,
) -> Result<Arc<dyn Codec>, Failure> {
    let plain: Arc<dyn Codec> = Arc::new(Plain::new(Arc::new(foreign)));
    let on_etcd = options.etcd_servers.as_ref().is_some_and(|servers| !servers.is_empty());
    let path = dir.encryption_keys();
    let own = read_keys(&path)?;
    let encryption = match &options.encryption_provider_config {
        Some(file) => {
            let text = Zeroizing::new(std::fs::read_to_string(file).map_err(|error| {
                Failure::caused(format!("{FLAG} {} cannot be read", file.display()), &error)
            })?);
            let parsed = Encryption::parse(&text, placed(), plain);
            let parsed = parsed
                .map_err(|why| Failure::because(format!("{FLAG} {} cannot be used", file.display()), why))?;
            parsed.reading(own.unwrap_or_default())
        }
        // In etcd others read too, so only a format of upstream's is written there, and only when asked for.
        None if on_etcd => return Ok(plain),
        None => Encryption::own(own.map_or_else(|| missing(&path), Ok)?, placed(), plain),
    };
    Ok(Arc::new(encryption.below(options.etcd_prefix.as_deref().unwrap_or("/registry"))))
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

/// Upstream's protobuf values as JSON.
fn foreign(stored: &[u8]) -> Result<Vec<u8>, String> {
    let decoded =
        portcullis_schema::protobuf::decode_stored(stored).map_err(|error| error.message().to_owned())?;
    serde_json::to_vec(decoded.object.map()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
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

    #[test]
    fn a_damaged_key_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        std::fs::write(dir.encryption_keys(), "key1 short\n").unwrap();
        std::fs::set_permissions(dir.encryption_keys(), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(codec(&ServeOptions::default(), &dir).is_err());
    }

    #[test]
    fn looking_makes_no_key() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        opening(&ServeOptions::default(), &dir).unwrap();
        assert!(!dir.encryption_keys().exists());
        codec(&ServeOptions::default(), &dir).unwrap();
        assert!(dir.encryption_keys().exists());
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
