//! Service address ranges, and the addresses taken from them.

use std::net::IpAddr;

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, ip, names};

use crate::kinds::check::{At, IMMUTABLE, immutable_as, items, optional_name, required_name};
use crate::kinds::core::internal;
use crate::kinds::meta;
use crate::kinds::others::kind::{Kept, Kind, Status, empty, meta_change};
use crate::kinds::others::tree::part;

/// Addresses of services.
pub(super) static IP_ADDRESS: Kind =
    Kind::cluster(|name, _| ip::address(name), parent).new_and_change(same_parent);

/// Ranges addresses are taken from.
pub(super) static SERVICE_CIDR: Kind =
    Kind::cluster(meta::dns_subdomain, |new, errors| cidrs(part(new, "spec"), errors))
        .change(change)
        .status(empty);

/// Their status.
pub(super) static SERVICE_CIDR_STATUS: Status = Status::new(meta_change).keeps(Kept::Meta);

fn parent(new: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    let at = at.child("parentRef");
    let Some(parent) = new.at(&["spec", "parentRef"]) else {
        at.required(errors, "");
        return;
    };
    optional_name(parent, "group", names::dns1123_subdomain, &at, errors);
    required_name(parent, "resource", names::path_segment_name, &at, errors);
    required_name(parent, "name", names::path_segment_name, &at, errors);
    optional_name(parent, "namespace", names::path_segment_name, &at, errors);
}

fn same_parent(new: &Object, old: &Object, errors: &mut ErrorList) {
    let path = ["spec", "parentRef"];
    let at = At::root("spec");
    immutable_as("*ParentReference", new.at(&path), old.at(&path), at.child("parentRef"), errors);
}

fn cidrs(spec: &Value, errors: &mut ErrorList) {
    let at = At::root("spec");
    let at = at.child("cidrs");
    let list: Vec<&str> = crate::kinds::check::texts(spec, "cidrs").collect();
    if list.is_empty() {
        at.required(errors, "at least one CIDR required");
        return;
    }
    if list.len() > 2 {
        let shown = internal("ServiceCIDRSpec", spec);
        at.invalid(errors, shown, "may only hold up to 2 values");
        return;
    }
    for (i, cidr) in list.iter().enumerate() {
        at.index(i).rule(errors, cidr, ip::cidr);
    }
    if let [first, second] = list.as_slice()
        && let (Some(first), Some(second)) = (is_v6(first), is_v6(second))
        && first == second
    {
        let words =
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64";
        at.invalid(errors, spec.get("cidrs"), words);
    }
}

fn is_v6(cidr: &str) -> Option<bool> {
    ip::Cidr::parse(cidr).map(|cidr| matches!(cidr.network(), IpAddr::V6(_)))
}

/// A second range may join the first; nothing else changes.
fn change(new: &Object, old: &Object, errors: &mut ErrorList) {
    let (spec, before) = (part(new, "spec"), items(part(old, "spec"), "cidrs"));
    let after = items(spec, "cidrs");
    let at = At::root("spec");
    let at = at.child("cidrs");
    let joins = before.len() == 1 && after.len() == 2;
    if !joins && before.len() != after.len() {
        at.invalid(errors, spec.get("cidrs"), IMMUTABLE);
        return;
    }
    for (i, (old, new)) in before.iter().zip(after).enumerate() {
        if old != new {
            at.index(i).invalid(errors, new, IMMUTABLE);
        }
    }
    if joins {
        cidrs(spec, errors);
    }
}
