use proptest::prelude::*;
use proptest::sample::{Index as Pick, select};
use serde_json::json;

use super::*;
use crate::attributes::{Resource, Subject};
use crate::chain::Chain;

fn labels() -> NamespaceLabels {
    let labels = NamespaceLabels::new();
    for (name, tenant) in [("a", "acme"), ("team-b", "bolt"), ("c", "acme-lab")] {
        let body = json!({"metadata": {"name": name, "labels": {"tenant": tenant}}}).to_string();
        labels.observe(name, Some(body.as_bytes()));
    }
    labels
}

fn files(rules: &str) -> PolicyFiles {
    let text = format!("apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n{rules}");
    PolicyFiles::of_rules("PolicyFiles", parse_rules("rules.yaml", &text).unwrap(), labels())
}

fn abac(lines: &str) -> PolicyFiles {
    PolicyFiles::of_rules(ABAC, parse_abac("lines.jsonl", lines).unwrap(), NamespaceLabels::new())
}

fn on<'a>(verb: &'a str, resource: &'a str, namespace: &'a str, name: &'a str) -> Attributes<'a> {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes::resource(verb, Resource { resource, subresource, namespace, name, ..Resource::default() })
}

fn selecting<'a>(asked: Attributes<'a>, labels: &'a str, fields: &'a str) -> Attributes<'a> {
    let Subject::Resource(resource) = asked.subject else { return asked };
    let resource = Resource { label_selector: labels, field_selector: fields, ..resource };
    Attributes::resource(asked.verb, resource)
}

fn user(name: &str, groups: &[&str]) -> UserInfo {
    UserInfo::new(name, groups)
}

/// What the whole chain would say with these files alone: deny rules in front.
fn chain(files: &PolicyFiles, user: &UserInfo, asked: &Attributes<'_>) -> &'static str {
    let receipt = Chain::new().guard(files.refusals()).then(files.clone()).decide(user, asked);
    match receipt.decision() {
        Decision::Allow(_) => "allow",
        Decision::Deny(_) => "deny",
        Decision::NoOpinion(_) => "none",
    }
}

const SHOP: &str = r#"
  - {name: exception, effect: allow, priority: 5, subjects: ["user:root-cause"], verbs: [get], apiGroups: [""], resources: [secrets], namespaces: [a]}
  - {name: no-secrets, effect: deny, priority: 10, subjects: ["group:contractors-*"], verbs: ["*"], apiGroups: [""], resources: [secrets], reason: "contractors read no secrets"}
  - {name: not-prod, effect: deny, subjects: ["user:jane"], verbs: [get, list, create], apiGroups: [""], resources: [configmaps], namespaces: [prod], names: [root]}
  - {name: team, effect: allow, subjects: ["group:team"], verbs: [get, list], apiGroups: [""], resources: ["pods", "pods/*"], namespaces: ["team-*"]}
  - {name: tenant, effect: allow, subjects: ["serviceaccount:ops/watcher"], verbs: [get], apiGroups: ["*"], resources: ["*"], namespaceLabels: {tenant: "acme*"}}
  - {name: not-bolt, effect: deny, subjects: ["user:kim"], verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaceLabels: {tenant: bolt}}
  - {name: paths, effect: allow, subjects: ["*"], verbs: [get], paths: ["/metrics", "/foo/**"]}
"#;

#[test]
fn rules_decide_by_subject_verb_and_place() {
    let files = files(SHOP);
    let (team, contractor) = (user("t", &["team"]), user("c", &["contractors-x", "team"]));
    let watcher = user("system:serviceaccount:ops:watcher", &[]);
    let (jane, kim) = (user("jane", &[]), user("kim", &[]));
    let table = [
        (&team, on("get", "pods", "team-b", "p"), "allow"),
        (&team, on("get", "pods/log", "team-b", "p"), "allow"),
        (&team, on("delete", "pods", "team-b", "p"), "none"),
        (&team, on("get", "pods", "a", "p"), "none"),
        (&team, on("list", "pods", "", ""), "none"),
        (&contractor, on("get", "secrets", "a", "s"), "deny"),
        (&contractor, on("list", "secrets", "", ""), "deny"),
        (&contractor, on("get", "pods", "team-b", "p"), "allow"),
        (&watcher, on("get", "pods", "a", "p"), "allow"),
        (&watcher, on("get", "pods", "c", "p"), "allow"),
        (&watcher, on("get", "pods", "team-b", "p"), "none"),
        (&watcher, on("get", "pods", "unknown", "p"), "none"),
        (&watcher, on("get", "nodes", "", "n"), "none"),
        (&jane, on("get", "configmaps", "prod", "root"), "deny"),
        (&jane, on("get", "configmaps", "prod", "other"), "none"),
        (&jane, on("list", "configmaps", "prod", ""), "deny"),
        (&jane, on("list", "configmaps", "", ""), "deny"),
        (&jane, on("list", "configmaps", "b", ""), "none"),
        (&jane, on("create", "configmaps", "prod", ""), "deny"),
        (&kim, on("get", "pods", "team-b", "p"), "deny"),
        (&kim, on("get", "pods", "a", "p"), "none"),
        (&kim, on("get", "pods", "unknown", "p"), "deny"),
        (&kim, Attributes::path("get", "/foo/bar/x"), "allow"),
        (&kim, Attributes::path("get", "/foo"), "none"),
        (&kim, Attributes::path("post", "/metrics"), "none"),
    ];
    for (who, asked, want) in table {
        assert_eq!(chain(&files, who, &asked), want, "{who:?} {asked:?}");
    }
}

#[test]
fn a_refusal_for_a_namespace_is_about_what_lies_in_namespaces() {
    let files = files(
        "  - {effect: deny, subjects: ['user:jane'], verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: [prod]}\n\
         \x20 - {effect: deny, subjects: ['user:kim'], verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaceLabels: {tenant: bolt}}\n\
         \x20 - {effect: deny, subjects: ['user:lee'], verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['']}\n",
    );
    let definition = |scope: &str| json!({"spec": {"scope": scope}}).to_string();
    files.0.labels.observe_definition("wide.example.com", Some(definition("Cluster").as_bytes()));
    files.0.labels.observe_definition("narrow.example.com", Some(definition("Namespaced").as_bytes()));
    let custom = |resource: &'static str| {
        Attributes::resource("list", Resource { group: "example.com", resource, ..Resource::default() })
    };
    let table = [
        // What lies in prod, and lists that would show it.
        ("jane", on("get", "pods", "prod", "p"), "deny"),
        ("jane", on("list", "pods", "", ""), "deny"),
        ("jane", custom("narrow"), "deny"),
        // Who knows where it lies?
        ("jane", custom("unheard-of"), "deny"),
        // A namespace lies in itself.
        ("jane", on("get", "namespaces", "prod", "prod"), "deny"),
        ("jane", on("list", "namespaces", "", ""), "deny"),
        // What lies in none.
        ("jane", on("list", "nodes", "", ""), "none"),
        ("jane", on("get", "nodes", "", "n"), "none"),
        ("jane", custom("wide"), "none"),
        ("kim", on("list", "pods", "", ""), "deny"),
        ("kim", on("list", "nodes", "", ""), "none"),
        ("kim", on("get", "nodes", "", "n"), "none"),
        ("kim", custom("wide"), "none"),
        ("lee", on("list", "nodes", "", ""), "deny"),
        ("lee", on("get", "pods", "prod", "p"), "none"),
    ];
    for (who, asked, want) in table {
        assert_eq!(chain(&files, &user(who, &[]), &asked), want, "{who} {asked:?}");
    }
    files.0.labels.observe_definition("wide.example.com", None);
    assert_eq!(chain(&files, &user("jane", &[]), &custom("wide")), "deny");
}

