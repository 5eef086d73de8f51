use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::attributes::Resource;

fn resource(plural: &str) -> GroupResource {
    GroupResource::new(crate::rbac::GROUP, plural)
}

fn object(value: Value) -> Object {
    Object::new(value.as_object().unwrap().clone())
}

/// A cluster described as pairs of plural and object.
fn index(objects: &[(&str, Value)]) -> RbacIndex {
    let index = RbacIndex::new();
    for (plural, value) in objects {
        assert!(index.upsert(&resource(plural), &object(value.clone())));
    }
    index
}

fn role(namespace: &str, name: &str, rules: Value) -> Value {
    json!({"metadata": {"namespace": namespace, "name": name}, "rules": rules})
}

fn binding(namespace: &str, name: &str, kind: &str, role: &str, subjects: Value) -> Value {
    json!({
        "metadata": {"namespace": namespace, "name": name},
        "roleRef": {"apiGroup": crate::rbac::GROUP, "kind": kind, "name": role},
        "subjects": subjects,
    })
}

fn user(name: &str) -> Value {
    json!([{"kind": "User", "apiGroup": crate::rbac::GROUP, "name": name}])
}

#[track_caller]
fn asks(index: &RbacIndex, who: &UserInfo, verb: &str, what: &str) -> bool {
    index.decide(who, &attributes(verb, what)).is_allowed()
}

/// `group/resource[/subresource][@namespace][=name]`, or a path if it starts with a slash.
fn attributes<'a>(verb: &'a str, what: &'a str) -> Attributes<'a> {
    if what.starts_with('/') {
        return Attributes::path(verb, what);
    }
    let (what, name) = what.split_once('=').unwrap_or((what, ""));
    let (what, namespace) = what.split_once('@').unwrap_or((what, ""));
    let (group, what) = what.split_once(':').unwrap_or(("", what));
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    Attributes::resource(
        verb,
        Resource { group, resource, subresource, namespace, name, ..Resource::default() },
    )
}

/// A user `u` with a role of some rules in namespace `n`.
fn with_rules(rules: Value) -> (RbacIndex, UserInfo) {
    let index = index(&[
        ("roles", role("n", "r", rules)),
        ("rolebindings", binding("n", "b", "Role", "r", user("u"))),
    ]);
    (index, UserInfo::new("u", ["system:authenticated"]))
}

#[test]
fn rules_allow_what_they_name() {
    let (index, u) = with_rules(json!([
        {"apiGroups": [""], "resources": ["configmaps", "pods/log"], "verbs": ["get", "create"]},
        {"apiGroups": ["*"], "resources": ["*/scale"], "verbs": ["*"]},
    ]));
    for yes in ["configmaps@n", "configmaps@n=x", "pods/log@n=p", "apps:deployments/scale@n=d"] {
        assert!(asks(&index, &u, "get", yes), "{yes}");
    }
    for no in [
        "configmaps",
        "configmaps@m",
        "pods@n=p",
        "pods/exec@n=p",
        "apps:configmaps@n",
        "configmaps/log@n",
        "ConfigMaps@n",
        "configmap@n",
        "apps:deployments@n",
        "*@n",
        "scale@n",
        "/configmaps",
    ] {
        assert!(!asks(&index, &u, "get", no), "{no}");
    }
    assert!(!asks(&index, &u, "list", "configmaps@n"));
    assert!(!asks(&index, &u, "*", "configmaps@n"));
    assert!(!asks(&index, &UserInfo::new("v", ["u"]), "get", "configmaps@n"));
}

#[test]
fn e029_named_rules_never_allow_create() {
    let (index, u) = with_rules(json!([
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x"], "verbs": ["*"]},
    ]));
    assert!(!asks(&index, &u, "create", "configmaps@n"));
    assert!(asks(&index, &u, "get", "configmaps@n=x"));
    assert!(!asks(&index, &u, "get", "configmaps@n=y"));
}

#[test]
fn e030_named_rules_allow_lists_of_exactly_that_name() {
    let (index, u) = with_rules(json!([
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x"], "verbs": ["list", "watch"]},
    ]));
    assert!(asks(&index, &u, "list", "configmaps@n=x"));
    assert!(asks(&index, &u, "watch", "configmaps@n=x"));
    assert!(!asks(&index, &u, "list", "configmaps@n"));
    assert!(!asks(&index, &u, "list", "configmaps@n=.."));
}

