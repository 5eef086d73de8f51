//! What is known about JSON data before it is seen: its types as an expression sees them, and how large it can be.
//!
//! A shape is made once from a schema and then serves three times: its type for checking, its bounds for
//! estimating costs, and itself as the lens through which a value is read without being copied.

mod escape;
mod limits;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

pub use escape::{escape, is_identifier, unescape};

use crate::types::{ObjectType, Type};

/// What is known about a value.
#[derive(Debug)]
pub struct Shape {
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) bounds: Bounds,
}

/// How large a value can be.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// The most elements or octets; zero for what has no size.
    pub(crate) most: u64,
    /// The least size written out.
    pub(crate) least_size: u64,
}

/// What a value is.
#[derive(Debug)]
pub(crate) enum Kind {
    /// Anything, taken as it comes.
    Dyn,
    /// A whole number or text; `dyn` to the checker.
    IntOrString,
    /// Data that expressions cannot see, only compare.
    Hidden,
    Bool,
    Int,
    Double,
    String,
    Bytes,
    Duration,
    Date,
    DateTime,
    List(Arc<Shape>, Merge),
    Map(Arc<Shape>),
    Object(Object),
}

/// How two lists are compared and put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge {
    /// By position.
    Atomic,
    /// As a set of scalars.
    Set,
    /// By the values of these fields.
    Keys(Vec<String>),
}

/// The properties of an object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) kind: Arc<ObjectType>,
    /// By their names in the data.
    pub(crate) properties: BTreeMap<Arc<str>, Arc<Shape>>,
}

/// A property on the way into [`Shape::object`].
#[derive(Debug)]
pub struct Property {
    /// The name in the data.
    pub name: String,
    /// What it holds.
    pub shape: Arc<Shape>,
    /// Whether it must be there and no default fills it in; then it adds to the least size.
    pub counted: bool,
}

static ANY: LazyLock<Arc<Shape>> = LazyLock::new(|| Arc::new(Shape::of(Kind::Dyn, 0, 1)));

impl Shape {
    fn of(kind: Kind, most: u64, least_size: u64) -> Self {
        Self { kind, nullable: false, bounds: Bounds { most, least_size } }
    }

    /// Anything, without bounds.
    #[must_use]
    pub fn any() -> Arc<Self> {
        ANY.clone()
    }

    /// The same that may also be `null`.
    #[must_use]
    pub fn nullable(self) -> Self {
        Self { nullable: true, ..self }
    }

    /// Data that expressions cannot see.
    #[must_use]
    pub fn hidden() -> Self {
        Self::of(Kind::Hidden, 0, 0)
    }

    /// `true` or `false`
    #[must_use]
    pub fn bool() -> Self {
        Self::of(Kind::Bool, 0, limits::BOOL)
    }

    /// A whole number.
    #[must_use]
    pub fn int() -> Self {
        Self::of(Kind::Int, 0, limits::NUMBER)
    }

    /// A number.
    #[must_use]
    pub fn double() -> Self {
        Self::of(Kind::Double, 0, limits::NUMBER)
    }

    /// A whole number or text of at most so many code points.
    #[must_use]
    pub fn int_or_string(longest: Option<i64>) -> Self {
        Self::of(Kind::IntOrString, limits::text(longest), 1)
    }

    /// Text of at most so many code points.
    #[must_use]
    pub fn string(longest: Option<i64>) -> Self {
        Self::of(Kind::String, limits::text(longest), limits::TEXT)
    }

    /// One of a few texts, the longest with so many octets.
    #[must_use]
    pub fn choice(longest: usize) -> Self {
        Self::of(Kind::String, limits::count(longest), limits::TEXT)
    }

    /// Octets in base 64, at most so many characters.
    #[must_use]
    pub fn bytes(longest: Option<i64>) -> Self {
        let most = longest.map_or(limits::LONGEST_TEXT, limits::not_negative);
        Self::of(Kind::Bytes, most, limits::TEXT)
    }

    /// A span of time.
    #[must_use]
    pub fn duration() -> Self {
        Self::of(Kind::Duration, limits::LONGEST_DURATION, limits::DURATION)
    }

