use std::sync::Arc;

use kube::core::ApiResource;
use serde_json::json;

use super::*;

fn kind(name: &str) -> Kind {
    let gvk = kube::core::GroupVersionKind::gvk("", "v1", name);
    Arc::new(ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", name.to_lowercase())))
}

/// An object of kind `Thing` in namespace `ns`, whose UID is its name.
fn thing(name: &str, owners: &[&str]) -> Item {
    let owners: Vec<_> = owners.iter().map(|owner| reference(owner, owner, false)).collect();
    with(name, json!({ "ownerReferences": owners }))
}

fn reference(uid: &str, name: &str, blocks: bool) -> serde_json::Value {
    json!({ "apiVersion": "v1", "kind": "Thing", "name": name, "uid": uid, "blockOwnerDeletion": blocks })
}

fn with(name: &str, mut metadata: serde_json::Value) -> Item {
    metadata["name"] = name.into();
    metadata["namespace"] = "ns".into();
    metadata["uid"] = name.into();
    Item::seen(&kind("Thing"), &serde_json::from_value(metadata).unwrap()).unwrap()
}

fn ending(name: &str, finalizer: &str) -> Item {
    with(name, json!({ "deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": [finalizer] }))
}

fn collect(uids: &[&str]) -> BTreeSet<Job> {
    uids.iter().map(|uid| Job::Collect((*uid).to_owned())).collect()
}

#[test]
fn a_dependent_is_looked_at_when_its_owner_goes() {
    let mut graph = Graph::default();
    assert!(graph.observe(thing("owner", &[])).is_empty());
    assert!(graph.observe(thing("child", &["owner"])).is_empty());
    assert_eq!(graph.forget("owner"), collect(&["child"]));
    let child = graph.get("child").unwrap().clone();
    assert!(graph.is_absent(&child.owners[0], Some("ns")));
    assert!(!graph.is_absent(&child.owners[0], Some("other")));
    assert!(graph.forget("child").is_empty());
}

#[test]
fn an_owner_that_nobody_saw_is_asked_for() {
    let mut graph = Graph::default();
    assert_eq!(graph.observe(thing("child", &["owner"])), collect(&["child"]));
    assert!(graph.observe(thing("owner", &[])).is_empty(), "it is what the child says");
    assert!(graph.observe(thing("child", &["owner"])).is_empty(), "nothing is new");
}

#[test]
fn h020_a_reference_that_lies_is_asked_for_in_either_order() {
    let liar = |name: &str| with(name, json!({ "ownerReferences": [reference("owner", "another", false)] }));
    let mut graph = Graph::default();
    graph.observe(thing("owner", &[]));
    assert_eq!(graph.observe(liar("late")), collect(&["late"]));
    let mut graph = Graph::default();
    graph.observe(liar("early"));
    assert_eq!(graph.observe(thing("owner", &[])), collect(&["early"]));

    let mut stranger = thing("stranger", &["owner"]);
    stranger.namespace = Some("elsewhere".to_owned());
    assert_eq!(graph.observe(stranger), collect(&["stranger"]));
}

#[test]
fn an_owner_that_waits_is_looked_at_when_nothing_blocks_it() {
    let mut graph = Graph::default();
    let blocking = |owners: serde_json::Value| with("child", json!({ "ownerReferences": owners }));
    graph.observe(thing("owner", &[]));
    graph.observe(blocking(json!([reference("owner", "owner", true)])));
    assert_eq!(graph.blocking("owner").len(), 1);
    assert_eq!(graph.observe(ending("owner", FOREGROUND)), collect(&["owner", "child"]));
    assert!(graph.observe(ending("owner", FOREGROUND)).is_empty(), "it began before");

    let unblocked = blocking(json!([reference("owner", "owner", false)]));
    assert_eq!(graph.observe(unblocked), collect(&["owner"]));
    assert!(graph.blocking("owner").is_empty());
    assert_eq!(graph.forget("child"), collect(&["owner"]));
}

#[test]
fn an_owner_that_orphans_is_looked_at_once() {
    let mut graph = Graph::default();
    graph.observe(thing("owner", &[]));
    let orphaning = graph.observe(ending("owner", ORPHAN));
    assert_eq!(orphaning, BTreeSet::from([Job::Orphan("owner".to_owned())]));
    assert!(graph.observe(ending("owner", ORPHAN)).is_empty());
    assert_eq!(graph.get("owner").unwrap().stage, Stage::Orphaning);
    assert!(graph.observe(ending("owner", "of/another")).is_empty());
}

#[test]
fn what_a_new_list_lacks_is_gone() {
    let mut graph = Graph::default();
    graph.observe(thing("owner", &[]));
    graph.observe(thing("child", &["owner"]));
    let listed = HashSet::from(["child".to_owned()]);
    assert!(graph.forget_all_but(&kind("Other"), &listed).is_empty());
    assert_eq!(graph.forget_all_but(&kind("Thing"), &listed), collect(&["child"]));
    assert!(graph.get("owner").is_none());
}

#[test]
fn nothing_is_left_of_what_is_gone() {
    let mut graph = Graph::default();
    for round in 0..2 * ABSENT {
        let (owner, child) = (format!("owner{round}"), format!("child{round}"));
        graph.observe(thing(&owner, &[]));
        graph.observe(thing(&child, &[&owner]));
        graph.forget(&owner);
        graph.forget(&child);
    }
    assert!(graph.items.is_empty() && graph.dependents.is_empty());
    assert_eq!((graph.absent.len(), graph.absent_in_order.len()), (ABSENT, ABSENT));
}
