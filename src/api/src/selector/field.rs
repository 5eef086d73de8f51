//! Field selectors: `metadata.name=x,status.phase!=Running`, with `\,`, `\=` and `\\` in values.

use std::fmt::{self, Write as _};

use crate::field::go_quote;
use crate::kind::GroupResource;

/// One comparison of a field with a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldTerm {
    field: Box<str>,
    equal: bool,
    value: Box<str>,
}

/// A conjunction of comparisons. A field that an object lacks counts as empty text.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// Selects everything.
    pub fn everything() -> Self {
        Self::default()
    }

    /// Reads the text form; the error is upstream's message for a 400.
    pub fn parse(text: &str) -> Result<Self, String> {
        super::check_size(text)?;
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let terms = parts.into_iter().filter(|p| !p.is_empty()).map(|part| {
            let (field, equal, value) = split_term(part)
                .ok_or_else(|| format!("invalid selector: '{text}'; can't understand '{part}'"))?;
            Ok(FieldTerm { field: field.into(), equal, value: unescape(value)?.into() })
        });
        // As upstream, a term that compares nothing with nothing selects everything.
        let mut terms = terms.collect::<Result<Vec<_>, String>>()?;
        terms.retain(|term| !term.field.is_empty() || !term.value.is_empty());
        Self::of(terms)
    }

    /// A selector of terms.
    pub fn of(terms: Vec<FieldTerm>) -> Result<Self, String> {
        super::check_count(terms.len())?;
        Ok(Self { terms })
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The terms, in the order of their text.
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// The value a field must have, if the selector names exactly one by equality.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && &*t.field == field).map(|t| &*t.value)
    }

    /// Refuses fields that a resource cannot be selected by. `known` are its fields; the answer is
    /// upstream's message for a 400, whose words differ by resource.
    pub fn check_known<S: AsRef<str>>(&self, known: &[S], words: UnknownField) -> Result<(), String> {
        let unknown = self.terms.iter().find(|t| !known.iter().any(|k| k.as_ref() == &*t.field));
        unknown.map_or(Ok(()), |term| Err(words.message(&term.field)))
    }

    /// Writes the fields in their present spelling (`spec.host` of pods is `spec.nodeName`).
    pub fn rename(&mut self, from: &str, to: &str) {
        for term in self.terms.iter_mut().filter(|t| &*t.field == from) {
            term.field = to.into();
        }
    }

    /// Whether an object is selected; `lookup` gives the text of a field.
    pub fn matches<'a>(&self, lookup: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.terms.iter().all(|t| t.matches(lookup(&t.field).unwrap_or_default()))
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.terms.iter().enumerate() {
            if index > 0 {
                f.write_char(',')?;
            }
            write!(f, "{}{}", term.field, if term.equal { "=" } else { "!=" })?;
            for c in term.value.chars() {
                if matches!(c, '\\' | ',' | '=') {
                    f.write_char('\\')?;
                }
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

impl FieldTerm {
    /// The field must have the value.
    pub fn equal(field: &str, value: &str) -> Self {
        Self { field: field.into(), equal: true, value: value.into() }
    }

    /// The field must have any other value.
    pub fn not_equal(field: &str, value: &str) -> Self {
        Self { field: field.into(), equal: false, value: value.into() }
    }

    /// The field.
    pub fn field(&self) -> &str {
        &self.field
    }

    /// Whether the field must be the value, or must not.
    pub fn is_equal(&self) -> bool {
        self.equal
    }

    /// The value.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a field's text satisfies this.
    pub fn matches(&self, text: &str) -> bool {
        (text == &*self.value) == self.equal
    }
}

/// How a resource words the refusal of a field it cannot be selected by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UnknownField {
    /// Resources without fields of their own.
    OnlyNames,
    /// Resources with fields of their own, and custom resources.
    NotSupported,
    /// Jobs.
    Job,
    /// ResourceSlices.
    ResourceSlice,
}

impl UnknownField {
    /// The words of a built-in resource.
    pub fn of(resource: &GroupResource) -> Self {
        match (&*resource.group, &*resource.resource) {
            (
                "",
                "pods"
                | "nodes"
                | "replicationcontrollers"
                | "events"
                | "namespaces"
                | "secrets"
                | "services",
            )
            | ("events.k8s.io", "events")
            | ("certificates.k8s.io", "certificatesigningrequests") => Self::NotSupported,
            ("batch", "jobs") => Self::Job,
            ("resource.k8s.io", "resourceslices") => Self::ResourceSlice,
            _ => Self::OnlyNames,
        }
    }

    fn message(self, field: &str) -> String {
        match self {
            Self::OnlyNames => format!(
                "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                go_quote(field)
            ),
            Self::NotSupported => format!("field label not supported: {field}"),
            Self::Job => format!("field label {} not supported for Job", go_quote(field)),
            Self::ResourceSlice => {
                format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {field}")
            }
        }
    }
}

/// Splits at commas that no backslash precedes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    let at_comma = |c: char| {
        let splits = !escaped && c == ',';
        escaped = !escaped && c == '\\';
        splits
    };
    text.split(at_comma).collect()
}

/// Splits at the first operator; whether it is an equality.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    let at = term.char_indices().find_map(|(at, c)| {
        let rest = term.get(at..)?;
        (c == '=' || rest.starts_with("!=")).then_some(at)
    })?;
    let (field, rest) = term.split_at(at);
    if let Some(value) = rest.strip_prefix("!=") {
        return Some((field, false, value));
    }
    let value = rest.strip_prefix("==").or_else(|| rest.strip_prefix('='))?;
    Some((field, true, value))
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                Some(c) => return Err(format!("invalid field selector: invalid escape sequence: \\{c}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            ',' | '=' => {
                return Err(format!("invalid field selector: unescaped character in value: {}", c as u32));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
