//! The whole chain, on what it may meet.

use std::sync::Arc;

use async_trait::async_trait;
use portcullis_api::{ApiError, Object, Result, UserInfo, Value};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::attributes::Operation;
use crate::chain::Chain;
use crate::fake::{Cluster, Write};
use crate::stage::{MutatingStage, Round, ValidatingStage};

#[test]
fn plugins_run_in_upstreams_order() {
    let chain = Chain::new(every(&Settings::default()));
    let upstream = [
        "NamespaceLifecycle",
        "LimitRanger",
        "ServiceAccount",
        "NodeRestriction",
        "TaintNodesByCondition",
        "AlwaysPullImages",
        "PodSecurity",
        "Priority",
        "DefaultTolerationSeconds",
        "EventRateLimit",
        "DefaultStorageClass",
        "StorageObjectInUseProtection",
        "OwnerReferencesPermissionEnforcement",
        "PersistentVolumeClaimResize",
        "RuntimeClass",
        "CertificateApproval",
        "CertificateSigning",
        "CertificateSubjectRestriction",
        "DefaultIngressClass",
        "DenyServiceExternalIPs",
        "PodTopologyLabels",
        "NodeDeclaredFeatureValidator",
        "PodResizeValidator",
        "ResourceQuota",
    ];
    assert_eq!(chain.names().collect::<Vec<_>>(), upstream);
    let usual = upstream.into_iter().filter(|name| !OPTIONAL.contains(name)).collect::<Vec<_>>();
    assert_eq!(Chain::new(built_in()).names().collect::<Vec<_>>(), usual);
}

#[test]
fn plugins_are_chosen_by_name_and_keep_their_order() {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let on = |enable: &[&str], disable: &[&str]| {
        chosen(&names(enable), &names(disable), &Settings::default())
            .map(|chain| chain.iter().map(|one| one.name()).collect::<Vec<_>>())
    };
    let usual = on(&[], &[]).unwrap();
    assert_eq!(usual, Chain::new(built_in()).names().collect::<Vec<_>>());
    let other = on(&["DenyServiceExternalIPs", "LimitRanger"], &["ServiceAccount"]).unwrap();
    assert_eq!(other.len(), usual.len());
    assert!(other.contains(&"DenyServiceExternalIPs") && !other.contains(&"ServiceAccount"));
    assert_eq!(on(&["Nonsense"], &[]), Err(BadChoice::Unknown("Nonsense".into())));
    assert_eq!(on(&[], &["limitranger"]), Err(BadChoice::Unknown("limitranger".into())));
    assert_eq!(on(&["Priority"], &["Priority"]), Err(BadChoice::Contradiction("Priority".into())));
}

