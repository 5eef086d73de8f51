use portcullis_api::{UserInfo, Value};
use serde_json::json;

use super::*;
use crate::fake::{Cluster, Judged, Write};

fn by_node(name: &str, write: Write) -> Write {
    let user = UserInfo::new(&format!("system:node:{name}"), ["system:nodes", "system:authenticated"]);
    Write { user, ..write }
}

fn create(resource: &'static str, kind: &'static str) -> Write {
    by_node("n1", Write::of(Operation::Create, resource, kind))
}

fn cluster() -> Cluster {
    let pod = |name: &str, node: &str, uid: &str| {
        json!({
            "metadata": { "name": name, "namespace": "default", "uid": uid },
            "spec": {
                "nodeName": node,
                "volumes": [
                    { "name": "t", "projected": { "sources": [
                        { "serviceAccountToken": { "audience": "vault", "path": "t" } },
                        { "serviceAccountToken": { "path": "d" } },
                    ] } },
                    { "name": "d", "persistentVolumeClaim": { "claimName": "data" } },
                ],
            },
        })
    };
    Cluster::default()
        .with("nodes", json!({ "metadata": { "name": "n1", "uid": "node-uid" } }))
        .with("pods", pod("mine", "n1", "p1"))
        .with("pods", pod("theirs", "n2", "p2"))
        .with(
            "persistentvolumeclaims",
            json!({ "metadata": { "name": "data", "namespace": "default" }, "spec": { "volumeName": "pv" } }),
        )
        .with(
            "persistentvolumes",
            json!({ "metadata": { "name": "pv" }, "spec": { "csi": { "driver": "disk" } } }),
        )
        .with(
            "csidrivers.storage.k8s.io",
            json!({ "metadata": { "name": "disk" }, "spec": { "tokenRequests": [{ "audience": "cloud" }] } }),
        )
}

#[track_caller]
fn assert_refused(judged: Judged, words: &str) {
    let refusal = judged.refused();
    assert!(refusal.ends_with(words), "{refusal}");
}

fn mirror() -> Value {
    json!({
        "metadata": {
            "name": "etcd-n1",
            "namespace": "default",
            "annotations": { "kubernetes.io/config.mirror": "hash" },
            "ownerReferences": [
                { "apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid", "controller": true },
            ],
        },
        "spec": { "nodeName": "n1", "containers": [{ "name": "etcd", "image": "etcd" }] },
    })
}

fn create_pod(pod: Value) -> Judged {
    create("pods", "Pod").judge(NodeRestriction, &cluster(), pod)
}

fn node(labels: Value) -> Value {
    json!({ "metadata": { "name": "n1", "labels": labels }, "spec": { "taints": [] } })
}

fn update_node(old: Value, new: Value) -> Judged {
    create("nodes", "Node").change(old).judge(NodeRestriction, &cluster(), new)
}

#[test]
fn a017_a_node_cannot_change_its_owners() {
    let mut owned = node(json!({}));
    owned["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "u" }]);
    let words = "node \"n1\" is not allowed to modify ownerReferences";
    assert_refused(update_node(node(json!({})), owned.clone()), words);
    assert_refused(update_node(owned, node(json!({}))), words);
}

#[test]
fn a018_a_mirror_pod_refers_to_nothing() {
    create_pod(mirror()).admitted();
    for (field, value, what) in [
        ("serviceAccountName", json!("default"), "serviceaccounts"),
        ("imagePullSecrets", json!([{ "name": "s" }]), "secrets"),
        ("resourceClaims", json!([{ "name": "gpu", "resourceClaimName": "c" }]), "resourceclaims"),
        ("volumes", json!([{ "name": "v", "secret": { "secretName": "s" } }]), "secrets"),
        ("volumes", json!([{ "name": "v", "secret": {} }]), "secrets (via secret volumes)"),
        ("volumes", json!([{ "name": "v", "configMap": { "name": "m" } }]), "configmaps"),
        (
            "volumes",
            json!([{ "name": "v", "persistentVolumeClaim": { "claimName": "c" } }]),
            "persistentvolumeclaims",
        ),
        ("volumes", json!([{ "name": "v", "csi": { "driver": "d" } }]), "csidrivers (via CSI volumes)"),
        (
            "volumes",
            json!([{ "name": "v", "ephemeral": {} }]),
            "persistentvolumeclaims (via ephemeral volumes)",
        ),
        (
            "volumes",
            json!([{ "name": "v", "projected": { "sources": [{ "serviceAccountToken": {} }] } }]),
            "serviceaccounts (via projected volumes)",
        ),
        (
            "volumes",
            json!([{ "name": "v", "projected": { "sources": [{ "clusterTrustBundle": {} }] } }]),
            "clustertrustbundles",
        ),
        (
            "ephemeralContainers",
            json!([{ "name": "e", "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s" } } }] }]),
            "secrets",
        ),
        (
            "initContainers",
            json!([{ "name": "e", "envFrom": [{ "configMapRef": { "name": "m" } }] }]),
            "configmaps",
        ),
    ] {
        let mut pod = mirror();
        pod["spec"][field] = value;
        assert_refused(create_pod(pod), &format!("node \"n1\" can not create pods that reference {what}"));
    }
    let mut pod = mirror();
    pod["spec"]["volumes"] = json!([{ "name": "v", "telepathy": {} }]);
    assert_refused(create_pod(pod), "unknown volume type for volume  \"v\"");
}

