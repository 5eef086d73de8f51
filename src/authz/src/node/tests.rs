use serde_json::{Value, json};

use super::*;

fn store(nodes: &NodeAuthorizer, what: Watched, namespace: &str, name: &str, value: &Value) {
    nodes.observe(what, namespace, name, Some(value.to_string().as_bytes()));
}

/// A pod that names one of everything.
fn pod(node: &str, annotations: &Value) -> Value {
    json!({
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {
            "nodeName": node,
            "serviceAccountName": "runner",
            "imagePullSecrets": [{"name": "pull"}],
            "initContainers": [{"env": [{"name": "a", "value": "b"},
                {"name": "A", "valueFrom": {"secretKeyRef": {"name": "env-secret", "key": "k"}}}]}],
            "containers": [{"envFrom": [{"configMapRef": {"name": "env-map"}}]}],
            "ephemeralContainers": [{"envFrom": [{"secretRef": {"name": "debug-secret"}}]}],
            "volumes": [
                {"name": "s", "secret": {"secretName": "mounted"}},
                {"name": "c", "configMap": {"name": "map"}},
                {"name": "p", "projected": {"sources": [{"secret": {"name": "projected"}},
                    {"configMap": {"name": "projected-map"}}, {"serviceAccountToken": {"path": "t"}}]}},
                {"name": "d", "persistentVolumeClaim": {"claimName": "data"}},
                {"name": "scratch", "ephemeral": {"volumeClaimTemplate": {}}},
                {"name": "i", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "inline"}}},
            ],
            "resourceClaims": [
                {"name": "gpu", "resourceClaimName": "own-gpu"},
                {"name": "made", "resourceClaimTemplateName": "t"},
                {"name": "unmade", "resourceClaimTemplateName": "t"},
            ],
        },
        "status": {
            "resourceClaimStatuses": [{"name": "made", "resourceClaimName": "web-made-x"}],
            "extendedResourceClaimStatus": {"requestMappings": [], "resourceClaimName": "extended"},
        },
    })
}

fn volume() -> Value {
    json!({"metadata": {"name": "pv"}, "spec": {
        "claimRef": {"namespace": "shop", "name": "data"},
        "csi": {
            "driver": "x",
            "controllerPublishSecretRef": {"namespace": "csi", "name": "controller"},
            "nodeStageSecretRef": {"namespace": "csi", "name": "stage"},
        },
    }})
}

fn shop() -> NodeAuthorizer {
    let nodes = NodeAuthorizer::new();
    store(&nodes, Watched::Pods, "shop", "web", &pod("n1", &json!({})));
    store(&nodes, Watched::Volumes, "", "pv", &volume());
    store(&nodes, Watched::Attachments, "", "va", &json!({"spec": {"nodeName": "n1"}}));
    store(&nodes, Watched::Slices, "", "slice", &json!({"spec": {"nodeName": "n1", "driver": "d"}}));
    nodes
}

fn node(name: &str) -> UserInfo {
    UserInfo::new(&format!("system:node:{name}"), ["system:nodes", "system:authenticated"])
}

/// `verb group/resource/subresource namespace/name selector`, with `-` for what is absent.
fn ask(nodes: &NodeAuthorizer, user: &UserInfo, question: &str) -> Decision {
    let words: Vec<&str> = question.split(' ').map(|word| if word == "-" { "" } else { word }).collect();
    let [verb, resource, place, rest @ ..] = &*words else { panic!("{question}") };
    let parts: Vec<&str> = resource.split('/').collect();
    let (namespace, name) = place.split_once('/').unwrap_or_default();
    let resource = Resource {
        group: parts[0],
        resource: parts[1],
        subresource: parts.get(2).copied().unwrap_or_default(),
        namespace,
        name,
        field_selector: rest.first().copied().unwrap_or_default(),
        ..Resource::default()
    };
    nodes.decide(user, &Attributes::resource(verb, resource))
}

#[track_caller]
fn allowed(nodes: &NodeAuthorizer, user: &str, questions: &[&str]) {
    for question in questions {
        let decision = ask(nodes, &node(user), question);
        assert!(decision.is_allowed(), "{question}: {}", decision.grounds().reason());
    }
}

#[track_caller]
fn undecided(nodes: &NodeAuthorizer, user: &str, questions: &[(&str, &str)]) {
    for (question, why) in questions {
        let decision = ask(nodes, &node(user), question);
        assert!(matches!(decision, Decision::NoOpinion(_)), "{question}");
        assert_eq!(decision.grounds().reason(), *why, "{question}");
    }
}

