//! Devices: what offers them, what classes there are, and who claims them.

use portcullis_api::Object;
use portcullis_api::field::ErrorList;

use super::kind::{Kept, Kind, Status, empty, meta_change};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::At;
use crate::kinds::meta;

mod claim;
mod slice;

const GROUP: &str = "resource.k8s.io";

/// The strategies of the group.
pub(super) const STRATEGIES: &[Row] = &[
    (GROUP, "deviceclasses", "", &DEVICE_CLASS),
    (GROUP, "resourceclaims", "", &CLAIM),
    (GROUP, "resourceclaims", "status", &CLAIM_STATUS),
    (GROUP, "resourceclaimtemplates", "", &CLAIM_TEMPLATE),
    (GROUP, "resourceslices", "", &SLICE),
];

static DEVICE_CLASS: Kind = Kind::cluster(meta::long_name, class).generation(&["spec"]);
static CLAIM: Kind = Kind::namespaced(meta::dns_subdomain, claim::rules).change(claim::change).status(empty);
static CLAIM_STATUS: Status = Status::new(meta_change).keeps(Kept::Meta);
static CLAIM_TEMPLATE: Kind =
    Kind::namespaced(meta::dns_subdomain, claim::template_rules).new_and_change(claim::change);
static SLICE: Kind = Kind::cluster(meta::dns_subdomain, slice::rules)
    .change(slice::change)
    .generation(&["spec"])
    .warns(warnings);

fn class(new: &Object, errors: &mut ErrorList) {
    claim::selectors(part(new, "spec"), &At::root("spec"), errors);
}

fn warnings(new: &Object, _old: Option<&Object>) -> Vec<String> {
    let driver = new.str_at(&["spec", "driver"]);
    if driver == driver.to_lowercase() {
        return Vec::new();
    }
    let words = "driver names should be lowercase";
    vec![format!(
        "spec.driver: {words}; {} contains uppercase characters",
        portcullis_api::field::go_quote(driver)
    )]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(spec: Value) -> Object {
        let Value::Object(tree) = json!({ "metadata": { "name": "x", "namespace": "ns" }, "spec": spec })
        else {
            unreachable!("an object")
        };
        Object::new(tree)
    }

    fn found(rules: fn(&Object, &mut ErrorList), spec: Value) -> Vec<String> {
        let mut errors = ErrorList::new();
        rules(&object(spec), &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn requests_have_distinct_names_and_one_form() {
        let one = json!({ "name": "a", "exactly": {
            "deviceClassName": "gpu.example.com", "allocationMode": "ExactCount", "count": 1,
        } });
        let claim = |requests: Value| json!({ "devices": { "requests": requests } });
        assert!(found(claim::rules, claim(json!([one]))).is_empty());
        assert_eq!(
            found(claim::rules, claim(json!([one, one, { "name": "b" }]))),
            [
                "spec.devices.requests[2]: Required value: exactly one of `exactly` or `firstAvailable` is required",
                "spec.devices.requests[1]: Duplicate value: \"a\"",
            ]
        );
    }

    #[test]
    fn a_claim_never_changes() {
        let (new, old) = (object(json!({ "devices": {} })), object(json!({})));
        let mut errors = ErrorList::new();
        claim::change(&new, &old, &mut errors);
        assert!(errors.iter().all(|error| error.to_string().ends_with("field is immutable")));
        assert_eq!(errors.len(), 1);
    }

    #[test]
    fn slices_say_once_which_nodes_reach_them() {
        let slice = |more: Value| {
            let mut spec = json!({
                "driver": "gpu.example.com",
                "pool": { "name": "p", "generation": 0, "resourceSliceCount": 1 },
            });
            for (key, value) in more.as_object().into_iter().flatten() {
                spec[key.as_str()] = value.clone();
            }
            spec
        };
        assert!(found(slice::rules, slice(json!({ "nodeName": "n1" }))).is_empty());
        const ONE: &str =
            "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required";
        assert_eq!(found(slice::rules, slice(json!({}))), [format!("spec: Required value: {ONE}")]);
        assert_eq!(
            found(slice::rules, slice(json!({ "nodeName": "n1", "allNodes": true }))),
            [format!(
                "spec: Invalid value: \"{{`nodeName`, `allNodes`}}\": {ONE}, but multiple fields are set"
            )]
        );
    }
}
