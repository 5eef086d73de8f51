//! Which requests a webhook or policy is about.
//!
//! ```text
//! Criteria   the namespace's and the object's labels, then the rules, then the rules for other versions
//!            of the same objects (matchPolicy Equivalent) -> the target the object is to be shown as
//! Conditions expressions that must hold as well
//! ```
//!
//! Everything is read once, when the configuration is stored; a match allocates only when it is by way of
//! another version.

mod conditions;
mod rule;
mod selector;

#[cfg(test)]
mod tests;

use portcullis_api::{ApiError, Object, Result, Value};

pub use conditions::{Conditions, OnFailure, Verdict};
pub use rule::Rule;
pub use selector::Selector;

use crate::attributes::Attributes;
use crate::target::Target;

/// What a webhook or policy is about.
#[derive(Debug)]
pub struct Criteria {
    namespaces: Selector,
    objects: Selector,
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    /// Whether a rule for one version is a rule for all.
    equivalent: bool,
    /// Whether no rule at all means everything.
    unruled: bool,
}

impl Criteria {
    /// Those of a webhook: without rules it is never called.
    pub fn of_webhook(hook: &Value) -> Self {
        Self { rules: rules(hook, "rules"), excluded: Vec::new(), unruled: false, ..Self::selectors(hook) }
    }

    /// Those of a policy (`matchConstraints`) or of a binding (`matchResources`): without rules they are
    /// about everything.
    pub fn of_policy(matches: &Value) -> Self {
        let excluded = rules(matches, "excludeResourceRules");
        Self { rules: rules(matches, "resourceRules"), excluded, unruled: true, ..Self::selectors(matches) }
    }

    fn selectors(from: &Value) -> Self {
        Self {
            namespaces: Selector::read(from.get("namespaceSelector")),
            objects: Selector::read(from.get("objectSelector")),
            rules: Vec::new(),
            excluded: Vec::new(),
            equivalent: from.get("matchPolicy").and_then(Value::as_str) == Some("Equivalent"),
            unruled: false,
        }
    }

    /// Whether a write is concerned, and as what its objects are to be shown: as what was asked for, or
    /// as what the rules name. `object` is as it is now.
    ///
    /// # Errors
    /// When the write may be concerned and that cannot be found out.
    pub fn matches(&self, write: &Attributes<'_>, object: Option<&Object>) -> Result<Option<Target>> {
        // A selector that cannot be evaluated matters only if everything else matches.
        let by_namespace = self.namespaces.matches_namespace(write, object);
        let by_object = self.objects.matches_object(object, write.old);
        if matches!(by_namespace, Ok(false)) || matches!(by_object, Ok(false)) {
            return Ok(None);
        }
        if self.matching(&self.excluded, write)?.is_some() {
            return Ok(None);
        }
        let target = match self.unruled && self.rules.is_empty() {
            true => Some(write.target()),
            false => self.matching(&self.rules, write)?,
        };
        if target.is_some() {
            by_namespace?;
            by_object?;
        }
        Ok(target)
    }

    /// The target under which a rule matches: the request's own if any does.
    fn matching(&self, rules: &[Rule], write: &Attributes<'_>) -> Result<Option<Target>> {
        if rules.iter().any(|rule| rule.matches(write, write.gvr)) {
            return Ok(Some(write.target()));
        }
        if !self.equivalent || rules.is_empty() {
            return Ok(None);
        }
        let others = write.kinds.equivalents(write.gvr, write.subresource);
        let of_rule = |rule: &Rule| others.iter().find(|other| rule.matches(write, &other.resource));
        match rules.iter().find_map(of_rule) {
            Some(other) if other.kind.kind.is_empty() => {
                let gvr = &other.resource;
                let why = format!("unable to convert to {}, Resource={}: unknown kind", gvr.gv, gvr.resource);
                Err(ApiError::internal_said(&why))
            }
            other => Ok(other.cloned()),
        }
    }
}

fn rules(from: &Value, field: &str) -> Vec<Rule> {
    let list = from.get(field).and_then(Value::as_array);
    list.into_iter().flatten().map(Rule::read).collect()
}