const NEEDED: [&str; 22] = [
    "get /secrets shop/pull",
    "get /secrets shop/env-secret",
    "watch /secrets shop/debug-secret",
    "list /secrets shop/mounted",
    "get /secrets shop/projected",
    "get /secrets shop/inline",
    "get /secrets csi/stage",
    "get /configmaps shop/env-map",
    "get /configmaps shop/map",
    "get /configmaps shop/projected-map",
    "get /persistentvolumeclaims shop/data",
    "patch /persistentvolumeclaims/status shop/data",
    "get /persistentvolumeclaims shop/web-scratch",
    "get /persistentvolumes /pv",
    "get resource.k8s.io/resourceclaims shop/own-gpu",
    "get resource.k8s.io/resourceclaims shop/web-made-x",
    "get resource.k8s.io/resourceclaims shop/extended",
    "get /serviceaccounts shop/runner",
    "create /serviceaccounts/token shop/runner",
    "get /pods shop/web",
    "get storage.k8s.io/volumeattachments /va",
    "update resource.k8s.io/resourceslices /slice",
];

#[test]
fn a_node_reaches_what_its_pods_need_and_another_node_does_not() {
    let nodes = shop();
    allowed(&nodes, "n1", &NEEDED);
    let none = "no relationship found between node 'n2' and this object";
    undecided(&nodes, "n2", &NEEDED.map(|question| (question, none)));
    let strange = [
        "get /secrets shop/other",
        "get /secrets other/pull",
        "get /secrets csi/controller",
        "get resource.k8s.io/resourceclaims shop/unmade",
        "create /serviceaccounts/token shop/default",
    ];
    undecided(&nodes, "n1", &strange.map(|q| (q, "no relationship found between node 'n1' and this object")));
}

#[test]
fn what_a_node_was_given_ends_with_the_pod() {
    let nodes = shop();
    store(&nodes, Watched::Pods, "shop", "second", &pod("n1", &json!({})));
    nodes.observe(Watched::Pods, "shop", "web", None);
    allowed(&nodes, "n1", &["get /secrets shop/pull", "get /secrets csi/stage"]);
    nodes.observe(Watched::Pods, "shop", "second", None);
    let none = "no relationship found between node 'n1' and this object";
    for question in &NEEDED[..20] {
        undecided(&nodes, "n1", &[(question, none)]);
    }
    nodes.observe(Watched::Volumes, "", "pv", None);
    nodes.observe(Watched::Attachments, "", "va", None);
    nodes.observe(Watched::Slices, "", "slice", None);
    undecided(&nodes, "n1", &NEEDED.map(|question| (question, none)));
}

#[test]
fn a_pod_that_moves_takes_its_needs_along() {
    let nodes = shop();
    store(&nodes, Watched::Pods, "shop", "web", &pod("n2", &json!({})));
    allowed(&nodes, "n2", &NEEDED[..20]);
    assert!(!ask(&nodes, &node("n1"), NEEDED[0]).is_allowed());
}

#[test]
fn a_mirror_pod_opens_nothing_but_itself() {
    let nodes = NodeAuthorizer::new();
    store(&nodes, Watched::Pods, "shop", "web", &pod("n1", &json!({"kubernetes.io/config.mirror": "x"})));
    allowed(&nodes, "n1", &["get /pods shop/web"]);
    assert!(!ask(&nodes, &node("n1"), "get /secrets shop/pull").is_allowed());
    assert!(!ask(&nodes, &node("n1"), "create /serviceaccounts/token shop/runner").is_allowed());
}

#[test]
fn what_cannot_be_read_opens_nothing() {
    let nodes = shop();
    nodes.observe(Watched::Pods, "shop", "web", Some(b"{\"spec\":"));
    assert!(!ask(&nodes, &node("n1"), "get /pods shop/web").is_allowed());
}

