use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, PropagationPolicy};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::{Cluster, eventually};

const NAMESPACE: &str = "default";

impl Cluster {
    fn maps(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.admin.clone(), namespace)
    }

    async fn map(&self, name: &str, owners: &[Value]) -> ConfigMap {
        let tree = json!({ "metadata": { "name": name, "ownerReferences": owners } });
        let map = serde_json::from_value(tree).unwrap();
        self.maps(NAMESPACE).create(&PostParams::default(), &map).await.unwrap()
    }

    async fn ends(&self, name: &str) {
        let maps = self.maps(NAMESPACE);
        eventually("the end of a config map", || async {
            maps.get_opt(name).await.unwrap().is_none().then_some(())
        })
        .await;
    }

    async fn delete_map(&self, name: &str, policy: PropagationPolicy) {
        let options = DeleteParams { propagation_policy: Some(policy), ..DeleteParams::default() };
        self.maps(NAMESPACE).delete(name, &options).await.unwrap();
    }
}

fn owned_by(owner: &ConfigMap) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner.name_any(), "uid": owner.uid().unwrap(),
        "blockOwnerDeletion": true,
    })
}

fn nobody() -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": "nobody", "uid": "none" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_owned_goes_after_its_owner() {
    let cluster = Cluster::start().await;
    let owner = cluster.map("owner", &[]).await;
    let child = cluster.map("child", &[owned_by(&owner)]).await;
    cluster.map("grandchild", &[owned_by(&child)]).await;
    cluster.map("kept", &[owned_by(&owner), owned_by(&cluster.map("other", &[]).await)]).await;
    cluster.delete_map("owner", PropagationPolicy::Background).await;
    cluster.ends("child").await;
    cluster.ends("grandchild").await;
    eventually("the end of a reference", || async {
        let kept = cluster.maps(NAMESPACE).get("kept").await.unwrap();
        let owners: Vec<_> = kept.owner_references().iter().map(|owner| owner.name.clone()).collect();
        (owners == ["other"]).then_some(())
    })
    .await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_in_the_foreground_goes_last() {
    let cluster = Cluster::start().await;
    let owner = cluster.map("owner", &[]).await;
    let child = cluster.map("child", &[owned_by(&owner)]).await;
    let held = json!({ "metadata": { "finalizers": ["example.com/held"] } });
    cluster.maps(NAMESPACE).patch("child", &PatchParams::default(), &Patch::Merge(held)).await.unwrap();
    cluster.delete_map("owner", PropagationPolicy::Foreground).await;
    eventually("the deletion of the child", || async {
        cluster.maps(NAMESPACE).get("child").await.unwrap().metadata.deletion_timestamp
    })
    .await;
    assert!(cluster.maps(NAMESPACE).get_opt("owner").await.unwrap().is_some(), "it waits for {child:?}");
    let free = json!({ "metadata": { "finalizers": null } });
    cluster.maps(NAMESPACE).patch("child", &PatchParams::default(), &Patch::Merge(free)).await.unwrap();
    cluster.ends("child").await;
    cluster.ends("owner").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_circle_in_the_foreground_goes() {
    let cluster = Cluster::start().await;
    let first = cluster.map("first", &[]).await;
    let second = cluster.map("second", &[owned_by(&first)]).await;
    let closed = json!({ "metadata": { "ownerReferences": [owned_by(&second)] } });
    cluster.maps(NAMESPACE).patch("first", &PatchParams::default(), &Patch::Merge(closed)).await.unwrap();
    cluster.delete_map("first", PropagationPolicy::Foreground).await;
    cluster.ends("first").await;
    cluster.ends("second").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphans_stay_and_name_no_owner() {
    let cluster = Cluster::start().await;
    let owner = cluster.map("owner", &[]).await;
    cluster.map("child", &[owned_by(&owner)]).await;
    // Seen by the collector once what nobody owns is gone.
    cluster.map("seen", &[nobody()]).await;
    cluster.ends("seen").await;
    cluster.delete_map("owner", PropagationPolicy::Orphan).await;
    cluster.ends("owner").await;
    let child = cluster.maps(NAMESPACE).get("child").await.unwrap();
    assert!(child.owner_references().is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h020_a_reference_that_lies_has_nothing_of_others_deleted() {
    let cluster = Cluster::start().await;
    let victim = cluster.map("victim", &[]).await;
    // It says that the victim is elsewhere, under another name: there is no such owner, so only the liar goes.
    let mut lie = owned_by(&victim);
    lie["name"] = "other".into();
    cluster.map("liar", &[lie]).await;
    cluster.ends("liar").await;
    assert!(cluster.maps(NAMESPACE).get_opt("victim").await.unwrap().is_some());
    cluster.stop().await;
}
