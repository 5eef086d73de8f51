//! Which changes of a pod can change what it may do.

use portcullis_api::{Object, Value};

use portcullis_api::tree::{items, text};

/// Whether images changed or containers came or went.
pub(super) fn is_significant(new: &Object, old: &Object) -> bool {
    let (new, old) = (spec(new), spec(old));
    ["containers", "initContainers"].iter().any(|field| images_differ(items(new, field), items(old, field)))
        || adds_ephemeral(items(new, "ephemeralContainers"), items(old, "ephemeralContainers"))
}

fn spec(pod: &Object) -> &Value {
    pod.get("spec").unwrap_or(&Value::Null)
}

fn images_differ(new: &[Value], old: &[Value]) -> bool {
    new.len() != old.len() || new.iter().zip(old).any(|(new, old)| text(new, "image") != text(old, "image"))
}

fn adds_ephemeral(new: &[Value], old: &[Value]) -> bool {
    new.iter().any(|container| {
        let before = old.iter().find(|one| text(one, "name") == text(container, "name"));
        before.is_none_or(|before| text(before, "image") != text(container, "image"))
    })
}
