use serde_json::json;

use super::*;
use crate::attributes::Operation;
use crate::fake::{Cluster, Judged, Write};

fn labelled(labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(key, value)| (format!("pod-security.kubernetes.io/{key}"), Value::from(*value)))
        .collect();
    json!({ "metadata": { "name": "default", "labels": labels } })
}

fn cluster(labels: &[(&str, &str)]) -> Cluster {
    Cluster::default().with("namespaces", labelled(labels))
}

fn pod(spec: Value) -> Value {
    json!({ "metadata": { "name": "p", "namespace": "default" }, "spec": spec })
}

fn safe() -> Value {
    json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "c",
            "image": "i",
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
        }],
    })
}

fn create(labels: &[(&str, &str)], spec: Value) -> Judged {
    Write::pod().judge(PodSecurity, &cluster(labels), pod(spec))
}

/// What is said of a pod at a level.
#[track_caller]
fn refusal(mode: (&str, &str), spec: Value) -> String {
    let refusal = create(&[("enforce", mode.0), ("enforce-version", mode.1)], spec).refused();
    let head = format!("pods \"p\" is forbidden: violates PodSecurity \"{}:{}\": ", mode.0, mode.1);
    refusal.strip_prefix(&head).unwrap_or_else(|| panic!("{refusal}")).to_owned()
}

#[test]
fn a_bare_pod_in_a_restricted_namespace_reads_as_upstream() {
    let spec = json!({ "containers": [{ "name": "nginx", "image": "nginx" }] });
    assert_eq!(
        refusal(("restricted", "latest"), spec.clone()),
        "allowPrivilegeEscalation != false (container \"nginx\" must set \
         securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"nginx\" must set \
         securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"nginx\" must set \
         securityContext.runAsNonRoot=true), seccompProfile (pod or container \"nginx\" must set \
         securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
    );
    create(&[("enforce", "baseline")], spec.clone()).admitted();
    create(&[], spec).admitted();
    create(&[("enforce", "restricted")], safe()).admitted();
}

#[test]
fn g012_every_baseline_check_refuses() {
    let container = |context: Value| json!({ "containers": [{ "name": "a", "securityContext": context }] });
    let cases = [
        (
            container(json!({ "appArmorProfile": { "type": "Unconfined" } })),
            "forbidden AppArmor profile (container \"a\" must not set AppArmor profile type to \"Unconfined\")",
        ),
        (
            container(json!({ "capabilities": { "add": ["SYS_ADMIN", "NET_RAW", "CHOWN"] } })),
            "non-default capabilities (container \"a\" must not include \"NET_RAW\", \"SYS_ADMIN\" in \
             securityContext.capabilities.add)",
        ),
        (
            json!({ "hostNetwork": true, "hostIPC": true, "containers": [] }),
            "host namespaces (hostNetwork=true, hostIPC=true)",
        ),
        (
            json!({ "volumes": [{ "name": "v", "hostPath": { "path": "/" } }], "containers": [] }),
            "hostPath volumes (volume \"v\")",
        ),
        (
            json!({ "containers": [{ "name": "a", "ports": [{ "hostPort": 80 }, { "hostPort": 443 }] }] }),
            "hostPort (container \"a\" uses hostPorts 443, 80)",
        ),
        (
            json!({ "containers": [{ "name": "a", "livenessProbe": { "httpGet": { "host": "10.0.0.1" } } }] }),
            "probe or lifecycle host (container \"a\" uses probe or lifecycle host \"10.0.0.1\")",
        ),
        (
            container(json!({ "privileged": true })),
            "privileged (container \"a\" must not set securityContext.privileged=true)",
        ),
        (
            container(json!({ "procMount": "Unmasked" })),
            "procMount (container \"a\" must not set securityContext.procMount to \"Unmasked\")",
        ),
        (
            container(json!({ "seLinuxOptions": { "type": "spc_t", "user": "u", "role": "r" } })),
            "seLinuxOptions (container \"a\" set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not \
             be set; role may not be set)",
        ),
        (
            json!({
                "securityContext": { "seccompProfile": { "type": "Unconfined" } },
                "containers": [{ "name": "a", "securityContext": { "seccompProfile": { "type": "Unconfined" } } }],
            }),
            "seccompProfile (pod and container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")",
        ),
        (
            json!({ "securityContext": { "sysctls": [{ "name": "kernel.msgmax" }] }, "containers": [] }),
            "forbidden sysctls (kernel.msgmax)",
        ),
        (
            json!({ "securityContext": { "windowsOptions": { "hostProcess": true } }, "containers": [] }),
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)",
        ),
    ];
    for (spec, words) in cases {
        assert_eq!(refusal(("baseline", "latest"), spec.clone()), words);
        create(&[("enforce", "privileged")], spec).admitted();
    }
}

