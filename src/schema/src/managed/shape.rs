//! What ownership needs to know about a type: where objects end and leaves begin, and how list entries
//! are told apart.
//!
//! Built-in kinds share one arena made from [`crate::types`]; each version of a custom resource has its
//! own ([`super::CustomShape`]).

use std::borrow::Cow;
use std::sync::LazyLock;

use portcullis_api::Value;

use crate::types::{Field, ListType, StructId, Type, Types, types};

static BUILT_IN: LazyLock<Shapes> = LazyLock::new(|| Shapes::compile(types()));

/// An arena of shapes.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    nodes: Vec<Shape>,
}

/// The place of a shape in its arena.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ShapeId(pub(super) u32);

/// A shape together with its arena.
#[derive(Clone, Copy)]
pub struct ShapeRef<'k> {
    shapes: &'k Shapes,
    id: ShapeId,
}

/// How the values of a type are owned.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Shape {
    /// A leaf.
    Scalar(ScalarKind),
    /// A list.
    List(ListShape),
    /// A struct or a map.
    Map(MapShape),
    /// Any JSON, owned as a whole.
    Opaque,
    /// Any JSON; objects are owned field by field, lists as a whole.
    Deduced,
    /// A built-in struct, referred to from another arena.
    BuiltIn(StructId),
}

/// Which scalars a leaf takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScalarKind {
    /// Strings.
    String,
    /// Whole and broken numbers.
    Number,
    /// Booleans.
    Bool,
    /// Any scalar.
    Any,
}

/// A list type.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct ListShape {
    pub(super) item: ShapeId,
    pub(super) entries: Entries,
}

/// How the entries of a list are told apart.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Entries {
    /// Not at all: the list is one leaf.
    Atomic,
    /// By their value.
    Set,
    /// By key fields, which may have defaults.
    Keyed(Box<[Key]>),
}

/// A key field of a list's entries.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Key {
    pub(super) name: Cow<'static, str>,
    pub(super) default: Option<Value>,
}

/// A struct (fields, no element), a map (element only) or an open struct (both).
#[derive(Clone, PartialEq, Debug)]
pub(super) struct MapShape {
    /// Sorted by name.
    pub(super) fields: Box<[FieldShape]>,
    pub(super) element: Option<ShapeId>,
    pub(super) atomic: bool,
}

/// A declared field.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct FieldShape {
    pub(super) name: Cow<'static, str>,
    pub(super) shape: ShapeId,
    pub(super) default: Option<Value>,
}

impl MapShape {
    /// The declared field of a name.
    pub(super) fn field(&self, name: &str) -> Option<&FieldShape> {
        let at = self.fields.binary_search_by(|field| field.name.as_ref().cmp(name)).ok()?;
        self.fields.get(at)
    }

    /// The shape of a field or map value; `None` for what is not declared.
    pub(super) fn value_shape(&self, name: &str) -> Option<ShapeId> {
        self.field(name).map(|field| field.shape).or(self.element)
    }
}

impl<'k> ShapeRef<'k> {
    /// The shape of a built-in struct.
    pub fn of_struct(id: StructId) -> ShapeRef<'static> {
        ShapeRef { shapes: &BUILT_IN, id: ShapeId(id.index()) }
    }

    pub(super) fn new(shapes: &'k Shapes, id: ShapeId) -> Self {
        Self { shapes, id }
    }

    /// The shape itself.
    pub(super) fn get(self) -> &'k Shape {
        self.shapes.get(self.id)
    }

    /// Another shape of the same arena.
    pub(super) fn at(self, id: ShapeId) -> Self {
        match self.shapes.get(id) {
            Shape::BuiltIn(id) => Self::of_struct(*id),
            _ => Self { id, ..self },
        }
    }
}

impl Shapes {
    /// The shape of an id; ids come from this arena.
    fn get(&self, id: ShapeId) -> &Shape {
        self.nodes.get(id.0 as usize).unwrap_or(&Shape::Opaque)
    }

