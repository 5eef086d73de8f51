//! From the JSON of a schema to the arena.

use std::sync::OnceLock;

use portcullis_api::Value;

use super::Structural;
use super::format::Format;
use super::json::{flag, list, text, texts};
use super::node::{Additional, Bound, Checks, ListType, Node, NodeId, Preset, Properties, Type};
use super::pattern::Patterns;
use super::rules::Written;
use crate::managed::CustomShape;

/// How deeply schemas may be nested in each other.
const MAX_DEPTH: usize = 256;

/// What a schema may not use.
const UNSUPPORTED: [(&str, &str); 7] = [
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
];

/// Why a schema is not structural.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CompileError {
    /// It uses a field that is not supported.
    #[error("OpenAPIV3Schema '{0}' is not supported")]
    Unsupported(&'static str),
    /// It has a list of schemas for the items of a list.
    #[error("OpenAPIV3Schema 'items' must be a schema, but is an array")]
    ItemsList,
    /// It says `false` where only `true` makes sense.
    #[error("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined")]
    PreserveFalse,
    /// It names a type that is none.
    #[error("unknown type '{0}'")]
    Type(String),
    /// It is nested too deeply.
    #[error("the schema is nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
    /// A pattern is malformed or too large.
    #[error("pattern '{pattern}' cannot be used: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong.
        why: String,
    },
}

impl CompileError {
    /// Whether the schema uses what upstream's structural schemas have no place for.
    pub(super) fn is_unsupported(&self) -> bool {
        matches!(self, Self::Unsupported(_) | Self::ItemsList | Self::PreserveFalse)
    }
}

pub(super) fn compile(schema: &Value, keeps_unknown: bool) -> Result<Structural, CompileError> {
    let mut build = Build { nodes: Vec::new(), patterns: Patterns::default(), depth: 0 };
    let root = build.schema(schema)?;
    let (nodes, shape) = (build.nodes.into(), CustomShape::new(schema));
    Ok(Structural { nodes, root, keeps_unknown, shape, rules: OnceLock::new() })
}

struct Build {
    nodes: Vec<Node>,
    patterns: Patterns,
    depth: usize,
}

impl Build {
    fn schema(&mut self, schema: &Value) -> Result<NodeId, CompileError> {
        if self.depth >= MAX_DEPTH {
            return Err(CompileError::TooDeep);
        }
        self.depth += 1;
        let node = self.node(schema)?;
        self.depth -= 1;
        let id = NodeId(u32::try_from(self.nodes.len()).map_err(|_| CompileError::TooDeep)?);
        self.nodes.push(node);
        Ok(id)
    }

    fn node(&mut self, schema: &Value) -> Result<Node, CompileError> {
        supported(schema)?;
        let name = text(schema, "type");
        Ok(Node {
            ty: Type::named(name).ok_or_else(|| CompileError::Type(name.to_owned()))?,
            list: list_type(schema),
            nullable: flag(schema, "nullable"),
            preserve: flag(schema, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(schema, "x-kubernetes-embedded-resource"),
            int_or_string: flag(schema, "x-kubernetes-int-or-string"),
            atomic: text(schema, "x-kubernetes-map-type") == "atomic",
            additional: self.additional(schema)?,
            items: schema.get("items").filter(|it| it.is_object()).map(|it| self.schema(it)).transpose()?,
            properties: self.properties(schema)?,
            keys: names(schema, "x-kubernetes-list-map-keys"),
            default: schema.get("default").filter(|it| !it.is_null()).map(|it| Box::new(Preset::new(it))),
            checks: self.checks(schema)?,
            rules: Written::all(schema),
        })
    }

    fn additional(&mut self, schema: &Value) -> Result<Additional, CompileError> {
        Ok(match schema.get("additionalProperties") {
            Some(Value::Bool(false)) => Additional::Refused,
            Some(Value::Bool(true)) => Additional::Any,
            Some(schema @ Value::Object(_)) => Additional::Of(self.schema(schema)?),
            _ => Additional::Unset,
        })
    }

    fn properties(&mut self, schema: &Value) -> Result<Properties, CompileError> {
        let properties = schema.get("properties").and_then(Value::as_object);
        let one = |(name, schema): (&String, &Value)| Ok((name.as_str().into(), self.schema(schema)?));
        // The map is sorted already.
        properties.into_iter().flatten().map(one).collect()
    }

    /// The checks of a schema, if it has any.
    fn checks(&mut self, schema: &Value) -> Result<Option<Box<Checks>>, CompileError> {
        let pattern = match text(schema, "pattern") {
            "" => None,
            pattern => Some(self.patterns.compile(pattern).map_err(|why| CompileError::Pattern {
                pattern: pattern.to_owned(),
                why: why.to_string(),
            })?),
        };
        let int = |field: &str| schema.get(field).and_then(Value::as_i64);
        let checks = Checks {
            format: Format::of(schema),
            maximum: bound(schema, "maximum", "exclusiveMaximum"),
            minimum: bound(schema, "minimum", "exclusiveMinimum"),
            multiple_of: schema.get("multipleOf").and_then(Value::as_f64),
            max_length: int("maxLength"),
            min_length: int("minLength"),
            max_items: int("maxItems"),
            min_items: int("minItems"),
            max_properties: int("maxProperties"),
            min_properties: int("minProperties"),
            pattern,
            one_of_values: list(schema, "enum").into(),
            required: names(schema, "required"),
            all_of: self.schemas(schema, "allOf")?,
            any_of: self.schemas(schema, "anyOf")?,
            one_of: self.schemas(schema, "oneOf")?,
            not: schema.get("not").filter(|it| it.is_object()).map(|it| self.schema(it)).transpose()?,
        };
        Ok((!checks.is_empty()).then(|| Box::new(checks)))
    }

    fn schemas(&mut self, schema: &Value, field: &str) -> Result<Box<[NodeId]>, CompileError> {
        list(schema, field).iter().map(|part| self.schema(part)).collect()
    }
}

/// The first thing in a schema that is not supported.
fn supported(schema: &Value) -> Result<(), CompileError> {
    for (field, name) in UNSUPPORTED {
        if schema.get(field).is_some_and(|value| !is_empty(value)) {
            return Err(CompileError::Unsupported(name));
        }
    }
    if schema.get("items").is_some_and(Value::is_array) {
        return Err(CompileError::ItemsList);
    }
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        return Err(CompileError::PreserveFalse);
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn bound(schema: &Value, field: &str, exclusive: &str) -> Option<Bound> {
    let value = schema.get(field)?.as_f64()?;
    Some(Bound { value, exclusive: flag(schema, exclusive) })
}

fn list_type(schema: &Value) -> ListType {
    match text(schema, "x-kubernetes-list-type") {
        "atomic" => ListType::Atomic,
        "set" => ListType::Set,
        "map" => ListType::Map,
        _ => ListType::Unset,
    }
}

fn names(schema: &Value, field: &str) -> Box<[Box<str>]> {
    texts(schema, field).map(Box::from).collect()
}