#[test]
fn e031_named_rules_allow_no_deletecollection() {
    let (index, u) = with_rules(json!([
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["x"], "verbs": ["deletecollection"]},
    ]));
    assert!(!asks(&index, &u, "deletecollection", "configmaps@n"));
}

#[test]
fn e036_only_stars_in_front_are_wild() {
    for (rule, pods, log, scale) in [
        ("pods/*", false, false, false),
        ("*/scale", false, false, true),
        ("*/*", false, false, false),
        ("*", true, true, true),
        ("pods", true, false, false),
    ] {
        let (index, u) = with_rules(json!([{"apiGroups": [""], "resources": [rule], "verbs": ["get"]}]));
        assert_eq!(asks(&index, &u, "get", "pods@n"), pods, "{rule}");
        assert_eq!(asks(&index, &u, "get", "pods/log@n"), log, "{rule}");
        assert_eq!(asks(&index, &u, "get", "x/scale@n"), scale, "{rule}");
    }
}

#[test]
fn e040_a_rolebinding_grants_nothing_beyond_its_namespace() {
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]);
    let index = index(&[
        ("clusterroles", json!({"metadata": {"name": "all"}, "rules": rules})),
        ("rolebindings", binding("a", "b", "ClusterRole", "all", user("u"))),
    ]);
    let u = UserInfo::new("u", [""; 0]);
    for cluster in ["nodes", "namespaces", "namespaces@b=b", "persistentvolumes", "secrets", "/metrics", "/"]
    {
        assert!(!asks(&index, &u, "get", cluster), "{cluster}");
    }
    assert!(asks(&index, &u, "get", "namespaces@a=a"));
    assert!(asks(&index, &u, "get", "secrets@a=s"));
}

#[test]
fn e041_lists_of_all_namespaces_need_a_clusterrolebinding() {
    let (index, u) = with_rules(json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]));
    assert!(asks(&index, &u, "list", "secrets@n"));
    assert!(!asks(&index, &u, "list", "secrets"));
}

#[test]
fn e079_only_a_star_at_the_end_of_a_path_is_wild() {
    let index = index(&[
        (
            "clusterroles",
            json!({"metadata": {"name": "r"}, "rules": [
                {"nonResourceURLs": ["/metrics", "/met*", "/*/x", "/api*"], "verbs": ["get"]},
            ]}),
        ),
        ("clusterrolebindings", binding("", "b", "ClusterRole", "r", user("u"))),
    ]);
    let u = UserInfo::new("u", [""; 0]);
    for yes in ["/metrics", "/metrics/", "/met", "/api", "/apis/x"] {
        assert!(asks(&index, &u, "get", yes), "{yes}");
    }
    for no in ["/a/x", "/me", "/logs", "api@n", "apis"] {
        assert!(!asks(&index, &u, "get", no), "{no}");
    }
    assert!(!asks(&index, &u, "post", "/metrics"));
}

#[test]
fn service_accounts_are_found_by_their_user_name() {
    let of = |namespace: Value| json!([{"kind": "ServiceAccount", "name": "s", "namespace": namespace}]);
    let index = index(&[
        ("roles", role("n", "r", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]))),
        ("rolebindings", binding("n", "local", "Role", "r", of(Value::Null))),
        ("rolebindings", binding("n", "far", "Role", "r", of("m".into()))),
        (
            "clusterroles",
            role("", "r", json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}])),
        ),
        ("clusterrolebindings", binding("", "nowhere", "ClusterRole", "r", of(Value::Null))),
    ]);
    let account = |namespace: &str| UserInfo::new(&format!("system:serviceaccount:{namespace}:s"), [""; 0]);
    assert!(asks(&index, &account("n"), "get", "pods@n"));
    assert!(asks(&index, &account("m"), "get", "pods@n"));
    assert!(!asks(&index, &account("x"), "get", "pods@n"));
    assert!(!asks(&index, &account("n"), "get", "nodes"));
    assert!(!asks(&index, &UserInfo::new("s", [""; 0]), "get", "pods@n"));
}

