use portcullis_api::{Map, Object, Value};
use serde_json::json;

use super::*;
use crate::decode::FieldValidation;
use crate::kind::{Kind, kind, kind_named};
use crate::rows::row;

const MINIMAL: &str = include_str!("../../tests/data/minimal.tsv");
const RECORDED: &str = include_str!("../../tests/data/recorded.jsonl");

/// As it is once it was stored.
fn normal(kind: &Kind, body: &str) -> Object {
    let mut object = kind.decode(body.as_bytes(), FieldValidation::Ignore).unwrap().object;
    kind.forget_empties(&mut object);
    object
}

#[track_caller]
fn assert_survives(kind: &Kind, object: &Object) {
    let bytes = encode(kind, object.map()).unwrap();
    let json = serde_json::to_vec(object.map()).unwrap();
    assert_eq!(encode_json(kind, &json).unwrap(), bytes);
    let decoded = kind.decode_protobuf(&bytes, FieldValidation::Strict).unwrap();
    assert_eq!(decoded.problems, Vec::<String>::new());
    assert_eq!(&decoded.object, object);
}

#[test]
fn every_kind_survives_the_way_there_and_back() {
    for line in MINIMAL.lines() {
        let cells: Vec<_> = line.split('\t').collect();
        let kind = kind(&row(cells[0], cells[1], cells[2]).unwrap().gvk).unwrap();
        assert_survives(kind, &normal(kind, cells[3]));
    }
    for line in RECORDED.lines() {
        let tree: Value = serde_json::from_str(line).unwrap();
        let api_version = tree["apiVersion"].as_str().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = kind_named(group, version, tree["kind"].as_str().unwrap()).unwrap();
        assert_survives(kind, &normal(kind, line));
    }
}

#[test]
fn rare_types_survive_too() {
    let crd = kind_named("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
    let props = json!({"type": "object", "default": {"a": [1, null]}, "maximum": 2.5, "enum": [1, "x"],
        "properties": {"a": {"items": {"type": "string"}}, "b": {"additionalProperties": false}, "c": {"items": [{"type": "a"}]}},
        "additionalProperties": {"type": "string"}, "dependencies": {"a": ["b"], "c": {"type": "x"}}});
    let body = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": props}}]}});
    assert_survives(crd, &normal(crd, &body.to_string()));
    let webhook = kind_named("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy").unwrap();
    let rules = json!([{"apiGroups": ["a"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["x"], "resourceNames": ["n"]}]);
    let body = json!({"spec": {"matchConstraints": {"resourceRules": rules}}});
    assert_survives(webhook, &normal(webhook, &body.to_string()));
    let csr = kind_named("certificates.k8s.io", "v1", "CertificateSigningRequest").unwrap();
    let body = json!({"spec": {"request": "eA==", "extra": {"k": ["a", "b"]}, "expirationSeconds": -1}});
    assert_survives(csr, &normal(csr, &body.to_string()));
}

#[test]
fn parts_of_a_second_before_1970_count_forward() {
    let event = kind_named("", "v1", "Event").unwrap();
    assert_survives(event, &normal(event, r#"{"eventTime":"1969-12-31T23:59:58.999999Z"}"#));
}

#[test]
fn a_schema_that_says_nothing_is_no_boolean() {
    let crd = kind_named("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
    let props = json!({"additionalProperties": {}, "properties": {"a": {"additionalItems": {}}}});
    let body = json!({"spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": props}}]}});
    assert_survives(crd, &normal(crd, &body.to_string()));
}

#[test]
fn bytes_are_what_upstream_reads() {
    let config_map = kind_named("", "v1", "ConfigMap").unwrap();
    let object = normal(config_map, r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#);
    // Upstream reads fields in any order; here they come in the order of their names.
    let data = b"\x12\x06\x0a\x01k\x12\x01v";
    let metadata = b"\x0a\x03\x0a\x01a";
    let type_meta = b"\x0a\x0f\x0a\x02v1\x12\x09ConfigMap";
    let expected = [MAGIC, type_meta, b"\x12\x0d", data, metadata, b"\x1a\x00\x22\x00"].concat();
    assert_eq!(encode(config_map, object.map()).unwrap(), expected);
    let event = encode_watch_event("ADDED", b"x");
    assert_eq!(event, b"\x00\x00\x00\x0c\x0a\x05ADDED\x12\x03\x0a\x01x");
}

#[test]
fn a_list_is_written_in_pieces() {
    let config_map = kind_named("", "v1", "ConfigMap").unwrap();
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "v".repeat(10_000)}}).to_string();
    let object = normal(config_map, &body);
    let json = serde_json::to_vec(object.map()).unwrap();
    let metadata = Map::from_iter([("resourceVersion".to_owned(), json!("7"))]);
    let mut list = ListWriter::new(config_map, &metadata).unwrap();
    for _ in 0..10 {
        list.push(object.map()).unwrap();
        list.push_json(&json).unwrap();
    }
    let pieces = list.finish();
    assert!(pieces.len() > 3, "{}", pieces.len());
    let bytes = pieces.concat();
    let mut envelope = wire::Reader::new(bytes.strip_prefix(MAGIC).unwrap());
    let Ok(Some((1, wire::Field::Bytes(type_meta)))) = envelope.next() else { panic!("no type") };
    assert_eq!(type_meta, b"\x0a\x02v1\x12\x0dConfigMapList");
    let Ok(Some((2, wire::Field::Bytes(message)))) = envelope.next() else { panic!("no list") };
    let (mut items, mut message) = (0, wire::Reader::new(message));
    assert!(matches!(message.next(), Ok(Some((1, wire::Field::Bytes(b"\x12\x017"))))));
    let own = encode(config_map, object.map()).unwrap();
    while let Some((number, wire::Field::Bytes(item))) = message.next().unwrap() {
        assert_eq!(number, 2);
        assert!(own.windows(item.len()).any(|bytes| bytes == item));
        items += 1;
    }
    assert_eq!(items, 20);
    assert!(matches!(envelope.next(), Ok(Some((3, wire::Field::Bytes(b""))))));
    assert!(matches!(envelope.next(), Ok(Some((4, wire::Field::Bytes(b""))))));
    assert!(matches!(envelope.next(), Ok(None)));
}

