//! Whom a stream would go to: a node's kubelet, a pod's address, an endpoint of a service. What is not there is refused
//! here, in upstream's words.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_admission::Reader as _;
use portcullis_api::{ApiError, GroupResource, Object, Reason, Result, Value};

use crate::call::Call;
use crate::kinds::check::{items, text};

/// `NAME`, `NAME:PORT` or `SCHEME:NAME:PORT`, as the path of a proxy names its target.
struct Named<'a> {
    name: &'a str,
    port: &'a str,
}

/// The kinds of addresses of nodes, in the order in which upstream prefers them.
const PREFERRED: [&str; 5] = ["Hostname", "InternalDNS", "InternalIP", "ExternalDNS", "ExternalIP"];

/// Where the kubelet of a node would be dialled: the node must be known, under an address.
pub(super) fn node(call: &Call<'_>, name: &str) -> Result<String> {
    let node = find(call, "nodes", "", name)?;
    let addresses = node.get("status").map_or(&[][..], |status| items(status, "addresses"));
    let of_kind = |kind: &&str| addresses.iter().find(|address| text(address, "type") == *kind);
    if let Some(address) = PREFERRED.iter().find_map(of_kind) {
        return Ok(text(address, "address").to_owned());
    }
    let known = addresses.iter().map(|one| format!("{{{} {}}}", text(one, "type"), text(one, "address")));
    let known: Vec<String> = known.collect();
    let message = format!("no preferred addresses found; known addresses: [{}]", known.join(" "));
    Err(ApiError::new(Reason::Unknown, message))
}

/// The target of `nodes|services|pods/NAME/proxy`.
pub(super) fn proxied(call: &Call<'_>) -> Result<()> {
    let kind = call.resource.gr.resource.trim_end_matches('s');
    let id = &*call.target.name;
    let named = split(id).ok_or_else(|| ApiError::bad_request(format!("invalid {kind} request {id:?}")))?;
    match kind {
        "node" => node(call, named.name).and_then(|address| proxyable(&address)),
        "service" => service(call, &named),
        _ => {
            let pod = find(call, "pods", &call.target.namespace, named.name)?;
            pod_address(&pod)
        }
    }
}

fn split(id: &str) -> Option<Named<'_>> {
    let parts: Vec<&str> = id.splitn(4, ':').collect();
    let (scheme, name, port) = match *parts {
        [name] => ("", name, ""),
        [name, port] => ("", name, port),
        [scheme, name, port] => (scheme, name, port),
        _ => return None,
    };
    (!name.is_empty() && matches!(scheme, "" | "http" | "https")).then_some(Named { name, port })
}

fn service(call: &Call<'_>, named: &Named<'_>) -> Result<()> {
    let (namespace, name) = (&*call.target.namespace, named.name);
    if let Ok(number) = named.port.parse::<i64>() {
        let service = find(call, "services", namespace, name)?;
        let mut ports = service.at(&["spec", "ports"]).and_then(Value::as_array).into_iter().flatten();
        if !ports.any(|port| port.get("port").and_then(Value::as_i64) == Some(number)) {
            return Err(absent(format!("no service port {number} found for service {name:?}")));
        }
    }
    let endpoints = find(call, "endpoints", namespace, name)?;
    let subsets = endpoints.at(&["subsets"]).and_then(Value::as_array);
    match subsets.is_some_and(|subsets| !subsets.is_empty()) {
        true => Ok(()),
        false => Err(absent(format!("no endpoints available for service {name:?}"))),
    }
}

fn absent(message: String) -> ApiError {
    ApiError::new(Reason::ServiceUnavailable, message)
}

fn pod_address(pod: &Object) -> Result<()> {
    let first = pod.at(&["status", "podIPs"]).and_then(|list| list.as_array()?.first()?.get("ip")?.as_str());
    match first.and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(address) if may_be_dialled(address) => Ok(()),
        _ => Err(not_allowed()),
    }
}

/// A node may also have a name, whose addresses are for whoever dials it to check.
fn proxyable(address: &str) -> Result<()> {
    match address.parse::<IpAddr>() {
        Ok(address) if !may_be_dialled(address) => Err(not_allowed()),
        _ => Ok(()),
    }
}

fn not_allowed() -> ApiError {
    ApiError::bad_request("address not allowed")
}

/// Neither the server itself nor its neighbours on the wire can be named by a status.
fn may_be_dialled(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let near = match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_broadcast(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !(near || address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

fn find(call: &Call<'_>, resource: &'static str, namespace: &str, name: &str) -> Result<Arc<Object>> {
    let gr = GroupResource::new("", resource);
    call.registry.get(&gr, namespace, name).ok_or_else(|| ApiError::not_found(&gr, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_target_may_carry_scheme_and_port() {
        let parts = |id| split(id).map(|named| (named.name, named.port));
        assert_eq!(parts("web"), Some(("web", "")));
        assert_eq!(parts("web:80"), Some(("web", "80")));
        assert_eq!(parts("https:web:http"), Some(("web", "http")));
        assert_eq!(parts(":web:"), Some(("web", "")));
        for odd in ["", ":80", "ftp:web:80", "http::80", "a:b:c:d"] {
            assert_eq!(parts(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_server_and_its_neighbours_are_no_pods() {
        let may = |text: &str| may_be_dialled(text.parse().unwrap());
        assert!(may("10.1.2.3") && may("fd00::1") && may("8.8.8.8"));
        for near in [
            "127.0.0.1",
            "::1",
            "0.0.0.0",
            "::",
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "224.0.0.1",
        ] {
            assert!(!may(near), "{near}");
        }
    }
}
