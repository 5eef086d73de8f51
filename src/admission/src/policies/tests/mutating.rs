use super::*;

fn configuration(expression: &str) -> Value {
    json!([{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": expression}}])
}

fn json_patch(expression: &str) -> Value {
    json!([{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}])
}

fn mutations(list: Value) -> Value {
    json!({"mutations": list, "reinvocationPolicy": "Never"})
}

#[test]
fn a_configuration_is_merged_into_the_object() {
    let text =
        "Object{metadata: Object.metadata{annotations: {'by': 'policy'}}, data: {'b': object.data.a + '!'}}";
    let setting = Setting::new().mutating("p", mutations(configuration(text)));
    let outcome = setting.write(map(json!({"a": "x"})));
    let object = outcome.admitted();
    assert_eq!(object.get("data"), Some(&json!({"a": "x", "b": "x!"})));
    assert_eq!(object.str_at(&["metadata", "annotations", "by"]), "policy");
    assert_eq!(object.name(), "cm");
}

#[test]
fn a_json_patch_is_applied_to_the_object() {
    let text = "[JSONPatch{op: 'test', path: '/data/a', value: 'x'}, \
                JSONPatch{op: 'add', path: '/data/' + jsonpatch.escapeKey('k8s.io/b'), value: 'y'}]";
    let setting = Setting::new().mutating("p", mutations(json_patch(text)));
    assert_eq!(
        setting.write(map(json!({"a": "x"}))).admitted().get("data"),
        Some(&json!({"a": "x", "k8s.io/b": "y"}))
    );
    // A failed test leaves the object as it is.
    assert_eq!(setting.write(map(json!({"a": "z"}))).admitted().get("data"), Some(&json!({"a": "z"})));
}

#[test]
fn g010_a_patch_that_does_not_fit_refuses_in_upstreams_words() {
    for (mutation, words) in [
        (
            configuration("Object{colour: 'red'}"),
            "error applying patch: failed to convert patch object to typed object: .colour: field not declared in schema",
        ),
        (
            configuration("Object{metadata: Object.wrong{}}"),
            "type mismatch: unexpected type name \"Object.wrong\", expected \"Object.metadata\", which matches field name \
             path from root Object type",
        ),
        (
            json_patch("[JSONPatch{op: 'remove', path: '/missing/a'}]"),
            "JSON Patch: remove operation does not apply: doc is missing path: \"/missing/a\": missing value",
        ),
        (
            configuration("Object{data: {'a': object.data.missing}}"),
            "resulted in error: no such key: missing",
        ),
    ] {
        let outcome = Setting::new().mutating("p", mutations(mutation.clone())).write(map(json!({"a": "x"})));
        let status = outcome.refused();
        let message = status["message"].as_str().unwrap();
        assert!(message.starts_with("policy 'p' with binding 'p-b' denied request: "), "{message}");
        assert!(message.ends_with(words), "{message}");
        assert_eq!((&status["reason"], &status["code"]), (&json!("Invalid"), &json!(403)));
        assert_eq!(
            status["details"],
            json!({"name": "cm", "kind": "configmaps", "causes": [{"message": message}]})
        );
        let ignoring = with(mutations(mutation), json!({"failurePolicy": "Ignore"}));
        let outcome = Setting::new().mutating("p", ignoring).write(map(json!({"a": "x"})));
        assert_eq!(outcome.admitted().get("data"), Some(&json!({"a": "x"})));
    }
}

#[test]
fn a_json_patch_to_what_no_object_holds_is_an_internal_error() {
    let text = "[JSONPatch{op: 'add', path: '/colour', value: 'red'}]";
    let status = Setting::new().mutating("p", mutations(json_patch(text))).write(map(json!({}))).refused();
    assert_eq!(status["code"], 500);
    assert!(status["message"].as_str().unwrap().contains("unknown field \"colour\""), "{status}");
}

#[test]
fn mutations_follow_one_another() {
    let first = configuration("Object{data: {'n': '1'}}").as_array().unwrap()[0].clone();
    let second = configuration("Object{data: {'n': object.data.n + '2'}}").as_array().unwrap()[0].clone();
    let setting = Setting::new()
        .mutating("a", mutations(json!([first, second])))
        .mutating("b", mutations(configuration("Object{data: {'n': object.data.n + '3'}}")));
    assert_eq!(setting.write(map(json!({}))).admitted().get("data"), Some(&json!({"n": "123"})));
}

#[test]
fn g003_policies_see_what_was_changed_after_them_if_they_ask_for_it() {
    let count = "Object{data: {'seen': (has(object.data.late) ? 'late' : 'early')}}";
    let late = "Object{data: {'late': 'yes'}}";
    for (policy, seen) in [("Never", "early"), ("IfNeeded", "late")] {
        let first = json!({"mutations": configuration(count), "reinvocationPolicy": policy});
        let setting = Setting::new().mutating("a", first).mutating("b", mutations(configuration(late)));
        let outcome = setting.write(map(json!({})));
        assert_eq!(outcome.admitted().str_at(&["data", "seen"]), seen, "{policy}");
    }
}

#[test]
fn g003_what_is_validated_is_what_policies_made() {
    let setting = Setting::new()
        .mutating("a", mutations(configuration("Object{data: {'bad': 'yes'}}")))
        .validating("v", validations(json!([{"expression": "!has(object.data.bad)"}])));
    assert!(setting.write(map(json!({}))).message().contains("ValidatingAdmissionPolicy 'v'"));
}

#[test]
fn conditions_keep_a_policy_from_running() {
    let spec = with(
        mutations(configuration("Object{data: {'b': 'y'}}")),
        json!({"matchConditions": [{"name": "c", "expression": "object.data.a == 'x'"}]}),
    );
    let setting = Setting::new().mutating("p", spec);
    assert_eq!(setting.write(map(json!({"a": "z"}))).admitted().get("data"), Some(&json!({"a": "z"})));
    assert_eq!(
        setting.write(map(json!({"a": "x"}))).admitted().get("data"),
        Some(&json!({"a": "x", "b": "y"}))
    );
    assert!(setting.write(map(json!({}))).message().contains("no such key: a"));
}

#[test]
fn variables_see_what_was_changed_before() {
    let first = configuration("Object{data: {'n': '1'}}").as_array().unwrap()[0].clone();
    let second = configuration("Object{data: {'n': variables.n + '2'}}").as_array().unwrap()[0].clone();
    let spec = with(
        mutations(json!([first, second])),
        json!({"variables": [{"name": "n", "expression": "object.data.n"}]}),
    );
    let setting = Setting::new().mutating("p", spec);
    assert_eq!(setting.write(map(json!({}))).admitted().get("data"), Some(&json!({"n": "12"})));
}

#[test]
fn deletions_are_not_mutated() {
    let mut setting = Setting::new().mutating("p", mutations(configuration("Object{colour: 'red'}")));
    setting.write =
        Write { operation: crate::Operation::Delete, old: Some(tree(map(json!({})))), ..setting.write };
    setting.write(map(json!({}))).admitted();
}
