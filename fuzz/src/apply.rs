//! Server-side apply with owners of any kind: force meets no conflict, and applying twice is applying once.

use portcullis_api::{Object, Reason};
use portcullis_schema::managed::{ManagedFields, OneVersion, Request, Writable};
use portcullis_schema::{FieldValidation, Kind, kinds};
use serde_json::{Map, Value};

const NOW: &str = "2026-01-01T00:00:00Z";

/// The first byte chooses the kind; then come the configuration, the live object and its owners, each in
/// a line of its own.
pub fn apply(input: &[u8]) {
    let Some((which, rest)) = input.split_first() else { return };
    let Some(kind) = kinds().nth(usize::from(*which) % kinds().count()) else { return };
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let (config, live) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let owners = lines.next().and_then(|owners| serde_json::from_slice::<Value>(owners).ok());
    let Ok(Value::Object(mut config)) = serde_json::from_slice(config) else { return };
    config.insert("apiVersion".to_owned(), kind.api_version().into());
    config.insert("kind".to_owned(), kind.kind().into());
    let config = Object::new(config);
    let live = live_object(kind, live, owners);

    for manager in ["m", "kubectl"] {
        let tracker = kind.tracker("", Writable::ALL, &OneVersion);
        let request = Request { manager, force: false, config: &config, now: NOW };
        let gently = tracker.apply(request, live.as_ref());
        let forced = tracker.apply(Request { force: true, ..request }, live.as_ref());
        match (gently, forced) {
            (Ok(gently), Ok(forced)) => {
                assert_eq!(gently, forced, "force changes nothing without a conflict")
            }
            (Err(error), Ok(_)) => assert_eq!(error.reason(), Reason::Conflict, "{}", error.message()),
            (_, Err(error)) => assert_ne!(error.reason(), Reason::Conflict, "{}", error.message()),
        }
        again(kind, Request { force: true, ..request }, live.as_ref());
    }
}

fn live_object(kind: &Kind, text: &[u8], owners: Option<Value>) -> Option<Object> {
    let mut live = kind.decode(text, FieldValidation::Ignore).ok()?.object;
    if let Some(owners) = owners
        && live.get("metadata").is_none_or(Value::is_object)
    {
        live.metadata_mut().insert("managedFields".to_owned(), owners);
        kind.normalize(&mut live, FieldValidation::Ignore).ok()?;
    }
    Some(live)
}

fn again(kind: &Kind, request: Request<'_>, live: Option<&Object>) {
    let tracker = kind.tracker("", Writable::ALL, &OneVersion);
    let Ok(mut once) = tracker.apply(request, live) else { return };
    let list = |object: &Object| object.at(&["metadata", "managedFields"]).and_then(Value::as_array).cloned();
    let owners = list(&once);
    assert!(
        owners.is_none_or(|list| ManagedFields::decode(&list).is_ok()),
        "owners that were written can be read"
    );
    if kind.normalize(&mut once, FieldValidation::Ignore).is_err() {
        return;
    }
    if let Ok(twice) = tracker.apply(request, Some(&once)) {
        assert_eq!(list(&twice), list(&once), "applying twice is applying once");
        // Whoever updates without changing anything owns nothing new.
        let mut same = once.clone();
        tracker.update("u", Some(&once), &mut same, NOW);
        let new = list(&same).unwrap_or_default();
        assert!(new.iter().all(|entry| entry.get("manager") != Some(&"u".into())) || had(&once, "u"));
    }
}

fn had(object: &Object, manager: &str) -> bool {
    let list = object.at(&["metadata", "managedFields"]).and_then(Value::as_array);
    let is = |entry: &Map<String, Value>| entry.get("manager") == Some(&manager.into());
    list.is_some_and(|list| list.iter().filter_map(Value::as_object).any(is))
}
