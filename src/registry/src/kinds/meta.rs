//! Object metadata: the rules every kind shares.
//!
//! A create passes [`before_create`] after the kind's own rules; an update passes [`before_update`]
//! before them. A kind's own rules start with [`object_meta`] (with its rule for names) or
//! [`object_meta_update`], so that some mistakes are told twice, as upstream does.

use portcullis_api::field::{ErrorList, Raw, go_quote};
use portcullis_api::{Object, Value, names};

use super::check::{At, IMMUTABLE, flag, immutable, int, items, non_negative, text, texts};

const ANNOTATIONS_MAX: usize = 256 * 1024;
const FIELD_MANAGER_MAX: usize = 128;
const SUBRESOURCE_MAX: usize = 256;
const UNLISTED: [&str; 5] = [
    "admissionregistration.k8s.io/",
    "apiextensions.k8s.io/",
    "apiregistration.k8s.io/",
    "coordination.k8s.io/",
    "node.k8s.io/",
];
const STANDARD_FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// A rule for names; the flag tells that the text is only the start of a name (`generateName`).
pub(crate) type NameRule = fn(&str, bool) -> Vec<String>;

/// Names that are DNS subdomains.
pub(crate) fn dns_subdomain(name: &str, prefix: bool) -> Vec<String> {
    names::dns1123_subdomain(&masked(name, prefix))
}

/// Names that are DNS labels.
pub(crate) fn dns_label(name: &str, prefix: bool) -> Vec<String> {
    names::dns1123_label(&masked(name, prefix))
}

/// Names of kinds that upstream checks declaratively: a DNS subdomain, its length told in bytes. What a name is made of
/// is not looked at.
pub(crate) fn long_name(name: &str, prefix: bool) -> Vec<String> {
    if prefix { Vec::new() } else { names::long_name(name) }
}

/// Names that only have to fit into a URL path.
pub(crate) fn path_segment(name: &str, prefix: bool) -> Vec<String> {
    if prefix { names::path_segment_prefix(name) } else { names::path_segment_name(name) }
}

fn masked(name: &str, prefix: bool) -> std::borrow::Cow<'_, str> {
    if prefix { names::mask_trailing_dash(name).into() } else { name.into() }
}

/// What the generic create checks of metadata, after the kind's own rules passed.
pub(crate) fn before_create(new: &Object, namespaced: bool, errors: &mut ErrorList) {
    generic_meta(new, namespaced, path_segment, errors);
}

/// Carries over what an update cannot change. Runs after the kind prepared the update.
pub(crate) fn carry_over(new: &mut Object, old: &Object) {
    let Some(old_meta) = old.metadata() else { return };
    let kept = |field: &str| old_meta.get(field).cloned();
    if new.uid().is_empty()
        && let Some(uid) = kept("uid")
    {
        new.metadata_mut().insert("uid".into(), uid);
    }
    for field in ["creationTimestamp", "deletionTimestamp"] {
        if let Some(time) = kept(field).filter(|time| !time.is_null()) {
            new.metadata_mut().insert(field.into(), time);
        }
    }
    if let Some(seconds) = kept("deletionGracePeriodSeconds") {
        new.metadata_mut().entry("deletionGracePeriodSeconds").or_insert(seconds);
    }
}

/// What the generic update checks of metadata, before the kind's own rules.
pub(crate) fn before_update(new: &Object, old: &Object, namespaced: bool, errors: &mut ErrorList) {
    generic_meta(new, namespaced, path_segment, errors);
    generic_meta_update(new, old, errors);
}

/// The metadata rules of a kind, with its own rule for names.
pub(crate) fn object_meta(new: &Object, namespaced: bool, rule: NameRule, errors: &mut ErrorList) {
    generic_meta(new, namespaced, rule, errors);
    kube_finalizers(new, errors);
}

/// The rules for a change of metadata.
pub(crate) fn object_meta_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    generic_meta_update(new, old, errors);
    kube_finalizers(new, errors);
}

