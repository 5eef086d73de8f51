//! Which fields the writes of an endpoint can set at all. The others leave its owners again.

use super::element::Element;
use super::set::{FieldSet, Node};

/// The fields that an endpoint sets.
#[derive(Clone, Copy, Debug)]
pub enum Writable<'k> {
    /// All but these and what is below them.
    AllBut(&'k [&'k [&'k str]]),
    /// Only these and what is below them; `*` is any list entry or field.
    Only(&'k [&'k [&'k str]]),
}

const STATUS: &[&str] = &["status"];
const SPEC: &[&str] = &["spec"];
const METADATA: &[&str] = &["metadata"];

/// Resources whose `status` endpoint does not set metadata either.
const WITHOUT_METADATA: &[&str] = &[
    "apiservices",
    "customresourcedefinitions",
    "flowschemas",
    "prioritylevelconfigurations",
    "resourceclaims",
    "servicecidrs",
    "validatingadmissionpolicies",
    "volumeattachments",
];

/// What an endpoint of a built-in resource sets.
pub fn writable(resource: &str, subresource: &str) -> Writable<'static> {
    match (resource, subresource) {
        ("pods", "status") => {
            Writable::AllBut(&[SPEC, &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]])
        }
        ("pods", "ephemeralcontainers") => Writable::Only(&[&["spec", "ephemeralContainers"]]),
        ("pods", "resize") => Writable::Only(&[
            &["spec", "containers", "*", "resources"],
            &["spec", "containers", "*", "resizePolicy"],
            &["spec", "initContainers", "*", "resources"],
            &["spec", "initContainers", "*", "resizePolicy"],
        ]),
        ("deployments", "status") => Writable::AllBut(&[SPEC, &["metadata", "labels"]]),
        ("certificatesigningrequests", "") => Writable::AllBut(&[SPEC, STATUS]),
        ("certificatesigningrequests", "status") => Writable::AllBut(&[SPEC, &["status", "conditions"]]),
        ("certificatesigningrequests", "approval") => Writable::AllBut(&[SPEC, &["status", "certificate"]]),
        (resource, "status") if WITHOUT_METADATA.contains(&resource) => Writable::STATUS_ONLY,
        (_, "status") => Writable::AllBut(&[SPEC]),
        (_, "" | "finalize") => Writable::AllBut(&[STATUS]),
        _ => Writable::ALL,
    }
}

impl Writable<'_> {
    /// Everything.
    pub const ALL: Writable<'static> = Writable::AllBut(&[]);

    /// What the main endpoint of a custom resource with a status subresource sets.
    pub const ALL_BUT_STATUS: Writable<'static> = Writable::AllBut(&[STATUS]);

    /// What the status endpoint of a custom resource sets.
    pub const STATUS_ONLY: Writable<'static> = Writable::AllBut(&[METADATA, SPEC]);

    /// The part of a set that can be set.
    #[must_use]
    pub fn of<'a>(&self, set: FieldSet<'a>) -> FieldSet<'a> {
        match self {
            Self::AllBut(paths) => set.recursive_difference(&FieldSet::of_names(paths)),
            Self::Only(paths) => only(&set, paths),
        }
    }
}

fn only<'a>(set: &FieldSet<'a>, paths: &[&[&str]]) -> FieldSet<'a> {
    let mut out = FieldSet::new();
    for node in set.nodes() {
        let below: Vec<&[&str]> = paths.iter().filter_map(|path| after(path, &node.element)).collect();
        if below.iter().any(|rest| rest.is_empty()) {
            out.push(node.clone());
        } else if !below.is_empty() {
            out.push(Node::new(node.element.clone(), node.member, only(&node.children, &below)));
        }
    }
    out
}

/// The rest of a path that starts with a step.
fn after<'p>(path: &'p [&'p str], element: &Element<'_>) -> Option<&'p [&'p str]> {
    let (first, rest) = path.split_first()?;
    let matches = *first == "*" || matches!(element, Element::Field(name) if name == first);
    matches.then_some(rest)
}
