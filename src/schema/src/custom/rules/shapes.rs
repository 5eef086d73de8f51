//! What expressions see of values: the shapes of schemas.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_cel::{Merge, Property, Shape};

use super::super::Structural;
use super::super::format::Format;
use super::super::node::{Additional, Checks, ListType, Node, NodeId, Type};

/// Shapes of the nodes of a schema, each made once.
pub(in super::super) struct Shapes<'s> {
    schema: &'s Structural,
    made: HashMap<(NodeId, bool), Arc<Shape>>,
    /// What is known of the metadata of the whole object beyond its name.
    metadata: Option<Arc<Shape>>,
}

impl<'s> Shapes<'s> {
    pub(super) fn new(schema: &'s Structural) -> Self {
        Self { schema, made: HashMap::new(), metadata: None }
    }

    /// Shapes of whole objects, of whose metadata more is known.
    pub(in super::super) fn with_metadata(schema: &'s Structural, metadata: Option<Arc<Shape>>) -> Self {
        Self { metadata, ..Self::new(schema) }
    }

    /// The shape of a node. The root of a resource always has a kind, a version and a name.
    pub(in super::super) fn of(&mut self, id: NodeId, root: bool) -> Arc<Shape> {
        if let Some(known) = self.made.get(&(id, root)) {
            return known.clone();
        }
        let node = self.schema.node(id);
        let shape = self.make(id, node, root);
        let shape = Arc::new(if node.nullable { shape.nullable() } else { shape });
        self.made.insert((id, root), shape.clone());
        shape
    }

    fn make(&mut self, id: NodeId, node: &Node, root: bool) -> Shape {
        let longest = node.checks.as_ref().and_then(|checks| checks.max_length);
        if node.int_or_string {
            return Shape::int_or_string(longest);
        }
        match node.ty {
            Type::Array => self.list(node),
            Type::Object => self.object(id, node, root),
            Type::String => text(node.checks.as_deref(), longest),
            Type::Boolean => Shape::bool(),
            Type::Number => Shape::double(),
            Type::Integer => Shape::int(),
            Type::Unset => Shape::hidden(),
        }
    }

    fn child(&mut self, id: NodeId) -> Arc<Shape> {
        let embedded = self.schema.node(id).embedded;
        self.of(id, embedded)
    }

    fn list(&mut self, node: &Node) -> Shape {
        let Some(items) = node.items.map(|items| self.child(items)).filter(|items| items.is_visible()) else {
            return Shape::hidden();
        };
        let merge = match node.list {
            ListType::Set => Merge::Set,
            ListType::Map => Merge::Keys(node.keys.iter().map(|key| key.as_ref().to_owned()).collect()),
            ListType::Unset | ListType::Atomic => Merge::Atomic,
        };
        Shape::list(items, node.checks.as_ref().and_then(|checks| checks.max_items), merge)
    }

    fn object(&mut self, id: NodeId, node: &Node, root: bool) -> Shape {
        if let Additional::Of(values) = node.additional {
            let values = self.child(values);
            let most = node.checks.as_ref().and_then(|checks| checks.max_properties);
            return if values.is_visible() { Shape::map(values, most) } else { Shape::hidden() };
        }
        let required = node.checks.as_deref().map_or(&[][..], |checks| &checks.required);
        let mut properties: Vec<Property> = Vec::with_capacity(node.properties.len());
        for (name, property) in &node.properties {
            let counted = required.contains(name) && self.schema.node(*property).default.is_none();
            properties.push(Property { name: name.to_string(), shape: self.child(*property), counted });
        }
        let name = format!("selfType{}", id.0);
        if root && !self.has_meta(node) {
            properties
                .retain(|property| !["kind", "apiVersion", "metadata"].contains(&property.name.as_str()));
            properties.extend(type_and_name(&name));
        }
        if let Some(metadata) = self.metadata.clone().filter(|_| id == self.schema.root()) {
            properties.retain(|property| property.name != "metadata");
            properties.push(Property { name: "metadata".to_owned(), shape: metadata, counted: false });
        }
        Shape::object(&name, properties)
    }

    fn has_meta(&self, node: &Node) -> bool {
        let is = |node: &Node, name: &str, ty: Type| {
            node.property(name).is_some_and(|property| self.schema.node(property).ty == ty)
        };
        let metadata = node.property("metadata").map(|id| self.schema.node(id));
        let named = |metadata: &Node| {
            is(metadata, "name", Type::String) && is(metadata, "generateName", Type::String)
        };
        is(node, "kind", Type::String)
            && is(node, "apiVersion", Type::String)
            && is(node, "metadata", Type::Object)
            && metadata.is_some_and(named)
    }
}

fn type_and_name(name: &str) -> [Property; 3] {
    let plain =
        |name: &str, shape: Shape| Property { name: name.to_owned(), shape: shape.into(), counted: false };
    let names = ["name", "generateName"].map(|name| plain(name, Shape::string(None)));
    let metadata = Shape::object(&format!("{name}.metadata"), names.into());
    [
        plain("kind", Shape::string(None)),
        plain("apiVersion", Shape::string(None)),
        plain("metadata", metadata),
    ]
}

fn text(checks: Option<&Checks>, longest: Option<i64>) -> Shape {
    let Some(checks) = checks else { return Shape::string(longest) };
    match checks.format.as_ref().map(Format::name) {
        Some("byte") => return Shape::bytes(longest),
        Some("duration") => return Shape::duration(),
        Some("date") => return Shape::date(),
        Some("date-time") => return Shape::date_time(),
        _ => {}
    }
    if longest.is_some() || checks.one_of_values.is_empty() {
        return Shape::string(longest);
    }
    let lengths = checks.one_of_values.iter().filter_map(|value| value.as_str().map(str::len));
    Shape::choice(lengths.max().unwrap_or_default())
}