#[test]
fn a_node_creates_only_mirror_pods_of_its_own() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut pod = mirror();
        change(&mut pod);
        create_pod(pod)
    };
    let owner = |field: &'static str, value: Value| {
        with(&|pod| pod["metadata"]["ownerReferences"][0][field] = value.clone())
    };
    assert_refused(
        with(&|pod| pod["metadata"]["annotations"] = json!({})),
        "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods",
    );
    assert_refused(
        with(&|pod| pod["spec"]["nodeName"] = "n2".into()),
        "node \"n1\" can only create pods with spec.nodeName set to itself",
    );
    let itself = "node \"n1\" can only create pods with an owner reference set to itself";
    assert_refused(with(&|pod| pod["metadata"]["ownerReferences"] = json!([])), itself);
    assert_refused(owner("name", "n2".into()), itself);
    assert_refused(owner("kind", "Pod".into()), itself);
    assert_refused(
        owner("controller", false.into()),
        "node \"n1\" can only create pods with a controller owner reference set to itself",
    );
    assert_refused(
        owner("blockOwnerDeletion", true.into()),
        "node \"n1\" must not set blockOwnerDeletion on an owner reference",
    );
    assert_refused(owner("uid", "other".into()), "node n1 UID mismatch: expected other got node-uid");
    assert_refused(
        with(&|pod| {
            let owner = pod["metadata"]["ownerReferences"][0].clone();
            pod["metadata"]["ownerReferences"].as_array_mut().unwrap().push(owner);
        }),
        "node \"n1\" can only create pods with a single owner reference set to itself",
    );
}

#[test]
fn e053_only_the_exact_identity_is_a_node() {
    let judge = |name: &str, groups: &[&str]| {
        let write = Write::of(Operation::Create, "nodes", "Node");
        let write = Write { user: UserInfo::new(name, groups), ..write };
        write.judge(NodeRestriction, &cluster(), node(json!({})))
    };
    judge("system:node:n1", &["system:nodes"]).admitted();
    assert_refused(
        judge("system:node:", &["system:nodes"]),
        "could not determine node from user \"system:node:\"",
    );
    assert_refused(
        judge("system:node:n1:x", &["system:nodes"]),
        "node \"n1:x\" is not allowed to modify node \"n1\"",
    );
    assert_refused(
        judge("system:node:N1", &["system:nodes"]),
        "node \"N1\" is not allowed to modify node \"n1\"",
    );
    // Who is no node is bound by the authorizer alone.
    judge("system:node:n2", &["system:authenticated"]).admitted();
    judge("low", &["system:nodes"]).admitted();
}

#[test]
fn a_node_changes_no_other_node_and_not_its_taints() {
    let write = by_node("n2", Write::of(Operation::Create, "nodes", "Node"));
    assert_refused(
        write.change(node(json!({}))).judge(NodeRestriction, &cluster(), node(json!({}))),
        "nodes \"n1\" is forbidden: node \"n2\" is not allowed to modify node \"n1\"",
    );
    let mut tainted = node(json!({}));
    tainted["spec"]["taints"] = json!([{ "key": "dedicated", "effect": "NoSchedule" }]);
    assert_refused(update_node(tainted, node(json!({}))), "node \"n1\" is not allowed to modify taints");
    update_node(node(json!({})), node(json!({}))).admitted();
}

