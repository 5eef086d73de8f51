//! Volume attachments.

use portcullis_api::field::{Error, ErrorList, Path};
use portcullis_api::{Object, Value, names};
use serde_json::json;

use crate::kinds::check::{At, entries, immutable_as, int, text};
use crate::kinds::core::source::csi_driver;
use crate::kinds::meta;
use crate::kinds::others::kind::{Kept, Kind, Status};
use crate::kinds::others::tree::{part, sub};

/// Attachments themselves.
pub(super) static KIND: Kind = Kind::cluster(meta::dns_subdomain, rules)
    .only_change(update)
    .status(|| json!({ "attached": false }))
    .needs_version();

/// Their status.
pub(super) static STATUS: Status = Status::new(update).keeps(Kept::Meta).needs_version();

const METADATA_MAX: usize = 256 * 1024;
const MESSAGE_MAX: usize = 1024;

fn rules(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    csi_driver(text(spec, "attacher"), at.child("attacher"), errors);
    let volume = sub(spec, "source").get("persistentVolumeName").and_then(Value::as_str);
    source(volume, sub(spec, "source").get("inlineVolumeSpec").is_some(), at.child("source"), errors);
    at.child("nodeName").rule(errors, text(spec, "nodeName"), names::dns1123_subdomain);
    status(part(new, "status"), errors);
    for message in volume.map(names::dns1123_subdomain).unwrap_or_default() {
        let at = Path::new("spec.source.persistentVolumeName");
        errors.push(Error::invalid(&at, volume, message));
    }
}

fn source(volume: Option<&str>, inline: bool, at: At<'_>, errors: &mut ErrorList) {
    let words = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    match (volume, inline) {
        (None, false) => at.required(errors, words),
        (Some(_), true) => at.forbidden(errors, words),
        (Some(""), false) => {
            at.child("persistentVolumeName").required(errors, "must specify non empty persistentVolumeName");
        }
        _ => {}
    }
}

fn status(status: &Value, errors: &mut ErrorList) {
    let at = At::root("status");
    let size: usize = entries(status, "attachmentMetadata")
        .map(|(key, value)| key.len() + value.as_str().map_or(0, str::len))
        .sum();
    if size > METADATA_MAX {
        at.child("attachmentMetadata").too_long(errors, METADATA_MAX);
    }
    for field in ["attachError", "detachError"] {
        let (error, here) = (sub(status, field), at.child(field));
        if text(error, "message").len() > MESSAGE_MAX {
            here.child("message").too_long(errors, METADATA_MAX);
        }
        let code = int(error, "errorCode");
        if code < 0 {
            let words = names::inclusive_range_error(0, i64::from(i32::MAX));
            here.child("errorCode").invalid(errors, code, words);
        }
    }
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta(new, false, meta::dns_subdomain, errors);
    rules(new, errors);
    immutable_as("VolumeAttachmentSpec", new.get("spec"), old.get("spec"), At::root("spec"), errors);
}
