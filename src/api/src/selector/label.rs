//! Label selectors: `a=b,c!=d,e in (f,g),h,!i,j>1`.

use std::fmt;

use serde_json::Value;

use super::{parse, words};
use crate::field::{Error, ErrorList, Path, go_quote};
use crate::object::Object;

/// How a requirement compares.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `in (a,b)`
    In,
    /// `notin (a,b)`
    NotIn,
    /// `=a`
    Equals,
    /// `==a`
    DoubleEquals,
    /// `!=a`
    NotEquals,
    /// `key`
    Exists,
    /// `!key`
    DoesNotExist,
    /// `>1`
    GreaterThan,
    /// `<1`
    LessThan,
}

/// What one label must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requirement {
    key: Box<str>,
    operator: Operator,
    /// Sorted and without duplicates.
    values: Box<[Box<str>]>,
}

/// A conjunction of requirements on labels, or the selector that selects nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// Selects everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Selects nothing.
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// Reads the text form; the error is upstream's message for a 400.
    pub fn parse(text: &str) -> Result<Self, String> {
        super::check_size(text)?;
        Self::of(parse::requirements(text)?)
    }

    /// Reads the object form (`matchLabels`, `matchExpressions`). `None` selects nothing, `{}` everything.
    pub fn from_object(selector: Option<&Value>) -> Result<Self, String> {
        let Some(Value::Object(map)) = selector else { return Ok(Self::nothing()) };
        let labels = map.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
        let expressions = map.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
        let mut requirements = Vec::new();
        for (key, value) in labels {
            let values = vec![value.as_str().unwrap_or_default().into()];
            requirements.push(Requirement::new(key, Operator::Equals, values)?);
        }
        for expression in expressions {
            requirements.push(Requirement::from_expression(expression)?);
        }
        Self::of(requirements)
    }

    fn of(mut requirements: Vec<Requirement>) -> Result<Self, String> {
        super::check_count(requirements.len())?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements, nothing: false })
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The requirements, ordered by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// The labels that whatever is selected has, with the one value each may have.
    pub fn exact(&self) -> impl Iterator<Item = (&str, &str)> {
        self.requirements.iter().filter_map(|requirement| {
            match (requirement.operator, &*requirement.values) {
                (Operator::In | Operator::Equals | Operator::DoubleEquals, [one]) => {
                    Some((&*requirement.key, &**one))
                }
                _ => None,
            }
        })
    }

    /// Whether labels are selected; `lookup` gives the value of a key.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(lookup(&r.key)))
    }

    /// Whether an object's labels are selected.
    pub fn matches_object(&self, object: &Object) -> bool {
        let labels = object.metadata().and_then(|m| m.get("labels")).and_then(Value::as_object);
        self.matches(|key| labels?.get(key)?.as_str())
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, requirement) in self.requirements.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl Requirement {
    /// A requirement that obeys the rules; the error is upstream's aggregate of what is wrong.
    pub fn new(key: &str, operator: Operator, values: Vec<Box<str>>) -> Result<Self, String> {
        let errors = mistakes(key, operator, &values);
        if !errors.is_empty() {
            return Err(words::aggregate(&errors));
        }
        let mut values = values;
        values.sort();
        values.dedup();
        Ok(Self { key: key.into(), operator, values: values.into() })
    }

    /// Reads an entry of `matchExpressions`.
    pub fn from_expression(expression: &Value) -> Result<Self, String> {
        let text = |field: &str| expression.get(field).and_then(Value::as_str).unwrap_or_default();
        let operator = match text("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            other => return Err(format!("{} is not a valid label selector operator", go_quote(other))),
        };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(Box::from).collect();
        Self::new(text("key"), operator, values)
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How it compares.
    pub fn operator(&self) -> Operator {
        self.operator
    }

    /// What it compares with: sorted, each once.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &str> {
        self.values.iter().map(AsRef::as_ref)
    }

    /// Whether a label's value (`None` where the label is missing) satisfies this.
    pub fn matches(&self, value: Option<&str>) -> bool {
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(|v| self.has(v)),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(|v| self.has(v)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.compare(value, |label, bound| label > bound),
            Operator::LessThan => self.compare(value, |label, bound| label < bound),
        }
    }

    fn has(&self, value: &str) -> bool {
        self.values.binary_search_by(|v| v.as_ref().cmp(value)).is_ok()
    }

    fn compare(&self, value: Option<&str>, holds: impl Fn(i64, i64) -> bool) -> bool {
        let Some(label) = value.and_then(integer) else { return false };
        let Some(bound) = self.values.first().and_then(|v| integer(v)) else { return false };
        holds(label, bound)
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.values.join(",");
        match self.operator {
            Operator::DoesNotExist => write!(f, "!{}", self.key),
            Operator::Exists => f.write_str(&self.key),
            Operator::In => write!(f, "{} in ({values})", self.key),
            Operator::NotIn => write!(f, "{} notin ({values})", self.key),
            Operator::Equals => write!(f, "{}={values}", self.key),
            Operator::DoubleEquals => write!(f, "{}=={values}", self.key),
            Operator::NotEquals => write!(f, "{}!={values}", self.key),
            Operator::GreaterThan => write!(f, "{}>{values}", self.key),
            Operator::LessThan => write!(f, "{}<{values}", self.key),
        }
    }
}

/// Reads an integer as Go's `strconv.ParseInt(_, 10, 64)` does: a sign and ASCII digits.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok()
}

fn mistakes(key: &str, operator: Operator, values: &[Box<str>]) -> ErrorList {
    let path = Path::new("values");
    let mut errors: ErrorList = words::key_error(&Path::new("key"), key).into_iter().collect();
    let list = || Value::from(values.iter().map(|v| v.to_string()).collect::<Vec<_>>());
    let count = match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            Some("for 'in', 'notin' operators, values set can't be empty")
        }
        Operator::Equals | Operator::DoubleEquals | Operator::NotEquals if values.len() != 1 => {
            Some("exact-match compatibility requires one single value")
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            Some("values set must be empty for exists and does not exist")
        }
        Operator::GreaterThan | Operator::LessThan if values.len() != 1 => {
            Some("for 'Gt', 'Lt' operators, exactly one value is required")
        }
        _ => None,
    };
    errors.extend(count.map(|detail| Error::invalid(&path, list(), detail)));
    for (index, value) in values.iter().enumerate() {
        let ordered = matches!(operator, Operator::GreaterThan | Operator::LessThan);
        if ordered && integer(value).is_none() {
            let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
            errors.push(Error::invalid(&path.index(index), value.as_ref(), detail));
        }
    }
    let wrong = values.iter().enumerate();
    errors.extend(wrong.filter_map(|(index, value)| words::value_error(&path.index(index).key(key), value)));
    errors
}

#[cfg(test)]
mod tests;
