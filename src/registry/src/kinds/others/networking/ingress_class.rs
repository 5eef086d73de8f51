//! Ingress classes.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use super::ingress::reference;
use crate::kinds::check::{At, immutable_as, text};
use crate::kinds::meta;
use crate::kinds::others::kind::Kind;
use crate::kinds::others::names::domain_prefixed_path;
use crate::kinds::others::tree::part;

/// Ingress classes.
pub(super) static KIND: Kind =
    Kind::cluster(meta::dns_subdomain, rules).only_change(update).generation(&["spec"]);

const CONTROLLER_MAX: usize = 250;

fn rules(new: &Object, errors: &mut ErrorList) {
    let spec = part(new, "spec");
    let at = At::root("spec");
    let controller = text(spec, "controller");
    if controller.len() > CONTROLLER_MAX {
        at.child("controller").too_long(errors, CONTROLLER_MAX);
    }
    domain_prefixed_path(controller, at.child("controller"), errors);
    if let Some(parameters) = spec.get("parameters") {
        self::parameters(parameters, &at.child("parameters"), errors);
    }
}

fn parameters(parameters: &Value, at: &At<'_>, errors: &mut ErrorList) {
    reference(parameters, at, errors);
    let namespace = parameters.get("namespace").and_then(Value::as_str);
    let here = at.child("namespace");
    match (parameters.get("scope").and_then(Value::as_str), namespace) {
        (None, _) => at.child("scope").required(errors, ""),
        (Some("Namespace"), None) => here.required(errors, "`parameters.scope` is set to 'Namespace'"),
        (Some("Namespace"), Some(namespace)) => here.rule(errors, namespace, names::dns1123_label),
        (Some("Cluster"), Some(_)) => here.forbidden(errors, "`parameters.scope` is set to 'Cluster'"),
        (Some("Cluster"), None) => {}
        (Some(other), _) => at.child("scope").not_supported(errors, other, &["Cluster", "Namespace"]),
    }
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta::object_meta_update(new, old, errors);
    let at = At::root("spec");
    let controller = ["spec", "controller"];
    immutable_as("string", new.at(&controller), old.at(&controller), at.child("controller"), errors);
    meta::object_meta(new, false, meta::dns_subdomain, errors);
    rules(new, errors);
}
