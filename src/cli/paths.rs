//! Where things are in a data directory.

use std::path::{Path, PathBuf};

use super::Failure;

/// A data directory.
#[derive(Clone, Debug)]
pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// The given directory, or the user's own.
    pub(crate) fn resolve(given: Option<&Path>) -> Result<Self, Failure> {
        if let Some(path) = given {
            return Ok(Self(path.to_owned()));
        }
        let base = dirs::data_dir().ok_or_else(|| {
            Failure::new("there is no data directory for this user").fix("name one with --data-dir DIR")
        })?;
        Ok(Self(base.join("portcullis")))
    }

    /// Makes the directory if it is missing, for its owner only.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        use std::os::unix::fs::DirBuilderExt as _;
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.map_err(|error| {
            Failure::caused(format!("the data directory {} cannot be made", self.0.display()), &error)
                .fix("make it writable for this user, or name another with --data-dir DIR")
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// The embedded store.
    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    /// Where a running server gives backups.
    pub(crate) fn store_socket(&self) -> PathBuf {
        self.0.join("store.sock")
    }

    /// What a migration moves, while it does.
    pub(crate) fn migration(&self) -> PathBuf {
        self.0.join("migration.store")
    }

    /// The keys that Secrets in the embedded store are sealed with.
    pub(crate) fn encryption_keys(&self) -> PathBuf {
        self.0.join("encryption.key")
    }

    /// Keys and certificates.
    pub(crate) fn pki(&self) -> PathBuf {
        self.0.join("pki")
    }

    /// The key that user tokens are hashed with.
    pub(crate) fn user_token_key(&self) -> PathBuf {
        self.pki().join("user-token.key")
    }

    /// What a running server says of itself.
    pub(crate) fn state(&self) -> PathBuf {
        self.0.join("apiserver.json")
    }

    /// The kubeconfig of system:masters.
    pub(crate) fn admin_kubeconfig(&self) -> PathBuf {
        self.0.join("admin.kubeconfig")
    }

    /// The key of the audit chain, and its head.
    pub(crate) fn audit_keys(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// The audit log, unless a flag names another.
    pub(crate) fn audit_log(&self) -> PathBuf {
        self.0.join("audit.log")
    }
}