#[test]
fn what_is_of_another_type_is_an_error() {
    let pod = kind_named("", "v1", "Pod").unwrap();
    for broken in
        [r#"{"spec":[]}"#, r#"{"spec":{"containers":{}}}"#, r#"{"spec":{"priority":1.5}}"#, "{", "[]", "{} x"]
    {
        assert!(encode_json(pod, broken.as_bytes()).is_err(), "{broken}");
    }
    let deep = format!(r#"{{"spec":{}"#, "[".repeat(100_000));
    assert!(encode_json(pod, deep.as_bytes()).is_err());
}

#[test]
fn names_that_are_not_fields_are_left_out() {
    let pod = kind_named("", "v1", "Pod").unwrap();
    let plain = encode_json(pod, br#"{"metadata":{"name":"a"}}"#).unwrap();
    assert_eq!(encode_json(pod, br#"{"metadata":{"name":"a","x":{"y":[1]}},"z":null}"#).unwrap(), plain);
}

#[test]
fn what_is_no_message_is_refused() {
    let pod = kind_named("", "v1", "Pod").unwrap();
    let words = |body: &[u8]| pod.decode_protobuf(body, FieldValidation::Strict).unwrap_err().to_string();
    assert_eq!(words(b""), "empty data");
    assert_eq!(words(b"k8s\0"), "empty body");
    assert!(words(b"{}").contains("expected prefix [107 56 115 0]"));
    assert_eq!(words(b"k8s\0\x0a\xff"), "unexpected EOF");
    let config_map = kind_named("", "v1", "ConfigMap").unwrap();
    assert!(
        words(&encode(config_map, Object::default().map()).unwrap())
            .starts_with("converting (v1.ConfigMap) to (core.Pod)")
    );
    assert_eq!(words(b"k8s\0\x12\x02\x0a\xff"), "unexpected EOF");
}

#[test]
fn f003_nesting_is_bounded() {
    let crd = kind_named("apiextensions.k8s.io", "v1", "CustomResourceDefinition").unwrap();
    let mut schema = Vec::new();
    for _ in 0..20_000 {
        let mut writer = wire::Writer::default();
        writer.bytes(30, &schema);
        schema = writer.into_bytes();
        if schema.len() > 100_000 {
            break;
        }
    }
    let mut body = schema;
    for number in [1, 4, 7, 2] {
        let mut writer = wire::Writer::default();
        writer.bytes(number, &body);
        body = writer.into_bytes();
    }
    let mut envelope = wire::Writer::default();
    envelope.bytes(2, &body);
    let bytes = [MAGIC, &envelope.into_bytes()].concat();
    let _refused_or_pruned = crd.decode_protobuf(&bytes, FieldValidation::Ignore);
}
