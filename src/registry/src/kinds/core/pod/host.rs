//! What a pod shares with its host, its names and its DNS.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, flag, int, items, legacy_ip, text, texts};
use super::options::Options;
use super::spec::{host_users, on_host_network, visit};

const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_CHARS_MAX: usize = 2048;
const HOSTNAME_MAX: usize = 64;

/// On the host's network a container's port is the host's port.
pub(super) fn network_ports(spec: &Value, options: Options, at: At<'_>, errors: &mut ErrorList) {
    if !on_host_network(spec) {
        return;
    }
    let list = at.child("containers");
    for (c, container) in items(spec, "containers").iter().enumerate() {
        let here = list.index(c);
        let ports = here.child("ports");
        for (p, port) in items(container, "ports").iter().enumerate() {
            let (host, own) = (int(port, "hostPort"), int(port, "containerPort"));
            if (options.is_pod || host != 0) && host != own {
                let words = "must match `containerPort` when `hostNetwork` is true";
                ports.index(p).child("hostPort").invalid(errors, host, words);
            }
        }
    }
}

/// A pod with users of its own shares little else with the host.
pub(super) fn users(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if host_users(spec) {
        return;
    }
    let words = "when `hostUsers` is false";
    for (flagged, shown) in [("hostNetwork", "hostNetwork"), ("hostPID", "HostPID"), ("hostIPC", "HostIPC")] {
        if flag(spec, flagged) {
            at.child(shown).forbidden(errors, words);
        }
    }
    visit(spec, at, |container, here| {
        if !items(container, "volumeDevices").is_empty() {
            here.child("volumeDevices").forbidden(errors, words);
        }
    });
}

/// A hostname that replaces the one made from the pod's name.
pub(super) fn hostname_override(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let Some(name) = spec.get("hostnameOverride").and_then(Value::as_str) else { return };
    let here = at.child("hostnameOverride");
    if flag(spec, "setHostnameAsFQDN") {
        here.forbidden(errors, "may not be specified when setHostnameAsFQDN is true");
    }
    if on_host_network(spec) {
        here.forbidden(errors, "may not be specified when hostNetwork is true");
    }
    if name.len() > HOSTNAME_MAX {
        here.too_long(errors, HOSTNAME_MAX);
    }
    here.rule(errors, name, names::dns1123_subdomain);
}

/// Lines for the pod's hosts file.
pub(super) fn aliases(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    for (i, alias) in items(spec, "hostAliases").iter().enumerate() {
        let here = at.index(i);
        legacy_ip(text(alias, "ip"), &[], here.child("ip"), errors);
        let list = here.child("hostnames");
        for (j, name) in texts(alias, "hostnames").enumerate() {
            list.index(j).rule(errors, name, names::dns1123_subdomain);
        }
    }
}

/// The resolver's settings.
pub(super) fn dns_config(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let config = spec.get("dnsConfig");
    if text(spec, "dnsPolicy") == "None" {
        let Some(config) = config else {
            at.required(errors, "must provide `dnsConfig` when `dnsPolicy` is None");
            return;
        };
        if items(config, "nameservers").is_empty() {
            let words = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            at.child("nameservers").required(errors, words);
            return;
        }
    }
    let Some(config) = config else { return };
    let list = at.child("nameservers");
    if items(config, "nameservers").len() > NAMESERVERS_MAX {
        let words = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        list.invalid(errors, config.get("nameservers"), words);
    }
    for (i, server) in texts(config, "nameservers").enumerate() {
        legacy_ip(server, &[], list.index(i), errors);
    }
    searches(config, at.child("searches"), errors);
    let list = at.child("options");
    for (i, option) in items(config, "options").iter().enumerate() {
        if text(option, "name").is_empty() {
            list.index(i).required(errors, "must not be empty");
        }
    }
}

fn searches(config: &Value, at: At<'_>, errors: &mut ErrorList) {
    let list = items(config, "searches");
    if list.len() > SEARCHES_MAX {
        let words = format!("must not have more than {SEARCHES_MAX} search paths");
        at.invalid(errors, config.get("searches"), words);
    }
    let length: usize = texts(config, "searches").map(|s| s.len() + 1).sum();
    if length > SEARCH_CHARS_MAX + 1 {
        let words = format!(
            "must not have more than {SEARCH_CHARS_MAX} characters (including spaces) in the search list"
        );
        at.invalid(errors, config.get("searches"), words);
    }
    for (i, search) in texts(config, "searches").enumerate().filter(|(_, search)| *search != ".") {
        let search = search.strip_suffix('.').unwrap_or(search);
        at.index(i).rule(errors, search, names::dns1123_subdomain_with_underscore);
    }
}