#[test]
fn lists_need_the_nodes_own_selector() {
    let nodes = shop();
    allowed(
        &nodes,
        "n1",
        &[
            "list /pods / spec.nodeName=n1",
            "watch /pods / status.phase!=Failed,spec.nodeName=n1",
            "watch /pods shop/web",
            "list /nodes /n1 metadata.name=n1",
            "deletecollection resource.k8s.io/resourceslices / spec.nodeName=n1",
        ],
    );
    let pods = "can only list/watch pods with spec.nodeName field selector";
    undecided(
        &nodes,
        "n1",
        &[
            ("list /pods /", pods),
            ("list /pods / spec.nodeName=n2", pods),
            ("watch /pods / spec.nodeName!=n1", pods),
            ("list /pods / spec.nodeName=n1,x", pods),
            ("list /nodes /", "node 'n1' cannot read all nodes, only its own Node object"),
            ("get /nodes /n2", "node 'n1' cannot read 'n2', only its own Node object"),
            (
                "list resource.k8s.io/resourceslices /",
                "can only list/watch/deletecollection resourceslices with nodeName field selector",
            ),
            ("list /secrets shop/", "No Object name found"),
            ("list /secrets /x", "can only read namespaced object of this type"),
        ],
    );
}

#[test]
fn the_rest_is_by_verb_and_rule() {
    let nodes = shop();
    allowed(
        &nodes,
        "n1",
        &[
            "create /nodes /",
            "patch /nodes/status /n1",
            "create /pods shop/",
            "delete /pods shop/other",
            "patch /pods/status shop/web",
            "create /pods/eviction shop/web",
            "create coordination.k8s.io/leases kube-node-lease/",
            "update coordination.k8s.io/leases kube-node-lease/n1",
            "create storage.k8s.io/csinodes /",
            "list /services /",
            "create /events shop/",
            "watch storage.k8s.io/csidrivers /",
            "create authorization.k8s.io/subjectaccessreviews /",
            "create resource.k8s.io/resourceslices /",
        ],
    );
    undecided(
        &nodes,
        "n1",
        &[
            ("create /secrets shop/pull", "can only read resources of this type"),
            ("get /secrets/x shop/pull", "cannot read subresource"),
            ("update /persistentvolumeclaims shop/data", "can only get individual resources of this type"),
            ("get /persistentvolumeclaims/status shop/data", "can only get/update/patch this type"),
            ("get /persistentvolumes/status /pv", "cannot get subresource"),
            ("delete /nodes /n1", ""),
            ("get /nodes/proxy /n1", ""),
            ("update /pods shop/web", ""),
            ("create /pods/exec shop/web", ""),
            ("create /pods/binding shop/web", ""),
            ("create /serviceaccounts/token shop/", "can only create tokens for individual service accounts"),
            ("update /serviceaccounts shop/runner", "can only create tokens for individual service accounts"),
            ("create /serviceaccounts/x shop/runner", "can only create token subresource of serviceaccount"),
            (
                "update coordination.k8s.io/leases kube-system/n1",
                "can only access leases in the \"kube-node-lease\" system namespace",
            ),
            (
                "update coordination.k8s.io/leases kube-node-lease/n2",
                "can only access node lease with the same name as the requesting node",
            ),
            (
                "list coordination.k8s.io/leases kube-node-lease/",
                "can only get, create, update, patch, or delete a node lease",
            ),
            (
                "get storage.k8s.io/csinodes /n2",
                "can only access CSINode with the same name as the requesting node",
            ),
            ("create certificates.k8s.io/podcertificaterequests shop/", ""),
            ("create rbac.authorization.k8s.io/clusterroles /", ""),
        ],
    );
}

#[test]
fn only_a_node_of_the_nodes_group_is_one() {
    let nodes = shop();
    let stray = UserInfo::new("system:node:n1", ["system:authenticated"]);
    assert!(matches!(ask(&nodes, &stray, NEEDED[0]), Decision::NoOpinion(g) if g.reasons.is_empty()));
    let other = UserInfo::new("jane", ["system:nodes"]);
    assert!(!ask(&nodes, &other, NEEDED[0]).is_allowed());
    let unknown = UserInfo::new("system:node:", ["system:nodes"]);
    assert_eq!(ask(&nodes, &unknown, NEEDED[0]).grounds().reason(), "unknown node for user \"system:node:\"");
}

#[test]
fn only_changes_of_the_graph_raise_the_generation_and_only_for_nodes() {
    let nodes = shop();
    let before = nodes.generation(&node("n1"));
    let mut same = pod("n1", &json!({}));
    same["status"]["phase"] = json!("Running");
    store(&nodes, Watched::Pods, "shop", "web", &same);
    assert_eq!(nodes.generation(&node("n1")), before);
    nodes.observe(Watched::Pods, "shop", "web", None);
    assert!(nodes.generation(&node("n1")) > before);
    assert_eq!(nodes.generation(&UserInfo::new("jane", ["x"])), 0);
}
