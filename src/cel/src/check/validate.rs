//! What fits by type and cannot work all the same: literals that no function can read, lists of mixed types, and
//! formats that do not fit their arguments.

use super::{Facts, mismatched};
use crate::library::{self, Clause};
use crate::meter::Meter;
use crate::syntax::Complaint;
use crate::syntax::ast::{Call, Entry, Expr, Item, Kind, Literal};
use crate::types::Type;
use crate::value::Val;

/// The complaints about a tree whose types fit.
pub(super) fn validate(root: &Expr, facts: &Facts) -> Vec<Complaint> {
    let mut validator = Validator { facts, complaints: Vec::new() };
    validator.visit(root, false);
    validator.complaints
}

struct Validator<'f> {
    facts: &'f Facts,
    complaints: Vec<Complaint>,
}

impl<'f> Validator<'f> {
    /// Lists within a call of `format` may be mixed.
    fn visit(&mut self, expr: &Expr, formatted: bool) {
        let mut formatted = formatted;
        match &expr.kind {
            Kind::Call(call) => {
                self.literal_argument(call);
                self.format(expr, call);
                formatted |= &*call.function == "format";
            }
            Kind::List(items) if !formatted => self.list(items),
            Kind::Map(entries) if !formatted => self.map(entries),
            _ => {}
        }
        expr.children(&mut |child| self.visit(child, formatted));
    }

    fn literal_argument(&mut self, call: &Call) {
        let name = &*call.function;
        let Some((arg, literal)) = call.args.first().and_then(|arg| Some((arg, literal(arg)?))) else {
            return;
        };
        let fine = match name {
            "duration" | "timestamp" => library::native(name)
                .is_none_or(|native| native(&[literal], &mut Meter::for_constants()).is_ok()),
            "matches" => match literal {
                Val::String(pattern) => library::compile_regex(pattern.as_str()).is_ok(),
                _ => true,
            },
            _ => true,
        };
        if !fine {
            self.complaints.push(Complaint::new(arg.at, format!("invalid {name} argument")));
        }
    }

    fn list(&mut self, items: &[Item]) {
        let kinds = items.iter().map(|item| (&item.value, self.given(&item.value, item.optional)));
        let kinds: Vec<(&Expr, &'f Type)> = kinds.collect();
        let Some((_, first)) = kinds.first() else { return };
        if let Some((expr, kind)) = kinds.iter().find(|(_, kind)| *kind != *first) {
            self.complaints.push(Complaint::new(expr.at, mismatched(first, kind)));
        }
    }

    fn map(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        let keys = self.given(&first.key, false);
        let values = self.given(&first.value, first.optional);
        for entry in entries {
            let key = self.given(&entry.key, false);
            if keys != key {
                self.complaints.push(Complaint::new(entry.key.at, mismatched(keys, key)));
            }
            let value = self.given(&entry.value, entry.optional);
            if values != value {
                self.complaints.push(Complaint::new(entry.value.at, mismatched(values, value)));
            }
        }
    }

    fn given(&self, expr: &Expr, optional: bool) -> &'f Type {
        let kind = self.facts.kind(expr);
        if optional { kind.unwrap_optional().0 } else { kind }
    }

    /// A format that is written out is checked against the arguments that are.
    fn format(&mut self, expr: &Expr, call: &Call) {
        let (Some(target), "format", [args]) = (&call.target, &*call.function, call.args.as_slice()) else {
            return;
        };
        let (Kind::Literal(Literal::String(text)), Kind::List(args)) = (&target.kind, &args.kind) else {
            return;
        };
        let (parts, error) = library::clauses(text, args.len());
        let clauses: Vec<Clause> = parts.into_iter().filter_map(Result::err).collect();
        for (clause, arg) in clauses.iter().zip(args) {
            if let Some(bad) = self.misfit(*clause, &arg.value) {
                let message = library::refusal(*clause, self.facts.kind(bad));
                self.complaints.push(Complaint::new(bad.at, message));
                return;
            }
        }
        if let Some(message) = error {
            self.complaints.push(Complaint::new(expr.at, message));
        } else if args.len() > clauses.len() {
            let message = format!(
                "too many arguments supplied to string.format (expected {}, got {})",
                clauses.len(),
                args.len()
            );
            self.complaints.push(Complaint::new(expr.at, message));
        }
    }

    /// The part of an argument that a clause is not for.
    fn misfit<'e>(&self, clause: Clause, arg: &'e Expr) -> Option<&'e Expr> {
        let kind = self.facts.kind(arg);
        let fits = matches!(kind, Type::Dyn)
            || match clause {
                Clause::String => {
                    !matches!(kind, Type::Object(_) | Type::Opaque(..) | Type::Error | Type::Param(_))
                }
                Clause::Decimal | Clause::Octal => matches!(kind, Type::Int | Type::Uint),
                Clause::Fixed(_) | Clause::Scientific(_) => matches!(kind, Type::Double | Type::String),
                Clause::Binary => matches!(kind, Type::Int | Type::Uint | Type::Bool),
                Clause::Hex { .. } => matches!(kind, Type::Int | Type::Uint | Type::String | Type::Bytes),
            };
        if !fits {
            return Some(arg);
        }
        match (&arg.kind, clause) {
            (Kind::List(items), Clause::String) => {
                items.iter().find_map(|item| self.misfit(clause, &item.value))
            }
            (Kind::Map(entries), Clause::String) => entries
                .iter()
                .flat_map(|entry| [&entry.key, &entry.value])
                .find_map(|part| self.misfit(clause, part)),
            _ => None,
        }
    }
}

fn literal(expr: &Expr) -> Option<Val<'static>> {
    match &expr.kind {
        Kind::Literal(Literal::String(text)) => Some(Val::text(text.clone())),
        Kind::Literal(Literal::Int(value)) => Some(Val::Int(*value)),
        _ => None,
    }
}
