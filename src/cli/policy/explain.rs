//! A decision explained: for people as a page of text, for tools as the server tells it.

use std::fmt::Write as _;
use std::process::ExitCode;

use portcullis_api::Value;

use super::Explain;
use super::live::{items, word};
use crate::cli::options::Output;
use crate::cli::{Failure, print};

pub(super) fn run(arguments: &Explain) -> Result<ExitCode, Failure> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if arguments.id.is_empty() || !arguments.id.chars().all(plain) {
        return Err(Failure::new("this is no id of a decision").fix("copy it from the warning or the header"));
    }
    let told = arguments.reach.ask(&format!("/portcullis/policy/decisions/{}", arguments.id))?;
    match arguments.output {
        Output::Json => print::json(&told)?,
        Output::Text => print::text(&page(&told))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn page(told: &Value) -> String {
    let empty = Value::Null;
    let at = |field: &str| told.get(field).unwrap_or(&empty);
    let (then, now) = (at("then"), at("now"));
    let mut out = format!("decision {}: {}\n", word(told, "id"), verdict(then));
    let mut line = |what: &str, text: &str| {
        if !text.is_empty() {
            let _ = writeln!(out, "  {what:<8} {}", shown(text));
        }
    };
    line("when", &word(told, "time"));
    line("who", &who(at("user")));
    line("asked", &asked(at("asked")));
    line("path", &word(told, "path"));
    line("by", &word(then, "by"));
    for reason in reasons(then) {
        line("because", &reason);
    }
    if told.get("policiesChangedSince").and_then(Value::as_bool) == Some(true) {
        line("now", &format!("{} (policies changed since)", verdict(now)));
    }
    let steps = items(told, "chain");
    if !steps.is_empty() {
        out.push_str("chain, each authorizer by itself now:\n");
        for step in steps {
            let said =
                std::iter::once(word(step, "decision")).chain(reasons(step)).collect::<Vec<_>>().join("; ");
            let _ = writeln!(out, "  {:<12} {}", shown(&word(step, "authorizer")), shown(&said));
        }
    }
    missing(&mut out, at("missing"));
    out
}

fn verdict(outcome: &Value) -> &'static str {
    match outcome.get("decision").and_then(Value::as_str) {
        Some("allow") => "allowed",
        Some("deny") => "refused, something stands against it",
        _ => "refused, nothing allows it",
    }
}

fn who(user: &Value) -> String {
    let groups: Vec<&str> = items(user, "groups").iter().filter_map(Value::as_str).collect();
    let name = word(user, "name");
    if groups.is_empty() { name } else { format!("{name} ({})", groups.join(", ")) }
}

fn asked(asked: &Value) -> String {
    let (verb, path) = (word(asked, "verb"), word(asked, "path"));
    if !path.is_empty() {
        return format!("{verb} {path}");
    }
    let mut text = format!("{verb} {}", word(asked, "resource"));
    for (before, field) in [("/", "subresource"), (".", "group"), (" named ", "name")] {
        let word = word(asked, field);
        if !word.is_empty() {
            let _ = write!(text, "{before}{word}");
        }
    }
    match &*word(asked, "namespace") {
        "" => text.push_str(" in the cluster"),
        namespace => {
            let _ = write!(text, " in namespace {namespace}");
        }
    }
    for (what, field) in [("labels", "labelSelector"), ("fields", "fieldSelector")] {
        let selector = word(asked, field);
        if !selector.is_empty() {
            let _ = write!(text, ", {what} {selector}");
        }
    }
    text
}

