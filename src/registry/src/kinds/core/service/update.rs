//! What may change in a service that exists.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::super::check::{At, IMMUTABLE, int, text};
use super::list;
use super::types::{balancer_class, is_headless, needs_health_check};

const FIXED: &str = "may not change once set";

/// The rules for a change.
pub(super) fn rules(new: &Value, old: &Value, errors: &mut ErrorList) {
    let at = At::root("spec");
    if text(new, "type") != "ExternalName" && text(old, "type") != "ExternalName" {
        addresses(new, old, &at, errors);
        families(new, old, &at, errors);
    }
    let balanced = |spec: &Value| text(spec, "type") == "LoadBalancer";
    if balanced(old) && balanced(new) && old.get("loadBalancerClass") != new.get("loadBalancerClass") {
        at.child("loadBalancerClass").invalid(errors, new.get("loadBalancerClass"), FIXED);
    }
    balancer_class(new, &at, errors);
    let checked = needs_health_check(old) && needs_health_check(new);
    if checked && int(old, "healthCheckNodePort") != int(new, "healthCheckNodePort") {
        at.child("healthCheckNodePort").forbidden(errors, IMMUTABLE);
    }
}

/// The first address stays; the second may come and go.
fn addresses(new: &Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if is_headless(new) && is_headless(old) {
        return;
    }
    let (now, before) = (list(new, "clusterIPs"), list(old, "clusterIPs"));
    let shown = new.get("clusterIPs");
    let here = at.child("clusterIPs");
    if now.len() == before.len() {
        for i in
            now.iter().zip(&before).enumerate().filter(|(_, (now, before))| now != before).map(|(i, _)| i)
        {
            here.index(i).invalid(errors, shown, FIXED);
        }
        return;
    }
    if before.len() > now.len() && now.is_empty() {
        here.index(0).invalid(errors, shown, "primary clusterIP can not be unset");
    }
    if let (Some(now), Some(before)) = (now.first(), before.first())
        && now != before
    {
        here.index(0).invalid(errors, shown, FIXED);
    }
    if before.len() > now.len() && now.len() == 1 {
        released(new, "clusterIP", at, errors);
    }
}

fn families(new: &Value, old: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if is_headless(new) || is_headless(old) {
        return;
    }
    let (now, before) = (list(new, "ipFamilies"), list(old, "ipFamilies"));
    let here = at.child("ipFamilies");
    let first = here.index(0);
    if now.len() == before.len() {
        for _ in now.iter().zip(&before).filter(|(now, before)| now != before) {
            first.invalid(errors, new.get("ipFamilies"), FIXED);
        }
        return;
    }
    if before.len() > now.len() && list(new, "clusterIPs").is_empty() {
        first.invalid(errors, new.get("ipFamilies"), "primary ipFamily can not be unset");
    }
    if let (Some(now), Some(before)) = (now.first(), before.first())
        && now != before
    {
        first.invalid(errors, new.get("clusterIPs"), FIXED);
    }
    if before.len() > now.len() && now.len() == 1 {
        released(new, "ipFamily", at, errors);
    }
}

/// Giving up the second of two needs to be said.
fn released(new: &Value, what: &str, at: &At<'_>, errors: &mut ErrorList) {
    if text(new, "ipFamilyPolicy") != "SingleStack" {
        let words = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        at.child("ipFamilyPolicy").invalid(errors, new.get("ipFamilyPolicy"), words);
    }
}
