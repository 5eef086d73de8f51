//! Which storage effects a permitted action entails: a table of facts.

use std::sync::LazyLock;

use portcullis_api::attributes::ResourceTarget;
use portcullis_api::{GroupResource, Verb};

/// A set of verbs.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Verbs(u16);

struct Row {
    group: &'static str,
    resource: &'static str,
    subresource: &'static str,
    verbs: Verbs,
    effects: Verbs,
    /// `None` is the action's own.
    on: Option<(&'static str, &'static str)>,
    any_name: bool,
}

/// Whether an action, as its request names it, may have an effect on a stored object.
pub(crate) fn entails(
    action: Verb,
    target: &ResourceTarget,
    effect: Verb,
    on: &GroupResource,
    namespace: &str,
    name: &str,
) -> bool {
    let own = on.group == target.group && on.resource == target.resource;
    let itself = own && reaches(target, namespace, name);
    if itself && effect == action && target.subresource.is_empty() {
        return true;
    }
    static ROWS: LazyLock<Vec<Row>> = LazyLock::new(rows);
    ROWS.iter().filter(|row| row.is_about(action, target) && row.effects.has(effect)).any(|row| {
        match row.on {
            None => itself,
            Some((group, resource)) => {
                let named = *on.group == *group && *on.resource == *resource;
                named && row.any_name && (namespace.is_empty() || namespace == &*target.namespace)
            }
        }
    })
}

/// Whether a request's namespace and name are an object's. A request without a name reaches all.
fn reaches(target: &ResourceTarget, namespace: &str, name: &str) -> bool {
    let is_namespace = target.group.is_empty() && &*target.resource == "namespaces";
    let everywhere = target.namespace.is_empty() && target.name.is_empty();
    let inside = is_namespace || everywhere || &*target.namespace == namespace;
    inside && (target.name.is_empty() || &*target.name == name)
}

impl Row {
    fn is_about(&self, action: Verb, target: &ResourceTarget) -> bool {
        let is = |rule: &str, value: &str| rule == value || (rule == "*" && !value.is_empty());
        self.verbs.has(action)
            && (self.group == "*" || self.group == &*target.group)
            && is(self.resource, &target.resource)
            && is(self.subresource, &target.subresource)
    }
}

impl Verbs {
    fn has(self, verb: Verb) -> bool {
        self.0 & bit(verb) != 0
    }

    fn read(words: &str) -> Self {
        let bits = words.split(',').filter_map(|word| RESOURCE_VERBS.iter().find(|v| v.as_str() == word));
        Self(bits.fold(0, |all, verb| all | bit(*verb)))
    }
}

const RESOURCE_VERBS: [Verb; 8] = [
    Verb::Get,
    Verb::List,
    Verb::Watch,
    Verb::Create,
    Verb::Update,
    Verb::Patch,
    Verb::Delete,
    Verb::DeleteCollection,
];

fn bit(verb: Verb) -> u16 {
    RESOURCE_VERBS.iter().position(|v| *v == verb).map_or(0, |at| 1 << at)
}

fn rows() -> Vec<Row> {
    let lines = include_str!("../data/effects.tsv").lines();
    lines.filter(|line| !line.starts_with('#')).skip(1).filter_map(row).collect()
}

