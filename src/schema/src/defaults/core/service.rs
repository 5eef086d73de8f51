//! Defaults of services.

use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::super::tree::{at, child, each, set_empty, set_missing, str_of};

/// Three hours, as upstream.
const CLIENT_IP_TIMEOUT: i64 = 10800;

pub(super) fn service(object: &mut Object) {
    let Some(spec) = child(object.map_mut(), "spec") else { return };
    affinity(spec);
    set_empty(spec, "type", "ClusterIP");
    each(spec, "ports", port);
    let kind = str_of(spec, "type").to_owned();
    let balanced = kind == "LoadBalancer";
    let external = balanced
        || kind == "NodePort"
        || (kind == "ClusterIP"
            && spec.get("externalIPs").and_then(Value::as_array).is_some_and(|l| !l.is_empty()));
    if external {
        set_empty(spec, "externalTrafficPolicy", "Cluster");
    }
    if balanced || kind == "NodePort" || kind == "ClusterIP" {
        set_missing(spec, "internalTrafficPolicy", "Cluster");
    }
    if balanced {
        set_missing(spec, "allocateLoadBalancerNodePorts", true);
        if let Some(balancer) = at(object.map_mut(), &["status", "loadBalancer"]) {
            each(balancer, "ingress", ingress);
        }
    }
}

fn affinity(spec: &mut Map<String, Value>) {
    set_empty(spec, "sessionAffinity", "None");
    match str_of(spec, "sessionAffinity") {
        "None" => {
            spec.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let timeout =
                spec.get("sessionAffinityConfig").and_then(|c| c.get("clientIP")?.get("timeoutSeconds"));
            if timeout.is_none() {
                let config = json!({"clientIP": {"timeoutSeconds": CLIENT_IP_TIMEOUT}});
                spec.insert("sessionAffinityConfig".into(), config);
            }
        }
        _ => {}
    }
}

fn port(port: &mut Map<String, Value>) {
    set_empty(port, "protocol", "TCP");
    let missing = match port.get("targetPort") {
        None => true,
        Some(Value::String(name)) => name.is_empty(),
        Some(number) => number.as_i64() == Some(0),
    };
    if missing {
        let number = port.get("port").cloned().unwrap_or_else(|| 0.into());
        port.insert("targetPort".into(), number);
    }
}

fn ingress(ingress: &mut Map<String, Value>) {
    if !str_of(ingress, "ip").is_empty() {
        set_missing(ingress, "ipMode", "VIP");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(spec: Value) -> Value {
        let mut object = Object::default();
        object.set_at(&["spec"], spec);
        service(&mut object);
        object.get("spec").cloned().unwrap()
    }

    #[test]
    fn a_plain_service_is_cluster_internal() {
        assert_eq!(
            defaulted(json!({"ports": [{"port": 80, "targetPort": 0}]})),
            json!({"ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "sessionAffinity": "None",
                "type": "ClusterIP", "internalTrafficPolicy": "Cluster"})
        );
    }

    #[test]
    fn client_affinity_gets_a_timeout_unless_it_has_one() {
        let spec = defaulted(json!({"sessionAffinity": "ClientIP", "type": "ExternalName"}));
        assert_eq!(spec.pointer("/sessionAffinityConfig/clientIP/timeoutSeconds"), Some(&json!(10800)));
        let spec = defaulted(
            json!({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}}),
        );
        assert_eq!(spec.pointer("/sessionAffinityConfig/clientIP/timeoutSeconds"), Some(&json!(0)));
    }
}
