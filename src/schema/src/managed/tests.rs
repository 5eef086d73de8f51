//! What owners must obey whatever the kind: set laws, `FieldsV1` both ways, and the tracker's rules.

mod laws;
mod trackers;

use portcullis_api::{Object, Value};
use serde_json::json;

use super::{Element, FieldSet, ScaleOwners, compare, fieldset_of, misfits};
use crate::kind::{Kind, kind_named};

fn deployment() -> &'static Kind {
    kind_named("apps", "v1", "Deployment").unwrap()
}

fn object(value: Value) -> Object {
    Object::new(value.as_object().unwrap().clone())
}

fn set(fields: &Value) -> FieldSet<'_> {
    FieldSet::from_fields_v1(fields).unwrap()
}

#[test]
fn fields_v1_is_written_as_it_is_read() {
    let fields = json!({
        "f:spec": {
            ".": {},
            "f:ports": {
                r#"k:{"containerPort":80,"protocol":"TCP"}"#: {".": {}, "f:name": {}},
                r#"k:{"name":"a\"\u003cb"}"#: {},
            },
            "f:finalizers": {r#"v:"x""#: {}, "v:1": {}},
            "f:list": {"i:3": {}},
        },
    });
    assert_eq!(set(&fields).to_fields_v1(), fields);
}

#[test]
fn fields_v1_is_read_as_upstream_reads_it() {
    let unordered = json!({r#"k:{"b":1.0,"a":"x"}"#: {}, "z:future": {"f:x": {}}});
    assert_eq!(set(&unordered).to_fields_v1(), json!({r#"k:{"a":"x","b":1}"#: {}}));
    // What has nothing known below it is a member itself.
    assert_eq!(set(&json!({"f:a": {"z:b": {}}})).to_fields_v1(), json!({"f:a": {}}));
    for bad in [
        json!({"f": {}}),
        json!({"k:1": {}}),
        json!({"v:": {}}),
        json!({"i:x": {}}),
        json!({"f:a": 1}),
        json!([]),
    ] {
        assert!(FieldSet::from_fields_v1(&bad).is_err(), "{bad}");
    }
}

#[test]
fn paths_read_as_upstream_prints_them() {
    let fields = json!({"f:spec": {"f:c": {r#"k:{"n":"a","p":80}"#: {"f:i": {}}}, "f:s": {r#"v:"x""#: {}}, "f:l": {"i:0": {}}}});
    assert_eq!(set(&fields).to_string(), ".spec.c[n=\"a\",p=80].i\n.spec.l[0]\n.spec.s[=\"x\"]");
}

#[test]
fn differences_take_what_is_below_only_when_asked() {
    let a = json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}});
    let b = json!({"f:a": {}});
    assert_eq!(set(&a).difference(&set(&b)).to_fields_v1(), json!({"f:a": {"f:b": {}}, "f:c": {}}));
    assert_eq!(set(&a).recursive_difference(&set(&b)).to_fields_v1(), json!({"f:c": {}}));
    assert_eq!(set(&a).leaves().len(), 2);
    assert!(set(&a).has(&[Element::field("a"), Element::field("b")]) && !set(&a).has(&[Element::field("b")]));
}

#[test]
fn an_object_owns_leaves_entries_and_atomic_wholes() {
    let config = json!({
        "metadata": {"labels": {"a": "b"}, "annotations": {}, "finalizers": ["x"]},
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}], "args": ["x"]}]}},
        },
    });
    let expected = json!({
        "f:metadata": {"f:labels": {"f:a": {}}, "f:annotations": {}, "f:finalizers": {r#"v:"x""#: {}}},
        "f:spec": {
            "f:selector": {},
            "f:template": {"f:spec": {"f:containers": {r#"k:{"name":"c"}"#: {
                ".": {}, "f:name": {}, "f:args": {},
                "f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {".": {}, "f:containerPort": {}}},
            }}}},
        },
    });
    assert_eq!(fieldset_of(deployment().shape(), &config).to_fields_v1(), expected);
}

#[test]
fn a_change_touches_what_differs_and_what_it_brings() {
    let old =
        json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b"}]}}}});
    let new = json!({"spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "c"}, {"name": "a", "image": "2"}]}}}});
    let changes = compare(deployment().shape(), &old, &new).unwrap();
    let containers = |below: Value| json!({"f:template": {"f:spec": {"f:containers": below}}});
    let mut changed = containers(
        json!({r#"k:{"name":"a"}"#: {"f:image": {}}, r#"k:{"name":"c"}"#: {".": {}, "f:name": {}}}),
    );
    changed["f:replicas"] = json!({});
    assert_eq!(changes.changed.to_fields_v1(), json!({"f:spec": changed}));
    let removed = containers(json!({r#"k:{"name":"b"}"#: {".": {}, "f:name": {}}}));
    assert_eq!(changes.removed.to_fields_v1(), json!({"f:spec": removed}));
}

#[test]
fn misfits_are_named_in_upstreams_words() {
    let words = |config: Value| misfits(deployment().shape(), &config, false).text();
    assert_eq!(words(json!({"spec": {"replicas": 1, "paused": null}})), None);
    assert_eq!(words(json!({"spec": {"x": 1}})).as_deref(), Some(".spec.x: field not declared in schema"));
    assert_eq!(
        words(json!({"spec": {"replicas": "1"}})).as_deref(),
        Some(".spec.replicas: expected numeric (int or float), got string")
    );
    assert_eq!(
        words(json!({"metadata": {"labels": {"a": 1}}})).as_deref(),
        Some(".metadata.labels.a: expected string, got &value.valueUnstructured{Value:1}")
    );
    assert_eq!(words(json!({"spec": []})).as_deref(), Some(".spec: expected map, got &{[]}"));
    assert_eq!(
        words(json!({"metadata": {"finalizers": ["a", "a"]}, "spec": {"paused": "x"}})).as_deref(),
        Some(
            "errors:\n  .metadata.finalizers: duplicate entries for key [=\"a\"]\n  .spec.paused: expected boolean, got &{x}"
        )
    );
}

#[test]
fn scale_sees_and_returns_the_owners_of_replicas() {
    let entry = |manager: &str, operation: &str, fields: Value| json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields});
    let parent = [
        entry("a", "Apply", json!({"f:spec": {"f:replicas": {}, "f:paused": {}}})),
        entry("b", "Update", json!({"f:spec": {"f:paused": {}}})),
    ];
    let owners = ScaleOwners {
        parent: &parent,
        api_version: "apps/v1",
        replicas: &[("apps/v1", Some(&["spec", "replicas"]))],
    };
    let scale = owners.to_scale().unwrap().unwrap();
    assert_eq!(scale[0]["apiVersion"], "autoscaling/v1");
    assert_eq!(scale[0]["fieldsV1"], json!({"f:spec": {"f:replicas": {}}}));
    assert_eq!(owners.to_parent(scale.as_array().unwrap()).unwrap().unwrap(), json!(parent));
    // Someone else took the replicas.
    let mut taken = entry("hpa", "Update", json!({"f:spec": {"f:replicas": {}}}));
    taken["apiVersion"] = json!("autoscaling/v1");
    let after = owners.to_parent(&[taken]).unwrap().unwrap();
    assert_eq!(after[0]["fieldsV1"], json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(after[2], entry("hpa", "Update", json!({"f:spec": {"f:replicas": {}}})));
}
