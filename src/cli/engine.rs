//! Which store a command is about, and opening it without what seals its values.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use portcullis_storage::{Codec, Embedded, Etcd, EtcdOptions, Options, Store};

use super::options::ServeOptions;
use super::paths::DataDir;
use super::sealing::Plan;
use super::{Failure, preflight, storing};

/// Which store.
#[derive(Args, Debug)]
pub(super) struct At {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The client URLs of etcd's members, for the store there.
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    etcd_servers: Option<Vec<String>>,
    /// The authorities that etcd's certificates are checked against.
    #[arg(long, value_name = "FILE")]
    etcd_cafile: Option<PathBuf>,
    /// The certificate to show etcd.
    #[arg(long, value_name = "FILE")]
    etcd_certfile: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE")]
    etcd_keyfile: Option<PathBuf>,
    /// The user of etcd's that this is.
    #[arg(long, value_name = "NAME")]
    etcd_username: Option<String>,
    /// File with that user's password, on one line.
    #[arg(long, value_name = "FILE")]
    etcd_password_file: Option<PathBuf>,
    /// What all keys in etcd start with.
    #[arg(long, value_name = "PREFIX")]
    etcd_prefix: Option<String>,
    /// File with the EncryptionConfiguration that the server has.
    #[arg(long, value_name = "FILE")]
    encryption_provider_config: Option<PathBuf>,
}

/// The two kinds of store.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Engine {
    Embedded,
    Etcd,
}

impl At {
    pub(super) fn dir(&self) -> Result<DataDir, Failure> {
        DataDir::resolve(self.data_dir.as_deref())
    }

    pub(super) fn options(&self) -> ServeOptions {
        ServeOptions {
            data_dir: self.data_dir.clone(),
            etcd_servers: self.etcd_servers.clone(),
            etcd_cafile: self.etcd_cafile.clone(),
            etcd_certfile: self.etcd_certfile.clone(),
            etcd_keyfile: self.etcd_keyfile.clone(),
            etcd_username: self.etcd_username.clone(),
            etcd_password_file: self.etcd_password_file.clone(),
            etcd_prefix: self.etcd_prefix.clone(),
            encryption_provider_config: self.encryption_provider_config.clone(),
            ..ServeOptions::default()
        }
    }

    pub(super) fn engine(&self) -> Engine {
        if self.etcd_servers.is_some() { Engine::Etcd } else { Engine::Embedded }
    }

    /// The engine without a codec.
    pub(super) async fn open(&self, engine: Engine) -> Result<Arc<dyn Store>, Failure> {
        match engine {
            Engine::Etcd => Ok(Arc::new(self.open_etcd().await?)),
            Engine::Embedded => self.open_embedded(false),
        }
    }

    pub(super) async fn open_etcd(&self) -> Result<Etcd, Failure> {
        let etcd = storing::etcd_options(&self.options(), &self.dir()?)?;
        let etcd = etcd.ok_or_else(|| Failure::new("no etcd is named").fix("name it with --etcd-servers"))?;
        storing::connect(EtcdOptions { compaction_interval: Duration::ZERO, ..etcd }).await
    }

    pub(super) fn open_embedded(&self, verify: bool) -> Result<Arc<dyn Store>, Failure> {
        let dir = self.dir()?;
        let path = dir.store();
        if !path.exists() {
            let what = format!("there is no store at {}", path.display());
            return Err(Failure::new(what).fix("name its directory with --data-dir"));
        }
        let opened = Embedded::open(Options { verify, ..Options::new(path) });
        Ok(Arc::new(opened.map_err(|error| preflight::store_failure(&dir, &error))?))
    }

    /// What seals and opens values as a server would.
    pub(super) async fn codec(&self, engine: &dyn Store) -> Result<Arc<dyn Codec>, Failure> {
        Ok(Plan::read(&self.options(), &self.dir()?)?.serving(engine).await?.codec())
    }

    /// A codec that opens values and leaves the data directory as it is.
    pub(super) async fn opening(&self, engine: &dyn Store) -> Result<Arc<dyn Codec>, Failure> {
        Plan::read(&self.options(), &self.dir()?)?.looking(engine).await
    }
}
