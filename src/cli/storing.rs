//! Opens the store that the flags name: etcd if its servers are given, else the embedded one.

use std::path::Path;
use std::sync::{Arc, Weak};

use portcullis_registry::Registry;
use portcullis_storage::{
    Coded, Embedded, Etcd, EtcdOptions, EtcdTls, Options, Resealed, Store, StoreError, reseal,
};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::options::ServeOptions;
use super::paths::DataDir;
use super::sealing::{Plan, Sealing};
use super::{Failure, lifetime, online, preflight};

/// A store that is being served.
pub(crate) struct Stored {
    /// The store, with what seals and opens its values above it.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sealing: Sealing,
    engine: Arc<dyn Store>,
}

/// Opens the store.
pub(crate) async fn open(options: &ServeOptions, dir: &DataDir) -> Result<Stored, Failure> {
    // First: with a mistake in it, nothing is touched.
    let plan = Plan::read(options, dir)?;
    let engine: Arc<dyn Store> = match etcd_options(options, dir)? {
        Some(etcd) => Arc::new(connect(etcd).await?),
        None => {
            let opened = Embedded::open(Options::new(dir.store()));
            Arc::new(opened.map_err(|error| preflight::store_failure(dir, &error))?)
        }
    };
    let sealing = plan.serving(&*engine).await?;
    if options.etcd_servers.as_ref().is_none_or(Vec::is_empty) {
        online::serve(engine.clone(), dir.store_socket())?;
    }
    let store = Arc::new(Coded::new(engine.clone(), sealing.codec()));
    Ok(Stored { store, sealing, engine })
}

impl Stored {
    /// Seals again what is sealed otherwise than it would be now, at once and whenever that changes; what could
    /// not be read before is then read again.
    pub(crate) fn keep(self, registry: Weak<Registry>) -> JoinHandle<()> {
        tokio::spawn(async move {
            let codec = self.sealing.codec();
            let Some(mut changed) = self.sealing.changed() else { return };
            loop {
                log(reseal(&*self.engine, &*codec, |_| ()).await);
                if changed.changed().await.is_err() {
                    return;
                }
                let Some(registry) = registry.upgrade() else { return };
                match registry.mend().await {
                    Ok(0) => {}
                    Ok(objects) => info!(objects, "Stored values can be read again"),
                    Err(error) => warn!(error = error.message(), "Stored values are not read again"),
                }
            }
        })
    }
}

fn log(resealed: Result<Resealed, StoreError>) {
    match resealed {
        Ok(done) if done.written > 0 || done.unreadable > 0 => {
            let (written, unreadable) = (done.written, done.unreadable);
            info!(written, unreadable, "Stored values were sealed again");
        }
        Ok(_) | Err(StoreError::Closed) => {}
        Err(error) => {
            warn!(error = &error as &dyn std::error::Error, "Stored values were not all sealed again");
        }
    }
}

/// Opens the store in etcd.
pub(crate) async fn connect(etcd: EtcdOptions) -> Result<Etcd, Failure> {
    let servers = etcd.endpoints.join(", ");
    Etcd::connect(etcd).await.map_err(|error| etcd_failure(&servers, &error))
}

/// How etcd is reached; `None` when none is named.
pub(crate) fn etcd_options(options: &ServeOptions, dir: &DataDir) -> Result<Option<EtcdOptions>, Failure> {
    let Some(servers) = options.etcd_servers.as_ref().filter(|servers| !servers.is_empty()) else {
        return unused(options).map(|()| None);
    };
    let mut etcd = EtcdOptions::new(servers);
    if let Some(prefix) = &options.etcd_prefix {
        etcd.prefix.clone_from(prefix);
    }
    if let Some(text) = &options.etcd_compaction_interval {
        etcd.compaction_interval = lifetime::go("--etcd-compaction-interval", text)?;
    }
    etcd.tls = tls(options)?;
    etcd.user = user(options)?;
    etcd.server = server_id(dir)?;
    Ok(Some(etcd))
}

