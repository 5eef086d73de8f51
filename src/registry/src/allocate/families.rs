//! The address fields of a service that the cluster fills: family, policy, what an update keeps.

use portcullis_api::{Object, Value};
use serde_json::json;

/// Whether a service of this type has an address of its own.
pub(super) fn needs_address(service: &Object) -> bool {
    kind(service) != "ExternalName" && !is_headless(service)
}

fn kind(service: &Object) -> &str {
    match service.str_at(&["spec", "type"]) {
        "" => "ClusterIP",
        kind => kind,
    }
}

fn is_headless(service: &Object) -> bool {
    service.str_at(&["spec", "clusterIP"]) == "None"
}

/// Brings `clusterIPs` in step with a `clusterIP` that was given alone.
pub(super) fn sync_addresses(service: &mut Object) {
    let address = service.str_at(&["spec", "clusterIP"]).to_owned();
    let listed =
        service.at(&["spec", "clusterIPs"]).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if !address.is_empty() && !listed && kind(service) != "ExternalName" {
        service.set_at(&["spec", "clusterIPs"], json!([address]));
    }
}

/// Fills policy and families.
pub(super) fn init(service: &mut Object) {
    if kind(service) == "ExternalName" {
        return;
    }
    let unset = |service: &Object, field: &str| {
        service
            .at(&["spec", field])
            .is_none_or(|value| value.is_null() || value.as_array().is_some_and(Vec::is_empty))
    };
    let selects =
        service.at(&["spec", "selector"]).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let any_family = is_headless(service) && !selects;
    if unset(service, "ipFamilyPolicy") {
        let policy = if any_family { "RequireDualStack" } else { "SingleStack" };
        service.set_at(&["spec", "ipFamilyPolicy"], policy.into());
    }
    if unset(service, "ipFamilies") {
        let single = service.str_at(&["spec", "ipFamilyPolicy"]) == "SingleStack";
        let families = if any_family && !single { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
        service.set_at(&["spec", "ipFamilies"], families);
    }
}

/// An update that leaves out what was allocated keeps it.
pub(super) fn keep_allocated(new: &mut Object, old: &Object) {
    let keep = |new: &mut Object, field: &str| {
        let missing = match new.at(&["spec", field]) {
            None | Some(Value::Null) => true,
            Some(Value::String(text)) => text.is_empty(),
            Some(Value::Array(list)) => list.is_empty(),
            Some(_) => false,
        };
        if let Some(value) = old.at(&["spec", field]).filter(|_| missing).cloned() {
            new.set_at(&["spec", field], value);
        }
    };
    if kind(new) != "ExternalName" && kind(old) != "ExternalName" {
        keep(new, "clusterIP");
        keep(new, "clusterIPs");
        keep(new, "ipFamilies");
        keep(new, "ipFamilyPolicy");
    }
    if super::ports::uses_node_ports(new) && super::ports::uses_node_ports(old) {
        super::ports::keep_node_ports(new, old);
    }
    if super::ports::needs_health_check_port(new) && super::ports::needs_health_check_port(old) {
        keep(new, "healthCheckNodePort");
    }
}