    /// Compiles all built-in structs; the ids of structs are their places among the types.
    fn compile(types: &Types) -> Self {
        let mut shapes = Self { nodes: vec![Shape::Opaque; types.structs().count()] };
        for (id, schema) in types.structs() {
            let mut fields: Vec<FieldShape> = Vec::with_capacity(schema.fields.len());
            for field in &schema.fields {
                let shape = shapes.field(types, field, &|id| ShapeId(id.index()));
                let default = field.default.and_then(|text| serde_json::from_str(text).ok());
                fields.push(FieldShape { name: Cow::Borrowed(field.json), shape, default });
            }
            let element = fields.is_empty().then(|| shapes.add(Shape::Deduced));
            let map = MapShape { fields: fields.into(), element, atomic: schema.atomic };
            if let Some(slot) = shapes.nodes.get_mut(id.index() as usize) {
                *slot = Shape::Map(map);
            }
        }
        shapes
    }

    pub(super) fn add(&mut self, shape: Shape) -> ShapeId {
        let id = ShapeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(shape);
        id
    }

    fn field(&mut self, types: &Types, field: &Field, place: &dyn Fn(StructId) -> ShapeId) -> ShapeId {
        match &field.ty {
            Type::List(item) => {
                let entries = entries(types, field, item);
                let item = self.ty(item, place);
                self.add(Shape::List(ListShape { item, entries }))
            }
            Type::Map(value) => {
                let element = Some(self.ty(value, place));
                let atomic = field.list == ListType::Atomic;
                self.add(Shape::Map(MapShape { fields: Box::default(), element, atomic }))
            }
            Type::Struct(id) if matches!(field.list, ListType::Atomic | ListType::Granular) => {
                self.overridden(types, *id, field.list == ListType::Atomic, place)
            }
            other => self.ty(other, place),
        }
    }

    /// A struct whose field says otherwise than the struct itself whether it is atomic.
    fn overridden(
        &mut self,
        types: &Types,
        id: StructId,
        atomic: bool,
        place: &dyn Fn(StructId) -> ShapeId,
    ) -> ShapeId {
        let schema = types.get(id);
        if schema.atomic == atomic {
            return place(id);
        }
        let mut fields = Vec::with_capacity(schema.fields.len());
        for field in &schema.fields {
            let shape = self.field(types, field, place);
            let default = field.default.and_then(|text| serde_json::from_str(text).ok());
            fields.push(FieldShape { name: Cow::Borrowed(field.json), shape, default });
        }
        self.add(Shape::Map(MapShape { fields: fields.into(), element: None, atomic }))
    }

    fn ty(&mut self, ty: &Type, place: &dyn Fn(StructId) -> ShapeId) -> ShapeId {
        let shape = match ty {
            Type::Struct(id) => return place(*id),
            Type::String | Type::Bytes | Type::Duration => Shape::Scalar(ScalarKind::String),
            Type::Bool => Shape::Scalar(ScalarKind::Bool),
            Type::Int32 | Type::Int64 | Type::Float64 => Shape::Scalar(ScalarKind::Number),
            Type::Time | Type::MicroTime | Type::Quantity | Type::IntOrString => {
                Shape::Scalar(ScalarKind::Any)
            }
            Type::RawObject => Shape::Opaque,
            Type::Json | Type::SchemaOrBool | Type::SchemaOrArray | Type::SchemaOrStrings => Shape::Deduced,
            Type::FieldsV1 => {
                let element = Some(self.add(Shape::Deduced));
                Shape::Map(MapShape { fields: Box::default(), element, atomic: false })
            }
            Type::List(item) => {
                let item = self.ty(item, place);
                Shape::List(ListShape { item, entries: Entries::Atomic })
            }
            Type::Map(value) => {
                let element = Some(self.ty(value, place));
                Shape::Map(MapShape { fields: Box::default(), element, atomic: false })
            }
        };
        self.add(shape)
    }
}

/// A list without a list type takes it from its patch strategy, if that merges.
fn entries(types: &Types, field: &Field, item: &Type) -> Entries {
    let key = |name: &'static str| Key { name: Cow::Borrowed(name), default: key_default(types, item, name) };
    match field.list {
        ListType::Set => Entries::Set,
        ListType::Map => Entries::Keyed(field.keys.iter().map(key).collect()),
        ListType::Unset if field.patch_strategy.contains("merge") => match field.patch_merge_key {
            "" => Entries::Set,
            name => Entries::Keyed(Box::new([key(name)])),
        },
        ListType::Unset | ListType::Atomic | ListType::Granular => Entries::Atomic,
    }
}

fn key_default(types: &Types, item: &Type, name: &str) -> Option<Value> {
    let Type::Struct(id) = item else { return None };
    serde_json::from_str(types.get(*id).field(name)?.default?).ok()
}
