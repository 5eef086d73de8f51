//! The shapes of a custom resource, from its OpenAPI schema.

use std::borrow::Cow;

use portcullis_api::{Map, Value};

use super::shape::{
    Entries, FieldShape, Key, ListShape, MapShape, ScalarKind, Shape, ShapeId, ShapeRef, Shapes,
};
use crate::types::types;

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// How the objects of one version of a custom resource are owned.
#[derive(Debug)]
pub struct CustomShape {
    shapes: Shapes,
    root: ShapeId,
}

impl CustomShape {
    /// Compiles the `openAPIV3Schema` of a version. Schemas are bounded in depth where they are decoded.
    pub fn new(schema: &Value) -> Self {
        let mut build = Build { shapes: Shapes::default() };
        let root = build.object(schema, false, true);
        Self { shapes: build.shapes, root }
    }

    /// The shape of a whole object.
    pub fn shape(&self) -> ShapeRef<'_> {
        ShapeRef::new(&self.shapes, self.root)
    }
}

struct Build {
    shapes: Shapes,
}

impl Build {
    fn node(&mut self, schema: &Value, open: bool) -> ShapeId {
        let open = open || is_set(schema, "x-kubernetes-preserve-unknown-fields");
        let shape = match schema.get("type").and_then(Value::as_str).unwrap_or_default() {
            "object" => return self.object(schema, open, is_set(schema, "x-kubernetes-embedded-resource")),
            "array" => return self.list(schema, open),
            "integer" | "number" => Shape::Scalar(ScalarKind::Number),
            "boolean" => Shape::Scalar(ScalarKind::Bool),
            "string" => match schema.get("format").and_then(Value::as_str).unwrap_or_default() {
                "" | "byte" => Shape::Scalar(ScalarKind::String),
                _ => Shape::Scalar(ScalarKind::Any),
            },
            _ => Shape::Deduced,
        };
        self.shapes.add(shape)
    }

    /// An object; `whole` for one with `apiVersion`, `kind` and `metadata` of its own.
    fn object(&mut self, schema: &Value, open: bool, whole: bool) -> ShapeId {
        let open = open || is_set(schema, "x-kubernetes-preserve-unknown-fields");
        let properties = schema.get("properties").and_then(Value::as_object);
        let mut fields = Vec::with_capacity(properties.map_or(0, Map::len) + 3);
        for (name, property) in properties.into_iter().flatten() {
            if !(whole && matches!(name.as_str(), "apiVersion" | "kind" | "metadata")) {
                let shape = self.node(property, open);
                fields.push(field(name.clone().into(), shape, property.get("default").cloned()));
            }
        }
        if whole {
            fields.extend(self.head());
        }
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let element = match schema.get("additionalProperties") {
            Some(Value::Object(_)) => schema.get("additionalProperties").map(|value| self.node(value, open)),
            Some(Value::Bool(true)) => Some(self.shapes.add(Shape::Deduced)),
            Some(Value::Bool(false)) => None,
            _ => (open || properties.is_none_or(Map::is_empty)).then(|| self.shapes.add(Shape::Deduced)),
        };
        let atomic = text(schema, "x-kubernetes-map-type") == "atomic";
        self.shapes.add(Shape::Map(MapShape { fields: fields.into(), element, atomic }))
    }

    fn head(&mut self) -> [FieldShape; 3] {
        let string = self.shapes.add(Shape::Scalar(ScalarKind::String));
        let metadata = match types().by_definition(OBJECT_META) {
            Some(id) => Shape::BuiltIn(id),
            None => Shape::Deduced,
        };
        let metadata = self.shapes.add(metadata);
        [
            field("apiVersion".into(), string, None),
            field("kind".into(), string, None),
            field("metadata".into(), metadata, None),
        ]
    }

    fn list(&mut self, schema: &Value, open: bool) -> ShapeId {
        let items = schema.get("items");
        let item = match items {
            Some(items) => self.node(items, open),
            None => self.shapes.add(Shape::Opaque),
        };
        let entries = match text(schema, "x-kubernetes-list-type") {
            "set" => Entries::Set,
            "map" => {
                let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
                let keys = keys.into_iter().flatten().filter_map(Value::as_str);
                Entries::Keyed(keys.map(|name| key(name, items)).collect())
            }
            _ => Entries::Atomic,
        };
        self.shapes.add(Shape::List(ListShape { item, entries }))
    }
}

fn field(name: Cow<'static, str>, shape: ShapeId, default: Option<Value>) -> FieldShape {
    FieldShape { name, shape, default }
}

fn key(name: &str, items: Option<&Value>) -> Key {
    let default = items.and_then(|items| items.get("properties")?.get(name)?.get("default")).cloned();
    Key { name: name.to_owned().into(), default }
}

fn text<'v>(schema: &'v Value, name: &str) -> &'v str {
    schema.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn is_set(schema: &Value, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}
