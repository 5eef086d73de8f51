//! Strategic merge patches of a deployment.

use portcullis_api::{Map, Value};
use proptest::prelude::*;
use serde_json::json;

use crate::kind::kind_named;

fn patch(tree: &Value, patch: &Value) -> Result<Value, String> {
    let root = kind_named("apps", "v1", "Deployment").unwrap().root();
    let map = |value: &Value| value.as_object().unwrap().clone();
    super::apply(root, &map(tree), &map(patch)).map(Value::Object).map_err(|error| error.message().to_owned())
}

/// Patches the pod spec of a deployment.
fn pod(spec: &Value, new: &Value) -> Result<Value, String> {
    let whole = |spec: &Value| json!({"spec": {"template": {"spec": spec}}});
    let mut after = patch(&whole(spec), &whole(new))?;
    Ok(after["spec"]["template"]["spec"].take())
}

fn containers(names: &[&str]) -> Value {
    names.iter().map(|name| json!({"name": name})).collect()
}

fn names(spec: &Value) -> Vec<&str> {
    spec["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect()
}

#[test]
fn lists_are_merged_by_key() {
    let spec =
        json!({"containers": [{"name": "a", "image": "1", "ports": [{"containerPort": 80}]}, {"name": "b"}]});
    let after = pod(&spec, &json!({"containers": [{"name": "a", "image": "2"}, {"name": "c"}]})).unwrap();
    let expected =
        json!([{"name": "a", "image": "2", "ports": [{"containerPort": 80}]}, {"name": "c"}, {"name": "b"}]);
    assert_eq!(after["containers"], expected);
    let after = pod(&spec, &json!({"containers": [{"name": "a", "$patch": "delete"}]})).unwrap();
    assert_eq!(after["containers"], json!([{"name": "b"}]));
    let after = pod(&spec, &json!({"containers": [{"$patch": "replace"}, {"name": "d"}]})).unwrap();
    assert_eq!(names(&after), ["d"]);
    let atomic = json!({"tolerations": [{"key": "a"}]});
    assert_eq!(
        pod(&atomic, &json!({"tolerations": [{"key": "b"}]})).unwrap(),
        json!({"tolerations": [{"key": "b"}]})
    );
}

#[test]
fn orders_are_set() {
    let spec = json!({"containers": containers(&["a", "b", "c"])});
    let after = pod(&spec, &json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "a"}]})).unwrap();
    assert_eq!(names(&after), ["b", "c", "a"]);
    let new =
        json!({"$setElementOrder/containers": [{"name": "z"}, {"name": "a"}], "containers": [{"name": "z"}]});
    assert_eq!(names(&pod(&spec, &new).unwrap()), ["z", "a", "b", "c"]);
    let wrong = json!({"$setElementOrder/containers": [{"name": "a"}], "containers": [{"name": "z"}]});
    let expected =
        "The order in patch list:\n[map[name:z]]\n doesn't match $setElementOrder list:\n[map[name:a]]\n";
    assert_eq!(pod(&spec, &wrong).unwrap_err(), expected);
}

#[test]
fn sets_of_scalars_are_merged_and_deleted_from() {
    let tree = json!({"metadata": {"finalizers": ["a", "b"]}});
    let after = patch(&tree, &json!({"metadata": {"finalizers": ["c", "b"]}})).unwrap();
    assert_eq!(after["metadata"]["finalizers"], json!(["c", "a", "b"]));
    let after =
        patch(&tree, &json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "x"]}})).unwrap();
    assert_eq!(after["metadata"]["finalizers"], json!(["b"]));
}

