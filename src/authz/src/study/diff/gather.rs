//! Changes for people: what somebody gained or lost in the same way, once, with all places where it holds.

use std::collections::{BTreeMap, BTreeSet};

use super::Change;

/// What one subject gained or lost in some places.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gathered {
    /// Whether it was gained.
    pub gained: bool,
    /// `user:NAME` or `group:NAME`.
    pub subject: String,
    /// The namespaces; empty is the cluster.
    pub namespaces: Vec<String>,
    /// Verbs, and the resources or paths they are for.
    pub access: Vec<(Vec<String>, Vec<String>)>,
}

/// Gathers changes by whom they concern, and then by where.
pub fn gathered(changes: &[Change]) -> Vec<Gathered> {
    let mut places: BTreeMap<_, BTreeMap<_, BTreeSet<_>>> = BTreeMap::new();
    for change in changes {
        let place = (&change.subject, !change.gained, &change.namespace);
        places.entry(place).or_default().entry(what(change)).or_default().insert(&change.verb);
    }
    let mut alike: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for ((subject, lost, namespace), whats) in places {
        alike.entry((subject, lost, access(whats))).or_default().push(namespace.clone());
    }
    let one = |((subject, lost, access), namespaces): ((&String, bool, _), _)| Gathered {
        gained: !lost,
        subject: subject.clone(),
        namespaces,
        access,
    };
    alike.into_iter().map(one).collect()
}

fn what(change: &Change) -> String {
    match &*change.group {
        "" => change.what.clone(),
        group => format!("{}.{group}", change.what),
    }
}

/// Resources with the same verbs are told together.
fn access(whats: BTreeMap<String, BTreeSet<&String>>) -> Vec<(Vec<String>, Vec<String>)> {
    let mut by_verbs: BTreeMap<BTreeSet<&String>, Vec<String>> = BTreeMap::new();
    for (what, verbs) in whats {
        by_verbs.entry(verbs).or_default().push(what);
    }
    by_verbs.into_iter().map(|(verbs, whats)| (verbs.into_iter().cloned().collect(), whats)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_told_once() {
        let change = |verb: &str, what: &str, namespace: &str, gained| Change {
            subject: "user:ann".into(),
            verb: verb.into(),
            group: if what == "deployments" { "apps".into() } else { String::new() },
            what: what.into(),
            namespace: namespace.into(),
            gained,
        };
        let mut changes = Vec::new();
        for namespace in ["a", "b"] {
            for verb in ["get", "list"] {
                changes.extend(["pods", "deployments"].map(|what| change(verb, what, namespace, true)));
            }
            changes.push(change("get", "pods/log", namespace, true));
        }
        changes.push(change("get", "/metrics", "", false));
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let ann = |gained, namespaces: &[&str], access| Gathered {
            gained,
            subject: "user:ann".into(),
            namespaces: words(namespaces),
            access,
        };
        let gained = vec![
            (words(&["get"]), words(&["pods/log"])),
            (words(&["get", "list"]), words(&["deployments.apps", "pods"])),
        ];
        let lost = vec![(words(&["get"]), words(&["/metrics"]))];
        assert_eq!(gathered(&changes), [ann(true, &["a", "b"], gained), ann(false, &[""], lost)]);
        assert_eq!(gathered(&[]), []);
    }
}
