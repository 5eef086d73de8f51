//! A tree as JSON the way upstream's servers write it: what names a kind comes first, a `Status` keeps the
//! order of its fields, a plain answer ends in a newline and a pretty one does not.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

/// The bytes of an answer.
///
/// # Errors
/// None that a tree could cause.
pub fn to_json(tree: &Value, pretty: bool) -> serde_json::Result<Vec<u8>> {
    if pretty {
        return serde_json::to_vec_pretty(&InOrder::of(tree));
    }
    let mut bytes = to_event_json(tree)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// The bytes of what stands inside of something else.
///
/// # Errors
/// None that a tree could cause.
pub fn to_event_json(tree: &Value) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(&InOrder::of(tree))
}

const STATUS: &[&str] = &["kind", "apiVersion", "metadata", "status", "message", "reason", "details", "code"];
const DETAILS: &[&str] = &["name", "group", "kind", "uid", "causes", "retryAfterSeconds"];
const CAUSE: &[&str] = &["reason", "message", "field"];
const OTHERS: &[&str] = &["kind", "apiVersion", "metadata"];

/// A tree, and which of its fields come first.
struct InOrder<'a> {
    tree: &'a Value,
    first: &'static [&'static str],
}

impl<'a> InOrder<'a> {
    fn of(tree: &'a Value) -> Self {
        let is_status = tree.get("kind").is_some_and(|kind| kind == "Status");
        Self { tree, first: if is_status { STATUS } else { OTHERS } }
    }

    /// What a field holds, in the order of its own.
    fn inside(&self, field: &str, value: &'a Value) -> Self {
        let first = match field {
            "details" if self.first == STATUS => DETAILS,
            "causes" if self.first == DETAILS => CAUSE,
            _ => &[],
        };
        InOrder { tree: value, first }
    }
}

impl Serialize for InOrder<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.tree {
            _ if self.first.is_empty() => self.tree.serialize(serializer),
            Value::Object(map) => {
                let mut out = serializer.serialize_map(Some(map.len()))?;
                let known =
                    self.first.iter().filter_map(|field| map.get(*field).map(|value| (*field, value)));
                let others = map.iter().map(|(field, value)| (field.as_str(), value));
                let others = others.filter(|(field, _)| !self.first.contains(field));
                for (field, value) in known.chain(others) {
                    out.serialize_entry(field, &self.inside(field, value))?;
                }
                out.end()
            }
            Value::Array(list) => {
                serializer.collect_seq(list.iter().map(|item| InOrder { tree: item, first: self.first }))
            }
            other => other.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_is_written_as_upstream_writes_it() {
        let status = json!({
            "apiVersion": "v1", "code": 422, "kind": "Status", "message": "m", "metadata": {}, "reason": "Invalid",
            "status": "Failure",
            "details": { "causes": [{ "field": "f", "message": "m", "reason": "r" }], "kind": "k", "name": "n" },
        });
        let text = String::from_utf8(to_json(&status, false).unwrap()).unwrap();
        let wanted = r#"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"m","reason":"Invalid","details":{"name":"n","kind":"k","causes":[{"reason":"r","message":"m","field":"f"}]},"code":422}"#;
        assert_eq!(text, format!("{wanted}\n"));
        let pretty = String::from_utf8(to_json(&status, true).unwrap()).unwrap();
        assert!(pretty.starts_with("{\n  \"kind\": \"Status\",") && pretty.ends_with('}'), "{pretty}");
    }

    #[test]
    fn what_names_a_kind_comes_first() {
        let tree = json!({ "apiVersion": "v1", "data": { "kind": 1, "a": 2 }, "kind": "ConfigMap" });
        let text = String::from_utf8(to_event_json(&tree).unwrap()).unwrap();
        assert_eq!(text, r#"{"kind":"ConfigMap","apiVersion":"v1","data":{"a":2,"kind":1}}"#);
        assert_eq!(to_event_json(&json!([1, "x", null])).unwrap(), br#"[1,"x",null]"#);
    }
}
