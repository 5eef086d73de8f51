//! What a pod may keep although it would not be accepted today.
//!
//! An object that already breaks a newer rule can still be updated: the rule is not applied to it.

use portcullis_api::Value;
use portcullis_api::field::{ErrorList, Path};

use super::super::super::check::{At, items, text};
use super::{scheduling, security, spread};

/// How strictly a pod spec is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// The spec is a pod's own, not a template's.
    pub(crate) is_pod: bool,
    /// Selectors of affinities may hold odd label values.
    pub(crate) odd_selectors: bool,
    /// Required node affinity may hold odd label values.
    pub(crate) odd_node_values: bool,
    /// Selectors of spread constraints may hold odd label values.
    pub(crate) odd_spread_selectors: bool,
    /// Sysctls of a namespace shared with the host are kept.
    pub(crate) host_sysctls: bool,
    /// Token paths that leave the volume are kept.
    pub(crate) outside_token_paths: bool,
    /// Huge page amounts that are no multiple of the page are kept.
    pub(crate) odd_huge_pages: bool,
    /// Any SELinux change policy is accepted.
    pub(crate) any_selinux_change: bool,
    /// A deletion cost that is no number is kept.
    pub(crate) odd_deletion_cost: bool,
}

impl Options {
    /// A new template.
    pub(crate) fn template() -> Self {
        Self::default()
    }

    /// A new pod.
    pub(crate) fn pod() -> Self {
        Self { is_pod: true, ..Self::default() }
    }

    /// The options for a change of a spec; `old` is the spec before, if there was one.
    #[must_use]
    pub(crate) fn keeping(self, old: Option<&Value>) -> Self {
        let Some(old) = old else { return self };
        let affinity = old.get("affinity");
        Self {
            odd_selectors: complains(|at, errors| scheduling::selectors(affinity, at, errors)),
            odd_node_values: complains(|at, errors| scheduling::required_node_values(affinity, at, errors)),
            odd_spread_selectors: complains(|at, errors| spread::selectors(old, at, errors)),
            host_sysctls: complains(|at, errors| security::host_sysctls(old, at, errors)),
            any_selinux_change: old
                .get("securityContext")
                .is_some_and(|c| !text(c, "seLinuxChangePolicy").is_empty()),
            outside_token_paths: has_outside_token_path(old),
            ..self
        }
    }
}

fn complains(rule: impl FnOnce(At<'_>, &mut ErrorList)) -> bool {
    let mut errors = ErrorList::new();
    rule(At::path(&Path::root()), &mut errors);
    !errors.is_empty()
}

fn has_outside_token_path(spec: &Value) -> bool {
    let sources = items(spec, "volumes").iter().filter_map(|v| v.get("projected"));
    let paths = sources.flat_map(|p| items(p, "sources")).filter_map(|s| s.get("serviceAccountToken"));
    paths
        .map(|token| text(token, "path"))
        .any(|p| p.starts_with('/') || p.split('/').any(|part| part.starts_with("..")))
}
