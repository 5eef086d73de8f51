//! Daemon sets.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};
use serde_json::json;

use super::template::{self, Owner};
use crate::kinds::check::{At, int, non_negative, text};
use crate::kinds::core::internal;
use crate::kinds::meta;
use crate::kinds::others::kind::{Kind, Status, meta_change};
use crate::kinds::others::tree::{
    amount, amount_of, at_most_all, counters, immutable_selector, is_empty_selector, never_less, part, sub,
    there,
};

/// Daemon sets themselves.
pub(super) static KIND: Kind = Kind::namespaced(meta::dns_subdomain, create)
    .change(update)
    .template(&["spec", "template"])
    .status(|| {
        json!({
            "currentNumberScheduled": 0,
            "desiredNumberScheduled": 0,
            "numberMisscheduled": 0,
            "numberReady": 0,
        })
    })
    .generation(&["spec"])
    .on_create(|new| {
        let asked = template_generation(new).max(1);
        set_template_generation(new, asked);
    })
    .on_update(count_templates)
    .warns(|new, old| template::warnings(new, old, false));

/// Their status.
pub(super) static STATUS: Status =
    Status::new(status).on_update(|new, old| set_template_generation(new, template_generation(old)));

const OWNER: Owner = Owner { word: "daemonset", nonsense: "", kind: "DaemonSet" };

/// Where upstream's internal field is shown.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

fn template_generation(set: &Object) -> i64 {
    let found = set.annotations().find(|(key, _)| *key == TEMPLATE_GENERATION);
    found.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()
}

fn set_template_generation(set: &mut Object, generation: i64) {
    set.set_at(&["metadata", "annotations", TEMPLATE_GENERATION], generation.to_string().into());
}

fn count_templates(new: &mut Object, old: &Object) {
    let changed = new.at(&["spec", "template"]) != old.at(&["spec", "template"]);
    let generation = template_generation(old);
    set_template_generation(new, if changed { generation.saturating_add(1) } else { generation });
}

fn create(new: &Object, errors: &mut ErrorList) {
    spec(part(new, "spec"), None, errors);
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    let at = At::root("spec");
    immutable_selector(
        new.at(&["spec", "selector"]),
        old.at(&["spec", "selector"]),
        at.child("selector"),
        errors,
    );
    spec(part(new, "spec"), old.get("spec"), errors);
}

fn spec(spec: &Value, old: Option<&Value>, errors: &mut ErrorList) {
    let at = At::root("spec");
    let selector = there(spec, "selector");
    let here = at.child("template");
    meta::label_selector(selector, at.child("selector"), errors);
    template::selected(spec, here, errors);
    if selector.is_some_and(is_empty_selector) {
        let words = "empty selector is invalid for daemonset";
        at.child("selector").invalid(errors, internal("*LabelSelector", selector), words);
    }
    template::body(spec, old, here, errors);
    template::runs_forever(spec, OWNER, here, errors);
    non_negative(int(spec, "minReadySeconds"), at.child("minReadySeconds"), errors);
    strategy(sub(spec, "updateStrategy"), at.child("updateStrategy"), errors);
    non_negative(int(spec, "revisionHistoryLimit"), at.child("revisionHistoryLimit"), errors);
}

fn strategy(strategy: &Value, at: At<'_>, errors: &mut ErrorList) {
    let here = at.child("rollingUpdate");
    match (text(strategy, "type"), strategy.get("rollingUpdate")) {
        ("OnDelete", _) => {}
        ("RollingUpdate", None) => here.required(errors, ""),
        ("RollingUpdate", Some(rolling)) => rolling_update(rolling, here, errors),
        _ => {
            let shown = internal("DaemonSetUpdateStrategy", strategy);
            at.not_supported(errors, shown, &["RollingUpdate", "OnDelete"]);
        }
    }
}

fn rolling_update(rolling: &Value, at: At<'_>, errors: &mut ErrorList) {
    let (unavailable, surge) = (sub(rolling, "maxUnavailable"), sub(rolling, "maxSurge"));
    for rule in [amount, at_most_all] {
        rule(unavailable, at.child("maxUnavailable"), errors);
        rule(surge, at.child("maxSurge"), errors);
    }
    match (amount_of(unavailable) != 0, amount_of(surge) != 0) {
        (true, true) => {
            at.child("maxSurge").invalid(errors, surge, "may not be set when maxUnavailable is non-zero");
        }
        (false, false) => at.child("maxUnavailable").required(errors, "cannot be 0 when maxSurge is 0"),
        _ => {}
    }
}

fn status(new: &Object, old: &Object, errors: &mut ErrorList) {
    meta_change(new, old, errors);
    let fields = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    counters(part(new, "status"), &fields, errors);
    never_less(new, old, "collisionCount", errors);
}
