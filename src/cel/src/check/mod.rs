//! Gives every part of a tree its type, every call its overloads, and complains about what does not fit.
//!
//! The rules are those of cel-go: what is `dyn` fits everywhere and is looked at when it is evaluated; several
//! overloads may fit then. A name is looked up as a whole dotted name before it is a selection.

mod calls;
mod literals;
mod names;
mod signatures;
mod validate;

pub(crate) use names::Names;
pub(crate) use signatures::{overloads, type_named};

use crate::syntax::Complaint;
use crate::syntax::ast::{Entry, Expr, Fold, Id, Item, Kind, Literal, Name, Select};
use crate::types::{Type, Unifier, most_general};

/// What checking found out about a tree.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    types: Vec<Option<Type>>,
    overloads: Vec<Vec<&'static str>>,
}

impl Facts {
    /// The type of a part.
    pub(crate) fn kind(&self, expr: &Expr) -> &Type {
        self.types.get(index(expr.id)).and_then(Option::as_ref).unwrap_or(&Type::Error)
    }

    /// The overloads a call may be of.
    pub(crate) fn overloads(&self, expr: &Expr) -> &[&'static str] {
        self.overloads.get(index(expr.id)).map_or(&[], Vec::as_slice)
    }
}

fn index(id: Id) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}

/// Checks a tree with ids below `nodes`; qualified names in it are resolved in place.
pub(crate) fn check(root: &mut Expr, nodes: Id, names: &Names) -> Result<Facts, Vec<Complaint>> {
    let facts = Facts { types: vec![None; index(nodes)], overloads: vec![Vec::new(); index(nodes)] };
    let mut checker =
        Checker { names, scopes: Vec::new(), unifier: Unifier::default(), facts, complaints: Vec::new() };
    checker.check(root);
    let Checker { unifier, mut facts, complaints, .. } = checker;
    if !complaints.is_empty() {
        return Err(complaints);
    }
    for kind in facts.types.iter_mut().flatten() {
        *kind = unifier.resolve(kind, true);
    }
    let complaints = validate::validate(root, &facts);
    if complaints.is_empty() { Ok(facts) } else { Err(complaints) }
}

struct Checker<'v> {
    names: &'v Names,
    /// The variables of the loops around, innermost last.
    scopes: Vec<(Name, Type)>,
    unifier: Unifier,
    facts: Facts,
    complaints: Vec<Complaint>,
}

