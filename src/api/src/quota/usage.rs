//! What an object uses, by the names quotas have for it.

use std::collections::{BTreeMap, BTreeSet};

use super::Usage;
use crate::quantity::{Format, Quantity};
use crate::resources::{self, Amounts, Half};
use crate::tree::{at, items, text};
use crate::{GroupResource, Object, Value, time};

/// What quotas count of pods, beside what has a prefix.
const POD: &[&str] = &[
    "count/pods",
    "cpu",
    "ephemeral-storage",
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "memory",
    "pods",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];
/// What every container must name where a quota counts it.
const DEMANDED: &[&str] =
    &["cpu", "limits.cpu", "limits.memory", "memory", "requests.cpu", "requests.memory"];
const SERVICE: &[&str] = &["count/services", "services", "services.loadbalancers", "services.nodeports"];
const CLAIM: &[&str] = &["persistentvolumeclaims", "requests.storage"];
const BY_CLASS: &str = ".storageclass.storage.k8s.io/";
const DEVICES: &str = "deviceclass.resource.kubernetes.io/";
const DEVICES_OF_CLASS: &str = ".deviceclass.resource.k8s.io/devices";
/// What a request for all devices of a class gets at most.
const ALL_DEVICES: i64 = 32;
/// Core objects that had a name in quotas before everything had one.
const ALIASES: &[&str] = &["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];

/// How an object is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measured {
    /// By what its containers ask for.
    Pod,
    /// By its type and ports.
    Service,
    /// By the storage it asks for.
    Claim,
    /// By the devices it asks for.
    DeviceClaim,
    /// Only counted.
    Object,
}

impl Measured {
    /// How objects of a resource are measured.
    pub fn of(resource: &GroupResource) -> Self {
        match (&*resource.group, &*resource.resource) {
            ("", "pods") => Self::Pod,
            ("", "services") => Self::Service,
            ("", "persistentvolumeclaims") => Self::Claim,
            ("resource.k8s.io", "resourceclaims") => Self::DeviceClaim,
            _ => Self::Object,
        }
    }

    /// Whether a name in a quota is about such objects.
    pub fn counts(self, resource: &GroupResource, name: &str) -> bool {
        match self {
            Self::Pod => POD.contains(&name) || is_extended(name),
            Self::Service => SERVICE.contains(&name),
            Self::Claim => {
                let by_class = name.split_once(BY_CLASS).is_some_and(|(_, what)| CLAIM.contains(&what));
                by_class || CLAIM.contains(&name) || name == "count/persistentvolumeclaims"
            }
            Self::DeviceClaim => name.ends_with(DEVICES_OF_CLASS) || is_name_of(resource, name),
            Self::Object => is_name_of(resource, name),
        }
    }

    /// What an object uses.
    pub fn usage(self, resource: &GroupResource, object: &Object) -> Usage {
        match self {
            Self::Pod => of_pod(object),
            Self::Service => of_service(object),
            Self::Claim => of_claim(object),
            Self::DeviceClaim => of_device_claim(resource, object),
            Self::Object => self.usage_of(resource, 1),
        }
    }

    /// What so many objects use of which only the number counts.
    pub fn usage_of(self, resource: &GroupResource, number: usize) -> Usage {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        names_of(resource).into_iter().map(|name| (name, count(number))).collect()
    }

    /// What is counted and containers do not name: `limits.cpu for: a,b`.
    pub fn missing(self, counted: &[&str], object: &Object) -> Option<String> {
        let spec = object.get("spec").filter(|spec| self == Self::Pod && !names_its_own(spec))?;
        let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for container in ["containers", "initContainers"].into_iter().flat_map(|field| items(spec, field)) {
            let half = |half| resources::of_container(container, half);
            let named = compute(&half(Half::Requests), &half(Half::Limits));
            for name in counted.iter().filter(|name| DEMANDED.contains(name) && !named.contains_key(**name)) {
                missing.entry(name).or_default().insert(text(container, "name"));
            }
        }
        let joined = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(",");
        let parts: Vec<String> =
            missing.iter().map(|(name, containers)| format!("{name} for: {}", joined(containers))).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

fn count(number: i64) -> Quantity {
    Quantity::new(number, Format::DecimalSi)
}

fn names_of(resource: &GroupResource) -> Vec<String> {
    let alias = ALIASES.iter().find(|alias| resource.group.is_empty() && **alias == &*resource.resource);
    let counted = std::iter::once(format!("count/{resource}"));
    counted.chain(alias.map(|alias| (*alias).to_owned())).collect()
}

fn is_name_of(resource: &GroupResource, name: &str) -> bool {
    names_of(resource).iter().any(|own| own == name)
}

/// Names for resources that nodes advertise: `requests.example.com/gpu`, huge pages.
fn is_extended(name: &str) -> bool {
    let requested = name.strip_prefix("requests.");
    let foreign =
        |name: &str| name.contains('/') && !name.contains("kubernetes.io/") || name.starts_with(DEVICES);
    requested.unwrap_or(name).starts_with("hugepages-") || requested.is_some_and(foreign)
}

/// Whether the pod says as a whole what it needs.
fn names_its_own(spec: &Value) -> bool {
    let named = |half: &str| resources::read(at(spec, &["resources", half]));
    let counts = |name: &&str| matches!(*name, "cpu" | "memory") || name.starts_with("hugepages-");
    ["requests", "limits"].into_iter().any(|half| named(half).keys().any(counts))
}

fn of_pod(pod: &Object) -> Usage {
    let mut used = Usage::new();
    if !is_over(pod) {
        let spec = pod.get("spec").unwrap_or(&Value::Null);
        used = compute(&whole(spec, Half::Requests), &whole(spec, Half::Limits));
    }
    used.insert("count/pods".to_owned(), count(1));
    used
}

/// A pod's resources with what its sandbox costs.
fn whole(spec: &Value, half: Half) -> Amounts<'_> {
    let mut total = resources::of_pod(spec, half);
    let field = if half == Half::Requests { "requests" } else { "limits" };
    let own = resources::read(at(spec, &["resources", field]));
    total.extend(own.into_iter().filter(|(name, _)| name.starts_with("hugepages-")));
    let mut overhead = resources::read(spec.get("overhead"));
    overhead.retain(|name, _| half == Half::Requests || total.contains_key(name));
    resources::add(&mut total, &overhead);
    total
}

/// Whether a pod has ended, or should have by now.
fn is_over(pod: &Object) -> bool {
    if matches!(pod.str_at(&["status", "phase"]), "Failed" | "Succeeded") {
        return true;
    }
    let grace = pod.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64);
    let seconds = |text: &str| time::parse(text).map(|moment| moment.as_second());
    let ends = grace.zip(seconds(pod.meta_str("deletionTimestamp")));
    let now = seconds(&time::now_rfc3339());
    ends.zip(now).is_some_and(|((grace, ends), now)| now > ends.saturating_add(grace))
}

