//! Ingresses.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, ip, names};
use serde_json::json;

use crate::kinds::check::{At, int, items, legacy_ip, text};
use crate::kinds::meta;
use crate::kinds::others::kind::{Kind, Status, meta_change};
use crate::kinds::others::tree::{part, sub};

/// Ingresses themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create)
    .only_change(update)
    .status(|| json!({ "loadBalancer": {} }))
    .generation(&["spec"])
    .warns(class_warning);

/// Their status.
pub(super) static STATUS: Status = Status::new(status).warns(address_warnings);

const CLASS: &str = "kubernetes.io/ingress.class";
const NOT_AN_IP: &str = "must be a DNS name, not an IP address";
const BAD_PARTS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDS: [&str; 2] = ["/..", "/."];

/// What an object may keep that a new one could not have.
#[derive(Clone, Copy, Default)]
struct Leniency {
    secret_names: bool,
    wildcard_rules: bool,
}

fn class_annotation(ingress: &Object) -> Option<&str> {
    ingress.annotations().find(|(key, _)| *key == CLASS).map(|(_, value)| value)
}

fn create(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), Leniency::default(), errors);
    let class = new.at(&["spec", "ingressClassName"]).and_then(Value::as_str);
    if let (Some(annotation), Some(class)) = (class_annotation(new), class)
        && annotation != class
    {
        let at = At::root("annotations");
        at.child(CLASS).invalid(errors, annotation, "must match `ingressClassName` when both are specified");
    }
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    meta::object_meta(new, true, meta::dns_subdomain, errors);
    spec(part(new, "spec"), leniency(part(old, "spec")), errors);
}

fn leniency(old: &Value) -> Leniency {
    let odd_secret = |tls: &Value| !secret_name(tls).is_empty();
    let odd_rule = |rule: &Value| {
        let mut errors = ErrorList::new();
        rule_value(rule, &At::root("rule"), &mut errors);
        text(rule, "host").contains('*') && !errors.is_empty()
    };
    Leniency {
        secret_names: items(old, "tls").iter().any(odd_secret),
        wildcard_rules: items(old, "rules").iter().any(odd_rule),
    }
}

fn secret_name(tls: &Value) -> Vec<String> {
    match text(tls, "secretName") {
        "" => Vec::new(),
        name => names::dns1123_subdomain(name),
    }
}

fn spec(spec: &Value, leniency: Leniency, errors: &mut ErrorList) {
    let at = At::root("spec");
    let backend = spec.get("defaultBackend");
    let list = items(spec, "rules");
    if list.is_empty() && backend.is_none() {
        at.invalid(errors, spec.get("rules"), "either `defaultBackend` or `rules` must be specified");
    }
    if let Some(service) = backend {
        self::backend(service, &at.child("defaultBackend"), errors);
    }
    rules(list, leniency, at.child("rules"), errors);
    tls(items(spec, "tls"), leniency, at.child("tls"), errors);
    if let Some(class) = spec.get("ingressClassName").and_then(Value::as_str) {
        at.child("ingressClassName").rule(errors, class, names::dns1123_subdomain);
    }
}

fn rules(rules: &[Value], leniency: Leniency, at: At<'_>, errors: &mut ErrorList) {
    for (i, rule) in rules.iter().enumerate() {
        let here = at.index(i);
        let host = text(rule, "host");
        if !host.is_empty() {
            if ip::parse_sloppy(host).is_some() {
                here.child("host").invalid(errors, host, NOT_AN_IP);
            }
            self::host(host, here.child("host"), errors);
        }
        if !host.contains('*') || !leniency.wildcard_rules {
            rule_value(rule, &here, errors);
        }
    }
}

fn host(host: &str, at: At<'_>, errors: &mut ErrorList) {
    if host.contains('*') {
        at.rule(errors, host, names::wildcard_dns1123_subdomain);
    } else {
        at.rule(errors, host, names::dns1123_subdomain);
    }
}

fn tls(list: &[Value], leniency: Leniency, at: At<'_>, errors: &mut ErrorList) {
    for (i, tls) in list.iter().enumerate() {
        let here = at.index(i);
        let hosts = here.child("hosts");
        for (i, name) in crate::kinds::check::texts(tls, "hosts").enumerate() {
            host(name, hosts.index(i), errors);
        }
        if !leniency.secret_names {
            here.child("secretName").messages(errors, text(tls, "secretName"), secret_name(tls));
        }
    }
}

