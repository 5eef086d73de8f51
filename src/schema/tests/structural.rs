//! Laws of structural schemas, for schemas and objects of any shape.

use portcullis_api::field::{ErrorList, Path};
use portcullis_api::{Object, Value};
use portcullis_schema::custom::{Structural, validate_schema};
use proptest::prelude::*;
use serde_json::json;

const NAMES: &[&str] = &["a", "b", "metadata", "kind", "status"];

fn no_rules(_: &Object, _: &mut ErrorList) {}

/// Any JSON with the names that schemas speak of.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..12).prop_map(Value::from),
        Just(json!(1.5)),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            members(inner).prop_map(Value::Object),
        ]
    })
}

fn members(of: impl Strategy<Value = Value>) -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let entry = (prop::sample::select(NAMES).prop_map(str::to_owned), of);
    prop::collection::vec(entry, 0..4).prop_map(|entries| entries.into_iter().collect())
}

fn object() -> impl Strategy<Value = Object> {
    members(value()).prop_map(Object::new)
}

/// What may stand in a schema besides what gives it its structure.
fn extras() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let entry = prop_oneof![
        Just(("nullable", json!(true))),
        Just(("x-kubernetes-preserve-unknown-fields", json!(true))),
        Just(("x-kubernetes-embedded-resource", json!(true))),
        Just(("minimum", json!(1))),
        Just(("maxLength", json!(2))),
        Just(("pattern", json!("^a"))),
        Just(("format", json!("date-time"))),
        Just(("maxItems", json!(1))),
        Just(("minProperties", json!(1))),
        Just(("required", json!(["a"]))),
        Just(("x-kubernetes-list-type", json!("set"))),
        Just(("anyOf", json!([{ "required": ["a"] }, { "required": ["b"] }]))),
        Just(("not", json!({ "required": ["b"] }))),
        value().prop_map(|value| ("default", value)),
        prop::collection::vec(value(), 1..3).prop_map(|values| ("enum", values.into())),
    ];
    prop::collection::vec(entry, 0..3)
        .prop_map(|entries| entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Schemas that are structural but for what stands in them by chance.
fn schema() -> impl Strategy<Value = Value> {
    let leaf = (prop::sample::select(&["string", "integer", "number", "boolean"][..]), extras());
    let leaf = leaf.prop_map(|(ty, mut schema)| {
        schema.insert("type".to_owned(), ty.into());
        Value::Object(schema)
    });
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            (members(inner.clone()), extras()).prop_map(|(properties, mut schema)| {
                schema.extend([
                    ("type".to_owned(), "object".into()),
                    ("properties".to_owned(), properties.into()),
                ]);
                Value::Object(schema)
            }),
            (inner.clone(), extras()).prop_map(|(item, mut schema)| {
                schema.extend([("type".to_owned(), "array".into()), ("items".to_owned(), item)]);
                Value::Object(schema)
            }),
            (inner, extras()).prop_map(|(item, mut schema)| {
                schema.extend([
                    ("type".to_owned(), "object".into()),
                    ("additionalProperties".to_owned(), item),
                ]);
                Value::Object(schema)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_json_is_no_reason_to_panic(schema in value(), object in object()) {
        validate_schema(&schema, true, &Path::new("x"), &no_rules);
        if let Ok(compiled) = Structural::compile(&schema, false) {
            compiled.validate(&object, None, &no_rules);
        }
    }

    #[test]
    fn pruning_settles_at_once(schema in schema(), mut object in object()) {
        let Ok(schema) = Structural::compile(&schema, false) else { return Ok(()) };
        schema.prune(&mut object);
        let once = object.clone();
        prop_assert!(schema.prune(&mut object).is_empty());
        prop_assert_eq!(object, once);
    }

    #[test]
    fn what_a_proper_schema_defaults_stays(schema in schema(), mut object in object()) {
        let proper = validate_schema(&schema, false, &Path::new("x"), &no_rules).is_empty();
        let Ok(compiled) = Structural::compile(&schema, false) else { return Ok(()) };
        compiled.prune(&mut object);
        prop_assert!(compiled.default(&mut object).is_ok());
        let (mut once, errors) = (object.clone(), compiled.validate(&object, None, &no_rules));
        prop_assert!(compiled.default(&mut once).is_ok());
        if proper {
            prop_assert_eq!(&once, &object);
            prop_assert_eq!(compiled.prune(&mut once), Vec::<String>::new());
        }
        prop_assert_eq!(compiled.validate(&object, None, &no_rules), errors);
    }

    /// What is valid by itself is valid whatever was before.
    #[test]
    fn the_past_only_forgives(schema in schema(), old in object(), new in object()) {
        let Ok(schema) = Structural::compile(&schema, false) else { return Ok(()) };
        let alone = schema.validate(&new, None, &no_rules);
        let with_past = schema.validate(&new, Some(&old), &no_rules);
        prop_assert!(with_past.iter().all(|error| alone.contains(error)), "{with_past:?} after {alone:?}");
    }
}
