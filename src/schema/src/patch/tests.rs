//! What patches do to trees, and how they are refused.

use portcullis_api::{ApiError, Object, Value};
use proptest::prelude::*;
use serde_json::json;

use super::{Configuration, Patch, PatchType};
use crate::decode::FieldValidation;
use crate::kind::{Kind, kind_named};

fn config_map() -> &'static Kind {
    kind_named("", "v1", "ConfigMap").unwrap()
}

fn object(value: Value) -> Object {
    Object::new(value.as_object().unwrap().clone())
}

fn live() -> Object {
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"a": "1"}, "finalizers": ["x", "y"]},
        "data": {"k": "v"},
    }))
}

fn run(kind: PatchType, body: &str, validation: FieldValidation) -> Result<Value, ApiError> {
    Patch::parse(kind, body.as_bytes(), validation)?
        .run(&config_map().into(), &live())
        .map(|patched| patched.object.into())
}

fn patched(kind: PatchType, body: &Value) -> Result<Value, ApiError> {
    run(kind, &body.to_string(), FieldValidation::Warn)
}

#[track_caller]
fn refused(kind: PatchType, body: &str, validation: FieldValidation) -> (u16, String) {
    let error = run(kind, body, validation).unwrap_err();
    (error.code().as_u16(), error.message().to_owned())
}

#[test]
fn json_patches_do_what_they_say() {
    let after = patched(
        PatchType::Json,
        &json!([
            {"op": "test", "path": "/metadata/labels/a", "value": "1"},
            {"op": "add", "path": "/metadata/labels/b~1c", "value": "2"},
            {"op": "copy", "from": "/metadata/labels/a", "path": "/metadata/labels/d"},
            {"op": "move", "from": "/data/k", "path": "/data/l"},
            {"op": "replace", "path": "/data/new", "value": "w"},
            {"op": "add", "path": "/metadata/finalizers/0", "value": "w"},
            {"op": "remove", "path": "/metadata/finalizers/-1"},
            {"op": "add", "path": "/metadata/finalizers/-", "value": "z"},
        ]),
    )
    .unwrap();
    assert_eq!(after["metadata"]["labels"], json!({"a": "1", "b/c": "2", "d": "1"}));
    assert_eq!(after["metadata"]["finalizers"], json!(["w", "x", "z"]));
    assert_eq!(after["data"], json!({"l": "v", "new": "w"}));
}

#[test]
fn failing_operations_have_one_answer() {
    let words = "the server rejected our request due to an error in our request";
    for op in [
        json!({"op": "test", "path": "/data/k", "value": "x"}),
        json!({"op": "remove", "path": "/data/none"}),
        json!({"op": "add", "path": "/none/none", "value": 1}),
        json!({"op": "add", "path": "/metadata/finalizers/9", "value": "x"}),
        json!({"op": "add", "path": "/metadata/finalizers/x", "value": "x"}),
        json!({"op": "add", "path": "", "value": {}}),
        json!({"op": "add", "value": {}}),
        json!({"op": "move", "from": "/data/none", "path": "/data/k"}),
        json!({"op": "flip", "path": "/data/k"}),
    ] {
        let (code, message) = refused(PatchType::Json, &json!([op]).to_string(), FieldValidation::Warn);
        assert_eq!((code, message.as_str()), (422, words), "{op}");
    }
}

