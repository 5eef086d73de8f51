//! Policy files on a running server: deny rules, live reload, receipts.

use std::process::Command;

use serde_json::{Value, json};

use crate::world::{Server, bind, config_map, make_namespace, rbac, until};

const HEAD: &str = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n";
const DENY: &str = "  - {name: freeze, effect: deny, subjects: ['user:jane'], verbs: [create], apiGroups: [''], \
                    resources: [configmaps], reason: the team is frozen}\n";

fn program(arguments: &[&str], server: &Server) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(arguments).arg("--data-dir").arg(server.data());
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_deny_rule_holds_as_soon_as_it_is_written_and_a_bad_file_changes_nothing() {
    let policies = tempfile::tempdir().unwrap();
    let server = Server::start(&["--policy-dir", policies.path().to_str().unwrap()]);
    make_namespace(&server.admin, "a");
    bind(&server.admin, "a", "jane", "edit");
    let jane = server.user("jane", &[]);
    let path = "/api/v1/namespaces/a/configmaps";
    jane.post(path, &config_map("first")).is(&[201], "before the rule");
    let file = policies.path().join("freeze.yaml");
    std::fs::write(&file, format!("{HEAD}{DENY}")).unwrap();
    until("the rule holds", || jane.post(path, &config_map("second")).code == 403);
    let refused = jane.post(path, &config_map("second")).is(&[403], "the rule");
    let body = refused.tree();
    assert_eq!(
        body["message"],
        "configmaps is forbidden: User \"jane\" cannot create resource \"configmaps\" in API group \"\" \
         in the namespace \"a\": the team is frozen"
    );
    std::fs::write(&file, format!("{HEAD}{DENY}  - {{effect: perhaps}}\n")).unwrap();
    let status = || server.admin.get("/portcullis/policy").tree();
    until("the mistake is told", || status()["sets"][0]["error"].is_string());
    assert!(status()["sets"][0]["error"].as_str().unwrap().contains("freeze.yaml:5:"), "{}", status());
    jane.post(path, &config_map("second")).is(&[403], "the old rules stay");
    server.admin.post(path, &config_map("masters")).is(&[201], "masters are bound by no rule");
    let metrics = server.admin.get("/metrics").text();
    assert!(metrics.contains("portcullis_policy_stale{set=\"PolicyFiles\"} 1"), "{metrics}");
    std::fs::remove_file(&file).unwrap();
    until("the rule is gone", || jane.post(path, &config_map("second")).code != 403);
}

#[test]
fn every_answer_names_its_decision_and_only_reviewers_read_why() {
    let server = Server::start(&[]);
    make_namespace(&server.admin, "a");
    let low = server.user("low", &[]);
    let allowed = server.admin.get("/api/v1/namespaces/a").is(&[200], "allowed");
    assert!(allowed.header("portcullis-decision-id").is_some());
    assert!(allowed.header("warning").is_none());
    let refused = low.get("/api/v1/namespaces/a/secrets/s").is(&[403], "refused");
    let id = refused.header("portcullis-decision-id").unwrap().to_owned();
    let words =
        format!("299 - \"portcullis: decision {id}; those who may read it: portcullis policy explain {id}\"");
    assert_eq!(refused.header("warning"), Some(&*words));
    let path = format!("/portcullis/policy/decisions/{id}");
    low.get(&path).is(&[403], "a stranger to policy");
    server.anonymous().get(&path).is(&[401], "nobody");
    let (done, page) = program(&["policy", "explain", &id], &server);
    assert!(done && page.starts_with(&format!("decision {id}: refused, nothing allows it\n")), "{page}");
    assert!(
        page.contains("\n  who      low (")
            && page.contains("\n  asked    get secrets named s in namespace a\n"),
        "{page}"
    );
    let (done, told) = program(&["policy", "explain", &id, "-o", "json"], &server);
    assert!(done, "{told}");
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["user"]["name"], "low");
    assert_eq!(told["then"]["decision"], "no opinion");
    assert_eq!(
        told["missing"]["rule"],
        json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
    );
    let (done, told) = program(&["policy", "who-can", "get", "secrets", "-n", "a"], &server);
    assert!(
        done && told.contains("system:masters") && told.contains("ClusterRoleBinding cluster-admin"),
        "{told}"
    );
    let (done, _) = program(&["policy", "explain", "0-0"], &server);
    assert!(!done, "an id of nobody");
}

