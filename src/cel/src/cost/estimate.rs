//! The cost of a checked tree by the bounds of its variables.
//!
//! A walk over the tree that keeps, for each part, the path of fields it was reached by (bounds are known by path), its
//! size, and the sizes of its elements.

use std::collections::HashMap;

use super::{Hints, LIST, MAP, MESSAGE, Range, functions};
use crate::check::Facts;
use crate::syntax::ast::{ACCUMULATOR, Call, Entry, Expr, Fold, Id, Kind, Literal, Name, Select};
use crate::types::Type;

/// The path to a value: a variable, then fields and `@items`, `@keys`, `@values`, `@indices`.
type Path = std::rc::Rc<[std::rc::Rc<str>]>;

/// The cost of a tree.
pub(crate) fn estimate(root: &Expr, facts: &Facts, hints: Hints<'_>) -> Range {
    Estimator {
        facts,
        hints,
        paths: HashMap::new(),
        sizes: HashMap::new(),
        entries: HashMap::new(),
        locals: Vec::new(),
    }
    .cost(root)
}

/// The sizes of the elements of a list or a map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entries {
    list: bool,
    key: Range,
    pub(super) value: Range,
}

/// A variable of a loop.
struct Local {
    name: Name,
    path: Option<Path>,
    size: Option<Range>,
    entries: Option<Entries>,
}

/// An argument as the functions look at it.
pub(super) struct Arg<'e> {
    pub(super) expr: Option<&'e Expr>,
    pub(super) kind: Type,
    pub(super) path: Option<Path>,
    pub(super) size: Option<Range>,
}

pub(super) struct Estimator<'e> {
    facts: &'e Facts,
    hints: Hints<'e>,
    paths: HashMap<Id, Option<Path>>,
    sizes: HashMap<Id, Range>,
    entries: HashMap<Id, Entries>,
    locals: Vec<Local>,
}

impl<'e> Estimator<'e> {
    fn cost(&mut self, expr: &'e Expr) -> Range {
        match &expr.kind {
            Kind::Missing | Kind::Literal(_) => Range::fixed(0),
            Kind::Ident(name) => {
                let path = match self.local(name) {
                    Some(local) => local.path.clone(),
                    None => Some([name.as_ref().into()].into()),
                };
                self.paths.insert(expr.id, path);
                Range::fixed(1)
            }
            Kind::Select(select) => self.select(expr, select),
            Kind::Call(call) => self.call(expr, call),
            Kind::List(items) => {
                let (mut cost, mut size) = (Range::fixed(LIST), start(items.is_empty()));
                for item in items {
                    cost = cost.plus(self.cost(&item.value));
                    size = size.union(self.size_or_unknown(&item.value));
                }
                self.entries.insert(expr.id, Entries { list: true, key: Range::fixed(1), value: size });
                cost
            }
            Kind::Map(entries) => self.map(expr, entries),
            Kind::Struct(message) => message
                .fields
                .iter()
                .fold(Range::fixed(MESSAGE), |cost, field| cost.plus(self.cost(&field.value))),
            Kind::Fold(fold) if fold.binds() && &*fold.accumulator != ACCUMULATOR => self.bind(expr, fold),
            Kind::Fold(fold) => self.fold(expr, fold),
        }
    }

    fn local(&self, name: &str) -> Option<&Local> {
        self.locals.iter().rev().find(|local| &*local.name == name)
    }

    fn select(&mut self, expr: &'e Expr, select: &'e Select) -> Range {
        let operand = self.cost(&select.operand);
        if select.test {
            return operand;
        }
        let counted = matches!(self.facts.kind(&select.operand), Type::Map(_) | Type::Object(_));
        let path = self.path(&select.operand);
        self.paths.insert(expr.id, Some(extend(path, &select.field)));
        if counted { operand.plus(Range::fixed(1)) } else { operand }
    }

    fn map(&mut self, expr: &Expr, entries: &'e [Entry]) -> Range {
        let mut cost = Range::fixed(MAP);
        let (mut key, mut value) = (start(entries.is_empty()), start(entries.is_empty()));
        for entry in entries {
            cost = cost.plus(self.cost(&entry.key)).plus(self.cost(&entry.value));
            key = key.union(self.size_or_unknown(&entry.key));
            value = value.union(self.size_or_unknown(&entry.value));
        }
        self.entries.insert(expr.id, Entries { list: false, key, value });
        cost
    }

