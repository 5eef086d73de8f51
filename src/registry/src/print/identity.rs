//! The rows of credentials and of what takes them back.

use serde_json::Value;

use super::tree::Tree;
use super::{Printer, Row, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "usertokens" => user_token,
        "issuedcredentials" => issued,
        "certificaterevocations" => certificate_revocation,
        "tokenrevocations" => token_revocation,
        _ => plain,
    }
}

/// The time left until a moment, or that it is over.
fn ends(row: Row<'_>, time: Tree<'_>) -> Value {
    match time.time() {
        None => "<unknown>".into(),
        Some(end) if end <= row.now => "ended".into(),
        Some(end) => format!("in {}", super::human(end.as_nanosecond() - row.now.as_nanosecond())).into(),
    }
}

fn texts(list: Tree<'_>) -> String {
    list.list().map(Tree::text).collect::<Vec<_>>().join(",")
}

fn or_none(text: String) -> Value {
    if text.is_empty() { "<none>".into() } else { text.into() }
}

fn user_token(row: Row<'_>) -> Vec<Value> {
    let (spec, status) = (row.object.get("spec"), row.object.get("status"));
    let used = status.get("lastUsedTimestamp");
    let scopes = spec.get("scopes").len();
    vec![
        row.name(),
        spec.get("user").cell(),
        ends(row, status.get("expirationTimestamp")),
        if used.exists() { format!("{} ago", row.since(used)).into() } else { "never".into() },
        row.age(),
        or_none(texts(spec.get("groups"))),
        if scopes == 0 { "all".into() } else { scopes.to_string().into() },
        status.get("issuedBy").cell(),
    ]
}

fn issued(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let bound = spec.get("boundTo");
    let place = [bound.get("namespace").text(), bound.get("name").text()];
    let place = place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/");
    let bound = if bound.exists() { format!("{} {place}", bound.get("kind").text()) } else { String::new() };
    let earlier = i64::try_from(spec.get("earlier").len()).unwrap_or(i64::MAX);
    vec![
        row.name(),
        spec.get("type").cell(),
        or_none(spec.get("user").text().to_owned()),
        spec.get("issuedBy").text_or("(server)").into(),
        ends(row, spec.get("expirationTimestamp")),
        row.age(),
        or_none(bound),
        or_none(texts(spec.get("audiences"))),
        earlier.saturating_add(spec.get("earlierUnnamed").int()).into(),
        spec.get("credentialID").cell(),
    ]
}

fn certificate_revocation(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let certificate = spec.get("serialNumber").or(spec.get("fingerprint"));
    vec![row.name(), certificate.cell(), or_none(spec.get("reason").text().to_owned()), row.age()]
}

fn token_revocation(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let account = spec.get("serviceAccount");
    let revokes = match account.exists() {
        true => format!("{}/{}", account.get("namespace").text(), account.get("name").text()),
        false => spec.get("credentialID").text().to_owned(),
    };
    vec![
        row.name(),
        revokes.into(),
        or_none(spec.get("issuedBefore").text().to_owned()),
        or_none(spec.get("reason").text().to_owned()),
        row.age(),
    ]
}
