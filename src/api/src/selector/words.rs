//! What label keys and values may be made of, as the one error a selector reports.

use crate::field::{Error, Path};
use crate::names;

/// What is wrong with a label key, as one error.
pub(super) fn key_error(path: &Path, key: &str) -> Option<Error> {
    joined(path, key, &names::qualified_name(key))
}

/// What is wrong with a label value, as one error.
pub(super) fn value_error(path: &Path, value: &str) -> Option<Error> {
    joined(path, value, &names::label_value(value))
}

/// Joins messages as Go's error aggregate does: each once, brackets around more than one.
pub(super) fn aggregate(errors: &[Error]) -> String {
    let mut seen: Vec<String> = Vec::with_capacity(errors.len());
    for text in errors.iter().map(ToString::to_string) {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    match seen.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    }
}

fn joined(path: &Path, value: &str, mistakes: &[String]) -> Option<Error> {
    (!mistakes.is_empty()).then(|| Error::invalid(path, value, mistakes.join("; ")))
}
