use std::sync::Arc;

use portcullis_api::Verb;
use portcullis_api::attributes::{ResourceTarget, Target};
use serde_json::json;

use super::*;
use crate::answers::Answers;
use crate::chain::Chain;

const USER: &str = "dan";

fn object(value: Value) -> Object {
    Object::new(value.as_object().unwrap().clone())
}

/// A cluster where `dan` has the rules in namespace `n`, and cluster-admin exists.
fn cluster(rules: Value) -> (Chain, RbacIndex, UserInfo) {
    let index = RbacIndex::new();
    let put = |plural: &str, value: Value| {
        index.upsert(&GroupResource::new(crate::rbac::GROUP, plural), &object(value));
    };
    put("roles", json!({"metadata": {"namespace": "n", "name": "held"}, "rules": rules}));
    put("rolebindings", binding("held", "Role", "held"));
    let [all, urls] = Rule::full_authority();
    put("clusterroles", json!({"metadata": {"name": "cluster-admin"}, "rules": [all, urls]}));
    (Chain::new().then(index.clone()), index, UserInfo::new(USER, ["system:authenticated"]))
}

fn binding(name: &str, kind: &str, role: &str) -> Value {
    json!({
        "metadata": {"namespace": "n", "name": name},
        "roleRef": {"apiGroup": crate::rbac::GROUP, "kind": kind, "name": role},
        "subjects": [{"kind": "User", "name": USER}],
    })
}

fn request(verb: Verb, resource: &str, name: &str) -> RequestInfo {
    let target = ResourceTarget {
        group: crate::rbac::GROUP.into(),
        version: "v1".into(),
        namespace: if resource.starts_with("cluster") { "".into() } else { "n".into() },
        resource: resource.into(),
        name: name.into(),
        ..ResourceTarget::default()
    };
    RequestInfo { verb, path: Arc::from("/"), target: Target::Resource(target) }
}

fn rule(resource: &str, verb: &str) -> Value {
    json!({"apiGroups": [""], "resources": [resource], "verbs": [verb]})
}

fn write_role(held: Value, rules: Value) -> Result<(), ApiError> {
    let (chain, index, user) = cluster(held);
    let new = object(json!({"metadata": {"name": "more", "namespace": "n"}, "rules": rules}));
    check_role_escalation(
        Asking::new(&chain, &Answers::default()),
        &index,
        &user,
        &request(Verb::Create, "roles", ""),
        &new,
        None,
    )
}

fn bind(held: Value, kind: &str, role: &str) -> Result<(), ApiError> {
    let (chain, index, user) = cluster(held);
    let new = object(binding("up", kind, role));
    check_binding_escalation(
        Asking::new(&chain, &Answers::default()),
        &index,
        &user,
        &request(Verb::Create, "rolebindings", ""),
        &new,
        None,
    )
}

#[test]
fn e007_rules_not_held_are_refused_and_listed() {
    let error = write_role(json!([rule("pods", "get")]), json!([rule("nodes", "get")])).unwrap_err();
    assert_eq!(
        error.message(),
        "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"dan\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"\"], Resources:[\"nodes\"], Verbs:[\"get\"]}"
    );
    write_role(json!([rule("pods", "get")]), json!([rule("pods", "get")])).unwrap();
    for wanted in [rule("pods", "*"), rule("*", "get"), json!({"nonResourceURLs": ["/*"], "verbs": ["get"]})]
    {
        write_role(json!([rule("pods", "get")]), json!([wanted])).unwrap_err();
    }
}

#[test]
fn e007_who_may_escalate_is_free() {
    let escalate = json!({"apiGroups": [crate::rbac::GROUP], "resources": ["roles"], "verbs": ["escalate"]});
    write_role(json!([escalate]), json!([rule("*", "*")])).unwrap();
    let named = json!({"apiGroups": [crate::rbac::GROUP], "resources": ["roles"], "verbs": ["escalate"], "resourceNames": ["more"]});
    write_role(json!([named]), json!([rule("*", "*")])).unwrap_err();
}

