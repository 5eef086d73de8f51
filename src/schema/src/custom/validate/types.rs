//! Whether a value has the type its schema says.

use super::super::data::{Data, Number};
use super::super::node::{Node, Type};
use super::Walk;
use super::outcome::Outcome;

/// Up to here every whole number is a float.
const EXACT: f64 = 9_007_199_254_740_991.0;
/// Floats as close as this to a whole number count as whole.
const CLOSE: f64 = 1e-9;

/// Whether a schema says anything of types.
pub(super) fn has_type(node: &Node) -> bool {
    node.ty != Type::Unset || node.int_or_string || format(node).is_some()
}

fn format(node: &Node) -> Option<&str> {
    node.checks.as_ref()?.format.as_ref().map(|format| format.name())
}

fn takes(node: &Node, ty: Type) -> bool {
    if node.int_or_string { matches!(ty, Type::Integer | Type::String) } else { node.ty == ty }
}

fn wanted(node: &Node) -> &'static str {
    if node.int_or_string { "integer,string" } else { node.ty.name() }
}

impl Walk<'_> {
    /// Null needs leave.
    pub(super) fn null(&self, node: &Node) -> Outcome {
        let typed = node.ty != Type::Unset || node.int_or_string;
        if typed && !node.nullable {
            return Outcome::error(self.wrong_type(wanted(node), "null"));
        }
        Outcome::fit()
    }

    pub(super) fn types(&self, node: &Node, value: Data<'_>) -> Outcome {
        let (ty, form) = type_of(value);
        let counts_as_whole = |number| is_whole(number) && takes(node, Type::Integer);
        let fits = takes(node, ty)
            || match value {
                Data::Number(Number::Float(float)) => counts_as_whole(float),
                Data::Number(Number::Int(_)) => takes(node, Type::Number),
                _ => false,
            };
        if let Some(format) = format(node) {
            let sequence = matches!(value, Data::Text(_) | Data::List(_));
            if !sequence && !fits && form != format {
                return Outcome::error(self.wrong_type(format, form));
            }
            // A text with a format is left to the format; upstream lets lists through here as well.
            if sequence && !takes(node, Type::Number) && !takes(node, Type::Integer) {
                return Outcome::fit();
            }
        }
        if fits { Outcome::fit() } else { Outcome::error(self.wrong_type(wanted(node), ty.name())) }
    }
}

/// The type of a value, and the format upstream takes it for.
fn type_of(value: Data<'_>) -> (Type, &'static str) {
    match value {
        Data::Null => (Type::Unset, ""),
        Data::Bool(_) => (Type::Boolean, ""),
        Data::Number(Number::Int(_)) => (Type::Integer, "int64"),
        Data::Number(Number::Float(_)) => (Type::Number, "float64"),
        Data::Text(_) => (Type::String, ""),
        Data::List(_) => (Type::Array, ""),
        Data::Object(_) => (Type::Object, ""),
    }
}

/// Whether a float is a whole number, or as good as one.
pub(super) fn is_whole(float: f64) -> bool {
    if !(-EXACT..=EXACT).contains(&float) {
        return false;
    }
    let rounded = float.round();
    #[expect(clippy::float_cmp, reason = "a whole number equals itself rounded")]
    let same = float == rounded;
    same || (rounded != 0.0 && (float - rounded).abs() < CLOSE * rounded.abs())
}
