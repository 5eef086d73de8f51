//! What is told of the components beside the server.

use portcullis_testkit::ControlPlane;
use serde_json::Value;

use crate::world::get;

const STATUSES: &str = "/api/v1/componentstatuses";

async fn names(plane: &ControlPlane, query: &str) -> Vec<String> {
    let list = get(plane, &format!("{STATUSES}{query}")).await.ok().body;
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn condition(status: &Value) -> (&str, &str) {
    let condition = &status["conditions"][0];
    (condition["status"].as_str().unwrap(), condition["message"].as_str().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_are_looked_at_on_upstreams_ports() {
    let plane = ControlPlane::start().await.unwrap();
    assert_eq!(names(&plane, "").await, ["controller-manager", "etcd-0", "scheduler"]);
    assert_eq!(names(&plane, "?fieldSelector=metadata.name%3Detcd-0").await, ["etcd-0"]);
    assert_eq!(names(&plane, "?labelSelector=a%3Db").await, [""; 0]);
    assert_eq!(names(&plane, "?labelSelector=!a").await.len(), 3);
    let store = get(&plane, &format!("{STATUSES}/etcd-0")).await.ok().body;
    assert_eq!(condition(&store), ("True", "ok"));
    // Where upstream's scheduler runs beside the tests it may be well.
    let scheduler = get(&plane, &format!("{STATUSES}/scheduler")).await.ok().body;
    let (status, message) = condition(&scheduler);
    let why =
        "Get \"https://127.0.0.1:10259/healthz\": dial tcp 127.0.0.1:10259: connect: connection refused";
    assert!(status == "True" || message == why, "{scheduler}");
    plane.shutdown().await.unwrap();
}
