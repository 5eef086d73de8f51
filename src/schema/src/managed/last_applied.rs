//! The annotation in which client-side apply keeps its configuration. A first server-side apply by
//! `kubectl` may change what that configuration set, and keeps the annotation up to date.

use portcullis_api::{Map, Object, Value};

use super::compare::compare;
use super::conflict::Conflicts;
use super::own::fieldset_of;
use super::tracker::Tracker;
use super::validate::misfits;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The most bytes all annotations of an object may have.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The conflicts that are left when the manager may change what it applied from the client; `None` if
/// there are none left.
pub(super) fn remaining_conflicts(
    tracker: &Tracker<'_>,
    live: &Object,
    live_value: &Value,
    conflicts: Conflicts,
) -> Option<Conflicts> {
    let Some(config) = configuration(tracker, live) else { return Some(conflicts) };
    if misfits(tracker.shape(), live_value, false).text().is_some()
        || misfits(tracker.shape(), &config, false).text().is_some()
    {
        return Some(conflicts);
    }
    let Ok(changes) = compare(tracker.shape(), &config, live_value) else { return Some(conflicts) };
    // What differs from the live object by now is not the client's any more.
    let set = fieldset_of(tracker.shape(), &config);
    let allowed = set.difference(&changes.changed).difference(&changes.removed);
    let left = conflicts.without(&allowed);
    (!left.is_empty()).then_some(left)
}

fn configuration(tracker: &Tracker<'_>, live: &Object) -> Option<Value> {
    let text = live.str_at(&["metadata", "annotations", ANNOTATION]);
    let config: Value = serde_json::from_str(text).ok()?;
    let same_version = config.get("apiVersion").and_then(Value::as_str) == Some(tracker.api_version);
    (same_version && config.is_object()).then_some(config)
}

/// Writes the applied configuration into the annotation, if the object has it.
pub(super) fn update(object: &mut Object, config: &Object) {
    if object.str_at(&["metadata", "annotations", ANNOTATION]).is_empty() {
        return;
    }
    let mut config = config.clone();
    config.remove_at(&["metadata", "annotations", ANNOTATION]);
    let text = encoded(config);
    let Some(annotations) = object.metadata_mut().get_mut("annotations").and_then(Value::as_object_mut)
    else {
        return;
    };
    if size(annotations) + text.len() <= MAX_ANNOTATIONS {
        annotations.insert(ANNOTATION.to_owned(), Value::String(text));
    } else {
        annotations.remove(ANNOTATION);
    }
}

/// The configuration as Go encodes it: without HTML's special characters, and with a line's end.
fn encoded(config: Object) -> String {
    let mut text = Value::from(config).to_string();
    for (special, escaped) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026")] {
        if text.contains(special) {
            text = text.replace(special, escaped);
        }
    }
    text.push('\n');
    text
}

/// The bytes of all other annotations.
fn size(annotations: &Map<String, Value>) -> usize {
    let others = annotations.iter().filter(|(name, _)| *name != ANNOTATION);
    others.map(|(name, value)| name.len() + value.as_str().map_or(0, str::len)).sum::<usize>()
        + ANNOTATION.len()
}
