use portcullis_api::{UserInfo, Value};
use serde_json::json;

use super::*;
use crate::attributes::Attributes;

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

#[test]
fn i039_a_role_made_from_a_log_allows_it_and_nothing_more() {
    let event = |verb: &str, decision: &str, path: &str, reference: Value| {
        let mut event = json!({
            "stage": "ResponseComplete", "verb": verb, "requestURI": path,
            "user": {"username": "system:serviceaccount:a:bot", "groups": ["system:serviceaccounts", "system:authenticated"]},
            "annotations": {"authorization.k8s.io/decision": decision},
        });
        if !reference.is_null() {
            event["objectRef"] = reference;
        }
        event.to_string()
    };
    let of = |resource: &str, namespace: &str, name: &str| json!({"apiVersion": "v1", "resource": resource, "namespace": namespace, "name": name});
    let deployment = json!({"apiGroup": "apps", "apiVersion": "v1", "resource": "deployments", "subresource": "scale", "namespace": "a", "name": "web"});
    let log = [
        event("get", "allow", "/api/v1/namespaces/a/configmaps/c1", of("configmaps", "a", "c1")),
        event("get", "allow", "/api/v1/namespaces/a/configmaps/c2", of("configmaps", "a", "c2")),
        event("list", "allow", "/api/v1/namespaces/a/pods", of("pods", "a", "")),
        event("watch", "allow", "/api/v1/namespaces/a/pods?watch=1", of("pods", "a", "")),
        event("create", "allow", "/api/v1/namespaces/a/events", of("events", "a", "e1")),
        event("update", "allow", "/apis/apps/v1/namespaces/a/deployments/web/scale", deployment),
        event("get", "allow", "/api/v1/nodes/n", of("nodes", "", "n")),
        event("get", "allow", "/metrics", Value::Null),
        event("get", "forbid", "/api/v1/namespaces/a/secrets/s", of("secrets", "a", "s")),
    ];
    let mut least = Least::new("system:serviceaccount:a:bot");
    log.iter().for_each(|line| least.note(line));
    least.note(&log[0].replace("a:bot", "a:other").replace("c1", "c9"));
    let made = least.to_yaml();
    let authorities = studied(&[("made.yaml", &made)]).authorities();
    let mut replay = Replay::default();
    log.iter().for_each(|line| replay.weigh(&authorities, line));
    assert_eq!((replay.requests, replay.flips.len()), (9, 0), "{made}: {:?}", replay.flips);
    // Every verb of every rule is needed: without it something that was done is refused.
    let documents: Vec<Value> = serde_saphyr::from_multiple(&made).unwrap();
    let mut removals = 0;
    for (d, document) in documents.iter().enumerate() {
        for (r, rule) in document["rules"].as_array().into_iter().flatten().enumerate() {
            for list in ["verbs", "resourceNames"] {
                for n in 0..rule[list].as_array().map_or(0, Vec::len) {
                    let mut less = documents.clone();
                    less[d]["rules"][r][list].as_array_mut().unwrap().remove(n);
                    if less[d]["rules"][r][list].as_array().unwrap().is_empty() {
                        // No names would be all names.
                        less[d]["rules"].as_array_mut().unwrap().remove(r);
                    }
                    let text: String = less.iter().map(|one| format!("---\n{one}\n")).collect();
                    let authorities = studied(&[("less.yaml", &text)]).authorities();
                    let mut replay = Replay::default();
                    log.iter().for_each(|line| replay.weigh(&authorities, line));
                    assert!(!replay.flips.is_empty(), "{list} {n} of {rule} is not needed");
                    removals += 1;
                }
            }
        }
    }
    assert_eq!(removals, 11);
}

