use portcullis_api::{GroupResource, Object};
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::attributes::Resource;
use crate::chain::Chain;
use crate::files::{NamespaceLabels, parse_rules};
use crate::node::NodeAuthorizer;
use crate::rbac::{GROUP, RbacIndex};

const USERS: [&str; 4] = ["ann", "bob", "system:serviceaccount:a:bot", "system:node:n1"];
const GROUPS: [&str; 3] = ["dev", "ops", "team-x"];
const VERBS: [&str; 3] = ["get", "list", "delete"];
const RESOURCES: [&str; 4] = ["pods", "secrets", "pods/log", "nodes"];
const NAMESPACES: [&str; 3] = ["", "a", "b"];

/// Everybody there is: each user alone and with each pair of groups.
fn everybody() -> Vec<UserInfo> {
    let sets: [&[&str]; 5] = [&[], &["dev"], &["ops"], &["team-x", "dev"], &["system:nodes"]];
    USERS.iter().flat_map(|user| sets.map(|groups| UserInfo::new(user, groups))).collect()
}

#[derive(Clone, Debug)]
struct Policy {
    /// Role, binding's namespace (empty for the cluster), subject.
    bindings: Vec<(usize, &'static str, usize)>,
    roles: Vec<(&'static str, &'static str)>,
    rules: Vec<(bool, u32, &'static str, &'static str, &'static str, &'static str)>,
}

fn policy() -> impl Strategy<Value = Policy> {
    let role = (
        select(&["get", "list", "delete", "*"][..]),
        select(&["pods", "secrets", "pods/log", "nodes", "*"][..]),
    );
    let binding = (0..3usize, select(&NAMESPACES[..]), 0..USERS.len() + GROUPS.len());
    let rule = (
        any::<bool>(),
        0u32..3,
        select(&["user:ann", "user:*", "group:dev", "group:team-*", "serviceaccount:a/bot", "*"][..]),
        select(&["get", "list", "*"][..]),
        select(&["pods", "pods/*", "secrets", "nodes", "*"][..]),
        select(&["", "a", "a*", "-"][..]),
    );
    (
        proptest::collection::vec(role, 3),
        proptest::collection::vec(binding, 0..5),
        proptest::collection::vec(rule, 0..4),
    )
        .prop_map(|(roles, bindings, rules)| Policy { bindings, roles, rules })
}

fn authorities(policy: &Policy) -> Authorities {
    let rbac = RbacIndex::new();
    let put = |plural: &str, object: Value| {
        rbac.upsert(&GroupResource::new(GROUP, plural), &Object::new(object.as_object().unwrap().clone()));
    };
    for (n, (verb, resource)) in policy.roles.iter().enumerate() {
        let rules = json!([{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]);
        put("clusterroles", json!({"metadata": {"name": format!("r{n}")}, "rules": rules}));
    }
    for (n, (role, namespace, subject)) in policy.bindings.iter().enumerate() {
        let subject = match USERS.get(*subject) {
            Some(user) => json!({"kind": "User", "name": user}),
            None => json!({"kind": "Group", "name": GROUPS[subject - USERS.len()]}),
        };
        let plural = if namespace.is_empty() { "clusterrolebindings" } else { "rolebindings" };
        let role = json!({"kind": "ClusterRole", "name": format!("r{role}")});
        let metadata = json!({"name": format!("b{n}"), "namespace": namespace});
        put(plural, json!({"metadata": metadata, "roleRef": role, "subjects": [subject]}));
    }
    let rules = policy.rules.iter().map(|(deny, priority, subject, verb, resource, namespace)| {
        let namespaces: &[&str] = if *namespace == "-" { &[] } else { &[namespace] };
        json!({"effect": if *deny { "deny" } else { "allow" }, "priority": priority, "subjects": [subject],
            "verbs": [verb], "apiGroups": [""], "resources": [resource], "namespaces": namespaces})
    });
    let rules = json!({"apiVersion": "policy.portcullis.io/v1", "kind": "PolicyRules", "rules": rules.collect::<Vec<_>>()});
    let labels = NamespaceLabels::new();
    let files = PolicyFiles::of_rules(
        "PolicyFiles",
        parse_rules("r.yaml", &rules.to_string()).unwrap(),
        labels.clone(),
    );
    let nodes = NodeAuthorizer::new();
    let chain =
        Chain::new().guard(files.refusals()).then(nodes.clone()).then(files.clone()).then(rbac.clone());
    Authorities::of(chain, rbac, nodes, labels, vec![files])
}

/// Whether an answer's subject is somebody.
fn is(subject: &Value, user: &UserInfo) -> bool {
    let pattern = Pattern::parse(subject["name"].as_str().unwrap()).unwrap();
    // Who has a node's name and is in no node's group is no node.
    if subject["by"] == "Node" && !user.in_group("system:nodes") {
        return false;
    }
    match subject["kind"].as_str().unwrap() {
        "User" => pattern.matches(&user.name),
        _ => user.groups.iter().any(|group| pattern.matches(group)),
    }
}

/// Whether one of the rules that stand against it is for somebody: `user:PATTERN` or `group:PATTERN`.
fn stands_against(rule: &Value, user: &UserInfo) -> bool {
    rule["subjects"].as_array().unwrap().iter().any(|subject| {
        let (kind, name) = subject.as_str().unwrap().split_once(':').unwrap();
        is(&json!({"kind": if kind == "user" { "User" } else { "Group" }, "name": name}), user)
    })
}

proptest! {
    /// Whoever may is named; whoever is named may, unless a deny rule that is named too is for them.
    #[test]
    fn i037_who_can_is_what_everybody_asked_one_by_one_may(policy in policy()) {
        let authorities = authorities(&policy);
        for verb in VERBS {
            for whole in RESOURCES {
                for namespace in NAMESPACES {
                    let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
                    let asked = Resource { version: "v1", resource, subresource, namespace, ..Resource::default() };
                    let asked = Attributes::resource(verb, asked);
                    let told = authorities.who_can(&asked);
                    let (subjects, unless) = (told["subjects"].as_array().unwrap(), told["unless"].as_array().unwrap());
                    for user in everybody() {
                        let may = authorities.chain.decide(&user, &asked).is_allowed();
                        let named = subjects.iter().any(|subject| is(subject, &user));
                        let refused = unless.iter().any(|rule| stands_against(rule, &user));
                        prop_assert!(!may || named, "{user:?} may {verb} {whole} in {namespace:?}, and is not named: {told}");
                        prop_assert!(!named || refused || may, "{user:?} is named for {verb} {whole} in {namespace:?}: {told}");
                    }
                }
            }
        }
    }

    /// What `can` lists a user may do, unless a deny rule that is named too is for them; what a user may do is
    /// listed, or the list says that it is not complete.
    #[test]
    fn i037_can_is_what_one_user_asked_for_everything_may(policy in policy()) {
        let authorities = authorities(&policy);
        for user in everybody() {
            for namespace in ["a", "b"] {
                let told = authorities.can(&user, namespace);
                let rules: Vec<crate::rbac::Rule> = authorities.chain.rules(&user, namespace).rules;
                for verb in VERBS {
                    for whole in RESOURCES.iter().filter(|whole| **whole != "nodes") {
                        let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
                        let asked = Resource { version: "v1", resource, subresource, namespace, ..Resource::default() };
                        let asked = Attributes::resource(verb, asked);
                        let may = authorities.chain.decide(&user, &asked).is_allowed();
                        let has = |words: &[Box<str>], word: &str| words.iter().any(|w| &**w == word || &**w == "*");
                        let listed = rules.iter().any(|rule| has(&rule.verbs, verb) && has(&rule.resources, whole));
                        prop_assert!(!may || listed || told["incomplete"] == true, "{user:?} {verb} {whole}: {told}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn webhooks_are_named_where_they_would_have_to_be_asked() {
    let hook = crate::testing::hook::Hook::start().await;
    hook.says(json!({"allowed": true, "reason": "ticket 7"}));
    let authorities = Authorities::built_in();
    let webhook = crate::webhook::Webhook::new(&hook.plan()).unwrap();
    authorities.chain.replace(vec![crate::chain::Link::to_webhook(webhook)]);
    let jane = UserInfo::new("jane", ["dev"]);
    let asked =
        Attributes::resource("get", Resource { version: "v1", resource: "pods", ..Resource::default() });
    for told in [authorities.who_can(&asked), authorities.can(&jane, "a")] {
        assert_eq!((&told["incomplete"], &told["ask"][0]["webhook"]), (&json!(true), &json!("hook")));
    }
    assert_eq!(
        authorities.can(&jane, "a")["evaluationError"],
        "webhook authorizer does not support user rule resolution"
    );
    assert!(hook.heard().is_empty(), "nobody was asked about anybody");
    let told = authorities.explain_now(&jane, &asked).await;
    assert_eq!((&told["now"]["decision"], &told["now"]["by"]), (&json!("allow"), &json!("hook")));
    assert_eq!(told["now"]["reasons"][0]["text"], "ticket 7");
    let step = &told["chain"][0];
    assert_eq!((&step["authorizer"], &step["decision"]), (&json!("hook"), &json!("allow")));
    assert_eq!(step["webhook"]["review"]["spec"]["user"], "jane");
    assert_eq!(hook.heard().len(), 1);
}