#[test]
fn e008_roles_not_held_are_not_bound() {
    let error = bind(json!([rule("pods", "get")]), "ClusterRole", "cluster-admin").unwrap_err();
    assert_eq!(
        error.message(),
        "rolebindings.rbac.authorization.k8s.io \"up\" is forbidden: user \"dan\" (groups=[\"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}"
    );
    let missing = bind(json!([rule("pods", "get")]), "ClusterRole", "missing").unwrap_err();
    assert_eq!(missing.message(), "rolebindings.rbac.authorization.k8s.io \"missing\" not found");
    bind(json!([rule("pods", "get")]), "Role", "held").unwrap();
    let odd = bind(json!([rule("pods", "get")]), "Group", "held").unwrap_err();
    assert_eq!(odd.message(), "unsupported role reference kind: \"Group\"");
}

#[test]
fn e008_who_may_bind_a_role_binds_it() {
    let may = |name: &str| json!([{"apiGroups": [crate::rbac::GROUP], "resources": ["clusterroles"], "verbs": ["bind"], "resourceNames": [name]}]);
    bind(may("cluster-admin"), "ClusterRole", "cluster-admin").unwrap();
    bind(may("other"), "ClusterRole", "cluster-admin").unwrap_err();
}

#[test]
fn e008_changing_subjects_alone_is_a_grant_too() {
    let (chain, index, user) = cluster(json!([rule("pods", "get")]));
    let old = object(binding("up", "ClusterRole", "cluster-admin"));
    let info = request(Verb::Patch, "rolebindings", "up");
    let mut new = old.clone();
    new.set_at(&["metadata", "finalizers"], json!(["x"]));
    check_binding_escalation(
        Asking::new(&chain, &Answers::default()),
        &index,
        &user,
        &info,
        &new,
        Some(&old),
    )
    .unwrap();
    new.set_at(&["subjects"], json!([]));
    check_binding_escalation(
        Asking::new(&chain, &Answers::default()),
        &index,
        &user,
        &info,
        &new,
        Some(&old),
    )
    .unwrap_err();
}

#[test]
fn e009_aggregation_needs_everything() {
    let (chain, index, user) = cluster(json!([rule("pods", "get")]));
    let new = object(json!({
        "metadata": {"name": "agg"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
    }));
    let info = request(Verb::Create, "clusterroles", "");
    let error =
        check_role_escalation(Asking::new(&chain, &Answers::default()), &index, &user, &info, &new, None)
            .unwrap_err();
    assert_eq!(
        error.message(),
        "clusterroles.rbac.authorization.k8s.io \"agg\" is forbidden: must have cluster-admin privileges to use the aggregationRule"
    );
    let masters = UserInfo::new("root", [MASTERS]);
    check_role_escalation(Asking::new(&chain, &Answers::default()), &index, &masters, &info, &new, None)
        .unwrap();
    let plain = object(json!({"metadata": {"name": "agg"}}));
    check_role_escalation(Asking::new(&chain, &Answers::default()), &index, &user, &info, &plain, Some(&new))
        .unwrap_err();
}

#[test]
fn roles_that_could_not_be_resolved_are_told() {
    let (chain, index, user) = cluster(json!([rule("pods", "get")]));
    let dangling = GroupResource::new(crate::rbac::GROUP, "rolebindings");
    index.upsert(&dangling, &object(binding("a", "Role", "gone")));
    let new = object(json!({"metadata": {"name": "more"}, "rules": [rule("nodes", "get")]}));
    let error = check_role_escalation(
        Asking::new(&chain, &Answers::default()),
        &index,
        &user,
        &request(Verb::Create, "roles", ""),
        &new,
        None,
    )
    .unwrap_err();
    let suffix = "Verbs:[\"get\"]}; resolution errors: [roles.rbac.authorization.k8s.io \"gone\" not found]";
    assert!(error.message().ends_with(suffix), "{}", error.message());
}

#[test]
fn a_few_words_cannot_make_the_comparison_huge() {
    let many: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let bomb = json!({"apiGroups": many, "resources": many, "verbs": many, "resourceNames": many});
    let error = write_role(json!([rule("pods", "get")]), json!([bomb])).unwrap_err();
    assert!(error.message().ends_with("more than 100000 permissions are granted at once"));
}
