//! Bindings: the scheduler's decision where a pod runs.

use portcullis_api::field::ErrorList;
use portcullis_api::{Object, Value};

use super::super::super::check::{At, text};
use crate::strategy::Strategy;

/// Bindings, as a resource of their own and as `pods/binding`.
pub(crate) struct BindingStrategy;

impl Strategy for BindingStrategy {
    fn validate(&self, new: &Object, errors: &mut ErrorList) {
        let empty = Value::Null;
        let target = new.get("target").unwrap_or(&empty);
        let at = At::root("target");
        let kind = text(target, "kind");
        if !kind.is_empty() && kind != "Node" {
            at.child("kind").not_supported(errors, kind, &["Node", "<empty>"]);
        }
        if text(target, "name").is_empty() {
            at.child("name").required(errors, "");
        }
    }

    fn validate_update(&self, new: &Object, _old: &Object, errors: &mut ErrorList) {
        self.validate(new, errors);
    }
}
