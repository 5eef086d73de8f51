//! What a review must look like, in upstream's words and order.

use portcullis_api::field::{Error, ErrorList, Path, Raw};
use portcullis_api::{ApiError, Map, Object, Value, names};

const META_ORDER: [&str; 14] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// 422 in the form reviews have: their kind is empty.
pub(super) fn refuse_if_any(errors: ErrorList) -> Result<(), ApiError> {
    if errors.is_empty() { Ok(()) } else { Err(ApiError::invalid("authorization.k8s.io", "", "", &errors)) }
}

pub(super) fn subject_access_review(review: &Object) -> ErrorList {
    let mut errors = subject_spec(review);
    metadata(review, &["managedFields"], "must be empty", &mut errors);
    errors
}

pub(super) fn self_subject_access_review(review: &Object) -> ErrorList {
    let mut errors = exactly_one(review);
    resource_attributes(review, &mut errors);
    metadata(review, &["managedFields"], "must be empty", &mut errors);
    errors
}

pub(super) fn local_subject_access_review(review: &Object, request_namespace: &str) -> ErrorList {
    let mut errors = subject_spec(review);
    let ignored = ["managedFields", "namespace"];
    metadata(review, &ignored, "must be empty except for namespace", &mut errors);
    let own = review.namespace();
    let own = if own.is_empty() { request_namespace } else { own };
    let asked = review.str_at(&["spec", "resourceAttributes", "namespace"]);
    if review.at(&["spec", "resourceAttributes"]).is_some() && asked != own {
        let path = Path::new("spec.resourceAttributes.namespace");
        errors.push(Error::invalid(&path, asked, "must match metadata.namespace"));
    }
    if review.at(&["spec", "nonResourceAttributes"]).is_some() {
        let path = Path::new("spec.nonResourceAttributes");
        errors.push(Error::invalid(&path, non_resource(review), "disallowed on this kind of request"));
    }
    errors
}

fn subject_spec(review: &Object) -> ErrorList {
    let mut errors = exactly_one(review);
    let groups = review.at(&["spec", "groups"]).and_then(Value::as_array);
    if review.str_at(&["spec", "user"]).is_empty() && groups.is_none_or(Vec::is_empty) {
        let detail = "at least one of user or group must be specified";
        errors.push(Error::invalid(&Path::new("spec.user"), "", detail));
    }
    resource_attributes(review, &mut errors);
    errors
}

fn exactly_one(review: &Object) -> ErrorList {
    let has = |field: &str| review.at(&["spec", field]).is_some();
    match (has("resourceAttributes"), has("nonResourceAttributes")) {
        (true, true) => {
            let path = Path::new("spec.nonResourceAttributes");
            let detail = "cannot be specified in combination with resourceAttributes";
            vec![Error::invalid(&path, non_resource(review), detail)]
        }
        (false, false) => {
            let path = Path::new("spec.resourceAttributes");
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            vec![Error::invalid(&path, Value::Null, detail)]
        }
        _ => Vec::new(),
    }
}

/// As upstream prints its internal type.
fn non_resource(review: &Object) -> Raw {
    let text = |field: &str| Value::from(review.str_at(&["spec", "nonResourceAttributes", field]));
    Raw(format!("{{\"Path\":{},\"Verb\":{}}}", text("path"), text("verb")))
}

fn metadata(review: &Object, ignored: &[&str], detail: &str, errors: &mut ErrorList) {
    let Some(metadata) = review.metadata() else { return };
    if metadata.keys().any(|field| !ignored.contains(&field.as_str())) {
        errors.push(Error::invalid(&Path::new("metadata"), Raw(in_order(metadata)), detail));
    }
}

/// As JSON, in the order of upstream's type.
fn in_order(metadata: &Map<String, Value>) -> String {
    let fields = META_ORDER.iter().filter_map(|field| Some((field, metadata.get(*field)?)));
    let fields: Vec<String> = fields.map(|(field, value)| format!("\"{field}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn resource_attributes(review: &Object, errors: &mut ErrorList) {
    let selector = |field: &str| review.at(&["spec", "resourceAttributes", field]);
    let path = Path::new("spec.resourceAttributes");
    if let Some(fields) = selector("fieldSelector") {
        let requirement: fn(&Value, &Path, &mut ErrorList) = field_requirement;
        one_form(fields, &path.child("fieldSelector"), requirement, errors);
    }
    if let Some(labels) = selector("labelSelector") {
        one_form(labels, &path.child("labelSelector"), label_requirement, errors);
    }
}

/// A selector is given as text or as requirements.
fn one_form(selector: &Value, path: &Path, check: fn(&Value, &Path, &mut ErrorList), errors: &mut ErrorList) {
    let raw = selector.get("rawSelector").and_then(Value::as_str).unwrap_or_default();
    let requirements = selector.get("requirements").and_then(Value::as_array);
    let requirements = requirements.map(Vec::as_slice).unwrap_or_default();
    if !raw.is_empty() && !requirements.is_empty() {
        let detail = "may not specified at the same time as requirements";
        errors.push(Error::invalid(&path.child("rawSelector"), raw, detail));
    }
    if raw.is_empty() && requirements.is_empty() {
        let detail = format!("when {path} is specified, requirements or rawSelector is required");
        errors.push(Error::required(&path.child("requirements"), detail));
    }
    for (index, requirement) in requirements.iter().enumerate() {
        check(requirement, &path.child("requirements").index(index), errors);
    }
}

fn field_requirement(requirement: &Value, path: &Path, errors: &mut ErrorList) {
    if text(requirement, "key").is_empty() {
        errors.push(Error::required(&path.child("key"), "must be specified"));
    }
    value_count(requirement, path, errors);
}

fn label_requirement(requirement: &Value, path: &Path, errors: &mut ErrorList) {
    value_count(requirement, path, errors);
    let key = text(requirement, "key");
    for message in names::qualified_name(key) {
        errors.push(Error::invalid(&path.child("key"), key, message));
    }
    for (index, value) in values(requirement).iter().enumerate() {
        let value = value.as_str().unwrap_or_default();
        for message in names::label_value(value) {
            errors.push(Error::invalid(&path.child("values").index(index), value, message));
        }
    }
}

/// Operators that this server does not know are let through: a newer client may know them.
fn value_count(requirement: &Value, path: &Path, errors: &mut ErrorList) {
    let path = path.child("values");
    match (text(requirement, "operator"), values(requirement)) {
        ("In" | "NotIn", []) => {
            errors.push(Error::required(&path, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        ("Exists" | "DoesNotExist", [_, ..]) => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(Error::forbidden(&path, detail));
        }
        _ => {}
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn values(requirement: &Value) -> &[Value] {
    requirement.get("values").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
