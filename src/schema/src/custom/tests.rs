use portcullis_api::Object;
use portcullis_api::field::{Error, ErrorList, Path};
use serde_json::{Value, json};

use super::{Malformed, Structural};
use crate::decode::FieldValidation;

fn compile(schema: &Value) -> Structural {
    Structural::compile(schema, false).expect("a structural schema")
}

fn object(value: Value) -> Object {
    let Value::Object(map) = value else { panic!("no object") };
    Object::new(map)
}

fn no_rules(_: &Object, _: &mut ErrorList) {}

#[track_caller]
fn errors(schema: &Value, value: Value, expected: &[&str]) {
    let found: Vec<String> =
        compile(schema).validate(&object(value), None, &no_rules).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

/// The schema of the recorded conversations.
fn things() -> Value {
    json!({ "type": "object", "properties": {
        "spec": { "type": "object", "required": ["size"], "properties": {
            "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "color": { "type": "string", "default": "red", "enum": ["red", "blue"] },
            "pat": { "type": "string", "pattern": "^a+$" },
            "port": { "x-kubernetes-int-or-string": true },
            "size": { "type": "integer", "minimum": 1, "maximum": 10 },
            "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string", "maxLength": 4 } },
            "when": { "type": "string", "format": "date-time" },
        } },
        "status": { "type": "object", "properties": { "replicas": { "type": "integer" } } },
    } })
}

#[test]
fn mistakes_have_upstreams_words() {
    for (spec, expected) in [
        (
            json!({ "size": 0 }),
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            json!({ "size": "x" }),
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
        ),
        (json!({ "size": 1, "tags": ["abcde"] }), "spec.tags[0]: Too long: may not be more than 4 bytes"),
        (json!({ "size": 1, "tags": ["a", "a"] }), "spec.tags[1]: Duplicate value: \"a\""),
        (
            json!({ "size": 1, "color": "green" }),
            "spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\"",
        ),
        (
            json!({ "size": 1, "pat": "b" }),
            "spec.pat: Invalid value: \"b\": spec.pat in body should match '^a+$'",
        ),
        (
            json!({ "size": 1, "when": "x" }),
            "spec.when: Invalid value: \"x\": spec.when in body must be of type date-time: \"x\"",
        ),
        (
            json!({ "size": 1, "port": true }),
            "spec.port: Invalid value: \"boolean\": spec.port in body must be of type integer,string: \"boolean\"",
        ),
        (json!({}), "spec.size: Required value"),
    ] {
        errors(&things(), json!({ "spec": spec }), &[expected]);
    }
}

#[test]
fn values_are_shown_as_go_shows_them() {
    let schema = json!({ "type": "object", "properties": {
        "a": { "type": "object", "enum": [{ "b": 2.0 }], "x-kubernetes-preserve-unknown-fields": true },
        "s": { "type": "string", "maxLength": 1 },
    } });
    errors(
        &schema,
        json!({ "a": { "c": "<", "d": 1e21 }, "s": "xy" }),
        &[
            r#"a: Unsupported value: {"c":"\u003c","d":1e+21}: supported values: "{\"b\":2}""#,
            "s: Too long: may not be more than 1 byte",
        ],
    );
}

#[test]
fn unknown_fields_go() {
    let mut thing = object(json!({
        "apiVersion": "ex.io/v1", "kind": "Thing", "metadata": { "name": "x" }, "extra": 1,
        "spec": { "size": 1, "unknown": { "a": 1 }, "any": { "kept": { "deep": 1 } }, "color": null },
    }));
    let schema = compile(&things());
    assert_eq!(schema.prune(&mut thing), ["extra", "spec.unknown"]);
    schema.default(&mut thing).expect("small defaults");
    let spec = json!({ "size": 1, "any": { "kept": { "deep": 1 } }, "color": "red" });
    assert_eq!(thing.get("spec"), Some(&spec));
    assert!(schema.prune(&mut thing).is_empty());
}

#[test]
fn what_did_not_change_is_forgiven() {
    let schema = compile(&things());
    let old = object(json!({ "spec": { "size": 0, "color": "green" } }));
    let same = object(json!({ "spec": { "size": 0, "color": "pink" } }));
    let words: Vec<String> =
        schema.validate(&same, Some(&old), &no_rules).iter().map(ToString::to_string).collect();
    assert_eq!(words, ["spec.color: Unsupported value: \"pink\": supported values: \"red\", \"blue\""]);
}

#[test]
fn embedded_objects_have_a_head() {
    let schema = compile(&json!({ "type": "object", "properties": { "template": {
        "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true,
    } } }));
    let refuse = |object: &Object, errors: &mut ErrorList| {
        errors.push(Error::required(&Path::new("metadata").child("x"), object.name()));
    };
    let mut given =
        object(json!({ "template": { "kind": "Pod", "metadata": { "labels": {"a": "b"}, "foo": 1 } } }));
    let problems = schema.coerce_embedded(&mut given, Malformed::Refused, FieldValidation::Strict);
    assert_eq!(problems, Ok(vec!["unknown field \"template.metadata.foo\"".to_owned()]));
    assert_eq!(given.at(&["template", "metadata"]), Some(&json!({ "labels": { "a": "b" } })));
    let errors: Vec<String> =
        schema.validate_embedded(&given, &refuse).iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        ["template.apiVersion: Required value", "template.metadata.x: Required value: fakename"]
    );

    let mut bad = object(json!({ "template": { "kind": 1, "metadata": { "labels": 1, "name": "x" } } }));
    let error = schema.coerce_embedded(&mut bad.clone(), Malformed::Refused, FieldValidation::Warn);
    assert_eq!(error.unwrap_err().to_string(), "template.kind: Invalid value: 1: must be a string");
    schema.coerce_embedded(&mut bad, Malformed::Dropped, FieldValidation::Warn).expect("nothing is refused");
    assert_eq!(bad.get("template"), Some(&json!({ "metadata": { "name": "x" } })));
}
