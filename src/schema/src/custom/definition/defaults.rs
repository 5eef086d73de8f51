//! Defaults are what the schema allows: nothing unknown, proper heads of embedded objects, valid values.

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Map, Value};

use super::super::Structural;
use super::super::at::At;
use super::super::embedded::{self, MetadataRules};
use super::super::node::{Node, NodeId};
use super::super::prune::{self, HEAD};
use super::super::validate::{self, shown};

/// Checks all defaults of a schema.
pub(super) fn check(schema: &Structural, at: &At<'_>, rules: MetadataRules<'_>) -> ErrorList {
    let mut walk = Walk { schema, rules, errors: ErrorList::new() };
    let root = schema.root();
    walk.node(root, Whole { root, way: Way::Start, in_head: false }, at);
    walk.errors
}

/// The object of its own that a schema is part of: the custom resource or an embedded one.
#[derive(Clone, Copy)]
struct Whole<'a> {
    root: NodeId,
    /// The way from there.
    way: Way<'a>,
    /// Whether the schema is part of the head.
    in_head: bool,
}

#[derive(Clone, Copy)]
enum Way<'a> {
    Start,
    Field(&'a Way<'a>, &'a str),
    Item(&'a Way<'a>),
}

impl Way<'_> {
    /// An object with nothing but a value at the end of the way.
    fn surround(&self, value: Value) -> Value {
        match self {
            Self::Start => value,
            Self::Field(before, name) => {
                before.surround(Map::from_iter([((*name).to_owned(), value)]).into())
            }
            Self::Item(before) => before.surround(vec![value].into()),
        }
    }
}

struct Walk<'s> {
    schema: &'s Structural,
    rules: MetadataRules<'s>,
    errors: ErrorList,
}

impl<'s> Walk<'s> {
    fn node(&mut self, id: NodeId, whole: Whole<'_>, at: &At<'_>) {
        let schema: &'s Structural = self.schema;
        let node = schema.node(id);
        let is_whole = node.embedded || id == schema.root();
        let whole = match is_whole {
            true => Whole { root: id, way: Way::Start, in_head: false },
            false => whole,
        };
        self.default(id, node, &whole, &at.child("default"));
        if let Some(item) = node.items {
            let below = Whole { way: Way::Item(&whole.way), ..whole };
            self.node(item, below, &at.child("items"));
        }
        let properties_at = at.child("properties");
        for (name, id) in &node.properties {
            let in_head = whole.in_head || (is_whole && HEAD.contains(&name.as_ref()));
            let below = Whole { way: Way::Field(&whole.way, name), in_head, ..whole };
            self.node(*id, below, &properties_at.key(name));
        }
    }

    fn default(&mut self, id: NodeId, node: &Node, whole: &Whole<'_>, at: &At<'_>) {
        let Some(default) = &node.default else { return };
        let value = &default.value;
        let mut found = match whole.in_head {
            true => self.in_head(value, whole, at),
            false => self.outside(id, value, at),
        };
        if found.is_none() {
            found = Some(validate::value(self.schema, id, value, at.path().as_str()));
        }
        self.errors.extend(found.into_iter().flatten());
    }

    /// A default in the head has to make a proper head.
    fn in_head(&self, value: &Value, whole: &Whole<'_>, at: &At<'_>) -> Option<ErrorList> {
        let mut object = whole.way.surround(value.clone());
        for (field, text) in [("kind", "Validation"), ("apiVersion", "validation/v1")] {
            object.as_object_mut()?.entry(field).or_insert_with(|| text.into());
        }
        let words = match embedded::coerce_value(self.schema, whole.root, &mut object, true, &At::Root) {
            Err(error) => error.to_string(),
            Ok(()) => {
                let found =
                    embedded::check_value(self.schema, whole.root, &object, true, &At::Root, self.rules);
                aggregate(&found)?
            }
        };
        let words = format!("must result in valid metadata: {words}");
        Some(vec![Error::invalid(&at.path(), shown(value), words)])
    }

    fn outside(&mut self, id: NodeId, value: &Value, at: &At<'_>) -> Option<ErrorList> {
        let whole = id == self.schema.root() || self.schema.node(id).embedded;
        let mut pruned = value.clone();
        prune::value(self.schema, id, whole, &mut pruned);
        if pruned != *value {
            let words = "must not have unknown fields";
            self.errors.push(Error::invalid(&at.path(), shown(value), words));
        }
        let mut read = value.clone();
        if let Err(error) = embedded::coerce_value(self.schema, id, &mut read, whole, at) {
            return Some(vec![error]);
        }
        let found = embedded::check_value(self.schema, id, &read, whole, at, self.rules);
        (!found.is_empty()).then_some(found)
    }
}

/// Several errors in one text.
fn aggregate(errors: &ErrorList) -> Option<String> {
    match errors.as_slice() {
        [] => None,
        [one] => Some(one.to_string()),
        many => Some(format!("[{}]", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))),
    }
}
