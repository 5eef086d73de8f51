//! What version 2 cannot say, and what kubectl would misread, is left out.

use portcullis_api::{Map, Value};

/// Reduces one schema; those below are reduced after it.
pub(super) fn reduce(schema: &mut Map<String, Value>) {
    for logic in ["allOf", "anyOf", "oneOf", "not"] {
        schema.remove(logic);
    }
    let is = |schema: &Map<String, Value>, field: &str| schema.get(field) == Some(&Value::Bool(true));
    let (nullable, open) = (is(schema, "nullable"), is(schema, "x-kubernetes-preserve-unknown-fields"));
    if nullable {
        schema.remove("nullable");
        schema.remove("type");
    }
    if nullable || open {
        schema.remove("items");
        schema.remove("properties");
    }
    let ty = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    if (ty == "array" && !schema.contains_key("items")) || (ty == "object" && open) {
        schema.remove("type");
    }
    forget_required(schema);
}

/// What may be null need not be there.
fn forget_required(schema: &mut Map<String, Value>) {
    let is_nullable = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
    let all = schema.get("additionalProperties").is_some_and(is_nullable);
    let properties = schema.get("properties").and_then(Value::as_object);
    let nullable = |name: &Value| {
        let property = name.as_str().and_then(|name| properties?.get(name));
        all || property.is_some_and(is_nullable)
    };
    let Some(required) = schema.get("required").and_then(Value::as_array) else { return };
    let left: Vec<Value> = required.iter().filter(|name| !nullable(name)).cloned().collect();
    if left.is_empty() {
        schema.remove("required");
    } else {
        schema.insert("required".to_owned(), left.into());
    }
}
