//! Defaults of volumes, volume sources and claims.

use portcullis_api::{Map, Value};

use super::super::tree::{at, child, child_or_new, each, set_empty, set_missing};
use super::image::pull_policy;
use super::quantities::{requirements, resource_list};

/// `0644`, the mode of projected files.
const FILE_MODE: i64 = 420;

/// A volume of a pod: one with no source is an empty directory.
pub(super) fn volume(volume: &mut Map<String, Value>) {
    if volume.keys().all(|field| field == "name") {
        volume.insert("emptyDir".into(), Value::Object(Map::new()));
        return;
    }
    if let Some(image) = child(volume, "image") {
        let policy = pull_policy(image.get("reference").and_then(Value::as_str).unwrap_or_default());
        set_empty(image, "pullPolicy", policy);
    }
    persistent_volume_source(volume);
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = child(volume, source) {
            set_missing(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(downward) = child(volume, "downwardAPI") {
        each(downward, "items", field_ref);
    }
    if let Some(projected) = child(volume, "projected") {
        each(projected, "sources", projection);
    }
    if let Some(template) = at(volume, &["ephemeral", "volumeClaimTemplate"])
        && let Some(spec) = child_or_new(template, "spec")
    {
        claim_spec(spec);
    }
}

/// The spec of a claim.
pub(crate) fn claim_spec(spec: &mut Map<String, Value>) {
    set_missing(spec, "volumeMode", "Filesystem");
    requirements(spec, "resources");
}

/// The sources that pods and persistent volumes share.
pub(crate) fn persistent_volume_source(volume: &mut Map<String, Value>) {
    if let Some(path) = child(volume, "hostPath") {
        set_missing(path, "type", "");
    }
    if let Some(iscsi) = child(volume, "iscsi") {
        set_empty(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = child(volume, "rbd") {
        set_empty(rbd, "pool", "rbd");
        set_empty(rbd, "user", "admin");
        set_empty(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(disk) = child(volume, "azureDisk") {
        set_missing(disk, "cachingMode", "ReadWrite");
        set_missing(disk, "fsType", "ext4");
        set_missing(disk, "readOnly", false);
        set_missing(disk, "kind", "Shared");
    }
    if let Some(scale) = child(volume, "scaleIO") {
        set_empty(scale, "storageMode", "ThinProvisioned");
        set_empty(scale, "fsType", "xfs");
    }
}

/// The capacity of a persistent volume.
pub(super) fn capacity(spec: &mut Map<String, Value>) {
    resource_list(spec, "capacity");
}

/// The field a downward API item or an environment variable reads.
pub(super) fn field_ref(item: &mut Map<String, Value>) {
    if let Some(field) = child(item, "fieldRef") {
        set_empty(field, "apiVersion", "v1");
    }
}

fn projection(source: &mut Map<String, Value>) {
    if let Some(downward) = child(source, "downwardAPI") {
        each(downward, "items", field_ref);
    }
    if let Some(token) = child(source, "serviceAccountToken") {
        set_missing(token, "expirationSeconds", 3600);
    }
}
