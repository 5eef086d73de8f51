//! Which overloads of a function fit its arguments.

use std::collections::HashMap;

use super::signatures::Overload;
use super::{Checker, Expr, Kind, Literal, Type, index, undeclared};
use crate::syntax::ast::Call;
use crate::types::instantiate;

/// What a call turned out to be.
struct Resolution {
    overloads: Vec<&'static str>,
    result: Type,
}

impl Checker<'_> {
    pub(super) fn check_call(&mut self, expr: &mut Expr) {
        let (at, id) = (expr.at, expr.id);
        let Kind::Call(call) = &mut expr.kind else { return };
        if &*call.function == "_?._" {
            return self.check_optional_select(expr);
        }
        for arg in &mut call.args {
            self.check(arg);
        }
        let resolution = match self.function(call) {
            Some((name, overloads)) => self.resolve(at, name, overloads, call),
            None => {
                self.complain(at, undeclared(&call.function));
                None
            }
        };
        let Resolution { overloads, result } =
            resolution.unwrap_or(Resolution { overloads: Vec::new(), result: Type::Error });
        if let Some(slot) = self.facts.types.get_mut(index(id)) {
            *slot = Some(result);
        }
        if let Some(slot) = self.facts.overloads.get_mut(index(id)) {
            *slot = overloads;
        }
    }

    /// The function of a call. What looks like a target may be the first part of the function's name.
    fn function(&mut self, call: &mut Call) -> Option<(&'static str, &'static [Overload])> {
        if let Some(target) = &mut call.target {
            let qualified = target.qualified().map(|prefix| format!("{prefix}.{}", call.function));
            let named =
                qualified.and_then(|name| self.names.function(name.strip_prefix('.').unwrap_or(&name)));
            if let Some((name, found)) = named {
                call.target = None;
                call.function = name.into();
                return Some((name, found));
            }
            self.check(target);
        }
        let name = &*call.function;
        let found = self.names.function(name.strip_prefix('.').unwrap_or(name));
        if let Some((name, _)) = found {
            call.function = name.into();
        }
        found
    }

    fn resolve(
        &mut self,
        at: u32,
        name: &str,
        overloads: &'static [Overload],
        call: &Call,
    ) -> Option<Resolution> {
        let kinds: Vec<Type> = call.target.iter().chain(&call.args).map(|arg| self.kind(arg)).collect();
        if matches!(name, "_&&_" | "_||_") {
            return self.logical(overloads, call, &kinds);
        }
        let mut found: Option<Resolution> = None;
        for overload in overloads.iter().filter(|overload| overload.member == call.target.is_some()) {
            let Some(result) = self.fit(overload, &kinds) else { continue };
            match &mut found {
                None => found = Some(Resolution { overloads: vec![overload.id], result }),
                Some(known) => {
                    known.overloads.push(overload.id);
                    if known.result != result && known.result != Type::Dyn {
                        known.result = Type::Dyn;
                    }
                }
            }
        }
        if found.is_none() {
            let signature = self.signature(&kinds, call.target.is_some());
            self.complain(at, format!("found no matching overload for '{name}' applied to '{signature}'"));
        }
        found
    }

    /// The result of an overload, if the arguments fit it.
    fn fit(&mut self, overload: &Overload, kinds: &[Type]) -> Option<Type> {
        if overload.parameters.len() != kinds.len() {
            return None;
        }
        let given: Vec<&Type> = kinds.iter().collect();
        if !overload.generic {
            let wanted: Vec<&Type> = overload.parameters.iter().collect();
            return self.unifier.assign_all(&given, &wanted).then(|| overload.result.clone());
        }
        let mut names = HashMap::new();
        let unifier = &mut self.unifier;
        let mut fresh = |name: &std::sync::Arc<str>| -> Type {
            names.entry(name.clone()).or_insert_with(|| unifier.fresh()).clone()
        };
        let wanted: Vec<Type> =
            overload.parameters.iter().map(|kind| instantiate(kind, &mut fresh)).collect();
        let result = instantiate(&overload.result, &mut fresh);
        let wanted: Vec<&Type> = wanted.iter().collect();
        self.unifier.assign_all(&given, &wanted).then(|| self.unifier.resolve(&result, false))
    }

    fn logical(&mut self, overloads: &'static [Overload], call: &Call, kinds: &[Type]) -> Option<Resolution> {
        let mut fits = true;
        for (arg, kind) in call.args.iter().zip(kinds) {
            if !self.unifier.assign(kind, &Type::Bool) {
                self.mismatch(arg.at, &Type::Bool, kind);
                fits = false;
            }
        }
        let overload = overloads.first().filter(|_| fits)?;
        Some(Resolution { overloads: vec![overload.id], result: Type::Bool })
    }

    fn signature(&self, kinds: &[Type], member: bool) -> String {
        let texts: Vec<String> =
            kinds.iter().map(|kind| self.unifier.resolve(kind, true).to_string()).collect();
        match texts.split_first() {
            Some((target, rest)) if member => format!("{target}.({})", rest.join(", ")),
            _ => format!("({})", texts.join(", ")),
        }
    }

    fn check_optional_select(&mut self, expr: &mut Expr) {
        let (at, id) = (expr.at, expr.id);
        let Kind::Call(call) = &mut expr.kind else { return };
        let [operand, field] = call.args.as_mut_slice() else { return };
        let Kind::Literal(Literal::String(name)) = &field.kind else { return };
        let name = name.clone();
        let kind = self.field_type(at, operand, &name, true);
        let kind = self.unifier.resolve(&kind, false);
        self.set(field, Type::String);
        if let Some(slot) = self.facts.types.get_mut(index(id)) {
            *slot = Some(kind);
        }
        if let Some(slot) = self.facts.overloads.get_mut(index(id)) {
            *slot = vec!["select_optional_field"];
        }
    }
}
