//! Values against their schemas.
//!
//! What upstream's validator does is followed closely, because its answers show it: the order of the
//! checks, and how it counts what fits (`outcome.rs`) to choose whose mistakes are told when no schema of
//! an `anyOf` or `oneOf` matches. With the object before a change at hand, a value that did not change is
//! not to blame (ratcheting), except under such logic.

mod logic;
mod number;
mod outcome;
mod show;
mod text;
mod types;

use std::fmt::Write as _;

use portcullis_api::field::{Error, ErrorList, Path, Raw, Shown, go_quote};
use portcullis_api::{Map, Object, Value};

use super::Structural;
use super::correlate::Pair;
use super::data::Data;
use super::node::{Additional, Checks, Node, NodeId};
use outcome::Outcome;

pub(super) use show::shown;

/// Checks a whole object.
pub(super) fn object(
    schema: &Structural,
    object: &Map<String, Value>,
    old: Option<&Map<String, Value>>,
) -> ErrorList {
    let (node, new) = (schema.root(), Data::Object(object));
    let pair = old.map(|old| Pair { node, new, old: Data::Object(old) });
    Walk { schema, path: String::new(), base: "" }.value(node, new, pair).into_errors()
}

/// Checks the status of an object.
pub(super) fn status(schema: &Structural, object: &Object, old: Option<&Object>) -> ErrorList {
    let (Some(node), Some(new)) = (schema.node(schema.root()).property("status"), object.get("status"))
    else {
        return ErrorList::new();
    };
    let new = new.into();
    let old = old.and_then(|old| old.get("status"));
    let pair = old.map(|old| Pair { node, new, old: old.into() });
    Walk { schema, path: String::new(), base: "status" }.value(node, new, pair).into_errors()
}

/// Checks a value against any node. `base` stands before the paths of errors.
pub(super) fn value(schema: &Structural, id: NodeId, value: &Value, base: &str) -> ErrorList {
    Walk { schema, path: String::new(), base }.value(id, value.into(), None).into_errors()
}

/// A walk over a value along its schema.
struct Walk<'s> {
    schema: &'s Structural,
    /// The way from the start of the walk, by which messages name a value.
    path: String,
    /// What stands before it in the paths of errors.
    base: &'s str,
}

impl<'s> Walk<'s> {
    /// Checks a value; what did not change is forgiven.
    fn value(&mut self, id: NodeId, value: Data<'_>, pair: Option<Pair<'_>>) -> Outcome {
        let out = self.check(id, value, pair);
        if out.failed() && pair.is_some_and(|pair| pair.is_unchanged(self.schema)) {
            return out.forgiven();
        }
        out
    }

    fn check(&mut self, id: NodeId, value: Data<'_>, pair: Option<Pair<'_>>) -> Outcome {
        let node = self.schema.node(id);
        let checks = node.checks.as_deref();
        let mut out = Outcome::default();
        if value == Data::Null {
            out.merge(self.null(node));
            out.merge(self.among(checks, value));
            return out;
        }
        if types::has_type(node) {
            out.merge_counted(self.types(node, value));
        }
        out.merge_counted(self.logic(checks, value));
        match value {
            Data::Text(text) => self.text(checks, text, &mut out),
            Data::Number(number) => out.merge_counted(self.number(node, checks, number)),
            Data::List(items) => out.merge_counted(self.list(node, checks, items, pair)),
            Data::Null | Data::Bool(_) | Data::Object(_) => {}
        }
        out.merge_counted(self.among(checks, value));
        if let Data::Object(members) = value {
            out.merge_counted(self.members(node, checks, members, pair));
        }
        out.fits();
        out
    }

    /// Whether the value is one of those listed.
    fn among(&self, checks: Option<&Checks>, value: Data<'_>) -> Outcome {
        let Some(checks) = checks.filter(|checks| !checks.one_of_values.is_empty()) else {
            return Outcome::default();
        };
        if checks.one_of_values.iter().any(|one| show::equals(one, value)) {
            return Outcome::default();
        }
        let listed: Vec<String> = checks.one_of_values.iter().map(show::listed).collect();
        Outcome::error(Error::not_supported(&self.place(), show::data(value), &listed))
    }

