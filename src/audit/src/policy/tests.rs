use std::sync::Arc;

use http::Method;
use portcullis_api::attributes::parse;
use portcullis_api::{RequestInfo, UserInfo};

use super::*;

const HEAD: &str = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";

fn info(method: &Method, uri: &str) -> Arc<RequestInfo> {
    Arc::new(parse(method, &uri.parse().unwrap()).unwrap())
}

/// The level that one rule gives, or None where it does not match and the catch-all decides.
fn matches(rule: &str, method: &Method, uri: &str, user: Option<&UserInfo>) -> bool {
    let text = format!("{HEAD}rules: [{{level: Request, {rule}}}, {{level: None}}]");
    Policy::parse(&text).unwrap().plan(&info(method, uri), user).level == Level::Request
}

#[test]
fn i007_rules_match_as_upstream() {
    let tim = UserInfo::new("tim", ["system:authenticated", "humans"]);
    let get = |rule: &str, uri: &str| matches(rule, &Method::GET, uri, Some(&tim));
    let pods = "/api/v1/namespaces/default/pods/busybox";
    let log = "/api/v1/namespaces/default/pods/busybox/log";
    for (rule, uri, want) in [
        ("users: [tim]", pods, true),
        ("users: [other]", pods, false),
        ("userGroups: [x, humans]", pods, true),
        ("userGroups: [x]", pods, false),
        ("users: [tim], userGroups: [x]", pods, false),
        ("verbs: [get]", pods, true),
        ("verbs: [update]", pods, false),
        ("namespaces: [default]", pods, true),
        ("namespaces: ['']", pods, false),
        ("namespaces: ['']", "/api/v1/nodes/n", true),
        ("namespaces: ['']", "/version", false),
        ("resources: [{}]", pods, true),
        ("resources: [{}]", "/apis/apps/v1/deployments", false),
        ("resources: [{group: '*'}]", "/apis/apps/v1/deployments", true),
        ("resources: [{resources: [pods]}]", pods, true),
        ("resources: [{resources: [pods]}]", log, false),
        ("resources: [{resources: [pods/log]}]", log, true),
        ("resources: [{resources: [pods/log]}]", pods, false),
        ("resources: [{resources: ['pods/*']}]", log, true),
        ("resources: [{resources: ['pods/*']}]", pods, true),
        ("resources: [{resources: ['*/log']}]", log, true),
        ("resources: [{resources: ['*/log']}]", pods, false),
        ("resources: [{resources: ['*']}]", log, true),
        ("resources: [{resources: ['*/*']}]", log, false),
        ("resources: [{resources: [pods], resourceNames: [busybox]}]", pods, true),
        ("resources: [{resources: [pods], resourceNames: [other]}]", pods, false),
        ("resources: [{resources: [pods]}]", "/version", false),
        ("nonResourceURLs: ['/version']", "/version", true),
        ("nonResourceURLs: ['/logs*']", "/logs/kubelet", true),
        ("nonResourceURLs: ['/logs/*']", "/logs", false),
        ("nonResourceURLs: ['*']", "/metrics", true),
        ("nonResourceURLs: ['*']", pods, false),
    ] {
        assert_eq!(get(rule, uri), want, "{rule} on {uri}");
    }
    assert!(!matches("users: [tim]", &Method::GET, pods, None), "nobody is not tim");
    assert!(!matches("userGroups: [humans]", &Method::GET, pods, None));
}

#[test]
fn i007_the_first_rule_that_matches_decides_stages_and_managed_fields_too() {
    let text = format!(
        "{HEAD}omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n\
         - {{level: RequestResponse, verbs: [create], omitStages: [Panic], omitManagedFields: false}}\n\
         - {{level: Metadata}}\n- {{level: None}}"
    );
    let policy = Policy::parse(&text).unwrap();
    let pods = "/api/v1/namespaces/a/pods";
    let plan = policy.plan(&info(&Method::POST, pods), None);
    assert_eq!((plan.level, plan.omit_managed_fields), (Level::RequestResponse, false));
    assert!(plan.omit.has(Stage::RequestReceived) && plan.omit.has(Stage::Panic));
    let plan = policy.plan(&info(&Method::GET, pods), None);
    assert_eq!((plan.level, plan.omit_managed_fields, plan.required), (Level::Metadata, true, false));
    assert!(!plan.omit.has(Stage::Panic));
}

#[test]
fn i008_a_rule_is_decided_on_what_authorization_decides_on() {
    let none = "rules: [{level: None, verbs: [get], nonResourceURLs: ['/livez*']}]";
    let policy = Policy::parse(&format!("{HEAD}{none}")).unwrap();
    for uri in ["/livez/../api/v1/secrets", "/livez//x", "/%6civez/%2e%2e/api/v1/secrets"] {
        assert!(parse(&Method::GET, &uri.parse().unwrap()).is_err(), "{uri} has no second reading");
    }
    for (method, uri) in [
        (Method::HEAD, "/api/v1/namespaces/a/secrets/x"),
        (Method::GET, "/api/v1/watch/secrets"),
        (Method::DELETE, "/livez"),
    ] {
        assert_ne!(policy.plan(&info(&method, uri), None).level, Level::None, "{method} {uri}");
    }
}

