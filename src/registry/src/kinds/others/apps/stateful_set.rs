//! Stateful sets.

use std::borrow::Cow;

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};
use serde_json::json;

use super::template::{self, Owner};
use crate::kinds::check::{At, int, items, non_negative, one_of, text};
use crate::kinds::core::claim;
use crate::kinds::core::internal;
use crate::kinds::meta;
use crate::kinds::others::kind::{Kind, Status, meta_change};
use crate::kinds::others::tree::{amount, amount_of, at_most, at_most_all, counters, never_less, part, sub};

/// Stateful sets themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_label, create)
    .change(update)
    .template(&["spec", "template"])
    .status(|| json!({ "availableReplicas": 0, "replicas": 0 }))
    .generation(&["spec"])
    .on_create(|new| drop_max_unavailable(new, None))
    .on_update(|new, old| drop_max_unavailable(new, Some(old)))
    .warns(warnings);

/// Their status.
pub(super) static STATUS: Status = Status::new(status);

const OWNER: Owner = Owner { word: "statefulset", nonsense: "", kind: "StatefulSet" };
const MAX_UNAVAILABLE: [&str; 4] = ["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"];

/// Fields of the spec that may change.
const MUTABLE: [&str; 7] = [
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
];

/// What an update does not check again.
#[derive(Clone, Copy, Default)]
struct Leniency {
    service_name: bool,
    claims: bool,
    template: bool,
}

/// The gate of this field is closed; only sets that have it keep it.
fn drop_max_unavailable(new: &mut Object, old: Option<&Object>) {
    if old.is_none_or(|old| old.at(&MAX_UNAVAILABLE).is_none()) {
        new.remove_at(&MAX_UNAVAILABLE);
    }
}

fn create(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), None, Leniency::default(), errors);
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let mut leniency = Leniency { service_name: true, claims: true, template: false };
    let (new, old) = (part(new, "spec"), part(old, "spec"));
    let mut before = ErrorList::new();
    spec(old, Some(old), leniency, &mut before);
    leniency.template = !before.is_empty();
    spec(new, Some(old), leniency, errors);
    if !same_but_mutable(new, old) {
        let words = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                     'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                     'minReadySeconds' are forbidden";
        At::root("spec").forbidden(errors, words);
    }
}

fn same_but_mutable(new: &Value, old: &Value) -> bool {
    let fixed = |spec: &'_ Value| -> Vec<(String, Value)> {
        let fields = spec.as_object().into_iter().flatten();
        fields
            .filter(|(name, _)| !MUTABLE.contains(&name.as_str()))
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    };
    fixed(new) == fixed(old)
}

fn spec(spec: &Value, old: Option<&Value>, leniency: Leniency, errors: &mut ErrorList) {
    let at = At::root("spec");
    management(spec, &at, errors);
    strategy(sub(spec, "updateStrategy"), at.child("updateStrategy"), errors);
    let retention = at.child("persistentVolumeClaimRetentionPolicy");
    if let Some(policy) = spec.get("persistentVolumeClaimRetentionPolicy") {
        for field in ["whenDeleted", "whenScaled"] {
            one_of(text(policy, field), &["Retain", "Delete"], retention.child(field), errors);
        }
    }
    if !leniency.claims {
        let at = at.child("volumeClaimTemplates");
        for (i, template) in items(spec, "volumeClaimTemplates").iter().enumerate() {
            claim::new_spec(sub(template, "spec"), at.index(i).child("spec"), errors);
        }
    }
    for field in ["replicas", "minReadySeconds"] {
        non_negative(int(spec, field), at.child(field), errors);
    }
    non_negative(int(sub(spec, "ordinals"), "start"), at.child("ordinals.start"), errors);
    let service = text(spec, "serviceName");
    if !leniency.service_name && !service.is_empty() {
        at.child("serviceName").rule(errors, service, names::dns1123_label);
    }
    pods(spec, old, leniency, &at, errors);
}

fn management(spec: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("podManagementPolicy");
    match text(spec, "podManagementPolicy") {
        "" => at.required(errors, ""),
        "OrderedReady" | "Parallel" => {}
        other => at.invalid(errors, other, "must be 'OrderedReady' or 'Parallel'"),
    }
}

