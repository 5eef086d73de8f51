//! One device of a slice: what it is, how much of it there is and what it takes from what it shares.

use std::cmp::Ordering;

use portcullis_api::field::ErrorList;
use portcullis_api::{Value, names};

use super::config::{binding, each};
use super::reference::{distinct, qualified_name};
use crate::kinds::check::{At, entries, flag, items, one_of_required, quantity, text};
use crate::kinds::core::pod::node_selector;
use crate::kinds::others::tree::sub;

const MAX_KNOWN: usize = 32;
const MAX_VALUES: usize = 48;
const MAX_VALUE: usize = 64;
const MAX_TAINTS: usize = 16;
const MAX_CONSUMED: usize = 2;
const MAX_COUNTERS: usize = 32;
const MAX_OPTIONS: usize = 10;
/// How much of a key an error shows.
const MAX_KEY: usize = 63 + 1 + 32;
const EFFECTS: &[&str] = &["NoExecute", "NoSchedule", "None"];

/// The rules of a device. Taints that were there before are not looked at again.
pub(super) fn rules(
    device: &Value,
    old: Option<&Value>,
    per_device: bool,
    at: &At<'_>,
    errors: &mut ErrorList,
) {
    at.child("name").rule(errors, text(device, "name"), names::dns1123_label);
    sizes(device, at, errors);
    keyed(device, "attributes", at, errors, attribute);
    let several = flag(device, "allowMultipleAllocations");
    keyed(device, "capacity", at, errors, |capacity, at, errors| {
        let Some(policy) = capacity.get("requestPolicy").filter(|policy| !policy.is_null()) else { return };
        let at = at.child("requestPolicy");
        if several {
            request_policy(policy, text(capacity, "value"), &at, errors);
        } else {
            at.forbidden(errors, "allowMultipleAllocations must be true");
        }
    });
    if old.is_none_or(|old| old.get("taints") != device.get("taints")) {
        each(items(device, "taints"), MAX_TAINTS, &at.child("taints"), errors, taint);
    }
    consumed(device, at, errors);
    reach(device, per_device, at, errors);
    binding(device, at, errors);
}

fn sizes(device: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let count = |field| entries(device, field).count();
    let known = count("attributes") + count("capacity");
    if known > MAX_KNOWN {
        let words = format!("the total number of attributes and capacities must not exceed {MAX_KNOWN}");
        at.invalid(errors, as_int(known), words);
    }
    let values = count("attributes");
    if values > MAX_VALUES {
        at.invalid(
            errors,
            as_int(values),
            format!("the total number of attribute values must not exceed {MAX_VALUES}"),
        );
    }
}

fn as_int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Each entry of a map by qualified names.
fn keyed(
    device: &Value,
    field: &str,
    at: &At<'_>,
    errors: &mut ErrorList,
    rule: impl Fn(&Value, &At<'_>, &mut ErrorList),
) {
    let at = at.child(field);
    for (key, value) in entries(device, field) {
        qualified_name(key, &at, errors);
        rule(value, &at.key(&shortened(key, MAX_KEY)), errors);
    }
}

/// A key as errors show it: its middle is left out where it is long.
fn shortened(key: &str, max: usize) -> String {
    const GAP: &str = "...";
    if key.len() <= max {
        return key.to_owned();
    }
    let left = max - GAP.len();
    let cut = |range: std::ops::Range<usize>| {
        String::from_utf8_lossy(key.as_bytes().get(range).unwrap_or_default()).into_owned()
    };
    format!("{}{GAP}{}", cut(0..left.div_ceil(2)), cut(key.len() - left / 2..key.len()))
}

fn attribute(attribute: &Value, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(value) = attribute.get("string").and_then(Value::as_str)
        && value.len() > MAX_VALUE
    {
        at.child("string").too_long(errors, MAX_VALUE);
    }
    if let Some(value) = attribute.get("version").and_then(Value::as_str) {
        let at = at.child("version");
        if !is_version(value) {
            at.invalid(errors, value, "must be a string compatible with semver.org spec 2.0.0");
        }
        if value.len() > MAX_VALUE {
            at.too_long(errors, MAX_VALUE);
        }
    }
    let set = ["bool", "int", "string", "version"].iter().filter(|field| attribute.get(**field).is_some());
    match set.count() {
        0 => at.invalid(errors, "", "exactly one value must be specified"),
        1 => {}
        _ => at.invalid(errors, internal(attribute), "exactly one value must be specified"),
    }
}

/// An attribute under the names of upstream's internal type.
fn internal(attribute: &Value) -> portcullis_api::field::Raw {
    let fields = [
        ("IntValue", "int"),
        ("BoolValue", "bool"),
        ("StringValue", "string"),
        ("VersionValue", "version"),
        ("IntValues", ""),
        ("BoolValues", ""),
        ("StringValues", ""),
        ("VersionValues", ""),
    ];
    let shown = fields.map(|(name, field)| format!("\"{name}\":{}", sub(attribute, field)));
    portcullis_api::field::Raw(format!("{{{}}}", shown.join(",")))
}

/// Whether a text is a version of semver.org, 2.0.0.
fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let before = |part: &str| word(part) && (number(part) || !part.bytes().all(|byte| byte.is_ascii_digit()));
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(before))
        && build.is_none_or(|build| build.split('.').all(word))
}