#[test]
fn g012_every_restricted_check_refuses() {
    let with = |change: &dyn Fn(&mut Value)| {
        let mut spec = safe();
        change(&mut spec);
        refusal(("restricted", "latest"), spec)
    };
    assert_eq!(
        with(&|spec| spec["containers"][0]["securityContext"]["capabilities"]["add"] = json!(["CHOWN"])),
        "unrestricted capabilities (container \"c\" must not include \"CHOWN\" in securityContext.capabilities.add)"
    );
    assert_eq!(
        with(&|spec| {
            spec["volumes"] = json!([
                { "name": "h", "hostPath": {} },
                { "name": "n", "nfs": {} },
                { "name": "x" },
                { "name": "ok", "emptyDir": {} },
            ]);
        }),
        "restricted volume types (volumes \"h\", \"n\", \"x\" use restricted volume types \"hostPath\", \"nfs\", \
         \"unknown\")"
    );
    assert_eq!(
        with(&|spec| spec["containers"][0]["securityContext"]["runAsNonRoot"] = false.into()),
        "runAsNonRoot != true (container \"c\" must not set securityContext.runAsNonRoot=false)"
    );
    assert_eq!(
        with(&|spec| spec["securityContext"]["runAsUser"] = 0.into()),
        "runAsUser=0 (pod must not set runAsUser=0)"
    );
    assert_eq!(
        with(&|spec| spec["containers"][0]["securityContext"]["seccompProfile"] =
            json!({ "type": "Unconfined" })),
        "seccompProfile (container \"c\" must not set securityContext.seccompProfile.type to \"Unconfined\")"
    );
}

#[test]
fn rules_are_those_of_the_version() {
    let port_probe =
        json!({ "containers": [{ "name": "a", "livenessProbe": { "tcpSocket": { "host": "h" } } }] });
    create(&[("enforce", "baseline"), ("enforce-version", "v1.33")], port_probe).admitted();
    let sysctl =
        json!({ "securityContext": { "sysctls": [{ "name": "net.ipv4.tcp_rmem" }] }, "containers": [] });
    create(&[("enforce", "baseline"), ("enforce-version", "v1.32")], sysctl.clone()).admitted();
    assert!(refusal(("baseline", "v1.31"), sysctl).starts_with("forbidden sysctls"));
    let mut own_users = safe();
    own_users["hostUsers"] = false.into();
    own_users["securityContext"]["runAsUser"] = 0.into();
    own_users["containers"][0]["securityContext"]["procMount"] = "Unmasked".into();
    create(&[("enforce", "baseline"), ("enforce-version", "v1.99")], own_users.clone()).admitted();
    assert!(refusal(("restricted", "v1.35"), own_users.clone()).starts_with("procMount ("));
    assert!(refusal(("restricted", "v1.34"), own_users).contains("runAsUser=0"));
    let mut windows = safe();
    windows["os"] = json!({ "name": "windows" });
    windows["containers"] = json!([{ "name": "c" }]);
    create(&[("enforce", "restricted"), ("enforce-version", "v1.25")], windows.clone()).admitted();
    assert!(refusal(("restricted", "v1.24"), windows).contains("allowPrivilegeEscalation"));
    let mut annotated = pod(json!({ "containers": [] }));
    annotated["metadata"]["annotations"] =
        json!({ "seccomp.security.alpha.kubernetes.io/pod": "unconfined" });
    let labels = [("enforce", "baseline"), ("enforce-version", "v1.18")];
    let judged = Write::pod().judge(PodSecurity, &cluster(&labels), annotated);
    assert!(judged.refused().ends_with(
        "seccompProfile (forbidden annotation seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")"
    ));
}

#[test]
fn warnings_and_audit_speak_without_refusing() {
    let spec = json!({ "hostPID": true, "containers": [] });
    let judged = create(&[("warn", "baseline"), ("audit", "baseline")], spec.clone());
    let words = "would violate PodSecurity \"baseline:latest\": host namespaces (hostPID=true)";
    assert_eq!(judged.notes.take_warnings(), [words]);
    let annotations = judged.notes.take_annotations();
    let said = |key: &str, value: &str| annotations.iter().any(|one| one.key == key && one.value == value);
    assert!(said("pod-security.kubernetes.io/audit-violations", words));
    assert!(said("pod-security.kubernetes.io/enforce-policy", "privileged:latest"));
    judged.admitted();
    let refused = create(&[("enforce", "baseline")], spec);
    assert!(refused.notes.take_warnings().is_empty(), "a refusal is warning enough");
}

