//! What a tracker does from write to write.

use portcullis_api::{Object, Value};
use serde_json::json;

use super::super::{
    OneVersion, Request, Tracker, Writable, keep_times_if_unchanged, manager_name, validate_manager_name,
    writable,
};
use super::object;
use crate::kind::kind_named;

fn tracker() -> Tracker<'static> {
    kind_named("", "v1", "ConfigMap").unwrap().tracker("", Writable::ALL, &OneVersion)
}

fn config_map(data: Value) -> Object {
    object(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}))
}

/// An object as it is after a create.
fn created(manager: &str, data: Value) -> Object {
    let mut new = config_map(data);
    tracker().update(manager, None, &mut new, "2026-01-01T00:00:00Z");
    new.set_meta_str("uid", "u");
    new
}

fn updated(manager: &str, live: &Object, data: Value, now: &str) -> Object {
    let mut new = config_map(data);
    new.set_meta_str("uid", "u");
    tracker().update(manager, Some(live), &mut new, now);
    new
}

fn owners(object: &Object) -> Vec<(String, Value)> {
    let list =
        object.at(&["metadata", "managedFields"]).and_then(Value::as_array).cloned().unwrap_or_default();
    list.into_iter()
        .map(|entry| (entry["manager"].as_str().unwrap().to_owned(), entry["fieldsV1"].clone()))
        .collect()
}

#[test]
fn fields_follow_who_changes_them() {
    let live = created("a", json!({"x": "1", "y": "1"}));
    assert_eq!(owners(&live), [("a".to_owned(), json!({"f:data": {".": {}, "f:x": {}, "f:y": {}}}))]);
    let live = updated("b", &live, json!({"x": "2", "y": "1"}), "2026-01-01T00:00:01Z");
    assert_eq!(
        owners(&live),
        [
            ("a".to_owned(), json!({"f:data": {".": {}, "f:y": {}}})),
            ("b".to_owned(), json!({"f:data": {"f:x": {}}})),
        ]
    );
    let live = updated("b", &live, json!({"x": "2"}), "2026-01-01T00:00:02Z");
    assert_eq!(
        owners(&live)[0],
        ("a".to_owned(), json!({"f:data": {}})),
        "an owner of nothing else keeps the map"
    );
}

#[test]
fn a_write_that_changes_nothing_keeps_all_times() {
    let live = created("a", json!({"x": "1"}));
    assert_eq!(updated("b", &live, json!({"x": "1"}), "2026-01-01T00:00:09Z"), live);
    let mut same = live.clone();
    let list = same.metadata_mut()["managedFields"].as_array_mut().unwrap();
    list[0]["time"] = "2026-01-01T00:00:09Z".into();
    keep_times_if_unchanged(&mut same, &live);
    assert_eq!(same, live);
    same.set_at(&["data", "x"], "2".into());
    same.metadata_mut()["managedFields"][0]["time"] = "2026-01-01T00:00:09Z".into();
    keep_times_if_unchanged(&mut same, &live);
    assert_eq!(same.at(&["metadata", "managedFields"]).unwrap()[0]["time"], "2026-01-01T00:00:09Z");
}

