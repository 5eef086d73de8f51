//! The table of a custom resource: name, and what its definition wants shown.

use jiff::Timestamp;
use portcullis_api::{Object, Value, time};
use portcullis_schema::custom::path::JsonPath;
use serde_json::json;

use crate::kinds::check::{int, items, text};
use crate::print;

/// The columns of one version.
#[derive(Debug)]
pub(crate) struct Columns {
    definitions: Value,
    paths: Vec<(JsonPath, String)>,
}

impl Columns {
    /// Reads `additionalPrinterColumns` of a version. A path that cannot be read ends the list, as upstream.
    pub(super) fn read(version: &Value) -> Self {
        let given = items(version, "additionalPrinterColumns");
        let mut columns = Self { definitions: json!([name_column()]), paths: Vec::new() };
        if given.is_empty() {
            columns.add(&age_column());
        }
        for column in given {
            if !columns.add(column) {
                break;
            }
        }
        columns
    }

    fn add(&mut self, column: &Value) -> bool {
        let path = text(column, "jsonPath");
        let Ok(compiled) = JsonPath::parse(path) else { return false };
        let description = match text(column, "description") {
            "" => format!("Custom resource definition column (in JSONPath format): {path}"),
            given => given.to_owned(),
        };
        let kind = text(column, "type");
        if let Some(definitions) = self.definitions.as_array_mut() {
            definitions.push(json!({
                "name": text(column, "name"),
                "type": kind,
                "format": text(column, "format"),
                "description": description,
                "priority": int(column, "priority"),
            }));
        }
        self.paths.push((compiled, kind.to_owned()));
        true
    }

    /// The headings.
    pub(crate) fn definitions(&self) -> &Value {
        &self.definitions
    }

    /// The cells of one object.
    pub(crate) fn cells(&self, object: &Object, now: Timestamp) -> Vec<Value> {
        let name = Value::from(object.name());
        let others = self.paths.iter().map(|(path, kind)| match kind.as_str() {
            "date" => age(path.first(object), now),
            kind => path.cell(object, kind),
        });
        std::iter::once(name).chain(others).collect()
    }
}

/// The time gone by since a date, for people.
fn age(date: Option<&Value>, now: Timestamp) -> Value {
    let Some(text) = date.and_then(Value::as_str) else { return Value::Null };
    if text.is_empty() || text == "null" {
        return "<unknown>".into();
    }
    match time::parse(text) {
        Some(then) => print::human(now.as_nanosecond() - then.as_nanosecond()).into(),
        None => "<invalid>".into(),
    }
}

fn name_column() -> Value {
    let known = print::columns("", "configmaps").iter().find(|column| column.name == "Name");
    json!({
        "name": "Name", "type": "string", "format": "name", "priority": 0,
        "description": known.map_or("", |column| &column.description),
    })
}

/// What is shown where a definition wants nothing shown.
fn age_column() -> Value {
    let known = print::columns("autoscaling", "scales").iter().find(|column| column.name == "Age");
    json!({
        "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp",
        "description": known.map_or("", |column| &column.description),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_follow_the_definition() {
        let version = json!({"additionalPrinterColumns": [
            {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "When", "type": "date", "jsonPath": ".spec.when", "description": "d", "priority": 1},
        ]});
        let columns = Columns::read(&version);
        let size = columns.definitions().pointer("/1").unwrap();
        assert_eq!(size["description"], "Custom resource definition column (in JSONPath format): .spec.size");
        let tree = json!({"metadata": {"name": "t"}, "spec": {"size": 3, "when": "2026-01-01T00:00:00Z"}});
        let object = Object::new(tree.as_object().cloned().unwrap());
        let now = time::parse("2026-01-01T00:01:00Z").unwrap();
        assert_eq!(columns.cells(&object, now), [json!("t"), json!(3), json!("60s")]);
        assert_eq!(columns.cells(&Object::default(), now), [json!(""), Value::Null, Value::Null]);
    }

    #[test]
    fn a_definition_without_columns_shows_the_age() {
        let columns = Columns::read(&json!({}));
        let age = columns.definitions().pointer("/1").unwrap();
        assert_eq!((&age["name"], &age["type"]), (&json!("Age"), &json!("date")));
        assert!(
            age["description"].as_str().unwrap().starts_with("CreationTimestamp is a timestamp"),
            "{age}"
        );
    }
}
