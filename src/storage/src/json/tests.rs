use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Revision;

fn spliced(stored: &str) -> String {
    let object = Object::parse(stored.as_bytes()).unwrap();
    String::from_utf8(object.splice(Revision(42)).body).unwrap()
}

#[test]
fn the_revision_follows_the_uid() {
    let stored =
        r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","uid":"u-1","labels":{}},"spec":{}}"#;
    let served = r#"{"metadata":{"name":"a","uid":"u-1","resourceVersion":"42","labels":{}},"spec":{}}"#;
    assert_eq!(spliced(stored), served);
    let result = Object::parse(stored.as_bytes()).unwrap().splice(Revision(42));
    assert_eq!(&result.body[result.uid], b"u-1");
    assert_eq!(&result.body[result.revision], b"42");
}

#[test]
fn metadata_without_uid_starts_with_the_revision() {
    let stored = r#"{"apiVersion":"v1","kind":"Pod","metadata":{}}"#;
    assert_eq!(spliced(stored), r#"{"metadata":{"resourceVersion":"42"}}"#);
    let stored = r#" { "kind" : "Pod", "metadata" : { "name" : "a" } , "apiVersion":"v1" } "#;
    assert_eq!(spliced(stored), r#"{"metadata":{"resourceVersion":"42","name" : "a"}}"#);
}

#[test]
fn a_stored_revision_is_replaced() {
    let stored = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"resourceVersion":"7","uid":"u"}}"#;
    assert_eq!(spliced(stored), r#"{"metadata":{"uid":"u","resourceVersion":"42"}}"#);
}

#[test]
fn what_is_no_object_is_refused() {
    let cases = [
        ("", JsonError::NotAnObject),
        ("[]", JsonError::NotAnObject),
        ("{", JsonError::NotAnObject),
        (r#"{"apiVersion":"v1","kind":"Pod"}"#, JsonError::NoMetadata),
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":7}"#, JsonError::NoMetadata),
        (r#"{"metadata":{}}"#, JsonError::NoTypeMeta),
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":{}} x"#, JsonError::NotAnObject),
        (r#"{"apiVersion":"v1","kind":"Pod","metadata":{"a":"b}}"#, JsonError::NotAnObject),
    ];
    for (stored, expected) in cases {
        assert_eq!(Object::parse(stored.as_bytes()).err(), Some(expected), "{stored}");
    }
}

#[test]
fn views_find_values() {
    let bytes = br#"{"a":{"b":[1,{"c":"x\"\u00e9y"},null]},"t":true,"n":-1.5}"#;
    let view = View::new(bytes).unwrap();
    let elements: Vec<_> = view.at(&["a", "b"]).unwrap().elements().collect();
    assert_eq!(elements.len(), 3);
    assert_eq!(elements[1].get("c").unwrap().str(), Some(Cow::Borrowed("x\"\u{e9}y")));
    assert_eq!(elements[2].scalar(), None);
    assert_eq!(view.get("t").unwrap().scalar().as_deref(), Some("true"));
    assert_eq!(view.get("n").unwrap().scalar().as_deref(), Some("-1.5"));
    assert_eq!(view.get("t").unwrap().str(), None);
    assert_eq!(view.at(&["a", "x"]), None);
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", r#"[\\"{}\[\]:, \u{0}-\u{1f}é]{0,6}"#, any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn splicing_changes_nothing_else(
        metadata in prop::collection::btree_map(text(), value(), 0..4),
        uid in prop::option::of("[a-f0-9-]{1,36}"),
        rest in prop::collection::btree_map(text(), value(), 0..4),
        pretty in any::<bool>(),
        revision in any::<u64>(),
    ) {
        let mut metadata: serde_json::Map<_, _> = metadata.into_iter().collect();
        if let Some(uid) = &uid {
            metadata.insert("uid".into(), json!(uid));
        }
        let mut served: serde_json::Map<_, _> = rest.into_iter().collect();
        served.insert("metadata".into(), Value::Object(metadata));
        served.remove("apiVersion");
        served.remove("kind");
        let mut stored = served.clone();
        stored.insert("apiVersion".into(), json!("g/v1"));
        stored.insert("kind".into(), json!("K"));
        served["metadata"]["resourceVersion"] = json!(revision.to_string());
        let bytes = if pretty { serde_json::to_vec_pretty(&stored) } else { serde_json::to_vec(&stored) };
        let bytes = bytes.unwrap();

        let object = Object::parse(&bytes).unwrap();
        prop_assert_eq!(object.api_version.str().unwrap(), "g/v1");
        prop_assert_eq!(object.kind.str().unwrap(), "K");
        let result = object.splice(Revision(revision));
        let parsed: Value = serde_json::from_slice(&result.body).unwrap();
        prop_assert_eq!(&parsed, &Value::Object(served));
        let digits = revision.to_string();
        prop_assert_eq!(&result.body[result.revision], digits.as_bytes());
        prop_assert_eq!(std::str::from_utf8(&result.body[result.uid]).unwrap(), uid.unwrap_or_default());
    }

    #[test]
    fn views_agree_with_a_parser(value in value()) {
        let bytes = serde_json::to_vec(&value).unwrap();
        let view = View::new(&bytes).unwrap();
        prop_assert_eq!(view.raw(), &bytes[..]);
        let text = view.str();
        prop_assert_eq!(text.as_deref(), value.as_str());
        for (name, member) in value.as_object().into_iter().flatten() {
            prop_assert_eq!(view.get(name).unwrap().raw(), serde_json::to_vec(member).unwrap());
        }
        let elements = value.as_array().map_or(0, Vec::len);
        prop_assert_eq!(view.elements().count(), elements);
    }

    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        look(&bytes);
    }

    #[test]
    fn any_brackets_are_safe(text in r#"[{}\[\]":,\\a0 ]{0,60}"#) {
        look(text.as_bytes());
        look(format!(r#"{{"apiVersion":"v1","kind":"K","metadata":{{"uid":{text}}},"x":{text}}}"#).as_bytes());
    }

    #[test]
    fn a_damaged_object_is_safe(at in 0..90_usize, byte in any::<u8>()) {
        let mut stored = br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a\"b","uid":"u-1","labels":{"a":"b"}}}"#.to_vec();
        stored[at] = byte;
        look(&stored);
    }
}

fn look(bytes: &[u8]) {
    if let Ok(object) = Object::parse(bytes) {
        let result = object.splice(Revision(7));
        assert_eq!(&result.body[result.revision], b"7");
        let _ = result.body.get(result.uid).expect("the uid is inside the body");
        if serde_json::from_slice::<Value>(bytes).is_ok() {
            serde_json::from_slice::<Value>(&result.body).expect("what was JSON stays JSON");
        }
    }
    if let Some(view) = View::new(bytes) {
        let _ = (view.str(), view.scalar(), view.get("a"));
        assert!(view.members().count() + view.elements().count() <= bytes.len());
    }
}
