//! The rules for a definition, in upstream's order.

use http::Uri;
use portcullis_api::field::{Error, ErrorList, Raw};
use portcullis_api::{Object, Value, names};
use portcullis_schema::custom::validate_schema;
use serde_json::json;

use super::columns;
use crate::kinds::check::{At, flag, immutable_as, items, one_of_required, text, texts};
use crate::kinds::meta;
use crate::kinds::others::kind::meta_change;
use crate::kinds::others::tree::{part, path, sub, there};
use crate::kinds::others::webhook;

pub(super) const APPROVAL: &str = "api-approved.kubernetes.io";
const WARNING_MAX: usize = 256;

/// What versions have in common is held once, above them.
const SHARED: [&str; 4] = ["subresources", "schema", "additionalPrinterColumns", "selectableFields"];

/// The rules for a new definition after those of its metadata.
pub(super) fn create(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let required = format!("{}.{}", text(sub(spec, "names"), "plural"), text(spec, "group"));
    if new.name() != required && !new.name().is_empty() {
        let metadata = At::root("metadata");
        metadata.child("name").invalid(errors, new.name(), "must be spec.names.plural+\".\"+spec.group");
    }
    self::spec(spec, true, errors);
    rest(new, None, errors);
}

/// The rules for a change after those of the metadata.
pub(super) fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let (spec, before) = (part(new, "spec"), part(old, "spec"));
    let known = ["v1", "v1beta1"];
    let reviews: Vec<&str> =
        texts(sub(sub(before, "conversion"), "webhook"), "conversionReviewVersions").collect();
    self::spec(spec, reviews.is_empty() || reviews.iter().any(|version| known.contains(version)), errors);
    let at = At::root("spec");
    let names_at = at.child("names");
    if is_established(old) {
        immutable_as("string", spec.get("scope"), before.get("scope"), at.child("scope"), errors);
        immutable_as(
            "string",
            sub(spec, "names").get("kind"),
            sub(before, "names").get("kind"),
            names_at.child("kind"),
            errors,
        );
    }
    immutable_as("string", spec.get("group"), before.get("group"), at.child("group"), errors);
    let plural = |spec| sub(spec, "names").get("plural");
    immutable_as("string", plural(spec), plural(before), names_at.child("plural"), errors);
    rest(new, Some(old), errors);
}

/// The rules for a change of the status.
pub(super) fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta_change(new, old, errors);
    let status = At::root("status");
    kind_names(sub(part(new, "status"), "acceptedNames"), &status.child("acceptedNames"), errors);
}

fn is_established(definition: &Object) -> bool {
    let mut conditions = items(part(definition, "status"), "conditions").iter();
    conditions.any(|c| text(c, "type") == "Established" && text(c, "status") == "True")
}

fn rest(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let status = At::root("status");
    kind_names(sub(part(new, "status"), "acceptedNames"), &status.child("acceptedNames"), errors);
    stored_versions(new, status.child("storedVersions"), errors);
    approval(new, old, errors);
    let before = old.is_some_and(|old| flag(part(old, "spec"), "preserveUnknownFields"));
    if flag(part(new, "spec"), "preserveUnknownFields") && !before {
        let words = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                     spec.versions[*].schema instead";
        let spec = At::root("spec");
        spec.child("preserveUnknownFields").invalid(errors, true, words);
    }
}

/// Which shared fields stand above the versions.
fn hoisted(versions: &[Value]) -> impl Fn(&str) -> bool + '_ {
    move |field| {
        let first = versions.first().map(|version| version.get(field));
        SHARED.contains(&field) && versions.iter().all(|version| Some(version.get(field)) == first)
    }
}

