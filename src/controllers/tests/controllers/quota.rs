use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Pod, ResourceQuota, Service};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{Cluster, eventually};

impl Cluster {
    fn api<K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>>(
        &self,
    ) -> Api<K> {
        Api::namespaced(self.admin.clone(), "default")
    }

    async fn make<K>(&self, tree: Value)
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + DeserializeOwned
            + serde::Serialize,
    {
        self.api::<K>().create(&PostParams::default(), &serde_json::from_value(tree).unwrap()).await.unwrap();
    }

    async fn uses(&self, wanted: &[(&str, &str)]) {
        let wanted: BTreeMap<_, _> = wanted.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect();
        let quotas = self.api::<ResourceQuota>();
        eventually(&format!("the use of {wanted:?}"), || async {
            let status = quotas.get("team").await.unwrap().status.unwrap_or_default();
            let used: BTreeMap<_, _> =
                status.used.unwrap_or_default().into_iter().map(|(name, amount)| (name, amount.0)).collect();
            (used == wanted).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_there_is_counted_and_what_goes_is_given_back() {
    let cluster = Cluster::start().await;
    let service = |name: &str| {
        json!({
            "metadata": { "name": name },
            "spec": { "type": "NodePort", "ports": [{ "port": 80 }] },
        })
    };
    cluster.make::<Service>(service("early")).await;
    let hard =
        json!({ "pods": "3", "requests.cpu": "1", "services.nodeports": "4", "count/configmaps": "9" });
    cluster.make::<ResourceQuota>(json!({ "metadata": { "name": "team" }, "spec": { "hard": hard } })).await;
    // The root authority's config map is there from the start.
    let early =
        [("count/configmaps", "1"), ("pods", "0"), ("requests.cpu", "0"), ("services.nodeports", "1")];
    cluster.uses(&early).await;

    cluster.make::<ConfigMap>(json!({ "metadata": { "name": "one" } })).await;
    let container = json!({ "name": "c", "image": "i", "resources": { "requests": { "cpu": "250m" } } });
    cluster.make::<Pod>(json!({ "metadata": { "name": "p" }, "spec": { "containers": [container] } })).await;
    let more =
        [("count/configmaps", "2"), ("pods", "1"), ("requests.cpu", "250m"), ("services.nodeports", "1")];
    cluster.uses(&more).await;

    let now = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
    cluster.api::<Pod>().delete("p", &now).await.unwrap();
    cluster.api::<ConfigMap>().delete("one", &now).await.unwrap();
    cluster.uses(&early).await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_limits_show_in_the_status() {
    let cluster = Cluster::start().await;
    let quota = json!({ "metadata": { "name": "team" }, "spec": { "hard": { "secrets": "3" } } });
    cluster.make::<ResourceQuota>(quota).await;
    cluster.uses(&[("secrets", "0")]).await;
    let raised = json!({ "spec": { "hard": { "secrets": null, "pods": "7" } } });
    let quotas = cluster.api::<ResourceQuota>();
    quotas.patch("team", &PatchParams::default(), &Patch::Merge(raised)).await.unwrap();
    cluster.uses(&[("pods", "0")]).await;
    let hard = quotas.get("team").await.unwrap().status.unwrap().hard.unwrap();
    assert_eq!(hard["pods"].0, "7");
    cluster.stop().await;
}
