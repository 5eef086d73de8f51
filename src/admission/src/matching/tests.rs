use portcullis_api::{GroupVersion, Gvk, Gvr};
use serde_json::json;

use super::*;
use crate::attributes::Operation;
use crate::expressions::{Input, Scope, request_question, request_tree};
use crate::fake::{Cluster, Write, tree};
use crate::notes::Notes;
use crate::reader::Reader as _;

/// Whether criteria concern a write of an object, and as what.
#[track_caller]
fn matches(criteria: &Criteria, cluster: &Cluster, write: &Write, object: Value) -> Option<String> {
    let object = tree(object);
    let name = object.name().to_owned();
    let found = write.with(cluster, &Notes::default(), &name, |write| criteria.matches(write, Some(&object)));
    found.unwrap().map(|target| target.resource.gv.to_string())
}

fn hook(rules: Value) -> Value {
    json!({ "rules": [rules], "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {} })
}

fn rule(resources: &[&str]) -> Value {
    json!({ "operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": resources, "scope": "*" })
}

fn pod() -> Value {
    json!({ "metadata": { "name": "p", "labels": { "app": "web" } } })
}

#[test]
fn a_rule_names_operations_groups_versions_and_resources() {
    let cluster = Cluster::default();
    let concerns = |rule: Value, write: &Write| {
        matches(&Criteria::of_webhook(&hook(rule)), &cluster, write, pod()).is_some()
    };
    let create = Write::pod();
    let delete = Write { operation: Operation::Delete, ..Write::pod() };
    let exec = Write { subresource: "exec", operation: Operation::Connect, ..Write::pod() };
    assert!(concerns(rule(&["pods"]), &create));
    assert!(!concerns(rule(&["pods"]), &delete));
    assert!(!concerns(rule(&["services"]), &create));
    let mut any = rule(&["pods", "pods/exec"]);
    any["operations"] = json!(["*"]);
    assert!(concerns(any.clone(), &exec));
    any["resources"] = json!(["*"]);
    assert!(!concerns(any.clone(), &exec), "no subresource is named");
    for resources in ["*/*", "pods/*", "*/exec"] {
        any["resources"] = json!([resources]);
        assert!(concerns(any.clone(), &exec), "{resources}");
    }
    any["apiGroups"] = json!(["apps"]);
    assert!(!concerns(any, &exec));
}

#[test]
fn a_namespace_is_an_object_of_the_cluster() {
    let cluster = Cluster::default();
    let namespace = Write { namespace: "", ..Write::of(Operation::Create, "namespaces", "Namespace") };
    let scoped = |scope: &str, write: &Write| {
        let mut rule = rule(&["*"]);
        rule["scope"] = json!(scope);
        matches(&Criteria::of_webhook(&hook(rule)), &cluster, write, pod()).is_some()
    };
    assert!(scoped("Cluster", &namespace) && !scoped("Namespaced", &namespace));
    assert!(!scoped("Cluster", &Write::pod()) && scoped("Namespaced", &Write::pod()));
    assert!(scoped("*", &namespace) && !scoped("Nowhere", &namespace));
}

#[test]
fn selectors_look_at_the_namespace_and_at_both_objects() {
    let namespace = json!({ "metadata": { "name": "default", "labels": { "env": "prod" } } });
    let cluster = Cluster::default().with("namespaces", namespace);
    let selected = |field: &str, selector: Value, write: &Write| {
        let mut hook = hook(rule(&["*"]));
        hook[field] = selector;
        hook["rules"][0]["operations"] = json!(["*"]);
        matches(&Criteria::of_webhook(&hook), &cluster, write, pod()).is_some()
    };
    let prod = json!({ "matchLabels": { "env": "prod" } });
    let test = json!({ "matchLabels": { "env": "test" } });
    assert!(selected("namespaceSelector", prod.clone(), &Write::pod()));
    assert!(!selected("namespaceSelector", test.clone(), &Write::pod()));
    // What has no namespace is never passed over; a namespace is looked at as it will be.
    let node = Write { namespace: "", ..Write::of(Operation::Create, "nodes", "Node") };
    assert!(selected("namespaceSelector", test, &node));
    let namespace = Write { namespace: "", ..Write::of(Operation::Create, "namespaces", "Namespace") };
    assert!(!selected("namespaceSelector", prod, &namespace));
    assert!(selected("namespaceSelector", json!({ "matchLabels": { "app": "web" } }), &namespace));
    let old = Write::pod().change(json!({ "metadata": { "name": "p", "labels": { "app": "old" } } }));
    assert!(selected("objectSelector", json!({ "matchLabels": { "app": "old" } }), &old));
    assert!(selected("objectSelector", json!({ "matchLabels": { "app": "web" } }), &old));
    assert!(!selected("objectSelector", json!({ "matchLabels": { "app": "no" } }), &old));
}

#[test]
fn a_namespace_that_is_missing_matters_only_where_the_rules_match() {
    let mut hook = hook(rule(&["services"]));
    hook["namespaceSelector"] = json!({ "matchLabels": { "env": "prod" } });
    assert_eq!(matches(&Criteria::of_webhook(&hook), &Cluster::default(), &Write::pod(), pod()), None);
    hook["rules"] = json!([rule(&["pods"])]);
    let object = tree(pod());
    let criteria = Criteria::of_webhook(&hook);
    let error = Write::pod().with(&Cluster::default(), &Notes::default(), "p", |write| {
        criteria.matches(write, Some(&object)).unwrap_err()
    });
    assert_eq!(error.message(), "namespaces \"default\" not found");
}

#[test]
fn a_rule_for_another_version_is_a_rule_for_the_same_objects() {
    let gv = GroupVersion::new("", "v2");
    let other = Target { resource: Gvr::new(gv.clone(), "pods"), kind: Gvk::new(gv, "Pod") };
    let cluster = Cluster::default().equivalent(other);
    let mut hook = hook(rule(&["pods"]));
    hook["rules"][0]["apiVersions"] = json!(["v2"]);
    let found = |hook: &Value| matches(&Criteria::of_webhook(hook), &cluster, &Write::pod(), pod());
    assert_eq!(found(&hook).as_deref(), Some("v2"));
    hook["matchPolicy"] = json!("Exact");
    assert_eq!(found(&hook), None);
    hook["rules"][0]["apiVersions"] = json!(["v2", "v1"]);
    assert_eq!(found(&hook).as_deref(), Some("v1"));
}

#[test]
fn policies_exclude_and_name_what_they_are_about() {
    let cluster = Cluster::default();
    let concerns =
        |policy: Value| matches(&Criteria::of_policy(&policy), &cluster, &Write::pod(), pod()).is_some();
    assert!(concerns(json!({})), "no rules are all rules");
    assert!(!concerns(json!({ "excludeResourceRules": [rule(&["pods"])] })));
    let mut named = rule(&["pods"]);
    named["resourceNames"] = json!(["p"]);
    assert!(concerns(json!({ "resourceRules": [named] })));
    named["resourceNames"] = json!(["q"]);
    assert!(!concerns(json!({ "resourceRules": [named] })));
    assert!(
        matches(&Criteria::of_webhook(&json!({})), &cluster, &Write::pod(), pod()).is_none(),
        "a webhook without rules is never called"
    );
}

/// What conditions say of the creation of a pod by alice, who may create pods.
#[track_caller]
fn verdict(conditions: &[&str], on_failure: OnFailure) -> Verdict {
    let list: Vec<Value> = conditions
        .iter()
        .enumerate()
        .map(|(at, text)| json!({ "name": format!("c{at}"), "expression": text }))
        .collect();
    let conditions = Conditions::read(Some(&list.into()), &Scope::new().with_authorizer());
    let cluster = Cluster::default().granting("create pods p");
    let object = tree(pod());
    Write::pod().with(&cluster, &Notes::default(), "p", |write| {
        let request = request_tree(write, &write.target()).into();
        let input = Input {
            object: Some(&object),
            old: None,
            request: &request,
            namespace: None,
            params: None,
            authorizer: Some((cluster.authorizer(write.user), request_question(write))),
        };
        conditions.evaluate(&input.bindings(), on_failure)
    })
}

#[test]
fn conditions_see_the_request_the_objects_and_the_authorizer() {
    for holds in [
        "object.metadata.labels['app'] == 'web'",
        "oldObject == null",
        "request.operation == 'CREATE' && request.userInfo.username == 'alice'",
        "request.kind.kind == 'Pod' && request.resource.resource == 'pods' && !request.dryRun",
        "request.namespace == 'default' && 'system:authenticated' in request.userInfo.groups",
        "authorizer.requestResource.check('create').allowed()",
        "!authorizer.requestResource.check('delete').allowed()",
        "authorizer.group('').resource('pods').name('p').check('create').allowed()",
        "!has(request.userInfo.extra) && !has(request.subResource)",
    ] {
        assert_eq!(verdict(&[holds], OnFailure::Fail), Verdict::Matches, "{holds}");
    }
    assert_eq!(
        verdict(&["true", "object.metadata.name == 'q'"], OnFailure::Fail),
        Verdict::Excluded("c1".into())
    );
}

#[test]
fn e091_conditions_that_fail_are_never_passed_over_unless_the_author_says_so() {
    let missing = "request.userInfo.extra['team'][0] == 'a'";
    let words = "expression 'request.userInfo.extra['team'][0] == 'a'' resulted in error: no such key: extra";
    assert_eq!(verdict(&[missing], OnFailure::Fail), Verdict::Failed(words.into()));
    assert_eq!(verdict(&[missing], OnFailure::Ignore), Verdict::Ignored);
    // One that does not hold settles it.
    assert_eq!(verdict(&[missing, "false"], OnFailure::Fail), Verdict::Excluded("c1".into()));
    let costly = "[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, \
                  [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, [1,2,3,4,5,6,7,8,9,10].all(f, \
                  'aaaa'.matches('a*')))))))";
    assert!(matches!(verdict(&[costly], OnFailure::Fail), Verdict::Failed(_)));
    assert_eq!(verdict(&[costly], OnFailure::Ignore), Verdict::Ignored);
}

#[test]
fn what_does_not_compile_says_so_as_upstream_does() {
    let compile = |text: &str| {
        let scope = Scope::new().with_authorizer();
        crate::expressions::compile(text, &scope, &[portcullis_cel::Type::Bool]).map(drop).unwrap_err()
    };
    assert_eq!(compile("'a'"), "must evaluate to bool but got string");
    assert!(compile("nothing").starts_with("compilation failed: ERROR: <input>:1:1: undeclared reference"));
    assert!(compile("request.uid == ''").contains("undefined field 'uid'"));
    assert!(compile("params == null").contains("undeclared reference to 'params'"));
}
