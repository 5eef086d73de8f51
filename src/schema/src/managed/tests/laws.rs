//! Laws over arbitrary sets and objects.

use portcullis_api::{Object, Value};
use proptest::prelude::*;
use serde_json::json;

use super::super::{FieldSet, ManagedFields, OneVersion, Request, Writable, compare, fieldset_of, merge};
use super::{deployment, object};
use crate::decode::FieldValidation;

const NOW: &str = "2026-01-01T00:00:00Z";

/// `FieldsV1` with few names, so that sets meet.
fn fields() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "f:a",
        "f:b",
        "f:c",
        "i:0",
        "i:1",
        r#"v:"x""#,
        "v:2",
        r#"k:{"n":"a"}"#,
        r#"k:{"n":1}"#,
    ]);
    let leaf = Just(json!({}));
    leaf.prop_recursive(4, 32, 4, move |inner| {
        (prop::collection::btree_map(key.clone(), inner, 0..4), any::<bool>()).prop_map(|(below, member)| {
            let mut map: serde_json::Map<String, Value> =
                below.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            if member {
                map.insert(".".to_owned(), json!({}));
            }
            Value::Object(map)
        })
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]".prop_map(Value::from)
    ];
    let name = prop::sample::select(vec![
        "metadata",
        "labels",
        "finalizers",
        "spec",
        "template",
        "containers",
        "ports",
        "name",
        "containerPort",
        "a",
        "protocol",
        "replicas",
        "env",
        "selector",
    ]);
    leaf.prop_recursive(6, 64, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..5)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// A deployment of which only what can be told apart varies.
fn config() -> impl Strategy<Value = Value> {
    let labels = prop::collection::btree_map("[ab]", "[xy]", 1..3);
    let ports = prop::collection::btree_set((80..83i64, prop::sample::select(vec!["TCP", "UDP"])), 0..3);
    let container = ("[ab]", ports).prop_map(|(image, ports)| {
        let ports: Vec<Value> = ports
            .into_iter()
            .map(|(port, protocol)| json!({"containerPort": port, "protocol": protocol}))
            .collect();
        json!({"image": image, "ports": ports})
    });
    let containers = prop::collection::btree_map("[cde]", container, 0..3);
    (labels, containers, prop::option::of(0..3i64)).prop_map(|(labels, containers, replicas)| {
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, mut container)| {
                container["name"] = name.into();
                container
            })
            .collect();
        let mut spec = json!({"template": {"spec": {"containers": containers}}});
        if let Some(replicas) = replicas {
            spec["replicas"] = replicas.into();
        }
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "labels": labels}, "spec": spec})
    })
}

fn normal(mut object: Object) -> Object {
    deployment().normalize(&mut object, FieldValidation::Ignore).unwrap();
    deployment().forget_empties(&mut object);
    object
}

fn set(fields: &Value) -> FieldSet<'_> {
    FieldSet::from_fields_v1(fields).unwrap()
}

proptest! {
    #[test]
    fn fields_v1_round_trips(fields in fields()) {
        let once = set(&fields);
        let written = once.to_fields_v1();
        prop_assert_eq!(&set(&written), &once);
        prop_assert_eq!(set(&written).to_fields_v1(), written);
    }

    #[test]
    fn sets_obey_the_laws_of_sets(a in fields(), b in fields(), c in fields()) {
        let (a, b, c) = (set(&a), set(&b), set(&c));
        prop_assert_eq!(a.clone().union(b.clone()), b.clone().union(a.clone()));
        prop_assert_eq!(a.clone().union(b.clone()).union(c.clone()), a.clone().union(b.clone().union(c.clone())));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(&a.clone().union(a.clone()), &a);
        prop_assert_eq!(&a.intersection(&a), &a);
        prop_assert!(a.clone().difference(&a).is_empty());
        prop_assert_eq!(&a.clone().difference(&b).union(a.intersection(&b)), &a);
        prop_assert!(a.clone().difference(&b).intersection(&b).is_empty());
        let without = a.clone().recursive_difference(&b);
        prop_assert_eq!(without.intersection(&a.clone().difference(&b)), without);
        prop_assert_eq!(a.len(), { let mut count = 0; a.for_each(&mut |_| count += 1); count });
    }

    #[test]
    fn no_tree_breaks_a_walk(old in json_value(), new in json_value(), fields in fields()) {
        let shape = deployment().shape();
        let _ = compare(shape, &old, &new);
        let _ = merge(shape, &old, &new);
        let _ = super::super::misfits(shape, &new, false).text();
        let _ = super::super::remove(shape, old, &set(&fields));
        let named = super::super::with_named_parents(shape, &fieldset_of(shape, &new));
        let _ = super::super::reconcile(shape, named);
    }

    #[test]
    fn comparing_alike_finds_nothing(one in config()) {
        let shape = deployment().shape();
        let changes = compare(shape, &one, &one).unwrap();
        prop_assert!(changes.changed.is_empty() && changes.removed.is_empty());
    }

    #[test]
    fn merging_is_idempotent_and_keeps_what_is_applied(live in config(), config in config()) {
        let shape = deployment().shape();
        let merged = merge(shape, &live, &config).unwrap();
        prop_assert_eq!(&merge(shape, &merged, &config).unwrap(), &merged);
        let changes = compare(shape, &live, &merged).unwrap();
        prop_assert!(changes.removed.is_empty());
        let applied = fieldset_of(shape, &config);
        prop_assert_eq!(fieldset_of(shape, &merged).intersection(&applied), applied);
    }

    #[test]
    fn applying_twice_is_applying_once(live in config(), first in config(), second in config()) {
        let tracker = deployment().tracker("", Writable::ALL, &OneVersion);
        let mut live = normal(object(live));
        tracker.update("creator", None, &mut live, NOW);
        let (first, second) = (object(first), object(second));
        let apply = |config, live: &_| {
            normal(tracker.apply(Request { manager: "m", force: true, config, now: NOW }, Some(live)).unwrap())
        };
        let before = apply(&first, &live);
        let once = apply(&second, &before);
        prop_assert_eq!(&apply(&second, &once), &once);
        // The manager owns exactly what it applies.
        let list = once.at(&["metadata", "managedFields"]).unwrap().as_array().unwrap();
        let managed = ManagedFields::decode(list).unwrap();
        let own = managed.entries.iter().find(|entry| entry.manager == "m");
        let config = Value::from(second);
        let wanted = fieldset_of(deployment().shape(), &config).difference(super::super::tracker::untracked());
        prop_assert_eq!(own.map(|entry| entry.set.clone()).unwrap_or_default(), wanted);
    }

    #[test]
    fn arbitrary_owners_never_break_an_update(owners in json_value(), new in config()) {
        let tracker = deployment().tracker("", Writable::ALL, &OneVersion);
        let mut new = object(new);
        new.metadata_mut().insert("managedFields".to_owned(), owners);
        tracker.update("m", None, &mut new, NOW);
        let list = new.at(&["metadata", "managedFields"]);
        prop_assert!(list.is_none_or(|list| ManagedFields::decode(list.as_array().unwrap()).is_ok()));
    }
}
