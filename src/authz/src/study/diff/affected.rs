//! Whom a change can concern, and where: nobody else has to be asked.
//!
//! A binding concerns its subjects where it binds, a role those who are bound to it, a rule of a policy file those
//! it names. What decides otherwise in between (an order of rules, a namespace's labels) concerns everybody.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use portcullis_api::{Object, UserInfo, Value};

use super::super::read::Studied;
use crate::files::Rule as FileRule;
use crate::rbac::Rule;

/// Where answers for somebody can differ.
#[derive(Clone, Default)]
pub(super) struct Scope {
    pub(super) everywhere: bool,
    pub(super) namespaces: BTreeSet<String>,
}

/// What changed, by whom it can concern.
#[derive(Default)]
pub(super) struct Affected {
    everybody: bool,
    users: HashMap<String, Scope>,
    groups: HashMap<String, Scope>,
    /// The rules of policy files that only one set has.
    pub(super) file_rules: Vec<Arc<FileRule>>,
    /// The rules of the roles that are bound otherwise.
    pub(super) rules: Vec<Rule>,
}

/// Kind, namespace and name.
type Place<'s> = (&'s str, &'s str, &'s str);

impl Affected {
    pub(super) fn between(old: &Studied, new: &Studied) -> Self {
        let ruled = !old.rules.is_empty() || !new.rules.is_empty();
        let everybody = ruled && !old.has_same_places(new);
        let mut affected = Self { everybody, file_rules: file_rules(old, new), ..Self::default() };
        let (before, after) = (objects(old), objects(new));
        let changed = |place: &Place<'_>| !same(before.get(place), after.get(place));
        for side in [&before, &after] {
            for (place, object) in side {
                let role = role_of(place, object);
                if role.is_some_and(|role| changed(place) || changed(&role)) {
                    affected.bind(place, object);
                    affected.rules.extend(role.and_then(|role| side.get(&role)).into_iter().flat_map(rules));
                }
            }
        }
        affected
    }

    /// Whether nothing can be left out.
    pub(super) fn is_about_all_words(&self) -> bool {
        let wild = |words: &[Box<str>]| words.iter().any(|word| word.contains('*'));
        let role = |rule: &Rule| {
            [&rule.verbs, &rule.resources, &rule.api_groups, &rule.non_resource_urls]
                .into_iter()
                .any(|words| wild(words))
        };
        self.everybody || !self.file_rules.is_empty() || self.rules.iter().any(role)
    }

    fn bind(&mut self, (kind, namespace, _): &Place<'_>, binding: &Object) {
        for subject in binding.get("subjects").and_then(Value::as_array).into_iter().flatten() {
            let (is_group, name) = super::subject_of(subject, namespace);
            let scopes = if is_group { &mut self.groups } else { &mut self.users };
            let scope = scopes.entry(name).or_default();
            match *kind {
                "clusterrolebindings" => scope.everywhere = true,
                _ => drop(scope.namespaces.insert((*namespace).to_owned())),
            }
        }
    }

    /// Where answers for this user can differ; `None` is nowhere.
    pub(super) fn scope(&self, user: &UserInfo) -> Option<Scope> {
        let named = self.file_rules.iter().any(|rule| rule.subjects.iter().any(|who| who.is(user)));
        let mut scope = Scope { everywhere: self.everybody || named, namespaces: BTreeSet::new() };
        let groups = user.groups.iter().filter_map(|group| self.groups.get(&**group));
        for one in self.users.get(&*user.name).into_iter().chain(groups) {
            scope.everywhere |= one.everywhere;
            scope.namespaces.extend(one.namespaces.iter().cloned());
        }
        (scope.everywhere || !scope.namespaces.is_empty()).then_some(scope)
    }
}

/// The last of several of one name is the one that counts.
fn objects(studied: &Studied) -> BTreeMap<Place<'_>, &Object> {
    let placed = studied.objects.iter().map(|placed| (&*placed.resource.resource, &placed.object));
    placed.map(|(kind, object)| ((kind, object.namespace(), object.name()), object)).collect()
}

fn same(one: Option<&&Object>, other: Option<&&Object>) -> bool {
    let (Some(one), Some(other)) = (one, other) else { return one.is_none() && other.is_none() };
    ["rules", "subjects", "roleRef"].iter().all(|field| one.get(field) == other.get(field))
}

/// The role that a binding binds; `None` of what is no binding.
fn role_of<'s>((kind, namespace, _): &Place<'s>, binding: &'s Object) -> Option<Place<'s>> {
    if !kind.ends_with("bindings") {
        return None;
    }
    let name = binding.str_at(&["roleRef", "name"]);
    Some(match binding.str_at(&["roleRef", "kind"]) {
        "Role" => ("roles", namespace, name),
        _ => ("clusterroles", "", name),
    })
}

fn rules(role: &&Object) -> Box<[Rule]> {
    Rule::list(role.get("rules"))
}

/// Rules that only one of the sets has, wherever they are written.
fn file_rules(old: &Studied, new: &Studied) -> Vec<Arc<FileRule>> {
    let by_meaning = |of: &Studied| -> BTreeMap<String, Arc<FileRule>> {
        of.rules.iter().map(|rule| (rule.meaning(), Arc::clone(rule))).collect()
    };
    let (before, after) = (by_meaning(old), by_meaning(new));
    let only = |one: &BTreeMap<String, Arc<FileRule>>, other: &BTreeMap<String, Arc<FileRule>>| {
        one.iter()
            .filter(|(meaning, _)| !other.contains_key(*meaning))
            .map(|(_, rule)| Arc::clone(rule))
            .collect()
    };
    let (gone, come): (Vec<_>, Vec<_>) = (only(&before, &after), only(&after, &before));
    [gone, come].concat()
}
