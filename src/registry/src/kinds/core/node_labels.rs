//! Labels of nodes that have other names by now, wherever something selects nodes by them.

use portcullis_api::{Value, names};

use super::super::check::{entries, items, text, texts};

const DEPRECATED_LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    (
        "failure-domain.beta.kubernetes.io/region",
        "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead",
    ),
    (
        "failure-domain.beta.kubernetes.io/zone",
        "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead",
    ),
    (
        "beta.kubernetes.io/instance-type",
        "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead",
    ),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    (
        "scheduler.alpha.kubernetes.io/preferAvoidPods",
        "deprecated since v1.22; use Taints and Tolerations instead",
    ),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

/// What is said of a label that has another name.
pub(crate) fn deprecated(key: &str) -> Option<&'static str> {
    DEPRECATED_LABELS.iter().find(|(label, _)| *label == key).map(|(_, words)| *words)
}

/// The warnings for a term of a node selector. A preference is accepted with values that no label can have.
pub(crate) fn term(term: &Value, preferred: bool, path: &str, found: &mut Vec<String>) {
    expressions(term, path, found);
    if !preferred {
        return;
    }
    for (i, expression) in items(term, "matchExpressions").iter().enumerate() {
        for (j, value) in texts(expression, "values").enumerate() {
            for message in names::label_value(value) {
                found
                    .push(format!("{path}.matchExpressions[{i}].values[{j}]: {value} is invalid, {message}"));
            }
        }
    }
}

/// The warnings for a label selector that selects nodes.
pub(crate) fn selector(selector: &Value, path: &str, found: &mut Vec<String>) {
    expressions(selector, path, found);
    for (key, _) in entries(selector, "matchLabels") {
        if let Some(words) = deprecated(key) {
            found.push(format!("{path}.matchLabels.{key}: {words}"));
        }
    }
}

fn expressions(holder: &Value, path: &str, found: &mut Vec<String>) {
    for (i, expression) in items(holder, "matchExpressions").iter().enumerate() {
        let key = text(expression, "key");
        if let Some(words) = deprecated(key) {
            found.push(format!("{path}.matchExpressions[{i}].key: {key} is {words}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn old_names_are_told_wherever_they_select() {
        let expression = json!({ "key": "beta.kubernetes.io/os", "operator": "In", "values": ["a b"] });
        let holder =
            json!({ "matchExpressions": [expression], "matchLabels": { "beta.kubernetes.io/arch": "x" } });
        let mut found = Vec::new();
        selector(&holder, "p", &mut found);
        assert_eq!(
            found,
            [
                "p.matchExpressions[0].key: beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead",
                "p.matchLabels.beta.kubernetes.io/arch: deprecated since v1.14; use \"kubernetes.io/arch\" instead",
            ]
        );
        found.clear();
        term(&holder, true, "p", &mut found);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[1].starts_with("p.matchExpressions[0].values[0]: a b is invalid, "), "{found:?}");
    }
}
