//! The row of an event, in either of its two groups.

use serde_json::Value;

use super::Row;
use super::tree::Tree;

pub(super) fn event(row: Row<'_>) -> Vec<Value> {
    // Each field by its name in the core group, else by its name in `events.k8s.io`.
    let field = |core: &str, new: &str| row.object.get(core).or(row.object.get(new));
    let first = seen(row, field("firstTimestamp", "deprecatedFirstTimestamp"))
        .unwrap_or_else(|| row.since(row.object.get("eventTime")));
    let mut last =
        seen(row, field("lastTimestamp", "deprecatedLastTimestamp")).unwrap_or_else(|| first.clone());
    let mut count = field("count", "deprecatedCount").int();
    let series = row.object.get("series");
    if series.exists() {
        last = row.since(series.get("lastObservedTime"));
        count = series.get("count").int();
    } else if count == 0 {
        count = 1;
    }
    let about = field("involvedObject", "regarding");
    vec![
        last.into(),
        row.object.get("type").cell(),
        row.object.get("reason").cell(),
        target(about).into(),
        about.get("fieldPath").cell(),
        source(row, field("source", "deprecatedSource")).into(),
        field("message", "note").text().trim().into(),
        first.into(),
        count.into(),
        row.name(),
    ]
}

fn seen(row: Row<'_>, time: Tree<'_>) -> Option<String> {
    time.exists().then(|| row.since(time))
}

fn target(object: Tree<'_>) -> String {
    let kind = object.get("kind").text().to_lowercase();
    match object.get("name").text() {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(row: Row<'_>, source: Tree<'_>) -> String {
    let controller = row.object.get("reportingComponent").or(row.object.get("reportingController"));
    let component = source.get("component").text_or(controller.text());
    match source.get("host").text_or(row.object.get("reportingInstance").text()) {
        "" => component.to_owned(),
        host => format!("{component}, {host}"),
    }
}