fn spec(spec: &Value, known_review: bool, errors: &mut ErrorList) {
    let at = At::root("spec");
    group(text(spec, "group"), at.child("group"), errors);
    one_of_required(text(spec, "scope"), &["Cluster", "Namespaced"], at.child("scope"), errors);
    let list = items(spec, "versions");
    let is_hoisted = hoisted(list);
    let versions_at = at.child("versions");
    let has_schema = |version: &Value| sub(version, "schema").get("openAPIV3Schema").is_some();
    for (i, _) in list.iter().enumerate().filter(|(_, version)| !has_schema(version)) {
        let here = versions_at.index(i);
        let here = here.child("schema");
        here.child("openAPIV3Schema").required(errors, "");
    }
    for (i, version) in list.iter().enumerate() {
        self::version(version, &is_hoisted, &versions_at.index(i), errors);
    }
    version_list(list, &is_hoisted, versions_at, errors);
    let names_at = at.child("names");
    let names = sub(spec, "names");
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(names, field).is_empty() {
            names_at.child(field).required(errors, "");
        }
    }
    kind_names(names, &names_at, errors);
    if let Some(first) = list.first() {
        shared(first, list, &is_hoisted, &at, errors);
    }
    conversion(sub(spec, "conversion"), known_review, &at.child("conversion"), errors);
}

fn group(group: &str, at: At<'_>, errors: &mut ErrorList) {
    let messages = names::dns1123_subdomain(group);
    if group.is_empty() {
        at.required(errors, "");
    } else if !messages.is_empty() {
        at.invalid(errors, group, messages.join(","));
    } else if !group.contains('.') {
        at.invalid(errors, group, "should be a domain with at least one dot");
    }
}

fn label(value: &str, at: At<'_>, errors: &mut ErrorList) {
    let messages = names::dns1035_label(value);
    if !messages.is_empty() {
        at.invalid(errors, value, messages.join(","));
    }
}

fn version(version: &Value, is_hoisted: &dyn Fn(&str) -> bool, at: &At<'_>, errors: &mut ErrorList) {
    label(text(version, "name"), at.child("name"), errors);
    deprecation(version, at.child("deprecationWarning"), errors);
    if !is_hoisted("schema") {
        schema(version, has_status(version), &at.child("schema"), errors);
    }
    if !is_hoisted("subresources") {
        columns::subresources(sub(version, "subresources"), &at.child("subresources"), errors);
    }
    if !is_hoisted("additionalPrinterColumns") {
        columns::columns(version, &at.child("additionalPrinterColumns"), errors);
    }
    if !is_hoisted("selectableFields") {
        columns::selectable(version, at, errors);
    }
}

fn shared(
    first: &Value,
    all: &[Value],
    is_hoisted: &dyn Fn(&str) -> bool,
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    if is_hoisted("schema") {
        let status = all.iter().any(has_status);
        schema(first, status, &at.child("validation"), errors);
    }
    if is_hoisted("subresources") {
        columns::subresources(sub(first, "subresources"), &at.child("subresources"), errors);
    }
    if is_hoisted("additionalPrinterColumns") {
        columns::columns(first, &at.child("additionalPrinterColumns"), errors);
    }
    if is_hoisted("selectableFields") {
        columns::selectable(first, at, errors);
    }
}

/// The schema of a version, which stands in `at`.
fn schema(version: &Value, has_status: bool, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(schema) = there(sub(version, "schema"), "openAPIV3Schema") {
        errors.extend(validate_schema(schema, has_status, &at.to_path(), &embedded_metadata));
    }
}

/// The rules for the metadata of an object inside another, which may lie in a namespace or not.
fn embedded_metadata(object: &Object, errors: &mut ErrorList) {
    meta::before_create(object, !object.namespace().is_empty(), errors);
}

fn has_status(version: &Value) -> bool {
    sub(version, "subresources").get("status").is_some()
}

fn deprecation(version: &Value, at: At<'_>, errors: &mut ErrorList) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    if !flag(version, "deprecated") {
        at.invalid(errors, warning, "can only be set for deprecated versions");
        return;
    }
    if warning.len() > WARNING_MAX {
        at.invalid(errors, warning, "must be <= 256 characters long");
    }
    if warning.is_empty() {
        at.invalid(errors, warning, "must not be an empty string");
    }
    if let Some((i, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
        let words = format!(
            "must only contain printable UTF-8 characters; non-printable character found at index {i}"
        );
        at.invalid(errors, warning, words);
    }
}

