//! Endpoints.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, ip, names};

use super::super::check::{At, int, items, legacy_ip, one_of_required, optional_name, text};
use super::super::meta;
use crate::strategy::Strategy;

/// Endpoints.
pub(crate) struct Endpoints;

impl Strategy for Endpoints {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        subsets(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        if new.get("subsets") != old.get("subsets") {
            subsets(new, errors);
        }
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        let managed =
            |(key, value)| key == "endpoints.kubernetes.io/managed-by" && value == "endpoint-controller";
        if new.labels().any(managed) {
            return Vec::new();
        }
        let mut warnings = Vec::new();
        for (i, subset) in list(new).iter().enumerate() {
            for field in ["addresses", "notReadyAddresses"] {
                for (j, address) in items(subset, field).iter().enumerate() {
                    let path = format!("subsets[{i}].{field}[{j}].ip");
                    warnings.extend(ip::address_warning(&path, text(address, "ip")));
                }
            }
        }
        warnings
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

fn list(endpoints: &Object) -> &[Value] {
    endpoints.get("subsets").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn subsets(endpoints: &Object, errors: &mut ErrorList) {
    let at = At::root("subsets");
    for (i, subset) in list(endpoints).iter().enumerate() {
        let here = at.index(i);
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| items(subset, list).is_empty()) {
            here.required(errors, "must specify `addresses` or `notReadyAddresses`");
        }
        for list in lists {
            let list_at = here.child(list);
            for (j, address) in items(subset, list).iter().enumerate() {
                self::address(address, list_at.index(j), errors);
            }
        }
        let ports = items(subset, "ports");
        let ports_at = here.child("ports");
        for (j, port) in ports.iter().enumerate() {
            self::port(port, ports.len() > 1, ports_at.index(j), errors);
        }
    }
}

fn address(address: &Value, at: At<'_>, errors: &mut ErrorList) {
    let value = text(address, "ip");
    legacy_ip(value, &[], at.child("ip"), errors);
    optional_name(address, "hostname", names::dns1123_label, &at, errors);
    if let Some(node) = address.get("nodeName").and_then(Value::as_str) {
        at.child("nodeName").rule(errors, node, names::dns1123_subdomain);
    }
    reachable(value, at.child("ip"), errors);
}

/// An address that traffic may be sent to.
pub(crate) fn reachable(value: &str, at: At<'_>, errors: &mut ErrorList) {
    let Some(address) = ip::parse_sloppy(value) else {
        at.invalid(errors, value, "must be a valid IP address");
        return;
    };
    if address.is_unspecified() {
        at.invalid(errors, value, format!("may not be unspecified ({value})"));
    }
    if address.is_loopback() {
        at.invalid(errors, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    let (unicast, multicast) = match address {
        std::net::IpAddr::V4(v4) => (v4.is_link_local(), matches!(v4.octets(), [224, 0, 0, _])),
        std::net::IpAddr::V6(v6) => {
            let [first, second, ..] = v6.octets();
            (v6.is_unicast_link_local(), first == 0xff && second & 0x0f == 0x02)
        }
    };
    if unicast {
        at.invalid(errors, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    }
    if multicast {
        at.invalid(errors, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
    }
}

fn port(port: &Value, named: bool, at: At<'_>, errors: &mut ErrorList) {
    match text(port, "name") {
        "" if named => at.child("name").required(errors, ""),
        "" => {}
        name => at.child("name").rule(errors, name, names::dns1123_label),
    }
    let number = int(port, "port");
    for message in names::port_number(number) {
        at.child("port").invalid(errors, number, message);
    }
    one_of_required(text(port, "protocol"), &["SCTP", "TCP", "UDP"], at.child("protocol"), errors);
    if let Some(protocol) = port.get("appProtocol").and_then(Value::as_str) {
        at.child("appProtocol").rule(errors, protocol, names::qualified_name);
    }
}
