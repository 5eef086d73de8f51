//! The difference between two specs as upstream tells it when something immutable changed: a unified
//! diff of both in upstream's internal form.
//!
//! The internal form names fields by their Go names, in the order of the Go structs, and shows every
//! field, set or not. `internal.tsv` has one row per field: struct, Go name, name on the wire, type.

mod lines;
mod render;

use portcullis_api::Value;
use portcullis_api::field::Raw;

/// The diff of two values of a Go struct.
pub(crate) fn diff(structure: &str, old: &Value, new: &Value) -> String {
    lines::unified(&render::pretty(structure, old), &render::pretty(structure, new))
}

/// A value of a Go struct as upstream's messages show it.
pub(crate) fn internal(structure: &str, value: &Value) -> Raw {
    Raw(render::compact(structure, value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_field_is_shown_with_its_neighbours() {
        let old = json!({"claimName": "a"});
        let new = json!({"claimName": "b", "readOnly": true});
        assert_eq!(
            diff("PersistentVolumeClaimVolumeSource", &old, &new),
            "@@ -1,4 +1,4 @@\n {\n- \"ClaimName\": \"a\",\n- \"ReadOnly\": false\n+ \"ClaimName\": \"b\",\n+ \"ReadOnly\": true\n }\n"
        );
    }

    #[test]
    fn messages_show_structs_on_one_line() {
        let Raw(shown) = internal("Taint", &json!({"key": "a: {b}", "effect": "NoSchedule"}));
        assert_eq!(shown, r#"{"Key":"a: {b}","Value":"","Effect":"NoSchedule","TimeAdded":null}"#);
        let Raw(shown) = internal("PodResourceClaim", &json!({"name": "x"}));
        assert_eq!(shown, r#"{"Name":"x","ResourceClaimName":null,"ResourceClaimTemplateName":null}"#);
    }

    #[test]
    fn the_host_flags_are_part_of_the_security_context() {
        let old = json!({"securityContext": {}});
        let new = json!({"securityContext": {}, "hostNetwork": true});
        let told = diff("PodSpec", &old, &new);
        assert!(told.contains("-  \"HostNetwork\": false,\n+  \"HostNetwork\": true,\n"), "{told}");
    }
}
