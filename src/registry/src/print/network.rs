//! The rows of services and of what routes traffic.

use std::collections::BTreeSet;

use serde_json::Value;

use super::selector::{label_selector, labels};
use super::tree::{Tree, first_few, joined};
use super::{Printer, Row, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "ingresses" => ingress,
        "ingressclasses" => ingress_class,
        "networkpolicies" => network_policy,
        "ipaddresses" => ip_address,
        "servicecidrs" => service_cidr,
        "endpointslices" => endpoint_slice,
        _ => plain,
    }
}

pub(super) fn service(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let ip = spec.get("clusterIPs").nth(0);
    vec![
        row.name(),
        spec.get("type").cell(),
        if ip.exists() { ip.cell() } else { "<none>".into() },
        external_ip(row).into(),
        or_none(spec.get("ports").list().map(service_port).collect::<Vec<_>>().join(",")).into(),
        row.age(),
        labels(spec.get("selector")).into(),
    ]
}

fn external_ip(row: Row<'_>) -> String {
    let external = joined(row.at(&["spec", "externalIPs"]).texts(), ",");
    match row.at(&["spec", "type"]).text() {
        "ClusterIP" | "NodePort" => or_none(external),
        "LoadBalancer" => {
            let balancer = balancer_addresses(row);
            let both =
                joined([balancer.as_str(), external.as_str()].into_iter().filter(|s| !s.is_empty()), ",");
            if both.is_empty() { "<pending>".to_owned() } else { both }
        }
        "ExternalName" => row.at(&["spec", "externalName"]).text().to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn service_port(port: Tree<'_>) -> String {
    let (number, protocol) = (port.get("port").int(), port.get("protocol").text());
    match port.get("nodePort").int() {
        node_port if node_port > 0 => format!("{number}:{node_port}/{protocol}"),
        _ => format!("{number}/{protocol}"),
    }
}

/// Sorted, each once.
fn balancer_addresses(row: Row<'_>) -> String {
    let points = row.at(&["status", "loadBalancer", "ingress"]).list();
    let addresses: BTreeSet<&str> = points
        .map(|point| point.get("ip").text_or(point.get("hostname").text()))
        .filter(|address| !address.is_empty())
        .collect();
    joined(addresses.into_iter(), ",")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text }
}

pub(super) fn endpoints(row: Row<'_>) -> Vec<Value> {
    let subsets = row.object.get("subsets");
    let mut shown = Vec::new();
    for subset in subsets.list() {
        let ports = subset.get("ports");
        let ips = subset.get("addresses").list().map(|a| a.get("ip").text());
        if ports.len() == 0 {
            shown.extend(ips.clone().map(str::to_owned));
        }
        for port in ports.list() {
            let port = port.get("port").int();
            shown.extend(ips.clone().map(|ip| host_port(ip, port)));
        }
    }
    let text = match (subsets.len(), shown.is_empty()) {
        (0, _) => "<none>".to_owned(),
        (_, true) => String::new(),
        _ => first_few(&shown, 3),
    };
    vec![row.name(), text.into(), row.age()]
}

fn host_port(ip: &str, port: i64) -> String {
    if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }
}

fn endpoint_slice(row: Row<'_>) -> Vec<Value> {
    let port = |port: Tree<'_>| {
        let number = port.get("port");
        let name = port.get("name");
        match (number.exists(), name.exists()) {
            (true, _) => number.int().to_string(),
            (false, true) => name.text().to_owned(),
            (false, false) => "*".to_owned(),
        }
    };
    let ports: Vec<String> = row.object.get("ports").list().map(port).collect();
    let endpoints = row.object.get("endpoints").list();
    let addresses: Vec<String> =
        endpoints.flat_map(|e| e.get("addresses").texts().map(str::to_owned).collect::<Vec<_>>()).collect();
    vec![
        row.name(),
        row.object.get("addressType").cell(),
        first_few(&ports, 3).into(),
        first_few(&addresses, 3).into(),
        row.age(),
    ]
}

fn ingress(row: Row<'_>) -> Vec<Value> {
    let class = row.at(&["spec", "ingressClassName"]);
    let ports = if row.at(&["spec", "tls"]).len() == 0 { "80" } else { "80, 443" };
    vec![
        row.name(),
        if class.exists() { class.cell() } else { "<none>".into() },
        hosts(row).into(),
        balancer_addresses(row).into(),
        ports.into(),
        row.age(),
    ]
}

fn hosts(row: Row<'_>) -> String {
    const SHOWN: usize = 3;
    let rules = row.at(&["spec", "rules"]);
    let mut hosts = Vec::new();
    let mut more = false;
    for rule in rules.list() {
        if hosts.len() == SHOWN {
            more = true;
            break;
        }
        hosts.extend(Some(rule.get("host").text()).filter(|host| !host.is_empty()));
    }
    match (hosts.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (false, false) => hosts.join(","),
        (false, true) => format!("{} + {} more...", hosts.join(","), rules.len().saturating_sub(SHOWN)),
    }
}

fn ingress_class(row: Row<'_>) -> Vec<Value> {
    let parameters = row.at(&["spec", "parameters"]);
    let group = parameters.get("apiGroup");
    let kind = parameters.get("kind").text();
    let kind = if group.exists() { format!("{kind}.{}", group.text()) } else { kind.to_owned() };
    let parameters = if parameters.exists() {
        format!("{kind}/{}", parameters.get("name").text())
    } else {
        "<none>".to_owned()
    };
    let is_default =
        row.at(&["metadata", "annotations", "ingressclass.kubernetes.io/is-default-class"]).is("true");
    let name = super::storage::default_name(row, is_default);
    vec![name, row.at(&["spec", "controller"]).cell(), parameters.into(), row.age()]
}

fn network_policy(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), label_selector(row.at(&["spec", "podSelector"])).into(), row.age()]
}

/// Upstream sends an age in a third cell, for which it declares no column.
fn ip_address(row: Row<'_>) -> Vec<Value> {
    let parent = row.at(&["spec", "parentRef"]);
    vec![row.name(), parent_name(parent).into(), row.age()]
}

fn parent_name(parent: Tree<'_>) -> String {
    if !parent.exists() {
        return "<none>".to_owned();
    }
    let mut name = parent.get("resource").text().to_lowercase();
    for (separator, part) in
        [('.', parent.get("group").text().to_lowercase()), ('/', parent.get("namespace").scalar())]
    {
        if !part.is_empty() {
            name.push(separator);
            name.push_str(&part);
        }
    }
    format!("{name}/{}", parent.get("name").text())
}

fn service_cidr(row: Row<'_>) -> Vec<Value> {
    vec![row.name(), joined(row.at(&["spec", "cidrs"]).texts(), ",").into(), row.age()]
}