#[test]
fn templates_are_warned_of() {
    let template = json!({ "metadata": {}, "spec": { "hostPID": true, "containers": [] } });
    let words = "would violate PodSecurity \"baseline:v1.30\": host namespaces (hostPID=true)";
    for (group, resource, kind, object) in [
        ("apps", "deployments", "Deployment", json!({ "spec": { "template": template } })),
        (
            "batch",
            "cronjobs",
            "CronJob",
            json!({ "spec": { "jobTemplate": { "spec": { "template": template } } } }),
        ),
        ("", "podtemplates", "PodTemplate", json!({ "template": template })),
    ] {
        let write = Write { group, ..Write::of(Operation::Create, resource, kind) };
        let cluster = cluster(&[("enforce", "baseline"), ("enforce-version", "v1.30")]);
        let judged = write.judge(PodSecurity, &cluster, object);
        assert_eq!(judged.notes.take_warnings(), [words], "{resource}");
        judged.admitted();
    }
}

#[test]
fn a002_every_subresource_that_changes_a_pod_is_judged() {
    let mut changed = safe();
    changed["ephemeralContainers"] = json!([{ "name": "debug", "securityContext": { "privileged": true } }]);
    let update = |subresource: &'static str| {
        let write = Write { subresource, ..Write::pod().change(pod(safe())) };
        write.judge(PodSecurity, &cluster(&[("enforce", "restricted")]), pod(changed.clone()))
    };
    for subresource in ["", "ephemeralcontainers", "resize"] {
        assert!(update(subresource).refused().contains("privileged (container \"debug\""), "{subresource}");
    }
    update("status").admitted();
}

#[test]
fn an_update_that_changes_no_image_is_not_judged_again() {
    let bad = || pod(json!({ "hostPID": true, "containers": [{ "name": "a", "image": "i" }] }));
    let labels = [("enforce", "baseline")];
    Write::pod().change(bad()).judge(PodSecurity, &cluster(&labels), bad()).admitted();
    let mut other = bad();
    other["spec"]["containers"][0]["image"] = "j".into();
    Write::pod().change(bad()).judge(PodSecurity, &cluster(&labels), other).refused();
}

#[test]
fn labels_of_namespaces_must_be_readable() {
    let create = |labels: &[(&str, &str)]| {
        let write = Write { namespace: "", ..Write::of(Operation::Create, "namespaces", "Namespace") };
        write.judge(PodSecurity, &Cluster::default(), labelled(labels))
    };
    create(&[("enforce", "restricted"), ("warn-version", "v1.0")]).admitted();
    assert_eq!(
        create(&[("enforce", "strict")]).refused(),
        "Namespace \"default\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \
         \"strict\": must be one of privileged, baseline, restricted"
    );
    for version in ["1.30", "v1.01", "v1.", "v1.x", "v2.0", "v1.99999999999999999999"] {
        assert!(create(&[("audit-version", version)]).refused().ends_with("must be \"latest\" or \"v1.x\""));
    }
    // What somebody else let in is enforced strictly.
    let spec = json!({ "containers": [{ "name": "a" }] });
    assert!(
        self::create(&[("enforce", "strict")], spec)
            .refused()
            .contains("violates PodSecurity \"restricted:latest\"")
    );
}

#[test]
fn g012_a_stricter_namespace_warns_of_the_pods_it_has() {
    let named = |name: &str, host: &str| {
        json!({
            "metadata": { "name": name, "namespace": "default" },
            "spec": { host: true, "containers": [] },
        })
    };
    let cluster = Cluster::default()
        .with("pods", named("b", "hostPID"))
        .with("pods", named("a", "hostPID"))
        .with("pods", named("c", "hostNetwork"))
        .with("pods", pod(safe()));
    let write = Write { namespace: "default", ..Write::of(Operation::Create, "namespaces", "Namespace") };
    let write = write.change(labelled(&[]));
    let judged = write.judge(PodSecurity, &cluster, labelled(&[("enforce", "baseline")]));
    assert_eq!(
        judged.notes.take_warnings(),
        [
            "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"",
            "a (and 2 other pods): host namespaces",
        ]
    );
    judged.admitted();
}
