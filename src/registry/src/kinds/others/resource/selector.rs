//! Expressions that choose among devices: compiled as upstream compiles them, so that one it would refuse is refused.

use std::sync::{Arc, LazyLock};

use portcullis_api::Value;
use portcullis_api::field::ErrorList;
use portcullis_cel::{Environment, ObjectType, Type};

use crate::kinds::check::{At, items, text};
use crate::kinds::others::tree::sub;

const MAX_SELECTORS: usize = 32;
const MAX_EXPRESSION: usize = 10 * 1024;

/// What a selector may speak of: one device.
static DEVICE: LazyLock<Environment> = LazyLock::new(|| {
    let by_domain = |inner: Type| Type::map(Type::String, Type::map(Type::String, inner));
    let device = ObjectType::new(
        "kubernetes.DRADevice",
        [
            ("driver", Type::String),
            ("allowMultipleAllocations", Type::Bool),
            ("attributes", by_domain(Type::Dyn)),
            ("capacity", by_domain(Type::named("kubernetes.Quantity"))),
        ],
    );
    Environment::new().variable("device", Type::Object(Arc::new(device)))
});

/// The selectors of a request or of a class.
pub(super) fn selectors(owner: &Value, at: &At<'_>, errors: &mut ErrorList) {
    let at = at.child("selectors");
    let list = items(owner, "selectors");
    if list.len() > MAX_SELECTORS {
        at.too_many(errors, list.len(), MAX_SELECTORS);
        return;
    }
    for (i, selector) in list.iter().enumerate() {
        let at = at.index(i);
        let at = at.child("cel");
        if selector.get("cel").is_none() {
            at.required(errors, "");
        } else {
            expression(text(sub(selector, "cel"), "expression"), &at.child("expression"), errors);
        }
    }
}

fn expression(expression: &str, at: &At<'_>, errors: &mut ErrorList) {
    if expression.len() > MAX_EXPRESSION {
        at.too_long(errors, MAX_EXPRESSION);
        return;
    }
    match DEVICE.compile(expression) {
        Err(error) => at.invalid(errors, expression, format!("compilation failed: {error}")),
        Ok(program) if !matches!(program.output(), Type::Bool | Type::Dyn) => {
            let kind = program.output();
            let words = format!("must evaluate to bool or the unknown type, not {kind}");
            at.invalid(errors, expression, words);
        }
        Ok(_) => {}
    }
}
