//! Defaults are filled in, from the outside in: what a default brings is given defaults too.

use portcullis_api::{Map, Value};

use super::Structural;
use super::node::{Node, NodeId};

/// How many values the defaults of one object may take. A short list of empty entries can ask for large
/// defaults very often; upstream has no such limit.
const MAX_VALUES: usize = 1 << 20;

/// The defaults of an object are too large.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the defaults of the object have more than {MAX_VALUES} values")]
pub struct TooManyDefaults;

/// Fills in the defaults of a whole object.
pub(super) fn fill(schema: &Structural, object: &mut Map<String, Value>) -> Result<(), TooManyDefaults> {
    Walk { schema, left: MAX_VALUES }.members(schema.root(), object)
}

struct Walk<'s> {
    schema: &'s Structural,
    /// How many values may still be added.
    left: usize,
}

impl Walk<'_> {
    fn members(&mut self, id: NodeId, object: &mut Map<String, Value>) -> Result<(), TooManyDefaults> {
        let node = self.schema.node(id);
        for (name, id) in &node.properties {
            let property = self.schema.node(*id);
            if property.default.is_some() && object.get(name.as_ref()).is_none_or(|it| replaces(property, it))
            {
                object.insert(name.as_ref().to_owned(), self.default(property)?);
            }
        }
        for (name, value) in object {
            let Some(id) = node.value_of(name) else { continue };
            let below = self.schema.node(id);
            if node.property(name).is_none() && replaces(below, value) {
                *value = self.default(below)?;
            }
            self.value(id, value)?;
        }
        Ok(())
    }

    fn value(&mut self, id: NodeId, value: &mut Value) -> Result<(), TooManyDefaults> {
        match value {
            Value::Object(object) => self.members(id, object)?,
            Value::Array(items) => {
                let Some(item) = self.schema.node(id).items else { return Ok(()) };
                let node = self.schema.node(item);
                for value in items {
                    if replaces(node, value) {
                        *value = self.default(node)?;
                    }
                    self.value(item, value)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn default(&mut self, node: &Node) -> Result<Value, TooManyDefaults> {
        let Some(default) = &node.default else { return Ok(Value::Null) };
        self.left = self.left.checked_sub(default.weight).ok_or(TooManyDefaults)?;
        Ok(default.value.clone())
    }
}

fn replaces(node: &Node, value: &Value) -> bool {
    value.is_null() && !node.nullable
}
