//! What a terminating namespace says of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{NamespaceCondition, NamespaceStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::contents::Emptied;

/// A condition that somebody waits on: its type, and what it says while nothing is wrong.
struct Row {
    kind: &'static str,
    reason: &'static str,
    message: &'static str,
    /// What it says instead.
    trouble: fn(&Emptied) -> Option<(&'static str, String)>,
}

/// The conditions in their order.
const ROWS: [Row; 5] = [
    Row {
        kind: "NamespaceDeletionDiscoveryFailure",
        reason: "ResourcesDiscovered",
        message: "All resources successfully discovered",
        trouble: |emptied| emptied.discovery_failure.clone().map(|words| ("DiscoveryFailed", words)),
    },
    // Group versions come to us apart, so there is nothing that could fail to be parsed.
    Row {
        kind: "NamespaceDeletionGroupVersionParsingFailure",
        reason: "ParsedGroupVersions",
        message: "All legacy kube types successfully parsed",
        trouble: |_| None,
    },
    Row {
        kind: "NamespaceDeletionContentFailure",
        reason: "ContentDeleted",
        message: "All content successfully deleted, may be waiting on finalization",
        trouble: failed,
    },
    Row {
        kind: "NamespaceContentRemaining",
        reason: "ContentRemoved",
        message: "All content successfully removed",
        trouble: remaining,
    },
    Row {
        kind: "NamespaceFinalizersRemaining",
        reason: "ContentHasNoFinalizers",
        message: "All content-preserving finalizers finished",
        trouble: held,
    },
];

/// Brings the conditions up to date; says whether that changed any.
pub(crate) fn update(status: &mut NamespaceStatus, emptied: &Emptied) -> bool {
    let conditions = status.conditions.get_or_insert_default();
    let mut changed = false;
    for row in &ROWS {
        let wanted = row.condition(emptied);
        match conditions.iter_mut().find(|condition| condition.type_ == row.kind) {
            None => conditions.push(wanted),
            Some(known) if says_the_same(known, &wanted) => continue,
            Some(known) => {
                let since = known.last_transition_time.clone().filter(|_| known.status == wanted.status);
                let last_transition_time = since.or_else(|| wanted.last_transition_time.clone());
                *known = NamespaceCondition { last_transition_time, ..wanted };
            }
        }
        changed = true;
    }
    changed
}

impl Row {
    fn condition(&self, emptied: &Emptied) -> NamespaceCondition {
        let trouble = (self.trouble)(emptied);
        let status = if trouble.is_some() { "True" } else { "False" };
        let (reason, message) = trouble.unwrap_or_else(|| (self.reason, self.message.to_owned()));
        NamespaceCondition {
            last_transition_time: Some(Time(Timestamp::now())),
            message: Some(message),
            reason: Some(reason.to_owned()),
            status: status.to_owned(),
            type_: self.kind.to_owned(),
        }
    }
}

fn says_the_same(one: &NamespaceCondition, other: &NamespaceCondition) -> bool {
    (&one.status, &one.reason, &one.message) == (&other.status, &other.reason, &other.message)
}

fn failed(emptied: &Emptied) -> Option<(&'static str, String)> {
    let mut failures: Vec<_> = emptied.failures.iter().map(String::as_str).collect();
    failures.sort_unstable();
    (!failures.is_empty()).then(|| {
        let (count, words) = (failures.len(), failures.join(", "));
        ("ContentDeletionFailed", format!("Failed to delete all resource types, {count} remaining: {words}"))
    })
}

fn remaining(emptied: &Emptied) -> Option<(&'static str, String)> {
    let words = counted(&emptied.remaining, |what, count| format!("{what} has {count} resource instances"))?;
    Some(("SomeResourcesRemain", format!("Some resources are remaining: {words}")))
}

fn held(emptied: &Emptied) -> Option<(&'static str, String)> {
    let words = counted(&emptied.finalizers, |what, count| format!("{what} in {count} resource instances"))?;
    Some(("SomeFinalizersRemain", format!("Some content in the namespace has finalizers remaining: {words}")))
}

fn counted(counts: &BTreeMap<String, usize>, say: fn(&str, usize) -> String) -> Option<String> {
    let mut words: Vec<_> = counts.iter().map(|(what, count)| say(what, *count)).collect();
    words.sort_unstable();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: &NamespaceStatus) -> Vec<String> {
        let conditions = status.conditions.iter().flatten();
        conditions
            .map(|c| format!("{} {} {}", c.type_, c.status, c.message.as_deref().unwrap_or("")))
            .collect()
    }

    #[test]
    fn an_empty_namespace_has_no_trouble() {
        let mut status = NamespaceStatus::default();
        assert!(update(&mut status, &Emptied::default()));
        assert_eq!(
            shown(&status),
            [
                "NamespaceDeletionDiscoveryFailure False All resources successfully discovered",
                "NamespaceDeletionGroupVersionParsingFailure False All legacy kube types successfully parsed",
                "NamespaceDeletionContentFailure False All content successfully deleted, may be waiting on finalization",
                "NamespaceContentRemaining False All content successfully removed",
                "NamespaceFinalizersRemaining False All content-preserving finalizers finished",
            ]
        );
        assert!(!update(&mut status, &Emptied::default()));
    }

    #[test]
    fn what_remains_is_counted() {
        let mut status = NamespaceStatus::default();
        update(&mut status, &Emptied::default());
        let emptied = Emptied {
            remaining: BTreeMap::from([("pods.".to_owned(), 2), ("jobs.batch".to_owned(), 1)]),
            finalizers: BTreeMap::from([("a/b".to_owned(), 3)]),
            failures: vec!["z".to_owned(), "y".to_owned()],
            ..Emptied::default()
        };
        assert!(update(&mut status, &emptied));
        assert_eq!(
            shown(&status)[2..],
            [
                "NamespaceDeletionContentFailure True Failed to delete all resource types, 2 remaining: y, z",
                "NamespaceContentRemaining True Some resources are remaining: jobs.batch has 1 resource instances, pods. has 2 resource instances",
                "NamespaceFinalizersRemaining True Some content in the namespace has finalizers remaining: a/b in 3 resource instances",
            ]
        );
    }
}