    fn list(
        &mut self,
        node: &'s Node,
        checks: Option<&Checks>,
        items: &[Value],
        pair: Option<Pair<'_>>,
    ) -> Outcome {
        let mut out = Outcome::default();
        if let Some(item) = node.items {
            let old = pair.and_then(|pair| Some((pair, pair.old_entries(self.schema)?)));
            for (index, value) in items.iter().enumerate() {
                let pair = old.as_ref().and_then(|(pair, entries)| pair.entry(self.schema, entries, value));
                let length = self.path.len();
                let _infallible = write!(self.path, "[{index}]");
                out.merge(self.value(item, value.into(), pair));
                self.path.truncate(length);
            }
        }
        if let Some(checks) = checks {
            let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
            if let Some(min) = checks.min_items.filter(|min| size < *min) {
                out.push(self.invalid(size, format!("should have at least {min} items")));
            }
            if let Some(max) = checks.max_items.filter(|max| size > *max) {
                out.push(self.too_many(items.len(), max));
            }
        }
        out.fits();
        out
    }

    fn members(
        &mut self,
        node: &'s Node,
        checks: Option<&Checks>,
        members: &Map<String, Value>,
        pair: Option<Pair<'_>>,
    ) -> Outcome {
        let mut out = self.size(checks, members.len());
        let declared = |name: &String| node.property(name).is_some();
        match node.additional {
            Additional::Refused => {
                for name in members.keys().filter(|name| !declared(name)) {
                    let words = format!("{}.{name} in body is a forbidden property", self.path);
                    out.push(Error::invalid(&self.place(), name, words));
                }
            }
            Additional::Of(id) => {
                for (name, value) in members.iter().filter(|(name, _)| !declared(name)) {
                    out.merge(self.member(id, name, value, pair, true));
                }
            }
            Additional::Unset | Additional::Any => {}
        }
        for (name, value) in members {
            if let Some(id) = node.property(name) {
                out.merge(self.member(id, name, value, pair, false));
            }
        }
        for name in checks.map_or(&[][..], |checks| &checks.required) {
            if !members.contains_key(name.as_ref()) {
                let place = self.below(name, true, |walk| walk.place());
                out.push(Error::required(&place, ""));
            }
        }
        out
    }

    fn size(&self, checks: Option<&Checks>, size: usize) -> Outcome {
        let mut out = Outcome::default();
        let Some(checks) = checks else { return out };
        let count = i64::try_from(size).unwrap_or(i64::MAX);
        if let Some(min) = checks.min_properties.filter(|min| count < *min) {
            out.push(self.invalid(count, format!("should have at least {min} properties")));
        }
        if let Some(max) = checks.max_properties.filter(|max| count > *max) {
            out.push(self.too_many(size, max));
        }
        out
    }

    fn member(
        &mut self,
        id: NodeId,
        name: &str,
        value: &Value,
        pair: Option<Pair<'_>>,
        dotted: bool,
    ) -> Outcome {
        // Upstream compares no `apiVersion` and `kind`, which are those of the version asked for.
        let fixed = self.path.is_empty() && matches!(name, "apiVersion" | "kind");
        let pair = pair.filter(|_| !fixed).and_then(|pair| pair.field(self.schema, name));
        self.below(name, dotted, |walk| walk.value(id, value.into(), pair))
    }

    /// Goes down to a member. At the root, paths that are `dotted` start with a dot.
    fn below<T>(&mut self, name: &str, dotted: bool, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if dotted || length > 0 {
            self.path.push('.');
        }
        self.path.push_str(name);
        let result = work(self);
        self.path.truncate(length);
        result
    }

    /// The path of the value here, as errors have it.
    fn place(&self) -> Path {
        let path = self.path.strip_prefix('.').unwrap_or(&self.path);
        match (self.base, path) {
            (base, "") => Path::new(base),
            ("", path) => Path::new(path),
            (base, path) => Path::new(base).child(path),
        }
    }

    /// The error that the value here is invalid; the words follow its name.
    fn invalid(&self, value: impl Shown, words: impl std::fmt::Display) -> Error {
        Error::invalid(&self.place(), value, format!("{} in body {words}", self.path))
    }

    /// The error that the value here has the wrong type: `found` is what it has instead.
    fn wrong_type(&self, wanted: &str, found: &str) -> Error {
        let words = format!("{} in body must be of type {wanted}: {}", self.path, go_quote(found));
        Error::type_invalid(&self.place(), found, words)
    }

    fn too_many(&self, actual: usize, max: i64) -> Error {
        Error::too_many(&self.place(), actual, usize::try_from(max).unwrap_or_default())
    }

    /// An error that upstream tells without a place, only in words.
    fn unplaced(&self, words: String) -> Error {
        Error::invalid(&Path::new(self.base), Raw(go_quote("")), words)
    }
}
