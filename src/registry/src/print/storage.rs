//! The rows of volumes and of what provides them.

use serde_json::Value;

use super::tree::{Tree, joined};
use super::{Printer, Row, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "csidrivers" => csi_driver,
        "csinodes" => csi_node,
        "storageclasses" => storage_class,
        "volumeattachments" => volume_attachment,
        "volumeattributesclasses" => volume_attributes_class,
        _ => plain,
    }
}

pub(super) fn persistent_volume(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let claim = spec.get("claimRef");
    let claim = if claim.exists() {
        format!("{}/{}", claim.get("namespace").text(), claim.get("name").text())
    } else {
        String::new()
    };
    vec![
        row.name(),
        spec.at(&["capacity", "storage"]).text_or("0").into(),
        access_modes(spec.get("accessModes")).into(),
        spec.get("persistentVolumeReclaimPolicy").cell(),
        phase(row),
        claim.into(),
        class(row),
        or_unset(spec.get("volumeAttributesClassName")),
        row.at(&["status", "reason"]).cell(),
        row.age(),
        or_unset(spec.get("volumeMode")),
    ]
}

pub(super) fn persistent_volume_claim(row: Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.object.get("spec"), row.object.get("status"));
    let bound = !spec.get("volumeName").is("");
    let capacity = if bound { status.at(&["capacity", "storage"]).text_or("0") } else { "" };
    let modes = if bound { access_modes(status.get("accessModes")) } else { String::new() };
    vec![
        row.name(),
        phase(row),
        spec.get("volumeName").cell(),
        capacity.into(),
        modes.into(),
        class(row),
        or_unset(spec.get("volumeAttributesClassName")),
        row.age(),
        or_unset(spec.get("volumeMode")),
    ]
}

/// The name, marked where the object is the default of its kind.
pub(super) fn default_name(row: Row<'_>, is_default: bool) -> Value {
    let name = row.at(&["metadata", "name"]).text();
    if is_default { format!("{name} (default)").into() } else { name.into() }
}

fn phase(row: Row<'_>) -> Value {
    if row.is_deleting() { "Terminating".into() } else { row.at(&["status", "phase"]).cell() }
}

fn class(row: Row<'_>) -> Value {
    let annotation = row.at(&["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"]);
    annotation.or(row.at(&["spec", "storageClassName"])).cell()
}

fn or_unset(tree: Tree<'_>) -> Value {
    if tree.exists() { tree.cell() } else { "<unset>".into() }
}

fn access_modes(modes: Tree<'_>) -> String {
    let words = [
        ("ReadWriteOnce", "RWO"),
        ("ReadOnlyMany", "ROX"),
        ("ReadWriteMany", "RWX"),
        ("ReadWriteOncePod", "RWOP"),
    ];
    joined(words.iter().filter(|(mode, _)| modes.list().any(|m| m.is(mode))).map(|(_, word)| *word), ",")
}

fn storage_class(row: Row<'_>) -> Vec<Value> {
    const MARKS: [&str; 2] =
        ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];
    let is_default = MARKS.iter().any(|mark| row.at(&["metadata", "annotations", mark]).is("true"));
    vec![
        default_name(row, is_default),
        row.object.get("provisioner").cell(),
        row.object.get("reclaimPolicy").text_or("Delete").into(),
        row.object.get("volumeBindingMode").text_or("Immediate").into(),
        row.object.get("allowVolumeExpansion").flag().into(),
        row.age(),
    ]
}

fn csi_driver(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let attach = spec.get("attachRequired");
    let tokens = spec.get("tokenRequests");
    let audiences = joined(tokens.list().map(|t| t.get("audience").text()), ",");
    let modes = joined(spec.get("volumeLifecycleModes").texts(), ",");
    vec![
        row.name(),
        (attach.flag() || !attach.exists()).into(),
        spec.get("podInfoOnMount").flag().into(),
        spec.get("storageCapacity").flag().into(),
        if tokens.exists() { audiences.into() } else { "<unset>".into() },
        spec.get("requiresRepublish").flag().into(),
        if modes.is_empty() { "<none>".into() } else { modes.into() },
        row.age(),
    ]
}

fn csi_node(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.at(&["spec", "drivers"]).len().into(), row.age()]
}

fn volume_attachment(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    vec![
        row.name(),
        spec.get("attacher").cell(),
        spec.at(&["source", "persistentVolumeName"]).cell(),
        spec.get("nodeName").cell(),
        row.at(&["status", "attached"]).flag().into(),
        row.age(),
    ]
}

fn volume_attributes_class(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), row.object.get("driverName").cell(), row.age()]
}
