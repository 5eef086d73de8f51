use portcullis_api::Object;
use portcullis_api::field::{ErrorList, Path};
use serde_json::{Value, json};

use super::validate_schema;

fn no_rules(_: &Object, _: &mut ErrorList) {}

#[track_caller]
fn errors(schema: Value, expected: &[&str]) {
    let found: Vec<String> =
        validate_schema(&schema, false, &Path::new("s"), &no_rules).iter().map(ToString::to_string).collect();
    assert_eq!(found, expected, "{schema}");
}

/// The mistakes in the schema of the field `a`, which has the path `AT`.
#[track_caller]
fn errors_in(field: Value, expected: &[&str]) {
    let expected: Vec<String> =
        expected.iter().map(|line| line.replace("AT", "s.openAPIV3Schema.properties[a]")).collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    errors(json!({ "type": "object", "properties": { "a": field } }), &expected);
}

#[test]
fn what_is_structural_passes() {
    errors_in(json!({ "type": "string", "default": "x", "pattern": "^x+$" }), &[]);
    errors_in(
        json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
        &[],
    );
    errors_in(
        json!({ "x-kubernetes-int-or-string": true,
            "allOf": [{ "anyOf": [{ "type": "integer" }, { "type": "string" }] }, { "pattern": "a" }] }),
        &[],
    );
}

#[test]
fn every_field_has_a_type() {
    errors(json!({}), &["s.openAPIV3Schema.type: Required value: must not be empty at the root"]);
    errors_in(json!({}), &["AT.type: Required value: must not be empty for specified object fields"]);
    errors_in(json!({ "type": "array" }), &["AT.items: Required value: must be specified"]);
    errors_in(
        json!({ "type": "array", "items": {} }),
        &["AT.items.type: Required value: must not be empty for specified array items"],
    );
    errors_in(
        json!({ "type": "text" }),
        &[
            "AT.type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ],
    );
}

#[test]
fn logic_only_narrows() {
    errors_in(
        json!({ "type": "string", "not": { "type": "string", "nullable": true } }),
        &[
            "AT.not.nullable: Forbidden: must be false to be structural",
            "AT.not.type: Forbidden: must be empty to be structural",
        ],
    );
    errors(
        json!({ "type": "object", "anyOf": [{ "properties": { "b": { "minimum": 1 } } }] }),
        &[
            "s.openAPIV3Schema.properties[b]: Required value: because it is defined in s.openAPIV3Schema.anyOf[0].properties[b]",
        ],
    );
}

#[test]
fn keys_of_maps_are_always_there() {
    let list = |key: Value| {
        json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": { "type": "object", "properties": { "k": key } } })
    };
    errors_in(list(json!({ "type": "string", "default": "x" })), &[]);
    errors_in(
        list(json!({ "type": "string" })),
        &[
            "AT.items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ],
    );
    errors_in(
        list(json!({ "type": "string", "default": "x", "nullable": true })),
        &[
            "AT.items.properties[k].nullable: Forbidden: this property is in x-kubernetes-list-map-keys, so it cannot be nullable",
        ],
    );
}

#[test]
fn defaults_fit_their_schema() {
    errors_in(
        json!({ "type": "integer", "default": "x" }),
        &["AT.default: Invalid value: \"string\":  in body must be of type integer: \"string\""],
    );
    errors_in(
        json!({ "type": "object", "default": { "b": 1 }, "properties": { "c": { "type": "string" } } }),
        &["AT.default: Invalid value: {\"b\":1}: must not have unknown fields"],
    );
    errors_in(
        json!({ "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true,
            "default": { "kind": "Pod" } }),
        &["AT.default.apiVersion: Required value"],
    );
    errors_in(
        json!({ "type": "object", "x-kubernetes-embedded-resource": true, "properties": {
            "metadata": { "type": "object", "default": { "labels": 1 } } } }),
        &[
            "AT.properties[metadata].default: Invalid value: {\"labels\":1}: must result in valid metadata: metadata: Invalid value: {\"labels\":1}: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type map[string]string",
        ],
    );
}

#[test]
fn a_default_at_the_root_is_a_whole_object() {
    errors(
        json!({ "type": "object", "default": {} }),
        &[
            "s.openAPIV3Schema.default.apiVersion: Required value",
            "s.openAPIV3Schema.default.kind: Required value",
        ],
    );
    errors_in(
        json!({ "type": "object", "properties": { "b": { "type": "string" } }, "default": { "metadata": 1 } }),
        &["AT.default: Invalid value: {\"metadata\":1}: must not have unknown fields"],
    );
}

#[test]
fn what_is_not_supported_is_told() {
    errors_in(json!({ "type": "string", "$ref": "x" }), &["AT.$ref: Forbidden: $ref is not supported"]);
    errors_in(
        json!({ "type": "array", "items": [{ "type": "string" }] }),
        &["AT.items: Forbidden: items must be a schema object and not an array"],
    );
}

#[test]
fn paths_of_rules_lead_to_fields() {
    let rule = |path: &str| {
        json!({ "type": "object", "properties": { "b": { "type": "string" } },
            "x-kubernetes-validations": [{ "rule": "true", "fieldPath": path }] })
    };
    errors_in(rule(".b"), &[]);
    errors_in(rule("['b']"), &[]);
    errors_in(
        rule(".c"),
        &["AT.x-kubernetes-validations[0].fieldPath: Invalid value: \".c\": must be a valid path"],
    );
}
