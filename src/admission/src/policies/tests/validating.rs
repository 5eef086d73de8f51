use super::*;

#[test]
fn a_failed_validation_refuses_in_upstreams_words() {
    let setting = Setting::new().validating(
        "p",
        validations(json!([
            {"expression": "object.data.a == 'x'"},
            {"expression": "object.data.b == 'y'", "message": "b must be y", "reason": "Forbidden"},
        ])),
    );
    setting.write(map(json!({"a": "x", "b": "y"}))).admitted();
    let why = "ValidatingAdmissionPolicy 'p' with binding 'p-b' denied request: failed expression: object.data.a == 'x'";
    assert_eq!(
        setting.write(map(json!({"a": "z", "b": "z"}))).refused(),
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!("configmaps \"cm\" is forbidden: {why}"),
            "reason": "Invalid",
            "details": {"name": "cm", "kind": "configmaps", "causes": [{"message": why}]},
            "code": 422,
        })
    );
    let other = setting.write(map(json!({"a": "x", "b": "z"}))).refused();
    assert_eq!((&other["reason"], &other["code"]), (&json!("Forbidden"), &json!(403)));
    assert!(other["message"].as_str().unwrap().ends_with("denied request: b must be y"));
}

#[test]
fn messages_are_computed_and_those_that_cannot_be_used_are_not() {
    for (expression, words) in [
        ("'got ' + object.data.a", "got z"),
        ("'  '", "written"),
        ("'a\\nb'", "written"),
        ("object.data.missing", "written"),
        ("string(object.data.a).replace('z', 'y')", "y"),
    ] {
        let rule = json!({"expression": "object.data.a == 'x'", "message": " written ", "messageExpression": expression});
        let setting = Setting::new().validating("p", validations(json!([rule])));
        let message = setting.write(map(json!({"a": "z"}))).message();
        assert!(message.ends_with(&format!("denied request: {words}")), "{expression}: {message}");
    }
}

#[test]
fn g010_an_expression_that_fails_follows_the_failure_policy() {
    for (expression, words) in [
        (
            "object.data.missing == 'x'",
            "expression 'object.data.missing == 'x'' resulted in error: no such key: missing",
        ),
        (
            "1 +",
            "compilation error: compilation failed: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>'",
        ),
        (
            "[1].all(x, lists.range(1000000).all(y, y >= 0))",
            "operation cancelled: actual cost limit exceeded",
        ),
    ] {
        let rule = json!([{ "expression": expression }]);
        let fails = Setting::new().validating("p", validations(rule.clone()));
        let message = fails.write(map(json!({}))).message();
        assert!(message.contains(words), "{expression}: {message}");
        let spec = json!({"validations": rule, "failurePolicy": "Ignore"});
        Setting::new().validating("p", spec).write(map(json!({}))).admitted();
    }
}

#[test]
fn e091_conditions_decide_before_anything_is_evaluated() {
    let rule = json!([{"expression": "false"}]);
    let spec = |conditions: Value, policy: &str| json!({"validations": rule, "matchConditions": conditions, "failurePolicy": policy});
    let condition = |expression: &str| json!([{"name": "c", "expression": expression}]);
    Setting::new().validating("p", spec(condition("false"), "Fail")).write(map(json!({}))).admitted();
    let hit = Setting::new().validating("p", spec(condition("request.name == 'cm'"), "Fail"));
    assert!(hit.write(map(json!({}))).message().contains("failed expression: false"));
    let broken =
        Setting::new().validating("p", spec(condition("request.userInfo.extra['k'][0] == 'v'"), "Fail"));
    let message = broken.write(map(json!({}))).message();
    assert!(message.contains("no such key: extra"), "{message}");
    Setting::new()
        .validating("p", spec(condition("object.x == 1"), "Ignore"))
        .write(map(json!({})))
        .admitted();
    let mut both = condition("object.x == 1");
    both.as_array_mut().unwrap().push(json!({"name": "d", "expression": "false"}));
    Setting::new().validating("p", spec(both, "Fail")).write(map(json!({}))).admitted();
}

