//! Questions to a running server.

use std::process::ExitCode;

use portcullis_api::Value;

use super::{Unused, WhoCan};
use crate::cli::{Failure, print};

pub(super) fn status(arguments: &Unused) -> Result<ExitCode, Failure> {
    print::json(&arguments.reach.ask("/portcullis/policy")?)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn unused(arguments: &Unused) -> Result<ExitCode, Failure> {
    let told = arguments.reach.ask("/portcullis/policy/uses")?;
    let idle = |entry: &&Value| entry.get("used").and_then(Value::as_u64) == Some(0);
    let list = |field: &str| told.get(field).and_then(Value::as_array).into_iter().flatten().filter(idle);
    let rules = list("rules").map(|rule| {
        let place = format!("{}:{}", word(rule, "file"), word(rule, "line"));
        vec!["rule".to_owned(), word(rule, "rule"), place]
    });
    let bindings = list("bindings").map(|binding| {
        let name = match &*word(binding, "namespace") {
            "" => word(binding, "name"),
            namespace => format!("{namespace}/{}", word(binding, "name")),
        };
        vec![word(binding, "kind"), name, String::new()]
    });
    let rows: Vec<Vec<String>> = rules.chain(bindings).collect();
    print::table(&rows)?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn who_can(arguments: &WhoCan) -> Result<ExitCode, Failure> {
    let what = if arguments.resource.starts_with('/') { "path" } else { "resource" };
    let fields = [
        ("verb", &arguments.verb),
        (what, &arguments.resource),
        ("group", &arguments.api_group),
        ("namespace", &arguments.namespace),
        ("name", &arguments.name),
    ];
    let query: Vec<String> = fields.iter().map(|(name, text)| format!("{name}={}", encoded(text))).collect();
    let told = arguments.reach.ask(&format!("/portcullis/policy/who-can?{}", query.join("&")))?;
    print_who_can(&told)
}

/// Prints an answer about who can.
pub(super) fn print_who_can(told: &Value) -> Result<ExitCode, Failure> {
    let list = |field: &str| told.get(field).and_then(Value::as_array).into_iter().flatten();
    let mut rows = vec![["KIND", "NAME", "BY", ""].map(str::to_owned).to_vec()];
    rows.extend(list("subjects").map(|subject| {
        let refused = subject.get("refused").and_then(Value::as_bool) == Some(true);
        let note = if refused { "but a deny rule stands against it" } else { "" };
        vec![word(subject, "kind"), word(subject, "name"), by(subject), note.to_owned()]
    }));
    rows.extend(list("unless").map(|rule| {
        let subjects: Vec<&str> = rule
            .get("subjects")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let place =
            format!("deny rule {} at {}:{}", word(rule, "rule"), word(rule, "file"), word(rule, "line"));
        vec!["not".to_owned(), subjects.join(", "), place, String::new()]
    }));
    print::table(&rows)?;
    Ok(ExitCode::SUCCESS)
}

fn by(subject: &Value) -> String {
    let grant = subject.get("grant").unwrap_or(&Value::Null);
    match grant.get("file") {
        Some(_) => format!("{}:{}", word(grant, "file"), word(grant, "line")),
        None if grant.is_object() => {
            let namespace = word(grant, "namespace");
            let slash = if namespace.is_empty() { "" } else { "/" };
            format!("{} {namespace}{slash}{}", word(grant, "kind"), word(grant, "name"))
        }
        None => word(subject, "by"),
    }
}

pub(super) fn word(value: &Value, field: &str) -> String {
    match value.get(field) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    }
}

/// The items of a list that may be missing.
pub(super) fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A query's value with everything escaped that is not plain.
pub(super) fn encoded(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(b).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}