/// Labels, wherever they stand.
pub(crate) fn labels(labels: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    for (key, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        at.rule(errors, key, names::qualified_name);
        at.rule(errors, value.as_str().unwrap_or_default(), names::label_value);
    }
}

/// Annotations, wherever they stand.
pub(crate) fn annotations(annotations: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let mut size = 0;
    for (key, value) in annotations.and_then(Value::as_object).into_iter().flatten() {
        if key.bytes().any(|b| b.is_ascii_uppercase()) {
            at.messages(errors, key, names::qualified_name(&key.to_lowercase()));
        } else {
            at.rule(errors, key, names::qualified_name);
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MAX {
        at.too_long(errors, ANNOTATIONS_MAX);
    }
}

/// A label selector; `None` is none.
pub(crate) fn label_selector(selector: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    selector_with(selector, false, at, errors);
}

/// A label selector whose values may be ones an older object already had.
pub(crate) fn selector_with(selector: Option<&Value>, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let Some(selector) = selector else { return };
    labels(selector.get("matchLabels"), at.child("matchLabels"), errors);
    let expressions = at.child("matchExpressions");
    for (i, expression) in items(selector, "matchExpressions").iter().enumerate() {
        requirement(expression, any_value, expressions.index(i), errors);
    }
}

fn requirement(expression: &Value, any_value: bool, at: At<'_>, errors: &mut ErrorList) {
    let values = items(expression, "values");
    match text(expression, "operator") {
        "In" | "NotIn" if values.is_empty() => {
            at.child("values").required(errors, "must be specified when `operator` is 'In' or 'NotIn'");
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let words = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            at.child("values").forbidden(errors, words);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        other => at.child("operator").invalid(errors, other, "not a valid selector operator"),
    }
    at.child("key").rule(errors, text(expression, "key"), names::qualified_name);
    if any_value {
        return;
    }
    let at = at.child("values");
    for (i, value) in texts(expression, "values").enumerate() {
        at.index(i).rule(errors, value, names::label_value);
    }
}

/// The rules for metadata, with a rule for names, that every server of upstream shares.
pub(crate) fn generic_meta(new: &Object, namespaced: bool, rule: NameRule, errors: &mut ErrorList) {
    let at = At::root("metadata");
    let empty = Value::Null;
    let meta = new.get("metadata").unwrap_or(&empty);
    let prefix = text(meta, "generateName");
    if !prefix.is_empty() {
        at.child("generateName").messages(errors, prefix, rule(prefix, true));
    }
    match text(meta, "name") {
        "" => at.child("name").required(errors, "name or generateName is required"),
        name => at.child("name").messages(errors, name, rule(name, false)),
    }
    namespace(text(meta, "namespace"), namespaced, at.child("namespace"), errors);
    non_negative(int(meta, "generation"), at.child("generation"), errors);
    labels(meta.get("labels"), at.child("labels"), errors);
    annotations(meta.get("annotations"), at.child("annotations"), errors);
    owner_references(meta, at.child("ownerReferences"), errors);
    finalizers(meta, at.child("finalizers"), errors);
    managed_fields(meta, at.child("managedFields"), errors);
}

fn namespace(namespace: &str, namespaced: bool, at: At<'_>, errors: &mut ErrorList) {
    match (namespaced, namespace) {
        (true, "") => at.required(errors, ""),
        (true, namespace) => at.rule(errors, namespace, names::dns1123_label),
        (false, "") => {}
        (false, _) => at.forbidden(errors, "not allowed on this type"),
    }
}

fn owner_references(meta: &Value, at: At<'_>, errors: &mut ErrorList) {
    let references = items(meta, "ownerReferences");
    let mut first: Option<String> = None;
    for reference in references {
        owner_reference(reference, at, errors);
        if !flag(reference, "controller") {
            continue;
        }
        let controller = format!("{}/{}", text(reference, "kind"), text(reference, "name"));
        match &first {
            None => first = Some(controller),
            Some(first) => {
                let message = format!(
                    "Only one reference can have Controller set to true. \
                     Found \"true\" in references for {first} and {controller}"
                );
                let shown: Vec<String> = references.iter().map(shown_owner).collect();
                at.invalid(errors, Raw(format!("[{}]", shown.join(","))), message);
            }
        }
    }
}

/// A reference with its members in the order in which Go writes them.
fn shown_owner(reference: &Value) -> String {
    const ORDER: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    let members = ORDER.iter().filter_map(|key| Some(format!("\"{key}\":{}", reference.get(*key)?)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

fn owner_reference(reference: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (api_version, kind) = (text(reference, "apiVersion"), text(reference, "kind"));
    let version = api_version.rsplit('/').next().unwrap_or_default();
    if version.is_empty() || api_version.matches('/').count() > 1 {
        at.child("apiVersion").invalid(errors, api_version, "version must not be empty");
    }
    for field in ["kind", "name", "uid"] {
        if text(reference, field).is_empty() {
            at.child(field).invalid(errors, "", "must not be empty");
        }
    }
    if api_version == "v1" && kind == "Event" {
        at.invalid(errors, reference, "/v1, Kind=Event is disallowed from being an owner");
    }
}

fn finalizers(meta: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (mut orphan, mut foreground) = (false, false);
    for finalizer in texts(meta, "finalizers") {
        at.rule(errors, finalizer, names::qualified_name);
        orphan |= finalizer == "orphan";
        foreground |= finalizer == "foregroundDeletion";
    }
    if orphan && foreground {
        let message = "finalizer orphan and foregroundDeletion cannot be both set";
        at.invalid(errors, meta.get("finalizers"), message);
    }
}

/// Finalizers without a domain must be known ones: a rule of the core that some groups have not taken over.
fn kube_finalizers(new: &Object, errors: &mut ErrorList) {
    if UNLISTED.iter().any(|group| new.api_version().starts_with(group)) {
        return;
    }
    let meta = At::root("metadata");
    let at = meta.child("finalizers");
    for (i, finalizer) in new.finalizers().enumerate() {
        if !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer) {
            let message = "name is neither a standard finalizer name nor is it fully qualified";
            at.index(i).invalid(errors, finalizer, message);
        }
    }
}

fn managed_fields(meta: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, entry) in items(meta, "managedFields").iter().enumerate() {
        let at = at.index(i);
        let operation = text(entry, "operation");
        if operation != "Apply" && operation != "Update" {
            at.child("operation").invalid(errors, operation, "must be `Apply` or `Update`");
        }
        let kind = text(entry, "fieldsType");
        if !kind.is_empty() && kind != "FieldsV1" {
            at.child("fieldsType").invalid(errors, kind, "must be `FieldsV1`");
        }
        field_manager(text(entry, "manager"), at.child("manager"), errors);
        if text(entry, "subresource").len() > SUBRESOURCE_MAX {
            at.child("subresource").too_long(errors, SUBRESOURCE_MAX);
        }
    }
}

/// The name of a field manager: short and printable.
pub(crate) fn field_manager(manager: &str, at: At<'_>, errors: &mut ErrorList) {
    if manager.len() > FIELD_MANAGER_MAX {
        at.too_long(errors, FIELD_MANAGER_MAX);
    }
    for (i, c) in manager.char_indices().filter(|(_, c)| c.is_control()) {
        at.invalid(errors, manager, format!("invalid character U+{:04X} (at position {i})", u32::from(c)));
    }
}

/// The rules for a change of metadata that every server of upstream shares.
pub(crate) fn generic_meta_update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let at = At::root("metadata");
    if old.is_deleting() {
        no_new_finalizers(new, old, at.child("finalizers"), errors);
    }
    if new.resource_version().is_empty() {
        at.child("resourceVersion").invalid(errors, "", "must be specified for an update");
    }
    if new.generation() < old.generation() {
        at.child("generation").invalid(errors, new.generation(), "must not be decremented");
    }
    for field in ["name", "namespace", "uid"] {
        if new.meta_str(field) != old.meta_str(field) {
            at.child(field).invalid(errors, new.meta_str(field), IMMUTABLE);
        }
    }
    for field in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let value = |object: &'_ Object| -> Option<Value> {
            object.metadata().and_then(|m| m.get(field)).filter(|v| !v.is_null()).cloned()
        };
        immutable(value(new).as_ref(), value(old).as_ref(), at.child(field), errors);
    }
    let empty = Value::Null;
    let meta = new.get("metadata").unwrap_or(&empty);
    labels(meta.get("labels"), at.child("labels"), errors);
    annotations(meta.get("annotations"), at.child("annotations"), errors);
    owner_references(meta, at.child("ownerReferences"), errors);
    managed_fields(meta, at.child("managedFields"), errors);
}

/// An object that is being deleted cannot be held back by new finalizers.
fn no_new_finalizers(new: &Object, old: &Object, at: At<'_>, errors: &mut ErrorList) {
    let mut extra: Vec<&str> = new.finalizers().filter(|f| !old.finalizers().any(|o| o == *f)).collect();
    extra.sort_unstable();
    extra.dedup();
    if !extra.is_empty() {
        let quoted: Vec<String> = extra.into_iter().map(go_quote).collect();
        let message = format!(
            "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
            quoted.join(", ")
        );
        at.forbidden(errors, message);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(meta: Value) -> Object {
        let mut object = Object::default();
        object.set_at(&["metadata"], meta);
        object
    }

    fn told(errors: &ErrorList) -> Vec<String> {
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_name_is_needed() {
        let mut errors = ErrorList::new();
        object_meta(&object(json!({"namespace": "n"})), true, dns_subdomain, &mut errors);
        assert_eq!(told(&errors), ["metadata.name: Required value: name or generateName is required"]);
    }

    #[test]
    fn good_metadata_passes() {
        let mut errors = ErrorList::new();
        let meta = json!({"name": "a", "namespace": "n", "generateName": "a-", "labels": {"a/b": "c"},
            "annotations": {"A/B": "c"}, "finalizers": ["x.io/y", "orphan"]});
        object_meta(&object(meta), true, dns_subdomain, &mut errors);
        assert_eq!(told(&errors), [""; 0]);
    }

    #[test]
    fn a_changed_uid_is_told() {
        let old = object(json!({"name": "a", "namespace": "n", "uid": "1", "resourceVersion": "1"}));
        let new = object(json!({"name": "a", "namespace": "n", "uid": "other"}));
        let mut errors = ErrorList::new();
        object_meta_update(&new, &old, &mut errors);
        assert_eq!(
            told(&errors),
            [
                "metadata.resourceVersion: Invalid value: \"\": must be specified for an update",
                "metadata.uid: Invalid value: \"other\": field is immutable"
            ]
        );
    }

    #[test]
    fn short_finalizers_must_be_known() {
        let mut errors = ErrorList::new();
        let meta = json!({"name": "a", "finalizers": ["mine"]});
        object_meta(&object(meta), false, dns_subdomain, &mut errors);
        assert_eq!(
            told(&errors),
            [
                "metadata.finalizers[0]: Invalid value: \"mine\": name is neither a standard finalizer name nor is it fully qualified"
            ]
        );
    }

    #[test]
    fn no_finalizer_joins_a_deleted_object() {
        let old =
            object(json!({"name": "a", "deletionTimestamp": "2020-01-01T00:00:00Z", "resourceVersion": "1"}));
        let mut new = object(json!({"name": "a", "finalizers": ["x.io/y"], "resourceVersion": "1"}));
        carry_over(&mut new, &old);
        let mut errors = ErrorList::new();
        object_meta_update(&new, &old, &mut errors);
        assert_eq!(
            told(&errors),
            [
                "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{\"x.io/y\"}"
            ]
        );
    }
}