fn row(line: &'static str) -> Option<Row> {
    let mut cells = line.split('\t');
    let mut next = || cells.next();
    let (group, resource, subresource) = (next()?, next()?, next()?);
    let (verbs, effects) = (Verbs::read(next()?), Verbs::read(next()?));
    let on = (next()?, next()?);
    let on = (on != ("=", "=")).then_some(on);
    Some(Row { group, resource, subresource, verbs, effects, on, any_name: next()? == "any" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(group: &str, resource: &str, subresource: &str, namespace: &str, name: &str) -> ResourceTarget {
        ResourceTarget {
            group: group.into(),
            version: "v1".into(),
            namespace: namespace.into(),
            resource: resource.into(),
            subresource: subresource.into(),
            name: name.into(),
            ..ResourceTarget::default()
        }
    }

    #[track_caller]
    fn check(
        action: Verb,
        of: &ResourceTarget,
        effect: Verb,
        on: (&str, &str),
        at: (&str, &str),
        expected: bool,
    ) {
        let on = GroupResource::new(on.0, on.1);
        assert_eq!(entails(action, of, effect, &on, at.0, at.1), expected);
    }

    #[test]
    fn every_line_of_the_table_is_read() {
        let lines = include_str!("../data/effects.tsv").lines().filter(|l| !l.starts_with('#')).count();
        let rows = rows();
        assert_eq!(rows.len() + 1, lines);
        assert!(rows.iter().all(|r| r.verbs.0 != 0 && r.effects.0 != 0 && (r.on.is_none() || r.any_name)));
    }

    #[test]
    fn an_action_reaches_what_it_names() {
        let pod = target("", "pods", "", "n", "p");
        check(Verb::Delete, &pod, Verb::Delete, ("", "pods"), ("n", "p"), true);
        check(Verb::Delete, &pod, Verb::Update, ("", "pods"), ("n", "p"), true);
        check(Verb::Delete, &pod, Verb::Delete, ("", "pods"), ("n", "q"), false);
        check(Verb::Delete, &pod, Verb::Delete, ("", "pods"), ("m", "p"), false);
        check(Verb::Delete, &pod, Verb::Delete, ("", "secrets"), ("n", "p"), false);
        check(Verb::Get, &pod, Verb::Update, ("", "pods"), ("n", "p"), false);
        check(Verb::Update, &pod, Verb::Create, ("", "pods"), ("n", "p"), false);
        check(Verb::Patch, &pod, Verb::Delete, ("", "pods"), ("n", "p"), false);
    }

    #[test]
    fn a_list_of_all_namespaces_reaches_all_and_one_of_a_namespace_only_that() {
        let (all, one) = (target("", "pods", "", "", ""), target("", "pods", "", "n", ""));
        check(Verb::List, &all, Verb::List, ("", "pods"), ("m", ""), true);
        check(Verb::List, &one, Verb::List, ("", "pods"), ("m", ""), false);
        check(Verb::List, &one, Verb::List, ("", "pods"), ("", ""), false);
    }

    #[test]
    fn a_namespace_is_reached_by_its_name() {
        let namespace = target("", "namespaces", "", "a", "a");
        check(Verb::Delete, &namespace, Verb::Delete, ("", "namespaces"), ("", "a"), true);
        check(Verb::Delete, &namespace, Verb::Delete, ("", "namespaces"), ("", "b"), false);
        let finalize = target("", "namespaces", "finalize", "a", "a");
        check(Verb::Update, &finalize, Verb::Delete, ("", "namespaces"), ("", "a"), true);
    }

    #[test]
    fn eviction_deletes_its_pod_and_touches_budgets() {
        let eviction = target("", "pods", "eviction", "n", "p");
        check(Verb::Create, &eviction, Verb::Delete, ("", "pods"), ("n", "p"), true);
        check(Verb::Create, &eviction, Verb::Delete, ("", "pods"), ("n", "q"), false);
        check(Verb::Create, &eviction, Verb::Update, ("policy", "poddisruptionbudgets"), ("n", "b"), true);
        check(Verb::Create, &eviction, Verb::Update, ("policy", "poddisruptionbudgets"), ("m", "b"), false);
        check(Verb::Create, &eviction, Verb::Create, ("", "pods"), ("n", "p"), false);
    }

    #[test]
    fn a_binding_updates_its_pod() {
        check(
            Verb::Create,
            &target("", "pods", "binding", "n", "p"),
            Verb::Update,
            ("", "pods"),
            ("n", "p"),
            true,
        );
        check(
            Verb::Create,
            &target("", "bindings", "", "n", ""),
            Verb::Update,
            ("", "pods"),
            ("n", "p"),
            true,
        );
        check(
            Verb::Create,
            &target("", "pods", "exec", "n", "p"),
            Verb::Update,
            ("", "pods"),
            ("n", "p"),
            false,
        );
    }
}
