use serde_json::json;

use portcullis_api::{GroupResource, Object, Value};

use super::*;
use crate::answers::Answers;
use crate::chain::Chain;
use crate::rbac::RbacIndex;

fn object(value: Value) -> Object {
    Object::new(value.as_object().unwrap().clone())
}

/// A chain in which user `r` (and a service account of node `n1`) has rules everywhere.
fn chain(rules: Value) -> Chain {
    let index = RbacIndex::new();
    let put = |plural: &str, value: Value| {
        index.upsert(&GroupResource::new(crate::rbac::GROUP, plural), &object(value));
    };
    put("clusterroles", json!({"metadata": {"name": "r"}, "rules": rules}));
    let subjects = json!([
        {"kind": "User", "name": "r"},
        {"kind": "ServiceAccount", "name": "agent", "namespace": "ns"},
    ]);
    let role = json!({"kind": "ClusterRole", "name": "r"});
    put("clusterrolebindings", json!({"metadata": {"name": "b"}, "roleRef": role, "subjects": subjects}));
    Chain::new().then(index)
}

fn wanted(name: &str) -> Wanted {
    Wanted { name: name.to_owned(), ..Wanted::default() }
}

fn list_pods() -> Attributes<'static> {
    Attributes::resource("list", Resource { resource: "pods", namespace: "n", ..Resource::default() })
}

fn attempt(rules: Value, requestor: &UserInfo, wanted: &Wanted) -> Result<Impersonated, String> {
    let chain = chain(rules);
    let answers = Answers::default();
    impersonate(Asking::new(&chain, &answers), requestor, wanted, &list_pods())
        .map_err(|e| e.message().to_owned())
}

fn r() -> UserInfo {
    UserInfo::new("r", ["system:authenticated"])
}

fn groups(of: &Impersonated) -> Vec<&str> {
    of.user.groups.iter().map(|g| &**g).collect()
}

fn legacy(resource: &str, names: &[&str]) -> Value {
    json!({"apiGroups": ["", AUTHENTICATION], "resources": [resource], "verbs": ["impersonate"], "resourceNames": names})
}

fn constrained(mode: &str, resource: &str) -> Value {
    json!({"apiGroups": [AUTHENTICATION], "resources": [resource], "verbs": [format!("impersonate:{mode}")]})
}

fn on(mode: &str, verb: &str) -> Value {
    json!({"apiGroups": [""], "resources": ["pods"], "verbs": [format!("impersonate-on:{mode}:{verb}")]})
}

#[test]
fn the_legacy_verb_allows_each_thing_by_itself() {
    let mut wanted = wanted("u");
    wanted.groups = vec!["g".to_owned()];
    wanted.uid = "7".to_owned();
    wanted.extra.insert("k".to_owned(), vec!["1".to_owned(), "2".to_owned()]);
    let all = [
        legacy("users", &["u"]),
        legacy("groups", &["g"]),
        legacy("uids", &["7"]),
        legacy("userextras/k", &["1", "2"]),
    ];
    let as_u = attempt(json!(all), &r(), &wanted).unwrap();
    assert_eq!(groups(&as_u), ["g", AUTHENTICATED]);
    assert_eq!(as_u.constraint, "");
    for missing in 0..all.len() {
        let mut rules = all.to_vec();
        rules.remove(missing);
        attempt(json!(rules), &r(), &wanted).unwrap_err();
    }
    attempt(json!([&all[0], &all[1], &all[2], legacy("userextras/k", &["1"])]), &r(), &wanted).unwrap_err();
}

#[test]
fn d011_users_alone_do_not_make_a_master() {
    let mut wanted = wanted("u");
    wanted.groups = vec![MASTERS.to_owned()];
    attempt(json!([legacy("users", &[])]), &r(), &wanted).unwrap_err();
    attempt(json!([legacy("users", &[]), legacy("groups", &[])]), &r(), &wanted).unwrap();
    let all = json!([constrained("user-info", "*"), on("user-info", "list")]);
    attempt(all, &r(), &wanted).unwrap_err();
}

