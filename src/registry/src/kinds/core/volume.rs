//! Persistent volumes.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value, names, time};
use serde_json::json;

use super::super::check::{
    At, NOT_POSITIVE, entries, immutable_as, items, one_of, quantity, required_text, text,
};
use super::super::meta;
use super::claim::access_modes;
use super::pod::node_selector;
use super::source::{self, Source};
use super::{basic_amount, diff, keep, node_labels};
use crate::strategy::Strategy;

const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
/// Sources that mount with options.
const MOUNTABLE: [&str; 13] = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
];
const DEPRECATED: [(&str, &str, &str); 6] = [
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// The sources in the order they are looked at.
const SOURCES: [Source; 22] = [
    ("hostPath", "hostPath", "hostPath", source::host_path),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", source::gce_disk),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", source::aws_store),
    ("glusterfs", "glusterfs", "glusterfs", glusterfs),
    ("flocker", "flocker", "flocker", source::flocker),
    ("nfs", "nfs", "nfs", source::nfs),
    ("rbd", "rbd", "rbd", source::rbd),
    ("quobyte", "quobyte", "quobyte", source::quobyte),
    ("cephfs", "cephFS", "cephfs", source::cephfs),
    ("iscsi", "iscsi", "iscsi", ignore),
    ("cinder", "cinder", "cinder", cinder),
    ("fc", "fc", "fc", source::fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", source::flex),
    ("azureFile", "azureFile", "azureFile", azure_file),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", source::vsphere),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", source::photon),
    ("portworxVolume", "portworxVolume", "portworxVolume", source::portworx),
    ("azureDisk", "azureDisk", "azureDisk", source::azure_disk),
    ("scaleIO", "scaleIO", "scaleIO", source::scale_io),
    ("local", "local", "local", local),
    ("storageos", "storageos", "storageos", storage_os),
    ("csi", "csi", "csi", csi),
];

/// Volumes.
pub(crate) struct Volumes;
/// `persistentvolumes/status`.
pub(crate) struct VolumeStatus;

impl Strategy for Volumes {
    fn prepare_create(&self, new: &mut Object) {
        let status = json!({"phase": "Pending", "lastPhaseTransitionTime": time::now_rfc3339()});
        new.map_mut().insert("status".into(), status);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        volume(new, errors);
        mount_options(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        volume(new, errors);
        mount_options(new, errors);
        volume(new, errors);
        changed(super::spec(new), super::spec(old), errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        let mut warnings = Vec::new();
        for (key, words) in [
            (
                "volume.beta.kubernetes.io/storage-class",
                "deprecated since v1.8; use \"storageClassName\" attribute instead",
            ),
            (MOUNT_OPTIONS, "deprecated since v1.31; use \"mountOptions\" attribute instead"),
        ] {
            if new.annotations().any(|(other, _)| other == key) {
                warnings.push(format!("metadata.annotations[{key}]: {words}"));
            }
        }
        let spec = super::spec(new);
        if text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
            let words = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.";
            warnings.push(format!("spec.persistentVolumeReclaimPolicy: {words}"));
        }
        let required = spec.get("nodeAffinity").and_then(|affinity| affinity.get("required"));
        let terms = required.map_or(&[][..], |required| items(required, "nodeSelectorTerms"));
        for (i, term) in terms.iter().enumerate() {
            let path = format!("spec.nodeAffinity.required.nodeSelectorTerms[{i}]");
            node_labels::term(term, false, &path, &mut warnings);
        }
        for (field, shown, words) in DEPRECATED {
            if spec.get(field).is_some() {
                warnings.push(format!("spec.{shown}: {words}"));
            }
        }
        warnings
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }
}

impl Strategy for VolumeStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
        let part = |object: &Object, field: &str| object.at(&["status", field]).cloned();
        let (now, before) = (part(new, "lastPhaseTransitionTime"), part(old, "lastPhaseTransitionTime"));
        if part(new, "phase") != part(old, "phase") {
            if now.is_none() || now == before {
                new.set_at(&["status", "lastPhaseTransitionTime"], time::now_rfc3339().into());
            }
        } else if let (None, Some(before)) = (now, before) {
            new.set_at(&["status", "lastPhaseTransitionTime"], before);
        }
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

fn volume(new: &Object, errors: &mut ErrorList) {
    meta::object_meta(new, false, meta::dns_subdomain, errors);
    spec(super::spec(new), new.name(), At::root("spec"), errors);
}

fn spec(spec: &Value, name: &str, at: At<'_>, errors: &mut ErrorList) {
    if items(spec, "accessModes").is_empty() {
        at.child("accessModes").required(errors, "");
    }
    access_modes(spec, at.child("accessModes"), errors);
    capacity(spec, at.child("capacity"), errors);
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        let here = at.child("persistentVolumeReclaimPolicy");
        one_of(policy, &["Delete", "Recycle", "Retain"], here, errors);
    }
    node_affinity(spec, at.child("nodeAffinity"), errors);
    sources(spec, name, &at, errors);
    let path = spec.get("hostPath").map(|source| text(source, "path"));
    if policy == "Recycle" && path.is_some_and(is_root) {
        let here = at.child("persistentVolumeReclaimPolicy");
        here.forbidden(errors, "may not be 'recycle' for a hostPath mount of '/'");
    }
    let class = text(spec, "storageClassName");
    if !class.is_empty() {
        at.child("storageClassName").rule(errors, class, names::dns1123_subdomain);
    }
    if let Some(mode) = spec.get("volumeMode").and_then(Value::as_str) {
        one_of(mode, &["Block", "Filesystem"], at.child("volumeMode"), errors);
    }
    attributes_class(spec, &at, errors);
}

