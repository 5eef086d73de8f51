//! Devices: what offers them, what classes there are, and who claims them.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::kind::{Kept, Kind, Status, empty};
use super::tree::part;
use crate::kinds::Row;
use crate::kinds::check::{At, items};
use crate::kinds::core::pod::is_extended;
use crate::kinds::meta;

mod claim;
mod config;
mod device;
mod reference;
mod selector;
mod slice;
mod status;

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
static CLAIM_STATUS: Status = Status::new(status::rules).keeps(Kept::Meta).on_update(status::prepare);
static CLAIM_TEMPLATE: Kind =
    Kind::namespaced(meta::dns_subdomain, claim::template_rules).new_and_change(claim::template_change);
static SLICE: Kind = Kind::cluster(meta::dns_subdomain, slice::rules)
    .change(slice::change)
    .on_create(slice::drop_unserved)
    .on_update(|new, _| slice::drop_unserved(new))
    .generation(&["spec"])
    .warns(warnings);

fn class(new: &Object, errors: &mut ErrorList) {
    let (spec, at) = (part(new, "spec"), At::root("spec"));
    selector::selectors(spec, &at, errors);
    config::each(items(spec, "config"), config::MAX_CONFIG, &at.child("config"), errors, config::opaque);
    if let Some(name) = spec.get("extendedResourceName").and_then(Value::as_str)
        && !is_extended(name)
    {
        at.child("extendedResourceName").invalid(errors, name, "must be a valid extended resource name");
    }
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
        let Value::Object(tree) =
            json!({ "metadata": { "name": "x", "namespace": "ns", "resourceVersion": "1" }, "spec": spec })
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
    fn what_a_claim_says_of_its_requests_is_checked_together() {
        let request = json!({ "name": "a", "exactly": {
            "deviceClassName": "gpu.example.com", "allocationMode": "ExactCount", "count": 1,
            "selectors": [{ "cel": { "expression": "device.driver ==" } }, { "cel": { "expression": "1" } }],
            "tolerations": [{ "operator": "Exists", "value": "x" }],
        } });
        let devices = json!({
            "requests": [request],
            "constraints": [{ "requests": ["a", "b"], "matchAttribute": "model" }, {}],
            "config": [{ "requests": ["a"] }, { "opaque": { "driver": "d.io", "parameters": [1] } }],
        });
        let errors = found(claim::rules, json!({ "devices": devices }));
        let starts = [
            "spec.devices.requests[0].exactly.selectors[0].cel.expression: Invalid value: \"device.driver ==\": \
             compilation failed: ERROR: <input>:1:17: Syntax error:",
            "spec.devices.requests[0].exactly.selectors[1].cel.expression: Invalid value: \"1\": must evaluate to bool \
             or the unknown type, not int",
            "spec.devices.requests[0].exactly.tolerations[0].value: Invalid value: \"x\": must be empty for operator \
             `Exists`",
            "spec.devices.constraints[0].requests[1]: Invalid value: \"b\": must be the name of a request",
            "spec.devices.constraints[0].matchAttribute: Invalid value: \"model\": a fully qualified name must be",
            "spec.devices.constraints[1]: Required value: exactly one of",
            "spec.devices.config[0].opaque: Required value",
            "spec.devices.config[1].opaque.parameters: Invalid value: \"<value omitted>\": must be a valid JSON object",
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(start), "{error}\n{start}");
        }
    }

    #[test]
    fn a_status_tells_only_of_devices_that_are_allocated() {
        let spec =
            json!({ "devices": { "requests": [{ "name": "a", "exactly": { "deviceClassName": "c" } }] } });
        let claim = |status: Value| {
            let mut object = object(spec.clone());
            object.map_mut().insert("status".to_owned(), status);
            object
        };
        let result = json!({ "request": "a", "driver": "d.io", "pool": "p", "device": "x" });
        let device = |name: &str| json!({ "driver": "d.io", "pool": "p", "device": name });
        let mut errors = ErrorList::new();
        let new = claim(json!({
            "allocation": { "devices": { "results": [result, { "request": "b", "driver": "", "pool": "", "device": "" }] } },
            "devices": [device("x"), device("y"), device("x")],
            "reservedFor": [{ "resource": "pods", "name": "p", "uid": "1" }, { "resource": "pods", "name": "q", "uid": "1" }],
        }));
        status::rules(&new, &claim(json!({})), &mut errors);
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts[0], "status.reservedFor[1]: Duplicate value: \"1\"");
        assert_eq!(
            texts[1],
            "status.devices[1]: Invalid value: {\"Driver\":\"d.io\",\"Pool\":\"p\",\"Device\":\"y\",\"ShareID\":\"\"}: \
             must be an allocated device in the claim"
        );
        assert!(texts[2].starts_with("status.devices[2]: Duplicate value: {"), "{texts:#?}");
        assert!(texts[3].starts_with("status.allocation.devices.results[1].request: Invalid value: \"b\""));
        assert_eq!(texts[4], "status.allocation.devices.results[1].driver: Required value");
    }

    #[test]
    fn reports_go_with_the_allocation() {
        let device = json!({ "driver": "d.io", "pool": "p", "device": "x" });
        let with = |status: Value| {
            let mut object = object(json!({}));
            object.map_mut().insert("status".to_owned(), status);
            object
        };
        let old = with(json!({ "allocation": { "devices": { "results": [device] } }, "devices": [device] }));
        let mut new = with(json!({ "devices": [device] }));
        status::prepare(&mut new, &old);
        assert_eq!(part(&new, "status"), &json!({}));
    }

    #[test]
    fn a_claim_never_changes() {
        let devices = json!({ "devices": { "requests": [{ "name": "a" }] } });
        let (new, old) = (object(devices), object(json!({})));
        let mut errors = ErrorList::new();
        claim::change(&new, &old, &mut errors);
        assert!(errors.iter().all(|error| error.to_string().ends_with("field is immutable")));
        assert_eq!(errors.len(), 1);
        let mut none = ErrorList::new();
        claim::change(&object(json!({ "devices": {} })), &old, &mut none);
        assert!(none.is_empty(), "what Go holds as a struct is there either way");
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

    #[test]
    fn devices_of_a_slice_are_looked_at_each() {
        let slice = |devices: Value| {
            json!({
                "driver": "gpu.example.com", "nodeName": "n1", "devices": devices,
                "pool": { "name": "p", "generation": 0, "resourceSliceCount": 1 },
            })
        };
        let errors = found(
            slice::rules,
            slice(json!([
                {
                    "name": "Bad",
                    "attributes": { "a b": { "string": "x" }, "ok": {}, "v": { "version": "1.02.3" } },
                    "capacity": { "mem": { "value": "1Gi", "requestPolicy": {} } },
                    "taints": [{ "key": "k", "effect": "Odd" }],
                    "nodeName": "n",
                },
                {
                    "name": "x", "allowMultipleAllocations": true,
                    "capacity": { "mem": { "value": "10", "requestPolicy": {
                        "default": "5", "validRange": { "min": "2", "max": "20", "step": "2" },
                    } } },
                    "consumesCounters": [{ "counterSet": "c" }],
                    "bindingConditions": ["a", "a"], "bindingFailureConditions": ["a"],
                },
                { "name": "x" },
            ])),
        );
        let at = "spec.devices[0]";
        let other = "spec.devices[1]";
        let starts = [
            format!("{at}.name: Invalid value: \"Bad\": a lowercase RFC 1123 label"),
            format!("{at}.attributes: Invalid value: \"a b\": a valid C identifier"),
            format!("{at}.attributes[ok]: Invalid value: \"\": exactly one value must be specified"),
            format!(
                "{at}.attributes[v].version: Invalid value: \"1.02.3\": must be a string compatible with semver.org"
            ),
            format!("{at}.capacity[mem].requestPolicy: Forbidden: allowMultipleAllocations must be true"),
            format!(
                "{at}.taints[0].effect: Unsupported value: \"Odd\": supported values: \"NoExecute\", \"NoSchedule\", \"None\""
            ),
            format!("{at}: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set"),
            format!(
                "{other}.capacity[mem].requestPolicy.validRange.max: Invalid value: \"20\": max is larger than capacity value: 10"
            ),
            format!(
                "{other}.capacity[mem].requestPolicy.validRange.step: Invalid value: \"5\": value is not a multiple"
            ),
            format!("{other}.consumesCounters[0].counters: Required value"),
            format!("{other}.bindingConditions[1]: Duplicate value: \"a\""),
            format!(
                "{other}.bindingFailureConditions[0]: Invalid value: \"a\": bindingFailureConditions must not overlap"
            ),
            "spec.devices[2]: Duplicate value: \"x\"".to_owned(),
        ];
        assert_eq!(errors.len(), starts.len(), "{errors:#?}");
        for (error, start) in errors.iter().zip(starts) {
            assert!(error.starts_with(&start), "{error}\n{start}");
        }
    }
}
