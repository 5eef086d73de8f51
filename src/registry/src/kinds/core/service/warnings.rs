//! What is accepted in a service but probably not meant.

use portcullis_api::{Object, Value, ip};

use super::super::super::check::{items, text, texts};

const HINTS: &str = "service.kubernetes.io/topology-aware-hints";

/// The warnings a service gets.
pub(super) fn of(service: &Object) -> Vec<String> {
    let spec = super::super::spec(service);
    let mut found = Vec::new();
    if service.annotations().any(|(key, _)| key == HINTS) {
        let words = "is deprecated, please use service.kubernetes.io/topology-mode instead";
        found.push(format!("annotation {HINTS} {words}"));
    }
    if !matches!(text(spec, "clusterIP"), "" | "None") {
        addresses(spec, "clusterIPs", &mut found);
    }
    let headless = text(spec, "type") == "ClusterIP" && text(spec, "clusterIP") == "None";
    if headless {
        ignored(spec, &mut found);
    }
    addresses(spec, "externalIPs", &mut found);
    let external_name = text(spec, "type") == "ExternalName";
    let external = !items(spec, "externalIPs").is_empty();
    if external && !headless && !external_name {
        found.push(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters".to_owned(),
        );
    }
    let balancer = text(spec, "loadBalancerIP");
    if !balancer.is_empty() {
        found.extend(ip::address_warning("spec.loadBalancerIP", balancer));
    }
    for (i, range) in texts(spec, "loadBalancerSourceRanges").enumerate() {
        found.extend(ip::cidr_warnings(&format!("spec.loadBalancerSourceRanges[{i}]"), range));
    }
    if external_name && external {
        found.push("spec.externalIPs is ignored when spec.type is \"ExternalName\"".to_owned());
    }
    if !external_name && !text(spec, "externalName").is_empty() {
        found.push("spec.externalName is ignored when spec.type is not \"ExternalName\"".to_owned());
    }
    if text(spec, "trafficDistribution") == "PreferClose" {
        let words = "\"PreferClose\" is deprecated; use \"PreferSameZone\"";
        found.push(format!("spec.trafficDistribution: {words}"));
    }
    found
}

fn addresses(spec: &Value, field: &str, found: &mut Vec<String>) {
    for (i, address) in texts(spec, field).enumerate() {
        found.extend(ip::address_warning(&format!("spec.{field}[{i}]"), address));
    }
}

fn ignored(spec: &Value, found: &mut Vec<String>) {
    if !text(spec, "loadBalancerIP").is_empty() {
        found.push("spec.loadBalancerIP is ignored for headless services".to_owned());
    }
    if !items(spec, "externalIPs").is_empty() {
        found.push("spec.externalIPs is ignored for headless services".to_owned());
    }
    if text(spec, "sessionAffinity") != "None" {
        found.push("spec.SessionAffinity is ignored for headless services".to_owned());
    }
}
