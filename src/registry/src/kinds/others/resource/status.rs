//! What is known of a claim: which devices it got, who uses it, and what their drivers report.

use std::collections::HashSet;

use portcullis_api::field::{ErrorList, Raw};
use portcullis_api::{Object, Value};

use super::config::{MAX_CONFIG, binding, each, opaque, raw_object};
use super::reference::{Requests, allocated, device, distinct, share, shared_id};
use crate::kinds::check::{At, immutable_as, items, one_of_required, required_text, text, texts};
use crate::kinds::core::pod::node_selector;
use crate::kinds::meta;
use crate::kinds::others::conditions;
use crate::kinds::others::tree::{part, sub};

const MAX_RESERVED: usize = 256;
const MAX_RESULTS: usize = 32;
const MAX_CONDITIONS: usize = 8;
const MAX_ADDRESSES: usize = 16;
const MAX_INTERFACE: usize = 256;
const MAX_HARDWARE: usize = 128;

/// Reports about devices that are no longer allocated go with them.
pub(super) fn prepare(new: &mut Object, old: &Object) {
    let (now, before) = (part(new, "status"), part(old, "status"));
    if sub(now, "allocation").is_object() || !sub(before, "allocation").is_object() {
        return;
    }
    let gone = allocated(before);
    let left: Vec<Value> =
        items(now, "devices").iter().filter(|device| !gone.contains(&shared_id(device))).cloned().collect();
    let Some(Value::Object(status)) = new.map_mut().get_mut("status") else { return };
    if left.is_empty() {
        status.remove("devices");
    } else {
        status.insert("devices".to_owned(), Value::Array(left));
    }
}

/// The rules for a new status.
pub(super) fn rules(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    let (status, before, at) = (part(new, "status"), part(old, "status"), At::root("status"));
    let requests = Requests::of(sub(part(new, "spec"), "devices"));
    reserved(status, &at, errors);
    devices(status, &at, errors);
    reservations(new, status, before, &at, errors);
    let (allocation, earlier) = (status.get("allocation"), before.get("allocation"));
    let at = at.child("allocation");
    match (allocation.filter(|it| !it.is_null()), earlier.filter(|it| !it.is_null())) {
        (Some(now), Some(then)) => immutable_as("AllocationResult", Some(now), Some(then), at, errors),
        (Some(now), None) => self::allocation(now, &requests, &at, errors),
        _ => {}
    }
}

fn reserved(status: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (list, at) = (items(status, "reservedFor"), at.child("reservedFor"));
    each(list, MAX_RESERVED, &at, errors, |user, at, errors| {
        for field in ["resource", "name", "uid"] {
            required_text(user, field, at, errors);
        }
    });
    if list.len() <= MAX_RESERVED {
        distinct(list.iter().map(|user| text(user, "uid")), &at, errors);
    }
}

fn devices(status: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (known, at) = (allocated(status), at.child("devices"));
    let list = items(status, "devices");
    each(list, usize::MAX, &at, errors, |one, at, errors| {
        device(one, at, errors);
        share(one, at, errors);
        if !known.contains(&shared_id(one)) {
            at.invalid(errors, shown(one), "must be an allocated device in the claim");
        }
        let conditions = items(one, "conditions");
        if conditions.len() > MAX_CONDITIONS {
            at.child("conditions").too_many(errors, conditions.len(), MAX_CONDITIONS);
        }
        conditions::all(one, at.child("conditions"), errors);
        if one.get("data").is_some_and(|data| !data.is_null()) {
            raw_object(one.get("data"), &at.child("data"), errors);
        }
        network(sub(one, "networkData"), &at.child("networkData"), errors);
    });
    let mut seen = HashSet::new();
    for (i, one) in list.iter().enumerate() {
        if !seen.insert(shared_id(one)) {
            at.index(i).duplicate(errors, shown(one));
        }
    }
}

/// A device as upstream's messages show it.
fn shown(device: &Value) -> Raw {
    let [driver, pool, name, share] = shared_id(device).map(Value::from);
    Raw(format!("{{\"Driver\":{driver},\"Pool\":{pool},\"Device\":{name},\"ShareID\":{share}}}"))
}

fn network(data: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for (field, max) in [("interfaceName", MAX_INTERFACE), ("hardwareAddress", MAX_HARDWARE)] {
        if text(data, field).len() > max {
            at.child(field).too_long(errors, max);
        }
    }
    let (list, at) = (items(data, "ips"), at.child("ips"));
    each(list, MAX_ADDRESSES, &at, errors, |address, at, errors| {
        let address = address.as_str().unwrap_or_default();
        at.messages(errors, address, portcullis_api::ip::interface_address(address));
    });
    if list.len() <= MAX_ADDRESSES {
        distinct(texts(data, "ips"), &at, errors);
    }
}

fn reservations(new: &Object, status: &Value, before: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list = items(status, "reservedFor");
    if list.is_empty() {
        return;
    }
    let at = at.child("reservedFor");
    if !sub(status, "allocation").is_object() {
        at.forbidden(errors, "may not be specified when `allocated` is not set");
    } else if !new.str_at(&["metadata", "deletionTimestamp"]).is_empty() {
        let earlier = items(before, "reservedFor");
        if list.iter().any(|user| !earlier.contains(user)) {
            let words =
                "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set";
            at.forbidden(errors, words);
        }
    }
}

fn allocation(allocation: &Value, requests: &Requests<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let (devices, here) = (sub(allocation, "devices"), at.child("devices"));
    each(items(devices, "results"), MAX_RESULTS, &here.child("results"), errors, |result, at, errors| {
        requests.reference(text(result, "request"), &at.child("request"), errors);
        device(result, at, errors);
        binding(result, at, errors);
        share(result, at, errors);
    });
    each(items(devices, "config"), 2 * MAX_CONFIG, &here.child("config"), errors, |config, at, errors| {
        one_of_required(text(config, "source"), &["FromClaim", "FromClass"], at.child("source"), errors);
        requests.references(config, at, errors);
        opaque(config, at, errors);
    });
    if let Some(selector) = allocation.get("nodeSelector").filter(|selector| !selector.is_null()) {
        node_selector(selector, false, at.child("nodeSelector"), errors);
    }
}