fn strategy(strategy: &Value, at: At<'_>, errors: &mut ErrorList) {
    let rolling = strategy.get("rollingUpdate");
    let here = at.child("rollingUpdate");
    match (text(strategy, "type"), rolling) {
        ("", _) => at.required(errors, ""),
        ("OnDelete", Some(_)) => {
            let words = "only allowed for updateStrategy 'RollingUpdate'";
            here.invalid(errors, internal("*RollingUpdateStatefulSetStrategy", rolling), words);
        }
        ("RollingUpdate", Some(rolling)) => rolling_update(rolling, here, errors),
        ("OnDelete" | "RollingUpdate", None) => {}
        _ => at.invalid(
            errors,
            internal("StatefulSetUpdateStrategy", strategy),
            "must be 'RollingUpdate' or 'OnDelete'",
        ),
    }
}

fn rolling_update(rolling: &Value, at: At<'_>, errors: &mut ErrorList) {
    non_negative(int(rolling, "partition"), at.child("partition"), errors);
    let Some(unavailable) = rolling.get("maxUnavailable") else { return };
    let here = at.child("maxUnavailable");
    amount(unavailable, here, errors);
    if amount_of(unavailable) == 0 {
        here.invalid(errors, unavailable, "cannot be 0");
    }
    at_most_all(unavailable, here, errors);
}

fn pods(spec: &Value, old: Option<&Value>, leniency: Leniency, at: &At<'_>, errors: &mut ErrorList) {
    template::selector(spec, OWNER, at.child("selector"), errors);
    let here = at.child("template");
    if template::readable(spec, OWNER, at.child("selector"), errors) {
        template::selected(spec, here, errors);
        if !leniency.template {
            template::body(&as_pods_get_it(spec), old, here, errors);
        }
        let metadata = sub(sub(spec, "template"), "metadata");
        meta::labels(metadata.get("labels"), here.child("labels"), errors);
        meta::annotations(metadata.get("annotations"), here.child("annotations"), errors);
    }
    template::runs_forever(spec, OWNER, here, errors);
}

/// The template as its pods will have it: names come from the set, claims from their templates.
fn as_pods_get_it(spec: &Value) -> Cow<'_, Value> {
    let pod = sub(sub(spec, "template"), "spec");
    let claims = items(spec, "volumeClaimTemplates");
    let named = ["subdomain", "hostname"].iter().any(|field| pod.get(*field).is_some());
    if !named && claims.is_empty() {
        return Cow::Borrowed(spec);
    }
    let mut spec = spec.clone();
    let Some(pod) = spec.pointer_mut("/template/spec").and_then(Value::as_object_mut) else {
        return Cow::Owned(spec);
    };
    pod.remove("subdomain");
    pod.remove("hostname");
    let mut taken: Vec<&str> = Vec::new();
    for name in claims.iter().map(|claim| text(sub(claim, "metadata"), "name")) {
        if !taken.contains(&name) {
            taken.push(name);
        }
    }
    let volume = |name: &&str| json!({ "name": name, "persistentVolumeClaim": { "claimName": name } });
    let mut volumes: Vec<Value> = taken.iter().map(volume).collect();
    if let Some(Value::Array(others)) = pod.remove("volumes") {
        volumes.extend(others.into_iter().filter(|other| !taken.contains(&text(other, "name"))));
    }
    if !volumes.is_empty() {
        pod.insert("volumes".into(), volumes.into());
    }
    Cow::Owned(spec)
}

fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    let status = part(new, "status");
    let fields = [
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ];
    counters(status, &fields, errors);
    let fields = ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"];
    at_most(status, &fields, "replicas", "cannot be greater than status.replicas", errors);
    at_most(
        status,
        &["availableReplicas"],
        "readyReplicas",
        "cannot be greater than status.readyReplicas",
        errors,
    );
    meta_change(new, old, errors);
    never_less(new, old, "collisionCount", errors);
}

fn warnings(new: &Object, old: Option<&Object>) -> Vec<String> {
    let mut warnings = template::warnings(new, old, false);
    if int(part(new, "spec"), "revisionHistoryLimit") < 0 {
        let words = "spec.revisionHistoryLimit: a negative value retains all historical revisions; \
                     a value >= 0 is recommended";
        warnings.push(words.to_owned());
    }
    warnings
}
