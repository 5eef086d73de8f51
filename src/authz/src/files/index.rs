//! Finds the few rules that may be about a request.
//!
//! Rules are kept in the order in which they decide, so that a smaller number decides first. Each is listed
//! by subject, then by resource, then by namespace; what a rule leaves open or writes as a glob is listed as
//! open. What comes out may be about the request: the rule itself says whether it is.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_api::UserInfo;
use smallvec::SmallVec;

use super::pattern::Pattern;
use super::rule::{Effect, Resources, Rule, Who};
use crate::attributes::{Attributes, Subject};

/// Numbers of rules, in the order in which they decide.
pub(super) type Numbers = SmallVec<[u32; 16]>;

/// The rules of a snapshot and the ways to them.
#[derive(Default)]
pub(super) struct Index {
    rules: Box<[Arc<Rule>]>,
    users: HashMap<Box<str>, Bucket>,
    groups: HashMap<Box<str>, Bucket>,
    open: Bucket,
}

/// The rules of one subject.
#[derive(Default)]
struct Bucket {
    resources: Level<Level<Vec<u32>>>,
    paths: Vec<u32>,
}

/// What is listed under a word, and what is open.
#[derive(Default)]
struct Level<T> {
    named: HashMap<Box<str>, T>,
    open: T,
}

impl<T: Default> Level<T> {
    fn entry(&mut self, word: Option<&str>) -> &mut T {
        match word {
            None => &mut self.open,
            Some(word) => self.named.entry(word.into()).or_default(),
        }
    }

    fn of<'a>(&'a self, word: &str) -> impl Iterator<Item = &'a T> {
        [Some(&self.open), self.named.get(word)].into_iter().flatten()
    }
}

impl Index {
    /// Orders and lists rules.
    pub(super) fn new(mut rules: Vec<Arc<Rule>>) -> Self {
        // Stable: what is written first decides first among equals.
        rules.sort_by_key(|rule| (rule.priority, rule.effect));
        let mut index = Self::default();
        for (number, rule) in (0u32..).zip(&rules) {
            for who in &rule.subjects {
                index.bucket(who).add(number, rule);
            }
        }
        index.rules = rules.into();
        index
    }

    /// The rules in the order in which they decide.
    pub(super) fn rules(&self) -> &[Arc<Rule>] {
        &self.rules
    }

    /// A rule by its number.
    pub(super) fn rule(&self, number: u32) -> Option<&Arc<Rule>> {
        self.rules.get(usize::try_from(number).ok()?)
    }

    /// The rules that may be about a request, in the order in which they decide.
    pub(super) fn candidates(&self, user: &UserInfo, asked: &Attributes<'_>) -> Numbers {
        let mut found = Numbers::new();
        if self.rules.is_empty() {
            return found;
        }
        let groups = user.groups.iter().filter_map(|group| self.groups.get(&**group));
        let buckets = [Some(&self.open), self.users.get(&*user.name)].into_iter().flatten().chain(groups);
        for bucket in buckets {
            match &asked.subject {
                Subject::Path(_) => found.extend_from_slice(&bucket.paths),
                Subject::Resource(resource) => {
                    for by_namespace in bucket.resources.of(resource.resource) {
                        by_namespace.of(resource.namespace).for_each(|list| found.extend_from_slice(list));
                    }
                }
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The most rules that one request may have to weigh, and one of them.
    pub(super) fn most_that_meet(&self) -> (usize, Option<&Arc<Rule>>) {
        let buckets = self.users.values().chain(self.groups.values()).chain([&self.open]);
        let lists = buckets.flat_map(|bucket| {
            let by_namespace = bucket.resources.named.values().chain([&bucket.resources.open]);
            let lists = by_namespace.flat_map(|level| level.named.values().chain([&level.open]));
            lists.chain([&bucket.paths])
        });
        let longest = lists.max_by_key(|list| list.len());
        (
            longest.map_or(0, Vec::len),
            longest.and_then(|list| list.first()).and_then(|number| self.rule(*number)),
        )
    }

    fn bucket(&mut self, who: &Who) -> &mut Bucket {
        let word =
            |pattern: &Option<Pattern>| pattern.as_ref().and_then(|p| p.as_word().map(Box::<str>::from));
        if let Some(user) = word(&who.user) {
            return self.users.entry(user).or_default();
        }
        match word(&who.group) {
            Some(group) => self.groups.entry(group).or_default(),
            None => &mut self.open,
        }
    }
}

impl Bucket {
    fn add(&mut self, number: u32, rule: &Rule) {
        if !rule.paths.is_empty() {
            push(&mut self.paths, number);
        }
        let Some(resources) = &rule.resources else { return };
        for resource in bases(resources) {
            let by_namespace = self.resources.entry(resource);
            for namespace in namespaces(resources, rule.effect) {
                push(by_namespace.entry(namespace), number);
            }
        }
    }
}

/// A rule that names a word twice is listed once.
fn push(list: &mut Vec<u32>, number: u32) {
    if list.last() != Some(&number) {
        list.push(number);
    }
}

/// The resources a rule names, without subresources; `None` is open.
fn bases(resources: &Resources) -> Vec<Option<&str>> {
    let base = |pattern: &Pattern| -> Option<usize> {
        let text = pattern.as_str();
        let end = text.find('/').unwrap_or(text.len());
        let plain = pattern.as_word().is_some() || !text.get(..end)?.contains(['*', '?']);
        plain.then_some(end)
    };
    let mut all: Vec<_> =
        resources.resources.iter().map(|p| base(p).and_then(|end| p.as_str().get(..end))).collect();
    all.sort_unstable();
    all.dedup();
    if all.first() == Some(&None) { vec![None] } else { all }
}

/// The namespaces a rule names; a refusal is also about requests for all of them.
fn namespaces(resources: &Resources, effect: Effect) -> Vec<Option<&str>> {
    let mut all: Vec<_> = resources.namespaces.iter().map(Pattern::as_word).collect();
    if all.is_empty() || all.contains(&None) {
        return vec![None];
    }
    if effect == Effect::Deny {
        all.push(Some(""));
    }
    all
}