#[test]
fn variables_are_computed_once_and_when_they_are_asked_for() {
    let spec = json!({
        "variables": [
            {"name": "a", "expression": "object.data.a"},
            {"name": "twice", "expression": "variables.a + variables.a"},
            {"name": "broken", "expression": "object.data.missing"},
        ],
        "validations": [
            {"expression": "variables.twice == 'xx'", "messageExpression": "'twice is ' + string(variables.twice)"},
            {"expression": "has(variables.a) && variables.?a.hasValue()"},
        ],
    });
    let setting = Setting::new().validating("p", spec.clone());
    setting.write(map(json!({"a": "x"}))).admitted();
    assert!(setting.write(map(json!({"a": "y"}))).message().ends_with("denied request: twice is yy"));
    let broken = with(spec, validations(json!([{"expression": "variables.broken == 'x'"}])));
    let message = Setting::new().validating("p", broken).write(map(json!({"a": "x"}))).message();
    assert!(
        message.contains("composited variable \"broken\" fails to evaluate: no such key: missing"),
        "{message}"
    );
}

#[test]
fn j022_variables_that_refer_to_each_other_without_end_are_refused() {
    let deep = |count: usize| {
        let mut list = vec![json!({"name": "v0", "expression": "1"})];
        for at in 1..count {
            list.push(
                json!({"name": format!("v{at}"), "expression": format!("((variables.v{} + 1) * 1)", at - 1)}),
            );
        }
        let last = format!("variables.v{} > 0", count - 1);
        json!({"variables": list, "validations": [{"expression": last}]})
    };
    Setting::new().validating("p", deep(40)).write(map(json!({}))).admitted();
    let message = Setting::new().validating("p", deep(600)).write(map(json!({}))).message();
    assert!(message.contains("fails to compile"), "{message}");
    let many: Vec<Value> =
        (0..1_001).map(|at| json!({"name": format!("v{at}"), "expression": "1"})).collect();
    let last = json!({"variables": many, "validations": [{"expression": "variables.v1000 == 1"}]});
    let message = Setting::new().validating("p", last).write(map(json!({}))).message();
    assert!(message.contains("a policy has at most 1000 variables"), "{message}");
    let itself = json!({
        "variables": [{"name": "a", "expression": "1"}, {"name": "a", "expression": "variables.a + dyn(variables).a"}],
        "validations": [{"expression": "variables.a == 2"}],
    });
    Setting::new().validating("p", itself).write(map(json!({}))).admitted();
}

#[test]
fn g010_what_variables_cost_is_part_of_the_budget() {
    let variables: Vec<Value> = (0..80)
        .map(|at| json!({"name": format!("v{at}"), "expression": "lists.range(30000).all(x, x >= 0)"}))
        .collect();
    let uses: Vec<String> = (0..80).map(|at| format!("variables.v{at}")).collect();
    let spec = json!({"variables": variables, "validations": [{"expression": uses.join(" && ")}]});
    let message = Setting::new().validating("p", spec).write(map(json!({}))).message();
    assert!(
        message.ends_with("running out of cost budget, no further validation rules will be run"),
        "{message}"
    );
}

#[test]
fn the_request_the_namespace_and_the_authorizer_can_be_asked() {
    let setting = Setting::new().validating(
        "p",
        validations(json!([
            {"expression": "request.operation == 'CREATE' && request.resource.resource == 'configmaps'"},
            {"expression": "request.userInfo.username == 'alice' && oldObject == null && !request.dryRun"},
            {"expression": "namespaceObject.metadata.labels.team == 'red' && namespaceObject.status.phase == 'Active'"},
            {"expression": "!has(dyn(namespaceObject).metadata.managedFields)"},
            {"expression": "authorizer.group('').resource('secrets').name('s').check('get').allowed()"},
            {"expression": "!authorizer.requestResource.check('delete').allowed()"},
        ])),
    );
    let granted = Setting { cluster: Cluster::default(), ..setting };
    let message = granted.write(map(json!({}))).message();
    assert_eq!(message, "namespaces \"default\" not found");
    let again = Setting::new();
    let granted = Setting { cluster: again.cluster.granting("get secrets s"), ..granted };
    granted.write(map(json!({}))).admitted();
}

