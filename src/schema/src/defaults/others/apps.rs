//! Defaults of the kinds that keep pods running.
//!
//! What upstream's conversion to its internal form drops or adds on every pass shows on the wire too
//! and happens here: claim templates say what they are, annotations with a field's own place are removed.

use portcullis_api::{Map, Object, Value};

use super::super::core::{claim_spec, pod_template, resource_list};
use super::super::tree::{at, child, child_or_new, each, set_empty, set_missing, str_of};

type Tree = Map<String, Value>;

pub(super) fn deployment(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_missing(spec, "replicas", 1);
    if let Some(rolling) = rolling_update(spec, "strategy") {
        set_missing(rolling, "maxUnavailable", "25%");
        set_missing(rolling, "maxSurge", "25%");
    }
    set_missing(spec, "revisionHistoryLimit", 10);
    set_missing(spec, "progressDeadlineSeconds", 600);
    template(spec);
}

pub(super) fn daemon_set(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    if let Some(rolling) = rolling_update(spec, "updateStrategy") {
        set_missing(rolling, "maxUnavailable", 1);
        set_missing(rolling, "maxSurge", 0);
    } else if let Some(rolling) = at(spec, &["updateStrategy", "rollingUpdate"]) {
        // Go has no way to leave them out.
        set_missing(rolling, "maxUnavailable", 0);
        set_missing(rolling, "maxSurge", 0);
    }
    set_missing(spec, "revisionHistoryLimit", 10);
    template(spec);
    keep_template_generation(object);
}

/// Go keeps the generation of the template in an annotation, which every daemon set is given.
fn keep_template_generation(object: &mut Object) {
    let metadata = object.metadata_mut();
    let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(annotations) = annotations {
        annotations.entry("deprecated.daemonset.template.generation").or_insert_with(|| "0".into());
    }
}

pub(super) fn replica_set(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_missing(spec, "replicas", 1);
    template(spec);
}

pub(super) fn stateful_set(object: &mut Object) {
    let Some(spec) = child_or_new(object.map_mut(), "spec") else { return };
    set_empty(spec, "podManagementPolicy", "OrderedReady");
    partition(spec);
    if let Some(retention) = child_or_new(spec, "persistentVolumeClaimRetentionPolicy") {
        set_empty(retention, "whenDeleted", "Retain");
        set_empty(retention, "whenScaled", "Retain");
    }
    set_missing(spec, "replicas", 1);
    set_missing(spec, "revisionHistoryLimit", 10);
    template(spec);
    each(spec, "volumeClaimTemplates", claim_template);
}

/// The parameters of a rolling update, made where that is the strategy (as it is by default).
fn rolling_update<'a>(spec: &'a mut Tree, field: &str) -> Option<&'a mut Tree> {
    let strategy = child_or_new(spec, field)?;
    set_empty(strategy, "type", "RollingUpdate");
    if str_of(strategy, "type") != "RollingUpdate" {
        return None;
    }
    child_or_new(strategy, "rollingUpdate")
}

/// A stateful set that names its strategy may leave the parameters out.
fn partition(spec: &mut Tree) {
    let Some(strategy) = child_or_new(spec, "updateStrategy") else { return };
    if str_of(strategy, "type").is_empty() {
        set_empty(strategy, "type", "RollingUpdate");
        set_missing(strategy, "rollingUpdate", Map::new());
    }
    if let Some(rolling) = child(strategy, "rollingUpdate") {
        set_missing(rolling, "partition", 0);
    }
}

fn template(spec: &mut Tree) {
    if let Some(template) = child_or_new(spec, "template") {
        pod_template(template);
    }
}

fn claim_template(claim: &mut Tree) {
    claim.insert("apiVersion".into(), "v1".into());
    claim.insert("kind".into(), "PersistentVolumeClaim".into());
    if let Some(status) = child_or_new(claim, "status") {
        set_empty(status, "phase", "Pending");
        resource_list(status, "capacity");
        resource_list(status, "allocatedResources");
    }
    if let Some(spec) = child_or_new(claim, "spec") {
        claim_spec(spec);
    }
}