fn request_policy(policy: &Value, capacity: &str, at: &At<'_>, errors: &mut ErrorList) {
    let (values, range) = (items(policy, "validValues"), policy.get("validRange").filter(|it| !it.is_null()));
    let default = policy.get("default").and_then(Value::as_str);
    match (values.is_empty(), range) {
        (false, Some(_)) => at.forbidden(
            errors,
            "exactly one policy can be specified, cannot specify \"validValues\" and \"validRange\" at the same time",
        ),
        (false, None) => match default {
            None => at.child("default").required(errors, "required when validValues is defined"),
            Some(default) => options(values, default, capacity, &at.child("validValues"), errors),
        },
        (true, Some(range)) => match default {
            None => at.child("default").required(errors, "required when validRange is defined"),
            Some(default) => self::range(range, default, capacity, &at.child("validRange"), errors),
        },
        (true, None) => {}
    }
}

fn compare(left: &str, right: &str) -> Ordering {
    quantity(left).cmp(&quantity(right))
}

fn options(values: &[Value], default: &str, capacity: &str, at: &At<'_>, errors: &mut ErrorList) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts: Vec<String> = values.iter().map(text).collect();
    for (i, (one, next)) in texts.iter().zip(texts.iter().skip(1)).enumerate() {
        if compare(one, next).is_gt() {
            at.index(i + 1).invalid(errors, next.as_str(), "values must be sorted in ascending order");
        }
    }
    let mut found = false;
    if texts.len() > MAX_OPTIONS {
        at.too_many(errors, texts.len(), MAX_OPTIONS);
    } else {
        for (i, option) in texts.iter().enumerate() {
            if compare(option, capacity).is_gt() {
                let words = format!("option is larger than capacity value: {capacity}");
                at.index(i).invalid(errors, option.as_str(), words);
            }
            found |= compare(option, default).is_eq();
        }
        let keys: Vec<String> = texts.iter().map(|text| quantity(text).value().to_string()).collect();
        distinct(keys.iter().map(String::as_str), at, errors);
    }
    if !found {
        at.invalid(errors, default, "default value is not valid according to the requestPolicy");
    }
}

fn range(range: &Value, default: &str, capacity: &str, at: &At<'_>, errors: &mut ErrorList) {
    let bound = |field: &str| range.get(field).and_then(Value::as_str);
    let Some(min) = bound("min") else {
        at.child("min").required(errors, "required when validRange is defined");
        return;
    };
    let mut refuse = |field: &str, value: &str, words: String| at.child(field).invalid(errors, value, words);
    if compare(min, capacity).is_gt() {
        refuse("min", min, format!("min is larger than capacity value: {capacity}"));
    }
    if compare(default, min).is_lt() {
        refuse("min", default, format!("default is less than min: {min}"));
    }
    if let Some(max) = bound("max") {
        if compare(min, max).is_gt() {
            refuse("max", min, format!("min is larger than max: {max}"));
        }
        if compare(max, capacity).is_gt() {
            refuse("max", max, format!("max is larger than capacity value: {capacity}"));
        }
        if compare(default, max).is_gt() {
            refuse("max", default, format!("default is more than max: {max}"));
        }
    }
    let Some(step) = bound("step") else { return };
    let mut next = quantity(min);
    next.add(&quantity(step));
    if next.cmp(&quantity(capacity)).is_gt() {
        refuse("step", step, format!("one step {next} is larger than capacity value: {capacity}"));
    }
    for value in [Some(default), bound("max")].into_iter().flatten() {
        let distance = quantity(value).value().wrapping_sub(quantity(min).value());
        // A step of nothing divides nothing; upstream's server panics on it and answers 500.
        if distance.checked_rem(quantity(step).value()).is_none_or(|rest| rest != 0) {
            let words = format!("value is not a multiple of a given step ({step}) from ({min})");
            refuse("step", value, words);
        }
    }
}

