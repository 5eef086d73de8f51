//! The tree of an expression after its macros were expanded.

use std::sync::Arc;

/// A name in an expression.
pub(crate) type Name = Arc<str>;
/// Names a node; copies that a macro makes of its arguments share it.
pub(crate) type Id = u32;

/// A node with its place.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) id: Id,
    /// Offset in code points.
    pub(crate) at: u32,
    /// How deep operators and selections nest below, and with this one.
    pub(crate) height: u16,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The place of something that was complained about.
    Missing,
    Literal(Literal),
    Ident(Name),
    Select(Box<Select>),
    Call(Box<Call>),
    List(Vec<Item>),
    Map(Vec<Entry>),
    Struct(Box<Struct>),
    Fold(Box<Fold>),
}

/// A constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Arc<str>),
    Bytes(Arc<[u8]>),
}

/// `operand.field`, or the test whether it is there.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) operand: Expr,
    pub(crate) field: Name,
    pub(crate) test: bool,
}

/// A call of a function or an operator.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: Name,
    pub(crate) target: Option<Expr>,
    pub(crate) args: Vec<Expr>,
}

/// An element of a list; an optional one is left out when it has no value.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) value: Expr,
    pub(crate) optional: bool,
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Expr,
    pub(crate) value: Expr,
    pub(crate) optional: bool,
}

/// A message with its fields.
#[derive(Clone, Debug)]
pub(crate) struct Struct {
    pub(crate) name: Name,
    pub(crate) fields: Vec<Field>,
}

/// A field of a message; an optional one is left out when it has no value.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) at: u32,
    pub(crate) name: Name,
    pub(crate) value: Expr,
    pub(crate) optional: bool,
}

/// A loop: what the macros become.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) range: Expr,
    pub(crate) first: Name,
    pub(crate) second: Option<Name>,
    pub(crate) accumulator: Name,
    pub(crate) init: Expr,
    pub(crate) condition: Expr,
    pub(crate) step: Expr,
    pub(crate) result: Expr,
}

/// The accumulator of the macros; no source can spell it.
pub(crate) const ACCUMULATOR: &str = "@result";

impl Fold {
    /// Whether this only gives its accumulator's start a name.
    pub(crate) fn binds(&self) -> bool {
        matches!(&self.range.kind, Kind::List(items) if items.is_empty())
            && matches!(self.condition.kind, Kind::Literal(Literal::Bool(false)))
    }
}

impl Expr {
    /// The dotted name this selection spells, if it is one.
    pub(crate) fn qualified(&self) -> Option<String> {
        match &self.kind {
            Kind::Ident(name) => Some(name.to_string()),
            Kind::Select(select) if !select.test => {
                Some(format!("{}.{}", select.operand.qualified()?, select.field))
            }
            _ => None,
        }
    }

    /// Calls `visit` on each child.
    pub(crate) fn children<'e>(&'e self, visit: &mut dyn FnMut(&'e Self)) {
        match &self.kind {
            Kind::Missing | Kind::Literal(_) | Kind::Ident(_) => {}
            Kind::Select(select) => visit(&select.operand),
            Kind::Call(call) => call.target.iter().chain(&call.args).for_each(visit),
            Kind::List(items) => items.iter().for_each(|item| visit(&item.value)),
            Kind::Map(entries) => entries.iter().for_each(|entry| {
                visit(&entry.key);
                visit(&entry.value);
            }),
            Kind::Struct(message) => message.fields.iter().for_each(|field| visit(&field.value)),
            Kind::Fold(fold) => {
                let parts = [&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result];
                parts.into_iter().for_each(visit);
            }
        }
    }
}
