//! Resource names, requests, limits and claims.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::quantity::Quantity;
use portcullis_api::{Map, Value, names};

use super::super::super::check::{At, entries, items, non_negative_quantity, quantity, text};
use serde_json::json;

use super::super::diff::internal;
use super::lists::Context;
use super::options::Options;

const STANDARD: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "storage",
    "requests.storage",
    "services.nodeports",
    "services.loadbalancers",
];
const COUNTED: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const HUGE_PAGES: &str = "hugepages-";
const MIRROR: &str = "kubernetes.io/config.mirror";

/// A resource name: qualified, or a well-known short one.
pub(crate) fn resource_name(name: &str, at: At<'_>, errors: &mut ErrorList) -> bool {
    let messages = names::qualified_name(name);
    if !messages.is_empty() {
        at.messages(errors, name, messages);
        return false;
    }
    if !name.contains('/') && !standard_name(name) {
        at.invalid(errors, name, "must be a standard resource type or fully qualified");
        return false;
    }
    true
}

/// Whether a short resource name is known.
fn standard_name(name: &str) -> bool {
    STANDARD.contains(&name) || is_huge_page(name) || name.starts_with("requests.hugepages-")
}

/// Whether Kubernetes itself defines a resource.
pub(crate) fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// An amount must not be negative, and whole where the resource is counted.
pub(crate) fn resource_value(name: &str, amount: &str, at: At<'_>, errors: &mut ErrorList) {
    non_negative_quantity(amount, at, errors);
    if (COUNTED.contains(&name) || is_extended(name)) && quantity(amount).milli_value() % 1000 != 0 {
        at.invalid(errors, amount, "must be an integer");
    }
}

/// The requests and limits of a container.
pub(super) fn of_container(resources: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    requirements(resources, container_name, pod.options, at, errors);
    claim_names(resources, &pod.claims, at.child("claims"), errors);
}

/// A pod's overhead counts as limits without requests.
pub(crate) fn overhead(spec: &Value, options: Options, at: At<'_>, errors: &mut ErrorList) {
    if let Some(overhead) = spec.get("overhead").filter(|overhead| overhead.is_object()) {
        requirements(&json!({ "limits": overhead }), container_name, options, at, errors);
    }
}

/// The resources a pod asks for as a whole.
pub(super) fn pod_level(spec: &Value, pod: &Context<'_>, at: At<'_>, errors: &mut ErrorList) {
    let Some(resources) = spec.get("resources") else { return };
    let here = at.child("resources");
    if pod.os == Some("windows") {
        here.forbidden(errors, "may not be set for a windows pod");
        return;
    }
    if resources.get("claims").is_some() {
        here.child("claims").forbidden(errors, "claims may not be set for Resources at pod-level");
    }
    requirements(resources, pod_name, pod.options, here, errors);
    claim_names(resources, &pod.claims, here.child("claims"), errors);
    consistent(spec, resources, &here, errors);
}

/// The claims that containers may refer to.
pub(super) fn claims(spec: &Value, metadata: Option<&Value>, at: At<'_>, errors: &mut ErrorList) {
    let claims = items(spec, "resourceClaims");
    for (i, claim) in claims.iter().enumerate() {
        let mirror = metadata.and_then(|m| m.get("annotations")?.get(MIRROR));
        if mirror.is_some() {
            At::whole().forbidden(errors, "static pods do not support resource claims");
            continue;
        }
        let here = at.index(i);
        let name = text(claim, "name");
        if name.is_empty() {
            here.child("name").required(errors, "");
        } else if claims.iter().take(i).any(|earlier| text(earlier, "name") == name) {
            here.child("name").duplicate(errors, name);
        } else {
            here.child("name").rule(errors, name, names::dns1123_label);
        }
        claim_source(claim, here, errors);
    }
}

fn claim_source(claim: &Value, at: At<'_>, errors: &mut ErrorList) {
    let fields = ["resourceClaimName", "resourceClaimTemplateName"];
    let set = fields.iter().filter(|field| claim.get(**field).is_some()).count();
    if set == 2 {
        let words = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
        at.invalid(errors, internal("PodResourceClaim", claim), words);
    }
    if set == 0 {
        at.invalid(
            errors,
            internal("PodResourceClaim", claim),
            "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`",
        );
    }
    for field in fields {
        if let Some(name) = claim.get(field).and_then(Value::as_str) {
            at.child(field).rule(errors, name, names::dns1123_subdomain);
        }
    }
}

