//! What the names of an environment stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::signatures::{Overload, overloads, type_named};
use crate::syntax::ast::Name;
use crate::types::{ObjectType, Type};
use crate::value::{CONFIGURATION, PATCH};

/// The functions that only expressions of patches have.
const OF_PATCHES: &str = "jsonpatch.";

/// The variables of an environment with their types, and whether its expressions write patches.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    pub(crate) variables: BTreeMap<Arc<str>, Type>,
    pub(crate) patches: bool,
}

impl Names {
    /// The type of a variable, or of the type that a name is.
    pub(super) fn find(&self, name: &str) -> Option<(Name, Type)> {
        if let Some((name, kind)) = self.variables.get_key_value(name) {
            return Some((name.clone(), kind.clone()));
        }
        let kind = type_named(name).or_else(|| self.patch_type(name))?;
        Some((name.into(), kind))
    }

    /// The overloads of a function, if the environment has it.
    pub(super) fn function(&self, name: &str) -> Option<(&'static str, &'static [Overload])> {
        overloads(name).filter(|(name, _)| self.patches || !name.starts_with(OF_PATCHES))
    }

    /// What patches are made of: `Object` and, below it, the names of its fields; `JSONPatch`.
    fn patch_type(&self, name: &str) -> Option<Type> {
        if !self.patches {
            return None;
        }
        let kind = match name {
            PATCH => {
                let text = ["op", "path", "from"].map(|field| (field, Type::String));
                ObjectType::new(PATCH, text.into_iter().chain([("value", Type::Dyn)]))
            }
            _ if below(name) => ObjectType::open(name),
            _ => return None,
        };
        Some(Type::Type(Some(Type::Object(kind.into()).into())))
    }
}

fn below(name: &str) -> bool {
    name.strip_prefix(CONFIGURATION).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