/// Flags for etcd without etcd are a mistake that would otherwise go unnoticed.
fn unused(options: &ServeOptions) -> Result<(), Failure> {
    let given = [
        ("--etcd-cafile", options.etcd_cafile.is_some()),
        ("--etcd-certfile", options.etcd_certfile.is_some()),
        ("--etcd-keyfile", options.etcd_keyfile.is_some()),
        ("--etcd-username", options.etcd_username.is_some()),
        ("--etcd-password-file", options.etcd_password_file.is_some()),
        ("--etcd-prefix", options.etcd_prefix.is_some()),
        ("--etcd-compaction-interval", options.etcd_compaction_interval.is_some()),
    ];
    match given.into_iter().find(|(_, given)| *given) {
        Some((flag, _)) => {
            Err(Failure::new(format!("{flag} is given without --etcd-servers"))
                .fix("name etcd's client URLs"))
        }
        None => Ok(()),
    }
}

fn tls(options: &ServeOptions) -> Result<Option<EtcdTls>, Failure> {
    let identity = match (&options.etcd_certfile, &options.etcd_keyfile) {
        (Some(certificate), Some(key)) => {
            let key = read(key, "--etcd-keyfile")?.into();
            Some((read(certificate, "--etcd-certfile")?, key))
        }
        (None, None) => None,
        _ => {
            return Err(Failure::new("a certificate for etcd is given without its key, or a key without it")
                .fix("give both --etcd-certfile and --etcd-keyfile"));
        }
    };
    match &options.etcd_cafile {
        Some(path) => Ok(Some(EtcdTls { authorities: read(path, "--etcd-cafile")?, identity })),
        None if identity.is_some() => {
            Err(Failure::new("a certificate for etcd is given without --etcd-cafile")
                .fix("name the authority that etcd's own certificate is checked against"))
        }
        None => Ok(None),
    }
}

fn user(options: &ServeOptions) -> Result<Option<(String, secrecy::SecretString)>, Failure> {
    match (&options.etcd_username, &options.etcd_password_file) {
        (Some(name), Some(file)) => {
            let mut password = read(file, "--etcd-password-file")?;
            password.truncate(password.trim_end_matches(['\r', '\n']).len());
            Ok(Some((name.clone(), password.into())))
        }
        (None, None) => Ok(None),
        _ => Err(Failure::new("a user of etcd's is named without a password, or a password without a user")
            .fix("give both --etcd-username and --etcd-password-file")),
    }
}

fn read(path: &Path, flag: &str) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::caused(format!("{flag} {} cannot be read", path.display()), &error))
}

/// What tells this server from others on the same etcd, also after a restart.
fn server_id(dir: &DataDir) -> Result<String, Failure> {
    let path = dir.path().join("server-id");
    let failed =
        |error: std::io::Error| Failure::caused(format!("{} cannot be used", path.display()), &error);
    match std::fs::read_to_string(&path) {
        Ok(text) if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => Ok(text),
        Ok(_) => Err(Failure::new(format!("{} is not a server's id", path.display()))
            .fix("remove the file; a new id is made, and what the audit outbox still holds is not drained")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let fresh = uuid::Uuid::new_v4().simple().to_string();
            std::fs::write(&path, &fresh).map_err(failed)?;
            Ok(fresh)
        }
        Err(error) => Err(failed(error)),
    }
}

fn etcd_failure(servers: &str, error: &StoreError) -> Failure {
    let failure = Failure::caused(format!("etcd at {servers} cannot be used"), error);
    match error {
        StoreError::Unavailable { .. } => {
            failure.fix("see that its members run, have a quorum, and that addresses and certificates fit")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_keeps_its_id() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::resolve(Some(folder.path())).unwrap();
        let id = server_id(&dir).unwrap();
        assert_eq!(server_id(&dir).unwrap(), id);
        std::fs::write(folder.path().join("server-id"), "../../x").unwrap();
        assert!(server_id(&dir).is_err());
    }

    #[test]
    fn flags_of_etcd_need_etcd() {
        let options = ServeOptions { etcd_prefix: Some("/x".into()), ..ServeOptions::default() };
        assert!(unused(&options).is_err());
        let half = ServeOptions { etcd_certfile: Some("c".into()), ..ServeOptions::default() };
        assert!(tls(&half).is_err());
        let half = ServeOptions { etcd_username: Some("u".into()), ..ServeOptions::default() };
        assert!(user(&half).is_err() && unused(&half).is_err());
    }

    #[test]
    fn a_password_is_the_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "pass word\n").unwrap();
        let options = ServeOptions {
            etcd_username: Some("root".into()),
            etcd_password_file: Some(file.path().to_owned()),
            ..ServeOptions::default()
        };
        let (name, password) = user(&options).unwrap().unwrap();
        assert_eq!((&*name, secrecy::ExposeSecret::expose_secret(&password)), ("root", "pass word"));
    }
}
