//! The metadata the server owns: filled at creation, wiped from what clients send.

use portcullis_api::{ApiError, Object, Result, Scope, Value, time};
use rand::Rng as _;

/// Letters of generated names: no vowels, no look-alikes.
const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
const RANDOM_SUFFIX: usize = 5;
const MAX_GENERATED_BASE: usize = 63 - RANDOM_SUFFIX;

/// Removes what a client cannot set at creation.
pub(crate) fn wipe_system_fields(object: &mut Object) {
    let meta = object.metadata_mut();
    for field in ["creationTimestamp", "uid", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        meta.remove(field);
    }
}

/// Gives a new object its creation time and uid, and a name if it asked for a generated one.
pub(crate) fn fill_system_fields(object: &mut Object) {
    let meta = object.metadata_mut();
    meta.insert("creationTimestamp".into(), time::now_rfc3339().into());
    meta.insert("uid".into(), uuid::Uuid::new_v4().to_string().into());
    if object.name().is_empty() {
        let base = object.meta_str("generateName").to_owned();
        if !base.is_empty() {
            object.set_meta_str("name", &generate_name(&base));
        }
    }
}

/// A name from a prefix and five random letters.
pub(crate) fn generate_name(base: &str) -> String {
    let mut end = base.len().min(MAX_GENERATED_BASE);
    while !base.is_char_boundary(end) {
        end -= 1;
    }
    let mut name = base.get(..end).unwrap_or_default().to_owned();
    let mut rng = rand::rng();
    for _ in 0..RANDOM_SUFFIX {
        let letter = ALPHABET.get(rng.random_range(0..ALPHABET.len())).copied().unwrap_or(b'x');
        name.push(char::from(letter));
    }
    name
}

/// Brings the object's namespace in line with the request's.
///
/// # Errors
/// 400 when the object names another namespace.
pub(crate) fn ensure_namespace(object: &mut Object, scope: Scope, requested: &str) -> Result<()> {
    let expected = if scope == Scope::Namespaced { requested } else { "" };
    let named = object.namespace();
    if named == expected {
        return Ok(());
    }
    if named.is_empty() || expected.is_empty() {
        object.set_meta_str("namespace", expected);
        return Ok(());
    }
    let message = "the namespace of the provided object does not match the namespace sent on the request";
    Err(ApiError::bad_request(message))
}

/// Removes owner references that appear twice; returns a warning when there were any.
pub(crate) fn dedup_owner_references(object: &mut Object) -> Option<String> {
    let refs = object.metadata_mut().get_mut("ownerReferences")?.as_array_mut()?;
    let mut seen: Vec<Value> = Vec::with_capacity(refs.len());
    let mut repeated = Vec::new();
    for reference in refs.drain(..) {
        if seen.contains(&reference) {
            let uid = reference.get("uid").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !repeated.contains(&uid) {
                repeated.push(uid);
            }
        } else {
            seen.push(reference);
        }
    }
    *refs = seen;
    (!repeated.is_empty()).then(|| {
        format!(
            ".metadata.ownerReferences contains duplicate entries; API server dedups owner references in 1.20+, \
             and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            repeated.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_names_fit_a_label() {
        let name = generate_name(&"a".repeat(100));
        assert_eq!(name.len(), 63);
        assert!(generate_name("web-").starts_with("web-"));
        assert_ne!(generate_name("web-"), generate_name("web-"));
    }
}
