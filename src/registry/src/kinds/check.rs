//! Small pieces that rules are built from: where a value stands, how to look at a tree, and the checks
//! that many kinds share.
//!
//! A rule takes a value, the place it stands at and the list of errors. [`At`] is a chain of borrowed
//! steps, so that walking down costs nothing; it becomes a [`Path`] only when an error is reported.

use portcullis_api::field::{Error, ErrorList, Path, Shown};
use portcullis_api::quantity::Quantity;
use portcullis_api::{Map, Value, ip, names};

use super::core::internal;

/// Upstream's words for a number below zero.
pub(crate) const NEGATIVE: &str = "must be greater than or equal to 0";
/// Upstream's words for a number that is not above zero.
pub(crate) const NOT_POSITIVE: &str = "must be greater than zero";
/// Upstream's words for a change of what may not change.
pub(crate) const IMMUTABLE: &str = "field is immutable";

/// Where a value stands: a step and the place it starts from.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Path(&'a Path),
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> At<'a> {
    /// A top-level field.
    pub(crate) fn root(field: &'a str) -> Self {
        Self { parent: None, step: Step::Field(field) }
    }

    /// The object as a whole, which upstream writes as a field without a name.
    pub(crate) fn whole() -> Self {
        Self::root("[]")
    }

    /// A place given as a path.
    pub(crate) fn path(path: &'a Path) -> Self {
        Self { parent: None, step: Step::Path(path) }
    }

    /// A field of the value here.
    pub(crate) fn child(&'a self, field: &'a str) -> At<'a> {
        Self { parent: Some(self), step: Step::Field(field) }
    }

    /// An entry of the list here.
    pub(crate) fn index(&'a self, index: usize) -> At<'a> {
        Self { parent: Some(self), step: Step::Index(index) }
    }

    /// An entry of the map here.
    pub(crate) fn key(&'a self, key: &'a str) -> At<'a> {
        Self { parent: Some(self), step: Step::Key(key) }
    }

    /// The place as upstream writes it.
    pub(crate) fn to_path(self) -> Path {
        let parent = self.parent.map_or_else(Path::root, |parent| parent.to_path());
        match self.step {
            Step::Path(path) => path.clone(),
            Step::Field(field) => parent.child(field),
            Step::Index(index) => parent.index(index),
            Step::Key(key) => parent.key(key),
        }
    }

    /// Reports a missing value.
    pub(crate) fn required(&self, errors: &mut ErrorList, detail: &str) {
        errors.push(Error::required(&self.to_path(), detail));
    }

    /// Reports a malformed value.
    pub(crate) fn invalid(&self, errors: &mut ErrorList, value: impl Shown, detail: impl Into<String>) {
        errors.push(Error::invalid(&self.to_path(), value, detail));
    }

    /// Reports a value that may not be set.
    pub(crate) fn forbidden(&self, errors: &mut ErrorList, detail: impl Into<String>) {
        errors.push(Error::forbidden(&self.to_path(), detail));
    }

    /// Reports a value that is there twice.
    pub(crate) fn duplicate(&self, errors: &mut ErrorList, value: impl Shown) {
        errors.push(Error::duplicate(&self.to_path(), value));
    }

    /// Reports a reference to nothing.
    pub(crate) fn not_found(&self, errors: &mut ErrorList, value: impl Shown) {
        errors.push(Error::not_found(&self.to_path(), value));
    }

    /// Reports a value outside an enumeration.
    pub(crate) fn not_supported(&self, errors: &mut ErrorList, value: impl Shown, supported: &[&str]) {
        errors.push(Error::not_supported(&self.to_path(), value, supported));
    }

    /// Reports a text that is too long.
    pub(crate) fn too_long(&self, errors: &mut ErrorList, max: usize) {
        errors.push(Error::too_long(&self.to_path(), max));
    }

    /// Reports a list that is too long.
    pub(crate) fn too_many(&self, errors: &mut ErrorList, actual: usize, max: usize) {
        errors.push(Error::too_many(&self.to_path(), actual, max));
    }

    /// Reports each message about a text.
    pub(crate) fn messages(&self, errors: &mut ErrorList, value: &str, messages: Vec<String>) {
        for message in messages {
            self.invalid(errors, value, message);
        }
    }

    /// Applies a rule of [`names`] to a text.
    pub(crate) fn rule(&self, errors: &mut ErrorList, value: &str, rule: names::Rule) {
        self.messages(errors, value, rule(value));
    }
}

/// The text in a field; empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The number in a field; zero where there is none.
pub(crate) fn int(value: &Value, field: &str) -> i64 {
    value.get(field).and_then(Value::as_i64).unwrap_or_default()
}

/// The number in a field, if it is set.
pub(crate) fn opt_int(value: &Value, field: &str) -> Option<i64> {
    value.get(field).and_then(Value::as_i64)
}

/// The flag in a field; false where there is none.
pub(crate) fn flag(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or_default()
}

/// The list in a field; empty where there is none.
pub(crate) fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The texts of the list in a field.
pub(crate) fn texts<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    items(value, field).iter().map(|item| item.as_str().unwrap_or_default())
}

/// The entries of the map in a field.
pub(crate) fn entries<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let map = value.get(field).and_then(Value::as_object);
    map.into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

