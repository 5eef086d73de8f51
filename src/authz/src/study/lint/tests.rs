use super::*;
use crate::study::read::Studied;

fn found(files: &[(&str, &str)]) -> Vec<Finding> {
    let mut studied = Studied::default();
    for (name, text) in files {
        studied.add_text(name, text).unwrap();
    }
    lint(&studied.with_bootstrap())
}

#[track_caller]
fn finds(name: &str, text: &str, id: &str, least: Level) {
    let findings = found(&[(name, text)]);
    let hit = findings.iter().find(|finding| finding.id == id && finding.level <= least);
    let hit = hit.unwrap_or_else(|| panic!("{id}: {text}: {findings:#?}"));
    assert!(!hit.fix().is_empty() && hit.line > 0, "{hit:?}");
}

fn role(group: &str, resource: &str, verb: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: seeded}}\n\
         rules: [{{apiGroups: ['{group}'], resources: ['{resource}'], verbs: ['{verb}']}}]\n"
    )
}

fn binding(role: &str, subject: &str) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: seeded}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}\nsubjects: [{subject}]\n"
    )
}

const JANE: &str = "{kind: User, name: jane}";

/// Roles that CIS 5.1 warns of.
const ROLES: [(&str, &str, &str, &str); 22] = [
    ("*", "*", "*", "wildcard"),
    ("apps", "*", "get", "wildcard"),
    ("apps", "deployments", "*", "wildcard"),
    ("", "secrets", "list", "token-minting"),
    ("", "secrets", "watch", "token-minting"),
    ("", "pods", "create", "make-pods"),
    ("rbac.authorization.k8s.io", "clusterroles", "bind", "escalate"),
    ("rbac.authorization.k8s.io", "roles", "escalate", "escalate"),
    ("", "users", "impersonate", "impersonate"),
    ("authentication.k8s.io", "userextras/scopes", "impersonate", "impersonate"),
    ("", "persistentvolumes", "create", "host-volumes"),
    ("", "nodes/proxy", "get", "node-proxy"),
    ("certificates.k8s.io", "certificatesigningrequests/approval", "update", "signing"),
    ("certificates.k8s.io", "signers", "approve", "signing"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations", "patch", "admission"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations", "create", "admission"),
    ("", "serviceaccounts/token", "create", "token-minting"),
    ("", "pods/exec", "create", "run-in-pods"),
    ("", "pods/exec", "get", "run-in-pods"),
    ("", "pods/ephemeralcontainers", "patch", "run-in-pods"),
    ("", "namespaces", "patch", "admission"),
    ("", "pods/*", "get", "no-effect"),
];

#[test]
fn c030_i038_every_seeded_role_is_found_with_its_fix() {
    for (group, resource, verb, id) in ROLES {
        finds("rbac.yaml", &role(group, resource, verb), id, Level::Warning);
    }
}

#[test]
fn c030_i038_every_seeded_binding_is_found_with_its_fix() {
    for (text, id) in [
        (binding("cluster-admin", JANE), "cluster-admin"),
        (binding("view", "{kind: Group, name: 'system:unauthenticated'}"), "open-to-all"),
        (binding("view", "{kind: Group, name: 'system:authenticated'}"), "open-to-all"),
        (binding("view", "{kind: User, name: 'system:anonymous'}"), "open-to-all"),
        (binding("gone", JANE), "dangling-binding"),
        (binding("view", ""), "no-effect"),
    ] {
        finds("rbac.yaml", &text, id, Level::Warning);
    }
    let stale = format!(
        "{}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: here}}\n",
        binding("view", "{kind: ServiceAccount, name: bot, namespace: gone}")
    );
    finds("rbac.yaml", &stale, "stale-subject", Level::Warning);
    let aggregated = role("", "pods", "get").replace(
        "{name: seeded}",
        "{name: seeded, labels: {rbac.authorization.k8s.io/aggregate-to-view: 'true'}}",
    );
    finds("rbac.yaml", &aggregated, "aggregated", Level::Warning);
}

#[test]
fn i038_every_seeded_file_is_found_with_its_fix() {
    let line = |spec: &str| {
        format!(
            r#"{{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{{{spec}}}}}"#
        )
    };
    finds("a.jsonl", &line(r#""user":"bob","resource":"secrets""#), "broad-line", Level::Warning);
    finds(
        "a.jsonl",
        &line(r#""user":"bob","resource":"*","namespace":"*","apiGroup":"*""#),
        "wildcard",
        Level::Error,
    );
    assert!(Studied::default().add_text("a.jsonl", "{}").is_err(), "an empty line is not even read");
    let chain = |kinds: &[&str]| {
        let entries: Vec<String> =
            kinds.iter().map(|kind| format!("{{type: {kind}, name: {}}}", kind.to_lowercase())).collect();
        format!(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers: [{}]\n",
            entries.join(", ")
        )
    };
    finds("authorization.yaml", &chain(&["RBAC"]), "authorizers", Level::Error);
    finds("authorization.yaml", &chain(&["Node", "RBAC", "ABAC"]), "authorizers", Level::Warning);
    finds("authorization.yaml", &chain(&["Node", "RBAC", "AlwaysAllow"]), "authorizers", Level::Error);
    let audit = |resources: &str| {
        format!(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: None\n  resources: [{{group: '', resources: [{resources}]}}]\n- level: Metadata\n"
        )
    };
    finds("audit.yaml", &audit("secrets"), "settings", Level::Error);
    finds("audit.yaml", &audit("pods/exec"), "settings", Level::Error);
    let encryption = "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers: [{identity: {}}]\n";
    finds("encryption.yaml", encryption, "settings", Level::Error);
}

#[test]
fn what_is_narrow_is_not_complained_of() {
    let good = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: good, namespace: shop}
rules:
  - {apiGroups: [''], resources: [secrets], resourceNames: [own], verbs: [get]}
  - {apiGroups: [''], resources: [pods], verbs: [get, list, watch]}
  - {apiGroups: [certificates.k8s.io], resources: [signers], resourceNames: [example.com/x], verbs: [approve]}
---
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers: [{type: Node, name: node}, {type: PolicyFiles, name: policyfiles}, {type: RBAC, name: rbac}]
---
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: None
  users: [system:kube-proxy]
  resources: [{group: '', resources: [secrets]}]
- level: None
  resources: [{group: coordination.k8s.io, resources: [leases]}]
- level: Metadata
";
    assert_eq!(found(&[("good.yaml", good)]), []);
}
