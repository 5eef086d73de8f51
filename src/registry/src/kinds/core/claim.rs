//! Persistent volume claims.

use portcullis_api::field::{Error, ErrorList, Raw};
use portcullis_api::{Map, Object, Value, names};

use super::super::check::{
    At, NOT_POSITIVE, entries, immutable_as, items, one_of, quantity, required_text, text, texts,
};
use super::super::meta;
use super::pod::{is_native, resource_value};
use crate::strategy::Strategy;

pub(crate) const ACCESS_MODES: [&str; 4] =
    ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];
const CLASS_ANNOTATION: &str = "volume.beta.kubernetes.io/storage-class";
const RESIZE_STATES: [&str; 5] = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
];

/// Claims.
pub(crate) struct Claims;

/// The status of claims.
pub(crate) struct ClaimStatus;

impl Strategy for Claims {
    fn prepare_create(&self, new: &mut Object) {
        let mut status = Map::new();
        status.insert("phase".into(), "Pending".into());
        new.map_mut().insert("status".into(), Value::Object(status));
        drop_other_source(new, None);
        normalize_sources(new);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        super::keep(new, old, "status");
        drop_other_source(new, Some(old));
        normalize_sources(new);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        new_spec(super::spec(new), At::root("spec"), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        self.validate(new, errors);
        changed(new, old, errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        let mut warnings = Vec::new();
        if new.annotations().any(|(key, _)| key == CLASS_ANNOTATION) {
            warnings.push(format!(
                "metadata.annotations[{CLASS_ANNOTATION}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
            ));
        }
        warnings.extend(spec_warnings(super::spec(new), "spec"));
        warnings
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }
}

impl Strategy for ClaimStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        super::keep(new, old, "spec");
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let spec = super::spec(new);
        if items(spec, "accessModes").is_empty() {
            At::root("Spec").child("accessModes").required(errors, "");
        }
        status(new.get("status").unwrap_or(&Value::Null), At::root("status"), errors);
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

/// The template of a claim that is made for a volume of a pod.
pub(crate) fn template(template: &Value, at: At<'_>, errors: &mut ErrorList) {
    let empty = Value::Null;
    let metadata = template.get("metadata").unwrap_or(&empty);
    template_meta(metadata, at.child("metadata"), errors);
    new_spec(template.get("spec").unwrap_or(&empty), at.child("spec"), errors);
}

/// The metadata of an embedded template: only labels and annotations.
pub(crate) fn template_meta(metadata: &Value, at: At<'_>, errors: &mut ErrorList) {
    meta::annotations(metadata.get("annotations"), at.child("annotations"), errors);
    meta::labels(metadata.get("labels"), at.child("labels"), errors);
    let fields = [
        ("name", "name"),
        ("generateName", "generateName"),
        ("namespace", "namespace"),
        ("selfLink", "selfLink"),
        ("uid", "uID"),
        ("resourceVersion", "resourceVersion"),
        ("generation", "generation"),
        ("creationTimestamp", "creationTimestamp"),
        ("deletionTimestamp", "deletionTimestamp"),
        ("deletionGracePeriodSeconds", "deletionGracePeriodSeconds"),
        ("ownerReferences", "ownerReferences"),
        ("finalizers", "finalizers"),
        ("managedFields", "managedFields"),
    ];
    for (field, shown) in fields {
        if metadata.get(field).is_some_and(|value| !value.is_null()) {
            at.child(shown).forbidden(errors, "cannot be set");
        }
    }
}

/// The spec of a new claim.
pub(crate) fn new_spec(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    if items(spec, "accessModes").is_empty() {
        at.child("accessModes").required(errors, "at least 1 access mode is required");
    }
    meta::label_selector(spec.get("selector"), at.child("selector"), errors);
    access_modes(spec, at.child("accessModes"), errors);
    let resources = at.child("resources");
    let size_at = resources.key("storage");
    match spec.get("resources").and_then(|r| r.get("requests")?.get("storage")?.as_str()) {
        None => size_at.required(errors, ""),
        Some(size) if quantity(size).signum() <= 0 => size_at.invalid(errors, size, NOT_POSITIVE),
        Some(size) => resource_value("storage", size, size_at, errors),
    }
    class(spec, "storageClassName", &at, errors);
    if let Some(mode) = spec.get("volumeMode").and_then(Value::as_str) {
        one_of(mode, &VOLUME_MODES, at.child("volumeMode"), errors);
    }
    data_sources(spec, at, errors);
    class(spec, "volumeAttributesClassName", &at, errors);
}

/// The ways a volume may be used.
pub(crate) fn access_modes(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    for mode in texts(spec, "accessModes") {
        one_of(mode, &ACCESS_MODES, at, errors);
    }
    let once = texts(spec, "accessModes").any(|mode| mode == "ReadWriteOncePod");
    let others =
        texts(spec, "accessModes").any(|mode| mode != "ReadWriteOncePod" && ACCESS_MODES.contains(&mode));
    if once && others {
        at.forbidden(errors, "may not use ReadWriteOncePod with other access modes");
    }
}

fn class(spec: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) {
    let class = text(spec, field);
    if !class.is_empty() {
        at.child(field).rule(errors, class, names::dns1123_subdomain);
    }
}

fn data_sources(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (source, reference) = (spec.get("dataSource"), spec.get("dataSourceRef"));
    if let Some(source) = source {
        data_source(source, at.child("dataSource"), errors);
    }
    if let Some(reference) = reference {
        let here = at.child("dataSourceRef");
        data_source(reference, here, errors);
        let namespace = text(reference, "namespace");
        if !namespace.is_empty() {
            here.child("namespace").rule(errors, namespace, names::dns1123_label);
        }
    }
    let (Some(source), Some(reference)) = (source, reference) else { return };
    let shown = Raw("{}".to_owned());
    if !text(reference, "namespace").is_empty() {
        at.invalid(errors, shown, "may not be specified when dataSourceRef.namespace is specified");
    } else if ["apiGroup", "kind", "name"].iter().any(|field| source.get(*field) != reference.get(*field)) {
        at.invalid(errors, shown, "must match dataSourceRef");
    }
}

fn data_source(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    required_text(source, "name", &at, errors);
    required_text(source, "kind", &at, errors);
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let words = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        at.invalid(errors, kind, words);
    }
    if !group.is_empty() {
        at.child("apiGroup").rule(errors, group, names::dns1123_subdomain);
    }
}

/// Other sources than claims and snapshots can only be named by reference.
fn drop_other_source(new: &mut Object, old: Option<&Object>) {
    let names_one = |spec: &Value| spec.get("dataSource").is_some() || spec.get("dataSourceRef").is_some();
    let spec = super::spec(new);
    let old_named = old.is_some_and(|old| names_one(super::spec(old)));
    let simple = spec.get("dataSource").is_none_or(is_claim_or_snapshot);
    if !old_named && spec.get("dataSourceRef").is_none() && !simple {
        new.remove_at(&["spec", "dataSource"]);
    }
}

fn is_claim_or_snapshot(source: &Value) -> bool {
    let (group, kind) = (text(source, "apiGroup"), text(source, "kind"));
    matches!((group, kind), ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot"))
}

/// One of the two ways to name a data source implies the other, unless a namespace is named.
fn normalize_sources(new: &mut Object) {
    if !text(super::spec(new).get("dataSourceRef").unwrap_or(&Value::Null), "namespace").is_empty() {
        new.remove_at(&["spec", "dataSourceRef"]);
    }
    let spec = super::spec(new);
    match (spec.get("dataSource").cloned(), spec.get("dataSourceRef").cloned()) {
        (Some(source), None) => new.set_at(&["spec", "dataSourceRef"], source),
        (None, Some(reference)) => new.set_at(&["spec", "dataSource"], reference),
        _ => {}
    }
}

/// What may change in a claim: its size and class once it is bound.
fn changed(new: &Object, old: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let (new_spec, old_spec) = (super::spec(new), super::spec(old));
    let annotation = |object: &'_ Object| {
        object.annotations().find(|(k, _)| *k == CLASS_ANNOTATION).map(|(_, v)| v.to_owned())
    };
    let (new_class, old_class) = (annotation(new), annotation(old));
    let moved = old_class.is_some()
        && old_spec.get("storageClassName").is_none()
        && new_spec.get("storageClassName").and_then(Value::as_str) == old_class.as_deref()
        && (new_class.is_none() || new_class == old_class);
    if !moved && new_class != old_class {
        let meta_at = At::root("metadata");
        let list = meta_at.child("annotations");
        list.child(CLASS_ANNOTATION).invalid(
            errors,
            new_class.unwrap_or_default(),
            super::super::check::IMMUTABLE,
        );
    }
    let bound = text(new.get("status").unwrap_or(&Value::Null), "phase") == "Bound";
    let munged = munged(new_spec, old_spec, bound, old_class.as_deref());
    if munged != comparable(old_spec, new_spec) {
        let words = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        let difference =
            super::diff::diff("PersistentVolumeClaimSpec", &comparable(old_spec, new_spec), &munged);
        errors.push(Error::forbidden(&at.to_path(), format!("{words}\n{difference}")));
    }
    shrunk(new_spec, old_spec, old, errors);
    let mode = "volumeMode";
    immutable_as("*string", new_spec.get(mode), old_spec.get(mode), At::root(mode), errors);
    attributes_class(new_spec, old_spec, old, at.child("volumeAttributesClassName"), errors);
}

/// The old spec, with the volume a binding has just chosen.
fn comparable(old: &Value, new: &Value) -> Value {
    let mut old = old.clone();
    if text(&old, "volumeName").is_empty()
        && let (Some(map), Some(volume)) = (old.as_object_mut(), new.get("volumeName"))
    {
        map.insert("volumeName".into(), volume.clone());
    }
    old
}

/// The new spec with everything that may change set back.
fn munged(new: &Value, old: &Value, bound: bool, old_class: Option<&str>) -> Value {
    let mut munged = new.clone();
    let Some(map) = munged.as_object_mut() else { return munged };
    let class = new.get("storageClassName").and_then(Value::as_str);
    let adopts = class.is_some()
        && old.get("storageClassName").is_none()
        && (old_class.is_none() || class == old_class);
    if adopts {
        map.remove("storageClassName");
    }
    if !bound {
        return munged;
    }
    match old.get("volumeAttributesClassName") {
        Some(class) => map.insert("volumeAttributesClassName".into(), class.clone()),
        None => map.remove("volumeAttributesClassName"),
    };
    let size = old.get("resources").and_then(|r| r.get("requests")?.get("storage")).cloned();
    let requests = map.get_mut("resources").and_then(|r| r.get_mut("requests")?.as_object_mut());
    if let (Some(requests), Some(size)) = (requests, size) {
        requests.insert("storage".into(), size);
    }
    munged
}

fn shrunk(new: &Value, old: &Value, old_claim: &Object, errors: &mut ErrorList) {
    let size = |spec: &Value| {
        let size = spec.get("resources").and_then(|r| r.get("requests")?.get("storage")?.as_str());
        quantity(size.unwrap_or("0"))
    };
    let capacity =
        quantity(old_claim.at(&["status", "capacity", "storage"]).and_then(Value::as_str).unwrap_or("0"));
    if size(new) < size(old) && size(new) <= capacity {
        let spec = At::root("spec");
        let resources = spec.child("resources");
        let requests = resources.child("requests");
        requests.child("storage").forbidden(errors, "field can not be less than status.capacity");
    }
}

fn attributes_class(new: &Value, old: &Value, old_claim: &Object, at: At<'_>, errors: &mut ErrorList) {
    let field = "volumeAttributesClassName";
    let current = old_claim.at(&["status", "currentVolumeAttributesClassName"]);
    if new.get(field) == old.get(field) || current.is_none() {
        return;
    }
    match new.get(field).and_then(Value::as_str) {
        None => {
            let words = "update to nil is forbidden when status.currentVolumeAttributesClassName is not nil";
            at.forbidden(errors, words);
        }
        Some("") => {
            let words =
                "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil";
            at.forbidden(errors, words);
        }
        Some(_) => {}
    }
}

fn status(status: &Value, at: At<'_>, errors: &mut ErrorList) {
    let capacity = at.child("capacity");
    for (name, amount) in entries(status, "capacity") {
        super::basic_amount(amount.as_str().unwrap_or_default(), capacity.key(name), errors);
    }
    let states = at.child("allocatedResourceStatuses");
    for (name, state) in entries(status, "allocatedResourceStatuses") {
        resource_key(name, states, errors);
        if !RESIZE_STATES.contains(&state.as_str().unwrap_or_default()) {
            states.not_supported(errors, name, &RESIZE_STATES);
        }
    }
    let allocated = at.child("allocatedResources");
    for (name, amount) in entries(status, "allocatedResources") {
        if resource_key(name, allocated, errors) {
            let amount = amount.as_str().unwrap_or_default();
            resource_value("storage", amount, allocated.key(name), errors);
        }
    }
}

fn resource_key(name: &str, at: At<'_>, errors: &mut ErrorList) -> bool {
    let before = errors.len();
    at.rule(errors, name, names::qualified_name);
    if errors.len() == before && is_native(name) && name != "storage" {
        at.not_supported(errors, name, &["storage"]);
    }
    errors.len() == before
}

/// Warnings about amounts that are no whole bytes.
pub(crate) fn spec_warnings(spec: &Value, path: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for list in ["requests", "limits"] {
        let amount = spec.get("resources").and_then(|r| r.get(list)?.get("storage")?.as_str());
        if let Some(amount) = amount.filter(|amount| quantity(amount).milli_value() % 1000 != 0) {
            warnings.push(format!(
                "{path}.resources.{list}[storage]: fractional byte value \"{amount}\" is invalid, must be an integer"
            ));
        }
    }
    warnings
}
