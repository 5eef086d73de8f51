//! The person who runs the program: who it is, and the kubeconfig kubectl reads.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use nix::unistd::{Uid, User};
use portcullis_pki::kubeconfig::{Credential, Kubeconfig};
use portcullis_pki::{Overrides, Pki};

use super::Failure;

/// The group that policy makes administrators; deleting its binding takes that away.
pub(crate) const ADMINISTRATORS: &str = "kubeadm:cluster-admins";
/// Name of the context, its cluster and its user.
pub(crate) const CONTEXT: &str = "portcullis";
const LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The name of the user this process runs as.
pub(crate) fn name() -> String {
    let known = User::from_uid(Uid::current()).ok().flatten().map(|user| user.name);
    known.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid-{}", Uid::current()))
}

/// The file kubectl would change: the first of `$KUBECONFIG`, or `~/.kube/config`.
pub(crate) fn kubeconfig() -> Option<PathBuf> {
    let named = std::env::var_os("KUBECONFIG")
        .and_then(|list| std::env::split_paths(&list).find(|path| !path.as_os_str().is_empty()));
    named.or_else(|| Some(dirs::home_dir()?.join(".kube").join("config")))
}

/// Gives the user a context with a client certificate of its own. Another current context stays.
pub(crate) fn merge(pki: &Pki, server: &str, path: &Path) -> Result<(), Failure> {
    let fail = |error: portcullis_pki::Error| {
        Failure::caused(format!("the kubeconfig {} cannot be changed", path.display()), &error)
            .fix("mend the file, or leave it alone with --no-kubeconfig")
    };
    let overrides = Overrides {
        name: name(),
        organizations: Some(vec![ADMINISTRATORS.to_owned()]),
        lifetime: Some(LIFETIME),
        ..Overrides::default()
    };
    let issued = pki.issue("user", &overrides).map_err(fail)?;
    let authority = pki.authority_pem("ca").map_err(fail)?;
    let credential = Credential::from(&issued);
    let mut config = Kubeconfig::new(CONTEXT, server, authority, CONTEXT, credential);
    config.context = CONTEXT.to_owned();
    config.merge_into(path, false).map_err(fail)?;
    Ok(())
}
