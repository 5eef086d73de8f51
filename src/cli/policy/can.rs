//! What a user may do: for people as a table, for tools as the server tells it.

use std::process::ExitCode;

use portcullis_api::{UserInfo, Value};

use super::Can;
use super::live::{encoded, items, word};
use super::offline::read;
use crate::cli::options::Output;
use crate::cli::{Failure, print};

pub(super) fn run(arguments: &Can) -> Result<ExitCode, Failure> {
    let told = if arguments.paths.is_empty() { of_server(arguments)? } else { of_files(arguments)? };
    match arguments.output {
        Output::Json => print::json(&told)?,
        Output::Text => print::table(&rows(&told))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn groups(arguments: &Can) -> impl Iterator<Item = &str> {
    arguments.groups.iter().map(String::as_str).chain(["system:authenticated"])
}

fn of_server(arguments: &Can) -> Result<Value, Failure> {
    let groups: String = groups(arguments).map(|group| format!("&group={}", encoded(group))).collect();
    let (user, namespace) = (encoded(&arguments.user), encoded(&arguments.namespace));
    arguments.reach.ask(&format!("/portcullis/policy/can?user={user}&namespace={namespace}{groups}"))
}

fn of_files(arguments: &Can) -> Result<Value, Failure> {
    let authorities = read(&arguments.paths)?.authorities();
    Ok(authorities.can(&UserInfo::new(&arguments.user, groups(arguments)), &arguments.namespace))
}

/// What is allowed, then what stands against it, then who else would have to be asked.
fn rows(told: &Value) -> Vec<Vec<String>> {
    let head = ["", "VERBS", "WHAT", "NAMES"].map(str::to_owned).to_vec();
    let allowed = |verbs: String, what: String, names: String| vec!["may".to_owned(), verbs, what, names];
    let resources = items(told, "resourceRules")
        .iter()
        .map(|rule| allowed(words(rule, "verbs"), resources(rule), words(rule, "resourceNames")));
    let paths = items(told, "nonResourceRules")
        .iter()
        .map(|rule| allowed(words(rule, "verbs"), words(rule, "nonResourceURLs"), String::new()));
    let unless = items(told, "unless").iter().map(|rule| {
        let what =
            format!("deny rule {} at {}:{}", word(rule, "rule"), word(rule, "file"), word(rule, "line"));
        vec!["not".to_owned(), String::new(), what, String::new()]
    });
    let ask = items(told, "ask").iter().map(|webhook| {
        let what = format!("what the webhook {} says has to be asked of it", word(webhook, "webhook"));
        vec!["perhaps".to_owned(), String::new(), what, String::new()]
    });
    std::iter::once(head).chain(resources).chain(paths).chain(unless).chain(ask).collect()
}

/// `pods, deployments.apps`, as kubectl writes them.
fn resources(rule: &Value) -> String {
    let named = |group: &Value, resource: &Value| match (group.as_str(), resource.as_str()) {
        (None | Some(""), resource) => resource.unwrap_or_default().to_owned(),
        (Some(group), resource) => format!("{}.{group}", resource.unwrap_or_default()),
    };
    let all: Vec<String> = items(rule, "apiGroups")
        .iter()
        .flat_map(|group| items(rule, "resources").iter().map(move |resource| named(group, resource)))
        .collect();
    all.join(", ")
}

fn words(rule: &Value, field: &str) -> String {
    items(rule, field).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_allowed_comes_before_what_stands_against_it() {
        let told = json!({
            "resourceRules": [
                {"verbs": ["get", "list"], "apiGroups": ["", "apps"], "resources": ["pods", "x"], "resourceNames": ["p"]},
            ],
            "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}],
            "unless": [{"rule": "freeze", "file": "p.yaml", "line": 4}],
            "ask": [{"webhook": "opa"}],
        });
        let lines: Vec<String> = rows(&told).iter().map(|row| row.join("|")).collect();
        assert_eq!(
            lines,
            [
                "|VERBS|WHAT|NAMES",
                "may|get, list|pods, x, pods.apps, x.apps|p",
                "may|get|/healthz|",
                "not||deny rule freeze at p.yaml:4|",
                "perhaps||what the webhook opa says has to be asked of it|",
            ]
        );
        assert_eq!(rows(&json!([])).len(), 1);
    }
}
