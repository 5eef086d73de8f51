//! How a request must select for a rule to be about it: labels and fields that its selectors pin.
//!
//! Only permissions may ask for that. A selector narrows what a request sees, so a permission may rest on it; what a request
//! leaves unselected it may still touch, so a refusal may not.

use std::fmt::Write as _;

use portcullis_api::selector::{FieldSelector, LabelSelector, Operator};

use super::pattern::{LIST, Pattern};
use crate::attributes::{Attributes, Subject};

/// Keys, each with what its value must be like.
pub(super) type Patterns = Box<[(Box<str>, Pattern)]>;

/// What must be pinned, by key, and to what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Selection {
    /// Labels.
    pub labels: Patterns,
    /// Fields.
    pub fields: Patterns,
}

impl Selection {
    /// Whether anything is asked for.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether a request's selectors pin all of it: whatever they let through has such a value. Selectors that
    /// cannot be read pin nothing.
    pub(super) fn is_made_by(&self, asked: &Attributes<'_>) -> bool {
        if self.is_empty() {
            return true;
        }
        let Subject::Resource(asked) = &asked.subject else { return false };
        let all = |wanted: &[(Box<str>, Pattern)], pinned: &[(String, Vec<String>)]| {
            wanted.iter().all(|(key, pattern)| {
                let of_key = |(name, values): &&(String, Vec<String>)| {
                    **name == **key && values.iter().all(|value| pattern.matches(value))
                };
                pinned.iter().any(|pin| of_key(&pin))
            })
        };
        all(&self.labels, &labels(asked.label_selector)) && all(&self.fields, &fields(asked.field_selector))
    }

    /// The keys and patterns as one text for casbin.
    pub(super) fn encode(&self) -> String {
        let one = |kind: &str, (key, pattern): &(Box<str>, Pattern)| {
            format!("{LIST}{kind}{key}{}", pattern.encode())
        };
        let labels = self.labels.iter().map(|wanted| one("l", wanted));
        labels.chain(self.fields.iter().map(|wanted| one("f", wanted))).collect()
    }
}

/// What a request's selectors pin, as one text for casbin: each pin is its key and values, each value after a `=`.
pub(super) fn encode(asked: &Attributes<'_>) -> String {
    let Subject::Resource(asked) = &asked.subject else { return String::new() };
    let mut all = String::new();
    let pins = labels(asked.label_selector).into_iter().map(|pin| ("l", pin));
    for (kind, (key, values)) in pins.chain(fields(asked.field_selector).into_iter().map(|pin| ("f", pin))) {
        let _ = write!(all, "{LIST}{kind}{key}");
        for value in values {
            let _ = write!(all, "{VALUE}{}", value.replace([LIST, VALUE], "\u{fffd}"));
        }
    }
    all
}

/// Precedes a value.
pub(super) const VALUE: char = '\u{1e}';

/// Labels with the values they are pinned to.
fn labels(text: &str) -> Vec<(String, Vec<String>)> {
    let selector = LabelSelector::parse(text).unwrap_or_default();
    let pins = selector.requirements().iter().filter(|requirement| {
        matches!(requirement.operator(), Operator::In | Operator::Equals | Operator::DoubleEquals)
    });
    pins.map(|pin| (pin.key().to_owned(), pin.values().map(str::to_owned).collect())).collect()
}

/// Fields with the value they are pinned to.
fn fields(text: &str) -> Vec<(String, Vec<String>)> {
    let selector = FieldSelector::parse(text).unwrap_or_default();
    let pins = selector.terms().iter().filter(|term| term.is_equal());
    pins.map(|pin| (pin.field().to_owned(), vec![pin.value().to_owned()])).collect()
}