type NameCheck = fn(&str, At<'_>, &mut ErrorList);

pub(crate) fn container_name(name: &str, at: At<'_>, errors: &mut ErrorList) {
    resource_name(name, at, errors);
    if !name.contains('/') {
        if !(matches!(name, "cpu" | "memory" | "ephemeral-storage") || is_huge_page(name)) {
            at.invalid(errors, name, "must be a standard resource for containers");
        }
    } else if !is_native(name) && !is_extended(name) {
        at.invalid(errors, name, "doesn't follow extended resource name standard");
    }
}

/// A resource a limit range may bound for containers and pods.
pub(crate) fn bounded_name(name: &str, at: At<'_>, errors: &mut ErrorList) {
    container_name(name, at, errors);
}

fn pod_name(name: &str, at: At<'_>, errors: &mut ErrorList) {
    if resource_name(name, at, errors) && !(matches!(name, "cpu" | "memory") || is_huge_page(name)) {
        at.not_supported(errors, name, &["cpu", HUGE_PAGES, "memory"]);
    }
}

fn requirements(resources: &Value, name: NameCheck, options: Options, at: At<'_>, errors: &mut ErrorList) {
    let empty = Map::new();
    let map = |field| resources.get(field).and_then(Value::as_object).unwrap_or(&empty);
    let (limits, requests) = (map("limits"), map("requests"));
    let limits_at = at.child("limits");
    amounts(limits, name, options, limits_at, errors);
    let requests_at = at.child("requests");
    for (resource, amount) in requests {
        let amount = amount.as_str().unwrap_or_default();
        let here = requests_at.key(resource);
        name(resource, here, errors);
        resource_value(resource, amount, here, errors);
        let limit = limits.get(resource).and_then(Value::as_str);
        within_limit(resource, amount, limit, [&requests_at, &limits_at], errors);
        huge_page(resource, amount, options, here, errors);
    }
    let any = |wanted: fn(&str) -> bool| limits.keys().chain(requests.keys()).any(|key| wanted(key));
    if any(is_huge_page) && !any(|key| key == "cpu" || key == "memory") {
        at.forbidden(errors, "HugePages require cpu or memory");
    }
}

fn amounts(list: &Map<String, Value>, name: NameCheck, options: Options, at: At<'_>, errors: &mut ErrorList) {
    for (resource, amount) in list {
        let amount = amount.as_str().unwrap_or_default();
        let here = at.key(resource);
        name(resource, here, errors);
        resource_value(resource, amount, here, errors);
        huge_page(resource, amount, options, here, errors);
    }
}

fn within_limit(resource: &str, amount: &str, limit: Option<&str>, at: [&At<'_>; 2], errors: &mut ErrorList) {
    let [requests_at, limits_at] = at;
    let overcommit = is_native(resource) && !is_huge_page(resource);
    let Some(limit) = limit else {
        if !overcommit {
            limits_at.required(errors, "Limit must be set for non overcommitable resources");
        }
        return;
    };
    if amount == limit {
        return;
    }
    let (wanted, most) = (quantity(amount), quantity(limit));
    if wanted != most && !overcommit {
        requests_at.invalid(errors, amount, format!("must be equal to {resource} limit of {limit}"));
    } else if wanted > most {
        requests_at.invalid(
            errors,
            amount,
            format!("must be less than or equal to {resource} limit of {limit}"),
        );
    }
}

fn huge_page(resource: &str, amount: &str, options: Options, at: At<'_>, errors: &mut ErrorList) {
    let Some(size) = resource.strip_prefix(HUGE_PAGES) else { return };
    let divisible = Quantity::parse(size).is_ok_and(|size| {
        size.signum() > 0
            && size.milli_value() % 1000 == 0
            && quantity(amount).value() % size.value().max(1) == 0
    });
    if !divisible && !options.odd_huge_pages {
        at.invalid(errors, amount, format!("{amount} is not positive integer multiple of {resource}"));
    }
}

fn is_huge_page(name: &str) -> bool {
    name.starts_with(HUGE_PAGES)
}

pub(crate) fn is_extended(name: &str) -> bool {
    let foreign = !is_native(name) && !name.starts_with("requests.");
    foreign && names::qualified_name(&format!("requests.{name}")).is_empty()
}

fn claim_names(resources: &Value, known: &[&str], at: At<'_>, errors: &mut ErrorList) {
    let mut taken: Vec<String> = Vec::new();
    for (i, claim) in items(resources, "claims").iter().enumerate() {
        let here = at.index(i);
        let (name, request) = (text(claim, "name"), text(claim, "request"));
        if name.is_empty() {
            here.required(errors, "");
            continue;
        }
        if taken.iter().any(|t| t == name) {
            here.duplicate(errors, name);
        } else {
            let key = if request.is_empty() { name.to_owned() } else { format!("{name}/{request}") };
            if !request.is_empty() {
                here.child("request").rule(errors, request, names::dns1123_label);
            }
            if taken.contains(&key) {
                here.duplicate(errors, key.as_str());
            } else if request.is_empty() {
                let parts = taken.iter().filter(|t| t.split_once('/').is_some_and(|(head, _)| head == name));
                parts.for_each(|_| here.duplicate(errors, name));
            }
            taken.push(key);
        }
        if !known.contains(&name) {
            let mut error = Error::not_found(&here.to_path(), name);
            error.detail = "must be one of the names in pod.spec.resourceClaims".to_owned();
            error.detail += &if known.is_empty() {
                " which is empty".to_owned()
            } else {
                format!(": {}", known.join(", "))
            };
            errors.push(error);
        }
    }
}

/// A pod must ask for at least what its containers ask for together.
fn consistent(spec: &Value, resources: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let requests = at.child("requests");
    for (name, wanted) in entries(resources, "requests") {
        let wanted = wanted.as_str().unwrap_or_default();
        let total = total(spec, "requests", name);
        if total > quantity(wanted) {
            let words = format!("must be greater than or equal to aggregate container requests of {total}");
            requests.key(name).invalid(errors, wanted, words);
        }
    }
    let limits = at.child("limits");
    for (name, most) in entries(resources, "limits").filter(|(name, _)| is_huge_page(name)) {
        let most = most.as_str().unwrap_or_default();
        let total = total(spec, "limits", name);
        if total > quantity(most) {
            let words = format!("must be greater than or equal to aggregate container limits of {total}");
            limits.key(name).invalid(errors, most, words);
        }
    }
    for (i, container) in items(spec, "containers").iter().enumerate() {
        let Some(own) = container.get("resources") else { continue };
        for (name, amount) in entries(own, "limits") {
            let amount = amount.as_str().unwrap_or_default();
            let Some(most) = resources.get("limits").and_then(|l| l.get(name)?.as_str()) else { continue };
            if quantity(amount) > quantity(most) {
                let containers = at.child("containers");
                let container_at = containers.index(i);
                let here = container_at.key(name);
                let words = format!("must be less than or equal to pod limits of {most}");
                here.child("limits").invalid(errors, amount, words);
            }
        }
    }
}

/// What all containers need of one resource: side by side, or in the neediest step of the start.
fn total(spec: &Value, field: &str, name: &str) -> Quantity {
    let own = |container: &Value| {
        let amount = container.get("resources").and_then(|r| r.get(field)?.get(name)?.as_str());
        amount.map_or(Quantity::ZERO, quantity)
    };
    let mut running = Quantity::ZERO;
    items(spec, "containers").iter().for_each(|container| running.add(&own(container)));
    let (mut sidecars, mut most) = (Quantity::ZERO, Quantity::ZERO);
    for container in items(spec, "initContainers") {
        let mut step = sidecars.clone();
        step.add(&own(container));
        if text(container, "restartPolicy") == "Always" {
            running.add(&own(container));
            sidecars = step.clone();
        }
        most = most.max(step);
    }
    running.max(most)
}
