//! Comparing values in filters: numbers with numbers of the same sort, texts with texts.

use std::cmp::Ordering;

use portcullis_api::Value;

use super::super::data::Number;

/// Whether a comparison holds; `None` where the two cannot be compared so.
pub(super) fn compare(left: &Value, operator: &str, right: &Value) -> Option<bool> {
    if let (Value::Bool(left), Value::Bool(right)) = (left, right) {
        return match operator {
            "==" => Some(left == right),
            "!=" => Some(left != right),
            _ => None,
        };
    }
    let order = order(left, right)?;
    Some(match operator {
        "==" => order == Some(Ordering::Equal),
        "!=" => order != Some(Ordering::Equal),
        "<" => order == Some(Ordering::Less),
        "<=" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        ">" => !matches!(order, Some(Ordering::Less | Ordering::Equal)),
        ">=" => order != Some(Ordering::Less),
        _ => return None,
    })
}

fn order(left: &Value, right: &Value) -> Option<Option<Ordering>> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Some(Some(left.cmp(right))),
        (Value::Number(left), Value::Number(right)) => match (Number::from(left), Number::from(right)) {
            (Number::Int(left), Number::Int(right)) => Some(Some(left.cmp(&right))),
            (Number::Float(left), Number::Float(right)) => Some(left.partial_cmp(&right)),
            _ => None,
        },
        _ => None,
    }
}
