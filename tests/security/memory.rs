//! What clients can make the server hold in memory, with a ceiling that is near.

use serde_json::json;

use crate::world::{Server, config_map, make_namespace};

const CEILING: u64 = 256 << 20;

#[test]
fn f023_large_objects_are_served_within_the_ceiling_or_refused_by_name() {
    let server = Server::start(&["--memory-ceiling", "256Mi"]);
    let admin = &server.admin;
    make_namespace(admin, "f023");
    let path = "/api/v1/namespaces/f023/configmaps";
    for n in 0..24 {
        let mut object = config_map(&format!("f023-{n}"));
        object["data"] = json!({ "k": "x".repeat(900_000) });
        admin.post(path, &object).is(&[201], n);
    }
    for _ in 0..5 {
        assert!(admin.get(path).is(&[200], "a list is streamed").body.len() > 24 * 900_000);
    }
    let table = ("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
    let all = admin.send("GET", &format!("{path}?includeObject=Object"), &[table], b"").is(&[429], "a table");
    assert!(
        all.text().contains("the memory budget \\\"lists\\\" of this client is used up"),
        "{}",
        all.text()
    );
    assert!(all.header("retry-after").is_some());
    admin
        .send("GET", &format!("{path}?includeObject=Object&limit=1"), &[table], b"")
        .is(&[200], "a page of it");
    assert!(server.resident() < CEILING, "{} bytes", server.resident());
}

#[test]
fn f023_no_more_is_stored_than_there_is_memory_for() {
    let server = Server::start(&["--memory-ceiling", "128Mi"]);
    let admin = &server.admin;
    make_namespace(admin, "f023");
    let path = "/api/v1/namespaces/f023/configmaps";
    let refused = (0..200).find_map(|n| {
        let mut object = config_map(&format!("f023-{n}"));
        object["data"] = json!({ "k": "x".repeat(900_000) });
        let answer = admin.post(path, &object);
        // What is refused unread may end with the connection before its answer is through; another try follows.
        let unread = answer.head.is_empty();
        assert!(unread || matches!(answer.code, 201 | 429), "{n}: {}", answer.head);
        (answer.code == 429).then(|| answer.text())
    });
    let refused = refused.expect("64 MiB are soon full");
    assert!(
        refused.contains("the memory budget \\\"objects\\\" of the server is used up")
            || refused.contains("memory ceiling"),
        "{refused}"
    );
    admin.get(&format!("{path}/f023-0")).is(&[200], "what is there is served");
    admin.delete(&format!("{path}/f023-0")).is(&[200], "and can be deleted");
}