#[test]
fn d012_the_first_refusal_is_told() {
    let told = attempt(json!([]), &r(), &wanted("u")).unwrap_err();
    assert_eq!(
        told,
        "pods is forbidden: User \"r\" cannot impersonate-on:user-info:list resource \"pods\" in API group \"\" in the namespace \"n\""
    );
    let told = attempt(json!([on("user-info", "list")]), &r(), &wanted("u")).unwrap_err();
    assert_eq!(
        told,
        "users.authentication.k8s.io \"u\" is forbidden: User \"r\" cannot impersonate:user-info resource \"users\" in API group \"authentication.k8s.io\" at the cluster scope"
    );
}

#[test]
fn a_constrained_mode_is_for_its_verbs_only() {
    let rules = json!([constrained("user-info", "users"), on("user-info", "list")]);
    let as_u = attempt(rules, &r(), &wanted("u")).unwrap();
    assert_eq!(as_u.constraint, "impersonate:user-info");
    attempt(json!([constrained("user-info", "users"), on("user-info", "get")]), &r(), &wanted("u"))
        .unwrap_err();
}

#[test]
fn service_accounts_have_their_groups() {
    let account = wanted("system:serviceaccount:ns:sa");
    let rules = json!([constrained("serviceaccount", "serviceaccounts"), on("serviceaccount", "list")]);
    let as_sa = attempt(rules, &r(), &account).unwrap();
    assert_eq!(groups(&as_sa), ["system:serviceaccounts", "system:serviceaccounts:ns", AUTHENTICATED]);
    attempt(json!([legacy("serviceaccounts", &["sa"])]), &r(), &account).unwrap();
    attempt(json!([legacy("users", &[])]), &r(), &account).unwrap_err();
}

#[test]
fn d045_a_service_account_is_its_own_node_only() {
    let agent = UserInfo {
        extra: Arc::new(Extra::from([(NODE_KEY.to_owned(), vec!["n1".to_owned()])])),
        ..UserInfo::new("system:serviceaccount:ns:agent", ["system:authenticated"])
    };
    let rules = || json!([constrained("associated-node", "nodes"), on("associated-node", "list")]);
    let as_node = attempt(rules(), &agent, &wanted("system:node:n1")).unwrap();
    assert_eq!(
        (&*as_node.user.name, groups(&as_node)),
        ("system:node:n1", vec!["system:nodes", AUTHENTICATED])
    );
    assert_eq!(as_node.constraint, "impersonate:associated-node");
    attempt(rules(), &agent, &wanted("system:node:n2")).unwrap_err();
    let two = Extra::from([(NODE_KEY.to_owned(), vec!["n1".to_owned(), "n2".to_owned()])]);
    attempt(rules(), &UserInfo { extra: Arc::new(two), ..agent.clone() }, &wanted("system:node:n1"))
        .unwrap_err();
    attempt(rules(), &UserInfo { name: "r".into(), ..agent }, &wanted("system:node:n1")).unwrap_err();
}

#[test]
fn anonymous_is_not_authenticated() {
    let as_anonymous = attempt(json!([legacy("users", &[])]), &r(), &wanted(ANONYMOUS)).unwrap();
    assert_eq!(groups(&as_anonymous), [UNAUTHENTICATED]);
    let mut wanted = wanted("u");
    wanted.groups = vec![UNAUTHENTICATED.to_owned()];
    let rules = json!([legacy("users", &[]), legacy("groups", &[])]);
    assert_eq!(groups(&attempt(rules, &r(), &wanted).unwrap()), [UNAUTHENTICATED]);
}

#[test]
fn constrained_extra_keys_are_domain_prefixed() {
    let extra = |key: &str, value: &str| Extra::from([(key.to_owned(), vec![value.to_owned()])]);
    assert_eq!(extra_mistake(&extra("acme.io/a", "v")), None);
    assert_eq!(
        extra_mistake(&extra("plain", "v")).unwrap(),
        "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: \"plain\": must be a domain-prefixed path (such as \"acme.io/foo\")"
    );
    assert_eq!(
        extra_mistake(&extra("acme.io/A", "v")).unwrap(),
        "impersonating a non-lowercase key in extra is not allowed: \"acme.io/A\""
    );
    assert!(extra_mistake(&extra("acme.io/a b", "v")).unwrap().contains("Invalid path"));
    assert!(extra_mistake(&extra("acme.io/a", "")).is_some());
    assert!(extra_mistake(&extra("", "v")).is_some());
}
