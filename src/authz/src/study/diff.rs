//! What two sets of policies give whom: every subject, verb, resource and namespace that either names is tried in
//! both, as far as what changed can concern it.
//!
//! What neither names is tried by a stranger in each place: a resource, a namespace and a name that nobody speaks
//! of, so that a star shows.

mod affected;
mod gather;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use portcullis_api::{UserInfo, Value};

use self::affected::{Affected, Scope};
pub use self::gather::{Gathered, gathered};
use super::read::Studied;
use crate::attributes::{Attributes, Resource};
use crate::authorities::Authorities;
use crate::files::Pattern;
use crate::rbac::Rule;

/// Stands for what no policy names.
const STRANGER: &str = "any-other";
/// More questions than this are not asked.
const MAX_QUESTIONS: usize = 20_000_000;

/// An access that only one of the sets gives.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Change {
    /// `user:NAME` or `group:NAME`.
    pub subject: String,
    /// The verb.
    pub verb: String,
    /// The group, empty for core.
    pub group: String,
    /// The resource with its subresource, or the path.
    pub what: String,
    /// The namespace; empty is the cluster.
    pub namespace: String,
    /// Whether the new set gives it.
    pub gained: bool,
}

#[derive(Default)]
struct Words {
    subjects: BTreeSet<(bool, String)>,
    verbs: BTreeSet<String>,
    resources: BTreeSet<(String, String)>,
    namespaces: BTreeSet<String>,
    paths: BTreeSet<String>,
}

/// The access gained and lost from one set to another.
///
/// # Errors
/// When the sets name too much to try it all.
pub fn diff(old: &Studied, new: &Studied) -> Result<Vec<Change>, String> {
    let affected = Affected::between(old, new);
    let mut words = Words::of(old, new);
    if !affected.is_about_all_words() {
        words.keep(&affected.rules);
    }
    words.add_strangers();
    let concerned: Vec<Asked<'_>> = words
        .subjects
        .iter()
        .map(|(is_group, name)| Asked::new(*is_group, name))
        .filter_map(|asked| Some(Asked { scope: affected.scope(&asked.user)?, ..asked }))
        .collect();
    words.compare_all(&concerned, old, new)
}

/// Somebody who is asked about.
struct Asked<'w> {
    is_group: bool,
    name: &'w str,
    user: UserInfo,
    scope: Scope,
}

impl<'w> Asked<'w> {
    fn new(is_group: bool, name: &'w str) -> Self {
        let user = match is_group {
            true => UserInfo::new(STRANGER, [name, "system:authenticated"]),
            false => UserInfo::new(name, ["system:authenticated"]),
        };
        Self { is_group, name, user, scope: Scope::default() }
    }
}

impl Words {
    fn of(old: &Studied, new: &Studied) -> Self {
        let mut words = Self::default();
        words.read(old);
        words.read(new);
        words
    }

    /// Leaves out the verbs, resources and paths that none of these rules names.
    fn keep(&mut self, rules: &[Rule]) {
        self.verbs.clear();
        self.resources.clear();
        self.paths.clear();
        for rule in rules {
            self.read_rule(rule);
        }
    }

    fn add_strangers(&mut self) {
        self.namespaces.extend([String::new(), STRANGER.to_owned()]);
        self.resources.insert((String::new(), STRANGER.to_owned()));
        self.resources.insert((STRANGER.to_owned(), STRANGER.to_owned()));
        self.verbs.insert(STRANGER.to_owned());
    }

    fn namespaces<'a>(&'a self, scope: &'a Scope) -> &'a BTreeSet<String> {
        if scope.everywhere { &self.namespaces } else { &scope.namespaces }
    }

    fn questions(&self, scope: &Scope) -> usize {
        let resources = self.resources.len().saturating_mul(self.namespaces(scope).len());
        let paths = if scope.everywhere { self.paths.len() } else { 0 };
        self.verbs.len().saturating_mul(resources.saturating_add(paths))
    }