fn version_list(list: &[Value], is_hoisted: &dyn Fn(&str) -> bool, at: At<'_>, errors: &mut ErrorList) {
    let names: Vec<&str> = list.iter().map(|version| text(version, "name")).collect();
    let shown = || Raw(shown_versions(list, is_hoisted));
    if names.iter().enumerate().any(|(i, name)| names.iter().take(i).any(|other| other == name)) {
        at.invalid(errors, shown(), "must contain unique version names");
    }
    if list.iter().filter(|version| flag(version, "storage")).count() != 1 {
        at.invalid(errors, shown(), "must have exactly one version marked as storage version");
    }
}

/// Versions as upstream's internal type shows them.
fn shown_versions(list: &[Value], is_hoisted: &dyn Fn(&str) -> bool) -> String {
    let field = |version: &Value, field: &str| {
        let value = version.get(field).filter(|_| !is_hoisted(field));
        value.map_or_else(|| "null".to_owned(), ToString::to_string)
    };
    let one = |version: &Value| {
        format!(
            "{{\"Name\":{},\"Served\":{},\"Storage\":{},\"Deprecated\":{},\"DeprecationWarning\":{},\
             \"Schema\":{},\"Subresources\":{},\"AdditionalPrinterColumns\":{},\"SelectableFields\":{}}}",
            json!(text(version, "name")),
            flag(version, "served"),
            flag(version, "storage"),
            flag(version, "deprecated"),
            field(version, "deprecationWarning"),
            field(version, "schema"),
            field(version, "subresources"),
            field(version, "additionalPrinterColumns"),
            field(version, "selectableFields"),
        )
    };
    format!("[{}]", list.iter().map(one).collect::<Vec<_>>().join(","))
}

fn kind_names(kinds: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["plural", "singular"] {
        if !text(kinds, field).is_empty() {
            label(text(kinds, field), at.child(field), errors);
        }
    }
    for field in ["kind", "listKind"] {
        let name = text(kinds, field);
        let messages = names::dns1035_label(&name.to_lowercase());
        if !name.is_empty() && !messages.is_empty() {
            let words = format!("may have mixed case, but should otherwise match: {}", messages.join(","));
            at.child(field).invalid(errors, name, words);
        }
    }
    let short_at = at.child("shortNames");
    for (i, name) in texts(kinds, "shortNames").enumerate() {
        label(name, short_at.index(i), errors);
    }
    let (kind, list) = (text(kinds, "kind"), text(kinds, "listKind"));
    if !kind.is_empty() && kind == list {
        at.child("listKind").invalid(errors, list, "kind and listKind may not be the same");
    }
    let category_at = at.child("categories");
    for (i, name) in texts(kinds, "categories").enumerate() {
        label(name, category_at.index(i), errors);
    }
}

fn conversion(conversion: &Value, known_review: bool, at: &At<'_>, errors: &mut ErrorList) {
    if conversion.is_null() {
        return;
    }
    let strategy = text(conversion, "strategy");
    one_of_required(strategy, &["None", "Webhook"], at.child("strategy"), errors);
    let webhook = sub(conversion, "webhook");
    let client = there(webhook, "clientConfig");
    let client_at = at.child("webhookClientConfig");
    let reviews_at = at.child("conversionReviewVersions");
    if strategy == "Webhook" {
        match client {
            None => client_at.required(errors, "required when strategy is set to Webhook"),
            Some(client) => conversion_client(client, &client_at, errors),
        }
        review_versions(webhook, known_review, reviews_at, errors);
        return;
    }
    let words = "should not be set when strategy is not set to Webhook";
    if client.is_some() {
        client_at.forbidden(errors, words);
    }
    if !items(webhook, "conversionReviewVersions").is_empty() {
        reviews_at.forbidden(errors, words);
    }
}

