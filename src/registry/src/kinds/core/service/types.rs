//! What follows from the type of a service.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, names};

use super::super::super::check::{At, int, items, text, texts};

pub(super) const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

/// A service whose name stands for its endpoints.
pub(super) fn is_headless(spec: &Value) -> bool {
    matches!(items(spec, "clusterIPs"), [only] if only.as_str() == Some("None"))
}

/// Whether traffic from outside can reach the service.
pub(super) fn is_external(spec: &Value) -> bool {
    match text(spec, "type") {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !items(spec, "externalIPs").is_empty(),
        _ => false,
    }
}

/// Whether a balancer asks each node if it has endpoints.
pub(super) fn needs_health_check(spec: &Value) -> bool {
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

/// The rules that depend on the type.
pub(super) fn rules(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match text(spec, "type") {
        kind @ ("LoadBalancer" | "NodePort") if is_headless(spec) => {
            let words = format!("may not be set to 'None' for {kind} services");
            at.child("clusterIPs").index(0).invalid(errors, "None", words);
        }
        "ExternalName" => external_name(spec, at, errors),
        _ => {}
    }
}

fn external_name(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let set = |field: &str| match spec.get(field) {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if set(field) {
            at.child(field).forbidden(errors, "may not be set for ExternalName services");
        }
    }
    let name = text(spec, "externalName");
    match name.strip_suffix('.').unwrap_or(name) {
        "" => at.child("externalName").required(errors, ""),
        name => at.child("externalName").rule(errors, name, names::dns1123_subdomain),
    }
}

/// Fields that only load balancers have.
pub(super) fn balancer_fields(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let balanced = text(spec, "type") == "LoadBalancer";
    match spec.get("allocateLoadBalancerNodePorts") {
        Some(_) if !balanced => {
            let words = "may only be used when `type` is 'LoadBalancer'";
            at.child("allocateLoadBalancerNodePorts").forbidden(errors, words);
        }
        None if balanced => At::root("allocateLoadBalancerNodePorts").required(errors, ""),
        _ => {}
    }
    balancer_class(spec, at, errors);
}

/// The class of the balancer.
pub(super) fn balancer_class(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(class) = spec.get("loadBalancerClass").and_then(Value::as_str) else { return };
    let here = at.child("loadBalancerClass");
    if text(spec, "type") == "LoadBalancer" {
        here.rule(errors, class, names::qualified_name);
    } else {
        here.forbidden(errors, "may only be used when `type` is 'LoadBalancer'");
    }
}

/// When the type changes, fields of the old type that were not touched go with it.
pub(super) fn drop_fields(new: &mut Object, old: &Object) {
    let old = super::super::spec(old);
    let Some(spec) = new.map_mut().get_mut("spec") else { return };
    let gone = fields_to_drop(spec, old);
    let ports = has_node_ports(old) && !has_node_ports(spec) && keeps_node_ports(spec, old);
    let balanced = text(spec, "type") == "LoadBalancer";
    if let Some(map) = spec.as_object_mut() {
        map.retain(|field, _| !gone.contains(&field.as_str()));
        for port in map.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(port) = port.as_object_mut().filter(|_| ports) {
                port.remove("nodePort");
            }
        }
    }
    if new.str_at(&["spec", "type"]) == "ExternalName" {
        new.remove_at(&["spec", "internalTrafficPolicy"]);
    }
    if !balanced {
        new.set_at(&["status", "loadBalancer"], Value::Object(Map::new()));
    }
}

fn fields_to_drop(new: &Value, old: &Value) -> Vec<&'static str> {
    let same = |field: &str| new.get(field) == old.get(field);
    let lost = |had: bool, has: bool| had && !has;
    let mut gone = Vec::new();
    let addressed = |spec: &Value| text(spec, "type") != "ExternalName";
    if lost(addressed(old), addressed(new)) {
        if same("clusterIP") && same("clusterIPs") {
            gone.extend(["clusterIP", "clusterIPs"]);
        }
        gone.extend(["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|field| same(field)));
    }
    let balanced = |spec: &Value| text(spec, "type") == "LoadBalancer";
    if lost(needs_health_check(old), needs_health_check(new)) && same("healthCheckNodePort") {
        gone.push("healthCheckNodePort");
    }
    if lost(balanced(old), balanced(new)) {
        let fields = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        gone.extend(fields.into_iter().filter(|field| same(field)));
    }
    if lost(is_external(old), is_external(new)) && same("externalTrafficPolicy") {
        gone.push("externalTrafficPolicy");
    }
    gone
}

fn has_node_ports(spec: &Value) -> bool {
    matches!(text(spec, "type"), "NodePort" | "LoadBalancer")
}

/// Whether all ports of nodes the new service names were the old one's.
fn keeps_node_ports(new: &Value, old: &Value) -> bool {
    let numbers =
        |spec: &'_ Value| -> Vec<i64> { items(spec, "ports").iter().map(|p| int(p, "nodePort")).collect() };
    let before = numbers(old);
    numbers(new).iter().all(|number| *number == 0 || before.contains(number))
}

/// The addresses of a service.
pub(super) fn cluster_ips(spec: &Value) -> Vec<&str> {
    texts(spec, "clusterIPs").collect()
}
