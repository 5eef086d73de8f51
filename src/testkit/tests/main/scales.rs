//! Who owns the replicas of custom resources that were scaled.

use portcullis_testkit::ControlPlane;
use serde_json::{Value, json};

use crate::world::{apply, ask, create, get};

const THING: &str = "/apis/example.com/v1/namespaces/default/things/a";

fn definition() -> Value {
    let counts = json!({ "type": "object", "properties": { "count": { "type": "integer" }, "color": { "type": "string" } } });
    json!({
        "metadata": { "name": "things.example.com" },
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": { "plural": "things", "kind": "Thing" },
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": counts, "status": counts } } },
                "subresources": { "scale": { "specReplicasPath": ".spec.count", "statusReplicasPath": ".status.count" } },
            }],
        },
    })
}

fn thing(spec: Value) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Thing", "metadata": { "name": "a" }, "spec": spec })
}

/// Who owns the count: manager, operation and subresource.
async fn owners(plane: &ControlPlane) -> Vec<String> {
    let found = get(plane, THING).await.ok().body;
    let entries = found["metadata"]["managedFields"].as_array().unwrap();
    let own = entries.iter().filter(|entry| entry["fieldsV1"]["f:spec"]["f:count"].is_object());
    let word = |entry: &Value, key: &str| entry[key].as_str().unwrap_or("-").to_owned();
    own.map(|entry| ["manager", "operation", "subresource"].map(|key| word(entry, key)).join(" ")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_scales_a_custom_resource_owns_its_replicas() {
    let plane = ControlPlane::start().await.unwrap();
    create(&plane, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition()).await.ok();
    let by = |manager: &str| format!("{THING}?fieldManager={manager}");
    let scaled_by = |manager: &str| format!("{THING}/scale?fieldManager={manager}");
    apply(&plane, &by("a"), thing(json!({ "count": 1, "color": "red" }))).await.ok();
    assert_eq!(owners(&plane).await, ["a Apply -"]);

    let two = json!({ "spec": { "replicas": 2 } });
    ask(&plane, "PATCH", &scaled_by("person"), Some(two.clone())).await.ok();
    assert_eq!(owners(&plane).await, ["person Update scale"]);
    // Nothing changes hands when nothing changes.
    ask(&plane, "PATCH", &scaled_by("other"), Some(two)).await.ok();
    assert_eq!(owners(&plane).await, ["person Update scale"]);

    let three = thing(json!({ "count": 3 }));
    let refused = apply(&plane, &by("b"), three.clone()).await;
    assert_eq!(
        (refused.code, refused.message()),
        (
            409,
            "Apply failed with 1 conflict: conflict with \"person\" with subresource \"scale\" using example.com/v1: .spec.count"
        )
    );
    apply(&plane, &format!("{}&force=true", by("b")), three).await.ok();
    assert_eq!(owners(&plane).await, ["b Apply -"]);

    let scale = |replicas: i64| json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": "a" }, "spec": { "replicas": replicas } });
    let put = json!({ "metadata": { "name": "a", "namespace": "default" }, "spec": { "replicas": 4 } });
    ask(&plane, "PUT", &scaled_by("put"), Some(put)).await.ok();
    assert_eq!(owners(&plane).await, ["put Update scale"]);
    let refused = apply(&plane, &scaled_by("c"), scale(5)).await;
    assert_eq!(
        (refused.code, refused.message()),
        (
            409,
            "Apply failed with 1 conflict: conflict with \"put\" with subresource \"scale\" using autoscaling/v1: .spec.replicas"
        )
    );
    apply(&plane, &format!("{}&force=true", scaled_by("c")), scale(5)).await.ok();
    assert_eq!(owners(&plane).await, ["c Apply scale"]);
    plane.shutdown().await.unwrap();
}