#[test]
fn a_request_may_reset_owners_but_not_break_them() {
    let live = created("a", json!({"x": "1"}));
    let sent = |list: Value| {
        let mut new = config_map(json!({"x": "1"}));
        new.set_meta_str("uid", "u");
        new.metadata_mut().insert("managedFields".to_owned(), list);
        tracker().update("b", Some(&live), &mut new, "2026-01-01T00:00:01Z");
        owners(&new)
    };
    assert_eq!(sent(json!([])), []);
    assert_eq!(sent(json!([{}])), []);
    for broken in [
        json!([{"manager": "x"}]),
        json!("x"),
        json!([{"operation": "Update", "apiVersion": "v1", "fieldsType": "X"}]),
    ] {
        assert_eq!(sent(broken), owners(&live));
    }
    let by_hand = json!([{"manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {}}}]);
    assert_eq!(sent(by_hand), [("x".to_owned(), json!({"f:data": {}}))]);
}

#[test]
fn the_oldest_managers_are_merged() {
    let mut live = created("m00", json!({"k00": "1"}));
    for at in 1..12 {
        let mut data = live.get("data").cloned().unwrap();
        data[format!("k{at:02}")] = "1".into();
        live = updated(&format!("m{at:02}"), &live, data, &format!("2026-01-01T00:00:{at:02}Z"));
    }
    let owners = owners(&live);
    assert_eq!(owners.len(), 10);
    assert_eq!(
        owners[0],
        ("ancient-changes".to_owned(), json!({"f:data": {".": {}, "f:k00": {}, "f:k01": {}, "f:k02": {}}}))
    );
}

#[test]
fn status_is_not_owned_through_the_main_endpoint() {
    let kind = kind_named("apps", "v1", "Deployment").unwrap();
    let mut new =
        object(json!({"metadata": {"name": "d"}, "spec": {"replicas": 1}, "status": {"replicas": 1}}));
    kind.tracker("", writable("deployments", ""), &OneVersion).update(
        "a",
        None,
        &mut new,
        "2026-01-01T00:00:00Z",
    );
    assert_eq!(owners(&new)[0].1, json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn objects_without_owners_get_one_with_their_first_apply() {
    let mut live = created("a", json!({"x": "1", "y": "1"}));
    live.metadata_mut().remove("managedFields");
    let config = config_map(json!({"x": "2"}));
    let request = Request { manager: "k", force: false, config: &config, now: "2026-01-01T00:00:00Z" };
    let refused = tracker().apply(request, Some(&live)).unwrap_err();
    assert_eq!(
        refused.message(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.x"
    );
    let applied = tracker().apply(Request { force: true, ..request }, Some(&live)).unwrap();
    assert_eq!(
        owners(&applied)[1],
        ("before-first-apply".to_owned(), json!({"f:data": {".": {}, "f:y": {}}}))
    );
}

#[test]
fn kubectl_may_change_what_it_applied_from_the_client() {
    let annotation = "kubectl.kubernetes.io/last-applied-configuration";
    let mut live = created("a", json!({"x": "1", "y": "1"}));
    let config =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"x": "1"}});
    live.set_at(&["metadata", "annotations", annotation], config.to_string().into());
    let apply = |manager, data| {
        let config = config_map(data);
        tracker().apply(
            Request { manager, force: false, config: &config, now: "2026-01-01T00:00:00Z" },
            Some(&live),
        )
    };
    assert!(apply("other", json!({"x": "2"})).is_err());
    assert!(apply("kubectl", json!({"x": "2", "y": "2"})).is_err());
    let applied = apply("kubectl", json!({"x": "2"})).unwrap();
    let kept = applied.str_at(&["metadata", "annotations", annotation]);
    assert_eq!(
        kept,
        "{\"apiVersion\":\"v1\",\"data\":{\"x\":\"2\"},\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"c\"}}\n"
    );
}

#[test]
fn applies_of_another_kind_or_with_owners_are_refused() {
    let apply = |config: Value| {
        let config = object(config);
        tracker()
            .apply(Request { manager: "m", force: false, config: &config, now: "" }, None)
            .unwrap_err()
            .message()
            .to_owned()
    };
    assert_eq!(apply(json!({"apiVersion": "v1", "kind": "Pod"})), "invalid object type: /v1, Kind=Pod");
    assert_eq!(apply(json!({})), "invalid object type: /, Kind=");
    let owned = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"managedFields": []}});
    assert_eq!(apply(owned), "metadata.managedFields must be nil");
}

#[test]
fn managers_are_named_by_parameter_or_user_agent() {
    assert_eq!(manager_name("", "kubectl/v1.36.2 (linux/amd64)"), "kubectl");
    assert_eq!(manager_name("me", "kubectl/v1"), "me");
    assert_eq!(manager_name("", "a\u{0}b\u{2028}c/1"), "abc");
    assert_eq!(manager_name("", &"x".repeat(200)).len(), 128);
    let path = portcullis_api::field::Path::new("fieldManager");
    let errors = validate_manager_name("a\u{7}", &path);
    assert_eq!(
        errors[0].to_string(),
        "fieldManager: Invalid value: \"a\\a\": invalid character U+0007 (at position 1)"
    );
}
