//! Resource quotas.

use portcullis_api::field::ErrorList;
use portcullis_api::{Map, Object, Value};

use super::super::check::{At, IMMUTABLE, entries, items, quantity, text, texts};
use super::super::meta;
use super::diff::internal;
use super::keep;
use super::pod::{resource_name, resource_value};
use crate::strategy::Strategy;

const STANDARD: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "VolumeAttributesClass",
    "CrossNamespacePodAffinity",
];
const POD_RESOURCES: [&str; 7] =
    ["pods", "cpu", "memory", "limits.cpu", "limits.memory", "requests.cpu", "requests.memory"];
const EXISTS_ONLY: &str = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";

/// Quotas.
pub(crate) struct ResourceQuotas;
/// `resourcequotas/status`.
pub(crate) struct ResourceQuotaStatus;

impl Strategy for ResourceQuotas {
    fn prepare_create(&self, new: &mut Object) {
        new.map_mut().insert("status".into(), Value::Object(Map::new()));
    }

    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "status");
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        spec(super::spec(new), errors);
        status(super::status(new), errors);
    }

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        spec(super::spec(new), errors);
        let holds = |outer: &Value, inner: &Value| {
            texts(inner, "scopes").all(|s| texts(outer, "scopes").any(|o| o == s))
        };
        let (new, old) = (super::spec(new), super::spec(old));
        if !holds(new, old) || !holds(old, new) {
            let at = At::root("spec");
            at.child("scopes").invalid(errors, internal("[]string", new.get("scopes")), IMMUTABLE);
        }
    }

    fn warnings(&self, new: &Object, old: Option<&Object>) -> Vec<String> {
        if old.is_some() {
            return Vec::new();
        }
        let hard = |name: &str| super::spec(new).get("hard").and_then(|h| h.get(name)?.as_str());
        let mut warnings = Vec::new();
        for name in ["cpu", "memory", "storage", "ephemeral-storage"] {
            let long = format!("requests.{name}");
            let short = hard(name)
                .filter(|_| name == "cpu" || name == "memory")
                .map(|amount| (name.to_owned(), amount));
            let Some((request, asked)) = hard(&long).map(|amount| (long, amount)).or(short) else { continue };
            let limit = format!("limits.{name}");
            if let Some(most) = hard(&limit).filter(|most| quantity(asked) > quantity(most)) {
                warnings
                    .push(format!("ResourceQuota {request} ({asked}) should be less than {limit} ({most})"));
            }
        }
        warnings
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["status"]]
    }
}

impl Strategy for ResourceQuotaStatus {
    fn prepare_update(&self, new: &mut Object, old: &Object) {
        keep(new, old, "spec");
    }

    fn validate(&self, _new: &Object, _errors: &mut ErrorList) {}

    fn validate_update(&self, new: &Object, old: &Object, errors: &mut ErrorList) {
        meta::object_meta_update(new, old, errors);
        status(super::status(new), errors);
    }

    fn reset_fields(&self) -> &'static [&'static [&'static str]] {
        &[&["spec"]]
    }
}

fn amounts(holder: &Value, field: &str, at: &At<'_>, errors: &mut ErrorList) {
    let list = at.child(field);
    for (name, amount) in entries(holder, field) {
        let here = list.key(name);
        resource_name(name, here, errors);
        if !name.contains('/') && !is_standard(name) {
            here.invalid(errors, name, "must be a standard resource for quota");
        }
        resource_value(name, amount.as_str().unwrap_or_default(), here, errors);
    }
}

fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name) || name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

fn status(status: &Value, errors: &mut ErrorList) {
    let at = At::root("status");
    amounts(status, "hard", &at, errors);
    amounts(status, "used", &at, errors);
}

fn spec(spec: &Value, errors: &mut ErrorList) {
    let at = At::root("spec");
    amounts(spec, "hard", &at, errors);
    scopes(spec, at.child("scopes"), errors);
    if let Some(selector) = spec.get("scopeSelector") {
        let here = at.child("scopeSelector");
        scope_selector(spec, selector, here.child("matchExpressions"), errors);
    }
}

fn scopes(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    let shown = spec.get("scopes");
    for scope in texts(spec, "scopes") {
        if !SCOPES.contains(&scope) {
            at.invalid(errors, shown, "unsupported scope");
        }
        for _ in unfitting(spec, scope) {
            at.invalid(errors, shown, "unsupported scope applied to resource");
        }
    }
    let scopes: Vec<&str> = texts(spec, "scopes").collect();
    conflicts(&scopes, shown, at, errors);
}

fn scope_selector(spec: &Value, selector: &Value, at: At<'_>, errors: &mut ErrorList) {
    let mut scopes = Vec::new();
    for requirement in items(selector, "matchExpressions") {
        let (scope, operator) = (text(requirement, "scopeName"), text(requirement, "operator"));
        if !SCOPES.contains(&scope) {
            at.child("scopeName").invalid(errors, scope, "unsupported scope");
        }
        for _ in unfitting(spec, scope) {
            at.invalid(errors, internal("ScopeSelector", selector), "unsupported scope applied to resource");
        }
        if !matches!(scope, "PriorityClass" | "VolumeAttributesClass")
            && SCOPES.contains(&scope)
            && operator != "Exists"
        {
            at.child("operator").invalid(errors, operator, EXISTS_ONLY);
        }
        let values = items(requirement, "values");
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let words =
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                at.child("values").required(errors, words);
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let words =
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                at.child("values").invalid(errors, requirement.get("values"), words);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => at.child("operator").invalid(errors, other, "not a valid selector operator"),
        }
        scopes.push(scope);
    }
    conflicts(&scopes, spec.get("scopes"), at, errors);
}

/// The resources of the quota that a scope says nothing about.
fn unfitting<'a>(spec: &'a Value, scope: &'a str) -> impl Iterator<Item = &'a str> {
    let fits = move |name: &str| match scope {
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => POD_RESOURCES.contains(&name),
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => true,
    };
    entries(spec, "hard").map(|(name, _)| name).filter(move |name| is_standard(name) && !fits(name))
}

fn conflicts(scopes: &[&str], shown: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            at.invalid(errors, shown, "conflicting scopes");
        }
    }
}