    fn call(&mut self, expr: &'e Expr, call: &'e Call) -> Range {
        if let ("dyn", [arg]) = (&*call.function, call.args.as_slice()) {
            let cost = self.cost(arg);
            self.copy_sizes(expr, arg);
            return cost.plus(Range::fixed(1));
        }
        let costs: Vec<Range> = call.args.iter().map(|arg| self.cost(arg)).collect();
        let args: Vec<Arg<'e>> = call.args.iter().map(|arg| self.arg(arg)).collect();
        let overloads = self.facts.overloads(expr);
        if overloads.is_empty() {
            return Range::fixed(0);
        }
        let mut sum = Range::fixed(0);
        let target = call.target.as_ref().map(|target| {
            sum = self.cost(target);
            self.arg(target)
        });
        let (mut cost, mut size) = (Range::EMPTY, None::<Range>);
        for overload in overloads {
            let site =
                functions::Site { function: &call.function, overload, target: target.as_ref(), args: &args };
            let (own, result) = self.function(expr, &site, &costs);
            cost = cost.union(own);
            size = match (size, result) {
                (Some(size), Some(result)) => Some(size.union(result)),
                (size, result) => size.or(result),
            };
            if let Some((step, first)) = indexed(overload).zip(call.args.first()) {
                size = self.entries_of(first).map(|entries| entries.value);
                let path = extend(self.path(first), step);
                self.paths.insert(expr.id, Some(path));
            }
            size = size.or_else(|| self.size(expr));
        }
        if let Some(size) = size {
            self.sizes.insert(expr.id, size);
        }
        sum.plus(cost)
    }

    /// The cost of one overload with its arguments, and the size of its result.
    fn function(
        &mut self,
        expr: &Expr,
        site: &functions::Site<'_, 'e>,
        costs: &[Range],
    ) -> (Range, Option<Range>) {
        let arguments = costs.iter().fold(Range::fixed(0), |sum, cost| sum.plus(*cost));
        if let Some((cost, size)) = functions::library(self, site) {
            return (cost.plus(arguments), size);
        }
        match (site.overload, costs, site.args) {
            ("logical_or" | "logical_and", [left, right], _) => {
                (Range { min: left.min, max: left.max.saturating_add(right.max) }, None)
            }
            ("conditional", [condition, then, otherwise], [_, one, other]) => {
                let size = known(one).union(known(other));
                if let Some(entries) = self.common_entries(one, other) {
                    self.entries.insert(expr.id, entries);
                }
                (condition.plus(then.union(*otherwise)), Some(size))
            }
            ("add_string" | "add_bytes" | "add_list", _, [one, other]) => {
                let size = known(one).plus(known(other));
                if let Some(entries) = self.common_entries(one, other) {
                    self.entries.insert(expr.id, entries);
                }
                let own = if site.overload == "add_list" { Range::fixed(1) } else { size.scale(super::TEXT) };
                (own.plus(arguments), Some(size))
            }
            _ => {
                let (cost, size) = functions::standard(site);
                (cost.plus(arguments), size)
            }
        }
    }

    fn common_entries(&self, one: &Arg<'e>, other: &Arg<'e>) -> Option<Entries> {
        let one = self.entries_of(one.expr?)?;
        let other = self.entries_of(other.expr?)?;
        Some(Entries { list: one.list, key: one.key.union(other.key), value: one.value.union(other.value) })
    }

    fn fold(&mut self, expr: &'e Expr, fold: &'e Fold) -> Range {
        let mut sum = self.cost(&fold.range).plus(self.cost(&fold.init));
        let locals = self.locals.len();
        self.push(&fold.accumulator, &fold.init);
        match &fold.second {
            Some(second) => {
                self.push_element(&fold.first, &fold.range, true);
                self.push_element(second, &fold.range, false);
            }
            None => {
                let list = self.is_list(&fold.range);
                self.push_element(&fold.first, &fold.range, !list);
            }
        }
        let condition = self.cost(&fold.condition);
        let each = condition.plus(self.cost(&fold.step));
        self.locals.truncate(locals + 1);
        sum = sum.plus(self.cost(&fold.result));
        self.locals.truncate(locals);
        let count = self.size_or_unknown(&fold.range);
        sum = sum.plus(count.times(each));
        match &fold.init.kind {
            Kind::Literal(_) => {
                if let Some(size) = self.size(&fold.init) {
                    self.sizes.insert(expr.id, size);
                }
            }
            Kind::List(_) | Kind::Map(_) => {
                self.sizes.insert(expr.id, count);
                if let Some(entries) = self.entries_of(&fold.step) {
                    self.entries.insert(expr.id, entries);
                }
            }
            _ => {}
        }
        sum
    }