#[test]
fn actions_warn_and_audit_instead_of_refusing() {
    let spec = json!({"spec": with(rules(), json!({
        "validations": [{"expression": "true"}, {"expression": "false", "message": "no"}],
        "auditAnnotations": [
            {"key": "data", "valueExpression": "'a is ' + object.data.a"},
            {"key": "none", "valueExpression": "null"},
            {"key": "empty", "valueExpression": "' '"},
        ],
    }))});
    let binding = json!({"spec": {"policyName": "p", "validationActions": ["Warn", "Audit"]}});
    let setting = Setting::new().store(POLICY, "p", spec).store(BINDING, "b", binding);
    let outcome = setting.write(map(json!({"a": "x"})));
    outcome.admitted();
    assert_eq!(
        outcome.notes.take_warnings(),
        ["Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': no"]
    );
    let annotations: Vec<(String, String)> =
        outcome.notes.take_annotations().into_iter().map(|one| (one.key.into_owned(), one.value)).collect();
    let failure = "[{\"message\":\"no\",\"policy\":\"p\",\"binding\":\"b\",\"expressionIndex\":1,\
                   \"validationActions\":[\"Warn\",\"Audit\"]}]";
    assert_eq!(
        annotations,
        [
            ("validation.policy.admission.k8s.io/validation_failure".to_owned(), failure.to_owned()),
            ("p/data".to_owned(), "a is x".to_owned()),
        ]
    );
    // An annotation that cannot be computed refuses whatever the binding says.
    let message = setting.write(map(json!({}))).message();
    assert!(message.contains("'object.data.a'") || message.contains("no such key: a"), "{message}");
}

/// A policy with parameters and one binding.
fn with_params(kind: Value, reference: Value) -> Setting {
    let rule = json!([{"expression": "params == null || object.data.a == params.data.limit",
                       "messageExpression": "'limit is ' + string(params.data.limit)"}]);
    let policy = json!({"spec": with(rules(), json!({"paramKind": kind, "validations": rule}))});
    let binding = json!({"spec": {"policyName": "p", "validationActions": ["Deny"], "paramRef": reference}});
    let limit = |name: &str, namespace: &str, limit: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"limit": limit},
               "metadata": {"name": name, "namespace": namespace, "labels": {"limits": "yes"}}})
    };
    let setting = Setting::new().store(POLICY, "p", policy).store(BINDING, "b", binding);
    let cluster = Setting::new()
        .cluster
        .serving("", "ConfigMap", "configmaps", true)
        .serving("", "Node", "nodes", false)
        .with("configmaps", limit("one", "default", "x"))
        .with("configmaps", limit("two", "other", "y"));
    Setting { cluster, ..setting }
}

fn config_maps() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap"})
}

#[test]
fn g010_parameters_come_from_where_the_binding_says_and_nowhere_else() {
    let here = with_params(config_maps(), json!({"name": "one", "parameterNotFoundAction": "Deny"}));
    here.write(map(json!({"a": "x"}))).admitted();
    assert!(here.write(map(json!({"a": "y"}))).message().ends_with("denied request: limit is x"));
    let there = json!({"name": "two", "namespace": "other", "parameterNotFoundAction": "Deny"});
    with_params(config_maps(), there).write(map(json!({"a": "y"}))).admitted();
    let absent = |action: &str| json!({"name": "two", "parameterNotFoundAction": action});
    let denied = with_params(config_maps(), absent("Deny")).write(map(json!({"a": "y"}))).message();
    assert!(
        denied.ends_with(
            "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction"
        ),
        "{denied}"
    );
    with_params(config_maps(), absent("Allow")).write(map(json!({"a": "n"}))).admitted();
}

#[test]
fn every_selected_parameter_is_looked_at() {
    let labels = json!({"matchLabels": {"limits": "yes"}});
    let all = json!({"selector": labels, "parameterNotFoundAction": "Deny"});
    let setting = with_params(config_maps(), all);
    setting.write(map(json!({"a": "x"}))).admitted();
    let more = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"limit": "z"},
                      "metadata": {"name": "more", "namespace": "default", "labels": {"limits": "yes"}}});
    let setting = Setting { cluster: setting.cluster.with("configmaps", more), ..setting };
    assert!(setting.write(map(json!({"a": "x"}))).message().ends_with("limit is z"));
}

