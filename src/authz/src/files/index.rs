//! Finds the few rules that may be about a request.
//!
//! Rules are kept in the order in which they decide, so that a smaller number decides first. Each is listed
//! under its subject with what it names: resource and namespace, or that it is about paths. What a rule leaves open or
//! writes as a glob is listed as open. What comes out may be about the request: the rule itself says whether it is.
//!
//! A subject's list lies beside its name and tells what is named by a hash, so that it is read without looking at
//! any rule. Two that share a hash are told apart by the rules. The hashes are quick ones: only operators write what is
//! listed, and who asks cannot lengthen a list.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use portcullis_api::UserInfo;
use smallvec::{SmallVec, smallvec};

use super::pattern::Pattern;
use super::rule::{Effect, Resources, Rule, Who};
use crate::attributes::{Attributes, Subject};

/// Rules by their numbers, in the order in which they decide.
pub(super) type Candidates = SmallVec<[Candidate; 16]>;

/// A rule that may be about a request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Candidate {
    pub(super) number: u32,
    pub(super) effect: Effect,
}

/// The rules of a snapshot and the ways to them.
#[derive(Default)]
pub(super) struct Index {
    rules: Box<[Arc<Rule>]>,
    users: HashMap<Word, List, RandomState>,
    groups: HashMap<Word, List, RandomState>,
    open: List,
    hasher: RandomState,
}

/// A name; a short one needs no memory elsewhere.
type Word = SmallVec<[u8; 24]>;

/// The rules of one subject, sorted once all are listed.
type List = SmallVec<[Listed; 1]>;

/// A rule in a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Listed {
    /// What it names.
    key: u64,
    candidate: Candidate,
}

/// Lists up to this length are read from end to end.
const SHORT: usize = 32;

/// What a rule names, or a request may be named by. `None` is open.
#[derive(Hash)]
enum Named<'a> {
    Path,
    Resource { resource: Option<&'a str>, namespace: Option<&'a str> },
}

impl Index {
    /// Orders and lists rules.
    pub(super) fn new(mut rules: Vec<Arc<Rule>>) -> Self {
        // Stable: what is written first decides first among equals.
        rules.sort_by_key(|rule| (rule.priority, rule.effect));
        let mut index = Self::default();
        for (number, rule) in (0u32..).zip(&rules) {
            let candidate = Candidate { number, effect: rule.effect };
            let keys = named(rule).into_iter().map(|named| index.hasher.hash_one(named)).collect::<Vec<_>>();
            for who in &rule.subjects {
                index.list(who).extend(keys.iter().map(|key| Listed { key: *key, candidate }));
            }
        }
        for list in index.users.values_mut().chain(index.groups.values_mut()).chain([&mut index.open]) {
            list.sort_unstable();
            list.dedup();
            list.shrink_to_fit();
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
    pub(super) fn candidates(&self, user: &UserInfo, asked: &Attributes<'_>) -> Candidates {
        let mut found = Candidates::new();
        if self.rules.is_empty() {
            return found;
        }
        let groups = user.groups.iter().filter_map(|group| self.groups.get(group.as_bytes()));
        let own = self.users.get(user.name.as_bytes()).into_iter();
        let mut lists = own.chain([&self.open]).chain(groups).filter(|list| !list.is_empty()).peekable();
        if lists.peek().is_some() {
            let keys = self.keys(asked);
            lists.for_each(|list| find(list, &keys, &mut found));
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Under what rules about a request may be listed.
    fn keys(&self, asked: &Attributes<'_>) -> SmallVec<[u64; 4]> {
        let Subject::Resource(asked) = &asked.subject else {
            return smallvec![self.hasher.hash_one(Named::Path)];
        };
        let (resource, namespace) = (Some(asked.resource), Some(asked.namespace));
        let ways = [(resource, namespace), (resource, None), (None, namespace), (None, None)];
        ways.into_iter()
            .map(|(r, n)| self.hasher.hash_one(Named::Resource { resource: r, namespace: n }))
            .collect()
    }

    /// The most rules that one request may have to weigh, and one of them.
    pub(super) fn most_that_meet(&self) -> (usize, Option<&Arc<Rule>>) {
        let lists = self.users.values().chain(self.groups.values()).chain([&self.open]);
        let longest = lists.flat_map(|list| list.chunk_by(|a, b| a.key == b.key)).max_by_key(|run| run.len());
        let one = longest.and_then(<[_]>::first).and_then(|listed| self.rule(listed.candidate.number));
        (longest.map_or(0, <[_]>::len), one)
    }

    fn list(&mut self, who: &Who) -> &mut List {
        let word = |pattern: &Option<Pattern>| {
            pattern.as_ref().and_then(|p| p.as_word().map(|word| Word::from_slice(word.as_bytes())))
        };
        if let Some(user) = word(&who.user) {
            return self.users.entry(user).or_default();
        }
        match word(&who.group) {
            Some(group) => self.groups.entry(group).or_default(),
            None => &mut self.open,
        }
    }
}

/// Adds the rules of a list that are listed under any of some keys.
fn find(list: &[Listed], keys: &[u64], found: &mut Candidates) {
    if list.len() <= SHORT {
        let wanted = list.iter().filter(|listed| keys.contains(&listed.key));
        found.extend(wanted.map(|listed| listed.candidate));
        return;
    }
    for key in keys {
        let from = list.partition_point(|listed| listed.key < *key);
        let run = list.iter().skip(from).take_while(|listed| listed.key == *key);
        found.extend(run.map(|listed| listed.candidate));
    }
}

/// All that a rule names.
fn named(rule: &Rule) -> Vec<Named<'_>> {
    let mut all = Vec::new();
    if !rule.paths.is_empty() {
        all.push(Named::Path);
    }
    let Some(resources) = &rule.resources else { return all };
    for resource in bases(resources) {
        let places = namespaces(resources, rule.effect).into_iter();
        all.extend(places.map(|namespace| Named::Resource { resource, namespace }));
    }
    all
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
