//! Runtime classes.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value, names};

use serde_json::json;

use super::kind::Kind;
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, entries, immutable_as, items, text};
use crate::kinds::core::{internal, node_labels, pod};
use crate::kinds::meta;

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[("node.k8s.io", "runtimeclasses", "", &KIND)];

static KIND: Kind = Kind::cluster(meta::dns_subdomain, rules)
    .new_and_change(update)
    .creates_on_update()
    .needs_version()
    .warns(warnings);

fn rules(new: &Object, errors: &mut ErrorList) {
    match new.str_at(&["handler"]) {
        "" => At::root("handler").required(errors, ""),
        handler => At::root("handler").rule(errors, handler, names::dns1123_label),
    }
    if let Some(overhead) = new.get("overhead") {
        let fixed = json!({ "overhead": overhead.get("podFixed") });
        pod::overhead(&fixed, pod::Options::default(), At::root("overhead"), errors);
    }
    if let Some(scheduling) = new.get("scheduling") {
        let at = At::root("scheduling");
        meta::labels(scheduling.get("nodeSelector"), at.child("nodeSelector"), errors);
        tolerations(scheduling, at.child("tolerations"), errors);
    }
}

fn warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let scheduling = part(new, "scheduling");
    let labels = entries(scheduling, "nodeSelector").filter_map(|(key, _)| node_labels::deprecated(key));
    labels.map(|words| format!("scheduling.nodeSelector: {words}")).collect()
}

fn tolerations(scheduling: &Value, at: At<'_>, errors: &mut ErrorList) {
    pod::tolerations(scheduling, at, errors);
    let mut seen: Vec<[&str; 4]> = Vec::new();
    for (i, toleration) in items(scheduling, "tolerations").iter().enumerate() {
        let key = ["key", "operator", "value", "effect"].map(|field| text(toleration, field));
        if seen.contains(&key) {
            at.index(i).duplicate(errors, internal("Toleration", toleration));
        }
        seen.push(key);
    }
}

fn update(new: &Object, old: &Object, errors: &mut ErrorList) {
    immutable_as("string", new.get("handler"), old.get("handler"), At::root("handler"), errors);
}
