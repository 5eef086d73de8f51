//! Defaults of storage classes, CSI drivers and volume attachments.

use portcullis_api::{Object, Value};

use super::super::core::persistent_volume_source;
use super::super::tree::{at, child_or_new, set_missing};

pub(super) fn storage_class(object: &mut Object) {
    set_missing(object.map_mut(), "reclaimPolicy", "Delete");
    set_missing(object.map_mut(), "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_missing(spec, "attachRequired", true);
    set_missing(spec, "podInfoOnMount", false);
    set_missing(spec, "storageCapacity", false);
    set_missing(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec.get("volumeLifecycleModes").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        spec.insert("volumeLifecycleModes".into(), vec!["Persistent"].into());
    }
    set_missing(spec, "requiresRepublish", false);
    set_missing(spec, "seLinuxMount", false);
}

pub(super) fn volume_attachment(object: &mut Object) {
    if let Some(volume) = at(object.map_mut(), &["spec", "source", "inlineVolumeSpec"]) {
        persistent_volume_source(volume);
    }
}
