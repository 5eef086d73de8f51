//! Structural schemas: what custom resources are made of.
//!
//! ```text
//! openAPIV3Schema --compile--> Structural: an arena of nodes
//!   request -> coerce (embedded metadata), prune (what is not specified), default
//!           -> validate: values, embedded metadata, list types
//!           -> rules: expressions that values must make true
//! ```
//!
//! Every walk follows the schema, whose depth is bounded, and looks at each value once. The order and
//! the words of all errors are upstream's; where upstream walks a map in chance order, we walk it sorted.

mod at;
mod compile;
mod correlate;
mod data;
mod defaults;
mod definition;
mod embedded;
mod field_path;
mod format;
mod json;
mod kind;
mod lists;
pub(crate) mod node;
pub mod openapi;
pub mod path;
mod pattern;
mod prune;
mod rules;
mod validate;

use std::sync::{Arc, OnceLock};

use portcullis_api::field::{Error, ErrorList};
use portcullis_api::{Object, Value};
use portcullis_cel::Shape;

pub use compile::CompileError;
pub use defaults::TooManyDefaults;
pub use definition::validate_schema;
pub use embedded::{Malformed, MetadataRules};
pub use field_path::{FieldPathError, Notation, field_at};
pub use format::unrecognized_formats;
pub use kind::CustomKind;
pub use rules::Judgement;

use node::{Node, NodeId};

use crate::decode::FieldValidation;
use crate::managed::CustomShape;

/// The compiled schema of one version of a custom resource.
#[derive(Debug)]
pub struct Structural {
    nodes: Box<[Node]>,
    root: NodeId,
    /// `spec.preserveUnknownFields`: nothing is pruned.
    keeps_unknown: bool,
    shape: CustomShape,
    /// The rules, compiled when they are first asked; nothing if there are none.
    rules: OnceLock<Option<rules::Spot>>,
}

impl Structural {
    /// Compiles an `openAPIV3Schema`. `keeps_unknown` is the definition's `spec.preserveUnknownFields`.
    pub fn compile(schema: &Value, keeps_unknown: bool) -> Result<Self, CompileError> {
        compile::compile(schema, keeps_unknown)
    }

    /// What expressions can know of the objects, given what is known of their metadata.
    pub(crate) fn expression_shape(&self, metadata: Option<Arc<Shape>>) -> Arc<Shape> {
        rules::Shapes::with_metadata(self, metadata).of(self.root(), true)
    }

    /// Removes what the schema does not specify and tells the paths, sorted. Nulls that have neither
    /// leave nor default go as well.
    pub fn prune(&self, object: &mut Object) -> Vec<String> {
        if self.keeps_unknown {
            return Vec::new();
        }
        let removed = prune::unknown(self, object.map_mut());
        prune::nulls(self, object.map_mut());
        removed
    }

    /// Fills in defaults, also where a value is null without leave.
    pub fn default(&self, object: &mut Object) -> Result<(), TooManyDefaults> {
        defaults::fill(self, object.map_mut())
    }

    /// Reads the metadata of embedded objects as that of any object. Tells what strict field validation
    /// objects to, in upstream's words.
    pub fn coerce_embedded(
        &self,
        object: &mut Object,
        malformed: Malformed,
        validation: FieldValidation,
    ) -> Result<Vec<String>, Error> {
        embedded::coerce(self, object.map_mut(), malformed, validation)
    }

    /// All checks but rules. With the object before the change, mistakes in what did not change are
    /// forgiven.
    pub fn validate(&self, object: &Object, old: Option<&Object>, metadata: MetadataRules<'_>) -> ErrorList {
        let mut errors = self.validate_values(object, old);
        errors.extend(self.validate_embedded(object, metadata));
        errors.extend(self.validate_lists(object, old));
        errors
    }

    /// Checks values against their schemas.
    pub fn validate_values(&self, object: &Object, old: Option<&Object>) -> ErrorList {
        validate::object(self, object.map(), old.map(Object::map))
    }

    /// Checks the status only, as a write to the status does.
    pub fn validate_status(&self, object: &Object, old: Option<&Object>) -> ErrorList {
        validate::status(self, object, old)
    }

    /// Checks that embedded objects have a kind and proper metadata, by the rules for any object's.
    pub fn validate_embedded(&self, object: &Object, metadata: MetadataRules<'_>) -> ErrorList {
        embedded::check(self, object.map(), metadata)
    }

    /// Checks that lists that are sets or maps have no entry twice. Old duplicates are forgiven.
    pub fn validate_lists(&self, object: &Object, old: Option<&Object>) -> ErrorList {
        if old.is_some_and(|old| !lists::check(self, old.map()).is_empty()) {
            return ErrorList::new();
        }
        lists::check(self, object.map())
    }

    /// Evaluates all rules for an object that is valid otherwise. With the object before the change, rules about
    /// changes are evaluated as well, and mistakes in what did not change are warnings.
    pub fn check_rules(&self, object: &Object, old: Option<&Object>) -> Judgement {
        match self.rules.get_or_init(|| rules::compile(self)) {
            Some(spot) => rules::judge(self, spot, object, old),
            None => Judgement::default(),
        }
    }

    /// What managed fields and apply need to know.
    pub fn shape(&self) -> &CustomShape {
        &self.shape
    }

    /// Whether any part of the schema has rules (`x-kubernetes-validations`).
    pub fn has_rules(&self) -> bool {
        self.nodes.iter().any(|node| !node.rules.is_empty())
    }

    /// The node of the whole object.
    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        static NONE: std::sync::LazyLock<Node> = std::sync::LazyLock::new(Node::default);
        self.nodes.get(id.0 as usize).unwrap_or(&NONE)
    }
}

#[cfg(test)]
mod tests;
