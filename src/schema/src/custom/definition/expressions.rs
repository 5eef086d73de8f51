//! The texts around rules. The expressions themselves are checked where they are compiled.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::at::At;
use super::super::field_path::{Notation, field_at};
use super::super::json::{list, text};

const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Checks the rules of a schema.
pub(super) fn check(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (i, rule) in list(schema, "x-kubernetes-validations").iter().enumerate() {
        expression(schema, rule, &at.index(i), errors);
    }
}

fn expression(schema: &Value, rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    messages(rule, at, errors);
    if let Some(reason) = rule.get("reason").and_then(Value::as_str)
        && !REASONS.contains(&reason)
    {
        at.child("reason").not_supported(errors, reason, &REASONS);
    }
    let path = text(rule, "fieldPath");
    let here = at.child("fieldPath");
    if !path.is_empty() && path.trim().is_empty() {
        here.invalid(errors, path, "must be non-empty if specified");
    }
    if breaks(path) {
        here.invalid(errors, path, "must not contain line breaks");
    }
    if !path.is_empty() && field_at(schema, path, Notation::DotsAndBrackets).is_err() {
        here.invalid(errors, path, "must be a valid path");
    }
}

fn messages(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (body, message) = (text(rule, "rule").trim(), text(rule, "message"));
    let here = at.child("message");
    if body.is_empty() {
        at.child("rule").required(errors, "rule is not specified");
    } else if !message.is_empty() && message.trim().is_empty() {
        here.invalid(errors, message, "must be non-empty if specified");
    } else if breaks(message.trim()) {
        here.invalid(errors, message, "must not contain line breaks");
    } else if breaks(body) && message.trim().is_empty() {
        here.required(errors, "message must be specified if rule contains line breaks");
    }
    let expression = text(rule, "messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let words = "messageExpression must be non-empty if specified";
        at.child("messageExpression").required(errors, words);
    }
}

fn breaks(text: &str) -> bool {
    text.contains(['\n', '\r'])
}