/// The map in a field, if there is one with entries.
pub(crate) fn filled_map<'a>(value: &'a Value, field: &str) -> Option<&'a Map<String, Value>> {
    value.get(field).and_then(Value::as_object).filter(|map| !map.is_empty())
}

/// Whether a text is absent or one of a few; absent is reported as missing.
pub(crate) fn one_of_required(value: &str, supported: &[&str], at: At<'_>, errors: &mut ErrorList) {
    if value.is_empty() {
        at.required(errors, "");
    } else {
        one_of(value, supported, at, errors);
    }
}

/// A text must be one of a few.
pub(crate) fn one_of(value: &str, supported: &[&str], at: At<'_>, errors: &mut ErrorList) {
    if !supported.contains(&value) {
        at.not_supported(errors, value, supported);
    }
}

/// A text must be there.
pub(crate) fn required_text(value: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) {
    if text(value, field).is_empty() {
        at.child(field).required(errors, "");
    }
}

/// A text must be there and follow a rule.
pub(crate) fn required_name(
    value: &Value,
    field: &str,
    rule: names::Rule,
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    match text(value, field) {
        "" => at.child(field).required(errors, ""),
        name => at.child(field).rule(errors, name, rule),
    }
}

/// A text that is there must follow a rule.
pub(crate) fn optional_name(
    value: &Value,
    field: &str,
    rule: names::Rule,
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    let name = text(value, field);
    if !name.is_empty() {
        at.child(field).rule(errors, name, rule);
    }
}

/// A number must not be negative.
pub(crate) fn non_negative(value: i64, at: At<'_>, errors: &mut ErrorList) {
    if value < 0 {
        at.invalid(errors, value, NEGATIVE);
    }
}

/// A quantity must not be negative.
pub(crate) fn non_negative_quantity(value: &str, at: At<'_>, errors: &mut ErrorList) {
    if quantity(value).signum() < 0 {
        at.invalid(errors, value, NEGATIVE);
    }
}

/// A port is a number or the name of one.
pub(crate) fn port_number_or_name(port: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    match port {
        Some(Value::String(name)) => at.rule(errors, name, names::port_name),
        other => {
            let number = other.and_then(Value::as_i64).unwrap_or_default();
            for message in names::port_number(number) {
                at.invalid(errors, number, message);
            }
        }
    }
}

/// An address in an old field; values the object already had are left alone.
pub(crate) fn legacy_ip(value: &str, kept: &[&str], at: At<'_>, errors: &mut ErrorList) {
    if !kept.contains(&value) {
        at.messages(errors, value, ip::legacy_address(value));
    }
}

/// A value must be what it was. Absent and present count as different.
pub(crate) fn immutable(new: Option<&Value>, old: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    if new != old {
        at.invalid(errors, new, IMMUTABLE);
    }
}

/// A value of a Go type must be what it was; an empty list or map is as good as none.
pub(crate) fn immutable_as(
    kind: &str,
    new: Option<&Value>,
    old: Option<&Value>,
    at: At<'_>,
    errors: &mut ErrorList,
) {
    if new != old {
        let (shown, before) = (internal(kind, new), internal(kind, old));
        if shown.0 != before.0 {
            at.invalid(errors, shown, IMMUTABLE);
        }
    }
}

/// A quantity in normal form; what cannot be read counts as zero.
pub(crate) fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or(Quantity::ZERO)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn places_read_as_upstream_writes_them() {
        assert_eq!(At::whole().to_path().to_string(), "[]");
        let spec = At::root("spec");
        let ports = spec.child("ports");
        let port = ports.index(0);
        let limits = port.child("limits");
        assert_eq!(limits.key("a.b").to_path().as_str(), "spec.ports[0].limits[a.b]");
        let base = Path::new("spec").child("template");
        let at = At::path(&base);
        assert_eq!(at.child("spec").to_path().as_str(), "spec.template.spec");
    }

    #[test]
    fn checks_report_in_upstreams_words() {
        let mut errors = ErrorList::new();
        let at = At::root("spec");
        one_of_required("", &["A"], at.child("a"), &mut errors);
        one_of("B", &["A"], at.child("b"), &mut errors);
        non_negative(-1, at.child("c"), &mut errors);
        port_number_or_name(Some(&json!(70000)), at.child("d"), &mut errors);
        immutable(Some(&json!("x")), None, at.child("e"), &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.a: Required value",
                "spec.b: Unsupported value: \"B\": supported values: \"A\"",
                "spec.c: Invalid value: -1: must be greater than or equal to 0",
                "spec.d: Invalid value: 70000: must be between 1 and 65535, inclusive",
                "spec.e: Invalid value: \"x\": field is immutable",
            ]
        );
    }

    #[test]
    fn what_may_not_change_is_shown_as_the_type_it_has() {
        let mut errors = ErrorList::new();
        let at = At::root("spec");
        immutable_as("string", None, Some(&json!("x")), at.child("a"), &mut errors);
        immutable_as("[]string", Some(&json!([])), None, at.child("b"), &mut errors);
        let parent = json!({"name": "n"});
        immutable_as("*ParentReference", Some(&parent), None, at.child("c"), &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.a: Invalid value: \"\": field is immutable",
                "spec.c: Invalid value: {\"Group\":\"\",\"Resource\":\"\",\"Namespace\":\"\",\"Name\":\"n\"}: field is immutable",
            ]
        );
    }
}
