use std::sync::Barrier;
use std::thread;

use futures::FutureExt as _;
use parking_lot::Mutex;
use portcullis_api::{GroupResource, GroupVersion, Gvk, Gvr, UserInfo, Value};
use serde_json::json;

use super::*;
use crate::chain::{Admitted, Chain};
use crate::fake::{Cluster, Judged, Write, tree};
use crate::notes::Notes;

fn quota(hard: Value, used: Value) -> Value {
    json!({
        "metadata": { "name": "team", "namespace": "default", "uid": "q1" },
        "spec": { "hard": hard },
        "status": { "hard": hard, "used": used },
    })
}

fn cluster(hard: Value, used: Value) -> Cluster {
    Cluster::default().with("resourcequotas", quota(hard, used))
}

fn pod(resources: Value) -> Value {
    json!({
        "metadata": { "name": "p", "namespace": "default" },
        "spec": { "containers": [{ "name": "c", "resources": resources }] },
    })
}

fn create(cluster: &Cluster, object: Value) -> Judged {
    Write::pod().judge(ResourceQuota::default(), cluster, object)
}

fn create_of(resource: &'static str, kind: &'static str, cluster: &Cluster, object: Value) -> Judged {
    Write::of(Operation::Create, resource, kind).judge(ResourceQuota::default(), cluster, object)
}

#[test]
fn what_exceeds_a_quota_is_refused_in_upstreams_words() {
    let hard = json!({ "pods": "2", "requests.cpu": "1", "requests.memory": "1Gi" });
    let used = json!({ "pods": "1", "requests.cpu": "750m", "requests.memory": "0" });
    let asks = |cpu: &str| pod(json!({ "requests": { "cpu": cpu, "memory": "64Mi" } }));
    create(&cluster(hard.clone(), used.clone()), asks("250m")).admitted();
    assert_eq!(
        create(&cluster(hard.clone(), used), asks("500m")).refused(),
        "pods \"p\" is forbidden: exceeded quota: team, requested: requests.cpu=500m, used: requests.cpu=750m, limited: \
         requests.cpu=1"
    );
    let full = json!({ "pods": "2", "requests.cpu": "1", "requests.memory": "1Gi" });
    assert_eq!(
        create(&cluster(hard, full), asks("1")).refused(),
        "pods \"p\" is forbidden: exceeded quota: team, requested: pods=1,requests.cpu=1,requests.memory=64Mi, used: \
         pods=2,requests.cpu=1,requests.memory=1Gi, limited: pods=2,requests.cpu=1,requests.memory=1Gi"
    );
}

#[test]
fn containers_must_name_what_is_counted() {
    let counted = json!({ "limits.cpu": "1", "requests.memory": "1Gi" });
    let none = json!({ "limits.cpu": "0", "requests.memory": "0" });
    assert_eq!(
        create(&cluster(counted.clone(), none.clone()), pod(json!({}))).refused(),
        "pods \"p\" is forbidden: failed quota: team: must specify limits.cpu for: c; requests.memory for: c"
    );
    let mut whole = pod(json!({}));
    whole["spec"]["resources"] = json!({ "limits": { "cpu": "1" } });
    create(&cluster(counted.clone(), none), whole).admitted();
    let named = pod(json!({ "limits": { "cpu": "1" }, "requests": { "memory": "1Mi" } }));
    assert_eq!(
        create(&cluster(counted, json!({})), named).refused(),
        "pods \"p\" is forbidden: status unknown for quota: team, resources: limits.cpu,requests.memory"
    );
}

#[test]
fn devices_are_counted_by_their_class() {
    let of = |mode: &str, class: &str, count: i64| json!({ "allocationMode": mode, "deviceClassName": class, "count": count });
    let claim = tree(json!({ "spec": { "devices": { "requests": [
        { "name": "a", "exactly": of("ExactCount", "gold", 2) },
        { "name": "b", "firstAvailable": [of("ExactCount", "gold", 1), of("ExactCount", "gold", 3), of("All", "iron", 0)] },
        { "name": "c", "exactly": of("Unheard", "wood", 9) },
    ] } } }));
    let resource = GroupResource::new("resource.k8s.io", "resourceclaims");
    let measured = Measured::of(&resource);
    let used: Vec<(String, String)> = measured
        .usage(&resource, &claim)
        .into_iter()
        .map(|(name, amount)| (name, amount.to_string()))
        .collect();
    let expected = [
        ("count/resourceclaims.resource.k8s.io", "1"),
        ("gold.deviceclass.resource.k8s.io/devices", "5"),
        ("iron.deviceclass.resource.k8s.io/devices", "32"),
        ("wood.deviceclass.resource.k8s.io/devices", "0"),
    ];
    assert_eq!(used, expected.map(|(name, amount)| (name.to_owned(), amount.to_owned())));
    assert!(measured.counts(&resource, "silver.deviceclass.resource.k8s.io/devices"));
    assert!(!measured.counts(&resource, "pods"));
}

