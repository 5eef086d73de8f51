//! Brings the bootstrap roles and bindings of an existing cluster up to date.
//!
//! What is missing is added; what somebody added stays. An object annotated
//! `rbac.authorization.kubernetes.io/autoupdate: "false"` is left alone.

use portcullis_api::{Map, Object, Value};

use super::cover::uncovered;
use super::rule::Rule;

const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";

/// What has to be done to an existing object.
#[derive(Clone, PartialEq, Debug)]
pub enum Reconciled {
    /// Nothing.
    Keep,
    /// Store this instead.
    Update(Object),
    /// Delete it and create this: a binding's role cannot be changed.
    Recreate(Object),
}

/// Compares an existing role or binding with the one that should be.
pub fn reconcile(existing: &Object, wanted: &Object) -> Reconciled {
    if existing.annotations().any(|(key, value)| key == AUTO_UPDATE && value == "false") {
        return Reconciled::Keep;
    }
    if existing.get("roleRef") != wanted.get("roleRef") {
        return Reconciled::Recreate(wanted.clone());
    }
    let mut object = existing.clone();
    add_missing_entries(&mut object, wanted, "annotations");
    add_missing_entries(&mut object, wanted, "labels");
    if wanted.get("roleRef").is_some() {
        add_missing_subjects(&mut object, wanted);
    } else {
        add_missing_rules(&mut object, wanted);
        align_aggregation(&mut object, wanted);
    }
    if object == *existing { Reconciled::Keep } else { Reconciled::Update(object) }
}

/// Entries that are there win over the wanted ones.
fn add_missing_entries(object: &mut Object, wanted: &Object, field: &str) {
    let Some(Value::Object(entries)) = wanted.metadata().and_then(|m| m.get(field)) else { return };
    let slot = object.metadata_mut().entry(field).or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(present) = slot else { return };
    for (key, value) in entries {
        present.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn add_missing_subjects(object: &mut Object, wanted: &Object) {
    let subjects = wanted.get("subjects").and_then(Value::as_array).into_iter().flatten();
    for subject in subjects {
        if !list(object, "subjects").contains(subject) {
            push(object, "subjects", subject.clone());
        }
    }
}

fn add_missing_rules(object: &mut Object, wanted: &Object) {
    let missing = uncovered(&Rule::list(object.get("rules")), &Rule::list(wanted.get("rules")));
    for rule in missing {
        push(object, "rules", rule.to_value());
    }
}

fn align_aggregation(object: &mut Object, wanted: &Object) {
    let path = ["aggregationRule", "clusterRoleSelectors"];
    let Some(wanted) = wanted.at(&path).and_then(Value::as_array) else {
        object.map_mut().remove("aggregationRule");
        return;
    };
    let mut selectors = object.at(&path).and_then(Value::as_array).cloned().unwrap_or_default();
    let before = selectors.len();
    for selector in wanted {
        if !selectors.contains(selector) {
            selectors.push(selector.clone());
        }
    }
    if selectors.len() > before {
        object.set_at(&path, Value::Array(selectors));
    }
}

fn list<'a>(object: &'a Object, field: &str) -> &'a [Value] {
    object.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn push(object: &mut Object, field: &str, value: Value) {
    let slot = object.map_mut().entry(field).or_insert_with(|| Value::Array(Vec::new()));
    if !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    if let Value::Array(values) = slot {
        values.push(value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Object {
        Object::new(value.as_object().unwrap().clone())
    }

    fn updated(existing: Value, wanted: Value) -> Value {
        match reconcile(&object(existing), &object(wanted)) {
            Reconciled::Update(object) => object.into(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn missing_rules_and_labels_are_added_and_extra_ones_stay() {
        let wanted = json!({
            "metadata": {"name": "r", "labels": {"a": "1", "b": "1"}},
            "rules": [{"apiGroups": [""], "resources": ["pods", "secrets"], "verbs": ["get"]}],
        });
        let existing = json!({
            "metadata": {"name": "r", "labels": {"a": "mine"}},
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}],
        });
        let expected = json!({
            "metadata": {"name": "r", "labels": {"a": "mine", "b": "1"}},
            "rules": [
                {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]},
                {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
            ],
        });
        assert_eq!(updated(existing, wanted.clone()), expected);
        assert_eq!(reconcile(&object(expected), &object(wanted)), Reconciled::Keep);
    }

    #[test]
    fn missing_subjects_are_added_and_a_changed_role_recreates() {
        let role = |name: &str| json!({"kind": "ClusterRole", "name": name});
        let binding = |name: &str, subjects: Value| json!({"metadata": {"name": "b"}, "roleRef": role(name), "subjects": subjects});
        let (one, two) = (json!({"kind": "User", "name": "1"}), json!({"kind": "User", "name": "2"}));
        let merged = updated(binding("r", json!([two])), binding("r", json!([one])));
        assert_eq!(merged, binding("r", json!([two, one])));
        let other = reconcile(&object(binding("r", json!([]))), &object(binding("s", json!([]))));
        assert_eq!(other, Reconciled::Recreate(object(binding("s", json!([])))));
    }

    #[test]
    fn who_opts_out_is_left_alone() {
        let existing = json!({"metadata": {"name": "r", "annotations": {AUTO_UPDATE: "false"}}});
        let wanted =
            json!({"metadata": {"name": "r"}, "rules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]});
        assert_eq!(reconcile(&object(existing), &object(wanted)), Reconciled::Keep);
    }

    #[test]
    fn aggregation_is_aligned() {
        let with = |selectors: Value| json!({"metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": selectors}});
        let (one, two) = (json!({"matchLabels": {"a": "1"}}), json!({"matchLabels": {"b": "1"}}));
        assert_eq!(updated(with(json!([two])), with(json!([one]))), with(json!([two, one])));
        let plain = json!({"metadata": {"name": "r"}});
        assert_eq!(updated(with(json!([two])), plain.clone()), plain);
    }
}
