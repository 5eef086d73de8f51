//! What is left out could not have differed.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// The same with everybody asked about everything everywhere.
fn all(old: &Studied, new: &Studied) -> Vec<Change> {
    let mut words = Words::of(old, new);
    words.add_strangers();
    let everywhere = Scope { everywhere: true, ..Scope::default() };
    let asked = words.subjects.iter().map(|(is_group, name)| Asked::new(*is_group, name));
    let asked: Vec<Asked<'_>> = asked.map(|one| Asked { scope: everywhere.clone(), ..one }).collect();
    words.compare_all(&asked, old, new).unwrap()
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["r", "s"])
}

fn namespace() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "a", "b"])
}

fn role() -> impl Strategy<Value = Value> {
    let verbs = prop::sample::subsequence(vec!["get", "list", "*"], 1..=2);
    let resources = prop::sample::subsequence(vec!["pods", "secrets", "*", "pods/exec"], 1..=2);
    let path = prop::option::of(prop::sample::select(vec!["/x", "/x/*"]));
    (namespace(), name(), verbs, resources, path).prop_map(|(namespace, name, verbs, resources, path)| {
        let mut rules = vec![json!({"apiGroups": [""], "resources": resources, "verbs": verbs})];
        rules.extend(path.map(|path| json!({"nonResourceURLs": [path], "verbs": verbs})));
        object(
            if namespace.is_empty() { "ClusterRole" } else { "Role" },
            namespace,
            name,
            json!({ "rules": rules }),
        )
    })
}

fn binding() -> impl Strategy<Value = Value> {
    let subject = prop::sample::select(vec![
        json!({"kind": "User", "name": "ann"}),
        json!({"kind": "Group", "name": "team"}),
        json!({"kind": "Group", "name": "system:authenticated"}),
        json!({"kind": "ServiceAccount", "name": "bot", "namespace": "a"}),
        json!({"kind": "User", "name": "any-other"}),
    ]);
    let to = prop::sample::select(vec!["Role", "ClusterRole"]);
    (namespace(), name(), to, name(), subject).prop_map(|(namespace, name, to, role, subject)| {
        let to = if namespace.is_empty() { "ClusterRole" } else { to };
        let kind = if namespace.is_empty() { "ClusterRoleBinding" } else { "RoleBinding" };
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": to, "name": role});
        object(kind, namespace, name, json!({"roleRef": role, "subjects": [subject]}))
    })
}

fn object(kind: &str, namespace: &str, name: &str, rest: Value) -> Value {
    let mut object = rest;
    object["apiVersion"] = json!("rbac.authorization.k8s.io/v1");
    object["kind"] = json!(kind);
    object["metadata"] = json!({"name": name, "namespace": namespace});
    object
}

fn rule() -> impl Strategy<Value = Value> {
    let effect = prop::sample::select(vec!["allow", "deny"]);
    let who = prop::sample::select(vec!["user:ann", "user:*", "group:team"]);
    let place = prop::sample::select(vec!["a", "*"]);
    let labels = prop::option::of(Just(json!({"tier": "prod"})));
    (effect, who, place, labels).prop_map(|(effect, who, place, labels)| {
        let mut rule = json!({"effect": effect, "subjects": [who], "verbs": ["get"], "apiGroups": [""],
            "resources": ["pods"], "namespaces": [place]});
        if let Some(labels) = labels {
            rule["namespaceLabels"] = labels;
        }
        rule
    })
}

fn studied() -> impl Strategy<Value = Studied> {
    let tier = prop::option::of(prop::sample::select(vec!["prod", "test"]));
    let parts = (prop::collection::vec(role(), 0..3), prop::collection::vec(binding(), 0..4));
    (parts, prop::collection::vec(rule(), 0..3), tier).prop_map(|((roles, bindings), rules, tier)| {
        let mut studied = Studied::default();
        for one in roles.iter().chain(&bindings) {
            studied.add_text("rbac.json", &one.to_string()).unwrap();
        }
        if let Some(tier) = tier {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"tier": tier}}});
            studied.add_text("namespace.json", &namespace.to_string()).unwrap();
        }
        if !rules.is_empty() {
            let lines: String = rules.iter().map(|rule| format!("  - {rule}\n")).collect();
            let text = format!("apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n{lines}");
            studied.add_text("rules.yaml", &text).unwrap();
        }
        studied
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn nothing_that_differs_is_left_out(old in studied(), new in studied()) {
        let told = |changes: Vec<Change>| changes.into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(told(diff(&old, &new).unwrap()), told(all(&old, &new)));
    }
}
