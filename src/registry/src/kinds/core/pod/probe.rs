//! Probes, lifecycle hooks and what they do.

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::super::super::check::{
    At, int, items, non_negative, one_of, opt_int, port_number_or_name, required_text, text,
};
use super::lists::Context;
use super::os;

/// Hooks and probes of a container that keeps running.
pub(super) fn life(container: &Value, pod: &Context<'_>, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(lifecycle) = container.get("lifecycle") {
        let here = at.child("lifecycle");
        for hook in ["postStart", "preStop"] {
            if let Some(action) = lifecycle.get(hook) {
                handler(action, &["exec", "httpGet", "tcpSocket", "sleep"], pod, here.child(hook), errors);
            }
        }
        if let Some(signal) = lifecycle.get("stopSignal").and_then(Value::as_str) {
            os::stop_signal(signal, pod.os, here.child("stopSignal"), errors);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = container.get(name) {
            probe(found, name, pod, at.child(name), errors);
        }
    }
}

/// A container that only runs at the start has neither.
pub(super) fn none(container: &Value, at: &At<'_>, errors: &mut ErrorList) {
    for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
        if container.get(field).is_some() {
            let words = "may not be set for init containers without restartPolicy=Always";
            at.child(field).forbidden(errors, words);
        }
    }
}

fn probe(probe: &Value, name: &str, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    handler(probe, &["exec", "httpGet", "tcpSocket", "grpc"], pod, at, errors);
    for field in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        non_negative(int(probe, field), at.child(field), errors);
    }
    let grace = opt_int(probe, "terminationGracePeriodSeconds");
    if let Some(seconds) = grace.filter(|seconds| *seconds <= 0) {
        at.child("terminationGracePeriodSeconds").invalid(errors, seconds, "must be greater than 0");
    }
    if name == "readinessProbe" {
        if let Some(seconds) = grace {
            let words = "must not be set for readinessProbes";
            at.child("terminationGracePeriodSeconds").invalid(errors, seconds, words);
        }
    } else if int(probe, "successThreshold") != 1 {
        at.child("successThreshold").invalid(errors, int(probe, "successThreshold"), "must be 1");
    }
}

/// Exactly one of the kinds of action.
fn handler(handler: &Value, kinds: &[&str], pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let mut found = false;
    for kind in kinds {
        let Some(action) = handler.get(*kind) else { continue };
        let here = at.child(kind);
        if found {
            here.forbidden(errors, "may not specify more than 1 handler type");
            continue;
        }
        found = true;
        match *kind {
            "exec" if items(action, "command").is_empty() => here.child("command").required(errors, ""),
            "exec" => {}
            "httpGet" => http_get(action, &here, errors),
            "sleep" => sleep(action, pod.grace, here, errors),
            _ => port_number_or_name(action.get("port"), here.child("port"), errors),
        }
    }
    if !found {
        at.required(errors, "must specify a handler type");
    }
}

fn http_get(action: &Value, at: &At<'_>, errors: &mut ErrorList) {
    required_text(action, "path", at, errors);
    port_number_or_name(action.get("port"), at.child("port"), errors);
    one_of(text(action, "scheme"), &["HTTP", "HTTPS"], at.child("scheme"), errors);
    for header in items(action, "httpHeaders") {
        at.child("httpHeaders").rule(errors, text(header, "name"), names::http_header_name);
    }
}

fn sleep(action: &Value, grace: Option<i64>, at: At<'_>, errors: &mut ErrorList) {
    let seconds = int(action, "seconds");
    if let Some(grace) = grace
        && !(0..=grace).contains(&seconds)
    {
        let words = format!("must be non-negative and less than terminationGracePeriodSeconds ({grace})");
        at.invalid(errors, seconds, words);
    }
}
