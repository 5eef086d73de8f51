//! What OpenAPI says of a custom kind: definitions of it and of its list.
//!
//! The schema is published as it stands, with the head every object has. Version 2 knows neither logic nor
//! null, and kubectl understands less of it than it says, so that parts are left out of it (`v2.rs`).

mod v2;

use portcullis_api::{Map, Value};
use serde_json::json;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const CONVENTIONS: &str =
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md";

/// What is published of one version of a custom kind.
#[derive(Clone, Copy, Debug)]
pub struct Published<'d> {
    /// `spec.group`
    pub group: &'d str,
    /// The name of the version.
    pub version: &'d str,
    /// `spec.names.kind`
    pub kind: &'d str,
    /// `spec.names.listKind`
    pub list_kind: &'d str,
    /// `spec.names.plural`
    pub plural: &'d str,
    /// The version's `openAPIV3Schema`; `None` where it is not structural.
    pub schema: Option<&'d Value>,
    /// `spec.preserveUnknownFields`
    pub keeps_unknown: bool,
    /// The version's `selectableFields`.
    pub selectable: &'d [Value],
}

/// Which OpenAPI.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    V2,
    V3,
}

/// The definitions for a document of version 2: the kind's and its list's, by name.
pub fn openapi_v2(published: &Published<'_>) -> [(String, Value); 2] {
    published.definitions(Dialect::V2)
}

/// The schemas for a document of version 3: the kind's and its list's, by name.
pub fn openapi_v3(published: &Published<'_>) -> [(String, Value); 2] {
    published.definitions(Dialect::V3)
}

/// The name of a definition: `io.example.v1.Thing` for the kind `Thing` in `example.io/v1`.
pub fn definition_name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').rev().collect();
    parts.extend([version, kind]);
    parts.join(".")
}

impl Dialect {
    /// A reference. Version 3 reads nothing that stands beside one, so its description wraps it.
    fn reference(self, definition: &str, description: &str) -> Value {
        let prefix = match self {
            Self::V2 => "#/definitions/",
            Self::V3 => "#/components/schemas/",
        };
        let target = format!("{prefix}{definition}");
        match self {
            _ if description.is_empty() => json!({ "$ref": target }),
            Self::V2 => json!({ "$ref": target, "description": description }),
            Self::V3 => json!({ "allOf": [{ "$ref": target }], "description": description }),
        }
    }

    fn metadata(self) -> Value {
        self.reference(OBJECT_META, &format!("Standard object's metadata. More info: {CONVENTIONS}#metadata"))
    }
}

impl Published<'_> {
    fn definitions(&self, dialect: Dialect) -> [(String, Value); 2] {
        let name = |kind: &str| definition_name(self.group, self.version, kind);
        let (kind, list) = (name(self.kind), name(self.list_kind));
        let listed = self.list(&kind, dialect);
        [(kind, self.object(dialect)), (list, listed)]
    }

    fn object(&self, dialect: Dialect) -> Value {
        let open = |schema: &Map<String, Value>| {
            let preserves = schema.get("x-kubernetes-preserve-unknown-fields");
            self.keeps_unknown || preserves == Some(&Value::Bool(true))
        };
        let mut object = match self.schema.and_then(Value::as_object) {
            // kubectl refuses all fields that it is not told of, as soon as it is told of any.
            Some(schema) if dialect == Dialect::V3 || !open(schema) => whole(schema.clone(), dialect),
            _ => Map::from_iter([("type".to_owned(), "object".into())]),
        };
        self.mark(&mut object, self.kind);
        object.into()
    }

    fn list(&self, name: &str, dialect: Dialect) -> Value {
        let items = format!("List of {}. More info: {CONVENTIONS}", self.plural);
        let metadata = format!("Standard list metadata. More info: {CONVENTIONS}#types-kinds");
        let mut fields = Map::new();
        self::type_meta(&mut fields);
        fields.insert(
            "items".to_owned(),
            json!({
                "description": items, "type": "array", "items": dialect.reference(name, ""),
            }),
        );
        fields.insert("metadata".to_owned(), dialect.reference(LIST_META, &metadata));
        let mut list = Map::from_iter([
            ("description".to_owned(), format!("{} is a list of {}", self.list_kind, self.kind).into()),
            ("type".to_owned(), "object".into()),
            ("required".to_owned(), json!(["items"])),
            ("properties".to_owned(), fields.into()),
        ]);
        self.mark(&mut list, self.list_kind);
        list.into()
    }

    /// What kind it is, and by what its objects can be selected.
    fn mark(&self, schema: &mut Map<String, Value>, kind: &str) {
        let gvk = json!([{ "group": self.group, "version": self.version, "kind": kind }]);
        schema.insert("x-kubernetes-group-version-kind".to_owned(), gvk);
        let path = |field: &Value| {
            let path = field.get("jsonPath")?.as_str()?;
            Some(json!({ "fieldPath": path.strip_prefix('.').unwrap_or(path) }))
        };
        let fields: Vec<Value> = self.selectable.iter().filter_map(path).collect();
        if !fields.is_empty() {
            schema.insert("x-kubernetes-selectable-fields".to_owned(), fields.into());
        }
    }
}