#[test]
fn objects_are_counted_under_both_of_their_names() {
    let object = || json!({ "metadata": { "name": "a", "namespace": "default" } });
    for name in ["configmaps", "count/configmaps"] {
        let full = cluster(json!({ name: "1" }), json!({ name: "1" }));
        let refusal = create_of("configmaps", "ConfigMap", &full, object()).refused();
        assert_eq!(
            refusal,
            format!(
                "configmaps \"a\" is forbidden: exceeded quota: team, requested: {name}=1, used: {name}=1, limited: \
                 {name}=1"
            )
        );
    }
    let full = cluster(json!({ "count/deployments.apps": "0" }), json!({ "count/deployments.apps": "0" }));
    let write = Write { group: "apps", ..Write::of(Operation::Create, "deployments", "Deployment") };
    write.judge(ResourceQuota::default(), &full, object()).refused();
    create_of(
        "events",
        "Event",
        &cluster(json!({ "count/events": "0" }), json!({ "count/events": "0" })),
        object(),
    )
    .admitted();
    // A quota over its limit refuses only what would take more of it.
    let over = cluster(json!({ "pods": "1", "secrets": "9" }), json!({ "pods": "5", "secrets": "0" }));
    create_of("secrets", "Secret", &over, object()).admitted();
}

#[test]
fn services_and_claims_are_measured() {
    let service = |kind: &str| json!({ "metadata": { "name": "s" }, "spec": { "type": kind, "ports": [{ "port": 1 }, { "port": 2 }] } });
    let hard = json!({ "services": "9", "services.nodeports": "1", "services.loadbalancers": "0" });
    let used = json!({ "services": "0", "services.nodeports": "0", "services.loadbalancers": "0" });
    let full = cluster(hard, used);
    create_of("services", "Service", &full, service("ClusterIP")).admitted();
    assert!(
        create_of("services", "Service", &full, service("NodePort"))
            .refused()
            .contains("services.nodeports=2")
    );
    assert!(
        create_of("services", "Service", &full, service("LoadBalancer"))
            .refused()
            .contains("requested: services.loadbalancers=1,services.nodeports=2")
    );
    let gold = "gold.storageclass.storage.k8s.io/requests.storage";
    let full = cluster(json!({ gold: "1Gi" }), json!({ gold: "0" }));
    let claim = |class: &str, size: &str| {
        json!({
            "metadata": { "name": "d" },
            "spec": { "storageClassName": class, "resources": { "requests": { "storage": size } } },
        })
    };
    let ask =
        |class, size| create_of("persistentvolumeclaims", "PersistentVolumeClaim", &full, claim(class, size));
    ask("gold", "1Gi").admitted();
    ask("tin", "9Gi").admitted();
    assert!(ask("gold", "2Gi").refused().contains(&format!("requested: {gold}=2Gi")));
}

#[test]
fn an_update_is_charged_what_it_takes_more() {
    let claim = |size: &str| {
        json!({
            "metadata": { "name": "d", "namespace": "default", "resourceVersion": "7" },
            "spec": { "resources": { "requests": { "storage": size } } },
        })
    };
    let full = cluster(json!({ "requests.storage": "5Gi" }), json!({ "requests.storage": "4Gi" }));
    let grow = |to: &str| {
        let write = Write::of(Operation::Create, "persistentvolumeclaims", "PersistentVolumeClaim");
        write.change(claim("4Gi")).judge(ResourceQuota::default(), &full, claim(to))
    };
    grow("5Gi").admitted();
    grow("1Gi").admitted();
    assert!(grow("6Gi").refused().contains("requested: requests.storage=2Gi, used: requests.storage=4Gi"));
}

