use super::*;

fn studied(files: &[(&str, &str)]) -> Studied {
    let mut studied = Studied::default();
    for (name, text) in files {
        studied.add_text(name, text).unwrap();
    }
    studied
}

const RBAC: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: a}
rules: [{apiGroups: [''], resources: [pods], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: readers, namespace: a}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: Group, name: team}]
";
const RULES: &str = "
apiVersion: policy.portcullis.io/v1
kind: PolicyRules
rules:
  - {name: no-eve, effect: deny, subjects: ['user:eve'], verbs: ['*'], apiGroups: ['*'], resources: ['*']}
  - {name: idle, effect: allow, subjects: ['user:ida'], verbs: [get], paths: ['/x']}
";

#[test]
fn cases_tell_what_fails_what_is_covered_and_what_nobody_notices() {
    let studied = studied(&[("rbac.yaml", RBAC), ("rules.yaml", RULES)]);
    let cases = Cases::parse(
        "cases:
  - {user: joe, groups: [team], verb: get, resource: pods, namespace: a, object: p, expect: allow}
  - {user: eve, groups: [team], verb: get, resource: pods, namespace: a, object: p, expect: deny}
  - {user: joe, groups: [team], verb: list, resource: pods, namespace: a, expect: refuse}
  - {name: wrong, user: joe, verb: get, path: /x, expect: allow}
",
    )
    .unwrap();
    let report = cases.run(&studied);
    assert_eq!(report.failures, ["wrong (joe get /x in \"\"): expected Allow, is Refuse"]);
    assert_eq!(report.uncovered, ["allow idle (rules.yaml:6)"]);
    assert_eq!(report.survivors, report.uncovered);
    assert_eq!((report.cases, report.rules, report.mutants), (4, 2, 2));
    assert!(Cases::parse("cases: [{user: x}]").is_err());
}

#[test]
fn a_difference_is_told_as_access_gained_and_lost() {
    let old = studied(&[("rbac.yaml", RBAC)]);
    let new =
        studied(&[("rbac.yaml", &RBAC.replace("verbs: [get]", "verbs: [list]")), ("rules.yaml", RULES)]);
    let changes = diff(&old, &new).unwrap();
    let told: Vec<String> = changes
        .iter()
        .map(|c| {
            format!(
                "{}{} {} {}/{} {}",
                if c.gained { '+' } else { '-' },
                c.subject,
                c.verb,
                c.group,
                c.what,
                c.namespace
            )
        })
        .collect();
    assert_eq!(told, ["+user:ida get //x ", "-group:team get /pods a", "+group:team list /pods a"]);
    assert_eq!(diff(&old, &old).unwrap(), []);
}

#[test]
fn risky_paths_and_broken_bindings_are_found() {
    let text = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: risky}
rules:
  - {apiGroups: ['*'], resources: ['*'], verbs: ['*']}
  - {apiGroups: [''], resources: [users], verbs: [impersonate]}
  - {apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [bind]}
  - {apiGroups: [''], resources: [nodes/proxy], verbs: [get]}
  - {apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}
  - {apiGroups: [''], resources: ['pods/*'], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: dangling}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gone}
subjects: [{kind: Group, name: 'system:unauthenticated'}]
";
    let findings = lint(&studied(&[("rbac.yaml", text)]));
    let ids: Vec<&str> = findings.iter().map(|finding| finding.id).collect();
    for id in [
        "wildcard",
        "impersonate",
        "escalate",
        "node-proxy",
        "token-minting",
        "no-effect",
        "dangling-binding",
        "open-to-all",
    ] {
        assert!(ids.contains(&id), "{id}: {findings:?}");
    }
    let report = sarif(&findings);
    assert_eq!(report["version"], "2.1.0");
    assert_eq!(report["runs"][0]["results"].as_array().unwrap().len(), findings.len());
}

#[test]
fn the_bootstrap_policies_are_not_complained_of() {
    assert_eq!(lint(&Studied::default().with_bootstrap()), []);
}

#[test]
fn e066_e067_e068_lines_that_give_more_than_they_name_are_found() {
    let line = |spec: &str| {
        format!(
            r#"{{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{{{spec}}}}}"#
        )
    };
    let text = [
        line(r#""user":"bob","resource":"*","namespace":"*","apiGroup":"*""#),
        line(r#""user":"bob","resource":"pods","namespace":"a""#),
        line(r#""user":"bob","resource":"secrets""#),
    ]
    .join("\n");
    let findings = lint(&studied(&[("f.jsonl", &text)]));
    let at = |line| findings.iter().filter(|f| f.line == line).map(|f| f.id).collect::<Vec<_>>();
    assert!(at(1).contains(&"wildcard"), "{findings:?}");
    assert!(at(2).contains(&"broad-line"), "{findings:?}");
    assert!(at(3).contains(&"policy-file"), "{findings:?}");
}

#[test]
fn a_log_tells_what_would_end_otherwise() {
    let authorities = studied(&[("rbac.yaml", RBAC), ("rules.yaml", RULES)]).authorities();
    let event = |user: &str, verb: &str, decision: &str, stage: &str| {
        format!(
            r#"{{"stage":"{stage}","verb":"{verb}","requestURI":"/api/v1/namespaces/a/pods/p","user":{{"username":"{user}","groups":["team"]}},"objectRef":{{"resource":"pods","namespace":"a","name":"p","apiVersion":"v1"}},"annotations":{{"authorization.k8s.io/decision":"{decision}"}}}}"#
        )
    };
    let mut replay = Replay::default();
    for line in [
        event("joe", "get", "allow", "RequestReceived"),
        event("joe", "get", "allow", "ResponseComplete"),
        event("eve", "get", "allow", "ResponseComplete"),
        event("eve", "get", "allow", "ResponseComplete"),
        event("joe", "delete", "forbid", "ResponseComplete"),
        event("ann", "get", "forbid", "ResponseComplete"),
        "no event".to_owned(),
        String::new(),
    ] {
        replay.weigh(&authorities, &line);
    }
    let told: Vec<String> = replay
        .flips
        .iter()
        .map(|(flip, count)| {
            format!(
                "{} {} {} {} {} {count}",
                flip.user, flip.verb, flip.what, flip.namespace, flip.would_allow
            )
        })
        .collect();
    assert_eq!(told, ["ann get pods a true 1", "eve get pods a false 2"]);
    assert_eq!((replay.requests, replay.unread), (5, 1));
}

#[test]
fn what_a_user_can_is_told_with_what_stands_against_it() {
    let authorities = studied(&[("rbac.yaml", RBAC), ("rules.yaml", RULES)]).authorities();
    let told = authorities.can(&portcullis_api::UserInfo::new("eve", ["team"]), "a");
    assert_eq!(told["resourceRules"][0]["verbs"], serde_json::json!(["get"]));
    assert_eq!(told["unless"][0]["rule"], "no-eve");
    let told = authorities.can(&portcullis_api::UserInfo::new("joe", ["team"]), "a");
    assert_eq!(told["unless"], serde_json::json!([]));
}
