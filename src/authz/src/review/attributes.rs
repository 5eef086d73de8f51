//! The question of a review, as the chain understands it.

use std::sync::Arc;

use portcullis_api::selector::{FieldSelector, FieldTerm, LabelSelector, Requirement};
use portcullis_api::{Extra, Object, UserInfo, Value};

use crate::attributes::{Attributes, Resource};

/// Who is asked about, and what.
pub(super) struct Question<'a> {
    pub(super) user: UserInfo,
    review: &'a Object,
    labels: Selector,
    fields: Selector,
}

/// A selector's text, as far as it could be understood.
#[derive(Default)]
struct Selector {
    text: String,
    failed: bool,
}

impl<'a> Question<'a> {
    /// A question about the user that the review names.
    pub(super) fn about_subject(review: &'a Object) -> Self {
        let text = |field: &str| Arc::from(review.str_at(&["spec", field]));
        let groups = review.at(&["spec", "groups"]).and_then(Value::as_array).into_iter().flatten();
        let user = UserInfo {
            name: text("user"),
            uid: text("uid"),
            groups: groups.filter_map(Value::as_str).map(Arc::from).collect(),
            extra: Arc::new(extra(review)),
        };
        Self::about(user, review)
    }

    /// A question about a user.
    pub(super) fn about(user: UserInfo, review: &'a Object) -> Self {
        let selector = |field: &str| review.at(&["spec", "resourceAttributes", field]);
        let labels = selector("labelSelector").map(labels).unwrap_or_default();
        let fields = selector("fieldSelector").map(fields).unwrap_or_default();
        Self { user, review, labels, fields }
    }

    /// What is asked.
    pub(super) fn attributes(&self) -> Attributes<'_> {
        if self.review.at(&["spec", "resourceAttributes"]).is_none() {
            let text = |field: &str| self.review.str_at(&["spec", "nonResourceAttributes", field]);
            return Attributes::path(text("verb"), text("path"));
        }
        let text = |field: &str| self.review.str_at(&["spec", "resourceAttributes", field]);
        let version = text("version");
        let resource = Resource {
            group: text("group"),
            version: if version.is_empty() { "*" } else { version },
            namespace: text("namespace"),
            resource: text("resource"),
            subresource: text("subresource"),
            name: text("name"),
            label_selector: &self.labels.text,
            field_selector: &self.fields.text,
        };
        Attributes::resource(text("verb"), resource)
    }

    /// What of the question was ignored.
    pub(super) fn ignored(&self) -> impl Iterator<Item = String> {
        let told = |field: &str, selector: &Selector| {
            let partially = if selector.text.is_empty() { "" } else { "partially " };
            let words = format!("spec.resourceAttributes.{field} {partially}ignored due to parse error");
            selector.failed.then_some(words)
        };
        let labels = told("labelSelector", &self.labels);
        told("fieldSelector", &self.fields).into_iter().chain(labels)
    }
}

fn extra(review: &Object) -> Extra {
    let entries = review.at(&["spec", "extra"]).and_then(Value::as_object).into_iter().flatten();
    let texts =
        |v: &Value| v.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    entries.map(|(key, values)| (key.clone(), texts(values))).collect()
}

fn raw(selector: &Value) -> &str {
    selector.get("rawSelector").and_then(Value::as_str).unwrap_or_default()
}

fn requirements(selector: &Value) -> &[Value] {
    let list = selector.get("requirements").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

fn labels(selector: &Value) -> Selector {
    if !requirements(selector).is_empty() {
        let read: Vec<_> = requirements(selector).iter().map(Requirement::from_expression).collect();
        let failed = read.iter().any(Result::is_err);
        let texts: Vec<String> = read.into_iter().flatten().map(|r| r.to_string()).collect();
        return Selector { text: texts.join(","), failed };
    }
    match LabelSelector::parse(raw(selector)) {
        Ok(parsed) => Selector { text: parsed.to_string(), failed: false },
        Err(_) => Selector { text: String::new(), failed: true },
    }
}

fn fields(selector: &Value) -> Selector {
    let parsed = if requirements(selector).is_empty() {
        FieldSelector::parse(raw(selector)).map(|parsed| (parsed, false))
    } else {
        let read: Vec<Option<FieldTerm>> = requirements(selector).iter().map(field_term).collect();
        let failed = read.iter().any(Option::is_none);
        FieldSelector::of(read.into_iter().flatten().collect()).map(|parsed| (parsed, failed))
    };
    match parsed {
        Ok((parsed, failed)) => Selector { text: parsed.to_string(), failed },
        Err(_) => Selector { text: String::new(), failed: true },
    }
}

/// A requirement on a field: `In` or `NotIn` with one value. A key with an operator in it is not one.
fn field_term(requirement: &Value) -> Option<FieldTerm> {
    let text = |field: &str| requirement.get(field).and_then(Value::as_str).unwrap_or_default();
    let key = text("key");
    let [value] = requirement.get("values")?.as_array()?.as_slice() else { return None };
    if key.contains(['=', '!', ',', '\\']) {
        return None;
    }
    match text("operator") {
        "In" => Some(FieldTerm::equal(key, value.as_str()?)),
        "NotIn" => Some(FieldTerm::not_equal(key, value.as_str()?)),
        _ => None,
    }
}