#[test]
fn scopes_choose_the_pods_a_quota_counts() {
    let scoped = |spec: Value| {
        let mut quota = quota(json!({ "pods": "0" }), json!({ "pods": "0" }));
        quota["spec"] = spec;
        Cluster::default().with("resourcequotas", quota)
    };
    let scopes = |scope: &str| scoped(json!({ "scopes": [scope] }));
    let mut ending = pod(json!({ "requests": { "cpu": "1" } }));
    ending["spec"]["activeDeadlineSeconds"] = 5.into();
    ending["spec"]["priorityClassName"] = "high".into();
    for counting in ["Terminating", "NotBestEffort", "PriorityClass"] {
        create(&scopes(counting), ending.clone()).refused();
        create(&scopes(counting), pod(json!({}))).admitted();
    }
    for counting in ["NotTerminating", "BestEffort"] {
        create(&scopes(counting), ending.clone()).admitted();
        create(&scopes(counting), pod(json!({}))).refused();
    }
    let selector = |operator: &str| {
        scoped(json!({ "scopeSelector": { "matchExpressions": [
            { "scopeName": "PriorityClass", "operator": operator, "values": ["high"] },
        ] } }))
    };
    create(&selector("In"), ending.clone()).refused();
    create(&selector("NotIn"), ending.clone()).admitted();
    create(&selector("NotIn"), pod(json!({}))).refused();
    let mut far = pod(json!({}));
    far["spec"]["affinity"] = json!({ "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
        { "namespaceSelector": {} },
    ] } });
    create(&scopes("CrossNamespacePodAffinity"), far).refused();
    create(&scopes("CrossNamespacePodAffinity"), pod(json!({}))).admitted();
}

/// Admits a pod through a chain and keeps what was reserved.
fn admit(chain: &Chain, cluster: &Cluster, dry_run: bool) -> Result<Admitted> {
    let notes = Notes::default();
    let user = UserInfo::new("alice", ["system:authenticated"]);
    let write = Attributes {
        user: &user,
        operation: Operation::Create,
        kind: &Gvk::new(GroupVersion::new("", "v1"), "Pod"),
        resource: &GroupResource::new("", "pods"),
        gvr: &Gvr::new(GroupVersion::new("", "v1"), "pods"),
        subresource: "",
        namespace: "default",
        name: "p",
        dry_run,
        options: &(),
        follows: false,
        since: jiff::Timestamp::now(),
        old: None,
        reader: cluster,
        kinds: cluster,
        notes: &notes,
    };
    chain.admit(&write, Some(tree(pod(json!({}))))).now_or_never().unwrap()
}

#[test]
fn g017_writes_at_the_same_time_never_take_more_than_there_is() {
    let chain = Chain::new(vec![Box::new(ResourceQuota::default())]);
    let cluster = cluster(json!({ "pods": "10" }), json!({ "pods": "3" }));
    let held = Mutex::new(Vec::new());
    let start = Barrier::new(50);
    thread::scope(|scope| {
        for _ in 0..50 {
            scope.spawn(|| {
                start.wait();
                if let Ok(admitted) = admit(&chain, &cluster, false) {
                    held.lock().push(admitted);
                }
            });
        }
    });
    assert_eq!(held.lock().len(), 7);
    assert!(admit(&chain, &cluster, true).is_err());
    // A write that fails gives its share back.
    held.lock().pop();
    assert!(admit(&chain, &cluster, true).is_ok(), "a dry run takes nothing");
    assert!(admit(&chain, &cluster, false).is_ok(), "and lets go at once");
}

#[test]
fn a_charge_is_added_to_the_quota_it_was_made_of() {
    let chain = Chain::new(vec![Box::new(ResourceQuota::default())]);
    let mut stored = tree(quota(json!({ "pods": "10" }), json!({ "pods": "3" })));
    let cluster = Cluster::default().with("resourcequotas", Value::from(stored.clone()));
    let reservations =
        admit(&chain, &cluster, false).unwrap_or_else(|_| panic!("refused")).take_reservations();
    let [reservation] = reservations.as_slice() else { panic!("one quota, one reservation") };
    let [charge] = reservation.charges() else { panic!("one quota, one charge") };
    assert_eq!((charge.namespace.as_str(), charge.name.as_str()), ("default", "team"));
    assert!(charge.apply(&mut stored));
    assert_eq!(stored.str_at(&["status", "used", "pods"]), "4");
    stored.set_meta_str("uid", "another");
    assert!(!charge.apply(&mut stored));
}
