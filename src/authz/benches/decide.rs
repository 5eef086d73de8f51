//! What a decision costs in a cluster with 10,000 bindings.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use portcullis_api::{GroupResource, Object, UserInfo};
use portcullis_authz::attributes::Resource;
use portcullis_authz::{Attributes, Chain, RbacIndex, policies};
use serde_json::{Value, json};

const BINDINGS: usize = 10_000;

fn object(value: Value) -> Object {
    Object::new(value.as_object().cloned().unwrap_or_default())
}

/// A cluster of 1,000 namespaces with ten users each, all `edit` in their own.
fn cluster() -> Chain {
    let index = RbacIndex::new();
    for (resource, object) in policies::bootstrap_objects() {
        index.upsert(&resource.group_resource(), object);
    }
    let bindings = GroupResource::new("rbac.authorization.k8s.io", "rolebindings");
    for n in 0..BINDINGS {
        let binding = json!({
            "metadata": {"name": format!("b{n}"), "namespace": format!("ns{}", n / 10)},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "User", "name": format!("u{n}")}, {"kind": "Group", "name": format!("team{}", n / 10)}],
        });
        index.upsert(&bindings, &object(binding));
    }
    Chain::new().then(index)
}

fn decide(criterion: &mut Criterion) {
    let chain = cluster();
    let user = UserInfo::new("u4242", ["developers", "team424", "system:authenticated"]);
    let masters = UserInfo::new("root", ["system:masters", "system:authenticated"]);
    let ask = |verb, resource, namespace| {
        Attributes::resource(verb, Resource { resource, namespace, name: "x", ..Resource::default() })
    };
    for (name, user, asked) in [
        ("masters", &masters, ask("get", "pods", "ns424")),
        ("allowed", &user, ask("get", "pods", "ns424")),
        ("refused", &user, ask("get", "nodes", "ns424")),
        ("refused elsewhere", &user, ask("get", "pods", "ns1")),
    ] {
        criterion
            .bench_function(name, |bench| bench.iter(|| black_box(chain.decide(user, black_box(&asked)))));
    }
}

criterion_group!(benches, decide);
criterion_main!(benches);
