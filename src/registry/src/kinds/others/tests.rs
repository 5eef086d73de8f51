//! What all kinds of these groups have in common, and every rule against objects whose answer is known:
//! one line of `creates.jsonl` per object.

use portcullis_api::field::ErrorList;
use portcullis_api::{GroupVersion, Gvk, Object, Value};
use portcullis_schema::{FieldValidation, defaults, kind_named};

use super::*;
use crate::kinds::{meta, strategy};

#[test]
fn no_resource_has_two_strategies() {
    let keys: Vec<(&str, &str, &str)> =
        STRATEGIES.iter().copied().flatten().map(|row| (row.0, row.1, row.2)).collect();
    let once: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(once.len(), keys.len());
}

fn read(value: &Value) -> (Gvk, Object) {
    let text = |field: &str| value[field].as_str().unwrap();
    let (group, version) = text("apiVersion").split_once('/').unwrap();
    let gvk = Gvk { gv: GroupVersion::new(group, version), kind: text("kind").into() };
    let kind = kind_named(&gvk.gv.group, &gvk.gv.version, &gvk.kind).unwrap();
    let decoded = kind.decode(value.to_string().as_bytes(), FieldValidation::Ignore);
    let mut object = decoded.unwrap().object;
    defaults::apply(&gvk, &mut object);
    (gvk, object)
}

fn create(resource: &str, namespaced: bool, object: &Value) -> Vec<String> {
    let (gvk, mut new) = read(object);
    if namespaced {
        new.set_meta_str("namespace", "n");
    }
    new.set_meta_str("uid", "2f1f0c1e-9d0b-4ed1-b1f5-0f6f1f2f3f4f");
    new.metadata_mut().insert("creationTimestamp".into(), "2026-01-02T03:04:05Z".into());
    let strategy = strategy(&gvk.gv.group, resource, "").unwrap();
    strategy.prepare_create(&mut new);
    let mut errors = ErrorList::new();
    strategy.validate(&new, &mut errors);
    if errors.is_empty() {
        meta::before_create(&new, namespaced, &mut errors);
    }
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn creates_are_judged_as_recorded() {
    for line in include_str!("tests/creates.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let expected: Vec<&str> =
            case["errors"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let namespaced = case["namespaced"] == true;
        let got = create(case["resource"].as_str().unwrap(), namespaced, &case["object"]);
        assert_eq!(got, expected, "{}", case["case"]);
    }
}
