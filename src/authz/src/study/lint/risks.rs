//! What gives more than it seems to: one table for roles and for rules of policy files.

use super::{Finder, Level};

/// A verb on a resource that is a way to more.
struct Risk {
    id: &'static str,
    level: Level,
    verbs: &'static [&'static str],
    group: &'static str,
    resources: &'static [&'static str],
    /// Whether it is harmless for objects that are named.
    unless_named: bool,
    why: &'static str,
}

const RISKS: [Risk; 17] = [
    risk(
        "escalate",
        Level::Error,
        &["escalate", "bind"],
        RBAC,
        &["clusterroles", "roles"],
        "escalate or bind on roles gives any right",
    ),
    risk(
        "impersonate",
        Level::Error,
        &["impersonate"],
        "",
        &["users", "groups", "serviceaccounts"],
        "impersonate lets its holder act as others",
    )
    .unless_named(),
    risk(
        "impersonate",
        Level::Error,
        &["impersonate"],
        "authentication.k8s.io",
        &["uids", "userextras/*"],
        "impersonate lets its holder act as others",
    )
    .unless_named(),
    risk(
        "node-proxy",
        Level::Error,
        ANY,
        "",
        &["nodes/proxy"],
        "nodes/proxy runs commands in any pod of a node",
    ),
    risk(
        "token-minting",
        Level::Error,
        &["create"],
        "",
        &["serviceaccounts/token"],
        "serviceaccounts/token gives the rights of any account there",
    )
    .unless_named(),
    risk(
        "token-minting",
        Level::Warning,
        &["get", "list", "watch"],
        "",
        &["secrets"],
        "reading all secrets reads all tokens kept in them",
    )
    .unless_named(),
    risk(
        "token-minting",
        Level::Error,
        &["create"],
        "identity.portcullis.io",
        &["usertokens"],
        "user tokens can be issued for others by those who may impersonate them",
    ),
    risk(
        "signing",
        Level::Error,
        &["approve", "sign"],
        "certificates.k8s.io",
        &["signers"],
        "certificates of any subject that the signer signs",
    )
    .unless_named(),
    risk(
        "signing",
        Level::Warning,
        &["update", "patch"],
        "certificates.k8s.io",
        &["certificatesigningrequests/approval"],
        "approving requests issues certificates for others",
    ),
    risk(
        "run-in-pods",
        Level::Warning,
        &["create", "get"],
        "",
        &["pods/exec", "pods/attach"],
        "commands in any pod, with the rights of its account",
    ),
    risk(
        "run-in-pods",
        Level::Warning,
        &["update", "patch"],
        "",
        &["pods/ephemeralcontainers"],
        "containers in any pod, with the rights of its account",
    ),
    risk(
        "make-pods",
        Level::Warning,
        &["create"],
        "",
        &["pods"],
        "a pod can use every secret and account of its namespace",
    ),
    risk(
        "host-volumes",
        Level::Warning,
        &["create", "update", "patch"],
        "",
        &["persistentvolumes"],
        "a volume can be a path of a host",
    ),
    risk(
        "admission",
        Level::Error,
        WRITE,
        ADMISSION,
        &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
        "a webhook sees and changes what all others write",
    ),
    risk(
        "admission",
        Level::Error,
        WRITE,
        ADMISSION,
        &[
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
        "a policy changes or refuses what all others write",
    ),
    risk(
        "admission",
        Level::Warning,
        &["update", "patch"],
        "",
        &["namespaces"],
        "labels of a namespace choose which checks its pods must pass",
    ),
    risk(
        "escalate",
        Level::Warning,
        &["update", "patch"],
        "apiregistration.k8s.io",
        &["apiservices"],
        "an aggregated server sees the requests of all who use it",
    ),
];

const RBAC: &str = crate::rbac::GROUP;
const ADMISSION: &str = "admissionregistration.k8s.io";
const ANY: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete"];
const WRITE: &[&str] = &["create", "update", "patch", "delete", "deletecollection"];

const fn risk(
    id: &'static str,
    level: Level,
    verbs: &'static [&'static str],
    group: &'static str,
    resources: &'static [&'static str],
    why: &'static str,
) -> Risk {
    Risk { id, level, verbs, group, resources, unless_named: false, why }
}

impl Risk {
    const fn unless_named(self) -> Self {
        Self { unless_named: true, ..self }
    }
}

/// Finds what a grant opens; `gives` tells whether it has a verb on a resource of a group, `named` whether it is for
/// named objects only.
pub(super) fn lint(find: &mut Finder<'_>, named: bool, gives: impl Fn(&str, &str, &str) -> bool) {
    for risk in RISKS.iter().filter(|risk| !(risk.unless_named && named)) {
        let resource = |resource: &&str| risk.verbs.iter().any(|verb| gives(verb, risk.group, resource));
        if risk.resources.iter().any(resource) {
            find.find(risk.id, risk.level, risk.why);
        }
    }
}
