use portcullis_api::GroupResource;
use serde_json::json;

use super::*;
use crate::chain::MASTERS;
use crate::rbac::RbacIndex;
use crate::testing::now;

fn object(value: Value) -> Object {
    Object::new(value.as_object().unwrap().clone())
}

fn chain() -> Chain {
    let index = RbacIndex::new();
    let put = |plural: &str, value: Value| {
        index.upsert(&GroupResource::new(crate::rbac::GROUP, plural), &object(value));
    };
    let rules = json!([
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "update"], "resourceNames": ["one"]},
        {"nonResourceURLs": ["/api"], "verbs": ["get"]},
    ]);
    put("roles", json!({"metadata": {"name": "only", "namespace": "n"}, "rules": rules}));
    put(
        "rolebindings",
        json!({
            "metadata": {"name": "cat", "namespace": "n"},
            "roleRef": {"kind": "Role", "name": "only"},
            "subjects": [{"kind": "User", "name": "cat"}],
        }),
    );
    Chain::new().then(index)
}

fn sar(spec: Value) -> Result<Value, Value> {
    now(subject_access_review(&chain(), &object(json!({"spec": spec})))).map_err(|e| e.to_status())
}

fn get_one() -> Value {
    json!({"namespace": "n", "resource": "configmaps", "verb": "get", "name": "one"})
}

#[test]
fn answers_are_those_of_the_chain() {
    let allowed = sar(json!({"user": "cat", "resourceAttributes": get_one()})).unwrap();
    let reason = "RBAC: allowed by RoleBinding \"cat/n\" of Role \"only\" to User \"cat\"";
    assert_eq!(allowed, json!({"allowed": true, "reason": reason}));
    assert_eq!(sar(json!({"user": "dog", "resourceAttributes": get_one()})), Ok(json!({"allowed": false})));
    let path = json!({"groups": [MASTERS], "nonResourceAttributes": {"path": "/x", "verb": "get"}});
    assert_eq!(sar(path), Ok(json!({"allowed": true})));
    let cat = UserInfo::new("cat", [""; 0]);
    let own = object(json!({"spec": {"resourceAttributes": get_one()}}));
    assert_eq!(now(self_subject_access_review(&chain(), &cat, &own)).unwrap()["allowed"], true);
}

#[test]
fn e084_malformed_questions_are_refused_as_upstream() {
    let message = |spec: Value| sar(spec).unwrap_err()["message"].clone();
    assert_eq!(
        message(json!({})),
        ".authorization.k8s.io \"\" is invalid: [spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified, spec.user: Invalid value: \"\": at least one of user or group must be specified]"
    );
    assert_eq!(
        message(json!({"user": "x", "resourceAttributes": {}, "nonResourceAttributes": {}})),
        ".authorization.k8s.io \"\" is invalid: spec.nonResourceAttributes: Invalid value: {\"Path\":\"\",\"Verb\":\"\"}: cannot be specified in combination with resourceAttributes"
    );
    let both = json!({"fieldSelector": {"rawSelector": "a=b", "requirements": [{"key": "a", "operator": "In", "values": ["b"]}]}});
    assert_eq!(
        message(json!({"user": "x", "resourceAttributes": both})),
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"a=b\": may not specified at the same time as requirements"
    );
    let named = object(json!({"metadata": {"name": "x"}, "spec": {"user": "x", "resourceAttributes": {}}}));
    let error = now(subject_access_review(&chain(), &named)).unwrap_err();
    assert_eq!(
        error.message(),
        ".authorization.k8s.io \"\" is invalid: metadata: Invalid value: {\"name\":\"x\"}: must be empty"
    );
    assert_eq!(error.to_status()["details"].get("kind"), None);
}

#[test]
fn e083_local_reviews_ask_about_their_namespace() {
    let local = |namespace: &str| {
        let review = object(json!({"spec": {"user": "cat", "resourceAttributes": get_one()}}));
        now(local_subject_access_review(&chain(), namespace, &review))
    };
    assert_eq!(local("n").unwrap()["allowed"], true);
    assert_eq!(
        local("m").unwrap_err().message(),
        ".authorization.k8s.io \"\" is invalid: spec.resourceAttributes.namespace: Invalid value: \"n\": must match metadata.namespace"
    );
}

#[test]
fn selectors_that_cannot_be_read_are_told() {
    let with = |selector: Value| {
        let mut attributes = get_one();
        attributes["fieldSelector"] = selector;
        sar(json!({"user": "cat", "resourceAttributes": attributes})).unwrap()
    };
    assert_eq!(
        with(json!({"rawSelector": "x"}))["evaluationError"],
        "spec.resourceAttributes.fieldSelector ignored due to parse error"
    );
    let partly = json!({"requirements": [
        {"key": "a", "operator": "In", "values": ["b"]},
        {"key": "c", "operator": "Exists"},
    ]});
    assert_eq!(
        with(partly)["evaluationError"],
        "spec.resourceAttributes.fieldSelector partially ignored due to parse error"
    );
    assert_eq!(with(json!({"rawSelector": "a=b"})).get("evaluationError"), None);
}

#[test]
fn rules_are_listed() {
    let review = |namespace: &str| object(json!({"spec": {"namespace": namespace}}));
    let cat = UserInfo::new("cat", [""; 0]);
    let status = self_subject_rules_review(&chain(), &cat, &review("n")).unwrap();
    let expected = json!({
        "incomplete": false,
        "nonResourceRules": [{"nonResourceURLs": ["/api"], "verbs": ["get"]}],
        "resourceRules": [
            {"apiGroups": [""], "resourceNames": ["one"], "resources": ["configmaps"], "verbs": ["get", "update"]},
        ],
    });
    assert_eq!(status, expected);
    let error = self_subject_rules_review(&chain(), &cat, &review("")).unwrap_err();
    assert_eq!((error.code().as_u16(), error.message()), (400, "no namespace on request"));
}