fn compute(requests: &Amounts<'_>, limits: &Amounts<'_>) -> Usage {
    let mut used = Usage::from([("pods".to_owned(), count(1))]);
    let mut set = |name: String, amount: &Quantity| {
        used.insert(name, amount.clone());
    };
    for (name, amount) in requests {
        let basic = matches!(*name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if basic {
            set((*name).to_owned(), amount);
        }
        if basic || is_extended(&format!("requests.{name}")) {
            set(format!("requests.{name}"), amount);
        }
    }
    for (name, amount) in limits {
        if matches!(*name, "cpu" | "memory" | "ephemeral-storage") {
            set(format!("limits.{name}"), amount);
        }
    }
    used
}

fn of_service(service: &Object) -> Usage {
    let spec = service.get("spec").unwrap_or(&Value::Null);
    let ports = items(spec, "ports");
    let given =
        || ports.iter().filter(|port| port.get("nodePort").and_then(Value::as_i64).is_some_and(|p| p != 0));
    let allocates = spec.get("allocateLoadBalancerNodePorts") != Some(&Value::Bool(false));
    let (node_ports, balancers) = match text(spec, "type") {
        "NodePort" => (ports.len(), 0),
        "LoadBalancer" if allocates => (ports.len(), 1),
        "LoadBalancer" => (given().count(), 1),
        _ => (0, 0),
    };
    let node_ports = i64::try_from(node_ports).unwrap_or(i64::MAX);
    let counted = [
        ("count/services", 1),
        ("services", 1),
        ("services.loadbalancers", balancers),
        ("services.nodeports", node_ports),
    ];
    counted.into_iter().map(|(name, number)| (name.to_owned(), count(number))).collect()
}

fn of_claim(claim: &Object) -> Usage {
    let annotated = claim.annotations().find(|(key, _)| *key == "volume.beta.kubernetes.io/storage-class");
    let class = annotated.map_or_else(|| claim.str_at(&["spec", "storageClassName"]), |(_, class)| class);
    let amount = |path: &[&str]| claim.at(path).and_then(resources::quantity);
    let asked = amount(&["spec", "resources", "requests", "storage"]);
    let allocated = amount(&["status", "allocatedResources", "storage"]);
    let storage = asked.map(|asked| allocated.map_or(asked.clone(), |allocated| allocated.max(asked)));
    let mut used = Usage::from([("count/persistentvolumeclaims".to_owned(), count(1))]);
    let mut add = |what: &str, amount: Quantity| {
        if !class.is_empty() {
            used.insert(format!("{class}{BY_CLASS}{what}"), amount.clone());
        }
        used.insert(what.to_owned(), amount);
    };
    add("persistentvolumeclaims", count(1));
    if let Some(mut storage) = storage {
        storage.round_up(0);
        add("requests.storage", storage);
    }
    used
}

/// Devices by their class. Of alternatives the one that takes most of a class counts.
fn of_device_claim(resource: &GroupResource, claim: &Object) -> Usage {
    let mut used = Measured::Object.usage_of(resource, 1);
    let spec = claim.get("spec").unwrap_or(&Value::Null);
    let requests =
        at(spec, &["devices", "requests"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for request in requests {
        let alternatives = items(request, "firstAvailable");
        let asked = if alternatives.is_empty() {
            request.get("exactly").into_iter().collect()
        } else {
            alternatives.iter().collect::<Vec<_>>()
        };
        let mut most = Usage::new();
        for one in asked {
            let name = format!("{}{DEVICES_OF_CLASS}", text(one, "deviceClassName"));
            let amount = count(devices(one));
            let known = most.entry(name).or_insert_with(|| amount.clone());
            if amount > *known {
                *known = amount;
            }
        }
        super::add(&mut used, &most);
    }
    used
}

fn devices(request: &Value) -> i64 {
    match text(request, "allocationMode") {
        "ExactCount" => request.get("count").and_then(Value::as_i64).unwrap_or(0),
        "All" => ALL_DEVICES,
        // A mode of another version counts for nothing, as upstream.
        _ => 0,
    }
}