impl Checker<'_> {
    fn complain(&mut self, at: u32, message: String) {
        self.complaints.push(Complaint::new(at, message));
    }

    fn set(&mut self, expr: &Expr, kind: Type) {
        if let Some(slot) = self.facts.types.get_mut(index(expr.id)) {
            *slot = Some(kind);
        }
    }

    fn kind(&self, expr: &Expr) -> Type {
        self.facts.kind(expr).clone()
    }

    /// The type with what is known by now.
    fn resolved(&self, expr: &Expr) -> Type {
        self.unifier.resolve(self.facts.kind(expr), false)
    }

    fn check(&mut self, expr: &mut Expr) {
        match &mut expr.kind {
            Kind::Missing => self.set(expr, Type::Error),
            Kind::Literal(literal) => {
                let kind = literal_type(literal);
                self.set(expr, kind);
            }
            Kind::Ident(_) => self.check_ident(expr),
            Kind::Select(_) => self.check_select(expr),
            Kind::Call(_) => self.check_call(expr),
            Kind::List(_) => self.check_list(expr),
            Kind::Map(_) => self.check_map(expr),
            Kind::Struct(_) => self.check_struct(expr),
            Kind::Fold(_) => self.check_fold(expr),
        }
    }

    /// A variable or a name of a type; a leading point skips the variables of loops.
    fn lookup(&self, name: &str) -> Option<(Name, Type)> {
        let global = name.strip_prefix('.');
        if global.is_none()
            && let Some((name, kind)) = self.scopes.iter().rev().find(|(known, _)| &**known == name)
        {
            return Some((name.clone(), kind.clone()));
        }
        self.names.find(global.unwrap_or(name))
    }

    fn check_ident(&mut self, expr: &mut Expr) {
        let Kind::Ident(name) = &mut expr.kind else { return };
        match self.lookup(name) {
            Some((found, kind)) => {
                *name = found;
                self.set(expr, kind);
            }
            None => {
                let message = undeclared(name);
                self.complain(expr.at, message);
                self.set(expr, Type::Error);
            }
        }
    }

    fn check_select(&mut self, expr: &mut Expr) {
        if let Some((name, kind)) = expr.qualified().and_then(|name| self.lookup(&name)) {
            self.set(expr, kind);
            expr.kind = Kind::Ident(name);
            return;
        }
        let (at, id) = (expr.at, expr.id);
        let Kind::Select(select) = &mut expr.kind else { return };
        let Select { operand, field, test } = &mut **select;
        let kind = self.field_type(at, operand, field, false);
        let kind = if *test { Type::Bool } else { self.unifier.resolve(&kind, false) };
        if let Some(slot) = self.facts.types.get_mut(index(id)) {
            *slot = Some(kind);
        }
    }

    /// The type of a field of an operand, which is checked first.
    fn field_type(&mut self, at: u32, operand: &mut Expr, field: &str, optional: bool) -> Type {
        self.check(operand);
        let operand = self.resolved(operand);
        let (target, wrapped) = operand.unwrap_optional();
        let kind = match target {
            Type::Map(pair) => pair.1.clone(),
            Type::Object(object) => object.field(field).cloned().unwrap_or_else(|| {
                self.complain(at, format!("undefined field '{field}'"));
                Type::Error
            }),
            Type::Param(_) => {
                self.unifier.assign(&Type::Dyn, target);
                Type::Dyn
            }
            other => {
                if !other.is_dyn_or_error() {
                    let message = format!("type '{other}' does not support field selection");
                    self.complain(at, message);
                }
                Type::Dyn
            }
        };
        if wrapped || optional { Type::optional(kind) } else { kind }
    }

    fn check_fold(&mut self, expr: &mut Expr) {
        let Kind::Fold(fold) = &mut expr.kind else { return };
        let Fold { range, first, second, accumulator, init, condition, step, result } = &mut **fold;
        self.check(range);
        self.check(init);
        let over = self.resolved(range);
        let start = self.kind(init);
        let variables = self.scopes.len();
        self.scopes.push((accumulator.clone(), start.clone()));
        let (one, other) = self.elements(range.at, &over, second.is_some());
        self.scopes.push((first.clone(), one));
        if let Some(second) = second {
            self.scopes.push((second.clone(), other));
        }
        self.check(condition);
        self.expect(condition, &Type::Bool);
        self.check(step);
        self.expect(step, &start);
        self.scopes.truncate(variables + 1);
        self.check(result);
        self.scopes.truncate(variables);
        let kind = self.resolved(result);
        self.set(expr, kind);
    }

    /// The types of the variables of a loop over such a value.
    fn elements(&mut self, at: u32, over: &Type, pairs: bool) -> (Type, Type) {
        match over {
            Type::List(element) if pairs => (Type::Int, (**element).clone()),
            Type::List(element) => ((**element).clone(), Type::Dyn),
            Type::Map(pair) => (pair.0.clone(), pair.1.clone()),
            Type::Dyn | Type::Error | Type::Param(_) => {
                self.unifier.assign(&Type::Dyn, over);
                (Type::Dyn, Type::Dyn)
            }
            other => {
                self.complain(
                    at,
                    format!(
                        "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                    ),
                );
                (Type::Error, Type::Error)
            }
        }
    }

    fn expect(&mut self, expr: &Expr, wanted: &Type) {
        let found = self.kind(expr);
        if !self.unifier.assign(wanted, &found) {
            self.mismatch(expr.at, wanted, &found);
        }
    }

    fn mismatch(&mut self, at: u32, wanted: &Type, found: &Type) {
        self.complain(at, mismatched(wanted, found));
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

fn undeclared(name: &str) -> String {
    format!("undeclared reference to '{name}' (in container '')")
}

fn mismatched(wanted: &Type, found: &Type) -> String {
    format!("expected type '{wanted}' but found '{found}'")
}
