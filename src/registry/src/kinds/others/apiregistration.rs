//! API services: which server answers for a group and version.

use portcullis_api::field::{ErrorList, go_quote};
use portcullis_api::{Object, Value, names, time};
use serde_json::json;

use super::kind::{Kept, Kind, Status, empty, meta_change};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, flag, int, items, one_of, text};
use crate::kinds::meta;

const GROUP: &str = "apiregistration.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] =
    &[(GROUP, "apiservices", "", &KIND), (GROUP, "apiservices", "status", &STATUS)];

static KIND: Kind = Kind::cluster(|name, _| names::path_segment_name(name), rules)
    .only_change(|new, old, errors| {
        meta::object_meta_update(new, old, errors);
        meta::object_meta(new, false, |name, _| names::path_segment_name(name), errors);
        rules(new, errors);
    })
    .status(empty)
    .on_create(local_is_available)
    .needs_version();

static STATUS: Status = Status::new(status).keeps(Kept::Meta).needs_version();

/// What this server serves itself is there at once.
fn local_is_available(new: &mut Object) {
    if new.at(&["spec", "service"]).is_none() {
        let condition = json!({
            "type": "Available",
            "status": "True",
            "lastTransitionTime": time::now_rfc3339(),
            "reason": "Local",
            "message": "Local APIServices are always available",
        });
        new.set_at(&["status", "conditions"], json!([condition]));
    }
}

fn rules(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let (group, version) = (text(spec, "group"), text(spec, "version"));
    for (field, given) in [("generateName", new.meta_str("generateName")), ("name", new.name())] {
        name(field, given, &format!("{version}.{group}"), errors);
    }
    let at = At::root("spec");
    match (group, version) {
        ("", "v1") => {}
        ("", _) => {
            let words = "only v1 may have an empty group and it better be legacy kube";
            at.child("group").required(errors, words);
        }
        _ => at.child("group").rule(errors, group, names::dns1123_subdomain),
    }
    at.child("version").rule(errors, version, names::dns1035_label);
    for (field, max) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let priority = int(spec, field);
        if priority <= 0 || priority > max {
            at.child(field).invalid(errors, priority, format!("must be positive and less than {max}"));
        }
    }
    backend(spec, &at, errors);
}

/// The name is computed, so that a prefix which another name is made of cannot be right either.
fn name(field: &'static str, name: &str, expected: &str, errors: &mut ErrorList) {
    if names::path_segment_name(name).is_empty() && name != expected && !name.is_empty() {
        let metadata = At::root("metadata");
        let words = format!("must be `spec.version+\".\"+spec.group`: {}", go_quote(expected));
        metadata.child(field).invalid(errors, name, words);
    }
}

fn backend(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let bundle = text(spec, "caBundle");
    let insecure = flag(spec, "insecureSkipTLSVerify");
    let insecure_at = at.child("insecureSkipTLSVerify");
    let Some(service) = spec.get("service") else {
        if !bundle.is_empty() {
            let bytes = bundle.trim_end_matches('=').len() * 3 / 4;
            at.child("caBundle").invalid(
                errors,
                format!("{bytes} bytes"),
                "local APIServices may not have a caBundle",
            );
        }
        if insecure {
            insecure_at.invalid(errors, true, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    };
    let here = at.child("service");
    for field in ["namespace", "name"] {
        crate::kinds::check::required_text(service, field, &here, errors);
    }
    let port = int(service, "port");
    let messages = names::port_number(port);
    if !messages.is_empty() {
        here.child("port").invalid(errors, port, format!("port is not valid: {}", messages.join(", ")));
    }
    if insecure && !bundle.is_empty() {
        insecure_at.invalid(errors, true, "may not be true if caBundle is present");
    }
}

fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta_change(new, old, errors);
    let at = At::root("status");
    let at = at.child("conditions");
    for (i, condition) in items(part(new, "status"), "conditions").iter().enumerate() {
        let here = at.index(i);
        one_of(text(condition, "status"), &["True", "False", "Unknown"], here.child("status"), errors);
    }
}