#[test]
fn grants_are_told_as_upstream() {
    let index = index(&[
        (
            "clusterroles",
            role("", "view", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])),
        ),
        ("rolebindings", binding("n", "b", "ClusterRole", "view", user("u"))),
        (
            "clusterrolebindings",
            binding("", "c", "ClusterRole", "view", json!([{"kind": "Group", "name": "g"}])),
        ),
        (
            "rolebindings",
            binding("n", "s", "ClusterRole", "view", json!([{"kind": "ServiceAccount", "name": "a"}])),
        ),
    ]);
    let reason = |who: &UserInfo| index.decide(who, &attributes("get", "pods@n")).grounds().reason();
    assert_eq!(
        reason(&UserInfo::new("u", [""; 0])),
        "RBAC: allowed by RoleBinding \"b/n\" of ClusterRole \"view\" to User \"u\""
    );
    assert_eq!(
        reason(&UserInfo::new("u", ["g"])),
        "RBAC: allowed by ClusterRoleBinding \"c\" of ClusterRole \"view\" to Group \"g\""
    );
    assert_eq!(
        reason(&UserInfo::new("system:serviceaccount:n:a", [""; 0])),
        "RBAC: allowed by RoleBinding \"s/n\" of ClusterRole \"view\" to ServiceAccount \"a/n\""
    );
}

#[test]
fn missing_roles_are_reasons_and_do_not_stop_others() {
    let index = index(&[
        ("rolebindings", binding("n", "a", "Role", "nope", user("u"))),
        ("rolebindings", binding("n", "b", "ClusterRole", "gone", user("u"))),
        (
            "clusterroles",
            role("", "r", json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}])),
        ),
        ("rolebindings", binding("n", "c", "ClusterRole", "r", user("u"))),
    ]);
    let u = UserInfo::new("u", [""; 0]);
    assert!(asks(&index, &u, "get", "pods@n"));
    let refused = index.decide(&u, &attributes("get", "secrets@n"));
    assert_eq!(
        refused.grounds().reason(),
        "RBAC: [role.rbac.authorization.k8s.io \"nope\" not found, clusterrole.rbac.authorization.k8s.io \"gone\" not found]"
    );
}

#[test]
fn changes_show_at_once_and_raise_the_generation() {
    let (index, u) = with_rules(json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]));
    let before = index.generation(&UserInfo::default());
    index.upsert(&resource("rolebindings"), &object(binding("n", "b", "Role", "r", user("v"))));
    assert!(!asks(&index, &u, "get", "pods@n"));
    assert!(asks(&index, &UserInfo::new("v", [""; 0]), "get", "pods@n"));
    index.remove(&resource("rolebindings"), "n", "b");
    assert!(!asks(&index, &UserInfo::new("v", [""; 0]), "get", "pods@n"));
    index.remove(&resource("roles"), "n", "r");
    assert_eq!(index.generation(&UserInfo::default()), before + 3);
    assert!(index.0.tables.read().is_empty());
    assert!(!index.upsert(&GroupResource::new("", "pods"), &object(json!({}))));
}

/// Upstream's algorithm without any index: all bindings, all subjects, all rules.
fn plainly(objects: &[(String, Value)], who: &UserInfo, asked: &Attributes<'_>) -> bool {
    let applies = |binding: &Value, namespace: &str| {
        binding["subjects"].as_array().unwrap().iter().any(|s| {
            let name = s["name"].as_str().unwrap();
            match s["kind"].as_str().unwrap() {
                "User" => *who.name == *name,
                "Group" => who.groups.iter().any(|g| **g == *name),
                _ => {
                    let own = s["namespace"].as_str().unwrap_or(namespace);
                    !own.is_empty() && *who.name == *format!("system:serviceaccount:{own}:{name}")
                }
            }
        })
    };
    let rules = |binding: &Value, namespace: &str| -> Vec<Rule> {
        let (kind, name) = (&binding["roleRef"]["kind"], &binding["roleRef"]["name"]);
        let plural = if kind == "Role" { "roles" } else { "clusterroles" };
        let home = if kind == "Role" { namespace } else { "" };
        let found = objects.iter().rev().find(|(p, o)| {
            p == plural
                && o["metadata"]["name"] == *name
                && o["metadata"]["namespace"].as_str().unwrap() == home
        });
        found.map(|(_, o)| Rule::list(o.get("rules")).into()).unwrap_or_default()
    };
    objects.iter().enumerate().any(|(at, (plural, o))| {
        let (namespace, name) = (o["metadata"]["namespace"].as_str().unwrap(), &o["metadata"]["name"]);
        let replaced = objects.iter().skip(at + 1).any(|(p, later)| {
            p == plural && later["metadata"]["name"] == *name && later["metadata"]["namespace"] == namespace
        });
        let counts =
            plural == "clusterrolebindings" || (plural == "rolebindings" && asked.namespace() == namespace);
        counts && !replaced && applies(o, namespace) && rules(o, namespace).iter().any(|r| r.allows(asked))
    })
}

