//! What a decision costs in a cluster with 10,000 bindings, 10,000 rules in policy files and 10,000 users.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_api::{GroupResource, Object, UserInfo};
use portcullis_authz::attributes::Resource;
use portcullis_authz::files::parse_rules;
use portcullis_authz::{
    Attributes, Chain, NamespaceLabels, NodeAuthorizer, PolicyFiles, RbacIndex, policies,
};
use serde_json::{Value, json};

/// The server's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MANY: usize = 10_000;
/// How many decisions the percentiles are of.
const SAMPLES: usize = 200_000;

fn object(value: Value) -> Object {
    Object::new(value.as_object().cloned().unwrap_or_default())
}

/// A cluster of 1,000 namespaces with ten users each, all `edit` in their own. Every user has a rule of their
/// own in the policy files: half of them are refused the secrets of their namespace, half may read its nodes' pods.
fn cluster() -> Chain {
    let index = RbacIndex::new();
    for (resource, object) in policies::bootstrap_objects() {
        index.upsert(&resource.group_resource(), object);
    }
    let bindings = GroupResource::new("rbac.authorization.k8s.io", "rolebindings");
    for n in 0..MANY {
        let binding = json!({
            "metadata": {"name": format!("b{n}"), "namespace": format!("ns{}", n / 10)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "User", "name": format!("u{n}")}, {"kind": "Group", "name": format!("team{}", n / 10)}],
        });
        index.upsert(&bindings, &object(binding));
    }
    let files = files();
    Chain::new().guard(files.refusals()).then(NodeAuthorizer::new()).then(files).then(index)
}

fn files() -> PolicyFiles {
    let rule = |n: usize| {
        let (namespace, user) = (format!("ns{}", n / 10), format!("user:u{n}"));
        if n.is_multiple_of(2) {
            json!({"effect": "deny", "subjects": [user], "verbs": ["*"], "apiGroups": [""],
                "resources": ["secrets"], "namespaces": [namespace]})
        } else {
            json!({"effect": "allow", "subjects": [user], "verbs": ["get"], "apiGroups": [""],
                "resources": ["pods", "pods/*"], "namespaces": [format!("{namespace}-*"), namespace]})
        }
    };
    let rules: Vec<Value> = (0..MANY).map(rule).collect();
    let text =
        json!({"apiVersion": "policy.portcullis.io/v1", "kind": "PolicyRules", "rules": rules}).to_string();
    let rules = parse_rules("rules.yaml", &text).unwrap_or_default();
    assert_eq!(rules.len(), MANY);
    PolicyFiles::of_rules("PolicyFiles", rules, NamespaceLabels::new())
}

fn user(n: usize) -> UserInfo {
    UserInfo::new(&format!("u{n}"), ["developers", &format!("team{}", n / 10), "system:authenticated"])
}

fn ask<'a>(verb: &'a str, resource: &'a str, namespace: &'a str) -> Attributes<'a> {
    Attributes::resource(verb, Resource { resource, namespace, name: "x", ..Resource::default() })
}

fn decide(criterion: &mut Criterion) {
    let chain = cluster();
    let masters = UserInfo::new("root", ["system:masters", "system:authenticated"]);
    let (refused, allowed) = (user(4242), user(4243));
    for (name, user, asked) in [
        ("masters", &masters, ask("get", "pods", "ns424")),
        ("allowed by RBAC", &refused, ask("get", "pods", "ns424")),
        ("refused", &refused, ask("get", "nodes", "ns424")),
        ("refused elsewhere", &refused, ask("get", "pods", "ns1")),
        ("allowed by a policy file", &allowed, ask("get", "pods", "ns424")),
        ("denied by a policy file", &refused, ask("get", "secrets", "ns424")),
    ] {
        criterion
            .bench_function(name, |bench| bench.iter(|| black_box(chain.decide(user, black_box(&asked)))));
    }
    percentiles(&chain);
}

/// Every decision is about another user and namespace than the one before, so that caches are of no help. Who asks was
/// made out just before, as authentication does. A quarter of the decisions is a policy file's.
#[expect(clippy::print_stdout, reason = "a benchmark's result")]
fn percentiles(chain: &Chain) {
    let namespaces: Vec<String> = (0..MANY).map(|n| format!("ns{}", n / 10)).collect();
    let (mut took, mut by_files): (Vec<Duration>, usize) = (Vec::with_capacity(SAMPLES), 0);
    for n in 0..SAMPLES {
        // A stride that visits all users in an order that memory does not follow.
        let at = n.wrapping_mul(7_919) % MANY;
        let resource =
            ["pods", "secrets", "configmaps", "deployments"].get(n / 2 % 4).copied().unwrap_or_default();
        let Some(namespace) = namespaces.get(at) else { continue };
        let (asked, user) = (ask("get", resource, namespace), user(at));
        let start = Instant::now();
        let receipt = black_box(chain.decide(&user, black_box(&asked)));
        took.push(start.elapsed());
        by_files += usize::from(receipt.authorizer() == Some("PolicyFiles"));
    }
    took.sort_unstable();
    let at = |share: usize| took.get(took.len().saturating_mul(share) / 1_000).copied().unwrap_or_default();
    println!(
        "{MANY} bindings, {MANY} rules of policy files, {MANY} users, cache cold ({SAMPLES} decisions, {by_files} of them a policy file's): \
         median {:?} (at most 4us), p99 {:?} (at most 25us), p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    );
}

criterion_group!(benches, decide);
criterion_main!(benches);
