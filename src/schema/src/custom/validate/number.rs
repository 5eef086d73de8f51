//! Ranges and factors of numbers.

use super::super::data::Number;
use super::super::format::Format;
use super::super::node::{Bound, Checks, Node, Type};
use super::Walk;
use super::outcome::Outcome;
use super::show;
use super::types::is_whole;

/// What the schema says a number is.
#[derive(Clone, Copy)]
struct Kind<'n> {
    ty: Type,
    format: &'n str,
}

impl Kind<'_> {
    /// Whether a number is one of the kind: only formats and whole numbers have a range.
    fn holds(self, number: Number) -> bool {
        let whole = |low: i64, high: i64| match number {
            Number::Int(int) => (low..=high).contains(&int),
            Number::Float(float) => whole(float).is_some_and(|int| (low..=high).contains(&int)),
        };
        match (self.ty, self.format) {
            (Type::Integer, "int32") => whole(i64::from(i32::MIN), i64::from(i32::MAX)),
            (Type::Integer, _) => whole(i64::MIN, i64::MAX),
            (_, "float") => number.float().abs() < F32_END,
            _ => true,
        }
    }

    fn words(self) -> String {
        match self.format {
            "" => format!("{} (default format)", self.ty.name()),
            format => format!("{} with format {format}", self.ty.name()),
        }
    }
}

/// From here on numbers are rounded to infinity as `f32`.
const F32_END: f64 = 3.402_823_567_797_336_6e38;

/// The integer a float equals.
#[expect(clippy::cast_possible_truncation, reason = "bounded to the range of the type")]
fn whole(float: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    (float.fract() == 0.0 && (-END..END).contains(&float)).then_some(float as i64)
}

/// Cuts a float down to an integer, as upstream does with bounds of integers.
#[expect(clippy::cast_possible_truncation, reason = "saturates")]
fn cut(float: f64) -> i64 {
    float as i64
}

impl Walk<'_> {
    pub(super) fn number(&self, node: &Node, checks: Option<&Checks>, number: Number) -> Outcome {
        let kind = kind(node);
        let mut out = Outcome::default();
        self.in_range(kind, number, "Checked", &mut out);
        if let Some(checks) = checks {
            if let Some(factor) = checks.multiple_of {
                self.multiple(kind, number, factor, &mut out);
            }
            if let Some(min) = checks.minimum {
                self.minimum(kind, number, min, &mut out);
            }
            if let Some(max) = checks.maximum {
                self.maximum(kind, number, max, &mut out);
            }
        }
        out.fits();
        out
    }

    /// Whether a number, or a bound of it, is of the kind at all.
    fn in_range(&self, kind: Kind<'_>, number: Number, what: &str, out: &mut Outcome) -> bool {
        let holds = kind.holds(number);
        if !holds {
            let words = format!("{what} value must be of type {} in {}", kind.words(), self.path);
            out.push(self.unplaced(words));
        }
        holds
    }

    fn minimum(&self, kind: Kind<'_>, number: Number, min: Bound, out: &mut Outcome) {
        let native = self.in_range(kind, Number::Float(min.value), "Minimum boundary", out);
        let (below, shown) = match number {
            Number::Int(int) if native => {
                let min_int = cut(min.value);
                (int < min_int || (min.exclusive && int == min_int), min_int.to_string())
            }
            _ => {
                let float = number.float();
                (float < min.value || (min.exclusive && float <= min.value), show::float(min.value))
            }
        };
        if below {
            let words = if min.exclusive { "greater than" } else { "greater than or equal to" };
            out.push(self.invalid(show::number(number), format!("should be {words} {shown}")));
        }
    }

    fn maximum(&self, kind: Kind<'_>, number: Number, max: Bound, out: &mut Outcome) {
        let native = self.in_range(kind, Number::Float(max.value), "Maximum boundary", out);
        let (above, shown) = match number {
            Number::Int(int) if native => {
                let max_int = cut(max.value);
                (int > max_int || (max.exclusive && int == max_int), max_int.to_string())
            }
            _ => {
                let float = number.float();
                (float > max.value || (max.exclusive && float >= max.value), show::float(max.value))
            }
        };
        if above {
            let words = if max.exclusive { "less than" } else { "less than or equal to" };
            out.push(self.invalid(show::number(number), format!("should be {words} {shown}")));
        }
    }

    fn multiple(&self, kind: Kind<'_>, number: Number, factor: f64, out: &mut Outcome) {
        let native = self.in_range(kind, Number::Float(factor), "MultipleOf", out);
        let (positive, divides, shown) = match number {
            Number::Int(int) if native => {
                let factor = cut(factor);
                (factor > 0, int.checked_rem(factor) == Some(0), Number::Int(factor))
            }
            _ => {
                let times =
                    if factor < 1.0 { 1.0 / factor * number.float() } else { number.float() / factor };
                (factor > 0.0, is_whole(times), Number::Float(factor))
            }
        };
        let shown_factor = show::number(shown);
        if !positive {
            let words =
                format!("factor MultipleOf declared for {} must be positive: {}", self.path, shown_factor.0);
            out.push(portcullis_api::field::Error::invalid(&self.place(), shown_factor, words));
        } else if !divides {
            let words = format!("should be a multiple of {}", shown_factor.0);
            out.push(self.invalid(show::number(number), words));
        }
    }
}

/// A number has a kind only where the schema names one type.
fn kind(node: &Node) -> Kind<'_> {
    let format = node.checks.as_ref().and_then(|checks| checks.format.as_ref()).map_or("", Format::name);
    match node.ty {
        ty @ (Type::Integer | Type::Number) if !node.int_or_string => Kind { ty, format },
        _ => Kind { ty: Type::Unset, format: "" },
    }
}