fn capacity(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let count = entries(spec, "capacity").count();
    if count == 0 {
        at.required(errors, "");
    }
    let has_storage = spec.get("capacity").is_some_and(|capacity| capacity.get("storage").is_some());
    if !has_storage || count > 1 {
        at.not_supported(errors, spec.get("capacity"), &["storage"]);
    }
    for (name, amount) in entries(spec, "capacity") {
        let amount = amount.as_str().unwrap_or_default();
        basic_amount(amount, at.key(name), errors);
        if quantity(amount).signum() <= 0 {
            at.key(name).invalid(errors, amount, NOT_POSITIVE);
        }
    }
}

fn node_affinity(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let Some(affinity) = spec.get("nodeAffinity") else { return };
    match affinity.get("required") {
        Some(required) => node_selector(required, false, at.child("required"), errors),
        None => at.child("required").required(errors, "must specify required node constraints"),
    }
}

fn sources(spec: &Value, name: &str, at: &At<'_>, errors: &mut ErrorList) {
    let mut found = false;
    for (field, extra, place, rules) in SOURCES {
        let Some(source) = spec.get(field) else { continue };
        if found && field != "flexVolume" {
            at.child(extra).forbidden(errors, "may not specify more than 1 volume type");
            continue;
        }
        found = true;
        let here = at.child(place);
        rules(source, here, errors);
        if field == "iscsi" {
            source::iscsi_persistent(source, name, here, errors);
        }
        if field == "local" && spec.get("nodeAffinity").is_none() {
            at.child("nodeAffinity").required(errors, "Local volume requires node affinity");
        }
    }
    if !found {
        at.required(errors, "must specify a volume type");
    }
}

fn attributes_class(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(class) = spec.get("volumeAttributesClassName").and_then(Value::as_str) else { return };
    let here = at.child("volumeAttributesClassName");
    if class.is_empty() {
        here.required(errors, "an empty string is disallowed");
    } else {
        here.rule(errors, class, names::dns1123_subdomain);
    }
    if spec.get("csi").is_none() {
        at.child("csi").required(errors, "has to be specified when using volumeAttributesClassName");
    }
}

