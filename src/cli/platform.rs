//! Bootstrap objects that depend on this server's own flags: its service and its address range.

use std::net::Ipv4Addr;

use portcullis_api::{GroupVersion, Gvr, Object, Value};
use serde_json::json;

use super::Failure;
use super::options::ServeOptions;

/// The service range and the `kubernetes` service in it.
pub(crate) fn own_objects(options: &ServeOptions) -> Result<Vec<(Gvr, Object)>, Failure> {
    let ranges = options.service_ranges()?;
    let first = Ipv4Addr::from(u32::from(ranges.addresses.network()).saturating_add(1));
    let port = options.secure_port.filter(|port| *port != 0).unwrap_or(6443);
    Ok(vec![
        object(
            "networking.k8s.io",
            "servicecidrs",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
                "metadata": { "name": "kubernetes" },
                "spec": { "cidrs": [ranges.addresses.to_string()] },
            }),
        )?,
        object(
            "",
            "services",
            json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {
                    "name": "kubernetes", "namespace": "default",
                    "labels": { "component": "apiserver", "provider": "kubernetes" },
                },
                "spec": {
                    "type": "ClusterIP", "clusterIP": first.to_string(), "clusterIPs": [first.to_string()],
                    "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
                    "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": port }],
                },
            }),
        )?,
    ])
}

fn object(group: &str, resource: &str, tree: Value) -> Result<(Gvr, Object), Failure> {
    let Value::Object(map) = tree else { return Err(Failure::new("a bootstrap object is not an object")) };
    Ok((Gvr::new(GroupVersion::new(group, "v1"), resource), Object::new(map)))
}