#[test]
fn a055_a_node_labels_itself_only_with_what_is_its_own() {
    let create = |key: &str| {
        let write = create("nodes", "Node");
        write.judge(NodeRestriction, &cluster(), node(json!({ key: "v" })))
    };
    for own in [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "x.node.kubernetes.io/a",
        "kubelet.kubernetes.io/a",
        "example.com/a",
        "plain",
        "notkubernetes.io/a",
    ] {
        create(own).admitted();
    }
    for foreign in [
        "node-restriction.kubernetes.io/pci",
        "a.node-restriction.kubernetes.io/pci",
        "node-role.kubernetes.io/control-plane",
        "kubernetes.io/role",
        "x.k8s.io/a",
        "k8s.io/a",
    ] {
        assert_refused(
            create(foreign),
            &format!("node \"n1\" is not allowed to set the following labels: {foreign}"),
        );
    }
    let restricted = node(json!({ "node-restriction.kubernetes.io/a": "1", "k8s.io/b": "1", "c": "1" }));
    assert_refused(
        update_node(restricted.clone(), node(json!({}))),
        "is not allowed to modify labels: k8s.io/b, node-restriction.kubernetes.io/a",
    );
    update_node(restricted.clone(), restricted).admitted();
}

#[test]
fn a_node_reports_and_removes_only_its_own_pods() {
    let pod = |node: &str, labels: Value| json!({ "metadata": { "name": "p", "namespace": "default", "labels": labels }, "spec": { "nodeName": node } });
    let status = |old: Value, new: Value| {
        let write = Write { subresource: "status", ..create("pods", "Pod").change(old) };
        write.judge(NodeRestriction, &cluster(), new)
    };
    status(pod("n1", json!({})), pod("n1", json!({}))).admitted();
    assert_refused(
        status(pod("n2", json!({})), pod("n1", json!({}))),
        "node \"n1\" can only update pod status for pods with spec.nodeName set to itself",
    );
    assert_refused(
        status(pod("n1", json!({})), pod("n1", json!({ "a": "b" }))),
        "node \"n1\" cannot update labels through pod status",
    );
    let update = create("pods", "Pod").change(pod("n1", json!({})));
    assert_refused(
        update.judge(NodeRestriction, &cluster(), pod("n1", json!({}))),
        "unexpected operation \"UPDATE\", node \"n1\" can only create and delete mirror pods",
    );
    let named = |name: &str, operation| Write {
        operation,
        ..create("pods", "Pod").change(json!({ "metadata": { "name": name } }))
    };
    let delete = |name| named(name, Operation::Delete).judge(NodeRestriction, &cluster(), json!({}));
    delete("mine").admitted();
    assert_refused(delete("theirs"), "node \"n1\" can only delete pods with spec.nodeName set to itself");
    assert_refused(delete("nobodys"), "pod \"nobodys\" not found");
    let evict = |name: &str| {
        let write = Write { subresource: "eviction", ..create("pods", "Pod") };
        write.judge(NodeRestriction, &cluster(), json!({ "metadata": { "name": name } }))
    };
    evict("mine").admitted();
    assert_refused(evict("theirs"), "node n1 can only evict pods with spec.nodeName set to itself");
    let evicted = |name| Write { subresource: "eviction", ..named(name, Operation::Delete) };
    evicted("mine").judge(NodeRestriction, &cluster(), json!({})).admitted();
    assert_refused(
        evicted("theirs").judge(NodeRestriction, &cluster(), json!({})),
        "node n1 can only evict pods with spec.nodeName set to itself",
    );
    let resize = Write { subresource: "resize", ..create("pods", "Pod") };
    assert_refused(
        resize.judge(NodeRestriction, &cluster(), mirror()),
        "unexpected pod subresource \"resize\", only 'status' and 'eviction' are allowed",
    );
}

