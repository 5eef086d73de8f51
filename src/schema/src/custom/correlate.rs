//! Which value of the object before a change a value comes from.
//!
//! Fields are told by name, entries of map lists by their keys. Entries of other lists have no
//! counterpart, and what the schema does not specify neither.

use std::collections::HashMap;

use portcullis_api::Value;

use super::Structural;
use super::data::Data;
use super::node::{ListType, Node, NodeId, Type};

/// A value and the one it was before.
#[derive(Clone, Copy)]
pub(super) struct Pair<'v> {
    pub(super) node: NodeId,
    pub(super) new: Data<'v>,
    pub(super) old: Data<'v>,
}

/// The entries of a map list before the change, by their keys.
pub(super) struct OldEntries<'v>(HashMap<Vec<Scalar<'v>>, &'v Value>);

#[derive(PartialEq, Eq, Hash)]
pub(super) enum Scalar<'v> {
    Bool(bool),
    Number(&'v serde_json::Number),
    Text(&'v str),
}

impl<'v> Pair<'v> {
    /// The pair of a field; `None` where one of the two lacks it.
    pub(super) fn field(self, schema: &Structural, name: &str) -> Option<Self> {
        let (Data::Object(new), Data::Object(old)) = (self.new, self.old) else { return None };
        let (new, old) = (new.get(name)?, old.get(name)?);
        Some(Self { node: schema.node(self.node).value_of(name)?, new: new.into(), old: old.into() })
    }

    /// The entries of the list before the change; `None` where entries have no counterparts.
    pub(super) fn old_entries(self, schema: &Structural) -> Option<OldEntries<'v>> {
        let node = schema.node(self.node);
        if node.list != ListType::Map || node.ty != Type::Array || node.keys.is_empty() {
            return None;
        }
        node.items?;
        let Data::List(old) = self.old else { return None };
        let mut entries = HashMap::with_capacity(old.len());
        for entry in old {
            if let Some(key) = key(node, entry) {
                entries.entry(key).or_insert(entry);
            }
        }
        Some(OldEntries(entries))
    }

    /// The pair of an entry of the list.
    pub(super) fn entry(self, schema: &Structural, entries: &OldEntries<'v>, new: &'v Value) -> Option<Self> {
        let node = schema.node(self.node);
        let old = entries.0.get(&key(node, new)?).copied()?;
        Some(Self { node: node.items?, new: new.into(), old: old.into() })
    }

    /// What an entry of the list was before.
    pub(super) fn before(
        self,
        schema: &Structural,
        entries: &OldEntries<'v>,
        new: &'v Value,
    ) -> Option<&'v Value> {
        entries.0.get(&key(schema.node(self.node), new)?).copied()
    }

    /// Whether nothing changed, as far as that can be told.
    pub(super) fn is_unchanged(self, schema: &Structural) -> bool {
        match (self.new, self.old) {
            (Data::Object(new), Data::Object(old)) => {
                let same =
                    |name: &String| self.field(schema, name).is_some_and(|pair| pair.is_unchanged(schema));
                new.len() == old.len() && new.keys().all(same)
            }
            (Data::List(new), Data::List(old)) if new.len() == old.len() => {
                let Some(entries) = self.old_entries(schema) else { return new == old };
                let same =
                    |new| self.entry(schema, &entries, new).is_some_and(|pair| pair.is_unchanged(schema));
                new.iter().all(same)
            }
            (new, old) => new == old,
        }
    }
}

/// The keys of an entry; `None` where one is missing or no scalar.
fn key<'v>(node: &Node, entry: &'v Value) -> Option<Vec<Scalar<'v>>> {
    let scalar = |name| match entry.get(name)? {
        Value::Bool(value) => Some(Scalar::Bool(*value)),
        Value::Number(number) => Some(Scalar::Number(number)),
        Value::String(text) => Some(Scalar::Text(text)),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    node.keys.iter().map(AsRef::as_ref).map(scalar).collect()
}
