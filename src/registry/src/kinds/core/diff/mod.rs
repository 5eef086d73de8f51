//! The difference between two specs as upstream tells it when something immutable changed: a unified
//! diff of both in upstream's internal form.
//!
//! The internal form names fields by their Go names, in the order of the Go structs, and shows every
//! field, set or not. `internal.tsv` has one row per field: struct, Go name, path on the wire (`.` is the
//! struct's own place, `-` is nowhere) and type. A type is read from the left (`*` may be null, `[]` a list,
//! `map:` a map); one that ends in `?` is left out when empty. Names that two groups share say their group.

mod lines;
mod render;

use portcullis_api::Value;
use portcullis_api::field::{Raw, go_quote};

/// The diff of two values of a Go struct.
pub(crate) fn diff(structure: &str, old: &Value, new: &Value) -> String {
    lines::unified(&render::pretty(structure, old), &render::pretty(structure, new))
}

/// A value of a Go type as upstream's messages show it.
pub(crate) fn internal<'a>(kind: &str, value: impl Into<Option<&'a Value>>) -> Raw {
    let value = value.into();
    match value {
        Some(Value::String(text)) if kind == "string" => Raw(go_quote(text)),
        value => Raw(render::compact(kind, value)),
    }
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
    fn messages_show_every_shape_of_a_field() {
        let shown = |kind: &str, value: Option<&Value>| internal(kind, value).0;
        assert_eq!(shown("*PodFailurePolicy", None), "null");
        assert_eq!(shown("int", None), "0");
        assert_eq!(shown("[]string", Some(&json!([]))), "null");
        let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"nodeSelector": {"k": "v"}}});
        let told = shown("PodTemplateSpec", Some(&template));
        assert!(told.starts_with(r#"{"labels":{"a":"b"},"Spec":{"Volumes":null,"#), "{told}");
        assert!(told.contains(r#""NodeSelector":{"k":"v"},"#), "{told}");
        let bare = json!({"resourceNames": ["x"], "operations": ["*"]});
        assert_eq!(
            shown("NamedRuleWithOperations", Some(&bare)),
            r#"{"ResourceNames":["x"],"RuleWithOperations":{"Operations":["*"],"APIGroups":null,"APIVersions":null,"Resources":null,"Scope":null}}"#
        );
    }

    #[test]
    fn every_type_of_the_table_is_known() {
        const PLAIN: [&str; 8] = ["string", "bool", "int", "quantity", "time", "intorstring", "bytes", "raw"];
        let table = include_str!("internal.tsv");
        let structs: std::collections::HashSet<&str> =
            table.lines().filter_map(|row| row.split('\t').next()).collect();
        for row in table.lines() {
            let kind = row.rsplit('\t').next().unwrap().trim_end_matches('?');
            let kind = kind.trim_start_matches("map:").trim_start_matches(['*', '[', ']']);
            assert!(PLAIN.contains(&kind) || structs.contains(kind) || kind == "FieldsV1", "{row}");
        }
    }

    #[test]
    fn the_host_flags_are_part_of_the_security_context() {
        let old = json!({"securityContext": {}});
        let new = json!({"securityContext": {}, "hostNetwork": true});
        let told = diff("PodSpec", &old, &new);
        assert!(told.contains("-  \"HostNetwork\": false,\n+  \"HostNetwork\": true,\n"), "{told}");
    }
}