/// Why, each reason with where it is written; then what went wrong.
fn reasons(outcome: &Value) -> Vec<String> {
    let told = items(outcome, "reasons").iter().map(|reason| {
        let (text, rule) = (word(reason, "text"), word(reason, "rule"));
        let file = word(reason, "file");
        let place = if file.is_empty() { file } else { format!("{file}:{}", word(reason, "line")) };
        let parts = [word(reason, "effect"), rule, place].into_iter().filter(|part| !part.is_empty());
        let head = parts.collect::<Vec<_>>().join(" ");
        match (head.is_empty(), text.is_empty()) {
            (true, _) => text,
            (false, true) => head,
            (false, false) => format!("{head}: {text}"),
        }
    });
    let errors =
        items(outcome, "errors").iter().filter_map(Value::as_str).map(|error| format!("error: {error}"));
    told.chain(errors).filter(|reason| !reason.is_empty()).collect()
}

/// What would have to be granted.
fn missing(out: &mut String, missing: &Value) {
    if !missing.is_object() {
        return;
    }
    out.push_str("what would allow it:\n");
    let named = |of: &Value| match &*word(of, "namespace") {
        "" => word(of, "name"),
        namespace => format!("{namespace}/{}", word(of, "name")),
    };
    for almost in items(missing, "almost") {
        let empty = Value::Null;
        let (role, binding) = (almost.get("role").unwrap_or(&empty), almost.get("binding").unwrap_or(&empty));
        let role = format!("{} {}", word(role, "kind"), named(role));
        let text = format!("has {role} by {}, which lacks the {}", named(binding), word(almost, "lacks"));
        let _ = writeln!(out, "  {}", shown(&text));
    }
    for role in items(missing, "roles") {
        let _ = writeln!(out, "  {} {} would do", shown(&word(role, "kind")), shown(&named(role)));
    }
    if let Some(rule) = missing.get("rule").filter(|rule| rule.is_object()) {
        let _ = writeln!(out, "  the least rule: {rule}");
    }
}

/// Names are others' words: nothing in them moves the cursor or begins a line.
fn shown(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_a_page_of_text_and_others_words_stay_in_their_line() {
        let told = json!({
            "id": "a-1", "time": "2026-01-02T03:04:05Z", "path": "/api/v1/namespaces/a/secrets/s",
            "user": {"name": "low\u{1b}[2J\nforged: line", "groups": ["dev"]},
            "asked": {"verb": "get", "resource": "secrets", "namespace": "a", "name": "s", "group": "", "subresource": ""},
            "then": {"decision": "no opinion", "by": "", "reasons": [], "errors": []},
            "now": {"decision": "allow"}, "policiesChangedSince": true,
            "chain": [
                {"authorizer": "Node", "decision": "no opinion", "reasons": [], "errors": []},
                {"authorizer": "PolicyFiles", "decision": "deny", "errors": ["x"],
                 "reasons": [{"file": "p.yaml", "line": 4, "effect": "deny", "rule": "freeze", "text": "frozen"}]},
            ],
            "missing": {
                "almost": [{"binding": {"namespace": "a", "name": "b"}, "role": {"kind": "Role", "namespace": "a", "name": "r"}, "lacks": "verb"}],
                "roles": [{"kind": "ClusterRole", "namespace": "", "name": "edit"}],
                "rule": {"verbs": ["get"]},
            },
        });
        assert_eq!(
            page(&told),
            "decision a-1: refused, nothing allows it\n  when     2026-01-02T03:04:05Z\n  \
             who      low\\u{1b}[2J\\nforged: line (dev)\n  asked    get secrets named s in namespace a\n  \
             path     /api/v1/namespaces/a/secrets/s\n  now      allowed (policies changed since)\n\
             chain, each authorizer by itself now:\n  Node         no opinion\n  \
             PolicyFiles  deny; deny freeze p.yaml:4: frozen; error: x\n\
             what would allow it:\n  has Role a/r by a/b, which lacks the verb\n  ClusterRole edit would do\n  \
             the least rule: {\"verbs\":[\"get\"]}\n"
        );
    }

    #[test]
    fn nothing_told_is_no_reason_to_panic() {
        assert!(page(&json!({})).starts_with("decision : refused"));
        assert!(page(&json!([1])).starts_with("decision"));
    }
}
