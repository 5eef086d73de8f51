//! Priority classes.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::kind::Kind;
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, immutable_as, one_of_required};
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[("scheduling.k8s.io", "priorityclasses", "", &KIND)];

static KIND: Kind = Kind::cluster(meta::dns_subdomain, rules)
    .change(update)
    .on_create(|new| super::kind::set_generation(new, 1));

const USER_MAX: i64 = 1_000_000_000;
/// The classes that exist at start.
const SYSTEM: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

fn rules(new: &Object, errors: &mut ErrorList) {
    if new.name().starts_with("system-") {
        if let Some(why) = not_known_to_system(new) {
            let metadata = At::root("metadata");
            let words =
                "priority class names with 'system-' prefix are reserved for system use only. error: ";
            metadata.child("name").forbidden(errors, format!("{words}{why}"));
        }
    } else if value(new) > USER_MAX {
        let words = format!("maximum allowed value of a user defined priority is {USER_MAX}");
        At::root("value").forbidden(errors, words);
    }
    if let Some(policy) = new.get("preemptionPolicy").and_then(Value::as_str) {
        one_of_required(policy, &["PreemptLowerPriority", "Never"], At::root("preemptionPolicy"), errors);
    }
}

fn not_known_to_system(new: &Object) -> Option<String> {
    let name = new.name();
    let Some((_, expected)) = SYSTEM.iter().find(|(known, _)| *known == name) else {
        return Some(format!("{name} is not a known system priority class"));
    };
    if value(new) != *expected {
        return Some(format!("value of {name} PriorityClass must be {expected}"));
    }
    let is_default = part(new, "globalDefault").as_bool().unwrap_or_default();
    is_default.then(|| format!("globalDefault of {name} PriorityClass must be false"))
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    if value(new) != value(old) {
        At::root("value").forbidden(errors, "may not be changed in an update.");
    }
    let field = "preemptionPolicy";
    immutable_as("*string", new.get(field), old.get(field), At::root(field), errors);
}

fn value(class: &Object) -> i64 {
    part(class, "value").as_i64().unwrap_or_default()
}