fn conversion_client(client: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match (client.get("url").and_then(Value::as_str), client.get("service")) {
        (Some(url), None) => webhook::url(url, at.child("url"), errors),
        (None, Some(service)) => {
            // Upstream tells a missing name at the namespace and the other way round.
            let fields = [("namespace", "name"), ("name", "namespace")];
            webhook::service(service, fields, &at.child("service"), errors);
        }
        _ => at.required(errors, "exactly one of url or service is required"),
    }
}

fn review_versions(webhook: &Value, known_review: bool, at: At<'_>, errors: &mut ErrorList) {
    let versions: Vec<&str> = texts(webhook, "conversionReviewVersions").collect();
    if versions.is_empty() {
        at.required(errors, "");
        return;
    }
    for (i, version) in versions.iter().enumerate() {
        if versions.iter().take(i).any(|other| other == version) {
            at.index(i).invalid(errors, *version, "duplicate version");
        } else {
            at.index(i).rule(errors, version, names::dns1035_label);
        }
    }
    if known_review && !versions.iter().any(|version| matches!(*version, "v1" | "v1beta1")) {
        let shown = webhook.get("conversionReviewVersions");
        at.invalid(errors, shown, "must include at least one of v1, v1beta1");
    }
}

fn stored_versions(new: &Object, at: At<'_>, errors: &mut ErrorList) {
    let shown = part(new, "status").get("storedVersions");
    let stored: Vec<&str> = texts(part(new, "status"), "storedVersions").collect();
    if stored.is_empty() {
        at.invalid(errors, shown, "must have at least one stored version");
        return;
    }
    let versions = items(part(new, "spec"), "versions");
    for version in versions.iter().filter(|version| flag(version, "storage")) {
        let name = text(version, "name");
        if !stored.contains(&name) {
            at.invalid(errors, shown, format!("must have the storage version {name}"));
        }
    }
    let served = |name: &str| versions.iter().any(|version| text(version, "name") == name);
    for (i, name) in stored.iter().enumerate().filter(|(_, name)| !served(name)) {
        let words = format!(
            "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions \
             until a storage migration ensures no data remains persisted in {name} and removes {name} from \
             status.storedVersions"
        );
        at.index(i).invalid(errors, *name, words);
    }
}

/// Groups of the community need its approval.
fn approval(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let group = new.str_at(&["spec", "group"]);
    let state = |object: &Object| approval_state(object.str_at(&["metadata", "annotations", APPROVAL]));
    if !is_protected(group) || old.is_some_and(|old| state(old) == state(new)) {
        return;
    }
    let at = path(&["metadata", "annotations"]).key(APPROVAL);
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    match state(new) {
        Approval::Given => {}
        Approval::Missing => {
            let words = format!("protected groups must have approval annotation \"{APPROVAL}\", {see}");
            errors.push(Error::required(&at, words));
        }
        Approval::Unreadable => {
            let words = format!(
                "protected groups must have approval annotation \"{APPROVAL}\" with either a URL or a reason \
                 starting with \"unapproved\", {see}"
            );
            errors.push(Error::invalid(&at, new.str_at(&["metadata", "annotations", APPROVAL]), words));
        }
    }
}

/// Whether a group belongs to the community.
pub(super) fn is_protected(group: &str) -> bool {
    let domains = ["k8s.io", "kubernetes.io"];
    let mut rests = domains.iter().filter_map(|domain| group.strip_suffix(domain));
    rests.any(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// What a definition says of its approval.
#[derive(PartialEq, Eq)]
pub(super) enum Approval {
    Given,
    Missing,
    Unreadable,
}

pub(super) fn approval_state(annotation: &str) -> Approval {
    let is_url = || {
        annotation
            .parse::<Uri>()
            .is_ok_and(|uri| uri.scheme().is_some() && uri.host().is_some_and(|h| !h.is_empty()))
    };
    match annotation {
        "" => Approval::Missing,
        text if text.starts_with("unapproved") || is_url() => Approval::Given,
        _ => Approval::Unreadable,
    }
}
