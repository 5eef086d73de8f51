//! Makes nodes: numbers them, and keeps their nesting and their count within bounds.

use super::ast::{Call, Expr, Fold, Id, Item, Kind, Literal, Name, Select};
use super::{Complaint, ast};

/// Operators, selections and member calls nest at most this deep.
const DEEPEST: u16 = 250;
/// A tree has at most this many nodes; macros that repeat their arguments can multiply them.
const MOST_NODES: u32 = 1 << 16;

/// Why reading ended before the end of the text.
#[derive(Debug)]
pub(super) enum Stop {
    /// The text is no expression.
    Syntax,
    /// It is too deep or too large.
    Limit(Complaint),
}

/// Makes nodes and collects complaints.
#[derive(Debug, Default)]
pub(super) struct Builder {
    nodes: Id,
    pub(super) complaints: Vec<Complaint>,
}

impl Builder {
    /// How many nodes there are, and with it the bound of their ids.
    pub(super) fn count(&self) -> Id {
        self.nodes
    }

    /// A node.
    pub(super) fn node(&mut self, at: u32, kind: Kind) -> Result<Expr, Stop> {
        let height = height(&kind);
        if height > DEEPEST {
            return Err(Stop::Limit(Complaint::whole("max recursion depth exceeded")));
        }
        Ok(Expr { id: self.id()?, at, height, kind })
    }

    fn id(&mut self) -> Result<Id, Stop> {
        if self.nodes >= MOST_NODES {
            return Err(Stop::Limit(Complaint::whole(format!(
                "expression has more than {MOST_NODES} parts"
            ))));
        }
        self.nodes += 1;
        Ok(self.nodes - 1)
    }

    /// The place of what is wrong.
    pub(super) fn complain(&mut self, at: u32, message: impl Into<String>) -> Result<Expr, Stop> {
        self.complaints.push(Complaint::new(at, message));
        self.node(at, Kind::Missing)
    }

    pub(super) fn literal(&mut self, at: u32, literal: Literal) -> Result<Expr, Stop> {
        self.node(at, Kind::Literal(literal))
    }

    pub(super) fn ident(&mut self, at: u32, name: impl Into<Name>) -> Result<Expr, Stop> {
        self.node(at, Kind::Ident(name.into()))
    }

    pub(super) fn select(&mut self, at: u32, operand: Expr, field: Name, test: bool) -> Result<Expr, Stop> {
        self.node(at, Kind::Select(Box::new(Select { operand, field, test })))
    }

    pub(super) fn call(&mut self, at: u32, function: &str, args: Vec<Expr>) -> Result<Expr, Stop> {
        self.node(at, Kind::Call(Box::new(Call { function: function.into(), target: None, args })))
    }

    pub(super) fn member(
        &mut self,
        at: u32,
        function: &str,
        target: Expr,
        args: Vec<Expr>,
    ) -> Result<Expr, Stop> {
        self.node(at, Kind::Call(Box::new(Call { function: function.into(), target: Some(target), args })))
    }

    pub(super) fn list(&mut self, at: u32, values: Vec<Expr>) -> Result<Expr, Stop> {
        let items = values.into_iter().map(|value| Item { value, optional: false });
        self.node(at, Kind::List(items.collect()))
    }

    pub(super) fn fold(&mut self, at: u32, fold: Fold) -> Result<Expr, Stop> {
        self.node(at, Kind::Fold(Box::new(fold)))
    }

    /// A copy with ids of its own.
    pub(super) fn copy(&mut self, expr: &Expr) -> Result<Expr, Stop> {
        let mut copy = expr.clone();
        self.renumber(&mut copy)?;
        Ok(copy)
    }

    fn renumber(&mut self, expr: &mut Expr) -> Result<(), Stop> {
        expr.id = self.id()?;
        match &mut expr.kind {
            Kind::Missing | Kind::Literal(_) | Kind::Ident(_) => Ok(()),
            Kind::Select(select) => self.renumber(&mut select.operand),
            Kind::Call(call) => {
                call.target.iter_mut().chain(&mut call.args).try_for_each(|child| self.renumber(child))
            }
            Kind::List(items) => items.iter_mut().try_for_each(|item| self.renumber(&mut item.value)),
            Kind::Map(entries) => entries.iter_mut().try_for_each(|entry| {
                self.renumber(&mut entry.key)?;
                self.renumber(&mut entry.value)
            }),
            Kind::Struct(message) => {
                message.fields.iter_mut().try_for_each(|field| self.renumber(&mut field.value))
            }
            Kind::Fold(fold) => {
                let ast::Fold { range, init, condition, step, result, .. } = &mut **fold;
                [range, init, condition, step, result].into_iter().try_for_each(|part| self.renumber(part))
            }
        }
    }
}

/// How deep a node with these children nests.
fn height(kind: &Kind) -> u16 {
    let deepest = |children: &mut dyn Iterator<Item = &Expr>| {
        children.map(|child| child.height).max().unwrap_or_default()
    };
    match kind {
        Kind::Missing | Kind::Literal(_) | Kind::Ident(_) => 0,
        Kind::Select(select) => select.operand.height + 1,
        Kind::Call(call) => {
            let below = deepest(&mut call.target.iter().chain(&call.args));
            below + u16::from(nests(call))
        }
        Kind::List(items) => deepest(&mut items.iter().map(|item| &item.value)),
        Kind::Map(entries) => deepest(&mut entries.iter().flat_map(|entry| [&entry.key, &entry.value])),
        Kind::Struct(message) => deepest(&mut message.fields.iter().map(|field| &field.value)),
        Kind::Fold(fold) => {
            let parts = [&fold.range, &fold.init, &fold.condition, &fold.step, &fold.result];
            deepest(&mut parts.into_iter())
        }
    }
}

/// Logical operators are balanced, and plain calls are bounded by their parentheses.
fn nests(call: &Call) -> bool {
    call.target.is_some()
        || call.function.len() > 2
            && call.function.contains('_')
            && !matches!(&*call.function, "_&&_" | "_||_")
}
