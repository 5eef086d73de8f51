//! Roles that gather the rules of others by label.

use portcullis_api::selector::LabelSelector;
use portcullis_api::{Object, Value};

/// The rules that an aggregated ClusterRole shall have, given all ClusterRoles: for each selector the
/// selected roles in the order of their names, each rule once. `None` where the role has no
/// aggregation rule or has those rules already.
pub fn aggregated_rules<'a>(
    role: &Object,
    all: impl Iterator<Item = &'a Object> + Clone,
) -> Result<Option<Vec<Value>>, String> {
    if role.get("aggregationRule").is_none() {
        return Ok(None);
    }
    let selectors = role.at(&["aggregationRule", "clusterRoleSelectors"]).and_then(Value::as_array);
    let mut rules: Vec<Value> = Vec::new();
    for selector in selectors.into_iter().flatten() {
        let selector = LabelSelector::from_object(Some(selector))?;
        let selected = all.clone().filter(|r| r.name() != role.name() && selector.matches_object(r));
        let mut selected: Vec<&Object> = selected.collect();
        selected.sort_by_key(|r| r.name());
        for rule in selected.into_iter().filter_map(|r| r.get("rules")?.as_array()).flatten() {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    let present = role.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    Ok((rules != present).then_some(rules))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn role(value: Value) -> Object {
        Object::new(value.as_object().unwrap().clone())
    }

    #[test]
    fn rules_of_selected_roles_are_joined_in_the_order_of_names() {
        let parts = [
            role(
                json!({"metadata": {"name": "b", "labels": {"x": "1"}}, "rules": [{"verbs": ["b"]}, {"verbs": ["a"]}]}),
            ),
            role(json!({"metadata": {"name": "a", "labels": {"x": "1"}}, "rules": [{"verbs": ["a"]}]})),
            role(json!({"metadata": {"name": "c"}, "rules": [{"verbs": ["c"]}]})),
        ];
        let mut whole = role(json!({
            "metadata": {"name": "w", "labels": {"x": "1"}},
            "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"x": "1"}}]},
        }));
        let rules = aggregated_rules(&whole, parts.iter()).unwrap().unwrap();
        assert_eq!(rules, [json!({"verbs": ["a"]}), json!({"verbs": ["b"]})]);
        whole.set_at(&["rules"], rules.into());
        assert_eq!(aggregated_rules(&whole, parts.iter()).unwrap(), None);
        assert_eq!(aggregated_rules(&parts[0], parts.iter()).unwrap(), None);
    }
}
