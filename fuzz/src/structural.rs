//! Schemas of definitions and objects that follow them.

use portcullis_api::Object;
use portcullis_api::field::{ErrorList, Path};
use portcullis_schema::custom::openapi::{Published, openapi_v2, openapi_v3};
use portcullis_schema::custom::path::JsonPath;
use portcullis_schema::custom::{Malformed, Structural, validate_schema};
use portcullis_schema::{FieldValidation, MediaType, decode_untyped};
use serde_json::Value;

/// The input is a schema, an object and a path, each in a line of its own.
pub fn structural(input: &[u8]) {
    let mut lines = input.splitn(3, |byte| *byte == b'\n');
    let mut json = || {
        let untyped = decode_untyped(lines.next()?, MediaType::Json).ok()?;
        Some(untyped.value)
    };
    let (Some(schema), value) = (json(), json()) else { return };
    if let Some(path) = lines.next().and_then(|path| std::str::from_utf8(path).ok())
        && let (Ok(path), Some(Value::Object(map))) = (JsonPath::parse(path), &value)
    {
        path.cell(&Object::new(map.clone()), "string");
    }
    let wrong = validate_schema(&schema, true, &Path::new("spec"), &no_rules);
    publish(&schema);
    let Ok(compiled) = Structural::compile(&schema, false) else { return };
    let Some(Value::Object(map)) = value else { return };
    follow(&compiled, Object::new(map), wrong.is_empty());
}

fn no_rules(_: &Object, _: &mut ErrorList) {}

fn publish(schema: &Value) {
    let published = Published {
        group: "ex.io",
        version: "v1",
        kind: "Thing",
        list_kind: "ThingList",
        plural: "things",
        schema: Some(schema),
        keeps_unknown: false,
        selectable: &[],
    };
    openapi_v2(&published);
    openapi_v3(&published);
}

fn follow(schema: &Structural, mut object: Object, proper: bool) {
    schema.prune(&mut object);
    assert!(schema.prune(&mut object).is_empty(), "pruning prunes all");
    let coerced = schema.coerce_embedded(&mut object, Malformed::Refused, FieldValidation::Strict);
    if schema.default(&mut object).is_err() {
        return;
    }
    let mut again = object.clone();
    if schema.default(&mut again).is_ok() && proper {
        assert_eq!(again, object, "defaults are filled in once");
    }
    let errors = schema.validate(&object, None, &no_rules);
    schema.validate(&object, Some(&again), &no_rules);
    schema.validate_status(&object, Some(&again));
    if proper && coerced.is_ok() && errors.is_empty() {
        let mut pruned = object.clone();
        schema.prune(&mut pruned);
        assert_eq!(pruned, object, "defaults of a proper schema are specified");
    }
}