/// The schema with what every object has.
fn whole(mut schema: Map<String, Value>, dialect: Dialect) -> Map<String, Value> {
    each(&mut schema, &mut unfold);
    if dialect == Dialect::V2 {
        each(&mut schema, &mut v2::reduce);
    }
    head(properties(&mut schema), dialect);
    each(&mut schema, &mut |schema| embed(schema, dialect));
    schema
}

/// Changes a schema and all that specify parts of it, from the outside in.
fn each(schema: &mut Map<String, Value>, change: &mut dyn FnMut(&mut Map<String, Value>)) {
    change(schema);
    for field in ["items", "additionalProperties"] {
        if let Some(Value::Object(below)) = schema.get_mut(field) {
            each(below, change);
        }
    }
    for property in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Value::Object(property) = property.1 {
            each(property, change);
        }
    }
}

/// Says in the terms of OpenAPI that a value is a number or a text.
fn unfold(schema: &mut Map<String, Value>) {
    if schema.get("x-kubernetes-int-or-string") != Some(&Value::Bool(true)) {
        return;
    }
    let either = json!([{ "type": "integer" }, { "type": "string" }]);
    let first = schema.get("allOf").and_then(|parts| parts.get(0)?.get("anyOf"));
    if first == Some(&either) || schema.get("anyOf") == Some(&either) {
        return;
    }
    if !schema.contains_key("anyOf") {
        schema.insert("anyOf".to_owned(), either);
    } else if let Value::Array(parts) = schema.entry("allOf").or_insert_with(|| json!([])) {
        parts.insert(0, json!({ "anyOf": either }));
    }
}

/// Gives embedded objects the head of an object.
fn embed(schema: &mut Map<String, Value>, dialect: Dialect) {
    let is = |field: &str| schema.get(field) == Some(&Value::Bool(true));
    let hidden = dialect == Dialect::V2 && is("x-kubernetes-preserve-unknown-fields");
    if hidden || !is("x-kubernetes-embedded-resource") {
        return;
    }
    let fields = properties(schema);
    let api_version =
        "apiVersion defines the versioned schema of this representation of an object. More info: ";
    let kind = "kind is a string value representing the type of this object. In CamelCase. More info: ";
    fields.insert("apiVersion".to_owned(), text(&format!("{api_version}{CONVENTIONS}#resources")));
    fields.insert("kind".to_owned(), text(&format!("{kind}{CONVENTIONS}#types-kinds")));
    fields.insert("metadata".to_owned(), dialect.metadata());
    let Value::Array(required) = schema.entry("required").or_insert_with(|| json!([])) else { return };
    for name in ["kind", "apiVersion"] {
        if !required.iter().any(|known| known == name) {
            required.push(name.into());
        }
    }
}

fn head(fields: &mut Map<String, Value>, dialect: Dialect) {
    fields.insert("metadata".to_owned(), dialect.metadata());
    type_meta(fields);
}

fn type_meta(fields: &mut Map<String, Value>) {
    let api_version = "APIVersion defines the versioned schema of this representation of an object. Servers should \
                       convert recognized schemas to the latest internal value, and may reject unrecognized values. \
                       More info: ";
    let kind = "Kind is a string value representing the REST resource this object represents. Servers may infer \
                this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: ";
    fields.insert("apiVersion".to_owned(), text(&format!("{api_version}{CONVENTIONS}#resources")));
    fields.insert("kind".to_owned(), text(&format!("{kind}{CONVENTIONS}#types-kinds")));
}

fn text(description: &str) -> Value {
    json!({ "description": description, "type": "string" })
}

/// The properties of a schema, made where it has none.
fn properties(schema: &mut Map<String, Value>) -> &mut Map<String, Value> {
    let slot = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(map) => map,
        _ => unreachable!("the slot was made an object on the line above"),
    }
}

#[cfg(test)]
mod tests;
