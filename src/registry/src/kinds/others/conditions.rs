//! Conditions of the one shape all kinds share (`metav1.Condition`).

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use crate::kinds::check::{At, int, items, one_of, text};

const REASON_MAX: usize = 1024;
const MESSAGE_MAX: usize = 32 * 1024;
const REASON: &str = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?";

/// The rules for the list of conditions in `conditions`.
pub(super) fn all(status: &Value, at: At<'_>, errors: &mut ErrorList) {
    let mut known: Vec<&str> = Vec::new();
    for (i, condition) in items(status, "conditions").iter().enumerate() {
        let here = at.index(i);
        let r#type = text(condition, "type");
        if known.contains(&r#type) {
            here.child("type").duplicate(errors, r#type);
        }
        known.push(r#type);
        one(condition, &here, errors);
    }
}

fn one(condition: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("type").rule(errors, text(condition, "type"), names::qualified_name);
    one_of(text(condition, "status"), &["False", "True", "Unknown"], at.child("status"), errors);
    let generation = int(condition, "observedGeneration");
    if generation < 0 {
        at.child("observedGeneration").invalid(errors, generation, "must be greater than or equal to zero");
    }
    if text(condition, "lastTransitionTime").is_empty() {
        at.child("lastTransitionTime").required(errors, "");
    }
    match text(condition, "reason") {
        "" => at.child("reason").required(errors, ""),
        reason => self::reason(reason, at.child("reason"), errors),
    }
    if text(condition, "message").len() > MESSAGE_MAX {
        at.child("message").too_long(errors, MESSAGE_MAX);
    }
}

fn reason(reason: &str, at: At<'_>, errors: &mut ErrorList) {
    let words = "a condition reason must start with alphabetic character, optionally followed by a string of \
                 alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'";
    if !is_reason(reason) {
        let examples = ["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"];
        at.invalid(errors, reason, names::regex_error(words, REASON, &examples));
    }
    if reason.len() > REASON_MAX {
        at.too_long(errors, REASON_MAX);
    }
}

fn is_reason(reason: &str) -> bool {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    reason.starts_with(|c: char| c.is_ascii_alphabetic())
        && reason.ends_with(word)
        && reason.chars().all(|c| word(c) || c == ',' || c == ':')
}