    fn bind(&mut self, expr: &Expr, fold: &'e Fold) -> Range {
        let sum = self.cost(&fold.range).plus(self.cost(&fold.init));
        self.push(&fold.accumulator, &fold.init);
        let sum = sum.plus(self.cost(&fold.result));
        self.locals.pop();
        self.copy_sizes(expr, &fold.result);
        sum
    }

    fn push(&mut self, name: &Name, value: &Expr) {
        let (path, size, entries) = (self.path(value), self.size(value), self.entries_of(value));
        self.locals.push(Local { name: name.clone(), path, size, entries });
    }

    fn is_list(&self, range: &Expr) -> bool {
        match self.entries_of(range) {
            Some(entries) => entries.list,
            None => matches!(self.facts.kind(range), Type::List(_)),
        }
    }

    /// A variable that takes the keys, or the elements or values.
    fn push_element(&mut self, name: &Name, range: &Expr, key: bool) {
        let step = match (self.is_list(range), key) {
            (true, true) => "@indices",
            (true, false) => "@items",
            (false, true) => "@keys",
            (false, false) => "@values",
        };
        let entries = self.entries_of(range);
        let size = entries.map(|entries| if key { entries.key } else { entries.value });
        let path = extend(self.path(range), step);
        self.locals.push(Local { name: name.clone(), path: Some(path), size, entries: None });
    }

    fn path(&self, expr: &Expr) -> Option<Path> {
        if let Kind::Ident(name) = &expr.kind
            && let Some(local) = self.local(name)
        {
            return local.path.clone();
        }
        self.paths.get(&expr.id).cloned().flatten()
    }

    fn arg(&mut self, expr: &'e Expr) -> Arg<'e> {
        let path = self.path(expr).filter(|path| path.first().is_some_and(|first| &**first != ACCUMULATOR));
        Arg { expr: Some(expr), kind: self.facts.kind(expr).clone(), path, size: self.size(expr) }
    }

    fn size_or_unknown(&mut self, expr: &Expr) -> Range {
        self.size(expr).unwrap_or(Range::UNKNOWN)
    }

    fn copy_sizes(&mut self, to: &Expr, from: &Expr) {
        if let Some(size) = self.size(from) {
            self.sizes.insert(to.id, size);
        }
        if let Some(entries) = self.entries_of(from) {
            self.entries.insert(to.id, entries);
        }
    }

    fn size(&mut self, expr: &Expr) -> Option<Range> {
        if let Some(size) = self.sizes.get(&expr.id) {
            return Some(*size);
        }
        if let Some(size) = written(&expr.kind) {
            return Some(Range::fixed(size));
        }
        if let Some(size) = self.hinted(self.path(expr).as_ref()) {
            self.sizes.insert(expr.id, size);
            return Some(size);
        }
        if self.facts.kind(expr).is_scalar() {
            return Some(Range::fixed(1));
        }
        match &expr.kind {
            Kind::Ident(name) => self.local(name).and_then(|local| local.size),
            _ => None,
        }
    }

    /// What is known about the size of what a path leads to.
    pub(super) fn hinted(&self, path: Option<&Path>) -> Option<Range> {
        let steps: Vec<&str> = path?.iter().map(|step| &**step).collect();
        self.hints.size(&steps)
    }

    fn entries_of(&self, expr: &Expr) -> Option<Entries> {
        if let Some(entries) = self.entries.get(&expr.id) {
            return Some(*entries);
        }
        match &expr.kind {
            Kind::Ident(name) => self.local(name).and_then(|local| local.entries),
            _ => None,
        }
    }
}

/// What the sizes of no elements come to.
fn start(empty: bool) -> Range {
    if empty { Range::fixed(0) } else { Range::EMPTY }
}

fn indexed(overload: &str) -> Option<&'static str> {
    match overload {
        "index_list" => Some("@items"),
        "index_map" => Some("@values"),
        _ => None,
    }
}

pub(super) fn extend(path: Option<Path>, step: &str) -> Path {
    path.iter().flat_map(|path| path.iter().cloned()).chain([step.into()]).collect()
}

pub(super) fn known(arg: &Arg<'_>) -> Range {
    arg.size.unwrap_or(Range::UNKNOWN)
}

/// The size of what is written out.
fn written(kind: &Kind) -> Option<u64> {
    let size = match kind {
        Kind::Literal(Literal::String(text)) => text.chars().count(),
        Kind::Literal(Literal::Bytes(bytes)) => bytes.len(),
        Kind::Literal(_) => 1,
        Kind::List(items) => items.len(),
        Kind::Map(entries) => entries.len(),
        _ => return None,
    };
    u64::try_from(size).ok()
}
