//! Patches and applied configurations on any kind: whatever they do, the owners of the result can be
//! read, and applying twice is applying once.

use portcullis_schema::managed::{ManagedFields, OneVersion, Request, Writable};
use portcullis_schema::patch::{Patch, PatchType};
use portcullis_schema::{FieldValidation, Kind, kinds};
use serde_json::Value;

const NOW: &str = "2026-01-01T00:00:00Z";

/// The first byte chooses the kind, the second the patch, the third where the object ends and the patch
/// begins (in 256ths); the rest is both.
pub fn patch(input: &[u8]) {
    let Some(([which, patch, border], rest)) = input.split_first_chunk() else { return };
    let Some(kind) = kinds().nth(usize::from(*which) % kinds().count()) else { return };
    let (object, patch_body) = rest.split_at(rest.len() * usize::from(*border) / 256);
    let Ok(decoded) = kind.decode(object, FieldValidation::Ignore) else { return };
    let mut live = decoded.object;
    let tracker = kind.tracker("", Writable::ALL, &OneVersion);
    tracker.update("creator", None, &mut live, NOW);

    match PatchType::ALL.get(usize::from(*patch) % 4) {
        Some(PatchType::Apply) => apply(kind, &live, patch_body),
        Some(patch_type) => {
            let parsed = Patch::parse(*patch_type, patch_body, FieldValidation::Warn);
            let Ok(patched) = parsed.and_then(|patch| patch.run(&kind.into(), &live)) else { return };
            let mut object = patched.object;
            tracker.update("patcher", Some(&live), &mut object, NOW);
            owners_are_readable(&object.into());
        }
        None => {}
    }
}

fn apply(kind: &Kind, live: &portcullis_api::Object, body: &[u8]) {
    let Ok(Value::Object(config)) = serde_json::from_slice(body) else { return };
    let config = portcullis_api::Object::new(config);
    let tracker = kind.tracker("", Writable::ALL, &OneVersion);
    let request = Request { manager: "applier", force: true, config: &config, now: NOW };
    let Ok(mut once) = tracker.apply(request, Some(live)) else { return };
    owners_are_readable(&once.clone().into());
    if kind.normalize(&mut once, FieldValidation::Ignore).is_err() {
        return;
    }
    // What was lost on the way into normal form is applied again; only its owners must stay.
    if let Ok(twice) = tracker.apply(request, Some(&once)) {
        let owners = |object: &portcullis_api::Object| object.at(&["metadata", "managedFields"]).cloned();
        assert_eq!(owners(&twice), owners(&once), "applying twice is applying once");
    }
}

fn owners_are_readable(object: &Value) {
    if let Some(Value::Array(list)) = object.pointer("/metadata/managedFields") {
        let read = ManagedFields::decode(list);
        assert!(read.is_ok(), "owners that were written can be read: {read:?}");
    }
}