fn any_rule() -> impl Strategy<Value = Value> {
    let pick = |words: &'static [&'static str]| proptest::sample::subsequence(words, 0..=words.len().min(3));
    (
        pick(&["", "apps", "*"]),
        pick(&["pods", "pods/log", "*/log", "*"]),
        pick(&["get", "list", "*"]),
        pick(&["x", "y"]),
        pick(&["/a", "/a/*", "*"]),
    )
        .prop_map(|(groups, resources, verbs, names, urls)| {
            json!({"apiGroups": groups, "resources": resources, "verbs": verbs, "resourceNames": names, "nonResourceURLs": urls})
        })
}

fn any_object() -> impl Strategy<Value = (String, Value)> {
    let namespace = prop_oneof![Just("n"), Just("m")];
    let name = prop_oneof![Just("1"), Just("2"), Just("3")];
    let subject = prop_oneof![
        prop_oneof!["u", "v"].prop_map(|n| json!({"kind": "User", "name": n})),
        prop_oneof!["g", "h"].prop_map(|n| json!({"kind": "Group", "name": n})),
        prop_oneof![Just(json!({})), Just(json!({"namespace": "n"}))].prop_map(|mut s| {
            s["kind"] = "ServiceAccount".into();
            s["name"] = "s".into();
            s
        }),
    ];
    let subjects = proptest::collection::vec(subject, 0..3);
    let rules = proptest::collection::vec(any_rule(), 0..3);
    (namespace, name.clone(), name, any::<bool>(), any::<bool>(), any::<bool>(), subjects, rules).prop_map(
        |(namespace, name, refers, cluster, is_role, to_cluster, subjects, rules)| {
            let home = if cluster { "" } else { namespace };
            let plural = match (is_role, cluster) {
                (true, true) => "clusterroles",
                (true, false) => "roles",
                (false, true) => "clusterrolebindings",
                (false, false) => "rolebindings",
            };
            let value = if is_role {
                role(home, name, rules.into())
            } else {
                let kind = if to_cluster || cluster { "ClusterRole" } else { "Role" };
                binding(home, name, kind, refers, subjects.into())
            };
            (plural.to_owned(), value)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_index_decides_as_the_plain_algorithm(
        objects in proptest::collection::vec(any_object(), 0..14),
        who in prop_oneof!["u", "v", "system:serviceaccount:n:s", "system:serviceaccount:m:s"],
        groups in proptest::sample::subsequence(vec!["g", "h"], 0..=2),
    ) {
        let pairs: Vec<(&str, Value)> = objects.iter().map(|(p, o)| (p.as_str(), o.clone())).collect();
        let (index, who) = (index(&pairs), UserInfo::new(&who, groups));
        for verb in ["get", "list", "create"] {
            for what in ["pods", "pods@n", "pods@m=x", "apps:pods/log@n=y", "/a", "/a/b"] {
                let asked = attributes(verb, what);
                prop_assert_eq!(index.decide(&who, &asked).is_allowed(), plainly(&objects, &who, &asked), "{} {}", verb, what);
            }
        }
        for (plural, object) in &objects {
            let text = |field: &str| object["metadata"][field].as_str().unwrap();
            index.remove(&resource(plural), text("namespace"), text("name"));
        }
        prop_assert!(index.0.tables.read().is_empty());
    }
}
