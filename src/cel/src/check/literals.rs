//! The types of lists, maps and messages that are written out.

use super::{Checker, Entry, Expr, Item, Kind, Type, index, most_general, undeclared};
use crate::syntax::ast::Field;
use crate::types::ObjectType;

impl Checker<'_> {
    pub(super) fn check_list(&mut self, expr: &mut Expr) {
        let Kind::List(items) = &mut expr.kind else { return };
        let mut element = None;
        for Item { value, optional } in items {
            self.check(value);
            let kind = self.given(value, *optional);
            element = Some(self.join(element, kind));
        }
        let element = element.unwrap_or_else(|| self.unifier.fresh());
        self.set(expr, Type::list(element));
    }

    pub(super) fn check_map(&mut self, expr: &mut Expr) {
        let Kind::Map(entries) = &mut expr.kind else { return };
        let (mut keys, mut values) = (None, None);
        for Entry { key, value, optional } in entries {
            self.check(key);
            let kind = self.kind(key);
            keys = Some(self.join(keys, kind));
            self.check(value);
            let kind = self.given(value, *optional);
            values = Some(self.join(values, kind));
        }
        let keys = keys.unwrap_or_else(|| self.unifier.fresh());
        let values = values.unwrap_or_else(|| self.unifier.fresh());
        self.set(expr, Type::map(keys, values));
    }

    /// The type a part contributes: what is inside, if it is marked as optional.
    fn given(&mut self, value: &Expr, optional: bool) -> Type {
        let kind = self.kind(value);
        if !optional {
            return kind;
        }
        let (inner, wrapped) = kind.unwrap_optional();
        if !wrapped && !matches!(inner, Type::Dyn) {
            let wanted = Type::optional(inner.clone());
            self.mismatch(value.at, &wanted, inner);
        }
        inner.clone()
    }

    /// The common type of two parts; parts without one are complained about later, where that matters.
    fn join(&mut self, before: Option<Type>, kind: Type) -> Type {
        let Some(before) = before else { return kind };
        if self.unifier.assign(&before, &kind) {
            return most_general(&before, &kind).clone();
        }
        Type::Dyn
    }

    pub(super) fn check_struct(&mut self, expr: &mut Expr) {
        let (at, id) = (expr.at, expr.id);
        let Kind::Struct(message) = &mut expr.kind else { return };
        let found = self.lookup(&message.name);
        if let Some((name, _)) = &found {
            message.name = name.clone();
        }
        let (kind, complaint) = match &found {
            None => (Type::Error, Some(undeclared(&message.name))),
            Some((_, Type::Type(Some(inner)))) => match &**inner {
                Type::Object(object) => (Type::Object(object.clone()), None),
                inner => (Type::Error, Some(format!("'{}' is not a message type", inner.name()))),
            },
            Some((_, other)) => (Type::Error, Some(format!("'{}' is not a type", other.name()))),
        };
        complaint.into_iter().for_each(|message| self.complain(at, message));
        for field in &mut message.fields {
            self.check(&mut field.value);
            match &kind {
                Type::Object(object) => self.check_field(object, field),
                _ if found.is_some() => {
                    self.complain(field.at, format!("unexpected failed resolution of '{}'", message.name));
                }
                _ => {}
            }
        }
        if let Some(slot) = self.facts.types.get_mut(index(id)) {
            *slot = Some(kind);
        }
    }

    /// Whether a value may be what a field of a message holds.
    fn check_field(&mut self, message: &ObjectType, field: &Field) {
        let kind = self.given(&field.value, field.optional);
        // Upstream's patches have no type for a field that they do not know.
        let wanted = message.field(&field.name).cloned().unwrap_or_else(|| Type::named(""));
        if !self.unifier.assign(&wanted, &kind) {
            let complaint = format!(
                "expected type of field '{}' is '{wanted}' but provided type is '{kind}'",
                field.name
            );
            self.complain(field.at, complaint);
        }
    }
}