fn ignore(_source: &Value, _at: At<'_>, _errors: &mut ErrorList) {}

fn glusterfs(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    source::glusterfs(source, at, errors);
    let here = at.child("endpointsNamespace");
    match source.get("endpointsNamespace").and_then(Value::as_str) {
        None => {}
        Some("") => {
            let words = "if the endpointnamespace is set, it must be a valid namespace name";
            here.invalid(errors, "", words);
        }
        Some(namespace) => here.rule(errors, namespace, names::dns1123_label),
    }
}

fn cinder(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    source::cinder(source, at, errors);
    secret_namespace(source, at, errors);
}

fn storage_os(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    source::storage_os(source, at, errors);
    secret_namespace(source, at, errors);
}

fn secret_namespace(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    if let Some(secret) = source.get("secretRef") {
        required_text(secret, "namespace", &at.child("secretRef"), errors);
    }
}

fn azure_file(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    source::azure_file(source, at, errors);
    if source.get("secretNamespace").and_then(Value::as_str) == Some("") {
        at.child("secretNamespace").required(errors, "");
    }
}

fn local(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    match text(source, "path") {
        "" => at.child("path").required(errors, ""),
        path => source::no_back_steps(path, at.child("path"), errors),
    }
}

fn csi(source: &Value, at: At<'_>, errors: &mut ErrorList) {
    source::csi_driver(text(source, "driver"), at.child("driver"), errors);
    required_text(source, "volumeHandle", &at, errors);
    for field in [
        "controllerPublishSecretRef",
        "controllerExpandSecretRef",
        "nodePublishSecretRef",
        "nodeExpandSecretRef",
    ] {
        let Some(secret) = source.get(field) else { continue };
        let here = at.child(field);
        let parts: [(&str, names::Rule); 2] =
            [("name", names::dns1123_subdomain), ("namespace", names::dns1123_label)];
        for (part, rule) in parts {
            match text(secret, part) {
                "" => here.child(part).required(errors, ""),
                value => here.child(part).rule(errors, value, rule),
            }
        }
    }
}

fn is_root(path: &str) -> bool {
    path.starts_with('/') && path.split('/').all(|part| matches!(part, "" | "." | ".."))
}

fn mount_options(new: &Object, errors: &mut ErrorList) {
    let spec = super::spec(new);
    let mountable = MOUNTABLE.iter().any(|field| spec.get(*field).is_some());
    if !mountable && new.annotations().any(|(key, _)| key == MOUNT_OPTIONS) {
        let metadata = At::root("metadata");
        let at = metadata.child("annotations");
        at.child(MOUNT_OPTIONS).forbidden(errors, "may not specify mount options for this volume type");
    }
}

/// What may not change: where the data is and how it is seen.
fn changed(new: &Value, old: &Value, errors: &mut ErrorList) {
    let at = At::root("spec");
    let source = |spec: &Value| -> Value {
        let parts =
            SOURCES.iter().filter_map(|(field, ..)| Some(((*field).to_owned(), spec.get(*field)?.clone())));
        Value::Object(parts.collect())
    };
    let (mut now, before) = (source(new), source(old));
    let had_secret = before.get("csi").is_some_and(|csi| csi.get("controllerExpandSecretRef").is_some());
    if !had_secret && let Some(csi) = now.get_mut("csi").and_then(Value::as_object_mut) {
        csi.remove("controllerExpandSecretRef");
    }
    if now != before {
        let difference = diff::diff("PersistentVolumeSource", &before, &now);
        let words = format!("spec.persistentvolumesource is immutable after creation\n{difference}");
        errors.push(Error::forbidden(&at.child("persistentvolumesource").to_path(), words));
    }
    let mode = "volumeMode";
    immutable_as("*string", new.get(mode), old.get(mode), At::root(mode), errors);
    if let Some(affinity) = old.get("nodeAffinity")
        && new.get("nodeAffinity") != Some(affinity)
    {
        let words = "field is immutable, except for updating from beta label to GA";
        let shown = diff::internal("*VolumeNodeAffinity", new.get("nodeAffinity"));
        At::root("nodeAffinity").invalid(errors, shown, words);
    }
    let class = "volumeAttributesClassName";
    if old.get(class).is_some() && new.get(class).is_none() {
        at.child(class).forbidden(errors, "update from non-nil value to nil is forbidden");
    }
}
