//! Decoding against objects of every kind, and against arbitrary trees.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests, which may fail")]

use portcullis_api::{Map, Value};
use portcullis_schema::{
    FieldValidation, Kind, MediaType, decode_body, kind, kind_named, kinds, protobuf, row, yaml,
};
use proptest::prelude::*;

const MINIMAL: &str = include_str!("data/minimal.tsv");
const RECORDED: &str = include_str!("data/recorded.jsonl");

/// Fields of the minimal objects that no version of their kinds ever had.
const NEVER_THERE: [&str; 4] = [
    r#"unknown field "protocol""#,
    r#"unknown field "subjects[0].apiVersion""#,
    r#"unknown field "subjects[0].apiVersion""#,
    r#"unknown field "Value""#,
];

fn minimal() -> impl Iterator<Item = (&'static Kind, &'static str)> {
    MINIMAL.lines().map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        (kind(&row(cells[0], cells[1], cells[2]).unwrap().gvk).unwrap(), cells[3])
    })
}

#[track_caller]
fn assert_normal(kind: &Kind, tree: &Value) {
    let body = tree.to_string();
    let decoded = decode_body(kind, body.as_bytes(), MediaType::Json, FieldValidation::Strict).unwrap();
    assert_eq!(&Value::from(decoded.object), tree);
}

#[test]
fn every_minimal_object_becomes_normal_and_stays_so() {
    let mut problems = Vec::new();
    for (kind, body) in minimal() {
        let decoded = kind.decode(body.as_bytes(), FieldValidation::Strict).unwrap();
        problems.extend(decoded.problems);
        let mut again = decoded.object.clone();
        assert!(kind.normalize(&mut again, FieldValidation::Strict).unwrap().is_empty());
        assert_eq!(again, decoded.object, "{}", kind.kind());
        assert_normal(kind, &decoded.object.into());
    }
    assert_eq!(problems, NEVER_THERE);
}

#[test]
fn minimal_objects_keep_what_they_say() {
    for (kind, body) in minimal().filter(|(_, body)| !body.contains("\"apiVersion\":\"rbac")) {
        let given: Value = serde_json::from_str(body).unwrap();
        let decoded: Value = kind.decode(body.as_bytes(), FieldValidation::Ignore).unwrap().object.into();
        assert_within(&given, &decoded, kind.kind());
    }
}

/// Every scalar given is there, but for what is known to vanish or to change its text.
#[track_caller]
fn assert_within(given: &Value, decoded: &Value, at: &str) {
    match given {
        Value::Object(map) => {
            let known = map.iter().filter(|(name, _)| !matches!(name.as_str(), "protocol" | "Value"));
            known.for_each(|(name, value)| assert_within(value, &decoded[name], &format!("{at}.{name}")));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| assert_within(item, &decoded[i], &format!("{at}[{i}]")));
        }
        Value::Null | Value::Bool(false) => {}
        given => assert_eq!(given, decoded, "{at}"),
    }
}

#[test]
fn recorded_answers_are_in_normal_form() {
    for line in RECORDED.lines() {
        let tree: Value = serde_json::from_str(line).unwrap();
        let api_version = tree["apiVersion"].as_str().unwrap();
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        assert_normal(kind_named(group, version, tree["kind"].as_str().unwrap()).unwrap(), &tree);
    }
}

#[test]
fn yaml_and_json_say_the_same() {
    for line in RECORDED.lines() {
        let tree: Value = serde_json::from_str(line).unwrap();
        assert_eq!(yaml::read(yaml::to_string(&tree).as_bytes()).unwrap().value, tree);
    }
}

/// Trees made of names the kinds know, so that many of them get somewhere.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("whole", |value| value.fract() != 0.0)
            .prop_map(|value| serde_json::json!(value)),
        prop_oneof![
            "[a-z0-9.]{0,6}",
            "\\PC{0,6}",
            Just("100m".to_owned()),
            Just("2020-01-01T00:00:00Z".to_owned())
        ]
        .prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "metadata",
        "spec",
        "status",
        "template",
        "containers",
        "name",
        "labels",
        "data",
        "rules",
        "ports",
        "conditions",
        "lastTransitionTime",
        "resources",
        "limits",
        "cpu",
        "targetPort",
        "schema",
        "openAPIV3Schema",
        "properties",
        "additionalProperties",
        "items",
        "versions",
        "selector",
        "volumes",
        "hostPath",
        "managedFields",
        "fieldsV1",
        "other",
    ]);
    leaf.prop_recursive(8, 64, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((name.clone(), inner), 0..6).prop_map(|members| {
                Value::Object(
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>(),
                )
            }),
        ]
    })
}

/// What protobuf can tell: an empty list is as one that is not there.
fn told(value: &Value) -> Value {
    let is_empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    match value {
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), told(value)));
            Value::Object(members.filter(|(_, value)| !is_empty(value)).collect())
        }
        Value::Array(items) => items.iter().map(told).collect(),
        other => other.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_decodes_is_normal(tree in tree(), which in any::<prop::sample::Index>()) {
        let all: Vec<_> = kinds().collect();
        let kind = which.get(&all);
        if let Ok(decoded) = kind.decode(tree.to_string().as_bytes(), FieldValidation::Warn) {
            let mut again = decoded.object.clone();
            let problems = kind.normalize(&mut again, FieldValidation::Strict).unwrap();
            prop_assert!(problems.is_empty());
            prop_assert_eq!(&again, &decoded.object);
            let bytes = protobuf::encode(kind, again.map()).unwrap();
            let returned = kind.decode_protobuf(&bytes, FieldValidation::Strict).unwrap();
            prop_assert_eq!(told(&returned.object.into()), told(&again.into()));
        }
    }

    #[test]
    fn whatever_is_written_as_yaml_is_read_again(tree in tree()) {
        let text = yaml::to_string(&tree);
        prop_assert_eq!(yaml::read(text.as_bytes()).unwrap().value, tree, "{}", text);
    }
}