#[test]
fn e012_e013_e064_a_bad_attribute_line_keeps_the_server_from_starting() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lines.jsonl");
    std::fs::write(&file, "{}\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["apiserver", "--secure-port", "0", "--authorization-mode", "Node,ABAC,RBAC"]);
    command.arg("--authorization-policy-file").arg(&file).arg("--data-dir").arg(dir.path().join("data"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("lines.jsonl:1:1: "), "{said}");
}

#[test]
fn always_allow_needs_to_be_called_insecure() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(["apiserver", "--secure-port", "0", "--authorization-mode", "AlwaysAllow"]);
    command.arg("--data-dir").arg(dir.path().join("data"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("--insecure-authorization-always-allow"), "{said}");
}

#[test]
fn what_is_asked_of_files_is_asked_of_a_running_server_too() {
    let policies = tempfile::tempdir().unwrap();
    std::fs::write(policies.path().join("freeze.yaml"), format!("{HEAD}{DENY}")).unwrap();
    let server = Server::start(&["--policy-dir", policies.path().to_str().unwrap()]);
    make_namespace(&server.admin, "a");
    bind(&server.admin, "a", "jane", "edit");
    let files = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    // The server's own roles and rules decide the cases.
    let cases = write(
        "cases.yaml",
        "cases:\n- {name: frozen, user: jane, verb: create, resource: configmaps, namespace: a, expect: deny}\n\
         - {name: edits, user: jane, verb: create, resource: services, namespace: a, expect: allow}\n\
         - {name: only there, user: jane, verb: create, resource: services, namespace: b, expect: refuse}\n",
    );
    let (done, told) = program(&["policy", "test", &cases, "--live"], &server);
    assert!(done && told.contains("3 of 3 cases hold"), "{told}");
    // A rule of the same file name takes the place of the server's.
    let thawed = write("freeze.yaml", &format!("{HEAD}{}", DENY.replace("user:jane", "user:joe")));
    let (done, told) = program(&["policy", "test", &cases, "--live", "--with", &thawed], &server);
    assert!(!done && told.contains("frozen"), "{told}");
    let (done, told) = program(&["policy", "diff", "--live", &thawed], &server);
    assert!(done && told.contains("gained") && told.contains("jane"), "{told}");
    // What the server has is risky, with or without files.
    let risky = write(
        "risky.yaml",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: all}\n\
         roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: nowhere}\n\
         subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:authenticated'}]\n",
    );
    let dangling = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": "dangling"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "gone"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "joe"}]});
    server.admin.post(&rbac("clusterrolebindings"), &dangling).is(&[201], "binding");
    let (_, before) = program(&["policy", "check", "--live"], &server);
    assert!(before.contains("(server)") && !before.contains("risky.yaml"), "{before}");
    let (_, after) = program(&["policy", "check", "--live", &risky], &server);
    assert!(after.contains("risky.yaml"), "{after}");
    // Every request of the log would end as it did.
    server.user("jane", &[]).get("/api/v1/namespaces/a/secrets").is(&[200], "jane edits");
    server.event(|event| event["user"]["username"] == "jane" && event["objectRef"]["resource"] == "secrets");
    let log = server.data().join("audit.log").display().to_string();
    let (_, told) = program(&["policy", "replay", "--audit", &log, "--live"], &server);
    assert!(!told.contains("jane"), "{told}");
    let (done, page) = program(&["policy", "report", "--live", "--audit", &log], &server);
    assert!(done && page.contains("<th>a") && page.contains("freeze.<wbr>yaml"), "{page}");
    // As somebody who may look, by a kubeconfig; and as somebody who may not.
    for (groups, may) in [(&["system:masters"][..], true), (&[][..], false)] {
        let kubeconfig = write("kubeconfig", &server.issue("auditor", groups));
        let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
        command.args(["policy", "can", "jane", "-n", "a", "--kubeconfig", &kubeconfig]);
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert_eq!((output.status.success(), told.contains("may")), (may, may), "{told}");
    }
}