    /// A day.
    #[must_use]
    pub fn date() -> Self {
        Self::of(Kind::Date, limits::DATE, limits::DATE)
    }

    /// A moment.
    #[must_use]
    pub fn date_time() -> Self {
        Self::of(Kind::DateTime, limits::LONGEST_DATE_TIME, limits::DATE_TIME)
    }

    /// A list of at most so many elements.
    #[must_use]
    pub fn list(element: Arc<Self>, most: Option<i64>, merge: Merge) -> Self {
        let most = most.map_or_else(|| limits::list(element.bounds.least_size), limits::not_negative);
        Self::of(Kind::List(element, merge), most, limits::EMPTY)
    }

    /// A map from texts with at most so many entries.
    #[must_use]
    pub fn map(value: Arc<Self>, most: Option<i64>) -> Self {
        let most = most.map_or_else(|| limits::map(value.bounds.least_size), limits::not_negative);
        Self::of(Kind::Map(value), most, limits::EMPTY)
    }

    /// An object whose type has this name.
    #[must_use]
    pub fn object(name: &str, properties: Vec<Property>) -> Self {
        Self::with_fields(name, properties, escape)
    }

    /// The same, of a type that is declared here and not by a schema: its fields go by their own names, words of
    /// the language among them.
    #[must_use]
    pub fn declared(name: &str, properties: Vec<Property>) -> Self {
        Self::with_fields(name, properties, |name| Some(name.into()))
    }

    fn with_fields(name: &str, properties: Vec<Property>, spell: fn(&str) -> Option<Cow<'_, str>>) -> Self {
        let mut least = limits::EMPTY;
        let mut fields = Vec::new();
        for Property { name, shape, counted } in &properties {
            let Some(kind) = shape.cel_type() else { continue };
            if let Some(spelled) = spell(name) {
                fields.push((spelled, kind));
            }
            if *counted {
                least = least.saturating_add(limits::count(name.len()) + shape.bounds.least_size + 4);
            }
        }
        let kind = Arc::new(ObjectType::new(name, fields));
        let properties =
            properties.into_iter().map(|property| (property.name.into(), property.shape)).collect();
        Self::of(Kind::Object(Object { kind, properties }), 0, least)
    }

    /// Whether values are taken as they come.
    pub(crate) fn is_any(&self) -> bool {
        matches!(self.kind, Kind::Dyn)
    }

    /// Whether expressions can see it.
    #[must_use]
    pub fn is_visible(&self) -> bool {
        self.cel_type().is_some()
    }

    /// The least size of it written out.
    #[must_use]
    pub fn least_size(&self) -> u64 {
        self.bounds.least_size
    }

    /// The type an expression sees; none if it sees nothing.
    #[must_use]
    pub fn cel_type(&self) -> Option<Type> {
        Some(match &self.kind {
            Kind::Hidden => return None,
            Kind::Dyn | Kind::IntOrString => Type::Dyn,
            Kind::Bool => Type::Bool,
            Kind::Int => Type::Int,
            Kind::Double => Type::Double,
            Kind::String => Type::String,
            Kind::Bytes => Type::Bytes,
            Kind::Duration => Type::Duration,
            Kind::Date | Kind::DateTime => Type::Timestamp,
            Kind::List(element, _) => Type::list(element.cel_type()?),
            Kind::Map(value) => Type::map(Type::String, value.cel_type()?),
            Kind::Object(object) => Type::Object(object.kind.clone()),
        })
    }

    /// What a step of a path leads to: a property, or the elements, keys or values.
    pub(crate) fn step(&self, step: &str) -> Option<&Self> {
        match (&self.kind, step) {
            (Kind::List(element, _), "@items") => Some(element),
            (Kind::Map(value), "@values") => Some(value),
            (Kind::Map(_), "@keys") => Some(&KEY),
            (Kind::Object(object), field) => object
                .properties
                .get(&*unescape(field)?)
                .map(|shape| &**shape)
                .filter(|shape| shape.is_visible()),
            _ => None,
        }
    }
}

/// The keys of maps: text whose size nothing is said about.
static KEY: LazyLock<Shape> = LazyLock::new(|| Shape::of(Kind::String, 0, limits::TEXT));