#[test]
fn a_permission_may_rest_on_what_a_request_selects() {
    let files = files(
        "  - {effect: allow, subjects: ['*'], verbs: [list, watch], apiGroups: [''], resources: [pods], labelSelector: {tier: 'web-*'}, fieldSelector: {spec.nodeName: n1}}\n",
    );
    let ask = |labels: &str, fields: &str| {
        chain(&files, &user("u", &[]), &selecting(on("list", "pods", "", ""), labels, fields))
    };
    let node = "spec.nodeName=n1";
    for (labels, fields, want) in [
        ("tier=web-a", node, "allow"),
        ("x,tier in (web-a,web-b)", "status.phase!=Failed,spec.nodeName==n1", "allow"),
        ("tier in (web-a,db)", node, "none"),
        ("tier!=web-a", node, "none"),
        ("tier", node, "none"),
        ("tier=web-a,(", node, "none"),
        ("tier=web-a", "spec.nodeName!=n1", "none"),
        ("tier=web-a", "", "none"),
        ("", node, "none"),
    ] {
        assert_eq!(ask(labels, fields), want, "{labels} {fields}");
    }
    let refusal = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n  \
        - {effect: deny, subjects: ['*'], verbs: [list], apiGroups: [''], resources: [pods], labelSelector: {a: b}}\n";
    assert!(parse_rules("r", refusal).unwrap_err().why.contains("selectors are for rules that allow"));
}

