//! The rows of role bindings and certificate requests.

use serde_json::Value;

use super::tree::Tree;
use super::{Printer, Row, human, plain};

pub(super) fn printer(resource: &str) -> Printer {
    match resource {
        "rolebindings" | "clusterrolebindings" => binding,
        "certificatesigningrequests" => signing_request,
        _ => plain,
    }
}

fn binding(row: Row<'_>) -> Vec<Value> {
    let role = row.object.get("roleRef");
    let role = format!("{}/{}", role.get("kind").text(), role.get("name").text());
    let mut cells = vec![row.name(), role.into(), row.age()];
    cells.extend(["User", "Group", "ServiceAccount"].map(|kind| subjects(row, kind).into()));
    cells
}

fn subjects(row: Row<'_>, kind: &str) -> String {
    let of_kind = row.object.get("subjects").list().filter(|subject| subject.get("kind").is(kind));
    let name = |subject: Tree<'_>| match kind {
        "ServiceAccount" => format!("{}/{}", subject.get("namespace").text(), subject.get("name").text()),
        _ => subject.get("name").text().to_owned(),
    };
    of_kind.map(name).collect::<Vec<_>>().join(", ")
}

fn signing_request(row: Row<'_>) -> Vec<Value> {
    let spec = row.object.get("spec");
    let seconds = spec.get("expirationSeconds");
    let lifetime =
        if seconds.exists() { human(i128::from(seconds.int()) * 1_000_000_000) } else { "<none>".to_owned() };
    vec![
        row.name(),
        row.age(),
        spec.get("signerName").text_or("<none>").into(),
        spec.get("username").cell(),
        lifetime.into(),
        request_state(row).into(),
    ]
}

fn request_state(row: Row<'_>) -> String {
    let conditions = row.at(&["status", "conditions"]);
    let has = |r#type| conditions.condition(r#type).exists();
    let mut state = match (has("Denied"), has("Approved")) {
        (true, _) => "Denied",
        (false, true) => "Approved",
        (false, false) => "Pending",
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !row.at(&["status", "certificate"]).is("") {
        state.push_str(",Issued");
    }
    state
}
