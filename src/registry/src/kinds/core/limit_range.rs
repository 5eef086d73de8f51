//! Limit ranges.

use std::collections::BTreeSet;

use portcullis_api::field::ErrorList;
use portcullis_api::quantity::{Format, Quantity};
use portcullis_api::{Object, Value, names};

use super::super::check::{At, entries, filled_map, items, quantity, text};
use super::super::meta;
use super::pod::{bounded_name, resource_name};
use crate::strategy::Strategy;

const LISTS: [&str; 5] = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];

/// Limit ranges.
pub(crate) struct LimitRanges;

impl Strategy for LimitRanges {
    fn prepare_create(&self, new: &mut Object) {
        if new.name().is_empty() {
            new.set_meta_str("name", &uuid::Uuid::new_v4().to_string());
        }
    }

    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        meta::object_meta(new, true, meta::dns_subdomain, errors);
        let spec = At::root("spec");
        let at = spec.child("limits");
        let limits = items(super::spec(new), "limits");
        for (i, limit) in limits.iter().enumerate() {
            let here = at.index(i);
            let kind = text(limit, "type");
            type_name(kind, here.child("type"), errors);
            if limits.iter().take(i).any(|earlier| text(earlier, "type") == kind) {
                here.child("type").duplicate(errors, kind);
            }
            resource_names(limit, kind, &here, errors);
            bounds(limit, kind, &here, errors);
        }
    }

    fn validate_update(&self, new: &Object, _old: &Object, errors: &mut ErrorList) {
        self.validate(new, errors);
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }
}

fn type_name(kind: &str, at: At<'_>, errors: &mut ErrorList) {
    let messages = names::qualified_name(kind);
    if !messages.is_empty() {
        at.messages(errors, kind, messages);
    } else if !kind.contains('/') && !["Pod", "Container", "PersistentVolumeClaim"].contains(&kind) {
        at.invalid(errors, kind, "must be a standard limit type or fully qualified");
    }
}

fn resource_names(limit: &Value, kind: &str, at: &At<'_>, errors: &mut ErrorList) {
    for list in LISTS {
        let here = at.child(list);
        if kind == "Pod" && matches!(list, "default" | "defaultRequest") {
            if filled_map(limit, list).is_some() {
                here.forbidden(errors, "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        if list == "maxLimitRequestRatio" && kind == "PersistentVolumeClaim" {
            needs_storage(limit, at, errors);
        }
        for (name, _) in entries(limit, list) {
            if matches!(kind, "Pod" | "Container") {
                bounded_name(name, here.key(name), errors);
            } else {
                resource_name(name, here.key(name), errors);
            }
        }
    }
}

fn needs_storage(limit: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let has = |list: &str| limit.get(list).is_some_and(|l| l.get("storage").is_some());
    if !has("min") && !has("max") {
        let words = "either minimum or maximum storage value is required, but neither was provided";
        at.child("limits").required(errors, words);
    }
}

/// One amount of a list.
struct Bound<'a> {
    text: &'a str,
    amount: Quantity,
}

fn bound<'a>(limit: &'a Value, list: &str, name: &str) -> Option<Bound<'a>> {
    let text = limit.get(list)?.get(name)?.as_str()?;
    Some(Bound { text, amount: quantity(text) })
}

/// The lists must not contradict each other.
fn bounds(limit: &Value, kind: &str, at: &At<'_>, errors: &mut ErrorList) {
    let lists = LISTS.iter().filter(|list| kind != "Pod" || !list.starts_with("default"));
    let names: BTreeSet<&str> = lists.flat_map(|list| entries(limit, list)).map(|(name, _)| name).collect();
    for name in names {
        let get = |list: &str| {
            if kind == "Pod" && list.starts_with("default") { None } else { bound(limit, list, name) }
        };
        let (min, max) = (get("min"), get("max"));
        let (default, request) = (get("default"), get("defaultRequest"));
        let checks = [
            (&min, &max, "min", false, "min value", "max value"),
            (&min, &request, "defaultRequest", true, "min value", "default request value"),
            (&request, &max, "defaultRequest", false, "default request value", "max value"),
            (&request, &default, "defaultRequest", false, "default request value", "default limit value"),
            (&min, &default, "default", false, "min value", "default value"),
            (&default, &max, "default", true, "default value", "max value"),
        ];
        for (low, high, place, shows_high, low_name, high_name) in checks {
            let (Some(low), Some(high)) = (low, high) else { continue };
            if low.amount > high.amount {
                let shown = if shows_high { high.text } else { low.text };
                let words = format!("{low_name} {} is greater than {high_name} {}", low.text, high.text);
                at.child(place).key(name).invalid(errors, shown, words);
            }
        }
        ratio(limit, name, at, errors);
        let overcommit = super::pod::is_native(name) && !name.starts_with("hugepages-");
        if let (false, Some(default), Some(request)) = (overcommit, &default, &request)
            && default.amount != request.amount
        {
            let words = format!(
                "default value {} must equal to defaultRequest value {} in {name}",
                default.text, request.text
            );
            at.child("defaultRequest").key(name).invalid(errors, request.text, words);
        }
    }
}

fn ratio(limit: &Value, name: &str, at: &At<'_>, errors: &mut ErrorList) {
    let Some(ratio) = bound(limit, "maxLimitRequestRatio", name) else { return };
    let list = at.child("maxLimitRequestRatio");
    if ratio.amount < Quantity::new(1, Format::DecimalSi) {
        list.key(name).invalid(errors, ratio.text, format!("ratio {} is less than 1", ratio.text));
    }
    let (Some(min), Some(max)) = (bound(limit, "min", name), bound(limit, "max", name)) else { return };
    let most = as_number(&max.amount) / as_number(&min.amount);
    if as_number(&ratio.amount) > most {
        let words = format!("ratio {} is greater than max/min = {most:.6}", ratio.text);
        list.key(name).invalid(errors, ratio.text, words);
    }
}

#[expect(clippy::cast_precision_loss, reason = "upstream compares ratios as floats, too")]
fn as_number(amount: &Quantity) -> f64 {
    if amount.value() < i64::MAX / 1000 {
        amount.milli_value() as f64 / 1000.0
    } else {
        amount.value() as f64
    }
}
