//! A role's rules, found by the resource they name.
//!
//! A role has dozens of rules with dozens of resources; a decision looks at the few that name what is
//! asked for. Words are sorted by their length first, which tells most of them apart without reading any.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::rule::Rule;
use crate::attributes::{Attributes, Subject};

/// The rules of a role, compiled.
#[derive(Debug)]
pub(super) struct Role {
    rules: Box<[Rule]>,
    /// Places of the rules that name a resource, as rules write it: `pods`, `pods/log`, `*/scale`, `*`.
    by_resource: Box<[(Box<[u8]>, Places)]>,
    /// Places of the rules that name paths.
    with_paths: Vec<usize>,
}

/// Places of rules.
type Places = SmallVec<[usize; 2]>;

/// What is asked for, in the spellings a rule may have.
pub(super) struct Sought<'a> {
    attributes: &'a Attributes<'a>,
    spellings: SmallVec<[Spelling; 3]>,
}

type Spelling = SmallVec<[u8; 64]>;

impl Role {
    pub(super) fn new(rules: Box<[Rule]>) -> Self {
        let mut by_resource: BTreeMap<&[u8], Places> = BTreeMap::new();
        let mut with_paths = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            for resource in &rule.resources {
                by_resource.entry(resource.as_bytes()).or_default().push(place);
            }
            if !rule.non_resource_urls.is_empty() {
                with_paths.push(place);
            }
        }
        let mut by_resource: Box<[(Box<[u8]>, Places)]> =
            by_resource.into_iter().map(|(word, places)| (word.into(), places)).collect();
        by_resource.sort_unstable_by(|(a, _), (b, _)| shorter(a, b));
        Self { rules, by_resource, with_paths }
    }

    pub(super) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    pub(super) fn allows(&self, sought: &Sought<'_>) -> bool {
        let allows = |place: &usize| self.rules.get(*place).is_some_and(|r| r.allows(sought.attributes));
        match sought.attributes.subject {
            Subject::Path(_) => self.with_paths.iter().any(allows),
            Subject::Resource(_) => {
                sought.spellings.iter().any(|spelling| self.naming(spelling).iter().any(allows))
            }
        }
    }

    /// Where the rules are that name a resource.
    fn naming(&self, spelling: &[u8]) -> &[usize] {
        let found = self.by_resource.binary_search_by(|(word, _)| shorter(word, spelling));
        found.ok().and_then(|at| self.by_resource.get(at)).map_or(&[], |(_, places)| places)
    }
}

/// The order of words: by length, then as written.
fn shorter(one: &[u8], other: &[u8]) -> Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

impl<'a> Sought<'a> {
    pub(super) fn new(attributes: &'a Attributes<'a>) -> Self {
        let mut spellings = SmallVec::new();
        if let Subject::Resource(resource) = &attributes.subject {
            spellings.push(spelling(resource.resource, resource.subresource));
            if !resource.subresource.is_empty() {
                spellings.push(spelling("*", resource.subresource));
            }
            spellings.push(spelling("*", ""));
        }
        Self { attributes, spellings }
    }
}

fn spelling(resource: &str, subresource: &str) -> Spelling {
    let mut text = Spelling::from_slice(resource.as_bytes());
    if !subresource.is_empty() {
        text.push(b'/');
        text.extend_from_slice(subresource.as_bytes());
    }
    text
}
