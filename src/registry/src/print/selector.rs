//! Labels and label selectors as text.

use serde_json::Value;

use super::tree::{Tree, joined};

/// `a=b,c=d`, or `<none>`.
pub(super) fn labels(map: Tree<'_>) -> String {
    let pairs =
        map.map().into_iter().flatten().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()));
    let text = pairs.collect::<Vec<_>>().join(",");
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// A label selector, `<none>` when it selects everything or nothing, `<error>` when it makes no sense.
pub(super) fn label_selector(selector: Tree<'_>) -> String {
    match expression(selector) {
        None => "<error>".to_owned(),
        Some(text) if text.is_empty() => "<none>".to_owned(),
        Some(text) => text,
    }
}

/// A label selector in the syntax of the query parameter.
pub(super) fn expression(selector: Tree<'_>) -> Option<String> {
    let labels = selector.get("matchLabels").map().into_iter().flatten();
    let mut terms: Vec<(&str, String)> = labels
        .map(|(key, value)| (key.as_str(), format!("{key}={}", value.as_str().unwrap_or_default())))
        .collect();
    for requirement in selector.get("matchExpressions").list() {
        terms.push((requirement.get("key").text(), term(requirement)?));
    }
    terms.sort_by_key(|(key, _)| *key);
    Some(joined(terms.iter().map(|(_, term)| term.as_str()), ","))
}

fn term(requirement: Tree<'_>) -> Option<String> {
    let key = requirement.get("key").text();
    let mut values: Vec<&str> = requirement.get("values").texts().collect();
    values.sort_unstable();
    match (requirement.get("operator").text(), values.is_empty()) {
        ("In", false) => Some(format!("{key} in ({})", values.join(","))),
        ("NotIn", false) => Some(format!("{key} notin ({})", values.join(","))),
        ("Exists", true) => Some(key.to_owned()),
        ("DoesNotExist", true) => Some(format!("!{key}")),
        _ => None,
    }
}

/// A label selector in the form Go's generated `String` method gives it.
pub(super) fn go_string(selector: Tree<'_>) -> String {
    let pair = |(key, value): (&String, &Value)| format!("{key}: {},", value.as_str().unwrap_or_default());
    let labels: String = selector.get("matchLabels").map().into_iter().flatten().map(pair).collect();
    let requirement = |tree: Tree<'_>| {
        let values = joined(tree.get("values").texts(), " ");
        let (key, operator) = (tree.get("key").text(), tree.get("operator").text());
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{values}],}},")
    };
    let requirements: String = selector.get("matchExpressions").list().map(requirement).collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{requirements}}},}}"
    )
}
