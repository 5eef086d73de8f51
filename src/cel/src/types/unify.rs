//! When a type fits another, and what that says about the types still to be found.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Type;

/// What is known about the types that are still to be found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unifier {
    found: BTreeMap<Arc<str>, Type>,
    /// What was known before, of what the current question changed.
    undo: Vec<(Arc<str>, Option<Type>)>,
    fresh: u32,
}

impl Unifier {
    /// A type to be found.
    pub(crate) fn fresh(&mut self) -> Type {
        let name = format!("_var{}", self.fresh);
        self.fresh += 1;
        Type::Param(name.into())
    }

    /// Whether a value of the first type may stand where the second is expected; if so, what follows is kept.
    pub(crate) fn assign(&mut self, from: &Type, to: &Type) -> bool {
        self.assign_all(&[from], &[to])
    }

    /// The same for each pair of two lists, all or nothing.
    pub(crate) fn assign_all(&mut self, from: &[&Type], to: &[&Type]) -> bool {
        if from.len() != to.len() {
            return false;
        }
        self.undo.clear();
        let fits = from.iter().zip(to).all(|(from, to)| self.fits(from, to));
        if !fits {
            for (name, before) in std::mem::take(&mut self.undo).into_iter().rev() {
                match before {
                    Some(before) => self.found.insert(name, before),
                    None => self.found.remove(&name),
                };
            }
        }
        fits
    }

    fn fits(&mut self, from: &Type, to: &Type) -> bool {
        if let Type::Param(name) = to
            && let Some(verdict) = self.substitutes(from, name)
        {
            return verdict;
        }
        if let Type::Param(name) = from {
            return self.substitutes(to, name) == Some(true);
        }
        if from.is_dyn_or_error() || to.is_dyn_or_error() {
            return true;
        }
        if matches!(from, Type::Null) || matches!(to, Type::Null) {
            return nullable(if matches!(from, Type::Null) { to } else { from });
        }
        match (from, to) {
            (Type::Type(_), Type::Type(_)) => true,
            (Type::List(_), Type::List(_)) | (Type::Map(_), Type::Map(_)) => self.fit_inside(from, to),
            (Type::Opaque(one, _), Type::Opaque(other, _)) => one == other && self.fit_inside(from, to),
            _ => from == to,
        }
    }

    fn fit_inside(&mut self, from: &Type, to: &Type) -> bool {
        let (from, to) = (from.parameters(), to.parameters());
        from.len() == to.len() && from.iter().zip(to).all(|(from, to)| self.fits(from, to))
    }

    /// Whether a type can be what a parameter stands for; nothing if it holds the parameter itself.
    fn substitutes(&mut self, candidate: &Type, name: &Arc<str>) -> Option<bool> {
        if matches!(candidate, Type::Param(own) if own == name) {
            return Some(true);
        }
        if let Some(known) = self.found.get(name).cloned() {
            if *candidate == known {
                return Some(true);
            }
            if !self.fits(candidate, &known) {
                return Some(false);
            }
            let general = most_general(candidate, &known).clone();
            if self.free_of(name, &general) {
                self.learn(name, general);
            }
            return Some(true);
        }
        if self.free_of(name, candidate) {
            self.learn(name, candidate.clone());
            return Some(true);
        }
        None
    }

    fn learn(&mut self, name: &Arc<str>, kind: Type) {
        let before = self.found.insert(name.clone(), kind);
        self.undo.push((name.clone(), before));
    }

    /// Whether a type does not hold the parameter.
    fn free_of(&self, name: &Arc<str>, within: &Type) -> bool {
        match within {
            Type::Param(own) if own == name => false,
            Type::Param(own) => self.found.get(own).is_none_or(|known| self.free_of(name, known)),
            other => other.parameters().into_iter().all(|inner| self.free_of(name, inner)),
        }
    }

    /// The type with what is known put in; what is not known becomes `dyn` if asked for.
    pub(crate) fn resolve(&self, kind: &Type, unknown_is_dyn: bool) -> Type {
        let inside = |inner: &Type| self.resolve(inner, unknown_is_dyn);
        match kind {
            Type::Param(name) => match self.found.get(name) {
                Some(known) => inside(known),
                None if unknown_is_dyn => Type::Dyn,
                None => kind.clone(),
            },
            Type::List(element) => Type::list(inside(element)),
            Type::Map(pair) => Type::map(inside(&pair.0), inside(&pair.1)),
            Type::Opaque(name, inner) => Type::Opaque(name.clone(), inner.iter().map(inside).collect()),
            Type::Type(Some(inner)) => Type::Type(Some(inside(inner).into())),
            other => other.clone(),
        }
    }
}

/// A copy of the type whose parameters are replaced as given.
pub(crate) fn instantiate(kind: &Type, fresh: &mut dyn FnMut(&Arc<str>) -> Type) -> Type {
    match kind {
        Type::Param(name) => fresh(name),
        Type::List(element) => Type::list(instantiate(element, fresh)),
        Type::Map(pair) => {
            let key = instantiate(&pair.0, fresh);
            Type::map(key, instantiate(&pair.1, fresh))
        }
        Type::Opaque(name, inner) => {
            Type::Opaque(name.clone(), inner.iter().map(|inner| instantiate(inner, fresh)).collect())
        }
        Type::Type(Some(inner)) => Type::Type(Some(instantiate(inner, fresh).into())),
        other => other.clone(),
    }
}

fn nullable(kind: &Type) -> bool {
    matches!(kind, Type::Null | Type::Object(_) | Type::Opaque(..) | Type::Timestamp | Type::Duration)
}

/// The more general of two types that fit.
pub(crate) fn most_general<'t>(one: &'t Type, other: &'t Type) -> &'t Type {
    if is_as_general(one, other) { one } else { other }
}

fn is_as_general(one: &Type, other: &Type) -> bool {
    let loose = |kind: &Type| matches!(kind, Type::Dyn | Type::Param(_));
    if loose(one) {
        return true;
    }
    if loose(other) {
        return false;
    }
    let inside = || {
        let (one, other) = (one.parameters(), other.parameters());
        one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_as_general(one, other))
    };
    match (one, other) {
        (Type::Type(_), Type::Type(_)) => true,
        (Type::List(_), Type::List(_)) | (Type::Map(_), Type::Map(_)) => inside(),
        (Type::Opaque(name, _), Type::Opaque(same, _)) => name == same && inside(),
        _ => one == other,
    }
}
