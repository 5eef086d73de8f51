//! The arena: one node for every schema inside a schema.
//!
//! Nodes are made once, when a definition is accepted, and only read afterwards. Schemas under `allOf`,
//! `anyOf`, `oneOf` and `not` are nodes like all others; they only ever check values.

use portcullis_api::Value;

use super::format::Format;
use super::pattern::Pattern;
use super::rules::Written;

/// The place of a node in its arena.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct NodeId(pub(super) u32);

/// What `type` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Type {
    /// Nothing.
    #[default]
    Unset,
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
}

/// What `x-kubernetes-list-type` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum ListType {
    /// Nothing, which means the same as `Atomic`.
    #[default]
    Unset,
    /// `atomic`
    Atomic,
    /// `set`
    Set,
    /// `map`
    Map,
}

/// What `additionalProperties` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Additional {
    /// Nothing.
    #[default]
    Unset,
    /// `false`
    Refused,
    /// `true`
    Any,
    /// A schema.
    Of(NodeId),
}

/// Properties, sorted by name.
pub(crate) type Properties = Box<[(Box<str>, NodeId)]>;

/// One schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(crate) ty: Type,
    pub(crate) list: ListType,
    pub(crate) nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`
    pub(crate) preserve: bool,
    /// `x-kubernetes-embedded-resource`
    pub(crate) embedded: bool,
    /// `x-kubernetes-int-or-string`
    pub(crate) int_or_string: bool,
    /// `x-kubernetes-map-type: atomic`
    #[expect(dead_code, reason = "for rules, which compare the members of maps with those before")]
    pub(crate) atomic: bool,
    pub(crate) additional: Additional,
    pub(crate) items: Option<NodeId>,
    pub(crate) properties: Properties,
    pub(crate) keys: Box<[Box<str>]>,
    pub(crate) default: Option<Box<Preset>>,
    pub(crate) checks: Option<Box<Checks>>,
    /// `x-kubernetes-validations`
    pub(crate) rules: Box<[Written]>,
}

/// A default.
#[derive(Debug)]
pub(crate) struct Preset {
    pub(crate) value: Value,
    /// How much memory a copy takes, in values of usual size.
    pub(crate) weight: usize,
}

/// What a schema asks of values beyond their type.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    pub(crate) format: Option<Format>,
    pub(crate) maximum: Option<Bound>,
    pub(crate) minimum: Option<Bound>,
    pub(crate) multiple_of: Option<f64>,
    pub(crate) max_length: Option<i64>,
    pub(crate) min_length: Option<i64>,
    pub(crate) max_items: Option<i64>,
    pub(crate) min_items: Option<i64>,
    pub(crate) max_properties: Option<i64>,
    pub(crate) min_properties: Option<i64>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) one_of_values: Box<[Value]>,
    pub(crate) required: Box<[Box<str>]>,
    pub(crate) all_of: Box<[NodeId]>,
    pub(crate) any_of: Box<[NodeId]>,
    pub(crate) one_of: Box<[NodeId]>,
    pub(crate) not: Option<NodeId>,
}

/// The end of a range.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Bound {
    pub(crate) value: f64,
    pub(crate) exclusive: bool,
}

impl Type {
    /// The type of a name in a schema; `None` for a name that is no type.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" => Self::Unset,
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    /// The name in a schema; empty where there is none.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }
}

impl Node {
    /// The schema of a declared property.
    pub(crate) fn property(&self, name: &str) -> Option<NodeId> {
        let at = self.properties.binary_search_by(|(key, _)| key.as_ref().cmp(name)).ok()?;
        self.properties.get(at).map(|(_, id)| *id)
    }

    /// The schema of a property, declared or additional.
    pub(crate) fn value_of(&self, name: &str) -> Option<NodeId> {
        self.property(name).or(match self.additional {
            Additional::Of(id) => Some(id),
            _ => None,
        })
    }
}

impl Checks {
    /// Whether nothing is asked.
    pub(super) fn is_empty(&self) -> bool {
        let Self { format, maximum, minimum, multiple_of, max_length, min_length, .. } = self;
        let Self { max_items, min_items, max_properties, min_properties, pattern, not, .. } = self;
        let Self { one_of_values, required, all_of, any_of, one_of, .. } = self;
        let numbers = [max_length, min_length, max_items, min_items, max_properties, min_properties];
        let bounds = maximum.is_none() && minimum.is_none() && multiple_of.is_none();
        let logic = all_of.is_empty() && any_of.is_empty() && one_of.is_empty() && not.is_none();
        let lists = one_of_values.is_empty() && required.is_empty();
        format.is_none()
            && pattern.is_none()
            && bounds
            && logic
            && lists
            && numbers.into_iter().all(Option::is_none)
    }
}

impl Preset {
    pub(super) fn new(value: &Value) -> Self {
        Self { value: value.clone(), weight: weight(value) }
    }
}

fn weight(value: &Value) -> usize {
    const TEXT: usize = 32;
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
        Value::String(text) => 1 + text.len() / TEXT,
        Value::Array(items) => items.iter().map(weight).fold(1, usize::saturating_add),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (1 + name.len() / TEXT).saturating_add(weight(value)))
            .fold(1, usize::saturating_add),
    }
}
