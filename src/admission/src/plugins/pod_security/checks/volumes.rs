//! What a pod may mount.

use std::collections::BTreeSet;

use super::{Subject, Violation, plural, quoted, violation};
use portcullis_api::tree::{has, items, text};

const ALLOWED: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];
const KNOWN: &[&str] = &[
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
];

/// Nothing of the host's own files.
pub(super) fn host_path(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let bad: Vec<&str> = items(subject.spec, "volumes")
        .iter()
        .filter(|volume| has(volume, "hostPath"))
        .map(|volume| text(volume, "name"))
        .collect();
    if bad.is_empty() {
        return None;
    }
    let noun = plural(bad.len(), "volume", "volumes");
    violation("hostPath volumes", format!("{noun} {}", quoted(bad)))
}

/// Only what the API hands out.
pub(super) fn restricted(subject: &Subject<'_>, _: i64) -> Option<Violation> {
    let mut bad = Vec::new();
    let mut types = BTreeSet::new();
    for volume in items(subject.spec, "volumes") {
        if ALLOWED.iter().any(|source| has(volume, source)) {
            continue;
        }
        bad.push(text(volume, "name"));
        types.insert(KNOWN.iter().find(|source| has(volume, source)).copied().unwrap_or("unknown"));
    }
    if bad.is_empty() {
        return None;
    }
    let detail = format!(
        "{} {} {} {} {}",
        plural(bad.len(), "volume", "volumes"),
        quoted(bad.iter().copied()),
        plural(bad.len(), "uses", "use"),
        plural(types.len(), "restricted volume type", "restricted volume types"),
        quoted(types)
    );
    violation("restricted volume types", detail)
}
