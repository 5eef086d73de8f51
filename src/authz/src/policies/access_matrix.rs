//! The golden access matrix: every bootstrap role, and every kind of user, against every resource.
//!
//! Each cell is a decision made for real. A change of policy shows as a difference in
//! `tests/golden/access.txt`; run the test with `BLESS=1` to accept it, and review the difference.

use std::fmt::Write as _;
use std::path::Path;

use portcullis_api::{GroupResource, Object, UserInfo};
use serde_json::json;

use super::bootstrap_objects;
use crate::attributes::{Attributes, Resource};
use crate::chain::Chain;
use crate::rbac::RbacIndex;

const VERBS: [(&str, char); 13] = [
    ("get", 'g'),
    ("list", 'l'),
    ("watch", 'w'),
    ("create", 'c'),
    ("update", 'u'),
    ("patch", 'p'),
    ("delete", 'd'),
    ("deletecollection", 'D'),
    ("impersonate", 'I'),
    ("bind", 'B'),
    ("escalate", 'E'),
    ("approve", 'A'),
    ("sign", 'S'),
];

const PATHS: [&str; 11] = [
    "/",
    "/.well-known/openid-configuration",
    "/api",
    "/apis/apps",
    "/healthz",
    "/livez",
    "/logs",
    "/metrics",
    "/openapi/v2",
    "/openid/v1/jwks",
    "/version",
];

/// Resources that no server has but policies speak of.
const WORDS: [(&str, &str); 5] = [
    ("", "users"),
    ("", "groups"),
    ("authentication.k8s.io", "uids"),
    ("certificates.k8s.io", "signers"),
    ("example.com", "things"),
];

#[test]
fn access_is_as_recorded() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/access.txt");
    let now = matrix();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&golden, &now).unwrap();
    }
    let recorded = std::fs::read_to_string(&golden).unwrap_or_default();
    let differs = now.lines().zip(recorded.lines()).find(|(now, recorded)| now != recorded);
    assert_eq!(differs, None, "the first line that differs: now, recorded");
    assert_eq!(now.lines().count(), recorded.lines().count());
}

fn matrix() -> String {
    let letters: Vec<String> = VERBS.iter().map(|(verb, letter)| format!("{letter} {verb}")).collect();
    let mut out = format!("# {}\n# A resource that is not listed is not accessible.\n", letters.join(", "));
    out.push_str("\n## What each cluster role allows\n");
    for role in roles() {
        let who = UserInfo::new("probe", [""; 0]);
        let _ = writeln!(out, "\n{}", role.name());
        rows(&cluster_of_one(role.name()), &who, &mut out);
    }
    out.push_str("\n## What each kind of user may do where nothing was added\n");
    for who in users() {
        let groups: Vec<&str> = who.groups.iter().map(|g| &**g).collect();
        let _ = writeln!(out, "\n{} [{}]", who.name, groups.join(" "));
        rows(&cluster(), &who, &mut out);
    }
    out
}

fn users() -> Vec<UserInfo> {
    let all = |name: &str, groups: &[&str]| {
        UserInfo::new(name, groups.iter().copied().chain(["system:authenticated"]))
    };
    vec![
        UserInfo::new("system:anonymous", ["system:unauthenticated"]),
        all("nobody", &[]),
        all("system:serviceaccount:n:default", &["system:serviceaccounts", "system:serviceaccounts:n"]),
        all("system:node:n1", &["system:nodes"]),
        all("system:kube-proxy", &[]),
        all("system:kube-scheduler", &[]),
        all("system:kube-controller-manager", &[]),
        all("monitor", &["system:monitoring"]),
    ]
}

fn rows(chain: &Chain, who: &UserInfo, out: &mut String) {
    let resources = include_str!("../../tests/golden/resources.tsv").lines().filter(|l| !l.starts_with('#'));
    let resources = resources.map(|line| {
        let mut cells = line.split('\t');
        (cells.next().unwrap(), cells.next().unwrap())
    });
    for (group, resource) in resources.chain(WORDS) {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let asked = Resource { group, resource, subresource, ..Resource::default() };
        let cells = VERBS.map(|(verb, letter)| cell(chain, who, Attributes::resource(verb, asked), letter));
        if cells.contains(&'.') && cells.iter().all(|c| *c == '.') {
            continue;
        }
        let slash = if subresource.is_empty() { "" } else { "/" };
        let name =
            format!("{resource}{slash}{subresource}{}{group}", if group.is_empty() { "" } else { "." });
        let _ = writeln!(out, "  {} {name}", cells.iter().collect::<String>());
    }
    let paths = PATHS.iter().filter(|path| cell(chain, who, Attributes::path("get", path), 'g') == 'g');
    for path in paths {
        let _ = writeln!(out, "  get {path}");
    }
}

fn cell(chain: &Chain, who: &UserInfo, asked: Attributes<'_>, letter: char) -> char {
    if chain.decide(who, &asked).is_allowed() { letter } else { '.' }
}

fn roles() -> impl Iterator<Item = &'static Object> {
    let roles = bootstrap_objects().iter().filter(|(resource, _)| &*resource.resource == "clusterroles");
    roles.map(|(_, object)| object)
}

fn cluster() -> Chain {
    let index = RbacIndex::new();
    for (resource, object) in bootstrap_objects() {
        index.upsert(&resource.group_resource(), object);
    }
    Chain::new().then(index)
}

/// A cluster in which `probe` has one role and nothing else is bound.
fn cluster_of_one(role: &str) -> Chain {
    let index = RbacIndex::new();
    let of = |plural: &str| GroupResource::new(crate::rbac::GROUP, plural);
    for object in roles() {
        index.upsert(&of("clusterroles"), object);
    }
    let binding = json!({
        "metadata": {"name": "b"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": "probe"}],
    });
    index.upsert(&of("clusterrolebindings"), &Object::new(binding.as_object().unwrap().clone()));
    Chain::new().then(index)
}

#[test]
fn e081_view_edit_and_admin_hold_back_what_they_must() {
    let may = |role: &str, verb: &str, group: &str, resource: &str| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let asked = Resource { group, resource, subresource, ..Resource::default() };
        let who = UserInfo::new("probe", [""; 0]);
        cluster_of_one(role).decide(&who, &Attributes::resource(verb, asked)).is_allowed()
    };
    let rbac = crate::rbac::GROUP;
    assert!(may("view", "get", "", "configmaps") && may("edit", "create", "", "secrets"));
    assert!(may("admin", "create", rbac, "rolebindings") && may("admin", "delete", rbac, "roles"));
    for role in ["view", "edit", "admin"] {
        assert!(!may(role, "create", "", "endpoints") && !may(role, "get", "", "nodes/proxy"), "{role}");
        assert!(
            !may(role, "update", "", "resourcequotas") && !may(role, "create", "", "namespaces"),
            "{role}"
        );
        assert!(!may(role, "escalate", rbac, "roles") && !may(role, "bind", rbac, "clusterroles"), "{role}");
    }
    assert!(!may("view", "get", "", "secrets") && !may("view", "get", rbac, "roles"));
    assert!(!may("view", "create", "", "pods/exec") && !may("view", "impersonate", "", "serviceaccounts"));
    assert!(!may("edit", "get", rbac, "roles") && !may("edit", "create", rbac, "rolebindings"));
}