#[test]
fn a_lower_priority_number_is_an_exception_to_a_higher_one() {
    let files = files(SHOP);
    let who = user("root-cause", &["contractors-x"]);
    assert_eq!(chain(&files, &who, &on("get", "secrets", "a", "s")), "allow");
    assert_eq!(chain(&files, &who, &on("get", "secrets", "b", "s")), "deny");
    assert_eq!(chain(&files, &who, &on("delete", "secrets", "a", "s")), "deny");
}

#[test]
fn a_refusal_tells_what_its_author_wants_told() {
    let files = files(SHOP);
    let receipt = Chain::new()
        .guard(files.refusals())
        .decide(&user("c", &["contractors-x"]), &on("get", "secrets", "a", "s"));
    assert_eq!(receipt.reason(), "contractors read no secrets");
    receipt.note_use();
    assert_eq!(files.rules_in_order()[1].used.count(), 1);
}

#[test]
fn masters_are_bound_by_no_rule() {
    let files =
        files("  - {effect: deny, subjects: ['*'], verbs: ['*'], apiGroups: ['*'], resources: ['*']}\n");
    let masters = user("root", &["system:masters"]);
    assert_eq!(chain(&files, &masters, &on("get", "secrets", "a", "s")), "allow");
    assert_eq!(chain(&files, &user("x", &[]), &on("get", "secrets", "a", "s")), "deny");
}

#[test]
fn j012_users_and_groups_are_not_taken_for_one_another() {
    let files = files(
        "  - {effect: allow, subjects: ['group:admin'], verbs: ['*'], apiGroups: ['*'], resources: ['*']}\n",
    );
    assert_eq!(chain(&files, &user("admin", &[]), &on("get", "pods", "a", "p")), "none");
    assert_eq!(chain(&files, &user("x\u{1f}=admin", &[]), &on("get", "pods", "a", "p")), "none");
    assert_eq!(chain(&files, &user("x", &["y\u{1f}admin"]), &on("get", "pods", "a", "p")), "none");
    assert_eq!(chain(&files, &user("x", &["admin"]), &on("get", "pods", "a", "p")), "allow");
}

#[test]
fn j006_j007_j011_odd_texts_are_only_texts() {
    let files = files(
        "  - {effect: allow, subjects: ['user:system:node', 'user:a, \"b\" # c'], verbs: [get], paths: ['/foo*', '/x:y']}\n",
    );
    for (name, path, want) in [
        ("system:node", "/fo\u{e9}", "none"),
        ("system:node", "/foo\u{e9}", "allow"),
        ("system:other", "/foo", "none"),
        ("a, \"b\" # c", "/foo", "allow"),
        ("a", "/foo", "none"),
        ("system:node", "/x:y", "allow"),
        ("system:node", "/xzz", "none"),
    ] {
        assert_eq!(chain(&files, &user(name, &[]), &Attributes::path("get", path)), want, "{name} {path}");
    }
}

#[test]
fn e014_j008_no_rules_allow_nothing() {
    for files in
        [abac("# nothing\n\n  # here\n"), PolicyFiles::none("PolicyFiles", labels()), files("  []\n")]
    {
        assert_eq!(chain(&files, &user("", &[]), &on("", "", "", "")), "none");
        assert_eq!(chain(&files, &user("", &[""]), &Attributes::path("", "")), "none");
    }
}

const VERSIONED: &str = r#""apiVersion":"abac.authorization.kubernetes.io/v1beta1","kind":"Policy""#;