/// A stage that lets nothing pass.
struct Wall(&'static str);

impl Wall {
    fn refusal(&self) -> Result<()> {
        Err(ApiError::bad_request(self.0))
    }
}

#[async_trait]
impl MutatingStage for Wall {
    fn is_idle(&self) -> bool {
        false
    }

    async fn mutate(&self, _: &Attributes<'_>, _: Option<&mut Object>, _: &mut Round<'_>) -> Result<()> {
        self.refusal()
    }
}

#[async_trait]
impl ValidatingStage for Wall {
    fn is_idle(&self) -> bool {
        false
    }

    async fn validate(&self, _: &Attributes<'_>, _: Option<&Object>) -> Result<()> {
        self.refusal()
    }
}

#[test]
fn a_stage_that_is_switched_off_is_not_asked_and_the_others_are() {
    let refused_by = |off: &[&str]| {
        let off: Vec<String> = off.iter().map(ToString::to_string).collect();
        let [change, call, deny, veto] = STAGES.map(|name| Arc::new(Wall(name)));
        let chain =
            Chain::new(Vec::new()).without(&off).with_policies(change, deny).with_webhooks(call, veto);
        let judged = Write::pod().judge_all(chain, &Cluster::default(), json!({}));
        judged.result.err().map(|error| error.message().to_owned())
    };
    for count in 0..STAGES.len() {
        assert_eq!(refused_by(&STAGES[..count]).as_deref(), Some(STAGES[count]));
    }
    assert_eq!(refused_by(&STAGES), None);
}

/// Field names that plugins look at.
const FIELDS: &[&str] = &[
    "metadata",
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
    "pod-security.kubernetes.io/enforce",
    "pod-security.kubernetes.io/enforce-version",
    "kubernetes.io/config.mirror",
    "spec",
    "status",
    "template",
    "jobTemplate",
    "containers",
    "initContainers",
    "volumes",
    "projected",
    "sources",
    "securityContext",
    "capabilities",
    "add",
    "ports",
    "hostPort",
    "resources",
    "requests",
    "limits",
    "hard",
    "used",
    "scopes",
    "scopeSelector",
    "matchExpressions",
    "type",
    "min",
    "max",
    "maxLimitRequestRatio",
    "default",
    "cpu",
    "memory",
    "pods",
    "count/pods",
    "storage",
    "overhead",
    "tolerations",
    "priorityClassName",
    "nodeName",
    "request",
    "signerName",
    "externalIPs",
    "boundObjectRef",
    "audiences",
];

const TEXTS: &[&str] = &[
    "",
    "default",
    "restricted",
    "v1.9",
    "Container",
    "Pod",
    "100m",
    "-1",
    "9e999",
    "1e-999",
    "9223372036854775807Ei",
    "kubernetes.io/kube-apiserver-client",
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K",
    "n1",
    "ü\u{0}\u{202e}",
];

fn any_tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        proptest::sample::select(TEXTS).prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 96, 6, |inner| {
        let field = proptest::sample::select(FIELDS).prop_map(str::to_owned);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((field, inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    (any_tree(), any_tree(), any_tree())
        .prop_map(|(metadata, spec, status)| json!({ "metadata": metadata, "spec": spec, "status": status }))
}

const WRITES: &[(&str, &str, &str, &str)] = &[
    ("", "pods", "Pod", ""),
    ("", "pods", "Pod", "status"),
    ("", "pods", "Pod", "resize"),
    ("", "pods", "Pod", "eviction"),
    ("", "pods", "Pod", "ephemeralcontainers"),
    ("", "nodes", "Node", ""),
    ("", "namespaces", "Namespace", ""),
    ("", "persistentvolumeclaims", "PersistentVolumeClaim", ""),
    ("", "persistentvolumeclaims", "PersistentVolumeClaim", "status"),
    ("", "services", "Service", ""),
    ("", "configmaps", "ConfigMap", ""),
    ("", "serviceaccounts", "TokenRequest", "token"),
    ("apps", "deployments", "Deployment", ""),
    ("batch", "cronjobs", "CronJob", ""),
    ("coordination.k8s.io", "leases", "Lease", ""),
    ("resource.k8s.io", "resourceslices", "ResourceSlice", ""),
    ("certificates.k8s.io", "certificatesigningrequests", "CertificateSigningRequest", ""),
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plugin_panics_on_any_tree(
        write in proptest::sample::select(WRITES),
        operation in proptest::sample::select(&[Operation::Create, Operation::Update, Operation::Delete][..]),
        by_node in any::<bool>(),
        object in any_object(),
        old in any_object(),
        other in any_object(),
    ) {
        let (group, resource, kind, subresource) = write;
        let mut namespaced = other.clone();
        namespaced["metadata"] = json!({ "name": "default", "namespace": "default" });
        let mut namespace = other;
        if !namespace["metadata"].is_object() {
            namespace["metadata"] = json!({});
        }
        namespace["metadata"]["name"] = "default".into();
        let mut cluster = Cluster::default().with("namespaces", namespace);
        for resource in ["limitranges", "resourcequotas", "pods", "serviceaccounts", "nodes"] {
            cluster = cluster.with(resource, namespaced.clone());
        }
        let mut write = Write { group, subresource, ..Write::of(operation, resource, kind) };
        if by_node {
            write.user = UserInfo::new("system:node:n1", ["system:nodes"]);
        }
        if operation != Operation::Create {
            write.old = Some(crate::fake::tree(old));
        }
        write.judge_all(Chain::new(every(&Settings::default())), &cluster, object);
    }
}

/// What a pod's way through the chain costs, for a look by hand: `cargo test -- --ignored --nocapture`.
#[test]
#[ignore = "measures, and asserts nothing"]
fn a_pods_way_through_the_chain() {
    let cluster = Cluster::default()
        .with("namespaces", json!({
            "metadata": { "name": "default", "labels": { "pod-security.kubernetes.io/enforce": "restricted" } },
        }))
        .with("serviceaccounts", json!({ "metadata": { "name": "default", "namespace": "default" } }));
    let pod = json!({
        "metadata": { "name": "p", "namespace": "default" },
        "spec": {
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "c",
                "image": "i",
                "resources": {},
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
            }],
        },
    });
    let rounds = 20_000;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        Write::pod().judge_all(Chain::new(built_in()), &cluster, pod.clone()).admitted();
    }
    println!("{:?} a pod", start.elapsed() / rounds);
}
