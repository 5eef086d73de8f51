//! The row of a horizontal pod autoscaler, read from either of its versions.

use serde_json::Value;

use super::Row;
use super::tree::Tree;

const SHOWN: usize = 2;

pub(super) fn autoscaler(row: Row<'_>) -> Vec<Value> {
    let target = row.at(&["spec", "scaleTargetRef"]);
    let min = row.at(&["spec", "minReplicas"]);
    vec![
        row.name(),
        format!("{}/{}", target.get("kind").text(), target.get("name").text()).into(),
        metrics(row).into(),
        if min.exists() { min.int().to_string() } else { "<unset>".to_owned() }.into(),
        row.at(&["spec", "maxReplicas"]).count(),
        row.at(&["status", "currentReplicas"]).count(),
        row.age(),
    ]
}

fn metrics(row: Row<'_>) -> String {
    let percent = row.at(&["spec", "targetCPUUtilizationPercentage"]);
    if percent.exists() {
        return cpu_only(row, percent);
    }
    let specs = row.at(&["spec", "metrics"]);
    let statuses = row.at(&["status", "currentMetrics"]);
    if specs.len() == 0 {
        return "<none>".to_owned();
    }
    let shown = specs.list().take(SHOWN).enumerate().map(|(i, spec)| metric(spec, statuses.nth(i)));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match specs.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} + {more} more..."),
    }
}

/// Version 1 knows one metric only.
fn cpu_only(row: Row<'_>, target: Tree<'_>) -> String {
    let current = row.at(&["status", "currentCPUUtilizationPercentage"]);
    let current = if current.exists() { format!("{}%", current.int()) } else { "<unknown>".to_owned() };
    format!("cpu: {current}/{}%", target.int())
}

fn metric(spec: Tree<'_>, status: Tree<'_>) -> String {
    match spec.get("type").text() {
        "External" => value(spec.get("external"), status.get("external")),
        "Object" => value(spec.get("object"), status.get("object")),
        "Pods" => {
            let current = status.get("pods");
            let current = if current.exists() { quantity(current, "averageValue") } else { "<unknown>" };
            format!("{current}/{}", spec.at(&["pods", "target", "averageValue"]).text_or("<nil>"))
        }
        "Resource" => resource(spec.get("resource"), status.get("resource")),
        "ContainerResource" => resource(spec.get("containerResource"), status.get("containerResource")),
        _ => "<unknown type>".to_owned(),
    }
}

/// A metric with an absolute target, or one per pod.
fn value(spec: Tree<'_>, status: Tree<'_>) -> String {
    let average = spec.at(&["target", "averageValue"]);
    if average.exists() {
        let current = status.at(&["current", "averageValue"]).text_or("<unknown>");
        return format!("{current}/{} (avg)", average.text());
    }
    let current = if status.exists() { quantity(status, "value") } else { "<unknown>" };
    format!("{current}/{}", spec.at(&["target", "value"]).text_or("<nil>"))
}

fn resource(spec: Tree<'_>, status: Tree<'_>) -> String {
    let name = spec.get("name").text();
    let average = spec.at(&["target", "averageValue"]);
    if average.exists() {
        let current = if status.exists() { quantity(status, "averageValue") } else { "<unknown>" };
        return format!("{name}: {current}/{}", average.text());
    }
    let percent = |tree: Tree<'_>, otherwise: &str| {
        if tree.exists() { format!("{}%", tree.int()) } else { otherwise.to_owned() }
    };
    let current = percent(status.at(&["current", "averageUtilization"]), "<unknown>");
    let target = percent(spec.at(&["target", "averageUtilization"]), "<auto>");
    format!("{name}: {current}/{target}")
}

fn quantity<'a>(status: Tree<'a>, field: &str) -> &'a str {
    status.at(&["current", field]).text_or("<nil>")
}