fn rule_value(rule: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(http) = rule.get("http") else { return };
    let at = at.child("http");
    let at = at.child("paths");
    let paths = items(http, "paths");
    if paths.is_empty() {
        at.required(errors, "");
    }
    for (i, path) in paths.iter().enumerate() {
        self::path(path, &at.index(i), errors);
    }
}

fn path(path: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(r#type) = path.get("pathType").and_then(Value::as_str) else {
        at.child("pathType").required(errors, "pathType must be specified");
        return;
    };
    let place = text(path, "path");
    let here = at.child("path");
    match r#type {
        "Exact" | "Prefix" => plain_path(place, here, errors),
        "ImplementationSpecific" if !place.is_empty() && !place.starts_with('/') => {
            here.invalid(errors, place, "must be an absolute path");
        }
        "ImplementationSpecific" => {}
        other => {
            at.child("pathType").not_supported(errors, other, &["Exact", "ImplementationSpecific", "Prefix"])
        }
    }
    backend(sub(path, "backend"), &at.child("backend"), errors);
}

fn plain_path(path: &str, at: At<'_>, errors: &mut ErrorList) {
    if !path.starts_with('/') {
        at.invalid(errors, path, "must be an absolute path");
    }
    for bad in BAD_PARTS.iter().filter(|bad| path.contains(**bad)) {
        at.invalid(errors, path, format!("must not contain '{bad}'"));
    }
    for bad in BAD_ENDS.iter().filter(|bad| path.ends_with(**bad)) {
        at.invalid(errors, path, format!("cannot end with '{bad}'"));
    }
}

fn backend(backend: &Value, at: &At<'_>, errors: &mut ErrorList) {
    match (backend.get("resource"), backend.get("service")) {
        (Some(_), Some(_)) => at.invalid(errors, "", "cannot set both resource and service backends"),
        (Some(resource), None) => reference(resource, &at.child("resource"), errors),
        (None, Some(service)) => self::service(service, at, errors),
        (None, None) => at.invalid(errors, "", "resource or service backend is required"),
    }
}

/// A reference to an object of the same namespace.
pub(super) fn reference(reference: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(group) = reference.get("apiGroup").and_then(Value::as_str) {
        at.child("apiGroup").rule(errors, group, names::dns1123_subdomain);
    }
    for field in ["kind", "name"] {
        crate::kinds::check::required_name(reference, field, names::path_segment_name, at, errors);
    }
}

fn service(service: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let here = at.child("service");
    crate::kinds::check::required_name(service, "name", names::dns1123_label, &here, errors);
    let port = sub(service, "port");
    let (name, number) = (text(port, "name"), int(port, "number"));
    let here = here.child("port");
    match (name, number) {
        ("", 0) => at.required(errors, "port name or number is required"),
        ("", number) => {
            for message in names::port_number(number) {
                here.child("number").invalid(errors, number, message);
            }
        }
        (name, 0) => here.child("name").rule(errors, name, names::port_name),
        _ => at.invalid(errors, "", "cannot set both port name & port number"),
    }
}

fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta_change(new, old, errors);
    let points = |ingress: &'_ Object| -> Vec<Value> {
        let list = ingress.at(&["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let before = points(old);
    let kept: Vec<&str> = before.iter().map(|point| text(point, "ip")).filter(|ip| !ip.is_empty()).collect();
    let at = At::root("status");
    let at = at.child("loadBalancer");
    let at = at.child("ingress");
    for (i, point) in points(new).iter().enumerate() {
        let here = at.index(i);
        let (address, hostname) = (text(point, "ip"), text(point, "hostname"));
        if !address.is_empty() {
            legacy_ip(address, &kept, here.child("ip"), errors);
        }
        if !hostname.is_empty() {
            here.child("hostname").rule(errors, hostname, names::dns1123_subdomain);
            if ip::parse_sloppy(hostname).is_some() {
                here.child("hostname").invalid(errors, hostname, NOT_AN_IP);
            }
        }
    }
}

fn class_warning(new: &Object, old: Option<&Object>) -> Vec<String> {
    let named = new.at(&["spec", "ingressClassName"]).is_some();
    let old_fashioned = old.is_none() && !named && class_annotation(new).is_some();
    let words = format!("annotation \"{CLASS}\" is deprecated, please use 'spec.ingressClassName' instead");
    if old_fashioned { vec![words] } else { Vec::new() }
}

fn address_warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let points = new.at(&["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
    let points = points.into_iter().flatten().map(|point| text(point, "ip")).enumerate();
    let warning = |(i, address): (usize, &str)| {
        ip::address_warning(&format!("status.loadBalancer.ingress[{i}]"), address)
    };
    points.filter(|(_, address)| !address.is_empty()).filter_map(warning).collect()
}
