use serde_json::json;

use super::*;
use crate::fake::{Cluster, Judged, Write};

fn cluster(limit: Value) -> Cluster {
    let range =
        json!({ "metadata": { "name": "bounds", "namespace": "default" }, "spec": { "limits": [limit] } });
    Cluster::default().with("limitranges", range)
}

fn pod(resources: Value) -> Value {
    json!({
        "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "resources": resources }] },
    })
}

fn create(limit: Value, resources: Value) -> Judged {
    Write::pod().judge(LimitRanger, &cluster(limit), pod(resources))
}

#[test]
fn defaults_are_filled_in_and_noted() {
    let limit = json!({
        "type": "Container",
        "default": { "cpu": "1", "memory": "64Mi" },
        "defaultRequest": { "memory": "32Mi", "cpu": "100m" },
    });
    let object = create(limit, json!({ "limits": { "cpu": "2" } })).admitted();
    assert_eq!(
        object.at(&["spec", "containers"]).unwrap()[0]["resources"],
        json!({ "limits": { "cpu": "2", "memory": "64Mi" }, "requests": { "cpu": "100m", "memory": "32Mi" } })
    );
    assert_eq!(
        object.str_at(&["metadata", "annotations", "kubernetes.io/limit-ranger"]),
        "LimitRanger plugin set: cpu, memory request for container c; memory limit for container c"
    );
}

#[test]
fn bounds_have_upstreams_words() {
    let limit = |field: &str, amount: &str| json!({ "type": "Container", field: { "cpu": amount } });
    let asks =
        |request: &str, most: &str| json!({ "requests": { "cpu": request }, "limits": { "cpu": most } });
    let refusal = |limit, resources| create(limit, resources).refused();
    for (limit, resources, words) in [
        (
            limit("min", "100m"),
            json!({}),
            "minimum cpu usage per Container is 100m.  No request is specified",
        ),
        (
            limit("min", "100m"),
            asks("50m", "1"),
            "minimum cpu usage per Container is 100m, but request is 50m",
        ),
        (limit("max", "1"), json!({}), "maximum cpu usage per Container is 1.  No limit is specified"),
        (limit("max", "1"), asks("1", "2"), "maximum cpu usage per Container is 1, but limit is 2"),
        (
            limit("maxLimitRequestRatio", "2"),
            asks("1", "3"),
            "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000",
        ),
        (
            limit("maxLimitRequestRatio", "2"),
            json!({}),
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
        ),
    ] {
        assert_eq!(refusal(limit, resources), format!("pods \"p\" is forbidden: {words}"));
    }
    create(limit("max", "1"), asks("100m", "1000m")).admitted();
}

#[test]
fn several_mistakes_are_listed() {
    let limit = json!({ "type": "Pod", "max": { "cpu": "1", "memory": "1Gi" } });
    let refusal = create(limit, json!({ "limits": { "cpu": "2", "memory": "2Gi" } })).refused();
    assert_eq!(
        refusal,
        "pods \"p\" is forbidden: [maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi, \
         but limit is 2Gi]"
    );
}

#[test]
fn claims_are_bounded_by_their_requests() {
    let claim = |size: &str| json!({ "metadata": { "name": "data" }, "spec": { "resources": { "requests": { "storage": size } } } });
    let limit =
        json!({ "type": "PersistentVolumeClaim", "min": { "storage": "1Gi" }, "max": { "storage": "2Gi" } });
    let create = |size| {
        let write = Write::of(Operation::Create, "persistentvolumeclaims", "PersistentVolumeClaim");
        write.judge(LimitRanger, &cluster(limit.clone()), claim(size))
    };
    create("2Gi").admitted();
    assert!(
        create("3Gi")
            .refused()
            .ends_with("maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi")
    );
    assert!(
        create("1Mi")
            .refused()
            .ends_with("minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi")
    );
}