    fn compare_all(
        &self,
        concerned: &[Asked<'_>],
        old: &Studied,
        new: &Studied,
    ) -> Result<Vec<Change>, String> {
        let questions = concerned.iter().map(|asked| self.questions(&asked.scope));
        let questions = questions.fold(0, usize::saturating_add);
        if questions > MAX_QUESTIONS {
            return Err(format!("{questions} questions are too many; compare fewer policies at a time"));
        }
        let (old, new) = (old.authorities(), new.authorities());
        let mut changes = Vec::new();
        for asked in concerned {
            self.compare(asked, &old, &new, &mut changes);
        }
        Ok(changes)
    }

    fn compare(&self, whom: &Asked<'_>, old: &Authorities, new: &Authorities, changes: &mut Vec<Change>) {
        let told = format!("{}:{}", if whom.is_group { "group" } else { "user" }, whom.name);
        let mut ask = |asked: Attributes<'_>, group: &str, what: &str, namespace: &str| {
            let [before, after] = [old, new].map(|of| of.chain.decide(&whom.user, &asked).is_allowed());
            if before != after {
                changes.push(Change {
                    subject: told.clone(),
                    verb: asked.verb.to_owned(),
                    group: group.to_owned(),
                    what: what.to_owned(),
                    namespace: namespace.to_owned(),
                    gained: after,
                });
            }
        };
        for verb in &self.verbs {
            for (group, whole) in &self.resources {
                let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
                for namespace in self.namespaces(&whom.scope) {
                    let name = STRANGER;
                    let asked =
                        Resource { group, resource, subresource, namespace, name, ..Resource::default() };
                    ask(Attributes::resource(verb, asked), group, whole, namespace);
                }
            }
            for path in self.paths.iter().filter(|_| whom.scope.everywhere) {
                ask(Attributes::path(verb, path), "", path, "");
            }
        }
    }

    fn read(&mut self, studied: &Studied) {
        for placed in &studied.objects {
            self.namespaces.insert(placed.object.namespace().to_owned());
            for rule in &Rule::list(placed.object.get("rules")) {
                self.read_rule(rule);
            }
            for subject in placed.object.get("subjects").and_then(Value::as_array).into_iter().flatten() {
                self.subjects.insert(subject_of(subject, placed.object.namespace()));
            }
        }
        for rule in &studied.rules {
            self.verbs.extend(named(&rule.verbs));
            self.paths.extend(named(&rule.paths));
            for who in &rule.subjects {
                self.subjects.extend(who.user.iter().map(|p| (false, sample(p))));
                self.subjects.extend(who.group.iter().map(|p| (true, sample(p))));
            }
            if let Some(resources) = &rule.resources {
                self.namespaces.extend(resources.namespaces.iter().map(sample));
                for group in &resources.groups {
                    for resource in &resources.resources {
                        self.resources.insert((sample(group), sample(resource)));
                    }
                }
            }
        }
    }

    fn read_rule(&mut self, rule: &Rule) {
        let plain = |word: &&str| !word.contains('*');
        self.verbs.extend(rule.verbs.iter().map(|verb| &**verb).filter(plain).map(str::to_owned));
        self.paths.extend(rule.non_resource_urls.iter().map(|path| path.replace('*', STRANGER)));
        for group in &rule.api_groups {
            for resource in &rule.resources {
                self.resources.insert((group.replace('*', STRANGER), resource.replace('*', STRANGER)));
            }
        }
    }
}

/// Whether a subject of a binding is a group, and its name as users have it.
fn subject_of(subject: &Value, binding_namespace: &str) -> (bool, String) {
    let text = |field: &str| subject.get(field).and_then(Value::as_str).unwrap_or_default();
    let name = text("name");
    match text("kind") {
        "User" => (false, name.to_owned()),
        "Group" => (true, name.to_owned()),
        _ => {
            let own = text("namespace");
            let namespace = if own.is_empty() { binding_namespace } else { own };
            (false, format!("system:serviceaccount:{namespace}:{name}"))
        }
    }
}

fn named(patterns: &[Pattern]) -> impl Iterator<Item = String> {
    patterns.iter().map(sample)
}

/// A text that a pattern matches.
fn sample(pattern: &Pattern) -> String {
    match pattern.as_word() {
        Some(word) => word.to_owned(),
        None => pattern.as_str().replace("**", "*").replace('*', STRANGER).replace('?', "x"),
    }
}
