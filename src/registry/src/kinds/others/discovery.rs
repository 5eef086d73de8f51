//! Endpoint slices.

use std::net::IpAddr;

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, ip, names};

use super::kind::{Kind, differs, set_generation};
use super::names::domain_name;
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, immutable_as, items, one_of, one_of_required, text, texts};
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[("discovery.k8s.io", "endpointslices", "", &KIND)];

static KIND: Kind = Kind::namespaced(meta::dns_subdomain, |new, errors| rules(new, None, errors))
    .only_change(|new, old, errors| {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        rules(new, Some(old), errors);
        immutable_as(
            "string",
            new.get("addressType"),
            old.get("addressType"),
            At::root("addressType"),
            errors,
        );
    })
    .on_create(|new| {
        set_generation(new, 1);
        drop_topology(new, None);
    })
    .on_update(|new, old| {
        if ["addressType", "endpoints", "ports", "labels"].iter().any(|field| differs(new, old, field)) {
            set_generation(new, old.generation().saturating_add(1));
        }
        drop_topology(new, Some(old));
    })
    .warns(warnings);

const ADDRESSES_MAX: usize = 100;
const PORTS_MAX: usize = 20_000;
const ENDPOINTS_MAX: usize = 1000;
const HINTS_MAX: usize = 8;

/// Version 1 has no topology; endpoints that did not change keep what they have.
fn drop_topology(new: &mut Object, old: Option<&Object>) {
    if old.is_some_and(|old| !differs(new, old, "endpoints")) {
        return;
    }
    let list = new.map_mut().get_mut("endpoints").and_then(Value::as_array_mut);
    for endpoint in list.into_iter().flatten().filter_map(Value::as_object_mut) {
        endpoint.remove("deprecatedTopology");
    }
}

fn rules(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let kind = new.str_at(&["addressType"]);
    one_of_required(kind, &["FQDN", "IPv4", "IPv6"], At::root("addressType"), errors);
    ports(part(new, "ports"), errors);
    let mut found = ErrorList::new();
    endpoints(part(new, "endpoints"), kind, &mut found);
    // What an older version let in may stay as it is.
    if old.is_none_or(|old| differs(new, old, "endpoints")) {
        errors.append(&mut found);
    }
}

fn ports(ports: &Value, errors: &mut ErrorList) {
    let at = At::root("ports");
    let list = ports.as_array().map_or(&[][..], Vec::as_slice);
    if list.len() > PORTS_MAX {
        at.too_many(errors, list.len(), PORTS_MAX);
        return;
    }
    let mut seen: Vec<&str> = Vec::new();
    for (i, port) in list.iter().enumerate() {
        let here = at.index(i);
        let name = text(port, "name");
        if !name.is_empty() {
            here.child("name").rule(errors, name, names::dns1123_label);
        }
        if seen.contains(&name) {
            here.child("name").duplicate(errors, name);
        }
        seen.push(name);
        let protocol = here.child("protocol");
        match port.get("protocol").and_then(Value::as_str) {
            None => protocol.required(errors, ""),
            Some(given) => one_of(given, &["SCTP", "TCP", "UDP"], protocol, errors),
        }
        if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
            here.child("appProtocol").rule(errors, protocol, names::qualified_name);
        }
    }
}

fn endpoints(endpoints: &Value, kind: &str, errors: &mut ErrorList) {
    let at = At::root("endpoints");
    let list = endpoints.as_array().map_or(&[][..], Vec::as_slice);
    if list.len() > ENDPOINTS_MAX {
        at.too_many(errors, list.len(), ENDPOINTS_MAX);
        return;
    }
    for (i, endpoint) in list.iter().enumerate() {
        let here = at.index(i);
        addresses(endpoint, kind, here.child("addresses"), errors);
        if let Some(node) = endpoint.get("nodeName").and_then(Value::as_str) {
            here.child("nodeName").rule(errors, node, names::dns1123_subdomain);
        }
        meta::labels(endpoint.get("deprecatedTopology"), here.child("deprecatedTopology"), errors);
        if let Some(host) = endpoint.get("hostname").and_then(Value::as_str) {
            here.child("hostname").rule(errors, host, names::dns1123_label);
        }
        if let Some(hints) = endpoint.get("hints") {
            let at = here.child("hints");
            let fit = self::hints(hints, "forZones", names::label_value, &at, errors);
            let _ = fit && self::hints(hints, "forNodes", names::dns1123_subdomain, &at, errors);
        }
    }
}

fn addresses(endpoint: &Value, kind: &str, at: At<'_>, errors: &mut ErrorList) {
    let count = items(endpoint, "addresses").len();
    if count == 0 {
        at.required(errors, "must contain at least 1 address");
    } else if count > ADDRESSES_MAX {
        at.too_many(errors, count, ADDRESSES_MAX);
    }
    for (i, address) in texts(endpoint, "addresses").enumerate() {
        let here = at.index(i);
        let (messages, wanted): (_, fn(&IpAddr) -> bool) = match kind {
            "IPv4" => (ip::legacy_address(address), IpAddr::is_ipv4),
            "IPv6" => (ip::address(address), IpAddr::is_ipv6),
            "FQDN" => {
                domain_name(address, here, errors);
                continue;
            }
            _ => continue,
        };
        if !messages.is_empty() {
            here.messages(errors, address, messages);
            continue;
        }
        let Some(parsed) = ip::parse_sloppy(address) else { continue };
        if !wanted(&parsed) {
            at.invalid(errors, address, format!("must be an {kind} address"));
        }
        not_special(parsed, address, here, errors);
    }
}

/// Endpoints are machines: not this one, nor everybody.
fn not_special(address: IpAddr, shown: &str, at: At<'_>, errors: &mut ErrorList) {
    let link_local = match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    let link_local_group = match address {
        IpAddr::V4(v4) => v4.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(v6) => v6.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        at.invalid(errors, shown, format!("may not be unspecified ({shown})"));
    }
    if address.is_loopback() {
        at.invalid(errors, shown, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        at.invalid(errors, shown, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if link_local_group {
        at.invalid(errors, shown, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

/// Hints of one sort; false when there are too many, which ends the check.
fn hints(hints: &Value, field: &str, rule: names::Rule, at: &At<'_>, errors: &mut ErrorList) -> bool {
    let at = at.child(field);
    let list = items(hints, field);
    if list.len() > HINTS_MAX {
        at.too_many(errors, list.len(), HINTS_MAX);
        return false;
    }
    let mut seen: Vec<&str> = Vec::new();
    for (i, hint) in list.iter().enumerate() {
        let here = at.index(i);
        let name = text(hint, "name");
        if seen.contains(&name) {
            here.child("name").duplicate(errors, name);
        }
        seen.push(name);
        here.child("name").rule(errors, name, rule);
    }
    true
}

fn warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    const OURS: [&str; 2] = ["endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io"];
    let mut warnings = Vec::new();
    if old.is_none() && new.str_at(&["addressType"]) == "FQDN" {
        warnings.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
    }
    let manager = new.labels().find(|(key, _)| *key == "endpointslice.kubernetes.io/managed-by");
    if manager.is_some_and(|(_, manager)| OURS.contains(&manager)) {
        return warnings;
    }
    let endpoints = part(new, "endpoints").as_array().map_or(&[][..], Vec::as_slice);
    for (i, endpoint) in endpoints.iter().enumerate() {
        let addresses = texts(endpoint, "addresses").enumerate();
        let warning = |(j, address)| ip::address_warning(&format!("endpoints[{i}].addresses[{j}]"), address);
        warnings.extend(addresses.filter_map(warning));
    }
    warnings
}