#[test]
fn undecodable_patches_are_named_in_gos_words() {
    let warn = FieldValidation::Warn;
    let cases = [
        (
            PatchType::Json,
            r#"{"a":1}"#,
            "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
        ),
        (
            PatchType::Json,
            "[1]",
            "error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp",
        ),
        (
            PatchType::Json,
            r#"[{"op":1}]"#,
            "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string",
        ),
        (PatchType::Merge, "[", "error decoding patch: unexpected end of JSON input"),
        (
            PatchType::Merge,
            "[]",
            "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
        (PatchType::Strategic, "x", "invalid character 'x' looking for beginning of value"),
    ];
    for (kind, body, message) in cases {
        assert_eq!(refused(kind, body, warn), (400, message.to_owned()), "{body}");
    }
    assert_eq!(
        refused(PatchType::Merge, "[", FieldValidation::Ignore),
        (400, "Invalid JSON Patch".to_owned())
    );
}

#[test]
fn results_that_are_no_objects_of_the_kind_are_refused() {
    let (code, message) = refused(PatchType::Strategic, r#"{"data":{"k":{"a":1}}}"#, FieldValidation::Warn);
    assert_eq!(code, 422);
    assert_eq!(
        message,
        r#" "" is invalid: patch: Invalid value: "map[data:map[k:map[a:1]]]": unrecognized type: string"#
    );
    for (body, why) in [
        (r#"{"data":{"k":1}}"#, "cannot convert int64 to string"),
        (r#"{"data":{"k":1.5}}"#, "unrecognized type: string"),
        (r#"{"immutable":"x"}"#, "unrecognized type: bool"),
        (r#"{"binaryData":{"k":1}}"#, "cannot restore slice from int64"),
        (r#"{"metadata":{"annotations":[]}}"#, "cannot restore map from slice"),
    ] {
        let (code, message) = refused(PatchType::Strategic, body, FieldValidation::Warn);
        assert_eq!(code, 422);
        assert!(message.ends_with(&format!(": {why}")), "{message}");
    }
    let (code, message) = refused(PatchType::Merge, r#"{"data":1}"#, FieldValidation::Warn);
    assert_eq!(code, 422);
    assert!(message.contains(r#"\"data\":1"#) && message.ends_with("of type map[string]string"), "{message}");
}

#[test]
fn unknown_and_duplicate_fields_are_noted() {
    let body = r#"{"metadata":{"labels":{"b":"1","b":"2"}},"nope":1}"#;
    let notes = |validation| {
        let patch = Patch::parse(PatchType::Merge, body.as_bytes(), validation)?;
        patch.run(&config_map().into(), &live()).map(|patched| patched.warnings)
    };
    assert_eq!(notes(FieldValidation::Ignore).unwrap(), Vec::<String>::new());
    let expected = [r#"duplicate field "metadata.labels.b""#, r#"unknown field "nope""#];
    assert_eq!(notes(FieldValidation::Warn).unwrap(), expected);
    let message = notes(FieldValidation::Strict).unwrap_err().message().to_owned();
    assert!(message.ends_with(&format!("strict decoding error: {}", expected.join(", "))), "{message}");

    let ops = r#"[{"op":"add","path":"/data/x","value":"y","extra":1,"op":"add"}]"#;
    let patch = Patch::parse(PatchType::Json, ops.as_bytes(), FieldValidation::Warn).unwrap();
    let warnings = patch.run(&config_map().into(), &live()).unwrap().warnings;
    assert_eq!(
        warnings,
        [r#"json patch duplicate field "[0].op""#, r#"json patch unknown field "[0].extra""#]
    );
}

#[test]
fn a035_patches_cannot_grow_without_bounds() {
    let ops: Vec<Value> =
        (0..10_001).map(|_| json!({"op": "test", "path": "/data/k", "value": "v"})).collect();
    let (code, message) = refused(PatchType::Json, &Value::from(ops).to_string(), FieldValidation::Warn);
    let expected =
        "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001";
    assert_eq!((code, message.as_str()), (413, expected));
    let copies = |count: usize, to: &dyn Fn(usize) -> String| {
        let copy = |at| json!({"op": "copy", "from": "/data", "path": to(at)});
        refused(PatchType::Json, &Value::from_iter((0..count).map(copy)).to_string(), FieldValidation::Warn).0
    };
    assert_eq!(copies(30, &|at| format!("/data/k{at}")), 422);
    assert_eq!(copies(10_000, &|_| "/data/x".to_owned()), 422);
}

#[test]
fn f003_patches_cannot_nest_without_bounds() {
    let deep = format!("{{\"data\":{}1{}}}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(refused(PatchType::Merge, &deep, FieldValidation::Warn).0, 400);
}

#[test]
fn configurations_are_yaml() {
    let read = Configuration::parse(b"metadata: {name: a}\ndata:\n  k: \"1\"\n").unwrap();
    assert_eq!(Value::from(read.object.clone()), json!({"metadata": {"name": "a"}, "data": {"k": "1"}}));
    assert!(read.warnings(FieldValidation::Strict).unwrap().is_empty());
    let twice = Configuration::parse(b"a: 1\na: 2\n").unwrap();
    assert!(twice.warnings(FieldValidation::Ignore).unwrap().is_empty());
    assert_eq!(twice.warnings(FieldValidation::Warn).unwrap().len(), 1);
    let refused = twice.warnings(FieldValidation::Strict).unwrap_err();
    assert!(refused.message().starts_with("error strict decoding YAML: "), "{refused:?}");
    let refused = Configuration::parse(b"- 1").unwrap_err();
    assert!(refused.message().starts_with("error decoding YAML: error unmarshaling JSON: "), "{refused:?}");
}

#[test]
fn what_names_no_kind_is_read_as_nothing() {
    let nameless = json!({"apiVersion": null, "kind": null});
    let removals = json!([{"op": "remove", "path": "/apiVersion"}, {"op": "remove", "path": "/kind"}]);
    for (kind, body) in [(PatchType::Merge, &nameless), (PatchType::Json, &removals)] {
        let read = patched(kind, body).unwrap();
        assert_eq!(read.pointer("/metadata/name"), None, "{body}: {read}");
    }
    let read = patched(PatchType::Strategic, &nameless).unwrap();
    assert_eq!(read["metadata"]["name"], "c");
    let named = patched(PatchType::Merge, &json!({"apiVersion": null, "data": {"k": "w"}})).unwrap();
    assert_eq!(named["data"]["k"], "w");
}

/// The examples of RFC 7386, appendix A, as members of a larger object.
#[test]
fn merge_patches_follow_the_rfc() {
    let cases = [
        (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
        (json!({"a": "b"}), json!({"a": null}), json!({})),
        (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
        (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
        (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
        (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
        (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
        (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
    ];
    for (tree, patch, expected) in cases {
        let mut tree = tree.as_object().unwrap().clone();
        super::merge::merge(&mut tree, patch.as_object().unwrap());
        assert_eq!(Value::Object(tree), expected, "{patch}");
    }
}

fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(Value::Null), Just(json!(1)), "[ab]".prop_map(Value::from)];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map("[abc]", inner, 0..4).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn a_merge_patch_twice_is_once(tree in tree(), patch in tree()) {
        let (Value::Object(mut tree), Value::Object(patch)) = (tree, patch) else { return Ok(()) };
        super::merge::merge(&mut tree, &patch);
        let once = tree.clone();
        super::merge::merge(&mut tree, &patch);
        prop_assert_eq!(tree, once);
    }

    #[test]
    fn no_operation_breaks_a_tree(
        ops in prop::collection::vec(
            (prop::sample::select(vec!["add", "remove", "replace", "move", "copy", "test", "x"]), "(/[a-c0-2-]){0,4}", "(/[a-c0-2-]){0,4}", tree()),
            0..12,
        ),
        start in tree(),
    ) {
        let Value::Object(start) = start else { return Ok(()) };
        let ops: Value = ops.into_iter().map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value})).collect();
        let patch = Patch::parse(PatchType::Json, ops.to_string().as_bytes(), FieldValidation::Warn).unwrap();
        let _ = patch.apply(&config_map().into(), &Object::new(start));
    }
}