#[test]
fn i040_a_difference_is_exactly_what_every_tuple_asked_one_by_one_shows() {
    let role = |verbs: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {{name: r, namespace: a}}\n\
             rules: [{{apiGroups: [''], resources: [pods, secrets], verbs: [{verbs}]}}]\n---\n\
             apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: b, namespace: a}}\n\
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}}\nsubjects: [{{kind: User, name: ann}}]\n"
        )
    };
    let line = |user: &str| {
        format!(
            r#"{{"apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy","spec":{{"user":"{user}","resource":"pods","namespace":"b","readonly":true}}}}"#
        )
    };
    let rules = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n  \
        - {effect: deny, subjects: ['user:ann'], verbs: ['*'], apiGroups: [''], resources: [secrets], namespaces: [a]}\n";
    let old = studied(&[("r.yaml", &role("get, list")), ("l.jsonl", &line("bob"))]);
    let new = studied(&[("r.yaml", &role("get, delete")), ("l.jsonl", &line("kim")), ("p.yaml", rules)]);
    let changes = diff(&old, &new).unwrap();
    let (before, after) = (old.authorities(), new.authorities());
    let mut want = Vec::new();
    for user in ["ann", "bob", "kim"] {
        for verb in ["get", "list", "delete", "watch", "create"] {
            for resource in ["pods", "secrets", "configmaps"] {
                for namespace in ["", "a", "b", "c"] {
                    let asked = crate::attributes::Resource {
                        resource,
                        namespace,
                        name: "any-other",
                        ..Default::default()
                    };
                    let asked = Attributes::resource(verb, asked);
                    let who = UserInfo::new(user, ["system:authenticated"]);
                    let ask = |of: &crate::Authorities| of.chain.decide(&who, &asked).is_allowed();
                    if ask(&before) != ask(&after) {
                        want.push((format!("user:{user}"), verb, resource, namespace, ask(&after)));
                    }
                }
            }
        }
    }
    assert!(!want.is_empty());
    for (subject, verb, what, namespace, gained) in &want {
        let is = |c: &&Change| {
            c.subject == *subject
                && c.verb == *verb
                && c.what == *what
                && c.namespace == *namespace
                && c.gained == *gained
        };
        assert_eq!(changes.iter().filter(is).count(), 1, "{subject} {verb} {what} {namespace}");
    }
    let named = |c: &&Change| {
        ["get", "list", "delete", "watch", "create"].contains(&&*c.verb)
            && ["pods", "secrets"].contains(&&*c.what)
            && ["", "a", "b"].contains(&&*c.namespace)
    };
    assert_eq!(changes.iter().filter(named).count(), want.len(), "{changes:?}");
}

#[test]
fn ten_thousand_bindings_are_read_as_documents_and_as_a_list() {
    let binding = |number: usize, indent: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\n{indent}kind: RoleBinding\n{indent}metadata: {{name: b-{number}, \
             namespace: n}}\n{indent}roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}}\n\
             {indent}subjects: [{{kind: User, apiGroup: rbac.authorization.k8s.io, name: user-{number}}}]\n"
        )
    };
    let documents: Vec<_> = (0..10_000).map(|number| binding(number, "")).collect();
    let items: Vec<_> = (0..10_000).map(|number| format!("- {}", binding(number, "  "))).collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{}", items.concat());
    for text in [documents.join("---\n"), list] {
        let mut studied = Studied::default();
        studied.add_text("bindings.yaml", &text).unwrap();
        assert_eq!(studied.objects.len(), 10_000);
    }
}

#[test]
fn what_a_list_holds_is_told_with_its_own_line() {
    const LIST: &str = "apiVersion: v1
items:
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: all}
  rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
- apiVersion: v1
  kind: List
  items: [{kind: Nothing}]
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: more}
  rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
kind: List
---
just words
---
- a list
---
kind: Thing
items: {of: its own}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: last}
rules: [{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]
";
    let findings = lint(&studied(&[("list.yaml", LIST)]));
    let mut lines: Vec<u64> = findings.iter().filter(|f| f.id == "wildcard").map(|f| f.line).collect();
    lines.sort_unstable();
    assert_eq!(lines, [3, 10, 23], "{findings:?}");
}
