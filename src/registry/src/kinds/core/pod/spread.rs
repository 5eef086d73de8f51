//! How the pods of a workload spread over a topology.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::super::check::{At, NOT_POSITIVE, int, items, one_of, opt_int, text};
use super::super::super::meta;
use super::options::Options;
use super::scheduling::label_keys_disjoint;
use super::spec::one_of_set;

/// The spread constraints of a pod.
pub(super) fn constraints(spec: &Value, options: Options, at: At<'_>, errors: &mut ErrorList) {
    let list = items(spec, "topologySpreadConstraints");
    for (i, constraint) in list.iter().enumerate() {
        let here = at.index(i);
        positive(int(constraint, "maxSkew"), here.child("maxSkew"), errors);
        let (key, action) = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if key.is_empty() {
            here.child("topologyKey").required(errors, "can not be empty");
        }
        one_of(action, &["DoNotSchedule", "ScheduleAnyway"], here.child("whenUnsatisfiable"), errors);
        let same =
            |other: &&Value| text(other, "topologyKey") == key && text(other, "whenUnsatisfiable") == action;
        if list.iter().skip(i + 1).any(|other| same(&other)) {
            here.child("{topologyKey, whenUnsatisfiable}").duplicate(errors, format!("{{{key}, {action}}}"));
        }
        min_domains(constraint, action, here.child("minDomains"), errors);
        for field in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            one_of_set(constraint, field, &["Honor", "Ignore"], &here, errors);
        }
        label_keys_disjoint(constraint, &here, errors);
        if !options.odd_spread_selectors {
            meta::label_selector(constraint.get("labelSelector"), here.child("labelSelector"), errors);
        }
    }
}

/// Only the selectors of the constraints.
pub(super) fn selectors(spec: &Value, at: At<'_>, errors: &mut ErrorList) {
    for constraint in items(spec, "topologySpreadConstraints") {
        meta::label_selector(constraint.get("labelSelector"), at, errors);
    }
}

fn min_domains(constraint: &Value, action: &str, at: At<'_>, errors: &mut ErrorList) {
    let Some(domains) = opt_int(constraint, "minDomains") else { return };
    positive(domains, at, errors);
    if action != "DoNotSchedule" {
        let words = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}");
        at.invalid(errors, domains, words);
    }
}

fn positive(value: i64, at: At<'_>, errors: &mut ErrorList) {
    if value <= 0 {
        at.invalid(errors, value, NOT_POSITIVE);
    }
}
