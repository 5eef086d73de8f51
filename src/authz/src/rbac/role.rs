//! A role's rules, found by the resource they name.
//!
//! A role has dozens of rules with dozens of resources; a decision looks at the few that name what is
//! asked for. Words are sorted by their length first, which tells most of them apart without reading any.

use std::borrow::Cow;
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
    /// As it is asked for; nothing for a path.
    exactly: Option<Cow<'a, str>>,
    /// The subresource of any resource, where one is asked for.
    of_any: Option<String>,
}

impl Role {
    pub(super) fn new(rules: Box<[Rule]>) -> Self {
        let mut by_resource: BTreeMap<(usize, &[u8]), Places> = BTreeMap::new();
        let mut with_paths = Vec::new();
        for (place, rule) in rules.iter().enumerate() {
            for resource in &rule.resources {
                by_resource.entry(ordered(resource.as_bytes())).or_default().push(place);
            }
            if !rule.non_resource_urls.is_empty() {
                with_paths.push(place);
            }
        }
        let by_resource = by_resource.into_iter().map(|((_, word), places)| (word.into(), places)).collect();
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
                let spellings = sought.exactly.as_deref().into_iter().chain(sought.of_any.as_deref());
                spellings.chain(["*"]).any(|spelling| self.naming(spelling.as_bytes()).iter().any(allows))
            }
        }
    }

    /// Where the rules are that name a resource.
    fn naming(&self, spelling: &[u8]) -> &[usize] {
        let found = self.by_resource.binary_search_by_key(&ordered(spelling), |(word, _)| ordered(word));
        found.ok().and_then(|at| self.by_resource.get(at)).map_or(&[], |(_, places)| places)
    }
}

/// What words are in the order of: their length, then as they are written.
fn ordered(word: &[u8]) -> (usize, &[u8]) {
    (word.len(), word)
}

impl<'a> Sought<'a> {
    pub(super) fn new(attributes: &'a Attributes<'a>) -> Self {
        let (exactly, of_any) = match &attributes.subject {
            Subject::Path(_) => (None, None),
            Subject::Resource(asked) if asked.subresource.is_empty() => {
                (Some(Cow::Borrowed(asked.resource)), None)
            }
            Subject::Resource(asked) => {
                let exactly = format!("{}/{}", asked.resource, asked.subresource);
                (Some(Cow::Owned(exactly)), Some(format!("*/{}", asked.subresource)))
            }
        };
        Self { attributes, exactly, of_any }
    }
}