#[test]
fn objects_take_directives() {
    let tree = json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}});
    let after =
        patch(&tree, &json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}})).unwrap();
    assert_eq!(after["spec"]["strategy"], json!({"type": "Recreate"}));
    let wrong = json!({"spec": {"strategy": {"$retainKeys": ["rollingUpdate"], "type": "Recreate"}}});
    assert_eq!(patch(&tree, &wrong).unwrap_err(), "invalid patch format of retainKeys");
    let tree = json!({"metadata": {"labels": {"a": "1"}}});
    let labels = |directive: &str| json!({"metadata": {"labels": {"$patch": directive, "b": "2"}}});
    assert_eq!(patch(&tree, &labels("replace")).unwrap()["metadata"]["labels"], json!({"b": "2"}));
    assert_eq!(patch(&tree, &labels("delete")).unwrap()["metadata"]["labels"], json!({}));
    assert_eq!(patch(&tree, &labels("x")).unwrap_err(), "unknown patch type: x in map: map[$patch:x b:2]");
    for (odd, shown) in [
        (json!(5), "%!s(int64=5)"),
        (json!(1.5), "%!s(float64=1.5)"),
        (json!(null), "%!s(<nil>)"),
        (json!([true, "a"]), "[%!s(bool=true) a]"),
        (json!({"a": 1}), "map[a:%!s(int64=1)]"),
    ] {
        let refused = patch(&tree, &json!({"metadata": {"labels": {"$patch": odd}}})).unwrap_err();
        assert!(refused.starts_with(&format!("unknown patch type: {shown} in map: ")), "{refused}");
    }
    assert_eq!(
        patch(&tree, &json!({"metadata": {"labels": {"a": null, "c": null}}})).unwrap()["metadata"]["labels"],
        json!({})
    );
}

#[test]
fn mistakes_read_as_upstreams() {
    let spec = json!({"containers": [{"name": "a"}]});
    let words = |new: Value| pod(&spec, &new).unwrap_err();
    assert_eq!(
        words(json!({"containers": [{"image": "i"}]})),
        "map: map[image:i] does not contain declared merge key: name"
    );
    assert_eq!(
        words(json!({"containers": ["a"]})),
        "list element types are not identical: [[map[name:a]] [a]]"
    );
    assert_eq!(words(json!({"$deleteFromPrimitiveList": []})), "invalid patch format of primitive list");
    assert_eq!(
        words(json!({"$setElementOrder/containers": 1})),
        "expected a []interface {}, but received a int64"
    );
    assert_eq!(
        words(json!({"$setElementOrder/nope": []})),
        "unable to find api field in struct PodSpec for the json field \"nope\""
    );
}

fn arbitrary() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        Just(json!(1)),
        Just(json!("a")),
        Just(json!("delete")),
        Just(json!("replace"))
    ];
    let key = prop::sample::select(vec![
        "spec",
        "template",
        "containers",
        "name",
        "env",
        "metadata",
        "labels",
        "finalizers",
        "$patch",
        "$retainKeys",
        "$setElementOrder/containers",
        "$deleteFromPrimitiveList/finalizers",
        "ports",
        "containerPort",
        "strategy",
    ]);
    leaf.prop_recursive(7, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone(), inner, 0..4)
                .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_patch_breaks_a_tree(tree in arbitrary(), new in arbitrary()) {
        let (Value::Object(_), Value::Object(_)) = (&tree, &new) else { return Ok(()) };
        let _ = patch(&tree, &new);
    }

    #[test]
    fn merged_lists_keep_both_orders(live in prop::collection::vec("[a-f]", 0..5), new in prop::collection::vec("[a-f]", 1..5)) {
        let unique = |names: Vec<String>| {
            let mut seen = Vec::new();
            names.into_iter().filter(|name| { let new = !seen.contains(name); seen.push(name.clone()); new }).collect::<Vec<_>>()
        };
        let (live, new) = (unique(live), unique(new));
        let list = |names: &[String]| names.iter().map(|name| json!({"name": name})).collect::<Value>();
        let after = pod(&json!({"containers": list(&live)}), &json!({"containers": list(&new)})).unwrap();
        let after = names(&after);
        prop_assert_eq!(after.iter().filter(|name| new.iter().any(|n| n == *name)).copied().collect::<Vec<_>>(), new.iter().map(String::as_str).collect::<Vec<_>>());
        let kept: Vec<&str> = live.iter().filter(|name| !new.contains(name)).map(String::as_str).collect();
        prop_assert_eq!(after.iter().filter(|name| kept.contains(name)).copied().collect::<Vec<_>>(), kept);
        let map: Map<String, Value> = after.iter().map(|name| ((*name).to_owned(), Value::Null)).collect();
        prop_assert_eq!(map.len(), after.len(), "each entry once");
    }
}
