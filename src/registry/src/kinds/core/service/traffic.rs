//! Where a service sends traffic.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{At, int, one_of, one_of_required, opt_int, text};
use super::types::{is_external, needs_health_check};

/// One day: the longest a client can be kept with its endpoint.
const TIMEOUT_MAX: i64 = 86400;

/// Whether a client stays with its endpoint.
pub(super) fn affinity(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let kind = text(spec, "sessionAffinity");
    one_of_required(kind, &["ClientIP", "None"], at.child("sessionAffinity"), errors);
    let config = spec.get("sessionAffinityConfig");
    let here = at.child("sessionAffinityConfig");
    match kind {
        "ClientIP" => client_ip(config, here, errors),
        "None" if config.is_some() => here.forbidden(errors, "must not be set when session affinity is None"),
        _ => {}
    }
}

fn client_ip(config: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let words = "when session affinity type is ClientIP";
    let Some(config) = config else { return at.required(errors, words) };
    let here = at.child("clientIP");
    let Some(client) = config.get("clientIP") else { return here.required(errors, words) };
    let timeout_at = here.child("timeoutSeconds");
    match opt_int(client, "timeoutSeconds") {
        None => timeout_at.required(errors, words),
        Some(timeout) if !(1..=TIMEOUT_MAX).contains(&timeout) => {
            timeout_at.invalid(
                errors,
                timeout,
                format!("must be greater than 0 and less than {TIMEOUT_MAX}"),
            );
        }
        Some(_) => {}
    }
}

/// The policies for traffic from outside, from inside, and over zones.
pub(super) fn policies(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    external(spec, at, errors);
    health_check(spec, at.child("healthCheckNodePort"), errors);
    let here = at.child("internalTrafficPolicy");
    match spec.get("internalTrafficPolicy").and_then(Value::as_str) {
        Some(policy) => one_of(policy, &["Cluster", "Local"], here, errors),
        None if matches!(text(spec, "type"), "NodePort" | "LoadBalancer" | "ClusterIP") => {
            here.required(errors, "")
        }
        None => {}
    }
    if let Some(distribution) = spec.get("trafficDistribution").and_then(Value::as_str) {
        let supported = ["PreferClose", "PreferSameZone", "PreferSameNode"];
        one_of(distribution, &supported, at.child("trafficDistribution"), errors);
    }
}

fn external(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let here = at.child("externalTrafficPolicy");
    match (is_external(spec), text(spec, "externalTrafficPolicy")) {
        (true, policy) => one_of_required(policy, &["Cluster", "Local"], here, errors),
        (false, "") => {}
        (false, policy) => here.invalid(errors, policy, "may only be set for externally-accessible services"),
    }
}

fn health_check(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let port = int(spec, "healthCheckNodePort");
    match (needs_health_check(spec), port) {
        (false, 0) => {}
        (false, _) => {
            let words =
                "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            at.invalid(errors, port, words);
        }
        (true, 0) => at.required(errors, ""),
        (true, _) => {
            names::port_number(port).into_iter().for_each(|message| at.invalid(errors, port, message))
        }
    }
}