#[test]
fn tokens_are_bound_to_pods_on_the_node() {
    let ask = |bound: Value, audiences: Value| {
        let write = Write { subresource: "token", ..create("serviceaccounts", "TokenRequest") };
        let request = json!({ "metadata": { "name": "sa" }, "spec": { "audiences": audiences, "boundObjectRef": bound } });
        write.judge(NodeRestriction, &cluster(), request)
    };
    let pod = |name: &str, uid: &str| json!({ "apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid });
    ask(pod("mine", "p1"), json!(["vault"])).admitted();
    ask(pod("mine", "p1"), json!([])).admitted();
    ask(pod("mine", "p1"), json!(["cloud"])).admitted();
    assert_refused(ask(Value::Null, json!([])), "node requested token not bound to a pod");
    let node = json!({ "apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "node-uid" });
    assert_refused(ask(node, json!([])), "node requested token not bound to a pod");
    assert_refused(ask(pod("mine", ""), json!([])), "node requested token with a pod binding without a uid");
    assert_refused(
        ask(pod("theirs", "p2"), json!([])),
        "node requested token bound to a pod scheduled on a different node",
    );
    assert_refused(ask(pod("gone", "p"), json!([])), "pod \"gone\" not found");
    assert_refused(
        ask(pod("mine", "old"), json!([])),
        "the UID in the bound object reference (old) does not match the UID in record. The object might have been \
         deleted and then recreated",
    );
    assert_refused(
        ask(pod("mine", "p1"), json!(["other"])),
        "audience \"other\" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this \
         audience",
    );
    assert_refused(ask(pod("mine", "p1"), json!(["a", "b"])), "node may only request 0 or 1 audiences");
}

#[test]
fn leases_slices_and_csi_nodes_are_the_nodes_own() {
    let lease = |namespace, name: &str| {
        let write = Write { group: "coordination.k8s.io", namespace, ..create("leases", "Lease") };
        write.judge(NodeRestriction, &cluster(), json!({ "metadata": { "name": name } }))
    };
    lease("kube-node-lease", "n1").admitted();
    assert_refused(
        lease("kube-node-lease", "n2"),
        "can only access node lease with the same name as the requesting node",
    );
    assert_refused(
        lease("default", "n1"),
        "can only access leases in the \"kube-node-lease\" system namespace",
    );
    let csi = |name: &str| {
        let write = Write { group: "storage.k8s.io", ..create("csinodes", "CSINode") };
        write.judge(NodeRestriction, &cluster(), json!({ "metadata": { "name": name } }))
    };
    csi("n1").admitted();
    assert_refused(csi("n2"), "can only access CSINode with the same name as the requesting node");
    let slice = |node: &str| {
        let write = Write { group: "resource.k8s.io", ..create("resourceslices", "ResourceSlice") };
        write.judge(
            NodeRestriction,
            &cluster(),
            json!({ "metadata": { "name": "s" }, "spec": { "nodeName": node } }),
        )
    };
    slice("n1").admitted();
    assert_refused(
        slice("n2"),
        "can only create ResourceSlice with the same NodeName as the requesting node",
    );
}

#[test]
fn claims_change_only_in_what_a_node_has_made_of_them() {
    let claim = |size: &str, labels: Value| json!({ "metadata": { "name": "data", "labels": labels }, "status": { "capacity": { "storage": size } } });
    let report = |old: Value, new: Value| {
        let write = create("persistentvolumeclaims", "PersistentVolumeClaim").change(old);
        Write { subresource: "status", ..write }.judge(NodeRestriction, &cluster(), new)
    };
    report(claim("1Gi", json!({})), claim("2Gi", json!({}))).admitted();
    report(json!({ "metadata": { "name": "data", "labels": {} } }), claim("2Gi", json!({}))).admitted();
    let refusal = report(claim("1Gi", json!({})), claim("1Gi", json!({ "a": "b" }))).refused();
    assert!(
        refusal.contains("not allowed to update fields other than status.quantity and status.conditions")
    );
    let update = create("persistentvolumeclaims", "PersistentVolumeClaim").change(claim("1Gi", json!({})));
    assert_refused(
        update.judge(NodeRestriction, &cluster(), claim("1Gi", json!({}))),
        "may only update PVC status",
    );
}
