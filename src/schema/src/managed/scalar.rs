//! The values that can stand in a path: keys of list entries and members of sets.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::sync::Arc;

use portcullis_api::Value;

/// A scalar of a path. Numbers that are whole are always [`Scalar::Int`], so that `80` read back from
/// `FieldsV1` is the same as `80` in an object.
#[derive(Clone, PartialEq, Debug)]
pub enum Scalar<'a> {
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(Float),
    /// A string.
    Text(Cow<'a, str>),
    /// A boolean.
    Bool(bool),
    /// Nothing.
    Null,
    /// An array or object, which only a client's own `FieldsV1` can bring here.
    Other(Arc<Value>),
}

/// A number with a total order.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub(super) f64);

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.0.total_cmp(&other.0).is_eq()
    }
}

impl Eq for Scalar<'_> {}

impl PartialOrd for Scalar<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Other(a), Self::Other(b)) => a.to_string().cmp(&b.to_string()),
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                self.number().total_cmp(&other.number()).then_with(|| self.rank().cmp(&other.rank()))
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl<'a> Scalar<'a> {
    /// Borrows a scalar of an object; `None` for arrays and objects.
    pub fn from_value(value: &'a Value) -> Option<Self> {
        Some(match value {
            Value::String(text) => Self::Text(Cow::Borrowed(text)),
            Value::Number(number) => Self::from_number(number),
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Null => Self::Null,
            Value::Array(_) | Value::Object(_) => return None,
        })
    }

    pub(super) fn from_owned(value: Value) -> Self {
        match value {
            Value::String(text) => Self::Text(Cow::Owned(text)),
            Value::Number(number) => Self::from_number(&number),
            Value::Bool(truth) => Self::Bool(truth),
            Value::Null => Self::Null,
            other => Self::Other(Arc::new(other)),
        }
    }

    /// The same value without borrowed parts.
    pub fn into_owned(self) -> Scalar<'static> {
        match self {
            Self::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Self::Int(number) => Scalar::Int(number),
            Self::Float(number) => Scalar::Float(number),
            Self::Bool(truth) => Scalar::Bool(truth),
            Self::Null => Scalar::Null,
            Self::Other(value) => Scalar::Other(value),
        }
    }

    fn from_number(number: &serde_json::Number) -> Self {
        if let Some(whole) = number.as_i64() {
            return Self::Int(whole);
        }
        let float = number.as_f64().unwrap_or_default();
        whole(float).map_or(Self::Float(Float(float)), Self::Int)
    }

    #[expect(clippy::cast_precision_loss, reason = "upstream compares mixed numbers as float64")]
    fn number(&self) -> f64 {
        match self {
            Self::Int(number) => *number as f64,
            Self::Float(number) => number.0,
            _ => 0.0,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Int(_) => 0,
            Self::Float(_) => 1,
            Self::Text(_) => 2,
            Self::Bool(_) => 3,
            Self::Other(_) => 4,
            Self::Null => 5,
        }
    }

    pub(super) fn write_json(&self, out: &mut String) {
        match self {
            Self::Text(text) => write_string(text, out),
            Self::Int(number) => {
                let _ = write!(out, "{number}");
            }
            Self::Float(number) => {
                let _ = write!(out, "{}", number.0);
            }
            Self::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            Self::Null => out.push_str("null"),
            Self::Other(value) => {
                let _ = write!(out, "{value}");
            }
        }
    }
}

/// The integer a number equals, if it can be told for sure.
#[expect(clippy::cast_possible_truncation, reason = "bounded to where the conversion is exact")]
fn whole(float: f64) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    (float.fract() == 0.0 && float.abs() <= EXACT).then_some(float as i64)
}

/// Writes a string as Go's encoder does: `<`, `>`, `&` and the line separators escaped.
pub(crate) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c if (c as u32) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A float as Go's `%v` prints it.
pub(crate) fn go_float(number: f64) -> String {
    let exponent = if number == 0.0 { 0.0 } else { number.abs().log10().floor() };
    if (-4.0..21.0).contains(&exponent) {
        return format!("{number}");
    }
    let text = format!("{number:e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |rest| ('-', rest));
    format!("{digits}e{sign}{power:0>2}")
}