#[test]
fn g010_parameters_that_cannot_be_had_follow_the_failure_policy() {
    let named = json!({"name": "one", "parameterNotFoundAction": "Allow"});
    let unknown = json!({"apiVersion": "rules.example.com/v1", "kind": "Limit"});
    let message = with_params(unknown, named.clone()).write(map(json!({}))).message();
    assert!(
        message.ends_with(
            "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced \
             by paramKind: 'rules.example.com/v1, Kind=Limit'"
        ),
        "{message}"
    );
    let cluster_scoped = json!({"apiVersion": "v1", "kind": "Node"});
    let placed = json!({"name": "n", "namespace": "default", "parameterNotFoundAction": "Allow"});
    let message = with_params(cluster_scoped, placed).write(map(json!({}))).message();
    assert!(
        message.ends_with("paramRef.namespace must not be provided for a cluster-scoped `paramKind`"),
        "{message}"
    );
    let mut homeless = with_params(config_maps(), named);
    homeless.write = Write { namespace: "", resource: "nodes", kind: "Node", ..homeless.write };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    let message = homeless.write(node).message();
    assert!(
        message.ends_with(
            "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
        ),
        "{message}"
    );
}

#[test]
fn bindings_narrow_what_a_policy_is_about() {
    let rule = json!({"spec": with(rules(), validations(json!([{"expression": "false"}])))});
    let binding = |matches: Value| {
        let spec = json!({"policyName": "p", "validationActions": ["Deny"], "matchResources": matches});
        Setting::new().store(POLICY, "p", rule.clone()).store(BINDING, "b", json!({ "spec": spec }))
    };
    let selects = |labels: Value| json!({"namespaceSelector": {"matchLabels": labels}});
    binding(selects(json!({"team": "blue"}))).write(map(json!({}))).admitted();
    binding(selects(json!({"team": "red"}))).write(map(json!({}))).refused();
    let excluded = json!({"excludeResourceRules": [
        {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"], "resourceNames": ["cm"]}
    ]});
    binding(excluded).write(map(json!({}))).admitted();
}

#[test]
fn what_is_stored_is_in_force_and_what_is_removed_is_not() {
    let setting = Setting::new();
    assert!(crate::ValidatingStage::is_idle(&setting.policies));
    let setting = setting.validating("p", validations(json!([{"expression": "false"}])));
    setting.write(map(json!({}))).refused();
    let spec = json!({"metadata": {"name": "p"}, "spec": with(rules(), validations(json!([{"expression": "true"}])))});
    setting.policies.observe(POLICY, "p", Some(&tree(spec)));
    setting.write(map(json!({}))).admitted();
    setting.policies.observe(BINDING, "p-b", None);
    assert!(crate::ValidatingStage::is_idle(&setting.policies));
    let orphan = json!({"spec": {"policyName": "absent", "validationActions": ["Deny"]}});
    Setting::new().store(BINDING, "b", orphan).write(map(json!({}))).admitted();
}

#[test]
fn policies_cannot_keep_anybody_from_mending_them() {
    let mut setting = Setting::new().validating("p", validations(json!([{"expression": "false"}])));
    for resource in [POLICY, BINDING, MUTATING_POLICY, MUTATING_BINDING] {
        setting.write =
            Write { group: "admissionregistration.k8s.io", resource, namespace: "", ..Write::pod() };
        setting.write(json!({"metadata": {"name": "p"}})).admitted();
    }
    setting.write = Write {
        group: "admissionregistration.k8s.io",
        resource: "validatingwebhookconfigurations",
        ..Write::pod()
    };
    setting.write(json!({"metadata": {"name": "p"}})).refused();
}

#[test]
fn deletions_are_judged_by_what_goes() {
    let rule = json!([{"expression": "request.operation != 'DELETE' || (object == null && oldObject.data.a == 'x')"}]);
    let mut setting = Setting::new().validating("p", validations(rule));
    let old = |data: Value| Some(tree(map(data)));
    setting.write =
        Write { operation: crate::Operation::Delete, old: old(json!({"a": "x"})), ..setting.write };
    setting.write(map(json!({}))).admitted();
    setting.write.old = old(json!({"a": "y"}));
    setting.write(map(json!({}))).refused();
}
