//! The rows of jobs, disruption budgets and autoscaling.

use serde_json::Value;

use super::selector::label_selector;
use super::tree::Tree;
use super::workloads::containers;
use super::{Printer, Row, hpa, human, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "jobs" => job,
        "cronjobs" => cron_job,
        "poddisruptionbudgets" => disruption_budget,
        "horizontalpodautoscalers" => hpa::autoscaler,
        "scales" => scale,
        _ => plain,
    }
}

fn job(row: Row<'_>) -> Vec<Value> {
    let mut cells = vec![
        row.name(),
        job_status(row).into(),
        completions(row).into(),
        job_duration(row).into(),
        row.age(),
    ];
    cells.extend(containers(row.at(&["spec", "template", "spec"])));
    cells.push(label_selector(row.at(&["spec", "selector"])).into());
    cells
}

fn job_status(row: Row<'_>) -> &'static str {
    let conditions = row.at(&["status", "conditions"]);
    let holds = |r#type| conditions.condition_holds(r#type);
    let order: [(bool, &'static str); 6] = [
        (holds("Complete"), "Complete"),
        (holds("Failed"), "Failed"),
        (row.is_deleting(), "Terminating"),
        (holds("Suspended"), "Suspended"),
        (holds("FailureTarget"), "FailureTarget"),
        (holds("SuccessCriteriaMet"), "SuccessCriteriaMet"),
    ];
    order.into_iter().find(|(holds, _)| *holds).map_or("Running", |(_, word)| word)
}

fn completions(row: Row<'_>) -> String {
    let done = row.at(&["status", "succeeded"]).int();
    let wanted = row.at(&["spec", "completions"]);
    let parallelism = row.at(&["spec", "parallelism"]).int();
    if wanted.exists() {
        format!("{done}/{}", wanted.int())
    } else if parallelism > 1 {
        format!("{done}/1 of {parallelism}")
    } else {
        format!("{done}/1")
    }
}

fn job_duration(row: Row<'_>) -> String {
    let Some(start) = row.at(&["status", "startTime"]).time() else { return String::new() };
    let end = row.at(&["status", "completionTime"]).time().unwrap_or(row.now);
    human(end.as_nanosecond() - start.as_nanosecond())
}

fn cron_job(row: Row<'_>) -> Vec<Value> {
    let last = row.at(&["status", "lastScheduleTime"]);
    let last = if last.exists() { row.since(last) } else { "<none>".to_owned() };
    let zone = row.at(&["spec", "timeZone"]);
    let template = row.at(&["spec", "jobTemplate", "spec"]);
    let mut cells = vec![
        row.name(),
        row.at(&["spec", "schedule"]).cell(),
        if zone.exists() { zone.cell() } else { "<none>".into() },
        yes_or_no(row.at(&["spec", "suspend"])).into(),
        row.at(&["status", "active"]).len().into(),
        last.into(),
        row.age(),
    ];
    cells.extend(containers(template.at(&["template", "spec"])));
    cells.push(label_selector(template.get("selector")).into());
    cells
}

fn yes_or_no(flag: Tree<'_>) -> &'static str {
    match (flag.exists(), flag.flag()) {
        (false, _) => "<unset>",
        (true, true) => "True",
        (true, false) => "False",
    }
}

fn disruption_budget(row: Row<'_>) -> Vec<Value> {
    let bound = |field| {
        let bound = row.at(&["spec", field]);
        Value::from(if bound.exists() { bound.scalar() } else { "N/A".to_owned() })
    };
    let allowed = row.at(&["status", "disruptionsAllowed"]).count();
    vec![row.name(), bound("minAvailable"), bound("maxUnavailable"), allowed, row.age()]
}

fn scale(row: Row<'_>) -> Vec<Value> {
    let replicas = |part| row.at(&[part, "replicas"]).count();
    vec![row.name(), replicas("spec"), replicas("status"), row.age()]
}
