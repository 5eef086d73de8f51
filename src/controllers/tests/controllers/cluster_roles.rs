use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::{Cluster, eventually};

/// The resources that a role's rules name.
async fn resources(roles: &Api<ClusterRole>, name: &str) -> Vec<String> {
    let role = roles.get(name).await.unwrap();
    role.rules.into_iter().flatten().flat_map(|rule| rule.resources.unwrap_or_default()).collect()
}

fn role(tree: serde_json::Value) -> ClusterRole {
    serde_json::from_value(tree).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_aggregated_role_follows_its_parts() {
    let cluster = Cluster::start().await;
    let roles = Api::<ClusterRole>::all(cluster.admin.clone());
    let part = |name: &str, resource: &str| {
        role(json!({
            "metadata": { "name": name, "labels": { "test/part": "yes" } },
            "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": ["get"] }],
        }))
    };
    let whole = role(json!({
        "metadata": { "name": "whole" },
        "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "test/part": "yes" } }] },
    }));
    let create = PostParams::default();
    roles.create(&create, &part("b", "pods")).await.unwrap();
    roles.create(&create, &whole).await.unwrap();
    roles.create(&create, &part("a", "services")).await.unwrap();
    let are = async |wanted: &[&str]| (resources(&roles, "whole").await == wanted).then_some(());
    eventually("taking the rules of the parts", || are(&["services", "pods"])).await;

    let changed = json!({ "rules": [{ "apiGroups": [""], "resources": ["nodes"], "verbs": ["get"] }] });
    roles.patch("a", &PatchParams::default(), &Patch::Merge(changed)).await.unwrap();
    eventually("following a change", || are(&["nodes", "pods"])).await;

    roles.delete("b", &DeleteParams::default()).await.unwrap();
    eventually("losing a part", || are(&["nodes"])).await;

    let managers = roles.get("whole").await.unwrap().metadata.managed_fields.unwrap_or_default();
    let owner =
        managers.iter().find(|entry| entry.manager.as_deref() == Some("clusterrole-aggregation-controller"));
    assert_eq!(owner.and_then(|entry| entry.operation.as_deref()), Some("Apply"));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_written_into_an_aggregated_role_are_put_right() {
    let cluster = Cluster::start().await;
    let roles = Api::<ClusterRole>::all(cluster.admin.clone());
    let before = resources(&roles, "view").await;
    let nothing = json!({ "rules": [] });
    roles.patch("view", &PatchParams::default(), &Patch::Merge(nothing)).await.unwrap();
    eventually("putting the rules right", || async {
        (resources(&roles, "view").await == before).then_some(())
    })
    .await;
    cluster.stop().await;
}
