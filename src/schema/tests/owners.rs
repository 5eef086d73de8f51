//! Conversations recorded against upstream: who owns what after every create, update, patch and apply,
//! what a patch makes of an object, and how a refusal reads (`data/owners.jsonl`, one per line).
#![expect(clippy::unwrap_used, reason = "a recording that cannot be read fails the test")]

use portcullis_api::{ApiError, GroupVersion, Gvk, Object, Value};
use portcullis_schema::managed::{OneVersion, Request, Tracker, writable};
use portcullis_schema::patch::{Patch, PatchType};
use portcullis_schema::{FieldValidation, Kind, defaults, kind};

const NOW: &str = "2026-01-01T00:00:00Z";

#[test]
fn recorded_conversations_end_alike() {
    for line in include_str!("data/owners.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let version = GroupVersion::parse(case["apiVersion"].as_str().unwrap()).unwrap();
        let kind = kind(&Gvk::new(version, case["kind"].as_str().unwrap())).unwrap();
        let mut live = None;
        for (at, step) in case["steps"].as_array().unwrap().iter().enumerate() {
            check(&format!("{id}, step {at}"), step, write(kind, step, live.as_ref()));
            if let Value::Object(map) = &step["result"] {
                live = Some(Object::new(map.clone()));
            }
        }
    }
}

/// Does what the registry does on a write, as far as owners are concerned.
fn write(kind: &'static Kind, step: &Value, live: Option<&Object>) -> Result<Object, ApiError> {
    let text = |name: &str| step[name].as_str().unwrap();
    let (resource, subresource, body) = (text("resource"), text("subresource"), text("body"));
    let tracker = kind.tracker(subresource, writable(resource, subresource), &OneVersion);
    let manager = text("manager");
    match PatchType::from_content_type(text("type")) {
        None => {
            let mut new = kind.decode(body.as_bytes(), FieldValidation::Ignore).unwrap().object;
            defaults::apply(kind.gvk(), &mut new);
            tracker.update(manager, live, &mut new, NOW);
            Ok(new)
        }
        Some(PatchType::Apply) => apply(kind, &tracker, step, live),
        Some(patch_type) => {
            let live = live.unwrap();
            let patch = Patch::parse(patch_type, body.as_bytes(), FieldValidation::Warn)?;
            let mut new = patch.run(&kind.into(), live)?.object;
            defaults::apply(kind.gvk(), &mut new);
            tracker.update(manager, Some(live), &mut new, NOW);
            Ok(new)
        }
    }
}

fn apply(
    kind: &Kind,
    tracker: &Tracker<'_>,
    step: &Value,
    live: Option<&Object>,
) -> Result<Object, ApiError> {
    let config: Value = serde_json::from_str(step["body"].as_str().unwrap()).unwrap();
    let config = Object::new(config.as_object().unwrap().clone());
    let manager = step["manager"].as_str().unwrap();
    let force = step["force"] == true;
    let mut new = tracker.apply(Request { manager, force, config: &config, now: NOW }, live)?;
    kind.normalize(&mut new, FieldValidation::Ignore).unwrap();
    defaults::apply(kind.gvk(), &mut new);
    Ok(new)
}

#[track_caller]
fn check(step: &str, recorded: &Value, result: Result<Object, ApiError>) {
    let expected = &recorded["expect"];
    let object = match result {
        Ok(object) => object,
        Err(error) => return assert_eq!(error.to_status(), expected["status"], "{step}"),
    };
    let owners = object.at(&["metadata", "managedFields"]);
    assert_eq!(sorted(owners), sorted(expected.get("managedFields")), "owners after {step}");
    // The status of a main resource is carried over by the registry.
    let Some(content) = expected["object"].as_object() else { return };
    for (name, value) in content.iter().filter(|(name, _)| *name != "status") {
        if recorded["subresource"] == "" {
            assert_eq!(object.get(name), Some(value), "{name} after {step}");
        }
    }
}

/// The recordings do not keep the order of entries.
fn sorted(list: Option<&Value>) -> Vec<Value> {
    let mut list = list.and_then(Value::as_array).cloned().unwrap_or_default();
    list.sort_by_key(Value::to_string);
    list
}
