//! The address fields of a service that the cluster fills: family, policy, what an update keeps.

use portcullis_api::field::{Error, Path};
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

/// Brings `clusterIPs` in step with a `clusterIP` that was given, changed or cleared alone.
pub(super) fn sync_addresses(service: &mut Object, old: Option<&Object>) {
    let single = |service: &Object| service.str_at(&["spec", "clusterIP"]).to_owned();
    let list = |service: &Object| {
        let list = service.at(&["spec", "clusterIPs"]).and_then(Value::as_array);
        list.filter(|list| !list.is_empty()).cloned()
    };
    let (address, listed) = (single(service), list(service));
    let Some(old) = old else {
        if !address.is_empty() && listed.is_none() {
            service.set_at(&["spec", "clusterIPs"], json!([address]));
        }
        return;
    };
    let (before, listed_before) = (single(old), list(old));
    if before == address {
        if let (None, Some(kept)) = (listed, listed_before) {
            service.set_at(&["spec", "clusterIPs"], kept.into());
        }
    } else if listed == listed_before {
        if address.is_empty() {
            service.remove_at(&["spec", "clusterIPs"]);
        } else {
            service.set_at(&["spec", "clusterIPs"], json!([address]));
        }
    }
}

/// Fills policy and families; the cluster has addresses of one family only.
pub(super) fn init(service: &mut Object) -> Vec<Error> {
    if kind(service) == "ExternalName" {
        return Vec::new();
    }
    let selects =
        service.at(&["spec", "selector"]).and_then(Value::as_object).is_some_and(|map| !map.is_empty());
    let any_family = is_headless(service) && !selects;
    if service.at(&["spec", "ipFamilyPolicy"]).is_none_or(Value::is_null) {
        let policy = if any_family { "RequireDualStack" } else { "SingleStack" };
        service.set_at(&["spec", "ipFamilyPolicy"], policy.into());
    }
    let errors = unfit(service, any_family);
    if errors.is_empty() && listed(service, "ipFamilies").is_empty() {
        let single = service.str_at(&["spec", "ipFamilyPolicy"]) == "SingleStack";
        let families = if any_family && !single { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
        service.set_at(&["spec", "ipFamilies"], families);
    }
    errors
}

fn listed<'a>(service: &'a Object, field: &str) -> Vec<&'a str> {
    let list = service.at(&["spec", field]).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What was asked for and does not fit together, or not this cluster.
fn unfit(service: &Object, any_family: bool) -> Vec<Error> {
    let at = Path::new("spec");
    let policy = service.str_at(&["spec", "ipFamilyPolicy"]);
    let (families, addresses) = (listed(service, "ipFamilies"), listed(service, "clusterIPs"));
    let mut errors = Vec::new();
    let several = [(addresses.len(), "cluster IPs"), (families.len(), "IP families")];
    for (_, what) in several.into_iter().filter(|(count, _)| policy == "SingleStack" && *count == 2) {
        let words =
            format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
        errors.push(Error::invalid(&at.child("ipFamilyPolicy"), policy, words));
    }
    for (i, _) in
        addresses.iter().enumerate().filter(|(i, address)| *i >= families.len() && address.contains(':'))
    {
        let shown = service.at(&["spec", "clusterIPs"]).unwrap_or(&Value::Null);
        let path = at.child("clusterIPs").index(i);
        errors.push(Error::invalid(&path, shown, "IPv6 is not configured on this cluster"));
    }
    if !errors.is_empty() || any_family {
        return errors;
    }
    if policy == "RequireDualStack" {
        let words = "this cluster is not configured for dual-stack services";
        errors.push(Error::invalid(&at.child("ipFamilyPolicy"), policy, words));
    }
    for (i, family) in families.iter().enumerate().filter(|(_, family)| **family != "IPv4") {
        let path = at.child("ipFamilies").index(i);
        errors.push(Error::invalid(&path, *family, "not configured on this cluster"));
    }
    errors
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
