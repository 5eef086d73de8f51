//! CSI drivers, and which of them run on a node.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use crate::kinds::check::{At, immutable_as, int, items, non_negative, one_of, opt_int, text, texts};
use crate::kinds::core::source::csi_driver;
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;
use crate::kinds::others::tree::{part, sub};

/// CSI drivers.
pub(super) static DRIVER: Kind = Kind::cluster(meta::dns_subdomain, driver)
    .change(same_driver)
    .generation_of_changes(&["spec"])
    .on_create(|new| drop_scheduling(new, None))
    .on_update(|new, old| drop_scheduling(new, Some(old)))
    .warns(warnings)
    .needs_version();

/// The drivers of a node.
pub(super) static NODE: Kind = Kind::cluster(meta::dns_subdomain, node)
    .only_change(|new, old, errors| {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        node(new, errors);
        same_drivers(new, old, errors);
    })
    .needs_version();

const NODE_ID_MAX: usize = 256;
const SHORTEST_TOKEN: i64 = 600;
const LONGEST_TOKEN: i64 = 1 << 32;
const SHORTEST_PERIOD: i64 = 10;

/// The gate of this field is closed; only drivers that have it keep it.
fn drop_scheduling(new: &mut Object, old: Option<&Object>) {
    const FIELD: [&str; 2] = ["spec", "preventPodSchedulingIfMissing"];
    if old.is_none_or(|old| old.at(&FIELD).is_none()) {
        new.remove_at(&FIELD);
    }
}

fn driver(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let flags = [
        ("attachRequired", "attachedRequired"),
        ("podInfoOnMount", "podInfoOnMount"),
        ("storageCapacity", "storageCapacity"),
    ];
    for (field, shown) in flags {
        if spec.get(field).is_none() {
            at.child(shown).required(errors, "");
        }
    }
    if let Some(policy) = spec.get("fsGroupPolicy").and_then(Value::as_str) {
        one_of(policy, &["File", "None", "ReadWriteOnceWithFSType"], at.child("fsGroupPolicy"), errors);
    }
    tokens(spec, at.child("tokenRequests"), errors);
    for mode in texts(spec, "volumeLifecycleModes") {
        one_of(mode, &["Persistent", "Ephemeral"], at.child("volumeLifecycleModes"), errors);
    }
    if spec.get("seLinuxMount").is_none() {
        at.child("seLinuxMount").required(errors, "");
    }
    let field = "nodeAllocatableUpdatePeriodSeconds";
    if let Some(period) = opt_int(spec, field).filter(|period| *period < SHORTEST_PERIOD) {
        at.child(field).invalid(errors, period, "must be greater than or equal to 10 seconds");
    }
    let secret = spec.get("serviceAccountTokenInSecrets");
    if secret.is_some() && items(spec, "tokenRequests").is_empty() {
        let words = "serviceAccountTokenInSecrets is set but no tokenRequests are specified";
        at.child("serviceAccountTokenInSecrets").invalid(errors, secret, words);
    }
}

fn tokens(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let requests = items(spec, "tokenRequests");
    for (i, request) in requests.iter().enumerate() {
        let here = at.index(i);
        let audience = text(request, "audience");
        if requests.iter().take(i).any(|other| text(other, "audience") == audience) {
            here.child("audience").duplicate(errors, audience);
            continue;
        }
        let Some(seconds) = opt_int(request, "expirationSeconds") else { continue };
        let here = here.child("expirationSeconds");
        if seconds < SHORTEST_TOKEN {
            here.invalid(errors, seconds, "may not specify a duration less than 10 minutes");
        }
        if seconds > LONGEST_TOKEN {
            here.invalid(errors, seconds, "may not specify a duration larger than 2^32 seconds");
        }
    }
}

fn same_driver(new: &Object, old: &Object, errors: &mut ErrorList) {
    driver(new, errors);
    let at = At::root("spec");
    let fields = [
        ("attachRequired", "attachedRequired", "*bool"),
        ("volumeLifecycleModes", "volumeLifecycleModes", "[]string"),
    ];
    for (field, shown, kind) in fields {
        let (new, old) = (new.at(&["spec", field]), old.at(&["spec", field]));
        immutable_as(kind, new, old, at.child(shown), errors);
    }
}

fn warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    let requests =
        |driver: &'_ Object| -> Vec<Value> { items(part(driver, "spec"), "tokenRequests").to_vec() };
    let unset = new.at(&["spec", "serviceAccountTokenInSecrets"]).is_none();
    let wanted = !requests(new).is_empty() && old.is_none_or(|old| requests(old) != requests(new));
    if !(unset && wanted) {
        return Vec::new();
    }
    let words = "spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to \
                 prevent possible logging of tokens in volume attributes";
    vec![words.to_owned()]
}

fn node(new: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let at = at.child("drivers");
    let drivers = items(part(new, "spec"), "drivers");
    for (i, driver) in drivers.iter().enumerate() {
        let here = at.index(i);
        let name = text(driver, "name");
        csi_driver(name, here.child("name"), errors);
        let id = text(driver, "nodeID");
        if id.is_empty() {
            here.child("nodeID").required(errors, "");
        }
        if id.len() > NODE_ID_MAX {
            here.child("nodeID").invalid(errors, id, format!("must be {NODE_ID_MAX} characters or less"));
        }
        let allocatable = here.child("allocatable");
        non_negative(int(sub(driver, "allocatable"), "count"), allocatable.child("count"), errors);
        if drivers.iter().take(i).any(|other| text(other, "name") == name) {
            here.child("name").duplicate(errors, name);
        }
        topology_keys(driver, here, errors);
    }
}

fn topology_keys(driver: &Value, at: At<'_>, errors: &mut ErrorList) {
    let keys: Vec<&str> = texts(driver, "topologyKeys").collect();
    for (i, key) in keys.iter().enumerate() {
        if key.is_empty() {
            at.required(errors, "");
        }
        if keys.iter().take(i).any(|other| other == key) {
            at.duplicate(errors, *key);
        }
        at.rule(errors, key, names::qualified_name);
    }
}

/// A driver that stays may change how much it can attach, and nothing else.
fn same_drivers(new: &Object, old: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let fixed = |driver: &Value| {
        let mut driver = driver.clone();
        if let Some(map) = driver.as_object_mut() {
            map.remove("allocatable");
        }
        driver
    };
    let drivers = |node| items(part(node, "spec"), "drivers").iter();
    for before in drivers(old) {
        for after in drivers(new).filter(|after| text(after, "name") == text(before, "name")) {
            let (after, before) = (fixed(after), fixed(before));
            immutable_as("CSINodeDriver", Some(&after), Some(&before), at.child("drivers"), errors);
        }
    }
}
