use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Pod, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::{Cluster, eventually};

const ROOT_CA: &str = "kube-root-ca.crt";

impl Cluster {
    fn namespaces(&self) -> Api<Namespace> {
        Api::all(self.admin.clone())
    }

    fn config_maps(&self, namespace: &str) -> Api<ConfigMap> {
        Api::namespaced(self.admin.clone(), namespace)
    }

    async fn namespace(&self, name: &str) {
        let namespace = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        self.namespaces().create(&PostParams::default(), &namespace).await.unwrap();
    }

    /// Waits for what every namespace gets.
    async fn furnished(&self, namespace: &str) -> ConfigMap {
        let accounts = Api::<ServiceAccount>::namespaced(self.admin.clone(), namespace);
        eventually("a default account", || async { accounts.get_opt("default").await.unwrap() }).await;
        let maps = self.config_maps(namespace);
        eventually("the root authority", || async { maps.get_opt(ROOT_CA).await.unwrap() }).await
    }

    async fn delete(&self, namespace: &str) {
        self.namespaces().delete(namespace, &DeleteParams::default()).await.unwrap();
    }

    async fn gone(&self, namespace: &str) {
        let spaces = self.namespaces();
        eventually("the namespace's end", || async {
            spaces.get_opt(namespace).await.unwrap().is_none().then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_namespace_is_furnished() {
    let cluster = Cluster::start().await;
    cluster.namespace("new").await;
    for namespace in ["default", "kube-system", "new"] {
        let found = cluster.furnished(namespace).await;
        let pem = cluster.plane.root_ca_pem().unwrap();
        assert_eq!(found.data.unwrap().get("ca.crt"), Some(&pem));
        let managers = found.metadata.managed_fields.unwrap();
        assert_eq!(managers[0].manager.as_deref(), Some("kube-controller-manager"));
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_spoils_is_put_right() {
    let cluster = Cluster::start().await;
    cluster.namespace("new").await;
    let good = cluster.furnished("new").await;
    let maps = cluster.config_maps("new");

    let spoilt = json!({ "data": { "ca.crt": "evil" }, "metadata": { "annotations": null } });
    maps.patch(ROOT_CA, &PatchParams::default(), &Patch::Merge(spoilt)).await.unwrap();
    eventually("the change's end", || async {
        let found = maps.get(ROOT_CA).await.unwrap();
        (found.data == good.data && found.metadata.annotations == good.metadata.annotations).then_some(())
    })
    .await;

    maps.delete(ROOT_CA, &DeleteParams::default()).await.unwrap();
    let accounts = Api::<ServiceAccount>::namespaced(cluster.admin.clone(), "new");
    accounts.delete("default", &DeleteParams::default()).await.unwrap();
    cluster.furnished("new").await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_namespace_goes_with_all_it_holds() {
    let cluster = Cluster::start().await;
    cluster.namespace("going").await;
    cluster.furnished("going").await;
    let secrets = Api::<Secret>::namespaced(cluster.admin.clone(), "going");
    let pods = Api::<Pod>::namespaced(cluster.admin.clone(), "going");
    for name in ["a", "b"] {
        let secret = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        secrets.create(&PostParams::default(), &secret).await.unwrap();
        let pod = json!({
            "metadata": { "name": name },
            "spec": { "containers": [{ "name": "c", "image": "i" }] },
        });
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    }
    cluster.delete("going").await;
    cluster.gone("going").await;
    let left = Api::<Secret>::all(cluster.admin.clone()).list(&ListParams::default()).await.unwrap();
    assert!(left.items.iter().all(|secret| secret.metadata.namespace.as_deref() != Some("going")));
    // Its name is free again, and the new namespace starts empty.
    cluster.namespace("going").await;
    assert!(pods.list(&ListParams::default()).await.unwrap().items.is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_finalizer_holds_the_namespace_and_the_conditions_say_so() {
    let cluster = Cluster::start().await;
    cluster.namespace("held").await;
    cluster.furnished("held").await;
    let maps = cluster.config_maps("held");
    let kept = json!({ "metadata": { "name": "kept", "finalizers": ["test.io/kept"] } });
    maps.create(&PostParams::default(), &serde_json::from_value(kept).unwrap()).await.unwrap();
    cluster.delete("held").await;
    let said = |namespace: &Namespace, kind: &str| {
        let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().find(|known| known.type_ == kind).map(|known| {
            format!(
                "{} {} {}",
                known.status,
                known.reason.as_deref().unwrap(),
                known.message.as_deref().unwrap()
            )
        })
    };
    let spaces = cluster.namespaces();
    let held = eventually("the conditions", || async {
        let namespace = spaces.get("held").await.unwrap();
        said(&namespace, "NamespaceContentRemaining").is_some().then_some(namespace)
    })
    .await;
    assert_eq!(held.status.as_ref().unwrap().phase.as_deref(), Some("Terminating"));
    assert_eq!(
        said(&held, "NamespaceContentRemaining").unwrap(),
        "True SomeResourcesRemain Some resources are remaining: configmaps. has 1 resource instances"
    );
    assert_eq!(
        said(&held, "NamespaceFinalizersRemaining").unwrap(),
        "True SomeFinalizersRemain Some content in the namespace has finalizers remaining: \
         test.io/kept in 1 resource instances"
    );
    assert_eq!(
        said(&held, "NamespaceDeletionContentFailure").unwrap(),
        "False ContentDeleted All content successfully deleted, may be waiting on finalization"
    );
    let free = json!({ "metadata": { "finalizers": null } });
    maps.patch("kept", &PatchParams::default(), &Patch::Merge(free)).await.unwrap();
    cluster.gone("held").await;
    cluster.stop().await;
}