fn taint(taint: &Value, at: &At<'_>, errors: &mut ErrorList) {
    at.child("key").rule(errors, text(taint, "key"), names::qualified_name);
    let value = text(taint, "value");
    if !value.is_empty() {
        at.child("value").rule(errors, value, names::label_value);
    }
    one_of_required(text(taint, "effect"), EFFECTS, at.child("effect"), errors);
}

/// What a request tolerates of such taints.
pub(super) fn tolerations(request: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("tolerations");
    for (i, toleration) in items(request, "tolerations").iter().enumerate() {
        let at = at.index(i);
        let (key, value, effect) =
            (text(toleration, "key"), text(toleration, "value"), text(toleration, "effect"));
        if !key.is_empty() {
            at.child("key").rule(errors, key, names::qualified_name);
        }
        match text(toleration, "operator") {
            "Exists" if !value.is_empty() => {
                at.child("value").invalid(errors, value, "must be empty for operator `Exists`");
            }
            "Exists" => {}
            "Equal" => at.child("value").rule(errors, value, names::label_value),
            other => one_of_required(other, &["Equal", "Exists"], at.child("operator"), errors),
        }
        if !effect.is_empty() {
            one_of_required(effect, EFFECTS, at.child("effect"), errors);
        }
    }
}

fn consumed(device: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let (list, at) = (items(device, "consumesCounters"), at.child("consumesCounters"));
    each(list, MAX_CONSUMED, &at, errors, |one, at, errors| counters(one, "counterSet", at, errors));
    if list.len() <= MAX_CONSUMED {
        distinct(list.iter().map(|one| text(one, "counterSet")), &at, errors);
    }
}

/// Named counters, of a set or taken from one.
pub(super) fn counters(owner: &Value, name: &str, at: &At<'_>, errors: &mut ErrorList) {
    match text(owner, name) {
        "" => at.child(name).required(errors, ""),
        set => at.child(name).rule(errors, set, names::dns1123_label),
    }
    let at = at.child("counters");
    match entries(owner, "counters").count() {
        0 => at.required(errors, ""),
        many if many > MAX_COUNTERS => at.too_many(errors, many, MAX_COUNTERS),
        _ => entries(owner, "counters").for_each(|(key, _)| at.rule(errors, key, names::dns1123_label)),
    }
}

/// Which nodes reach the device, where its slice leaves that to each.
fn reach(device: &Value, per_device: bool, at: &At<'_>, errors: &mut ErrorList) {
    const ONE: &str = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when \
                       `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    let (name, selector, all) = (device.get("nodeName"), device.get("nodeSelector"), device.get("allNodes"));
    if !per_device {
        if name.or(selector).or(all).is_some() {
            let words = "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true \
                         in the ResourceSlice spec";
            at.invalid(errors, &Value::Null, words);
        }
        return;
    }
    let mut ways = Vec::new();
    match name.and_then(Value::as_str) {
        Some("") => at.child("nodeName").invalid(errors, "", "must not be empty"),
        Some(name) => {
            ways.push("`nodeName`");
            at.child("nodeName").rule(errors, name, names::dns1123_subdomain);
        }
        None => {}
    }
    if let Some(selector) = selector {
        ways.push("`nodeSelector`");
        node_selector(selector, false, at.child("nodeSelector"), errors);
    }
    match all.and_then(Value::as_bool) {
        Some(true) => ways.push("`allNodes`"),
        Some(false) => at.child("allNodes").invalid(errors, false, "must be either unset or set to true"),
        None => {}
    }
    match ways.len() {
        0 => at.required(errors, ONE),
        1 => {}
        _ => at.invalid(errors, format!("{{{}}}", ways.join(", ")).as_str(), ONE),
    }
}