#[test]
fn e012_e013_e064_lines_that_say_more_or_less_than_they_seem_are_refused() {
    let good = format!(r#"{{{VERSIONED},"spec":{{"user":"bob","resource":"pods"}}}}"#);
    let with = |spec: &str| format!(r#"{{{VERSIONED},"spec":{{{spec}}}}}"#);
    let bad = [
        "{}".to_owned(),
        r#"{"kind":"Policy","spec":{"user":"bob","readonly":true}}"#.to_owned(),
        r#"{"apiVersion":"abac.authorization.kubernetes.io/v1","kind":"Policy","spec":{"user":"bob","resource":"*"}}"#.to_owned(),
        with(r#""user":"bob","Readonly":true,"resource":"pods""#),
        with(r#""user":"bob","nonResourcePaths":"/x""#),
        with(r#""user":"bob","readonly":"true","resource":"pods""#),
        with(r#""user":"bob","user":"eve","resource":"pods""#),
        with(r#""user":"bob","resource":"pods","#),
        with(r#""resource":"pods""#),
        with(r#""user":"bob""#),
        with(r#""user":"*","resource":"*","namespace":"*","apiGroup":"*""#),
        with(r#""group":"system:unauthenticated","resource":"*","namespace":"*","apiGroup":"*""#),
        with(r#""user":"b\u001fb","resource":"pods""#),
        format!("\u{feff}{good}"),
        format!("{good}\r"),
        format!("\t{good}"),
        format!("{good}\0"),
        format!("{good} {good}"),
        format!("[{good}]"),
        format!(r#"{{{VERSIONED},"spec":{{"user":"{}","resource":"pods"}}}}"#, "x".repeat(70_000)),
    ];
    for line in bad {
        let error = parse_abac("f.jsonl", &format!("# first\n{good}\n{line}\n")).unwrap_err();
        assert_eq!(error.place.unwrap().0, 3, "{error}");
        assert!(error.to_string().starts_with("f.jsonl:3:"), "{error}");
    }
    assert_eq!(parse_abac("f.jsonl", &good).unwrap().len(), 1);
}

#[test]
fn e065_e066_e067_e093_e094_e095_lines_mean_what_upstream_says() {
    let spec = |spec: &str| abac(&format!(r#"{{{VERSIONED},"spec":{{{spec}}}}}"#));
    let bob = user("bob", &["system:authenticated", "dev"]);
    let anonymous = user("system:anonymous", &["system:unauthenticated"]);
    let table = [
        (r#""user":"*","resource":"pods""#, &bob, on("get", "pods", "", ""), true),
        (r#""user":"*","resource":"pods""#, &anonymous, on("get", "pods", "", ""), false),
        (r#""group":"*","user":"eve","resource":"pods""#, &bob, on("get", "pods", "", ""), true),
        (r#""user":"bob","resource":"secrets""#, &bob, on("list", "secrets", "", ""), true),
        (r#""user":"bob","resource":"secrets""#, &bob, on("get", "secrets", "x", "s"), false),
        (
            r#""user":"bob","resource":"pods","namespace":"*","readonly":true"#,
            &bob,
            on("get", "pods/log", "x", "p"),
            true,
        ),
        (
            r#""user":"bob","resource":"pods","namespace":"*","readonly":true"#,
            &bob,
            on("create", "pods/exec", "x", "p"),
            false,
        ),
        (
            r#""user":"bob","resource":"pods","namespace":"*""#,
            &bob,
            on("create", "pods/exec", "x", "p"),
            true,
        ),
        (r#""user":"bob","resource":"pod","namespace":"*""#, &bob, on("get", "pods", "x", "p"), false),
        (r#""user":"bob","group":"ops","resource":"pods""#, &bob, on("get", "pods", "", ""), false),
        (r#""user":"bob","group":"dev","resource":"pods""#, &bob, on("get", "pods", "", ""), true),
        (r#""user":"eve","group":"dev","resource":"pods""#, &bob, on("get", "pods", "", ""), false),
        (r#""user":"bob","nonResourcePath":"/root/*""#, &bob, Attributes::path("get", "/root"), false),
        (r#""user":"bob","nonResourcePath":"/root/*""#, &bob, Attributes::path("put", "/root/x/y"), true),
        (
            r#""user":"bob","nonResourcePath":"/root/*","readonly":true"#,
            &bob,
            Attributes::path("put", "/root/x"),
            false,
        ),
        (r#""user":"bob","nonResourcePath":"/foo*bar""#, &bob, Attributes::path("get", "/fooxbar"), false),
        (r#""user":"bob","nonResourcePath":"/foo*bar""#, &bob, Attributes::path("get", "/foo*bar"), true),
        (r#""user":"bob","nonResourcePath":"/foo**""#, &bob, Attributes::path("get", "/foobar"), true),
        (r#""user":"bob","nonResourcePath":"*""#, &bob, Attributes::path("get", "/"), true),
        (r#""user":"bob","nonResourcePath":"*""#, &bob, on("get", "pods", "", ""), false),
        (r#""user":"bob","resource":"*""#, &bob, Attributes::path("get", "/"), false),
    ];
    for (line, who, asked, want) in table {
        assert_eq!(spec(line).decide(who, &asked).is_allowed(), want, "{line} {asked:?}");
    }
    let decision = spec(r#""user":"bob","resource":"pods""#).decide(&anonymous, &on("get", "pods", "", ""));
    assert_eq!(decision.grounds().reason(), "No policy matched.");
}

#[test]
fn a_bad_rule_is_named_by_line_and_column() {
    let head = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n";
    let rule = "  - effect: allow\n    subjects: [SUBJECT]\n    verbs: [VERB]\n    EXTRA\n";
    let table = [
        ("bob", "get", "paths: [/x]", (5, 16)),
        ("'user:b***'", "get", "paths: [/x]", (5, 16)),
        ("'user:bob'", "GET", "paths: [/x]", (6, 13)),
        ("'user:bob'", "get", "resources: [pods]", (4, 5)),
        ("'user:bob'", "get", "reason: x", (4, 5)),
    ];
    for (subject, verb, extra, place) in table {
        let rule = rule.replace("SUBJECT", subject).replace("VERB", verb).replace("EXTRA", extra);
        let error = parse_rules("r.yaml", &format!("{head}{rule}")).unwrap_err();
        assert_eq!(error.place, Some(place), "{error}");
    }
    for text in
        ["", "rules: []", "kind: PolicyRules\napiVersion: policy.portcullis.io/v2\nrules: []", "a: [b", "- x"]
    {
        assert!(parse_rules("r.yaml", text).is_err(), "{text}");
    }
    let unknown = rule.replace("SUBJECT", "'*'").replace("VERB", "get").replace("EXTRA", "pathes: [/x]");
    let error = parse_rules("r.yaml", &format!("{head}{unknown}")).unwrap_err();
    assert_eq!(error.place.map(|(line, _)| line), Some(7), "{error}");
    assert!(!error.to_string().contains("column"), "the place is told once: {error}");
}

#[test]
fn rules_that_never_decide_are_warned_of() {
    let files = files(
        "  - {name: wide, effect: deny, subjects: ['user:a'], verbs: ['*'], apiGroups: [''], resources: [pods]}
  - {name: dead, effect: allow, subjects: ['user:a'], verbs: [get], apiGroups: [''], resources: [pods], namespaces: [x]}
  - {name: named, effect: deny, subjects: ['user:b'], verbs: [create], apiGroups: [''], resources: [pods], names: [x]}
",
    );
    let warnings = files.status().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("deny named (rules.yaml:6): the name of what is created"), "{warnings:?}");
    assert!(
        warnings[1].contains("allow dead (rules.yaml:5): never decides, because deny wide"),
        "{warnings:?}"
    );
}

#[test]
fn many_rules_about_one_request_are_warned_of() {
    let rule = "  - {effect: allow, subjects: ['user:a'], verbs: [get], apiGroups: [''], resources: [pods], names: [N]}\n";
    let rules: String = (0..9).map(|n| rule.replace("[N]", &format!("[n{n}]"))).collect();
    let warnings = files(&rules).status().warnings;
    assert!(warnings.iter().any(|w| w.starts_with("9 rules may be about one request")), "{warnings:?}");
}

#[test]
fn a_bad_file_leaves_the_rules_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    let head = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n";
    let allow = "  - {name: n, effect: allow, subjects: ['user:a'], verbs: [get], paths: [/x]}\n";
    std::fs::write(&path, format!("{head}{allow}")).unwrap();
    let files = PolicyFiles::open("PolicyFiles", Source::Directory(dir.path().into()), labels()).unwrap();
    let ask = || chain(&files, &user("a", &[]), &Attributes::path("get", "/x"));
    assert_eq!(ask(), "allow");
    let generation = files.generation_of_all();
    assert!(!files.refresh());
    files.rules_in_order()[0].used.note();
    std::fs::write(&path, format!("{head}{allow}  - {{effect: perhaps}}\n")).unwrap();
    assert!(!files.refresh());
    let status = files.status();
    let error = status.error.unwrap();
    assert!(error.contains("a.yaml:5:"), "{error}");
    assert_eq!(
        (ask(), files.generation_of_all(), status.failures, status.rules),
        ("allow", generation, 1, 1)
    );
    std::fs::write(&path, format!("{head}{}", allow.replace("effect: allow", "effect: deny"))).unwrap();
    assert!(files.refresh());
    assert_eq!(ask(), "deny");
    assert!(files.generation_of_all() > generation);
    assert_eq!(
        (files.status().error, files.rules_in_order()[0].used.count()),
        (None, 1),
        "uses outlive a reload"
    );
    std::fs::remove_file(&path).unwrap();
    assert!(files.refresh());
    assert_eq!(ask(), "none");
}

/// A rule as plain data, for the evaluator that is obviously right.
#[derive(Clone, Debug)]
struct Plain {
    deny: bool,
    priority: u32,
    subjects: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<String>,
    namespaces: Vec<String>,
    names: Vec<String>,
    tenant: Option<String>,
    /// Values that the label `tier` and the field `spec.nodeName` must be pinned to; permissions only.
    tier: Option<String>,
    node: Option<String>,
}

#[derive(Clone, Debug)]
struct Question {
    user: String,
    groups: Vec<String>,
    verb: String,
    resource: String,
    namespace: String,
    name: String,
    labels: String,
    fields: String,
}

const TENANTS: [(&str, &str); 3] = [("a", "acme"), ("team-b", "bolt"), ("c", "acme-lab")];

impl Plain {
    fn yaml(&self) -> String {
        let rule = json!({
            "effect": if self.deny { "deny" } else { "allow" },
            "priority": self.priority,
            "subjects": self.subjects,
            "verbs": self.verbs,
            "apiGroups": [""],
            "resources": self.resources,
            "namespaces": self.namespaces,
            "names": self.names,
            "namespaceLabels": self.tenant.iter().map(|t| ("tenant", t)).collect::<HashMap<_, _>>(),
            "labelSelector": self.tier.iter().map(|t| ("tier", t)).collect::<HashMap<_, _>>(),
            "fieldSelector": self.node.iter().map(|n| ("spec.nodeName", n)).collect::<HashMap<_, _>>(),
        });
        format!("  - {rule}\n")
    }

    /// Whether the rule decides: about the request, in the order of the words of its description.
    fn decides(&self, q: &Question) -> bool {
        let one = |patterns: &[String], text: &str| {
            patterns.iter().any(|p| pattern::matches_encoded(&format!("~{p}"), text))
        };
        let who = self.subjects.iter().any(|subject| match subject.split_once(':') {
            None => true,
            Some(("user", name)) => one(&[name.to_owned()], &q.user),
            Some((_, name)) => q.groups.iter().any(|group| one(&[name.to_owned()], group)),
        });
        let many = ["list", "watch", "deletecollection"].contains(&&*q.verb);
        let place = self.namespaces.is_empty()
            || one(&self.namespaces, &q.namespace)
            || (self.deny && many && q.namespace.is_empty() && q.is_inside());
        let name = self.names.is_empty()
            || one(&self.names, &q.name)
            || (self.deny && (many || q.verb == "create") && q.name.is_empty());
        let labels = self.tenant.as_ref().is_none_or(|wanted| {
            let known = TENANTS.iter().find(|(namespace, _)| *namespace == q.namespace);
            let unknown = self.deny && (q.is_inside() || !q.namespace.is_empty());
            known.map_or(unknown, |(_, tenant)| one(std::slice::from_ref(wanted), tenant))
        });
        let pinned = |wanted: &Option<String>, pins: Vec<Vec<&str>>| {
            wanted.as_ref().is_none_or(|wanted| {
                pins.iter().any(|values| values.iter().all(|v| one(std::slice::from_ref(wanted), v)))
            })
        };
        let selected = pinned(&self.tier, q.tiers()) && pinned(&self.node, q.nodes());
        selected
            && who
            && one(&self.verbs, &q.verb)
            && one(&self.resources, &q.resource)
            && place
            && name
            && labels
    }
}

impl Question {
    /// Nodes lie in no namespace; the others do.
    fn is_inside(&self) -> bool {
        !self.resource.starts_with("nodes")
    }

    /// What the label selectors below pin `tier` to, written out by hand.
    fn tiers(&self) -> Vec<Vec<&'static str>> {
        match &*self.labels {
            "tier=web" | "x=y,tier==web" => vec![vec!["web"]],
            "tier in (web,db)" => vec![vec!["db", "web"]],
            "tier=web,tier=db" => vec![vec!["web"], vec!["db"]],
            _ => Vec::new(),
        }
    }

    /// What the field selectors below pin `spec.nodeName` to.
    fn nodes(&self) -> Vec<Vec<&'static str>> {
        match &*self.fields {
            "spec.nodeName=n1" => vec![vec!["n1"]],
            "spec.nodeName==n\\,2,status.phase!=Failed" => vec![vec!["n,2"]],
            _ => Vec::new(),
        }
    }
}

fn plainly(rules: &[Plain], question: &Question) -> Option<bool> {
    let mut sorted: Vec<&Plain> = rules.iter().collect();
    sorted.sort_by_key(|rule| (rule.priority, !rule.deny));
    sorted.into_iter().find(|rule| rule.decides(question)).map(|rule| !rule.deny)
}

fn some(words: &'static [&'static str], least: usize) -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(select(words), least..3)
        .prop_map(|all| all.into_iter().map(str::to_owned).collect())
}

fn rule() -> impl Strategy<Value = Plain> {
    (
        any::<bool>(),
        0u32..3,
        some(&["user:u1", "user:u*", "group:g1", "group:g-*", "*", "user:system:*"], 1),
        some(&["get", "list", "create", "*"], 1),
        some(&["pods", "pods/log", "pods/*", "*/log", "*", "secrets", "s*", "nodes"], 1),
        some(&["a", "team-*", "c", "", "?"], 0),
        some(&["n1", "n*"], 0),
        proptest::option::of(select(&["acme", "acme*", "*"][..])),
        (
            proptest::option::weighted(0.2, select(&["web", "*b", "*"][..])),
            proptest::option::weighted(0.2, select(&["n1", "n*"][..])),
        ),
    )
        .prop_map(
            |(deny, priority, subjects, verbs, resources, namespaces, names, tenant, (tier, node))| Plain {
                tier: tier.filter(|_| !deny).map(str::to_owned),
                node: node.filter(|_| !deny).map(str::to_owned),
                deny,
                priority,
                subjects,
                verbs,
                resources,
                namespaces,
                names,
                tenant: tenant.map(str::to_owned),
            },
        )
}

fn question() -> impl Strategy<Value = Question> {
    (
        select(&["u1", "u2", "system:x", "system:x:y", "é", "u\u{1f}1"][..]),
        some(&["g1", "g-x", "g-x/y", "h"], 0),
        select(&["get", "list", "create", "watch"][..]),
        select(&["pods", "pods/log", "secrets", "secrets/log", "nodes", "nodes/log"][..]),
        select(&["a", "team-b", "c", "", "unknown"][..]),
        select(&["n1", "n2", "", "x"][..]),
        select(
            &[
                "",
                "tier=web",
                "x=y,tier==web",
                "tier in (web,db)",
                "tier=web,tier=db",
                "tier!=web",
                "tier",
                "tier=(",
            ][..],
        ),
        select(
            &["", "spec.nodeName=n1", "spec.nodeName==n\\,2,status.phase!=Failed", "spec.nodeName!=n1", "x"]
                [..],
        ),
    )
        .prop_map(|(user, groups, verb, resource, namespace, name, labels, fields)| Question {
            labels: labels.to_owned(),
            fields: fields.to_owned(),
            user: user.to_owned(),
            groups,
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
}

proptest! {
    /// J016: the index, casbin over all rules, and the plain evaluator say the same.
    #[test]
    fn j016_all_evaluators_agree(
        rules in proptest::collection::vec(rule(), 0..7),
        questions in proptest::collection::vec(question(), 1..12),
        _pick in any::<Pick>(),
    ) {
        let yaml: String = if rules.is_empty() { "  []\n".to_owned() } else { rules.iter().map(Plain::yaml).collect() };
        let files = files(&yaml);
        let snapshot = files.0.snapshot.load();
        for q in &questions {
            let who = UserInfo::new(&q.user, &q.groups);
            let asked = selecting(on(&q.verb, &q.resource, &q.namespace, &q.name), &q.labels, &q.fields);
            let want = plainly(&rules, q);
            prop_assert_eq!(files.opinion(&who, &asked), want, "index {:?} {:?}", q, rules);
            let casbin = files.0.pool.allows(snapshot.rows.iter(), &who, &asked, &files.0.labels);
            prop_assert_eq!(casbin.unwrap(), want == Some(true), "casbin {:?} {:?}", q, rules);
            prop_assert_eq!(files.cross_check(&who, &asked), Ok(()), "{:?} {:?}", q, rules);
        }
    }

    /// The same of paths that are no resources, and of what impersonation asks.
    #[test]
    fn j016_all_evaluators_agree_on_paths_and_impersonation(
        rules in proptest::collection::vec(
            (any::<bool>(), 0u32..3, some(&["user:u1", "group:g*", "*"], 1), some(&["get", "impersonate", "*"], 1),
             select(&["/metrics", "/foo/*", "/foo/**", "*", "users", "groups", "userextras/*", "userextras/scopes", "uids"][..])),
            0..6,
        ),
        user in select(&["u1", "u2"][..]),
        groups in some(&["g1", "h"], 0),
        verb in select(&["get", "impersonate", "post"][..]),
        what in select(&["/metrics", "/foo/a", "/foo/a/b", "/foo", "users", "groups", "userextras/scopes", "userextras/other", "uids"][..]),
        name in select(&["", "root", "scopes"][..]),
    ) {
        let yaml: String = rules.iter().map(|(deny, priority, subjects, verbs, what)| {
            let mut rule = json!({"effect": if *deny { "deny" } else { "allow" }, "priority": priority, "subjects": subjects, "verbs": verbs});
            if what.starts_with('/') || *what == "*" {
                rule["paths"] = json!([what]);
            } else {
                rule["apiGroups"] = json!(["", "authentication.k8s.io"]);
                rule["resources"] = json!([what]);
            }
            format!("  - {rule}\n")
        }).collect();
        let files = files(if yaml.is_empty() { "  []\n" } else { &yaml });
        let who = UserInfo::new(user, &groups);
        let asked = if what.starts_with('/') { Attributes::path(verb, what) } else { on(verb, what, "", name) };
        let mut sorted: Vec<_> = rules.iter().collect();
        sorted.sort_by_key(|(deny, priority, ..)| (*priority, !*deny));
        let one = |patterns: &[String], text: &str| patterns.iter().any(|p| pattern::matches_encoded(&format!("~{p}"), text));
        let want = sorted.into_iter().find(|(_, _, subjects, verbs, pattern)| {
            let meant = subjects.iter().any(|subject| match subject.split_once(':') {
                None => true,
                Some(("user", name)) => name == user,
                Some((_, name)) => groups.iter().any(|group| one(&[name.to_owned()], group)),
            });
            let paths = pattern.starts_with('/') || *pattern == "*";
            meant && one(verbs, verb) && paths == what.starts_with('/') && one(&[(*pattern).to_owned()], what)
        });
        let want = want.map(|(deny, ..)| !deny);
        prop_assert_eq!(files.opinion(&who, &asked), want, "{:?} {:?}", asked, rules);
        prop_assert_eq!(files.cross_check(&who, &asked), Ok(()), "{:?} {:?}", asked, rules);
    }

    /// No text whatever makes a decision fail.
    #[test]
    fn no_request_upsets_the_rules(name in ".*", group in ".*", verb in ".*", resource in ".*", text in ".*") {
        let files = files(SHOP);
        let who = UserInfo::new(&name, [group]);
        files.decide(&who, &on(&verb, &resource, &text, &text));
        files.decide(&who, &Attributes { verb: &verb, subject: Subject::Path(&text) });
        let resource = Attributes::resource("get", Resource { resource: "secrets", namespace: &text, ..Resource::default() });
        let masked = UserInfo::new(&name, ["contractors-x"]);
        prop_assert_eq!(chain(&files, &masked, &resource), "deny");
    }
}

#[test]
fn e096_an_earlier_denial_stands() {
    let open = abac(&format!(r#"{{{VERSIONED},"spec":{{"user":"bob","resource":"pods"}}}}"#));
    let rules = files(
        "  - {effect: deny, subjects: ['user:bob'], verbs: [get], apiGroups: [''], resources: [pods]}\n",
    );
    let bob = user("bob", &[]);
    let chain = Chain::new().then(rules.clone()).then(open.clone());
    assert!(chain.decide(&bob, &on("get", "pods", "", "")).decision().is_denied());
    assert!(chain.decide(&bob, &on("list", "pods", "", "")).is_allowed());
    let chain = Chain::new().guard(rules.refusals()).then(open).then(rules);
    assert!(chain.decide(&bob, &on("get", "pods", "", "")).decision().is_denied());
}

#[test]
fn j014_numbers_are_texts() {
    let files = files(
        "  - {effect: allow, subjects: ['user:1'], verbs: [get], apiGroups: [''], resources: ['1'], names: ['true', '1']}\n",
    );
    for (name, object, want) in
        [("1", "1", "allow"), ("1", "true", "allow"), ("1.0", "1", "none"), ("1", "01", "none")]
    {
        assert_eq!(chain(&files, &user(name, &[]), &on("get", "1", "a", object)), want, "{name} {object}");
    }
}

#[test]
fn j017_rules_change_as_a_whole() {
    let head = "apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n";
    let rule = |effect: &str, verb: &str| {
        format!("  - {{effect: {effect}, subjects: ['user:u'], verbs: [{verb}], paths: [/x]}}\n")
    };
    // In each version exactly one of two verbs is allowed.
    let versions = ["get", "put"].map(|verb| {
        let other = if verb == "get" { "put" } else { "get" };
        format!("{head}{}{}", rule("allow", verb), rule("deny", other))
    });
    let files = PolicyFiles::of_rules("PolicyFiles", parse_rules("r", &versions[0]).unwrap(), labels());
    let who = user("u", &[]);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            for _ in 0..2_000 {
                let asked = |verb| chain(&files, &who, &Attributes::path(verb, "/x"));
                assert!(
                    ["allow", "deny"].contains(&asked("get")) && ["allow", "deny"].contains(&asked("put"))
                );
            }
        });
        for n in 0..200 {
            files.replace(parse_rules("r", &versions[n % 2]).unwrap(), Vec::new(), Vec::new());
        }
        asking.join().unwrap();
    });
}

#[test]
fn the_example_is_a_good_one() {
    let text = include_str!("../../../../policies/example.yaml");
    let files = PolicyFiles::of_rules("PolicyFiles", parse_rules("example.yaml", text).unwrap(), labels());
    assert_eq!(files.status().rules, 4);
    assert_eq!(files.status().warnings, Vec::<String>::new());
}

#[test]
fn a_file_holds_tens_of_thousands_of_rules() {
    let rule = |number: usize| {
        format!(
            "- {{name: r-{number}, effect: allow, subjects: ['user:user-{number}'], verbs: [get, list, watch], apiGroups: [''], resources: [pods, \
             configmaps], namespaces: [team-{number}]}}\n"
        )
    };
    let rules: String = (0..20_000).map(rule).collect();
    let text = format!("apiVersion: policy.portcullis.io/v1\nkind: PolicyRules\nrules:\n{rules}");
    assert_eq!(parse_rules("rules.yaml", &text).unwrap().len(), 20_000);
}
