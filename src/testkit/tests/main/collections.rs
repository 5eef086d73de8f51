//! Lists as tables, by what objects have, and page by page.

use portcullis_testkit::ControlPlane;
use serde_json::{Value, json};

use crate::world::{apply, create, get, lines};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";
const PODS: &str = "/api/v1/namespaces/default/pods";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A table as it is sent, and as it is made of whole trees.
async fn both(plane: &ControlPlane, path: &str) -> [Value; 2] {
    let [mut sent, mut made] = [Value::Null, Value::Null];
    // An age may grow from one to the other.
    for _ in 0..3 {
        sent = lines(plane, path, TABLE).await.remove(0);
        made = lines(plane, &format!("{path}&pretty=true"), TABLE).await.remove(0);
        if sent == made {
            break;
        }
    }
    [sent, made]
}

fn pod(name: &str, node: &str, app: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "app": app, "own": name } },
        "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "c" }] },
    })
}

async fn some_of_everything(plane: &ControlPlane) {
    create(plane, "/api/v1/nodes", json!({ "metadata": { "name": "n1" } })).await.ok();
    create(plane, "/api/v1/namespaces/default/serviceaccounts", json!({ "metadata": { "name": "default" } }))
        .await;
    for (name, node, app) in [("a", "n1", "web"), ("b", "", "web"), ("c", "n1", "db")] {
        create(plane, PODS, pod(name, node, app)).await.ok();
    }
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "c" }] } });
    let spec = json!({ "selector": { "matchLabels": { "a": "b" } }, "template": template });
    let set = json!({ "metadata": { "name": "d" }, "spec": spec });
    create(plane, "/apis/apps/v1/namespaces/default/daemonsets", set).await.ok();
    let target = json!({ "kind": "Deployment", "name": "d", "apiVersion": "apps/v1" });
    let metric = json!({ "type": "Resource", "resource": { "name": "memory", "target": { "type": "Utilization", "averageUtilization": 3 } } });
    let scaler = json!({ "metadata": { "name": "h" }, "spec": { "maxReplicas": 3, "scaleTargetRef": target, "metrics": [metric] } });
    create(plane, "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", scaler).await.ok();
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m" }, "data": { "a": "<b>", "c": "ü\"\\" } });
    apply(plane, &format!("{MAPS}/m?fieldManager=me"), map).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_cut_out_of_bytes_is_the_one_made_of_trees() {
    let plane = ControlPlane::start().await.unwrap();
    some_of_everything(&plane).await;
    let paths = [
        PODS,
        MAPS,
        "/api/v1/namespaces",
        "/apis/apps/v1/daemonsets",
        "/apis/autoscaling/v1/horizontalpodautoscalers",
        "/apis/autoscaling/v2/horizontalpodautoscalers",
        "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        "/api/v1/secrets",
    ];
    for path in paths {
        for include in ["Metadata", "Object", "None"] {
            let [sent, made] = both(&plane, &format!("{path}?includeObject={include}")).await;
            assert_eq!(sent["kind"], "Table", "{path}: {sent}");
            assert_eq!(sent, made, "{path} {include}");
        }
    }
    let [sent, _] = both(&plane, &format!("{PODS}?limit=2")).await;
    assert_eq!(sent["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(sent["metadata"]["remainingItemCount"], 1);
    plane.shutdown().await.unwrap();
}

async fn names(plane: &ControlPlane, path: &str) -> Vec<String> {
    let found = get(plane, path).await.ok().body;
    let items = found["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_are_found_by_labels_names_and_nodes() {
    let plane = ControlPlane::start().await.unwrap();
    some_of_everything(&plane).await;
    let cases: [(&str, &[&str]); 12] = [
        ("labelSelector=app=web", &["a", "b"]),
        ("labelSelector=own=a,app=web", &["a"]),
        ("labelSelector=own=a,app=db", &[]),
        ("labelSelector=own=a,app!=db", &["a"]),
        ("labelSelector=own%20in%20(c)", &["c"]),
        ("labelSelector=own%20in%20(c,a)", &["a", "c"]),
        ("labelSelector=own=none", &[]),
        ("fieldSelector=spec.nodeName=n1", &["a", "c"]),
        ("fieldSelector=spec.nodeName=", &["b"]),
        ("fieldSelector=spec.nodeName=n1&labelSelector=app=db", &["c"]),
        ("fieldSelector=metadata.name=b", &["b"]),
        ("fieldSelector=metadata.name=b&labelSelector=app=db", &[]),
    ];
    for (asked, expected) in cases {
        for place in [PODS, "/api/v1/pods"] {
            assert_eq!(names(&plane, &format!("{place}?{asked}")).await, expected, "{place} {asked}");
        }
    }
    plane.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_say_how_much_remains() {
    let plane = ControlPlane::start().await.unwrap();
    for name in 0..7 {
        create(&plane, MAPS, json!({ "metadata": { "name": format!("m{name}") } })).await.ok();
    }
    let (mut remaining, mut next) = (Vec::new(), String::new());
    loop {
        let page = get(&plane, &format!("{MAPS}?limit=3&continue={next}")).await.ok().body;
        remaining.push(page["metadata"]["remainingItemCount"].as_u64());
        next = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
        // What is written meanwhile is on no later page.
        create(&plane, MAPS, json!({ "metadata": { "name": format!("n{}", remaining.len()) } })).await.ok();
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(remaining, [Some(4), Some(1), None]);
    plane.shutdown().await.unwrap();
}
