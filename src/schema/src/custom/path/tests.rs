use portcullis_api::Object;
use serde_json::{Value, json};

use super::{JsonPath, int_at, text_at};

fn object() -> Object {
    let Value::Object(map) = json!({
        "spec": { "replicas": 3, "ratio": 2.5, "on": true, "none": null, "a.b": "dotted",
            "list": [1, 2, 3, 4], "items": [
                { "name": "x", "size": 1, "tags": { "k": "v" } }, { "name": "y", "size": 5 }, { "size": 7 },
            ] },
        "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Bad", "status": "False" }] },
    }) else {
        panic!("no object")
    };
    Object::new(map)
}

#[track_caller]
fn finds(path: &str, expected: Value) {
    let object = object();
    let path = JsonPath::parse(path).expect("a path");
    let found = path.find(&object).map(|found| found.into_iter().cloned().collect::<Vec<_>>());
    assert_eq!(found, Ok(expected.as_array().expect("a list").clone()), "{path}");
}

#[test]
fn paths_lead_to_values() {
    finds(".spec.replicas", json!([3]));
    finds(".spec.missing.more", json!([]));
    finds(".spec['replicas']", json!([3]));
    finds(r".spec.a\.b", json!(["dotted"]));
    finds(".spec.list[0]", json!([1]));
    finds(".spec.list[-1]", json!([4]));
    finds(".spec.list[1:3]", json!([2, 3]));
    finds(".spec.list[::2]", json!([1, 3]));
    finds(".spec.list[*]", json!([1, 2, 3, 4]));
    finds(".spec.list[0,2]", json!([1, 3]));
    finds(".spec.items[*].name", json!(["x", "y"]));
    finds(".spec.items[*]['name','size']", json!(["x", "y", 1, 5, 7]));
    finds(".spec.items[*].tags.*", json!(["v"]));
    finds("..name", json!(["x", "y"]));
    finds(".status.conditions[?(@.type==\"Ready\")].status", json!(["True"]));
    finds(".status.conditions[?(@.type=='Bad')].status", json!(["False"]));
    finds(".spec.items[?(@.size>4)].size", json!([5, 7]));
    finds(".spec.items[?(@.name)].size", json!([1, 5]));
    finds(".spec.items[?(@.size!=1)].name", json!(["y"]));
}

#[test]
fn what_is_no_path_is_refused() {
    for path in [".a[", ".a[x]", ".a[?(@.b", ".....a", ".a}", ".a\n", ".a 'b", ".a ^"] {
        let parsed = JsonPath::parse(path);
        assert!(parsed.is_err(), "{path:?}: {parsed:?}");
    }
}

#[test]
fn evaluation_is_bounded() {
    let mut deep = json!("x");
    for _ in 0..60 {
        deep = json!({ "a": deep, "b": [deep_copy()] });
    }
    let Value::Object(map) = deep else { panic!("no object") };
    let path = JsonPath::parse("..a..a..a..a..a").expect("a path");
    assert!(path.find(&Object::new(map)).is_err());
    let deep: String = (0..40).map(|_| "[?(@").chain((0..40).map(|_| ")]")).collect();
    assert!(JsonPath::parse(&deep).is_err());
}

fn deep_copy() -> Value {
    json!({ "a": { "a": { "a": 1 } } })
}

#[test]
fn columns_have_cells() {
    let cell = |path: &str, ty: &str| JsonPath::parse(path).expect("a path").cell(&object(), ty);
    assert_eq!(cell(".spec.replicas", "integer"), json!(3));
    assert_eq!(cell(".spec.replicas", "number"), json!(3.0));
    assert_eq!(cell(".spec.ratio", "integer"), json!(2));
    assert_eq!(cell(".spec.ratio", "string"), json!("2.5"));
    assert_eq!(cell(".spec.list", "string"), json!("[1,2,3,4]"));
    assert_eq!(cell(".spec.on", "boolean"), json!(true));
    assert_eq!(cell(".spec.on", "integer"), Value::Null);
    assert_eq!(cell(".spec.none", "string"), json!("<no value>"));
    assert_eq!(cell(".spec.missing", "string"), Value::Null);
    assert_eq!(JsonPath::parse(".spec.replicas").expect("a path").selectable(&object()), "3");
}

#[test]
fn dotted_paths_have_upstreams_errors() {
    assert_eq!(int_at(&object(), ".spec.replicas"), Ok(Some(3)));
    assert_eq!(int_at(&object(), ".spec.missing"), Ok(None));
    assert_eq!(
        text_at(&object(), ".spec.replicas"),
        Err(".spec.replicas accessor error: 3 is of the type int64, expected string".to_owned())
    );
    assert_eq!(
        int_at(&object(), ".spec.replicas.more"),
        Err(".spec.replicas.more accessor error: 3 is of the type int64, expected map[string]interface{}"
            .to_owned())
    );
}
