//! Events as `events.k8s.io` takes them. The trees are in the stored form, the core group's.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, names};

use super::kind::Kind;
use super::tree::{part, path};
use crate::kinds::Row;
use crate::kinds::check::{At, immutable_as, int, text};
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[("events.k8s.io", "events", "", &KIND)];

static KIND: Kind = Kind::unchecked_meta(create).only_change(update).creates_on_update();

const MAX: usize = 128;
const NOTE_MAX: usize = 1024;
/// Fields that no update changes: the stored name, the one messages have, the type. One is looked at twice.
const FIXED: [(&str, &str, &str); 14] = [
    ("involvedObject", "involvedObject", "ObjectReference"),
    ("reason", "reason", "string"),
    ("message", "message", "string"),
    ("source", "source", "EventSource"),
    ("firstTimestamp", "firstTimestamp", "time"),
    ("lastTimestamp", "lastTimestamp", "time"),
    ("count", "count", "int"),
    ("reason", "reason", "string"),
    ("type", "type", "string"),
    ("eventTime", "eventTime", "time"),
    ("action", "action", "string"),
    ("related", "related", "*ObjectReference"),
    ("reportingComponent", "reportingController", "string"),
    ("reportingInstance", "reportingInstance", "string"),
];

fn create(new: &Object, errors: &mut ErrorList) {
    any_version(new, errors);
    meta::object_meta(new, true, meta::dns_subdomain, errors);
    series(new, errors);
    let set = |field: &str| !part(new, field).is_null();
    if !set("eventTime") {
        At::root("eventTime").required(errors, "");
    }
    let kind = new.str_at(&["type"]);
    if kind != "Normal" && kind != "Warning" {
        At::root("type").invalid(errors, "", format!("has invalid value: {kind}"));
    }
    let count = part(new, "count").as_i64().unwrap_or_default() != 0;
    let source = ["component", "host"].iter().any(|field| !text(part(new, "source"), field).is_empty());
    let unset = [("firstTimestamp", set("firstTimestamp")), ("lastTimestamp", set("lastTimestamp"))];
    for (field, is_set) in unset.into_iter().chain([("count", count), ("source", source)]) {
        if is_set {
            At::root(field).invalid(errors, "", "needs to be unset");
        }
    }
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    any_version(new, errors);
    meta::object_meta_update(new, old, errors);
    if new.get("series") != old.get("series") {
        series(new, errors);
    }
    for (stored, shown, kind) in FIXED {
        immutable_as(kind, new.get(stored), old.get(stored), At::root(shown), errors);
    }
}

fn series(event: &Object, errors: &mut ErrorList) {
    let Some(series) = event.get("series").filter(|series| !series.is_null()) else { return };
    if int(series, "count") < 2 {
        At::root("series.count").invalid(errors, "", "should be at least 2");
    }
    if text(series, "lastObservedTime").is_empty() {
        At::root("series.lastObservedTime").required(errors, "");
    }
}

/// What events of every version must fulfil.
fn any_version(event: &Object, errors: &mut ErrorList) {
    let (own, about) = (event.namespace(), event.str_at(&["involvedObject", "namespace"]));
    let timed = !part(event, "eventTime").is_null();
    let matches = match (timed, about) {
        (false, "") => own.is_empty() || own == "default",
        (false, about) => own == about,
        (true, "") => own == "default" || own == "kube-system",
        (true, _) => true,
    };
    if !matches {
        let at = path(&["involvedObject", "namespace"]);
        errors.push(Error::invalid(&at, about, "does not match event.namespace"));
    }
    if timed {
        timed_event(event, errors);
    }
    At::root("namespace").rule(errors, own, names::dns1123_subdomain);
}

fn timed_event(event: &Object, errors: &mut ErrorList) {
    let value = |field: &str| part(event, field).as_str().unwrap_or_default();
    let at = At::root("reportingController");
    if value("reportingComponent").is_empty() {
        at.required(errors, "");
    }
    at.rule(errors, value("reportingComponent"), names::qualified_name);
    for field in ["reportingInstance", "action", "reason"] {
        let at = At::root(field);
        if value(field).is_empty() {
            at.required(errors, "");
        }
        at_most(value(field), MAX, at, errors);
    }
    at_most(value("message"), NOTE_MAX, At::root("message"), errors);
}

fn at_most(value: &str, max: usize, at: At<'_>, errors: &mut ErrorList) {
    if value.len() > max {
        at.invalid(errors, "", format!("can have at most {max} characters"));
    }
}