#[test]
fn i009_what_no_rule_matches_is_recorded() {
    let policy = Policy::parse(&format!("{HEAD}rules: [{{level: None, users: [tim]}}]")).unwrap();
    assert_eq!(policy.plan(&info(&Method::GET, "/version"), None).level, Level::Metadata);
}

#[test]
fn bad_files_are_refused_in_upstreams_words() {
    for (text, want) in [
        (
            "rules: [{level: None}]",
            "unknown group version field audit.k8s.io/__internal, Kind=Policy in policy",
        ),
        (
            "apiVersion: audit.k8s.io/v1beta1\nkind: Policy",
            "failed decoding: no kind \"Policy\" is registered for version \"audit.k8s.io/v1beta1\" in scheme \
             \"k8s.io/apiserver/pkg/audit/scheme.go:30\"",
        ),
    ] {
        let error = Policy::parse(text).unwrap_err().to_string();
        assert_eq!(error, format!("loading audit policy file: {want}"));
    }
    for (body, want) in [
        ("rules: []", "loaded illegal policy with 0 rules"),
        ("rules: [{users: [a]}]", "rules[0].level: Required value"),
        (
            "rules: [{level: All}]",
            "rules[0].level: Unsupported value: \"All\": supported values: \"None\", \"Metadata\", \"Request\", \
             \"RequestResponse\"",
        ),
        (
            "rules: [{level: None, nonResourceURLs: [logs, '/a*b', '*']}]",
            "[rules[0].nonResourceURLs[0]: Invalid value: \"logs\": non-resource URL rules must begin with a '/' \
             character, rules[0].nonResourceURLs[1]: Invalid value: \"/a*b\": non-resource URL wildcards '*' must be \
             the final character of the rule]",
        ),
        (
            "rules: [{level: None, namespaces: [a], nonResourceURLs: ['*']}]",
            "rules[0].nonResourceURLs: Invalid value: [\"*\"]: rules cannot apply to both regular resources and \
             non-resource URLs",
        ),
        (
            "rules: [{level: None, resources: [{resourceNames: [x]}]}]",
            "rules[0].resources.resourceNames: Invalid value: [\"x\"]: using resourceNames requires at least one \
             resource",
        ),
        (
            "omitStages: [x]\nrules: [{level: None, omitStages: [y]}]",
            "[omitStages[0]: Invalid value: \"x\": allowed stages are \
             RequestReceived,ResponseStarted,ResponseComplete,Panic, rules[0].omitStages[0]: Invalid value: \"y\": \
             allowed stages are RequestReceived,ResponseStarted,ResponseComplete,Panic]",
        ),
        (
            "rules: [{level: None, userGroup: [x]}]",
            "failed decoding: strict decoding error: unknown field \"rules[0].userGroup\"",
        ),
        ("rules: [{level: None, users: tim}]", "failed decoding: rules[0].users must be a list"),
        (
            "rules: [{level: None, required: true}]",
            "rules[0].required: Invalid value: true: a required rule records something",
        ),
    ] {
        let error = Policy::parse(&format!("{HEAD}{body}")).unwrap_err().to_string();
        assert_eq!(error, format!("loading audit policy file: {want}"));
    }
    let group = "rules: [{level: None, resources: [{group: rbac.authorization.k8s.io/v1}]}]";
    let error = Policy::parse(&format!("{HEAD}{group}")).unwrap_err().to_string();
    assert!(
        error.contains(
            "rules[0].resources.group: Invalid value: \"rbac.authorization.k8s.io/v1\": a lowercase"
        )
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{HEAD}rules: []")).unwrap();
    let error = Policy::load(file.path()).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "loading audit policy file: loaded illegal policy with 0 rules: from file {}",
            file.path().display()
        )
    );
}

#[test]
fn the_default_policy_leaves_out_noise_and_nothing_else() {
    let policy = Policy::builtin().unwrap();
    let level = |method: Method, uri: &str| policy.plan(&info(&method, uri), None).level;
    for noise in ["/livez", "/readyz/storage", "/version", "/api", "/apis/apps/v1", "/openapi/v3", "/metrics"]
    {
        assert_eq!(level(Method::GET, noise), Level::None, "{noise}");
        assert_eq!(level(Method::POST, noise), Level::Metadata, "{noise}");
    }
    for told in ["/", "/logs", "/api/v1/pods", "/apis/apps/v1/deployments", "/metricsx"] {
        assert_eq!(level(Method::GET, told), Level::Metadata, "{told}");
    }
}
