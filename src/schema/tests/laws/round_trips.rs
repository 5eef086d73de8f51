//! Encodings and defaults: what is written is read again, and what is settled stays.

use portcullis_api::{Object, Value};
use portcullis_schema::types::Field;
use portcullis_schema::{FieldValidation, Kind, defaults, kinds, protobuf, yaml};
use proptest::prelude::*;

use super::generate::tree;
use super::tape::Tape;
use super::{any_kind, assert_same, choices, normal, object};

#[track_caller]
fn assert_survives_json(kind: &Kind, object: &Object) {
    let text = Value::from(object.clone()).to_string();
    let decoded = kind.decode(text.as_bytes(), FieldValidation::Strict).unwrap();
    assert_eq!(decoded.problems, Vec::<String>::new(), "{text}");
    assert_same(&decoded.object, object, "JSON");
    assert_normal(kind, object);
}

#[track_caller]
fn assert_normal(kind: &Kind, object: &Object) {
    let mut again = object.clone();
    assert_eq!(kind.normalize(&mut again, FieldValidation::Strict), Ok(Vec::new()));
    assert_same(&again, object, "normal form");
}

#[track_caller]
fn assert_survives_yaml(kind: &Kind, object: &Object) {
    let text = yaml::to_string(&object.clone().into());
    let decoded = kind.decode_yaml(text.as_bytes(), FieldValidation::Strict).unwrap();
    assert_eq!(decoded.problems, Vec::<String>::new(), "{text}");
    assert_same(&decoded.object, object, "YAML");
}

#[track_caller]
fn assert_survives_protobuf(kind: &Kind, object: &Object) {
    let decoded = kind
        .decode_protobuf(&protobuf::encode(kind, object.map()).unwrap(), FieldValidation::Strict)
        .unwrap();
    assert_eq!(decoded.problems, Vec::<String>::new());
    assert_same(&decoded.object, object, "protobuf");
}

#[track_caller]
fn assert_defaults_settle(kind: &Kind, object: &Object) {
    let mut once = object.clone();
    defaults::apply(kind.gvk(), &mut once);
    assert_normal(kind, &once);
    let mut twice = once.clone();
    defaults::apply(kind.gvk(), &mut twice);
    assert_same(&twice, &once, "defaults");
}

/// The kind of an object inside another one.
fn uncarried(field: &Field) -> bool {
    field.proto.number == 0
}

/// Takes out empty lists of owners: JSON asks by one that owners be forgotten, and protobuf has no such word.
fn drop_wishes(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|name, value| {
                name != "managedFields" || value.as_array().is_none_or(|list| !list.is_empty())
            });
            map.values_mut().for_each(drop_wishes);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_wishes),
        _ => {}
    }
}

/// Every scalar given is there, but for zeros, which Go may leave out.
#[track_caller]
fn assert_within(given: &Value, kept: &Value, at: &str) {
    match given {
        Value::Object(map) => {
            map.iter().for_each(|(name, value)| assert_within(value, &kept[name], &format!("{at}.{name}")));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, item)| assert_within(item, &kept[i], &format!("{at}[{i}]")));
        }
        Value::Null | Value::Bool(false) => {}
        Value::String(text) if text.is_empty() => {}
        Value::Number(number) if number.as_f64() == Some(0.0) => {}
        given => assert_eq!(given, kept, "{at}"),
    }
}

/// With every field there is, whatever else the properties below happen to choose.
#[test]
fn every_field_of_every_kind_survives() {
    for kind in kinds() {
        let given = tree(kind, &mut Tape::everything());
        let object = normal(kind, given.clone());
        assert_within(&given.into(), &object.clone().into(), kind.kind());
        assert_survives_json(kind, &object);
        assert_survives_yaml(kind, &object);
        assert_survives_protobuf(kind, &normal(kind, tree(kind, &mut Tape::everything().without(uncarried))));
        assert_defaults_settle(kind, &object);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: super::cases(256), ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_given_is_lost(kind in any_kind(), choices in choices()) {
        let given = tree(kind, &mut Tape::new(&choices));
        let kept = normal(kind, given.clone());
        assert_within(&given.into(), &kept.into(), kind.kind());
    }

    #[test]
    fn json_keeps_every_object(kind in any_kind(), choices in choices()) {
        let odd = normal(kind, tree(kind, &mut Tape::new(&choices).odd()));
        assert_survives_json(kind, &odd);
    }

    #[test]
    fn yaml_keeps_every_object(kind in any_kind(), choices in choices()) {
        assert_survives_yaml(kind, &object(kind, &choices));
    }

    #[test]
    fn protobuf_keeps_every_object(kind in any_kind(), choices in choices()) {
        let mut odd = normal(kind, tree(kind, &mut Tape::new(&choices).odd().without(uncarried)));
        odd.map_mut().values_mut().for_each(drop_wishes);
        assert_survives_protobuf(kind, &odd);
    }

    #[test]
    fn defaults_settle_at_once(kind in any_kind(), choices in choices()) {
        assert_defaults_settle(kind, &object(kind, &choices));
    }
}
