//! What the parts of a running server say of themselves.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_audit::{Level, Policy};
use portcullis_authn::{Anonymous, Authenticator};
use portcullis_authz::Authorities;
use portcullis_pki::TlsLimits;

use crate::cli::options::ServeOptions;
use crate::cli::paths::DataDir;
use crate::cli::sealing::Plan;

/// All that is judged. Nothing of it is a secret.
pub(crate) struct Facts {
    pub(super) options: ServeOptions,
    pub(super) dir: DataDir,
    pub(super) plugins: Vec<&'static str>,
    pub(super) limits: TlsLimits,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) authorities: Authorities,
    pub(super) audit: Arc<Policy>,
}

impl Facts {
    /// Of a server with these parts.
    pub(crate) fn new(
        (options, dir): (&ServeOptions, &DataDir),
        plugins: Vec<&'static str>,
        limits: TlsLimits,
        (authenticator, authorities): (Arc<Authenticator>, Authorities),
        audit: Arc<Policy>,
    ) -> Self {
        let (options, dir) = (options.clone(), dir.clone());
        Self { options, dir, plugins, limits, authenticator, authorities, audit }
    }

    pub(super) fn runs(&self, plugin: &str) -> bool {
        self.plugins.contains(&plugin)
    }

    /// The authorizers, in the order in which they are asked.
    pub(super) fn authorizers(&self) -> Vec<String> {
        self.authorities.chain.names()
    }

    pub(super) fn anonymous(&self) -> Arc<Anonymous> {
        self.authenticator.anonymous()
    }

    pub(super) fn on_etcd(&self) -> bool {
        self.options.etcd_servers.as_ref().is_some_and(|servers| !servers.is_empty())
    }

    /// Whether a Secret that is stored now can be read in the store: it is sealed and looked at.
    pub(super) fn secrets_are_sealed(&self) -> Result<bool, String> {
        let plan = Plan::read(&self.options, &self.dir).map_err(|failure| failure.to_string())?;
        plan.seals_secrets()
    }

    /// How much is recorded of a request by somebody without special groups.
    pub(super) fn recorded(&self, method: &http::Method, path: &str) -> Level {
        let uri = path.parse().unwrap_or_default();
        let Ok(info) = portcullis_api::attributes::parse(method, &uri) else { return Level::None };
        let user = portcullis_api::UserInfo::new("somebody", ["system:authenticated"]);
        self.audit.plan(&info, Some(&user)).level
    }

    /// The first of the directory's own files that others than its owner may read or write.
    pub(super) fn exposed_file(&self) -> Option<PathBuf> {
        let own = [
            self.dir.path().to_owned(),
            self.dir.pki(),
            self.dir.store(),
            self.dir.admin_kubeconfig(),
            self.dir.audit_keys(),
            self.dir.audit_log(),
            self.dir.encryption_keys(),
        ];
        let keys =
            std::fs::read_dir(self.dir.pki()).into_iter().flatten().flatten().map(|entry| entry.path());
        let keys = keys.filter(|path| path.extension().is_some_and(|ending| ending == "key"));
        own.into_iter().chain(keys).find(|path| is_exposed(path))
    }
}

fn is_exposed(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}
