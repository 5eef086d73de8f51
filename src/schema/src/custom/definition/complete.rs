//! What logic at the root speaks of is also specified outside of it.

use portcullis_api::Value;
use portcullis_api::field::ErrorList;

use super::super::at::At;
use super::super::json::{entries, list, property, schema as schema_in};

/// The schema that specifies the value logic speaks of, and where it stands.
#[derive(Clone, Copy)]
struct Specified<'a> {
    schema: Option<&'a Value>,
    at: &'a At<'a>,
}

/// Checks the logic at the root of a schema.
pub(super) fn check(schema: &Value, at: &At<'_>, errors: &mut ErrorList) {
    logic(schema, Specified { schema: Some(schema), at }, at, errors);
}

fn logic(values: &Value, specified: Specified<'_>, at: &At<'_>, errors: &mut ErrorList) {
    if let Some(not) = schema_in(values, "not") {
        nested(not, specified, &at.child("not"), errors);
    }
    for field in ["allOf", "anyOf", "oneOf"] {
        let here = at.child(field);
        for (i, part) in list(values, field).iter().enumerate() {
            nested(part, specified, &here.index(i), errors);
        }
    }
}

fn nested(values: &Value, specified: Specified<'_>, at: &At<'_>, errors: &mut ErrorList) {
    let because = |at: &At<'_>| format!("because it is defined in {}", at.path());
    let Some(schema) = specified.schema else { return specified.at.required(errors, because(at)) };
    logic(values, specified, at, errors);
    if let Some(item) = schema_in(values, "items") {
        let specified = Specified { schema: schema_in(schema, "items"), at: &specified.at.child("items") };
        nested(item, specified, &at.child("items"), errors);
    }
    let (values_at, properties_at) = (at.child("properties"), specified.at.child("properties"));
    for (name, value) in entries(values, "properties") {
        let (value_at, property_at) = (values_at.key(name), properties_at.key(name));
        let specified = Specified { schema: property(schema, name), at: &property_at };
        nested(value, specified, &value_at, errors);
    }
}
