//! The addresses of a service: in the cluster, from outside, and who may come.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, ip};

use super::super::super::check::{At, items, legacy_ip, one_of, text, texts};
use super::super::endpoints::reachable;
use super::types::{cluster_ips, is_headless};

const SOURCE_RANGES: &str = "service.beta.kubernetes.io/load-balancer-source-ranges";

/// The fields about addresses in the cluster, which must fit together. Also asked before addresses are
/// assigned, where a mistake ends the write.
pub(crate) fn related(spec: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    if text(spec, "type") == "ExternalName" {
        return;
    }
    let at = At::root("spec");
    let list = at.child("clusterIPs");
    let addresses = cluster_ips(spec);
    match (text(spec, "clusterIP"), addresses.first()) {
        ("", None) => {}
        ("", Some(_)) => {
            let words = "must be empty when `clusterIP` is not specified";
            list.invalid(errors, spec.get("clusterIPs"), words);
        }
        (_, None) => list.required(errors, ""),
        (first, Some(other)) if first != *other => {
            list.invalid(errors, spec.get("clusterIPs"), "first value must match `clusterIP`");
        }
        _ => {}
    }
    families(spec, &at, errors);
    if usable(spec, old, list, errors) {
        matching(spec, &addresses, list, errors);
    }
}

fn families(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child("ipFamilies");
    for (i, family) in texts(spec, "ipFamilies").enumerate() {
        one_of(family, &["IPv4", "IPv6"], list.index(i), errors);
        if texts(spec, "ipFamilies").take(i).any(|earlier| earlier == family) {
            list.index(i).duplicate(errors, family);
        }
    }
    if let Some(policy) = spec.get("ipFamilyPolicy").and_then(Value::as_str) {
        let supported = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        one_of(policy, &supported, at.child("ipFamilyPolicy"), errors);
    }
}

/// Whether all addresses can be read.
fn usable(spec: &Value, old: Option<&Value>, at: At<'_>, errors: &mut ErrorList) -> bool {
    let kept = old.map(cluster_ips).unwrap_or_default();
    let addresses = cluster_ips(spec);
    let mut usable = true;
    for (i, address) in addresses.iter().enumerate() {
        let before = errors.len();
        if i == 0 && *address == "None" {
            if addresses.len() > 1 {
                at.invalid(errors, spec.get("clusterIPs"), "'None' must be the first and only value");
            }
        } else {
            legacy_ip(address, &kept, at.index(i), errors);
        }
        usable &= errors.len() == before;
    }
    if addresses.len() > 2 {
        at.invalid(errors, spec.get("clusterIPs"), "may only hold up to 2 values");
    }
    usable
}

fn matching(spec: &Value, addresses: &[&str], at: At<'_>, errors: &mut ErrorList) {
    let is_v6 = |address: &str| address.contains(':');
    let v6 = addresses.iter().filter(|address| is_v6(address)).count();
    if addresses.len() > 1 && (v6 == 0 || v6 == addresses.len()) {
        let words = "may specify no more than one IP for each IP family";
        at.invalid(errors, spec.get("clusterIPs"), words);
    }
    if is_headless(spec) {
        return;
    }
    for (i, (address, family)) in addresses.iter().zip(texts(spec, "ipFamilies")).enumerate() {
        if (family == "IPv4") == is_v6(address) && matches!(family, "IPv4" | "IPv6") {
            let words = format!("expected an {family} value as indicated by `ipFamilies[{i}]`");
            at.index(i).invalid(errors, *address, words);
        }
    }
}

/// Addresses outside the cluster that lead to the service.
pub(super) fn external(spec: &Value, old: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let kept: Vec<&str> = old.into_iter().flat_map(|old| texts(old, "externalIPs")).collect();
    for (i, address) in texts(spec, "externalIPs").enumerate() {
        let before = errors.len();
        legacy_ip(address, &kept, at.index(i), errors);
        if errors.len() == before {
            reachable(address, at.index(i), errors);
        }
    }
}

/// Who a load balancer lets in: by field, or by the annotation before it.
pub(super) fn source_ranges(new: &Object, old: Option<&Object>, at: &At<'_>, errors: &mut ErrorList) {
    const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";
    let spec = super::super::spec(new);
    let balanced = text(spec, "type") == "LoadBalancer";
    if !items(spec, "loadBalancerSourceRanges").is_empty() {
        let here = at.child("LoadBalancerSourceRanges");
        if !balanced {
            here.forbidden(errors, ONLY_BALANCED);
        }
        let old = old.map(super::super::spec).into_iter();
        let kept: Vec<&str> =
            old.flat_map(|old| texts(old, "loadBalancerSourceRanges")).map(str::trim).collect();
        for (i, range) in texts(spec, "loadBalancerSourceRanges").map(str::trim).enumerate() {
            if !kept.contains(&range) {
                here.index(i).messages(errors, range, ip::legacy_cidr(range));
            }
        }
        return;
    }
    let annotation = |object: &'_ Object| {
        object.annotations().find(|(k, _)| *k == SOURCE_RANGES).map(|(_, v)| v.to_owned())
    };
    let Some(ranges) = annotation(new) else { return };
    let metadata = At::root("metadata");
    let annotations = metadata.child("annotations");
    let here = annotations.key(SOURCE_RANGES);
    if !balanced {
        here.forbidden(errors, ONLY_BALANCED);
    }
    if old.and_then(annotation).as_ref() != Some(&ranges) && !ranges.trim().is_empty() {
        for range in ranges.split(',').map(str::trim) {
            here.messages(errors, range, ip::legacy_cidr(range));
        }
    }
}
