//! Volumes mounted into a container, and devices.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::super::check::{At, flag, items, one_of, required_text, text};
use super::lists::Context;
use super::volume::relative_path;

/// The mounts of a container. Upstream writes some of their paths without the index.
pub(super) fn mounts(container: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let mounts = items(container, "volumeMounts");
    let devices = items(container, "volumeDevices");
    for (i, mount) in mounts.iter().enumerate() {
        let here = at.index(i);
        let (name, path) = (text(mount, "name"), text(mount, "mountPath"));
        required_text(mount, "name", &here, errors);
        if pod.volume(name).is_none() {
            here.child("name").not_found(errors, name);
        }
        required_text(mount, "mountPath", &here, errors);
        if mounts.iter().take(i).any(|earlier| text(earlier, "mountPath") == path) {
            here.child("mountPath").invalid(errors, path, "must be unique");
        }
        if devices.iter().any(|device| text(device, "name") == name) {
            here.child("name").invalid(errors, name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| text(device, "devicePath") == path) {
            here.child("mountPath").invalid(
                errors,
                path,
                "must not already exist as a path in volumeDevices",
            );
        }
        sub_paths(mount, &at, &here, errors);
        propagation(mount, container, at.child("mountPropagation"), errors);
        recursive_read_only(mount, at.child("recursiveReadOnly"), errors);
    }
}

fn sub_paths(mount: &Value, at: &At<'_>, here: &At<'_>, errors: &mut ErrorList) {
    let (path, expression) = (text(mount, "subPath"), text(mount, "subPathExpr"));
    if !path.is_empty() {
        relative_path(path, at.child("subPath"), errors);
    }
    if !expression.is_empty() {
        if !path.is_empty() {
            let words = "subPathExpr and subPath are mutually exclusive";
            here.child("subPathExpr").invalid(errors, expression, words);
        }
        relative_path(expression, at.child("subPathExpr"), errors);
    }
}

fn propagation(mount: &Value, container: &Value, at: At<'_>, errors: &mut ErrorList) {
    let Some(mode) = mount.get("mountPropagation").and_then(Value::as_str) else { return };
    one_of(mode, &["Bidirectional", "HostToContainer", "None"], at, errors);
    let privileged = container.get("securityContext").is_some_and(|context| flag(context, "privileged"));
    if mode == "Bidirectional" && !privileged {
        at.forbidden(errors, "Bidirectional mount propagation is available only to privileged containers");
    }
}

fn recursive_read_only(mount: &Value, at: At<'_>, errors: &mut ErrorList) {
    let Some(mode) = mount.get("recursiveReadOnly").and_then(Value::as_str) else { return };
    match mode {
        "Disabled" => {}
        "Enabled" | "IfPossible" => {
            if !flag(mount, "readOnly") {
                at.forbidden(errors, "may only be specified when readOnly is true");
            }
            if !matches!(text(mount, "mountPropagation"), "" | "None") {
                at.forbidden(errors, "may only be specified when mountPropagation is None or not specified");
            }
        }
        other => at.not_supported(errors, other, &["Disabled", "Enabled", "IfPossible"]),
    }
}

/// The raw block devices of a container.
pub(super) fn devices(container: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let devices = items(container, "volumeDevices");
    let mounts = items(container, "volumeMounts");
    for (i, device) in devices.iter().enumerate() {
        let here = at.index(i);
        let (name, path) = (text(device, "name"), text(device, "devicePath"));
        let volume = pod.volume(name);
        required_text(device, "name", &here, errors);
        let earlier = || devices.iter().take(i);
        if !name.is_empty() && earlier().any(|d| text(d, "name") == name) {
            here.child("name").invalid(errors, name, "must be unique");
        }
        match volume {
            Some(volume)
                if volume.get("persistentVolumeClaim").is_none() && volume.get("ephemeral").is_none() =>
            {
                let words =
                    "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                here.child("name").invalid(errors, name, words);
            }
            Some(_) => {}
            None => here.child("name").not_found(errors, name),
        }
        required_text(device, "devicePath", &here, errors);
        let back_steps = |path: &str| path.split('/').any(|part| part == "..");
        if earlier().any(|d| text(d, "devicePath") == path && !back_steps(path)) {
            here.child("devicePath").invalid(errors, path, "must be unique");
        }
        if back_steps(path) {
            here.child("devicePath").invalid(errors, path, "can not contain backsteps ('..')");
        }
        if mounts.iter().any(|mount| text(mount, "name") == name) {
            here.child("name").invalid(errors, name, "must not already exist in volumeMounts");
        }
        if mounts.iter().any(|mount| text(mount, "mountPath") == path) {
            here.child("devicePath").invalid(
                errors,
                path,
                "must not already exist as a path in volumeMounts",
            );
        }
    }
}
