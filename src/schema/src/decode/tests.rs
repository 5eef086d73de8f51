use serde_json::json;

use super::*;
use crate::kind::kind_named;

fn of(group: &str, version: &str, kind: &str) -> &'static Kind {
    kind_named(group, version, kind).unwrap()
}

fn config_map() -> &'static Kind {
    of("", "v1", "ConfigMap")
}

fn refused(kind: &Kind, body: &str) -> String {
    let error = decode_body(kind, body.as_bytes(), MediaType::Json, FieldValidation::Strict).unwrap_err();
    error.message().to_owned()
}

fn tree(kind: &Kind, body: &Value) -> Value {
    kind.decode(body.to_string().as_bytes(), FieldValidation::Warn).unwrap().object.into()
}

#[test]
fn objects_come_out_in_normal_form() {
    let body = json!({
        "metadata": {"name": "p", "labels": {}, "creationTimestamp": null},
        "spec": {"containers": [{"name": "c", "image": "", "ports": [{"containerPort": 80, "hostPort": 0}]}], "oops": 1},
    });
    let expected = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}], "resources": {}}]},
    });
    assert_eq!(tree(of("", "v1", "Pod"), &body), expected);
}

#[test]
fn an_empty_list_that_was_sent_stays_until_it_is_stored() {
    let role = of("rbac.authorization.k8s.io", "v1", "Role");
    let mut object = role.decode(br#"{"rules": []}"#, FieldValidation::Warn).unwrap().object;
    assert_eq!(object.get("rules"), Some(&json!([])));
    role.forget_empties(&mut object);
    assert_eq!(object.get("rules"), Some(&json!(null)));
}

#[test]
fn the_kind_of_an_object_within_another_is_of_an_inlined_struct() {
    let set = of("apps", "v1", "StatefulSet");
    let body = br#"{"spec": {"volumeClaimTemplates": [{"kind": 5}]}}"#;
    let refused = set.decode(body, FieldValidation::Warn).unwrap_err();
    assert_eq!(
        refused.message(),
        "json: cannot unmarshal number into Go struct field \
         PersistentVolumeClaim.spec.volumeClaimTemplates.TypeMeta.kind of type string"
    );
}

#[test]
fn an_empty_list_that_is_a_mistake_is_seen_as_such() {
    let scaler =
        json!({"spec": {"behavior": {"scaleDown": {"policies": []}, "scaleUp": {"policies": null}}}});
    let behavior = &tree(of("autoscaling", "v2", "HorizontalPodAutoscaler"), &scaler)["spec"]["behavior"];
    assert_eq!(behavior, &json!({"scaleDown": {"policies": []}, "scaleUp": {}}));
    let debugger = json!({"name": "d", "ports": [], "resizePolicy": [], "env": []});
    let pod = tree(of("", "v1", "Pod"), &json!({"spec": {"ephemeralContainers": [debugger]}}));
    let seen = &pod["spec"]["ephemeralContainers"][0];
    assert_eq!((&seen["ports"], &seen["resizePolicy"], seen.get("env")), (&json!([]), &json!([]), None));
}

#[test]
fn zeros_that_go_writes_are_written() {
    let event = tree(of("", "v1", "Event"), &json!({"metadata": {}}));
    assert_eq!(event["eventTime"], json!(null));
    assert_eq!(event["firstTimestamp"], json!(null));
    assert_eq!((&event["source"], &event["reportingComponent"]), (&json!({}), &json!("")));
    let role = tree(of("rbac.authorization.k8s.io", "v1", "Role"), &json!({}));
    assert_eq!(role["rules"], json!(null));
    let service = tree(of("", "v1", "Service"), &json!({"spec": {"ports": [{"port": 1}]}}));
    assert_eq!(service["spec"]["ports"], json!([{"port": 1, "targetPort": 0}]));
}

#[test]
fn special_values_are_canonical() {
    let pod = json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": 0.5, "memory": "1024Ki"}}}]}});
    let limits = &tree(of("", "v1", "Pod"), &pod)["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!(limits, &json!({"cpu": "500m", "memory": "1Mi"}));
    let lease = json!({"spec": {"renewTime": "2020-01-01T01:00:00.000001+01:00"}});
    let lease = tree(of("coordination.k8s.io", "v1", "Lease"), &lease);
    assert_eq!(lease["spec"]["renewTime"], "2020-01-01T00:00:00.000001Z");
}

#[test]
fn schemas_may_be_something_simpler() {
    let props = json!({"type": "object", "properties": {"a": {"items": {"type": "string"}, "type": "array"},
        "b": {"additionalProperties": true, "default": {"x": [1, null]}}}, "additionalProperties": {"type": "string", "nope": 1}});
    let body = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": props}}]}});
    let decoded = of("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
        .decode(body.to_string().as_bytes(), FieldValidation::Strict)
        .unwrap();
    assert_eq!(decoded.problems, Vec::<String>::new(), "what Go decodes apart is not strict");
    let schema = &decoded.object.map()["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut expected = props.clone();
    expected["additionalProperties"] = json!({"type": "string"});
    assert_eq!(schema, &expected);
}

#[test]
fn strict_problems_are_listed_in_order() {
    let body = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"d","oops":{"x":1}},"data":{"a":"1","a":"2"},"surprise":1,"kind":"ConfigMap"}"#;
    let decoded = config_map().decode(body.as_bytes(), FieldValidation::Warn).unwrap();
    let expected = [
        r#"unknown field "metadata.oops""#,
        r#"duplicate field "data.a""#,
        r#"unknown field "surprise""#,
        r#"duplicate field "kind""#,
    ];
    assert_eq!(decoded.problems, expected);
    assert_eq!(decoded.object.map()["data"], json!({"a": "2"}));
    let message = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: ";
    assert_eq!(refused(config_map(), body), format!("{message}{}", expected.join(", ")));
    assert!(config_map().decode(body.as_bytes(), FieldValidation::Ignore).unwrap().problems.is_empty());
    let pod = r#"{"spec":{"containers":[{"name":"c"},{"name":"d","ports":[{"port":1}]}]}}"#;
    assert!(
        refused(of("", "v1", "Pod"), pod).ends_with(r#"unknown field "spec.containers[1].ports[0].port""#)
    );
}

#[test]
fn type_errors_have_gos_words() {
    let prefix = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal ";
    for (body, words) in [
        (r#"{"metadata":{"name":5}}"#, "number into Go struct field ObjectMeta.metadata.name of type string"),
        (r#"{"data":{"a":1}}"#, "number into Go struct field ConfigMap.data of type string"),
        (r#"{"data":[]}"#, "array into Go struct field ConfigMap.data of type map[string]string"),
        (
            r#"{"metadata":{"labels":{"a":true}}}"#,
            "bool into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (r#"{"metadata":[]}"#, "array into Go struct field ConfigMap.metadata of type v1.ObjectMeta"),
        (
            r#"{"metadata":{"creationTimestamp":5}}"#,
            "number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            r#"{"metadata":{"generation":1.0}}"#,
            "number 1.0 into Go struct field ObjectMeta.metadata.generation of type int64",
        ),
    ] {
        assert_eq!(refused(config_map(), body), format!("{prefix}{words}"));
    }
    let pod = of("", "v1", "Pod");
    let message = refused(pod, r#"{"spec":{"volumes":[{"name":"v","hostPath":{"path":1}}]}}"#);
    let words = "number into Go struct field HostPathVolumeSource.spec.volumes.VolumeSource.hostPath.path of type string";
    assert!(message.ends_with(words), "{message}");
    let message =
        refused(pod, r#"{"spec":{"containers":[{"name":"c","resources":{"limits":{"memory":"1Zi"}}}]}}"#);
    assert!(
        message.starts_with(r#"Pod in version "v1" cannot be handled as a Pod: quantities must match"#),
        "{message}"
    );
}

#[test]
fn what_a_body_is_is_checked() {
    let kind = of("", "v1", "PodTemplate");
    let unrecognized = "the object provided is unrecognized (must be of type PodTemplate): ";
    let scheme = r#"in scheme "pkg/api/legacyscheme/scheme.go:30""#;
    let parse = "couldn't get version/kind; json parse error:";
    let holder = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
    for (body, words) in [
        ("{", format!("{unrecognized}{parse} unexpected end of JSON input ({{)")),
        ("", format!("{unrecognized}{parse} unexpected end of JSON input (<empty>)")),
        ("[]", format!("{unrecognized}{parse} json: cannot unmarshal array into Go value of type {holder} (5b5d)")),
        (
            r#"{"kind":1}"#,
            format!("{unrecognized}{parse} json: cannot unmarshal number into Go struct field .kind of type string ({{\"kind\":1}})"),
        ),
        (
            r#"{"apiVersion":"v1","kind":"Wrong"}"#,
            format!(r#"Wrong in version "v1" cannot be handled as a PodTemplate: no kind "Wrong" is registered for version "v1" {scheme}"#),
        ),
        (
            r#"{"apiVersion":"v9","kind":"PodTemplate","spec":1}"#,
            format!(r#"PodTemplate in version "v9" cannot be handled as a PodTemplate: no kind "PodTemplate" is registered for version "v9" {scheme}"#),
        ),
        (
            r#"{"apiVersion":"v1","kind":"Secret"}"#,
            r#"Secret in version "v1" cannot be handled as a PodTemplate: converting (v1.Secret) to (core.PodTemplate): unknown conversion"#.to_owned(),
        ),
        (r#"{"apiVersion":"a/b/c"}"#, format!("{unrecognized}unexpected GroupVersion string: a/b/c ({{\"apiVersion\":\"a/b/c\"}})")),
    ] {
        assert_eq!(refused(kind, body), words);
    }
    let deployment = r#"{"apiVersion":"extensions/v1beta1","kind":"Deployment"}"#;
    let words =
        "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)";
    assert_eq!(refused(of("apps", "v1", "Deployment"), deployment), words);
}

#[test]
fn a_refused_value_does_not_hide_a_worse_mistake() {
    let pod = of("", "v1", "Pod");
    let bad = r#"{"metadata":{"creationTimestamp":"x"},"kind":"#;
    assert!(refused(pod, bad).contains("unexpected end of JSON input"));
    assert!(refused(pod, &format!("{bad}\"Nope\"}}")).contains("no kind \"Nope\""));
}

#[test]
fn null_is_an_empty_object() {
    assert_eq!(
        tree(config_map(), &json!(null)),
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    );
}

#[test]
fn yaml_bodies_are_read() {
    let yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y\ndata:\n  a: \"1\"\n";
    let error = decode_body(config_map(), yaml, MediaType::Yaml, FieldValidation::Warn).unwrap_err();
    let words = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal bool into Go struct \
        field ObjectMeta.metadata.name of type string";
    assert_eq!(error.message(), words);
    let error = decode_body(config_map(), b"a: b: c", MediaType::Yaml, FieldValidation::Warn).unwrap_err();
    let words = "the object provided is unrecognized (must be of type ConfigMap): \
        yaml: mapping values are not allowed in this context (613a20623a2063)";
    assert_eq!(error.message(), words);
    let twice = decode_body(config_map(), b"data: {a: x, a: z}", MediaType::Yaml, FieldValidation::Strict)
        .unwrap_err();
    assert!(twice.message().ends_with("yaml: unmarshal errors:\n  line 1: key \"a\" already set in map"));
}

#[test]
fn bytes_are_base64() {
    let secret = of("", "v1", "Secret");
    assert_eq!(
        tree(secret, &json!({"data": {"a": "eA==", "b": null, "c": "e\nA=="}}))["data"],
        json!({"a": "eA==", "b": "", "c": "eA=="})
    );
    assert!(refused(secret, r#"{"data":{"a":"x$yz"}}"#).ends_with("illegal base64 data at input byte 1"));
    assert!(refused(secret, r#"{"data":{"a":"eA="}}"#).ends_with("illegal base64 data at input byte 3"));
}

#[test]
fn f003_nesting_is_bounded_everywhere() {
    let small_stack = std::thread::Builder::new().stack_size(2 << 20);
    let run = small_stack.spawn(|| {
        for depth in [100, 255, 9_999, 1_000_000] {
            for body in [
                format!(r#"{{"oops":{}{}}}"#, "[".repeat(depth), "]".repeat(depth)),
                format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth)),
                "[".repeat(depth),
            ] {
                let decoded = config_map().decode(body.as_bytes(), FieldValidation::Warn);
                assert_eq!(decoded.is_ok(), depth < MAX_DEPTH && body.ends_with('}'), "{depth}");
            }
        }
        let schema = r#"{"not":"#.repeat(100) + "{}" + &"}".repeat(100);
        let body = format!(r#"{{"spec":{{"versions":[{{"schema":{{"openAPIV3Schema":{schema}}}}}]}}}}"#);
        let decoded = of("apiextensions.k8s.io", "v1", "CustomResourceDefinition")
            .decode(body.as_bytes(), FieldValidation::Strict);
        assert!(decoded.is_ok());
    });
    run.unwrap().join().unwrap();
}

#[test]
fn f016_numbers_never_wrap_or_lose_precision() {
    let deployment = of("apps", "v1", "Deployment");
    for number in ["1E2", "1.0", "2147483648", "-2147483649", "9223372036854775808", "1e400"] {
        let message = refused(deployment, &format!(r#"{{"spec":{{"replicas":{number}}}}}"#));
        let words = format!(
            "cannot unmarshal number {number} into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert!(message.ends_with(&words), "{message}");
    }
    let generation = r#"{"metadata":{"generation":9007199254740993}}"#;
    let decoded = deployment.decode(generation.as_bytes(), FieldValidation::Strict).unwrap();
    assert_eq!(decoded.object.generation(), 9_007_199_254_740_993);
    for bad in ["NaN", "Infinity", "0x10", "0777"] {
        assert!(
            refused(deployment, &format!(r#"{{"spec":{{"replicas":{bad}}}}}"#)).contains("invalid character")
        );
    }
}

#[test]
fn f018_stored_text_is_valid_utf8() {
    let body = b"{\"data\":{\"a\":\"x\xff\xe2\x82y\\ud800\"}}";
    let decoded = config_map().decode(body, FieldValidation::Strict).unwrap();
    assert_eq!(decoded.object.map()["data"]["a"], "x\u{fffd}\u{fffd}\u{fffd}y\u{fffd}");
}

#[test]
fn normalizing_is_decoding() {
    let mut object = Object::new(
        json!({"metadata": {"name": null, "x": 1}, "data": {"a": null}}).as_object().unwrap().clone(),
    );
    let problems = config_map().normalize(&mut object, FieldValidation::Strict).unwrap();
    assert_eq!(problems, [r#"unknown field "metadata.x""#]);
    let expected = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, "data": {"a": ""}});
    assert_eq!(Value::from(object), expected);
}

#[test]
fn untyped_bodies_tell_duplicates() {
    let body = br#"{"apiVersion":"x/v1","spec":{"a":[{"b":1,"b":2}]}}"#;
    let untyped = decode_untyped(body, MediaType::Json).unwrap();
    assert_eq!(untyped.problems, [r#"duplicate field "spec.a[0].b""#]);
    assert!(
        decode_untyped(b"{", MediaType::Json).unwrap_err().message().contains("unexpected end of JSON input")
    );
}

#[test]
fn options_may_come_from_any_group() {
    let options = of("", "v1", "DeleteOptions");
    for api_version in ["v1", "policy/v1", "meta.k8s.io/v1"] {
        let body =
            format!(r#"{{"kind":"DeleteOptions","apiVersion":"{api_version}","gracePeriodSeconds":0}}"#);
        let decoded = options.decode(body.as_bytes(), FieldValidation::Strict).unwrap();
        assert_eq!(decoded.object.map()["gracePeriodSeconds"], 0);
    }
    let config_map = r#"{"kind":"ConfigMap","apiVersion":"v1"}"#;
    assert!(options.decode(config_map.as_bytes(), FieldValidation::Ignore).is_err());
}

#[test]
fn numbers_of_any_json_are_gos_or_verbatim() {
    let untyped = decode_untyped(br#"{"a":[1.0,1e2,2.5,18446744073709551615]}"#, MediaType::Json).unwrap();
    assert_eq!(untyped.value, json!({"a": [1, 100, 2.5, 18_446_744_073_709_551_615_u64]}));
    let revision = json!({"data": {"x": 1.0}});
    assert_eq!(tree(of("apps", "v1", "ControllerRevision"), &revision)["data"]["x"], json!(1.0));
    assert!(decode_untyped(br#"{"a":1e400}"#, MediaType::Json).is_err());
}
