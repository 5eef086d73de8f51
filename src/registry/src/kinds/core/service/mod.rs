//! Services. Addresses and ports are assigned before the rules run; the rules check the result.

pub(crate) mod addresses;
mod ports;
mod traffic;
mod types;
mod update;
mod warnings;

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value, ip, names};

use super::super::check::{At, items, legacy_ip, one_of, text, texts};
use super::super::meta;
use super::keep;
use crate::strategy::Strategy;

/// Services.
pub(crate) struct Services;
/// `services/status`.
pub(crate) struct ServiceStatus;

impl Strategy for Services {
    fn prepare_create(&self, new: &mut Object) {
        clear_status(new);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
        types::drop_fields(new, old);
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_label, errors);
        service(new, None, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        update::rules(super::spec(new), super::spec(old), errors);
        service(new, Some(old), errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        warnings::of(new)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }
}

impl Strategy for ServiceStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        let status = At::root("status");
        balancer(new, old, status.child("loadBalancer"), errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        let ingress = ingress(new).iter().enumerate();
        ingress
            .filter_map(|(i, entry)| {
                let address = text(entry, "ip");
                ip::address_warning(&format!("status.loadBalancer.ingress[{i}]"), address)
            })
            .collect()
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

/// A status that says nothing.
fn clear_status(service: &mut Object) {
    let mut status = Map::new();
    status.insert("loadBalancer".into(), Value::Object(Map::new()));
    service.map_mut().insert("status".into(), Value::Object(status));
}

fn service(new: &Object, old: Option<&Object>, errors: &mut ErrorList) {
    let spec = super::spec(new);
    let at = At::root("spec");
    topology(new, errors);
    if items(spec, "ports").is_empty() && !types::is_headless(spec) && text(spec, "type") != "ExternalName" {
        at.child("ports").required(errors, "");
    }
    types::rules(spec, &at, errors);
    ports::rules(spec, at.child("ports"), errors);
    meta::labels(spec.get("selector"), at.child("selector"), errors);
    traffic::affinity(spec, &at, errors);
    addresses::related(spec, old.map(super::spec), errors);
    addresses::external(spec, old.map(super::spec), at.child("externalIPs"), errors);
    match text(spec, "type") {
        "" => at.child("type").required(errors, ""),
        kind => one_of(kind, &types::TYPES, at.child("type"), errors),
    }
    ports::numbers(spec, at.child("ports"), errors);
    addresses::source_ranges(new, old, &at, errors);
    types::balancer_fields(spec, &at, errors);
    traffic::policies(spec, &at, errors);
}

/// The old and the new annotation for topology must agree.
fn topology(service: &Object, errors: &mut ErrorList) {
    const HINTS: &str = "service.kubernetes.io/topology-aware-hints";
    const MODE: &str = "service.kubernetes.io/topology-mode";
    let value = |wanted: &str| service.annotations().find(|(key, _)| *key == wanted).map(|(_, value)| value);
    if let (Some(hints), Some(mode)) = (value(HINTS), value(MODE))
        && hints != mode
    {
        let metadata = At::root("metadata");
        let words = format!("must match annotations[{HINTS}] when both are specified");
        metadata.child("annotations").key(MODE).invalid(errors, mode, words);
    }
}

fn ingress(service: &Object) -> &[Value] {
    let list = service.at(&["status", "loadBalancer", "ingress"]).and_then(Value::as_array);
    list.map_or(&[], Vec::as_slice)
}

fn balancer(new: &Object, old: &Object, at: At<'_>, errors: &mut ErrorList) {
    let list = at.child("ingress");
    if new.str_at(&["spec", "type"]) != "LoadBalancer" && !ingress(new).is_empty() {
        list.forbidden(errors, "may only be used when `spec.type` is 'LoadBalancer'");
        return;
    }
    let kept: Vec<&str> =
        ingress(old).iter().map(|entry| text(entry, "ip")).filter(|a| !a.is_empty()).collect();
    for (i, entry) in ingress(new).iter().enumerate() {
        let here = list.index(i);
        let address = text(entry, "ip");
        if !address.is_empty() {
            legacy_ip(address, &kept, here.child("ip"), errors);
        }
        match (entry.get("ipMode").and_then(Value::as_str), address) {
            (None, "") => {}
            (None, _) => here.child("ipMode").required(errors, "must be specified when `ip` is set"),
            (Some(_), "") => {
                here.child("ipMode").forbidden(errors, "may not be specified when `ip` is not set")
            }
            (Some(mode), _) => one_of(mode, &["Proxy", "VIP"], here.child("ipMode"), errors),
        }
        let name = text(entry, "hostname");
        if !name.is_empty() {
            here.child("hostname").rule(errors, name, names::dns1123_subdomain);
            if ip::parse_sloppy(name).is_some() {
                here.child("hostname").invalid(errors, name, "must be a DNS name, not an IP address");
            }
        }
    }
}

/// The values of a list of texts.
fn list<'a>(spec: &'a Value, field: &str) -> Vec<&'a str> {
    texts(spec, field).collect()
}
