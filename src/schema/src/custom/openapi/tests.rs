use serde_json::{Value, json};

use super::{Published, openapi_v2, openapi_v3};

fn published(schema: &Value) -> Published<'_> {
    Published {
        group: "ex.io",
        version: "v1",
        kind: "Thing",
        list_kind: "ThingList",
        plural: "things",
        schema: Some(schema),
        keeps_unknown: false,
        selectable: &[],
    }
}

fn schema() -> Value {
    json!({ "type": "object", "required": ["spec", "nul"], "properties": {
        "spec": { "type": "object", "properties": { "port": { "x-kubernetes-int-or-string": true } } },
        "nul": { "type": "array", "nullable": true, "items": { "type": "string" } },
        "pod": { "type": "object", "x-kubernetes-embedded-resource": true, "properties": { "x": { "type": "string" } } },
        "any": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": { "x": { "type": "string" } } },
    } })
}

#[test]
fn version_3_says_all() {
    let schema = schema();
    let fields = [json!({ "jsonPath": ".spec.port" })];
    let [(name, thing), (list_name, list)] =
        openapi_v3(&Published { selectable: &fields, ..published(&schema) });
    assert_eq!((name.as_str(), list_name.as_str()), ("io.ex.v1.Thing", "io.ex.v1.ThingList"));
    let at = |pointer: &str| thing.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/properties/nul/nullable"), json!(true));
    assert_eq!(
        at("/properties/spec/properties/port/anyOf"),
        json!([{ "type": "integer" }, { "type": "string" }])
    );
    assert_eq!(
        at("/properties/metadata/allOf/0/$ref"),
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    assert_eq!(at("/properties/pod/required"), json!(["kind", "apiVersion"]));
    assert_eq!(
        at("/x-kubernetes-group-version-kind"),
        json!([{ "group": "ex.io", "version": "v1", "kind": "Thing" }])
    );
    assert_eq!(at("/x-kubernetes-selectable-fields"), json!([{ "fieldPath": "spec.port" }]));
    assert_eq!(
        list.pointer("/properties/items/items/$ref"),
        Some(&json!("#/components/schemas/io.ex.v1.Thing"))
    );
}

#[test]
fn version_2_says_what_kubectl_understands() {
    let schema = schema();
    let [(_, thing), _] = openapi_v2(&published(&schema));
    let at = |pointer: &str| thing.pointer(pointer).cloned().unwrap_or_default();
    assert_eq!(at("/properties/spec/properties/port"), json!({ "x-kubernetes-int-or-string": true }));
    assert_eq!(at("/properties/nul"), json!({}));
    assert_eq!(at("/required"), json!(["spec"]));
    assert_eq!(at("/properties/any"), json!({ "x-kubernetes-preserve-unknown-fields": true }));
    assert_eq!(
        at("/properties/pod/properties/metadata/$ref"),
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );

    let open = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let [(_, thing), _] = openapi_v2(&published(&open));
    let fields: Vec<&String> = thing.as_object().expect("a schema").keys().collect();
    assert_eq!(fields, ["type", "x-kubernetes-group-version-kind"]);
}
