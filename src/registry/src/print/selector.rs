//! Labels and label selectors as text.

use portcullis_api::selector::LabelSelector;
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
    LabelSelector::from_object(selector.value()).ok().map(|selector| selector.to_string())
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
