//! Nodes.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value, ip, names};

use super::super::check::{At, NOT_POSITIVE, entries, items, one_of_required, text, texts};
use super::super::meta;
use super::diff::internal;
use super::keep;
use super::pod::resource_value;
use crate::strategy::Strategy;

const POD_CIDR_WORDS: &str = "node updates may not change podCIDR except from \"\" to valid";

/// Nodes.
pub(crate) struct Nodes;
/// `nodes/status`.
pub(crate) struct NodeStatus;

impl Strategy for Nodes {
    fn prepare_create(&self, new: &mut Object) {
        new.remove_at(&["spec", "configSource"]);
        new.remove_at(&["status", "config"]);
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
        if old.at(&["spec", "configSource"]).is_none() {
            new.remove_at(&["spec", "configSource"]);
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, false, meta::dns_subdomain, errors);
        let metadata = At::root("metadata");
        taints(new, metadata.child("taints"), errors);
        amounts(new, errors);
        swap(new, metadata.child("nodeSwapStatus"), errors);
        features(new, errors);
        pod_cidrs(new, errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        self.validate(new, errors);
        changed(new, old, errors);
    }

    fn warnings(&self, new: &Object, _old: Option<&Object>) -> Vec<String> {
        let spec = super::spec(new);
        let mut warnings = Vec::new();
        if spec.get("configSource").is_some() {
            warnings.push("spec.configSource: the feature is removed".to_owned());
        }
        if !text(spec, "externalID").is_empty() {
            let words = "spec.externalID: this field is deprecated, and is unused by Kubernetes";
            warnings.push(words.to_owned());
        }
        for (i, cidr) in texts(spec, "podCIDRs").enumerate() {
            warnings.extend(ip::cidr_warnings(&format!("spec.podCIDRs[{i}]"), cidr));
        }
        warnings
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }
}

impl Strategy for NodeStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
        if old.at(&["status", "config"]).is_none() {
            new.remove_at(&["status", "config"]);
        }
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        changed(new, old, errors);
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

fn taints(node: &Object, at: At<'_>, errors: &mut ErrorList) {
    let taints = items(super::spec(node), "taints");
    for (i, taint) in taints.iter().enumerate() {
        let here = at.index(i);
        here.child("key").rule(errors, text(taint, "key"), names::qualified_name);
        let messages = names::label_value(text(taint, "value"));
        if !messages.is_empty() {
            here.child("value").invalid(errors, text(taint, "value"), messages.join(";"));
        }
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        one_of_required(text(taint, "effect"), &effects, here.child("effect"), errors);
        let same =
            |other: &Value| ["key", "effect"].iter().all(|field| text(other, field) == text(taint, field));
        if taints.iter().take(i).any(same) {
            let mut error = Error::duplicate(&here.to_path(), internal("Taint", taint));
            error.detail = "taints must be unique by key and effect pair".to_owned();
            errors.push(error);
        }
    }
}

fn amounts(node: &Object, errors: &mut ErrorList) {
    let at = At::root("status");
    for list in ["capacity", "allocatable"] {
        let here = at.child(list);
        for (name, amount) in entries(super::status(node), list) {
            resource_value(name, amount.as_str().unwrap_or_default(), here.child(name), errors);
        }
    }
}

fn swap(node: &Object, at: At<'_>, errors: &mut ErrorList) {
    let capacity = node.at(&["status", "nodeInfo", "swap", "capacity"]).and_then(Value::as_i64);
    if let Some(capacity) = capacity.filter(|capacity| *capacity <= 0) {
        at.child("capacity").invalid(errors, capacity, NOT_POSITIVE);
    }
}

/// The features a node declares: sorted, each once, in camel case.
fn features(node: &Object, errors: &mut ErrorList) {
    let status = At::root("status");
    let at = status.child("declaredFeatures");
    let features: Vec<&str> = texts(super::status(node), "declaredFeatures").collect();
    for (i, feature) in features.iter().enumerate() {
        if let Some(why) = odd_feature(feature) {
            at.index(i).invalid(errors, *feature, why);
        }
        match features.get(i + 1) {
            Some(next) if next == feature => at.index(i + 1).duplicate(errors, *next),
            Some(next) if next < feature => {
                at.index(i + 1).invalid(errors, *next, "list must be sorted alphabetically");
            }
            _ => {}
        }
    }
}

fn odd_feature(feature: &str) -> Option<String> {
    if feature.len() > names::DNS_SUBDOMAIN_MAX {
        let max = names::DNS_SUBDOMAIN_MAX;
        return Some(format!("invalid feature name \"{feature}\": must be no more than {max} characters"));
    }
    let segment = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphabetic()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    let fits = feature.starts_with(|c: char| c.is_ascii_uppercase()) && feature.split('/').all(segment);
    (!fits).then(|| {
        format!(
            "invalid feature name \"{feature}\": must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
        )
    })
}

fn pod_cidrs(node: &Object, errors: &mut ErrorList) {
    let spec = At::root("spec");
    let at = spec.child("podCIDRs");
    let cidrs: Vec<&str> = texts(super::spec(node), "podCIDRs").collect();
    for (i, cidr) in cidrs.iter().enumerate() {
        at.index(i).messages(errors, cidr, ip::legacy_cidr(cidr));
    }
    let unread = cidrs.iter().enumerate().find(|(_, cidr)| ip::Cidr::parse(cidr).is_none());
    if let Some((i, cidr)) = unread.filter(|_| cidrs.len() > 1) {
        let words = "invalid PodCIDRs. failed to check with dual stack with error:invalid CIDR";
        let words = format!("{words}[{i}]: <nil> (invalid CIDR address: {cidr})");
        errors.push(Error::internal(&at.to_path(), words));
    }
    let v6 = cidrs.iter().filter(|cidr| cidr.contains(':')).count();
    if cidrs.len() > 1 && (cidrs.len() > 2 || v6 != 1) {
        let words = "may specify no more than one CIDR for each IP family";
        at.invalid(errors, super::spec(node).get("podCIDRs"), words);
    }
}

fn changed(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    amounts(new, errors);
    features(new, errors);
    let status = At::root("status");
    let at = status.child("addresses");
    let addresses = items(super::status(new), "addresses");
    for (i, address) in addresses.iter().enumerate() {
        if addresses.iter().take(i).any(|earlier| earlier == address) {
            at.index(i).duplicate(errors, internal("NodeAddress", address));
        }
    }
    let spec = At::root("spec");
    let cidrs =
        |node: &'_ Object| texts(super::spec(node), "podCIDRs").map(str::to_owned).collect::<Vec<_>>();
    let (now, before) = (cidrs(new), cidrs(old));
    if !before.is_empty() && now.len() != before.len() {
        spec.child("podCIDRs").forbidden(errors, POD_CIDR_WORDS);
    } else {
        let differing = before.iter().zip(&now).filter(|(before, now)| before != now);
        differing.for_each(|_| spec.child("podCIDRs").forbidden(errors, POD_CIDR_WORDS));
    }
    let provider = text(super::spec(old), "providerID");
    if !provider.is_empty() && provider != text(super::spec(new), "providerID") {
        let words = "node updates may not change providerID except from \"\" to valid";
        spec.child("providerID").forbidden(errors, words);
    }
    let metadata = At::root("metadata");
    taints(new, metadata.child("taints"), errors);
    if text(super::spec(new), "externalID") != text(super::spec(old), "externalID") {
        spec.child("externalID").forbidden(errors, "may not be updated");
    }
}
