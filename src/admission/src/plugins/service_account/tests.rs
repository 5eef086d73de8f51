use portcullis_api::Value;
use serde_json::json;

use super::*;
use crate::fake::{Cluster, Judged, Write};

fn cluster(mark: &str) -> Cluster {
    let account = json!({
        "metadata": {
            "name": "default",
            "namespace": "default",
            "annotations": { "kubernetes.io/enforce-mountable-secrets": mark },
        },
        "automountServiceAccountToken": false,
        "secrets": [{ "name": "mine" }],
        "imagePullSecrets": [{ "name": "pull" }],
    });
    Cluster::default().with("serviceaccounts", account)
}

fn pod(spec: Value) -> Value {
    json!({ "metadata": { "name": "p", "namespace": "default" }, "spec": spec })
}

fn create(mark: &str, spec: Value) -> Judged {
    Write::pod().judge(ServiceAccount, &cluster(mark), pod(spec))
}

#[test]
fn a045_a_marked_account_shares_only_its_own_secrets() {
    let from = |name: &str| json!([{ "secretRef": { "name": name } }]);
    let key = |name: &str| json!([{ "name": "A", "valueFrom": { "secretKeyRef": { "name": name } } }]);
    let refusals = [
        (
            json!({ "containers": [{ "name": "c", "envFrom": from("x") }] }),
            "container c with envFrom referencing",
        ),
        (
            json!({ "containers": [{ "name": "c", "env": key("x") }] }),
            "container c with envVar A referencing",
        ),
        (
            json!({ "initContainers": [{ "name": "i", "envFrom": from("x") }] }),
            "init container i with envFrom referencing",
        ),
        (json!({ "volumes": [{ "name": "v", "secret": { "secretName": "x" } }] }), "volume with"),
        (
            json!({ "volumes": [{ "name": "v", "projected": { "sources": [{ "secret": { "name": "x" } }] } }] }),
            "volume with",
        ),
        (
            json!({ "volumes": [{ "name": "v", "csi": { "nodePublishSecretRef": { "name": "x" } } }] }),
            "volume with",
        ),
    ];
    for (spec, words) in refusals {
        assert_eq!(
            create("true", spec.clone()).refused(),
            format!(
                "pods \"p\" is forbidden: {words} secret.secretName=\"x\" is not allowed because service account default \
                 does not reference that secret"
            )
        );
        create("no", spec).admitted();
    }
    assert_eq!(
        create("true", json!({ "imagePullSecrets": [{ "name": "x" }] })).refused(),
        "pods \"p\" is forbidden: imagePullSecrets[0].name=\"x\" is not allowed because service account default does \
         not reference that imagePullSecret"
    );
    create("true", json!({ "containers": [{ "name": "c", "envFrom": from("mine"), "env": key("mine") }] }))
        .admitted();
    let mut joined = pod(json!({ "serviceAccountName": "default" }));
    joined["spec"]["ephemeralContainers"] = json!([{ "name": "e", "envFrom": from("x") }]);
    let write = Write { subresource: "ephemeralcontainers", ..Write::pod().change(pod(json!({}))) };
    let refusal = write.judge(ServiceAccount, &cluster("true"), joined).refused();
    assert!(
        refusal.contains("ephemeral container e with envFrom referencing secret.secretName=\"x\""),
        "{refusal}"
    );
}

#[test]
fn e055_a_mirror_pod_uses_nothing_of_the_cluster() {
    let create = |spec: Value| {
        let mut pod = pod(spec);
        pod["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "hash" });
        Write::pod().judge(ServiceAccount, &Cluster::default(), pod)
    };
    create(json!({ "containers": [] })).admitted();
    for (spec, words) in [
        (json!({ "serviceAccountName": "default" }), "a mirror pod may not reference service accounts"),
        (json!({ "imagePullSecrets": [{ "name": "s" }] }), "a mirror pod may not reference secrets"),
        (
            json!({ "volumes": [{ "projected": { "sources": [{ "serviceAccountToken": {} }] } }] }),
            "a mirror pod may not use ServiceAccountToken volume projections",
        ),
    ] {
        assert_eq!(create(spec).refused(), format!("pods \"p\" is forbidden: {words}"));
    }
}

#[test]
fn a_pod_runs_as_an_account_that_exists() {
    let cluster = Cluster::default()
        .with("serviceaccounts", json!({ "metadata": { "name": "default", "namespace": "default" } }));
    let create = |spec: Value| Write::pod().judge(ServiceAccount, &cluster, pod(spec));
    let object = create(json!({ "containers": [{ "name": "c" }] })).admitted();
    assert_eq!(object.str_at(&["spec", "serviceAccountName"]), "default");
    assert_eq!(object.at(&["spec", "containers"]).unwrap()[0]["volumeMounts"][0]["mountPath"], MOUNT);
    let given = json!({ "containers": [{ "name": "c" }], "volumes": [{ "name": "kube-api-access-own" }] });
    let object = create(given).admitted();
    assert_eq!(
        object.at(&["spec", "containers"]).unwrap()[0]["volumeMounts"][0]["name"],
        "kube-api-access-own"
    );
    assert_eq!(object.at(&["spec", "volumes"]).unwrap(), &json!([{ "name": "kube-api-access-own" }]));
    assert_eq!(
        create(json!({ "serviceAccountName": "gone" })).refused(),
        "pods \"p\" is forbidden: error looking up service account default/gone: serviceaccount \"gone\" not found"
    );
}
